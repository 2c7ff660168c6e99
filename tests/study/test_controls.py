"""Changed catalogues, slices and peak memory of a study."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kinds import KINDS

from windowshop.data.dataset import Dataset
from windowshop.encoders.feature_tables import QueryFeatures
from windowshop.model.batches import ProductSource
from windowshop.study.controls import apply_change, with_cut_titles, without_images
from windowshop.study.memory import peak_memory_mb, reset_peak
from windowshop.study.slices import OWN_SLICES, default_slices, with_slice_columns


@pytest.fixture(scope="module")
def prepared(make_prepared):
    """18 products; p1 and p2 lack an image, and p0, p4, p8, ... have two."""
    whole = make_prepared()
    rows = whole.data.products.features.image.rows.copy()
    rows[[1, 2]] = -1
    found = whole.data.products.features
    source = ProductSource(replace(found, image=replace(found.image, rows=rows)))
    scorer = replace(whole.dev_scorer, product_source=source)
    return replace(whole, data=replace(whole.data, products=source), dev_scorer=scorer)


def features(prepared):
    return prepared.data.products.features


def test_no_change_is_the_workbench_itself(prepared):
    assert apply_change(prepared, "none", 0) is prepared


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_images_are_dealt_among_those_that_have_one(prepared, seed):
    before, after = features(prepared), features(apply_change(prepared, "shuffled_photos", seed))
    has = before.image.present
    assert np.flatnonzero(~has).tolist() == [1, 2]
    assert np.array_equal(after.image.present, has)
    assert sorted(after.image.rows[has]) == sorted(before.image.rows[has])
    assert (after.image.rows != before.image.rows).sum() > 8
    donor = {row: i for i, row in enumerate(before.image.rows) if row >= 0}
    assert len(donor) == has.sum()
    for item in np.flatnonzero(has):  # with the further images of whose first it has
        mine, _ = after.further.entries(np.array([item]))
        theirs, _ = before.further.entries(np.array([donor[after.image.rows[item]]]))
        assert mine.tolist() == theirs.tolist()
    assert len(after.further.rows) == len(before.further.rows) > 0
    assert after.views is before.views


def test_shuffles_differ_by_seed_only(prepared):
    rows = [
        features(apply_change(prepared, "shuffled_photos", seed)).image.rows for seed in (0, 0, 1)
    ]
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_the_dev_check_sees_the_change_too(prepared):
    for change in ("shuffled_photos", "text_as_photo", "three_words", "no_text"):
        found = apply_change(prepared, change, 0)
        assert found.dev_scorer.product_source is found.data.products
        assert found.dev_scorer.product_source is not prepared.dev_scorer.product_source
        assert found.dev_scorer.query_source is found.data.queries
        assert apply_change(replace(prepared, dev_scorer=None), change, 0).dev_scorer is None


def test_text_in_the_images_place(prepared, kinds_config):
    found = apply_change(prepared, "text_as_photo", 0)
    items = np.arange(18)
    batch = found.data.products.batch(items)
    assert torch.equal(batch.image_BH, batch.text_BH)
    assert torch.equal(batch.has_B2, torch.ones(18, 2))  # p1 and p2 too
    assert batch.further is None
    assert found.image_layout == prepared.cache.text.layout != prepared.image_layout
    model = found.new_model(kinds_config.model, 0)
    assert model.encode_products(batch).shape == (18, model.width)


def test_text_in_the_images_place_leaves_queries_their_text(prepared, kinds_config, feature_table):
    asked = prepared.data.queries.features.text
    images = feature_table(np.ones((len(asked), prepared.cache.image.layout.width)))
    assert images.width != asked.width
    queries = replace(prepared.data.queries, features=QueryFeatures(asked, images, None))
    seeing = replace(prepared, data=replace(prepared.data, queries=queries))
    found = apply_change(seeing, "text_as_photo", 0)
    batch = found.data.queries.batch(np.arange(3))
    assert torch.equal(batch.text_BH, queries.batch(np.arange(3)).text_BH)
    assert batch.has_B2.tolist() == [[1, 0]] * 3
    model = found.new_model(kinds_config.model, 0)
    assert model.encode_queries(batch).shape == (3, model.width)


def test_three_words_are_left_of_every_text(prepared):
    titled = prepared.dataset.products.with_columns(title=pl.col("title") + " and more")
    long = replace(prepared, dataset=replace(prepared.dataset, products=titled))
    found = features(apply_change(long, "three_words", 0))
    assert set(found.views) == set(features(prepared).views)
    cut = prepared.cache.text.encode(
        [f"{KINDS[i % 9]} {'of' if i < 9 else 'with'}" for i in range(18)]
    )
    for view in found.views.values():
        assert np.allclose(view.gather(np.arange(18)), cut, atol=1e-3)  # stored as halves
    assert found.image is features(prepared).image


def test_no_text_leaves_images_alone(prepared):
    found = apply_change(prepared, "no_text", 0)
    assert not found.data.products.has_text.any()
    assert not any(view.present.any() for view in features(found).views.values())
    assert np.array_equal(found.data.products.has_image, prepared.data.products.has_image)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=4), st.integers(0, 99))
def test_larger_shares_lose_the_same_images_and_others(prepared, shares, seed):
    had = prepared.data.products.has_image
    lost = np.zeros(18, dtype=bool)
    for share in sorted(shares):
        found = without_images(prepared, share, seed)
        now = had & ~found.data.products.has_image
        assert not (lost & ~now).any()
        lost = now
    assert not without_images(prepared, 1.0, seed).data.products.has_image.any()
    assert np.array_equal(without_images(prepared, 0.0, seed).data.products.has_image, had)


def test_products_lose_all_their_images_or_none(prepared, kinds_config):
    model = prepared.new_model(kinds_config.model, 0).eval()
    items = np.arange(18)
    half = without_images(prepared, 0.5, 1).data.products
    before, after = (
        model.encode_modalities(source.batch(items)) for source in (prepared.data.products, half)
    )
    has = half.has_image
    several = np.arange(18) % 4 == 0
    assert (has & several).any()
    assert (~has & several).any()
    assert torch.equal(after.v_BD[has], before.v_BD[has])
    assert not after.v_BD[~has].any()
    assert torch.equal(after.t_BD, before.t_BD)


def test_a_share_of_the_products_loses_its_images(prepared, feature_table):
    many = replace(features(prepared), image=feature_table(np.ones((18, 5))))  # all have one
    seen = replace(prepared, data=replace(prepared.data, products=ProductSource(many)))
    counts = [int(without_images(seen, x, 3).data.products.has_image.sum()) for x in (0.25, 0.5)]
    assert counts == [14, 9]  # 18 less 4.5, to the even


def test_a_share_of_the_texts_is_cut(prepared):
    whole, half = features(prepared), features(with_cut_titles(prepared, 0.5, 3))
    items = np.arange(18)
    facts, cut = whole.views["facts"].gather(items), whole.views["title"].gather(items)
    found = half.views["facts"].gather(items)
    is_cut = (found != facts).any(axis=1)
    assert is_cut.sum() == 9
    assert np.array_equal(found[is_cut], cut[is_cut])  # titles here are of three words


def shop_of(prepared, **columns):
    """Prepared data whose products have other columns and whose training judgements are counted."""
    products = prepared.dataset.products.with_columns(**columns)
    return replace(prepared, dataset=replace(prepared.dataset, products=products))


def test_the_slice_columns_of_every_catalogue(prepared):
    words = [["red"] * 12, ["red"] * 13]
    texts = pl.Series([" ".join(words[i % 2]) for i in range(18)])
    bare = {"category": None, "description": None, "attributes": None}
    shop = shop_of(prepared, title=texts, **{n: pl.lit(v, pl.String) for n, v in bare.items()})
    # p0 is judged by five training queries, p1 by three, p2 by two, p3 to p9 by one.
    counts = {0: 5, 1: 3, 2: 2} | dict.fromkeys(range(3, 10), 1)
    judged = [(f"q{q}", f"p{p}", 1) for p, count in counts.items() for q in range(count)]
    judged += [("q9", "p17", 1), ("q18", "p17", 1)]  # by dev and test alone
    qrels = pl.DataFrame(judged, schema=["query_id", "product_id", "grade"], orient="row")
    shop = replace(shop, dataset=replace(shop.dataset, qrels=qrels))
    found = with_slice_columns(shop).products
    assert found["has_photo"].to_list() == [i not in (1, 2) for i in range(18)]
    assert found["text_length"].to_list() == ["sparse", "full"] * 9
    assert found["in_training"].to_list() == [True] * 10 + [False] * 8
    assert found["demand"].to_list() == ["head"] + ["torso"] * 4 + ["tail"] * 5 + ["none"] * 8


def test_a_variant_of_a_judged_product_is_in_training(prepared):
    shop = shop_of(prepared, group_id=pl.Series([None] * 15 + ["a"] * 3, dtype=pl.String))
    qrels = pl.DataFrame({"query_id": ["q0", "q9"], "product_id": ["p16", "p0"], "grade": [1, 1]})
    found = with_slice_columns(replace(shop, dataset=replace(shop.dataset, qrels=qrels))).products
    assert found["in_training"].to_list() == [False] * 15 + [True] * 3


def test_a_shop_keeps_its_own_columns(prepared):
    shop = shop_of(prepared, demand=pl.Series(range(18)))
    found = with_slice_columns(shop).products
    assert found["demand"].to_list() == list(range(18))
    assert "in_training" in found.columns


def small_dataset(make_dataset):
    queries = [("red", None, "test"), ("blue", None, "test")]
    grades = {(0, 0): 2, (0, 1): 1, (1, 2): 2}
    made = make_dataset(["a", "b", "c"], queries, grades)
    products = made.products.with_columns(
        side=pl.Series(["left", "right", "left"]), same=pl.lit("x")
    )
    return Dataset(root=made.root, products=products, queries=made.queries, qrels=made.qrels)


def test_columns_that_shops_often_have_are_sliced_by(make_dataset):
    made = small_dataset(make_dataset)
    assert default_slices(made) == OWN_SLICES
    kinds = made.queries.with_columns(kind=pl.Series(["visual", "textual"]))
    products = made.products.with_columns(cold=pl.Series([True, False, True]), demand=pl.lit(7))
    own = tuple(name for name in OWN_SLICES if name != "demand")
    found = replace(made, queries=kinds, products=products)
    assert default_slices(found) == (*own, "kind", "cold")
    ages = pl.concat([products] * 20).with_columns(cold=pl.Series(range(60)))  # no classes
    assert default_slices(replace(found, products=ages)) == (*own, "kind")


@pytest.mark.slow
@pytest.mark.skipif(peak_memory_mb() is None, reason="this system does not tell")
def test_the_peak_is_of_what_came_since_the_reset():
    assert reset_peak()
    before = peak_memory_mb()
    block = np.ones(25_000_000)
    assert peak_memory_mb() - before == pytest.approx(200, abs=30)
    del block
    assert peak_memory_mb() - before > 170
    reset_peak()
    assert peak_memory_mb() - before < 100


def test_a_peak_that_cannot_be_forgotten_is_said_to_be_so(monkeypatch, tmp_path):
    monkeypatch.setattr("windowshop.study.memory.CLEAR", tmp_path / "absent" / "clear_refs")
    assert not reset_peak()


def test_no_peak_where_the_system_has_none(monkeypatch):
    monkeypatch.setattr("windowshop.study.memory.sys", SimpleNamespace(platform="darwin"))
    assert peak_memory_mb() is None
