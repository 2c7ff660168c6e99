"""Filters in zvec's own language say the same."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windowshop.data.filter_grammar import parse_filter
from windowshop.data.filter_polars import to_polars
from windowshop.engines.base import EngineSpec, VectorSpec
from windowshop.engines.filter_zvec import to_zvec
from windowshop.engines.zvec_store import ZvecStore

BRANDS = [None, "Nike", "nike air", "A > B", "a > b > c", "a > bc", "x'y", "50%", "Ünï", ""]
PRICES = [None, float("nan"), -3.5, 0.0, 0.1, 10.0, 1e17]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A collection of every brand with every price."""
    pairs = [(brand, price) for brand in BRANDS for price in PRICES]
    table = pl.DataFrame(pairs, schema={"brand": pl.String, "price": pl.Float64}, orient="row")
    vector = VectorSpec(width=4, storage="int8")
    spec = EngineSpec(kind="zvec", vectors={"fused": vector}, text_columns=("brand",))
    store = ZvecStore(tmp_path_factory.mktemp("store") / "graph", spec, vector, 0)
    store.put(np.arange(len(pairs)), np.ones((len(pairs), 4), dtype=np.float32), table)
    yield store, table
    store.close()


TEXT_VALUES = ["nike", "NIKE", "a > b", "x'y", "50%", "ünï", "other", "a > b > c"]
NUMBERS = [-3.5, 0, 0.1, 10, 1e17, 7, 1e-30]
LEAVES = st.one_of(
    st.builds('brand {} "{}"'.format, st.sampled_from(["=", "!=", "under", "not under"]),
              st.sampled_from([text for text in TEXT_VALUES])),
    st.builds("price {} {}".format, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
              st.sampled_from(NUMBERS)),
    st.builds('brand {} ("{}", "{}")'.format, st.sampled_from(["in", "not in"]),
              st.sampled_from(TEXT_VALUES), st.sampled_from(TEXT_VALUES)),
    st.builds("price {} ({}, {})".format, st.sampled_from(["in", "not in"]),
              st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)),
    st.builds("price {}between {} and {}".format, st.sampled_from(["", "not "]),
              st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)),
    st.builds("{} is {}null".format, st.sampled_from(["brand", "price"]),
              st.sampled_from(["", "not "])),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.builds("({} and {})".format, parts, parts),
        st.builds("({} or {})".format, parts, parts),
        st.builds("not ({})".format, parts),
    ),
    max_leaves=5,
)


@settings(max_examples=120, deadline=None)
@given(text=TREES)
def test_a_translated_filter_says_the_same_to_zvec(store, text):
    collection, table = store
    where = parse_filter(text)
    native = to_zvec(where, collection.kinds)
    if native is not None:
        passes = table.select(to_polars(where, table.schema)).to_series().fill_null(False)
        keys = collection.nearest(np.ones(4, dtype=np.float32), 1000, native)
        assert sorted(keys.tolist()) == np.flatnonzero(passes.to_numpy()).tolist()


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ('not (brand = "Nike" or price < 5)', "(brand != 'nike' and price >= 5)"),
        ('brand under "A > b"', "(brand = 'a > b' or brand like 'a > b > %')"),
        ('not (brand in ("a", "b") and price is null)',
         "(brand not in ('a', 'b') or price is not null)"),
        ("price between 1 and 2", "(price >= 1 and price <= 2)"),
        ("price not between 1 and 2", "(price < 1 or price > 2)"),
        ('brand between "a" and "b"', None),
        ("sizes between 1 and 2", None),
        ('title = "x"', None),
        ('brand contains "x"', None),
        ('brand < "x"', None),
        ("""brand = "it's" """, None),
        ('brand under "50%"', None),
        ('not brand under "a"', None),
        ('price = 1 or title = "x"', None),
    ],
)  # fmt: skip
def test_translated_filters_by_hand(text, native):
    assert to_zvec(parse_filter(text), {"brand": "text", "price": "number"}) == native
