"""Stores of every kind give the answers of the exact one, item by item."""

import math
from contextlib import closing

import polars as pl
import pytest
from support.all_columns import ShopIndex, encoded, shop

from windowshop.data.filter_grammar import parse_filter
from windowshop.errors import DataError, FilterError, SearchError
from windowshop.search.request import (
    Diversity,
    FacetRange,
    FacetValues,
    SearchRequest,
    Sort,
)
from windowshop.search.results.rules import Rule, Rules
from windowshop.search.searcher import Searcher

FILTERS = (
    "price < 20",
    "price >= 20.99 and price <= 40",
    "price = 41.99",
    "price != 41.99",
    "not price < 20",
    "price between 10 and 30",
    "price not between 10 and 30",
    "price is null",
    "price is not null",
    "price in (3.99, 4.99, 7)",
    "stock < 2.5",
    "stock = -1",
    "stock in (1, 2)",
    "stock != 3 or price < 5",
    "is_new = true",
    "is_new != true",
    "is_new is null",
    'brand = "acme"',
    'brand = "CAFE NOIR"',
    'brand != "Bolt"',
    'brand in ("bolt", "Strasse & Sohne")',
    'brand > "b"',
    'brand <= "CAFÉ"',
    'brand between "a" and "c"',
    'brand contains "oi"',
    'brand contains ""',
    'not brand contains "oi"',
    "brand is null",
    'title contains "RED sh"',
    'title contains "50% off"',
    'category under "Footwear"',
    'category under "Sale"',
    'category = "Clothing > Shirts"',
    'not category under "Footwear > Shoes"',
    'sizes = "m"',
    'sizes != "M"',
    'not (sizes = "M")',
    'sizes in ("S", "xl")',
    'sizes > "m"',
    'sizes contains "l"',
    "sizes is null",
    "sizes is not null",
    "widths = 40",
    "widths != 40",
    "widths between 38.5 and 39.5",
    "widths in (36, 37)",
    "widths is null",
    'since < "2024-06-01"',
    'since contains "2024-1"',
    'since between "2024-03" and "2024-05"',
    'seen = "2024-02-10"',
    'seen > "2024-02-10T23:30"',
    'seen between "2024-02-01" and "2024-03-01"',
    'seen in ("2024-02-10", "2024-02-11")',
    'seen < "2024-02-10T23:30+02:00"',
    'seen_at > "2024-02-10"',
    'seen_at <= "2024-02-10T23:30"',
    'seen_at = "2024-03-10"',
    "seen is null",
    'attributes contains "wolle"',
    '(brand = "acme" or price < 10) and not (is_new = true) and stock is not null',
)
FACETS = ("brand", "category", "price", "sizes", "is_new", "stock", "since")
REQUESTS = (
    {"text": "red shirt"},
    {"text": "red shirt", "explain": True, "facets": FACETS, "limit": 40},
    {"text": "blue boot warm", "where": "price < 50", "facets": ("brand", "price")},
    {"text": "acme shoe under 40", "facets": ("brand",)},
    {"text": "grean shrit"},
    {"text": "green shirt without wool", "limit": 30},
    {"text": "boot not black", "limit": 50},
    {"text": "acme boot blue wide under 3"},
    {"text": "cafe noir shirt", "mode": "words", "limit": 30},
    {"text": "cafe noir shirt", "mode": "vectors", "limit": 30, "offset": 25},
    {"text": "zzzz"},
    {"text": "p17"},
    {"text": "anything but red", "limit": 20},
    {"image": b"x"},
    {"text": "red", "image": b"x", "facets": FACETS},
    {"image": b"x", "where": 'category under "Footwear"', "limit": 30},
    {"similar_to": "p33", "limit": 20},
    {"similar_to": "p40", "where": "stock > 0"},
    {"where": "price < 30", "limit": 50, "facets": FACETS},
    {"limit": 20, "offset": 40, "facets": FACETS, "collapse": True},
    {"text": "shoe", "collapse": True, "limit": 30},
    {"text": "shoe", "sort": (Sort("price"),), "limit": 60},
    {"text": "shirt", "sort": (Sort("brand", descending=True), Sort("stock")), "limit": 60},
    {"sort": (Sort("since"),), "limit": 30, "collapse": True},
    {"sort": (Sort("seen_at", descending=True),), "limit": 30},
    {"text": "boot", "facet_filters": {"brand": FacetValues(("Acme", "Bolt"))}, "facets": FACETS},
    {
        "text": "boot",
        "facet_filters": {"price": FacetRange(10, 40), "sizes": FacetValues(("M",))},
        "facets": FACETS,
        "limit": 30,
    },
    {"facet_filters": {"category": FacetValues(("Sale > All",))}, "facets": FACETS},
    {"text": "red shoe", "fields": ("title", "sizes", "seen_at", "stock")},
    {"text": "red shoe", "diversity": Diversity(max_per={"brand": 2}), "limit": 20},
    {"text": "red shoe", "diversity": Diversity(method="mmr", weight=0.6), "limit": 20},
    {"text": "warm shirt", "rules": True, "explain": True, "limit": 20},
)
RULES = Rules(
    rules=(
        Rule(name="pinned", queries=("warm shirt",), pin=("p7", "p999", "p8"), place=2),
        Rule(name="more", queries=("warm shirt",), where='brand = "acme"', boost=2.0),
    )
)


@pytest.fixture(scope="module")
def products():
    return shop()


@pytest.fixture
def exact(make_store, tmp_path, products):
    with closing(ShopIndex(tmp_path / "exact", make_store("exact"), products)) as index:
        yield index


