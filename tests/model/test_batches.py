"""View of its text that a product shows in training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from windowshop.config import StageConfig, default_stages
from windowshop.data.product_text import (
    BARE,
    BASE_VIEWS,
    CATEGORY,
    DESCRIPTIONS,
    FACTS,
    TITLE,
    VIEWS,
)
from windowshop.encoders.feature_tables import ProductFeatures
from windowshop.model.batches import ProductSource, needed_views

STAGE = StageConfig(name="fused", steps=1)
NUM = 3000


@pytest.fixture(scope="module")
def source(feature_table):
    """Products whose features tell the view: its place in VIEWS, plus a hundredth of the product.

    Product i lacks a title where i % 3 == 0, has i % 4 parts of a description, and lacks a category
    where i % 5 == 0; every seventh lacks all text.
    """
    number_N = np.arange(NUM)
    none_N = number_N % 7 == 0
    absent = {
        FACTS: none_N,
        TITLE: none_N | (number_N % 3 == 0),
        CATEGORY: none_N | (number_N % 5 == 0),
        BARE: none_N | (number_N % 2 == 0),
        **{name: none_N | (number_N % 4 <= i) for i, name in enumerate(DESCRIPTIONS)},
    }
    views = {
        name: feature_table((place + number_N / (100 * NUM))[:, None], np.flatnonzero(absent[name]))
        for place, name in enumerate(VIEWS)
    }
    return ProductSource(ProductFeatures(views, feature_table(np.ones((NUM, 1))), None))


def shown(source, items, stage, seed=0):
    """The place in VIEWS of what each product shows; NaN where it has no text."""
    batch = source.varied_batch(items, np.random.default_rng(seed), stage)
    shown_B = torch.floor(batch.text_BH[:, 0]).double()
    shown_B[batch.has_B2[:, 0] == 0] = torch.nan
    return shown_B.numpy()


def test_by_default_some_products_show_their_title(source):
    items = np.arange(NUM)
    batch = source.varied_batch(items, np.random.default_rng(3), STAGE)
    titled_B = np.random.default_rng(3).random(NUM) < 0.15
    expected_BH = source.features.views[FACTS].gather(items)
    titled_B &= source.features.views[TITLE].present
    expected_BH[titled_B] = source.features.views[TITLE].gather(items[titled_B])
    assert np.array_equal(batch.text_BH.numpy(), expected_BH)
    assert titled_B.sum() > 200


def test_views_come_in_the_asked_shares(source):
    shares = {"title_share": 0.2, "description_share": 0.3, "category_share": 0.1}
    stage = replace(STAGE, **shares, bare_title_share=0.15)
    # 419 has a title, three parts of a description, a category and a bare title.
    shown_B = shown(source, np.full(20_000, 419), stage)
    share = {name: (shown_B == place).mean() for place, name in enumerate(VIEWS)}
    expected = {FACTS: 0.25, TITLE: 0.2, CATEGORY: 0.1, BARE: 0.15}
    expected |= dict.fromkeys(DESCRIPTIONS, 0.1)
    assert share == pytest.approx(expected, abs=0.01)


def test_facts_stand_in_for_what_a_product_lacks(source):
    for field, name in (("title_share", TITLE), ("category_share", CATEGORY)):
        shares = {"title_share": 0.0, field: 1.0}
        shown_B = shown(source, np.arange(NUM), replace(STAGE, **shares))
        has = source.features.views[name].present
        assert (shown_B[has] == VIEWS.index(name)).all()
        assert set(shown_B[~has & source.has_text]) == {VIEWS.index(FACTS)}
        assert np.isnan(shown_B[~source.has_text]).all()


def test_parts_of_a_description_are_those_that_a_product_has(source):
    items = np.repeat(np.arange(1, 5), 2000)
    stage = replace(STAGE, title_share=0.0, description_share=1.0)
    shown_B = shown(source, items, stage)
    first = VIEWS.index(DESCRIPTIONS[0])
    for item, count in ((1, 1), (2, 2), (3, 3), (4, 0)):
        parts, counts = np.unique(shown_B[items == item], return_counts=True)
        expected = [first + i for i in range(count)] or [VIEWS.index(FACTS)]
        assert parts.tolist() == expected
        assert counts / 2000 == pytest.approx(1 / len(expected), abs=0.05)


@settings(max_examples=40, deadline=None)
@given(
    shares=st.tuples(*[st.floats(0, 1 / 3)] * 3),
    items=st.lists(st.integers(0, NUM - 1), max_size=30),
    seed=st.integers(0, 9),
)
def test_a_product_shows_a_view_that_it_has(source, shares, items, seed):
    names = ("title_share", "description_share", "category_share")
    stage = replace(STAGE, **dict(zip(names, shares, strict=True)))
    items = np.array(items, dtype=np.int64)
    view_B = source.draw_views(items, np.random.default_rng(seed), stage)
    for item, place in zip(items, view_B, strict=True):
        assert place == 0 or source.features.views[VIEWS[place]].present[item]
        if place > 0:
            # Only a view that the stage shows at all.
            share = shares[0 if place == 1 else 2 if VIEWS[place] == CATEGORY else 1]
            assert share > 0


def test_only_views_that_some_stage_shows_are_needed():
    assert needed_views(default_stages()) == BASE_VIEWS
    plain = replace(STAGE, title_share=0.0)
    assert needed_views([plain]) == BASE_VIEWS  # titles tell twins
    described = replace(STAGE, description_share=0.1)
    assert needed_views([plain, described]) == (*BASE_VIEWS, *DESCRIPTIONS)
    assert needed_views([replace(STAGE, category_share=0.1)]) == (*BASE_VIEWS, CATEGORY)
    bare = replace(plain, bare_title_share=0.2)
    everything = [described, replace(plain, category_share=1.0), bare]
    assert needed_views(everything) == VIEWS
