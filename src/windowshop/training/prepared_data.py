"""Data of all trainings on one data set: features, pairs, dev scorer; and untrained models.

Features are encoded here where the cache lacks them, and data that nothing can be learned from is
refused.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from windowshop.config import LossConfig, ModelConfig, StageConfig, StageName, TrainConfig
from windowshop.data import Dataset, broken_note, is_synthetic, synthetic_note
from windowshop.encoders import (
    FeatureCache,
    ImageEncoder,
    Layout,
    TextEncoder,
    load_image_encoder,
    load_text_encoder,
    product_features,
    query_features,
)
from windowshop.errors import DataError
from windowshop.evaluation import DevScorer, make_dev_scorer
from windowshop.model import (
    ProductSource,
    QuerySource,
    StageContext,
    TwoTower,
    needed_views,
    needs_tokens,
)
from windowshop.progress import Reporter
from windowshop.training.data import TrainingData
from windowshop.training.distributed import from_first, is_first, size
from windowshop.training.generated.facts import read_facts
from windowshop.training.generated.inference import infer_from_images
from windowshop.training.generated.labels import add_generated
from windowshop.training.generated.queries import generate_queries
from windowshop.training.judged_pairs import Pairs, make_pairs

NOTHING_GENERATED = (
    "No queries were generated: no three products share a brand, a category or an attribute value."
)
SCALE_SAMPLE = 20_000
"""Products whose features set the scale of the projections."""


@dataclass(frozen=True, slots=True)
class PreparedData:
    """A data set, ready to train on."""

    dataset: Dataset
    data: TrainingData
    dev_scorer: DevScorer | None
    cache: FeatureCache
    hashes: dict[str, str]
    """Content hashes of the tables, and of all images together."""
    reporter: Reporter
    image_layout: Layout
    """Of what stands for the image: the image encoder's, but in a study's controls."""

    def new_model(self, shape: ModelConfig, seed: int) -> TwoTower:
        """Return untrained towers, equal for equal shapes and seeds, scaled to the catalogue."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = TwoTower(shape, self.cache.text.layout, self.image_layout)
        fit_scales(model, self.data.products, seed)
        model.fusion.after_stage(StageContext(text=model.text))
        return model


def open_cache(config: TrainConfig, folder: Path, *, tokens: bool | None = None) -> FeatureCache:
    """Load the config's encoders, over the features that `folder` keeps of them.

    They give tokens if `tokens` says so, or else if the config's fusion reads them.
    """
    tokens = needs_tokens(config.model.fusion) if tokens is None else tokens
    text = load_text_encoder(config.text_encoder, config.device, tokens=tokens)
    image = load_image_encoder(config.image_encoder, config.device, tokens=tokens)
    return FeatureCache(text, image, folder)


def prepare(
    dataset: Dataset,
    config: TrainConfig,
    cache: FeatureCache,
    reporter: Reporter,
    stages: Sequence[StageConfig] = (),
) -> PreparedData:
    """Encode what is not encoded yet; raises DataError for data that has nothing to learn from.

    `stages` are further ones, beside the config's, that will be trained on this data.
    """
    views = needed_views((*config.stages, *stages))
    pairs = training_pairs(dataset, config.loss)
    data = encode_dataset(dataset, pairs, cache, reporter, views)
    _require_signal(dataset, data.products, len(pairs) + config.generated_queries, reporter)
    images = {
        "product_photos": data.products.features.image.digest,
        "query_photos": data.queries.features.image.digest,
    }
    return PreparedData(
        dataset=dataset,
        data=data,
        dev_scorer=dev_scorer(dataset, data, config),
        cache=cache,
        hashes={**dataset.hashes(), **images},
        reporter=reporter,
        image_layout=cache.image.layout,
    )


def with_generated(prepared: PreparedData, config: TrainConfig) -> PreparedData:
    """Return the data with the config's generated queries, which are of split "generated"."""
    dataset, pairs, source = prepared.dataset, prepared.data.pairs, prepared.data.products
    facts = infer_from_images(
        read_facts(dataset.products),
        source.features.image.gather,
        source.has_image,
        dataset.products["category"].fill_null("").rank("dense").to_numpy().astype(np.int64) - 1,
        config.seed,
    )
    texts = dataset.queries["query"].gather(pairs.query).fill_null("").to_list()
    asked = [text for text in texts if text]
    rng = np.random.default_rng(config.seed)
    made = dataset.queries.filter(is_synthetic(dataset.queries), pl.col("split") != "train")
    held_out = made["query"].drop_nulls().to_list()
    generated = generate_queries(facts, config.generated_queries, asked, rng, held_out)
    if not generated.texts:
        prepared.reporter.note(NOTHING_GENERATED)
        _require_queries(dataset, source, len(pairs), prepared.reporter)
        return prepared
    rows = pl.DataFrame(
        {
            "query_id": [f"generated {i}" for i in range(len(generated.texts))],
            "query": generated.texts,
            "split": "generated",
        }
    )
    table = pl.concat([dataset.queries, rows], how="diagonal_relaxed")
    pairs = add_generated(pairs, facts, generated, len(dataset.queries), texts)
    queries = query_features(table, dataset.root, prepared.cache, prepared.reporter)
    return dataclasses.replace(
        prepared,
        dataset=dataclasses.replace(dataset, queries=table),
        data=TrainingData(source, QuerySource(queries), pairs),
    )