@pytest.fixture
def other(kind, make_store, tmp_path, products):
    with closing(ShopIndex(tmp_path / "other", make_store(kind), products)) as index:
        yield index


def plain(answer):
    """An answer without what differs between any two."""
    content = answer.to_json()
    for name in ("search_id", "took_ms", "timings_ms"):
        content.pop(name)
    return content


def same(one, two, place="answer"):
    """Compare values, numbers to 1e-3: engines of codes round queries."""
    if isinstance(one, dict):
        assert one.keys() == two.keys(), place
        for name in one:
            same(one[name], two[name], f"{place}.{name}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), (place, one, two)
        for at, (first, second) in enumerate(zip(one, two, strict=True)):
            same(first, second, f"{place}[{at}]")
    elif isinstance(one, float) and isinstance(two, float):
        is_near = math.isclose(one, two, rel_tol=1e-3, abs_tol=1e-3)
        assert is_near or (math.isnan(one) and math.isnan(two)), (place, one, two)
    else:
        assert one == two, place


def test_answers_are_those_of_the_exact_one(exact, other):
    reference, searcher = Searcher(exact, rules=RULES), Searcher(other, rules=RULES)
    for request in REQUESTS:
        asked = SearchRequest(**request)
        expected = plain(reference.answer(asked))
        same(expected, plain(searcher.answer(asked)), str(request))
        assert expected["results"] or request == {"text": "zzzz"}, request


def test_filters_keep_the_same_products(exact, other):
    with exact.collection.read_view() as one, other.collection.read_view() as two:
        keys = one.columns.allowed(None).keys()
        for text in FILTERS:
            tree = parse_filter(text)
            allowed, found = one.columns.allowed(tree), two.columns.allowed(tree)
            expected = one.columns.ids(allowed.keys())
            assert two.columns.ids(found.keys()) == expected, text
            assert found.count == len(expected), text
            assert found.passes(keys).tolist() == allowed.passes(keys).tolist(), text
            matching = two.columns.matching([tree, tree], keys[::-1]).tolist()
            assert matching == one.columns.matching([tree, tree], keys[::-1]).tolist(), text
        assert len(two.columns) == 300


def test_bad_filters_and_columns_are_named_alike(exact, other):
    for text in ("colour = 1", "price = 'x'", "brand < 3", "is_new < true", "sizes = 3"):
        with pytest.raises(FilterError) as expected:
            exact.collection.count(parse_filter(text))
        with pytest.raises(FilterError) as found:
            other.collection.count(parse_filter(text))
        assert str(found.value) == str(expected.value)
    with pytest.raises(SearchError, match="no column 'colour'"):
        Searcher(other).answer(SearchRequest(text="shoe", facets=("colour",)))


def test_rows_come_back_as_they_were(exact, other, products):
    names = products["product_id"].to_list()[::7]
    expected = exact.collection.products(names).drop("_version")
    assert other.collection.products(names).select(expected.columns).equals(expected)
    with other.collection.read_view() as view:
        keys = view.columns.keys(names)
        price, seen = view.columns.numbers(keys, ["price", "seen_at", "nothing"]).values()
        with exact.collection.read_view() as reference:
            numbers = reference.columns.numbers(reference.columns.keys(names), ["price", "seen_at"])
        assert pl.Series(price).equals(pl.Series(numbers["price"]))
        assert pl.Series(seen).equals(pl.Series(numbers["seen_at"]))
        assert view.columns.bounds(view.columns.allowed(None), "price") == (0.99, 89.99)
        assert len(view.columns.variants(int(view.columns.keys(["p1"])[0]))) == 1
    with pytest.raises(DataError, match="no product 'p999'"):
        other.collection.products(["p999"])


def test_writes_are_seen_and_counted(exact, other, products):
    changed = shop(seed=1)[3:40].with_columns(
        title=pl.concat_str(pl.lit("purple "), "title"), extra=pl.lit("x y"), level=pl.lit(2)
    )
    searchers = []
    for index in (exact, other):
        searcher = Searcher(index)
        before = index.collection.seq
        x_NW = encoded(changed["title"].to_list())
        index.collection.upsert(changed, {"fused": x_NW, "photo": x_NW})
        assert index.collection.seq == before + 37
        assert index.collection.delete(["p1", "p50", "nothing", "p50"]) == 2
        assert index.collection.delete(["p1"]) == 0
        assert index.collection.seq == before + 39
        assert "p3" in index.collection
        assert "p1" not in index.collection
        assert index.collection.count() == 298
        searchers.append(searcher)
    one, two = searchers
    for request in (
        {"text": "purple shirt", "limit": 40, "facets": ("brand", "extra")},
        {"text": "red shirt", "limit": 60},
        {"where": "level = 2", "limit": 50},
        {"similar_to": "p4"},
    ):
        asked = SearchRequest(**request)
        same(plain(one.answer(asked)), plain(two.answer(asked)), str(request))
    for searcher in searchers:
        searcher.renew_words()
    asked = SearchRequest(text="purple shrt", limit=40)
    same(plain(one.answer(asked)), plain(two.answer(asked)))
    assert exact.collection.ids() == other.collection.ids()


def test_rows_that_do_not_fit_change_nothing(other):
    before = other.collection.seq
    bad = pl.DataFrame({"product_id": ["p1"], "price": ["cheap"]})
    with pytest.raises(DataError, match="price"):
        other.collection.upsert(bad, {})
    with pytest.raises(DataError, match="twice"):
        other.collection.upsert(pl.DataFrame({"product_id": ["p1", "p1"]}), {})
    assert (other.collection.seq, other.collection.count()) == (before, 300)
