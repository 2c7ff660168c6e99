import copy
import weakref
from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from support.shops import image_bytes
from support.tiny_models import SIDE

from windowshop.config import FineTuningConfig, LossConfig, ModelConfig, StageConfig
from windowshop.data.dataset import Dataset
from windowshop.data.product_text import VIEWS
from windowshop.encoders.cached_features import product_features, query_features
from windowshop.encoders.feature_cache import FeatureCache
from windowshop.errors import DataError
from windowshop.model.batches import ProductSource, QuerySource
from windowshop.model.two_tower import TwoTower
from windowshop.progress import SilentReporter
from windowshop.training.data import TrainingData
from windowshop.training.fine_tuning import encoded_batches as module
from windowshop.training.fine_tuning import trainable as tuning
from windowshop.training.fine_tuning.encoded_batches import (
    EncodedProducts,
    EncodedQueries,
    ImageDraw,
    encoder_inputs,
    read_images,
)
from windowshop.training.fine_tuning.gradient_cache import GradientCache
from windowshop.training.fine_tuning.trainable import make_trainable
from windowshop.training.judged_pairs import make_pairs
from windowshop.training.objectives import OBJECTIVES, Step

pytestmark = pytest.mark.slow

ALL = np.arange(6)
STAGE = StageConfig(name="fused", steps=1)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """p0 has three images, the first one broken; p2 lacks an image, p3 a text; p4 is p1's twin."""
    root = tmp_path_factory.mktemp("encoded")
    for seed in range(5):
        (root / f"{seed}.jpg").write_bytes(image_bytes(seed, size=(40 + 8 * seed, 40)))
    (root / "broken.jpg").write_bytes(b"no image")
    products = pl.DataFrame(
        {
            "product_id": [f"p{i}" for i in ALL],
            "title": ["red shoe", "blue hat", "green bag", None, "blue hat", "a red bag"],
            "category": ["shoe", "hat", "bag", None, "hat", "bag"],
            "image": ["broken.jpg", "1.jpg", None, "2.jpg", "1.jpg", "3.jpg"],
            "images": ['["0.jpg", "4.jpg"]', None, None, None, None, None],
            "description": [*[None] * 5, " ".join(["the red bag", "and a hat"] * 10)],
            **{name: [None] * 6 for name in ("brand", "attributes")},
        },
        schema_overrides={n: pl.String for n in ("brand", "attributes", "description")},
    )
    queries = pl.DataFrame(
        {
            "query_id": ["q0", "q1", "q2"],
            "query": ["shoe", None, "the red hat"],
            "image": [None, "4.jpg", "0.jpg"],
            "split": ["train"] * 3,
        }
    )
    return Dataset(root=root, products=products, queries=queries, qrels=pl.DataFrame())


@pytest.fixture(scope="module")
def sources(dataset, encoder_of, tmp_path_factory):
    """Products and queries with cached features."""
    encoders = encoder_of("text", "clip"), encoder_of("image", "siglip")
    cache = FeatureCache(*encoders, tmp_path_factory.mktemp("cache"))
    reporter = SilentReporter()
    return (
        ProductSource(product_features(dataset.products, dataset.root, cache, reporter, VIEWS)),
        QuerySource(query_features(dataset.queries, dataset.root, cache, reporter)),
    )


@pytest.fixture
def tuned(encoder_of, monkeypatch):
    """Both encoders in training; they have no dropout, and here no mixed precision."""
    monkeypatch.setattr(tuning, "fast_dtype", lambda: torch.float32)
    return tuple(
        make_trainable(copy.deepcopy(encoder_of(kind, name)), "full", FineTuningConfig())
        for kind, name in (("text", "clip"), ("image", "siglip"))
    )


@pytest.fixture
def encoded(dataset, sources, tuned):
    """Encoded products and queries with their gradients; encoders may be left out."""

    def make(text=True, image=True):
        gradients = GradientCache(4, seed=0)
        encoders = tuned[0] if text else None, tuned[1] if image else None
        inputs = encoder_inputs(dataset, VIEWS)
        products = EncodedProducts(sources[0].features, inputs, *encoders, gradients)
        return (
            products,
            EncodedQueries(sources[1].features, inputs, *encoders, gradients),
            gradients,
        )

    return make


def close(left, right):
    return torch.allclose(left, right, atol=2e-3)  # the cache keeps 16 bits


def test_untouched_encoders_give_the_cached_features(encoded, sources):
    products, queries, _ = encoded()
    cached, made = sources[0].batch(ALL), products.batch(ALL)
    assert close(made.text_BH, cached.text_BH)
    assert close(made.image_BH, cached.image_BH)
    assert torch.equal(made.has_B2, cached.has_B2)
    assert made.has_B2.tolist() == [[1, 1], [1, 1], [1, 0], [0, 1], [1, 1], [1, 1]]
    assert not made.text_BH[3].any()
    assert not made.image_BH[2].any()
    cached, made = sources[1].batch(np.arange(3)), queries.batch(np.arange(3))
    assert close(made.text_BH, cached.text_BH)
    assert close(made.image_BH, cached.image_BH)
    assert torch.equal(made.has_B2, cached.has_B2)


