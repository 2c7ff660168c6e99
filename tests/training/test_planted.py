"""A planted signal: product text tells the kind and nothing else, the image tells the colour and
nothing else, and queries ask for both. Only a model that reads the image can answer them."""

from types import SimpleNamespace

import numpy as np
import pytest

from windowshop.config import ModelConfig, StageConfig, TrainConfig
from windowshop.data.product_text import FACTS, TITLE
from windowshop.encoders.feature_tables import ProductFeatures, QueryFeatures
from windowshop.encoders.layout import Layout
from windowshop.engines.neighbours import nearest
from windowshop.evaluation.runs import product_vectors, query_vectors
from windowshop.model.batches import ProductSource, QuerySource
from windowshop.progress import SilentReporter
from windowshop.training.data import TrainingData
from windowshop.training.job import TrainingJob, run_stages
from windowshop.training.judged_pairs import make_pairs
from windowshop.training.prepared_data import PreparedData

pytestmark = pytest.mark.slow

NUM_KINDS, NUM_COLOURS, NUM_EACH = 8, 5, 6
FEATURES = 16
NOISE = 0.3
KIND, COLOUR = (
    x.flatten() for x in np.meshgrid(np.arange(NUM_KINDS), np.arange(NUM_COLOURS), indexing="ij")
)
HELD_OUT = (KIND + COLOUR) % NUM_COLOURS == 0
"""Pairs of kind and colour that no training query asks for."""

SETTINGS = {"steps": 60, "min_epochs": 0.0, "batch_queries": 32, "learning_rate": 3e-3}
STAGES = (StageConfig(name="separate", **SETTINGS), StageConfig(name="fused", **SETTINGS))


@pytest.fixture(scope="module")
def train_and_ask(feature_table, make_dataset, tmp_path_factory):
    """Train one system and return the share of right products among the first NUM_EACH."""

    def noisy(rng, rows_NH):
        return rows_NH + NOISE * rng.normal(size=rows_NH.shape)

    def run(fusion, *, shuffled=False, seed=0):
        rng = np.random.default_rng(seed)
        kind_word, colour_word, colour_look = (
            rng.normal(size=(count, FEATURES)) for count in (NUM_KINDS, NUM_COLOURS, NUM_COLOURS)
        )
        pair_of_product = np.repeat(np.arange(len(KIND)), NUM_EACH)
        pair_of_query = np.tile(np.arange(len(KIND)), 4)
        texts = feature_table(noisy(rng, kind_word[KIND[pair_of_product]]))
        looks_NH = noisy(rng, colour_look[COLOUR[pair_of_product]])
        asked_QH = noisy(rng, kind_word[KIND[pair_of_query]] + colour_word[COLOUR[pair_of_query]])
        if shuffled:
            looks_NH = rng.permutation(looks_NH)
        no_image = feature_table(np.zeros((len(pair_of_query), FEATURES)), range(len(asked_QH)))
        held_out = HELD_OUT[pair_of_query]
        dataset = make_dataset(
            [f"g{i}" for i in range(len(pair_of_product))],
            [(f"query {i}", None, "test" if out else "train") for i, out in enumerate(held_out)],
            {
                (int(query), int(product)): 1
                for query, pair in enumerate(pair_of_query)
                for product in np.flatnonzero(pair_of_product == pair)
            },
        )
        images = feature_table(looks_NH)
        data = TrainingData(
            ProductSource(ProductFeatures({TITLE: texts, FACTS: texts}, images, None)),
            QuerySource(QueryFeatures(feature_table(asked_QH), no_image, None)),
            make_pairs(dataset, "train"),
        )
        config = ModelConfig(
            width=16, matryoshka=(), hidden=32, fusion=fusion, feature_dropout=0.1, dropout=0.1
        )
        layout, work = Layout((FEATURES,)), tmp_path_factory.mktemp("planted")
        prepared = PreparedData(
            dataset=dataset,
            data=data,
            dev_scorer=None,
            cache=SimpleNamespace(text=SimpleNamespace(layout=layout)),
            hashes={},
            reporter=SilentReporter(),
            image_layout=layout,
        )
        settings = TrainConfig(seed=seed, model=config, stages=STAGES)
        model = prepared.new_model(config, seed)
        state_file = work / "state.safetensors"
        run_stages(
            TrainingJob(prepared=prepared, config=settings, name=fusion, state_file=state_file),
            model,
        )
        asked = np.flatnonzero(held_out)
        found = nearest(
            query_vectors(model, data.queries, asked),
            product_vectors(model, data.products, np.arange(len(pair_of_product))),
            NUM_EACH,
        )
        right = pair_of_product[found.rows] == pair_of_query[asked][:, None]
        return float(right.mean())

    return run


@pytest.fixture(scope="module")
def text_only(train_and_ask):
    return train_and_ask("text_only")


def test_the_image_answers_what_the_text_cannot(train_and_ask, text_only):
    # Text alone finds the kind and then guesses one of five colours: .2 of its results are right.
    assert 0.1 < text_only < 0.35
    assert train_and_ask("experts") > 0.9
    assert train_and_ask(ModelConfig().fusion) > 0.8


@pytest.mark.parametrize("fusion", ["experts", ModelConfig().fusion])
def test_shuffled_images_gain_nothing(train_and_ask, text_only, fusion):
    # Few queries, and guesses. The gain from the right images is above .6.
    assert train_and_ask(fusion, shuffled=True) == pytest.approx(text_only, abs=0.1)
