"""Several images a product: from the column `images` to the product vector."""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from support.shops import IMAGES as FILES
from support.shops import PRODUCTS, image_bytes, write_table

from windowshop.data.check import check_dataset
from windowshop.data.dataset import read_products
from windowshop.data.product_images import image_names_of, parse_images
from windowshop.data.product_text import FACTS, TITLE
from windowshop.encoders.cached_features import product_features
from windowshop.encoders.feature_cache import FeatureCache
from windowshop.encoders.feature_tables import FeatureTable, ProductFeatures, first_and_further
from windowshop.encoders.layout import Layout
from windowshop.model.batches import ProductSource
from windowshop.model.fusion import FUSIONS
from windowshop.model.image_pooling import ImagePooling
from windowshop.model.two_tower import TwoTower
from windowshop.progress import SilentReporter

LAYOUTS = Layout((6,)), Layout((3, 2))
RNG = np.random.default_rng(0)
TEXTS = RNG.normal(size=(6, 6)).astype(np.float32)
IMAGES = RNG.normal(size=(9, 5)).astype(np.float16)
LISTS = ([0, 1, 2], [3], [], [4, 1], [-1, 5], [-1])
"""Store rows of six products' images; -1 is one that cannot be used."""


def source_of(lists):
    """Six products with text each and the images of these store rows."""
    owner = np.repeat(np.arange(len(lists)), [max(1, len(rows)) for rows in lists])
    rows = np.array([row for rows in lists for row in rows or [-1]])
    table = FeatureTable(IMAGES, rows, "digest")
    image, further = first_and_further(table, owner, len(lists))
    text = FeatureTable(TEXTS, np.arange(len(lists)), "digest")
    return ProductSource(ProductFeatures({TITLE: text, FACTS: text}, image, Counter(), further))


def build(config, **settings):
    torch.manual_seed(0)
    model = TwoTower(replace(config, **settings), *LAYOUTS).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith(("_log_scale", "_bias")):
                parameter.normal_(std=0.5)
    return model


def image_vectors(model, rows):
    return model.image(torch.from_numpy(IMAGES[rows].astype(np.float32))).detach()


def every(source):
    return source.batch(np.arange(len(source)))


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        (None, []),
        ('["a.png", "b c.png"]', ["a.png", "b c.png"]),
        (["a.png", None, " ", "b.png"], ["a.png", "b.png"]),
        ("[]", []),
        ("a.png", ["a.png"]),
        ("[a.png", ["[a.png"]),
        ('"a.png"', ['"a.png"']),
        ("7", ["7"]),
        ("[7]", ["7"]),
    ],
)
def test_images_are_a_list_json_or_one_path(value, paths):
    assert parse_images(value) == paths


def test_each_product_names_its_image_first():
    table = pl.DataFrame(
        {"image": ["a", None, "c"], "images": ['["b"]', '["d", "e"]', None]},
    )
    images, owner = image_names_of(table)
    assert images == ["a", "b", None, "d", "e", "c"]
    assert owner.tolist() == [0, 0, 1, 1, 1, 2]
    images, owner = image_names_of(table.select("image"))
    assert (images, owner.tolist()) == (["a", None, "c"], [0, 1, 2])


def test_the_first_usable_image_stands_first_and_broken_ones_are_skipped():
    features = source_of(LISTS).features
    assert features.image.rows.tolist() == [0, 3, -1, 4, 5, -1]
    rows, owner = features.further.entries(np.array([3, 1, 0, 4]))
    assert (rows.tolist(), owner.tolist()) == ([1, 1, 2], [0, 2, 2])
    found_MH, owner = features.further.gather(np.array([3, 1, 0, 4]))
    assert np.array_equal(found_MH, IMAGES[[1, 1, 2]].astype(np.float32))


def test_a_image_named_twice_counts_once():
    features = source_of(([2, 2, 3, 2], [2], [])).features
    assert features.image.rows.tolist() == [2, 2, -1]
    assert features.further.rows.tolist() == [3]


def test_products_without_further_images_have_no_further_table():
    assert source_of(([0], [], [1])).features.further is None
    assert source_of(([0, 0], [-1, 1], [])).features.further is None