def with_encoders(
    prepared: PreparedData, config: TrainConfig, text: TextEncoder, image: ImageEncoder
) -> PreparedData:
    """Return the data through other encoders; what their cache lacks is encoded."""
    dataset, cache = prepared.dataset, FeatureCache(text, image, prepared.cache.folder)
    views = needed_views(config.stages)
    data = encode_dataset(dataset, prepared.data.pairs, cache, prepared.reporter, views)
    return dataclasses.replace(
        prepared,
        data=data,
        dev_scorer=dev_scorer(dataset, data, config),
        cache=cache,
        image_layout=cache.image.layout,
    )


def with_tokens(
    prepared: PreparedData, config: TrainConfig, stages: Sequence[StageConfig]
) -> PreparedData:
    """Return the data for `stages`, with tokens in its features."""
    cache = open_cache(config, prepared.cache.folder, tokens=True)
    config = dataclasses.replace(config, stages=tuple(stages))
    return with_encoders(prepared, config, cache.text, cache.image)


def encode_dataset(
    dataset: Dataset, pairs: Pairs, cache: FeatureCache, reporter: Reporter, views: Sequence[str]
) -> TrainingData:
    """Encode the products' text views and images and the queries, where the cache lacks them."""
    root = dataset.root
    products = product_features(dataset.products, root, cache, reporter, views)
    queries = query_features(dataset.queries, root, cache, reporter)
    return TrainingData(ProductSource(products), QuerySource(queries), pairs)


def dev_scorer(dataset: Dataset, data: TrainingData, config: TrainConfig) -> DevScorer | None:
    """Return the dev scorer by the config's corpus size and label weights; None without queries."""
    most, weights = config.dev_products, config.loss.label_weights
    scorer = make_dev_scorer(
        dataset, data.products, data.queries, most, config.seed, weights=weights
    )
    if scorer is None or size() == 1:
        return scorer
    return _SharedScorer(**{x.name: getattr(scorer, x.name) for x in dataclasses.fields(scorer)})


class _SharedScorer(DevScorer):
    """Dev scorer that the first process runs for all."""

    def __call__(self, model: TwoTower, stage: StageName = "fused") -> dict[str, float]:
        return from_first(lambda: DevScorer.__call__(self, model, stage))

    def best_text_weight(self, model: TwoTower) -> float:
        return from_first(lambda: DevScorer.best_text_weight(self, model))

    def calibrate(self, model: TwoTower) -> None:
        weight = model.fusion.query_weight
        if weight is None:
            return
        if is_first():
            DevScorer.calibrate(self, model)
        weight.calibrate(*from_first(lambda: (float(weight.sharpness), float(weight.midpoint))))


def training_pairs(dataset: Dataset, loss: LossConfig, split: str = "train") -> Pairs:
    """Return the judged queries to train on, their label sets combined by the loss' weights."""
    return make_pairs(dataset, split, relevance=loss.relevance, desirability=loss.desirability)


def fit_scales(model: TwoTower, source: ProductSource, seed: int) -> None:
    """Let the projections learn each feature's mean and deviation from the catalogue."""
    sample = source.batch(scale_sample(np.arange(len(source)), seed))
    features = (sample.text_BH, sample.image_BH)
    for readers, x_BH, has_B in zip(model.readers, features, sample.has_B2.T, strict=True):
        if has_B.any():
            for reader in readers:
                reader.fit_scale(x_BH[has_B > 0])


def scale_sample(items: np.ndarray, seed: int) -> np.ndarray:
    """Return the items, of many a sorted sample."""
    if len(items) <= SCALE_SAMPLE:
        return items
    return np.sort(np.random.default_rng(seed).choice(items, SCALE_SAMPLE, replace=False))


def _require_signal(
    dataset: Dataset, products: ProductSource, num_queries: int, reporter: Reporter
) -> None:
    """Refuse data that no stage can learn from; say which stages are left out."""
    for note in (*dataset.notes, *synthetic_note(dataset.split("dev"), "dev")):
        reporter.note(note)
    for kind, count in products.features.broken_images.items():
        reporter.note(broken_note(kind, count))
    if not (products.has_text | products.has_image).any():
        raise DataError(
            f"{dataset.root}: nothing to train from: no product has text or a usable image. "
            "`windowshop check` lists what is wrong."
        )
    if not products.has_image.any():
        reporter.note("No product has a usable image: the model reads text only.")
    _require_queries(dataset, products, num_queries, reporter)


def _require_queries(
    dataset: Dataset, products: ProductSource, num_queries: int, reporter: Reporter
) -> None:
    if num_queries == 0:
        if products.has_both.sum() < 2:
            raise DataError(
                f"{dataset.root}: nothing to train from: no judged training query, and fewer than "
                "two products with both text and an image. Add queries with split=train and qrels "
                "for them, or images."
            )
        reporter.note(
            "No judged training queries: only the domain stage (product text and image) is trained."
        )