def test_what_does_not_depend_on_features_is_the_same(encoded, sources):
    products, _, _ = encoded()
    assert len(products) == len(sources[0])
    for name in ("has_text", "has_image", "has_both"):
        assert np.array_equal(getattr(products, name), getattr(sources[0], name))
    assert np.array_equal(products.same_content(ALL), sources[0].same_content(ALL))
    assert products.same_content(ALL)[1, 4]


def test_views_are_drawn_as_for_cached_features(encoded, sources):
    products, _, _ = encoded()
    items = np.array([5, 0, 3, 1])
    stage = replace(STAGE, title_share=0.3, description_share=0.3, category_share=0.3)
    drawn = []
    for seed in range(5):
        cached = sources[0].varied_batch(items, np.random.default_rng(seed), stage)
        made = products.varied_batch(items, np.random.default_rng(seed), stage)
        assert close(made.text_BH, cached.text_BH)
        drawn.append(cached.text_BH[0])
    # p5 has a title, a category and two parts of a description, so five texts differ.
    assert len(torch.unique(torch.stack(drawn), dim=0)) > 2


def test_training_shows_every_usable_image_of_a_product(encoded, sources, monkeypatch):
    monkeypatch.setattr(module, "augment", lambda image, rng: image)
    products, _, _ = encoded(text=False)
    first_H = sources[0].batch(ALL).image_BH[0]
    second_H = sources[0].batch(ALL).further.image_MH[0]
    shown = set()
    for seed in range(12):
        batch = products.varied_batch(np.array([0]), np.random.default_rng(seed), STAGE)
        is_first = close(batch.image_BH[0], first_H)
        assert is_first or close(batch.image_BH[0], second_H)
        assert batch.further is None
        shown.add(is_first)
    assert shown == {True, False}


def test_images_are_augmented_by_the_generator_alone(encoded):
    products, _, _ = encoded(text=False)
    with torch.no_grad():
        one, again, other = (
            products.varied_batch(ALL, np.random.default_rng(seed), STAGE).image_BH
            for seed in (1, 1, 2)
        )
    assert torch.equal(one, again)
    assert not close(one[1], other[1])


@pytest.mark.parametrize("trained", [0, 1])
def test_gradients_reach_the_trained_encoder_only(encoded, sources, tuned, trained):
    products, queries, gradients = encoded(text=trained == 0, image=trained == 1)
    batch = products.varied_batch(ALL, np.random.default_rng(0), STAGE)
    asked = queries.batch(ALL[:3])
    parts = [(batch.text_BH, asked.text_BH), (batch.image_BH, asked.image_BH)]
    cached = (sources[0].batch(ALL).image_BH, sources[0].batch(ALL).text_BH)[trained]
    assert torch.equal(parts[1 - trained][0], cached) or trained == 1  # titles may be drawn
    assert not parts[1 - trained][0].requires_grad
    sum(part.square().sum() for part in parts[trained]).backward()
    gradients.backward()
    learned = [any(p.grad is not None for p in t.parameters()) for t in tuned]
    assert learned == [trained == 0, trained == 1]


def test_a_image_that_has_gone_is_named(encoded, dataset, sources, tuned):
    images = ["gone.jpg" if image == "3.jpg" else image for image in encoder_inputs(dataset).images]
    inputs = replace(encoder_inputs(dataset), images=images)
    products = EncodedProducts(sources[0].features, inputs, None, tuned[1], GradientCache(4, 0))
    with pytest.raises(DataError, match=r"'gone\.jpg'.*Put it back"):
        products.batch(np.array([5]))


def test_large_images_are_held_small(dataset, tuned, tmp_path):
    (tmp_path / "large.png").write_bytes(image_bytes(0, size=(900, 500)))
    (image,) = read_images(tmp_path, [ImageDraw(["large.png"], None)], SIDE)
    assert tuned[1].side == SIDE
    assert 2 * SIDE <= min(image.size) < 4 * SIDE
    assert abs(image.width / image.height - 1.8) < 0.1


@pytest.fixture
def step(encoded, tuned):
    """One step on every product and two image queries, with a loss that compares all their rows."""

    def run(chunk_size):
        products, queries, _ = encoded(text=False)
        gradients = GradientCache(chunk_size, seed=0)
        products, queries = (
            replace(products, gradients=gradients),
            replace(queries, gradients=gradients),
        )
        image_BH = products.varied_batch(ALL, np.random.default_rng(3), STAGE).image_BH
        asked_BH = queries.batch(np.array([1, 2])).image_BH
        (image_BH @ asked_BH.T).square().sum().backward()
        gradients.backward()
        found = [p.grad.clone() for p in tuned[1].parameters() if p.grad is not None]
        tuned[1].encoder.module.zero_grad()
        return found

    return run