@given(st.lists(st.lists(st.integers(-1, 8), max_size=4), min_size=1, max_size=6))
def test_images_in_common_are_found_as_by_brute_force(lists):
    source = source_of(lists)
    source = ProductSource(replace(source.features, views={TITLE: no_text(len(lists))}))
    items = np.arange(len(lists))[::-1].copy()
    found_BB = source.same_content(items)
    for i, left in enumerate(items):
        for j, right in enumerate(items):
            common = (set(lists[left]) & set(lists[right])) - {-1}
            if i != j:
                assert found_BB[i, j] == bool(common)


def no_text(num_products):
    return FeatureTable(TEXTS, np.full(num_products, -1), "digest")


def test_the_mean_of_unit_vectors_is_pooled(toy_model_config):
    model = build(toy_model_config)
    v_BD = model.encode_modalities(every(source_of(LISTS))).v_BD.detach()
    for product, rows in enumerate(LISTS):
        usable = [row for row in rows if row >= 0]
        sum_D = image_vectors(model, usable).sum(dim=0) if usable else torch.zeros(8)
        torch.testing.assert_close(v_BD[product], F.normalize(sum_D, dim=-1))


def test_attention_weighs_images_by_their_score(toy_model_config):
    model = build(toy_model_config, image_pooling="attention")
    model.pooling._score[-1].weight.data *= 30  # else chance decides how far the scores differ
    v_BD = model.encode_modalities(every(source_of(LISTS))).v_BD.detach()
    image_MD = image_vectors(model, [0, 1, 2])
    score_M = model.pooling._score(image_MD * 8**0.5).squeeze(1).detach()
    expected_D = F.normalize((score_M.softmax(dim=0).unsqueeze(1) * image_MD).sum(dim=0), dim=-1)
    torch.testing.assert_close(v_BD[0], expected_D)
    assert score_M.std() > 0.1


def test_attention_starts_as_the_mean(toy_model_config):
    batch = every(source_of(LISTS))
    found = []
    for pooling in ("mean", "attention"):
        torch.manual_seed(0)
        model = TwoTower(replace(toy_model_config, image_pooling=pooling), *LAYOUTS).eval()
        found.append(model.encode_modalities(batch).v_BD)
    torch.testing.assert_close(*found, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_shares_sum_to_one_and_large_scores_do_no_harm(pooling, toy_model_config):
    torch.manual_seed(0)
    pool = ImagePooling(replace(toy_model_config, image_pooling=pooling)).eval()
    for parameter in pool.parameters():
        torch.nn.init.normal_(parameter, std=100)
    owner_M = torch.tensor([0, 2, 0, 0, 2, 3])
    share_M = pool.shares(F.normalize(torch.randn(6, 8), dim=-1), owner_M, 5)
    sums = [share_M[owner_M == product].sum().item() for product in (0, 2, 3)]
    assert sums == pytest.approx([1, 1, 1])
    if pooling == "mean":
        assert share_M.tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 3, 1 / 2, 1])


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_order_of_images_never_matters(fusion, pooling, toy_model_config):
    model = build(toy_model_config, fusion=fusion, image_pooling=pooling)
    forward_BP = model.encode_products(every(source_of(LISTS)))
    turned = [rows[::-1] for rows in LISTS]
    backward_BP = model.encode_products(every(source_of(turned)))
    torch.testing.assert_close(backward_BP, forward_BP, rtol=0, atol=1e-5)
    if model.fusion.uses_image:
        one_BP = model.encode_products(every(source_of([rows[:1] for rows in LISTS])))
        assert not torch.allclose(one_BP[0], forward_BP[0], atol=1e-3)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@pytest.mark.parametrize("fusion", ["experts", "cross_attention"])
def test_one_image_is_left_as_it_is_to_the_bit(fusion, pooling, toy_model_config):
    model = build(toy_model_config, fusion=fusion, image_pooling=pooling)
    several = model.encode_modalities(every(source_of(LISTS)))
    single = model.encode_modalities(every(source_of([rows[:1] for rows in LISTS])))
    assert torch.equal(several.v_BD[1], single.v_BD[1])
    assert torch.equal(several.v_BD[2], torch.zeros(8))
    if fusion == "cross_attention":
        assert torch.equal(several.image_tokens_BTD[1], single.image_tokens_BTD[1])


def test_a_batch_of_single_images_is_never_pooled(toy_model_config):
    source = source_of(LISTS)
    assert source.batch(np.array([1, 2, 4])).further is None
    assert source.batch(np.array([1, 3])).further.owner_M.tolist() == [1]