NUM_PRODUCT_IMAGES, NUM_QUERY_IMAGES = 5, 2


@pytest.mark.parametrize("chunk_size", [1, 2, 5])
def test_no_more_images_than_a_chunk_are_held(step, monkeypatch, chunk_size):
    held = Counter()

    def freed():
        held["now"] -= 1

    def counted(*given, read=module._read):
        image = read(*given)
        held["all"] += 1
        held["now"] += 1
        held["peak"] = max(held["peak"], held["now"])
        weakref.finalize(image, freed)
        return image

    monkeypatch.setattr(module, "_read", counted)
    step(chunk_size)
    assert held["all"] == 2 * (NUM_PRODUCT_IMAGES + NUM_QUERY_IMAGES)
    assert held["peak"] == chunk_size
    assert held["now"] == 0


def test_the_second_pass_sees_the_pixels_of_the_first(step, monkeypatch):
    seen = []

    def noted(*given, read=module.read_images):
        images = read(*given)
        seen.append([image.tobytes() for image in images])
        return images

    monkeypatch.setattr(module, "read_images", noted)
    step(2)
    assert [len(chunk) for chunk in seen] == [2, 2, 1, 2] * 2
    assert seen[:4] == seen[4:]
    assert seen[0][1] != seen[1][1]  # p1 and p4 have one image, augmented by seeds of their own


@pytest.mark.parametrize("chunk_size", [1, 3])
def test_gradients_are_those_of_all_images_in_one_chunk(step, chunk_size):
    whole = step(len(ALL))
    scale = max(float(g.abs().max()) for g in whole)
    assert scale > 1e-3
    for chunked, expected in zip(step(chunk_size), whole, strict=True):
        assert torch.allclose(chunked, expected, rtol=0, atol=1e-5 * scale)


class PlainGradients(GradientCache):
    """No gradient caching: the whole batch through the encoder at once, with its graph."""

    def features(self, tuned, items, read=list):
        return tuned.features(read(list(items)))

    def backward(self):
        pass


@pytest.fixture
def stage_step(encoded, sources, dataset, tuned):
    """Loss and gradients of one step of a stage that trains both encoders, all in float64."""
    qrels = [("q0", "p0", 2), ("q0", "p5", 1), ("q1", "p1", 1), ("q2", "p4", 2), ("q2", "p3", 1)]
    judged = pl.DataFrame(qrels, schema=["query_id", "product_id", "grade"], orient="row")
    groups = pl.Series("group_id", ["a", "b", "a", "c", "b", "d"])
    shop = Dataset(
        root=dataset.root,
        products=dataset.products.with_columns(groups),
        queries=dataset.queries.with_columns(weight=pl.lit(1.0)),
        qrels=judged,
    )
    shape = ModelConfig(
        width=16, matryoshka=(8,), hidden=16, dropout=0.0, feature_dropout=0.0, fusion="experts"
    )
    for encoder in tuned:
        encoder.encoder.module.double()
        original = encoder.encoder.prepare
        encoder.encoder.prepare = lambda *given, original=original: {
            key: value.double() if value.is_floating_point() else value
            for key, value in original(*given).items()
        }
    torch.manual_seed(1)
    model = TwoTower(shape, *(encoder.encoder.layout for encoder in tuned)).double()
    guide = copy.deepcopy(model).eval()

    def run(stage, gradients, form):
        products, queries, _ = encoded()
        data = TrainingData(
            replace(products, gradients=gradients),
            replace(queries, gradients=gradients),
            make_pairs(shop, "train"),
        )
        settings = StageConfig(name=stage, steps=1, batch_queries=6)
        loss = LossConfig(form=form, guide_margin=0.95)
        step = Step(stage=settings, loss=loss, rng=np.random.default_rng(2), guide=guide)
        value = OBJECTIVES[stage](model, data, step)
        value.backward()
        gradients.backward()
        modules = (model, *(encoder.encoder.module for encoder in tuned))
        grads = [p.grad.clone() for m in modules for p in m.parameters() if p.grad is not None]
        for trained in modules:
            trained.zero_grad()
        return value.item(), grads

    return run


@pytest.mark.parametrize("form", ["graded", "sigmoid"])
@pytest.mark.parametrize("stage", ["domain", "separate", "fused"])
def test_a_step_with_cached_gradients_is_the_plain_one(stage_step, stage, form):
    """Masks, guide, twins and both encoders in it; chunks of one, of three and of everything."""
    value, plain = stage_step(stage, PlainGradients(1, seed=0), form)
    scale = max(float(g.abs().max()) for g in plain)
    assert scale > 1e-3
    for chunk_size in (1, 3, 100):
        found, cached = stage_step(stage, GradientCache(chunk_size, seed=0), form)
        assert found == pytest.approx(value, rel=1e-12)
        for mine, theirs in zip(cached, plain, strict=True):
            assert torch.allclose(mine, theirs, rtol=0, atol=1e-11 * scale)