@pytest.mark.parametrize("fusion", ["experts", "cross_attention"])
def test_a_product_with_several_images_never_depends_on_the_others(fusion, toy_model_config):
    model = build(toy_model_config, fusion=fusion, image_pooling="attention")
    source = source_of(LISTS)
    together_BP = model.encode_products(every(source))
    for i in range(len(source)):
        alone_1P = model.encode_products(source.batch(np.array([i])))
        torch.testing.assert_close(alone_1P[0], together_BP[i], rtol=0, atol=1e-5)


def test_the_scorer_learns_from_products_with_several_images(toy_model_config):
    model = build(toy_model_config, image_pooling="attention").train()
    model.encode_products(every(source_of(LISTS))).sum().backward()
    for name, parameter in model.pooling.named_parameters():
        # The last bias moves all scores alike, which a softmax never sees.
        assert (parameter.grad.abs().max() > 1e-8) or name.endswith("3.bias"), name


class MeanColour:
    """Features of an image: its mean colour; of a text: its length."""

    fingerprint = "mean"
    side = 16

    def __init__(self, width):
        self.layout = Layout((width,))

    def encode(self, items):
        if isinstance(items[0], str):
            return np.array([[len(text)] for text in items], dtype=np.float32)
        return np.stack([np.asarray(item, dtype=np.float32).mean((0, 1)) for item in items])


MORE = ["p2.png", "gone.png", "p4.png"], None, ["cut.png", "p1.png"]
"""Further images of p1 (image p1.png), p2 (p2.png) and p3 (no image)."""


@pytest.fixture
def make_shop(tmp_path):
    """A shop folder whose products have several images, some missing, one broken."""

    def make(suffix, more=MORE):
        for name, content in (
            FILES | {"p4.png": image_bytes(4), "cut.png": image_bytes(5)[:-40]}
        ).items():
            (tmp_path / name).write_bytes(content)
        if suffix == ".csv":
            more = [images and str(images).replace("'", '"') for images in more]
        rows = [row | {"images": images} for row, images in zip(PRODUCTS, more, strict=True)]
        write_table(tmp_path / f"products{suffix}", rows)
        return tmp_path

    return make


def features_of(root, table):
    cache = FeatureCache(MeanColour(1), MeanColour(3), root / "cache")
    return product_features(table, root, cache, SilentReporter())


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_further_images_are_read_from_every_kind_of_table(suffix, make_shop):
    root = make_shop(suffix)
    features = features_of(root, read_products(root))
    assert features.broken_images == {"missing": 1, "truncated or corrupt": 1}
    assert features.image.present.all()
    assert features.image.rows[2] == features.image.rows[0]
    rows, owner = features.further.entries(np.arange(3))
    assert owner.tolist() == [0, 0]
    assert rows[0] == features.image.rows[1]


def test_a_table_in_memory_may_hold_lists(make_shop):
    root = make_shop(".parquet")
    read, given = read_products(root), pl.read_parquet(root / "products.parquet")
    assert given["images"].dtype == pl.List(pl.String)
    given = given.with_columns(read["brand"], read["category"])
    first, second = features_of(root, read), features_of(root, given)
    assert np.array_equal(first.further.rows, second.further.rows)
    assert np.array_equal(first.further.start, second.further.start)


def test_the_digest_is_of_all_images(make_shop):
    digests = set()
    for more in (MORE, ([], None, []), (["p4.png"], None, None), (None, ["p4.png"], None)):
        root = make_shop(".jsonl", more)
        digests.add(features_of(root, read_products(root)).image.digest)
    assert len(digests) == 4


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_check_names_broken_further_images(suffix, make_shop):
    report = check_dataset(make_shop(suffix), reporter=SilentReporter())
    found = {f.code: f.found for f in report.findings if "in images" in f.found}
    assert "'gone.png'" in found.pop("image-missing")
    assert "'cut.png'" in found.pop("image-truncated-or-corrupt")
    assert found == {}


def test_check_finds_a_product_by_a_further_image(make_shop):
    bare = {"product_id": "p4", "title": None, "image": "gone.png"}
    root = make_shop(".jsonl")
    for images, lost in ((["p1.png"], False), (["gone.png"], True)):
        write_table(root / "products.jsonl", [*PRODUCTS, bare | {"images": images}])
        codes = {f.code for f in check_dataset(root, reporter=SilentReporter()).findings}
        assert ("unfindable-product" in codes) == lost
