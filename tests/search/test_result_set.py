import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windowshop.errors import ConfigError, SearchError
from windowshop.index import Columns
from windowshop.search.answer import FacetValue
from windowshop.search.request import (
    BrandCap,
    Condition,
    Diversity,
    FacetRange,
    FacetValues,
    Sort,
)
from windowshop.search.results.diversify import Diversifier, mmr
from windowshop.search.results.pins import Pin, with_pins
from windowshop.search.results.result_set import ResultSet

# In order of relevance; two groups of variants, one product without a group.
SHOP = pl.DataFrame(
    {
        "group_id": ["g1", "g1", "g2", None, "g2", "g3"],
        "brand": ["Nike", "Nike", "Puma", "Nike", "Puma", None],
        "price": [30.0, 10.0, 20.0, None, float("nan"), 20.0],
        "colours": [["red"], ["blue", "red"], ["red", "red"], None, [], ["green"]],
        "new": [True, False, None, True, False, True],
    }
)
KEYS = np.array([50, 40, 30, 20, 10, 60])
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])


def shop(**facet_filters):
    return ResultSet(KEYS, SCORES, table(KEYS, SHOP), facet_filters)


def table(keys, products):
    """A catalogue with these products at their keys; others have no values."""
    every = pl.DataFrame({"key": range(max(keys.tolist(), default=0) + 1)})
    products = products.with_columns(key=pl.Series(keys, dtype=pl.Int64))
    every = every.join(products, on="key", how="left", maintain_order="left")
    every = every.with_columns(pl.col("key").cast(pl.String).alias("product_id")).drop("key")
    return Columns(every, np.ones(len(every), dtype=bool))


def keys(result_set, **settings):
    return result_set.ranking(**settings).keys.tolist()


def capped(result_set, within=20, **most):
    columns = {name: column(result_set, name) for name in most}
    config = Diversity(max_per=most, within=within)
    return Diversifier(config, result_set.scores, columns, lambda rows: np.zeros((len(rows), 2)))


def column(result_set, name):
    return result_set.table.select(result_set.keys, [name])[name]


def values(facet):
    return [(value.value, value.products, value.groups) for value in facet.values]


def test_relevance_order_collapses_to_the_best_of_each_group():
    ranking = shop().ranking()
    assert ranking.keys.tolist() == [50, 30, 20, 60]
    assert ranking.scores.tolist() == [0.9, 0.7, 0.6, 0.4]
    assert ranking.group_sizes.tolist() == [2, 2, 1, 1]
    assert (ranking.total_products, ranking.total_groups) == (6, 4)


def test_totals_count_what_is_paged():
    ranking = shop().ranking()
    page = ranking.page(2, 10)
    assert (page.keys.tolist(), page.total) == ([20, 60], 4)
    uncollapsed = shop().ranking(collapse=False)
    assert uncollapsed.page(5, 10).total == 6


def test_sorting_puts_missing_prices_last_and_breaks_ties_by_relevance():
    assert keys(shop(), sort=(Sort("price"),), collapse=False) == [40, 30, 60, 50, 20, 10]
    falling = (Sort("price", descending=True),)
    assert keys(shop(), sort=falling, collapse=False) == [50, 30, 60, 40, 20, 10]


def test_sorting_by_two_columns():
    both = (Sort("brand"), Sort("price"))
    assert keys(shop(), sort=both, collapse=False) == [40, 50, 20, 30, 10, 60]


def test_a_sorted_group_shows_its_first_in_that_order():
    assert keys(shop(), sort=(Sort("price"),)) == [40, 30, 60, 20]


def test_facets_count_products_and_groups():
    facet = shop().facet("brand")
    assert values(facet) == [("Nike", 3, 2), ("Puma", 2, 1)]
    assert (facet.num_values, facet.missing) == (2, 1)


def test_list_columns_count_each_item_once():
    facet = shop().facet("colours")
    assert values(facet) == [("red", 3, 2), ("blue", 1, 1), ("green", 1, 1)]
    assert facet.missing == 2


def test_truth_values_are_counted():
    assert values(shop().facet("new")) == [(True, 3, 3), (False, 2, 2)]


def test_a_facet_ignores_its_own_pick_but_no_other():
    picked = shop(brand=FacetValues(("Puma",)), colours=FacetValues(("red",)))
    assert keys(picked, collapse=False) == [30]
    assert values(picked.facet("brand")) == [("Nike", 2, 1), ("Puma", 1, 1)]
    assert [v.picked for v in picked.facet("brand").values] == [False, True]
    assert values(picked.facet("colours")) == [("red", 1, 1)]
    assert values(picked.facet("new")) == []


@pytest.mark.parametrize(
    ("narrow", "kept", "brands"),
    [
        ([[("brand", FacetValues(("Nike",)), False)]], [50, 40, 20], [("Nike", 3, 2)]),
        ([[("brand", FacetValues(("Nike",)), True)]], [30, 10, 60], [("Puma", 2, 1)]),
        (
            [[("colours", FacetValues(("blue",)), False), ("price", FacetRange(15, 25), False)]],
            [40, 30, 60],
            [("Nike", 1, 1), ("Puma", 1, 1)],
        ),
        (
            [[("new", FacetValues((True,)), False)], [("price", FacetRange(high=20), True)]],
            [50, 20],
            [("Nike", 2, 2)],
        ),
    ],
)
def test_every_count_keeps_to_what_narrows(narrow, kept, brands):
    conditions = tuple(tuple(Condition(*one) for one in some) for some in narrow)
    found = ResultSet(KEYS, SCORES, table(KEYS, SHOP), narrow=conditions)
    assert keys(found, collapse=False) == kept
    assert found.ranking().total_products == len(kept)
    assert values(found.facet("brand")) == brands


def test_picked_values_show_beyond_the_limit_and_at_zero():
    picked = shop(brand=FacetValues(("Puma", "Asics")))
    assert picked.facet("brand", limit=1).values == (
        FacetValue("Nike", 3, 2, False),
        FacetValue("Puma", 2, 1, True),
        FacetValue("Asics", 0, 0, True),
    )
    assert picked.facet("brand", limit=1).num_values == 2


def test_picked_ranges_include_both_ends_and_no_missing_price():
    assert keys(shop(price=FacetRange(10, 20)), collapse=False) == [40, 30, 60]
    assert keys(shop(price=FacetRange(low=20)), collapse=False) == [50, 30, 60]
    assert keys(shop(price=FacetRange()), collapse=False) == [50, 40, 30, 60]


def test_numbers_spread_over_what_other_picks_leave():
    numbers = shop(price=FacetRange(0, 10)).numbers("price", num_bins=2)
    assert (numbers.low, numbers.high, numbers.missing) == (10, 30, 2)
    assert (numbers.edges, numbers.counts) == ((10, 20, 30), (1, 3))
    equal = shop(brand=FacetValues(("Puma",))).numbers("price")
    assert (equal.low, equal.high, equal.counts, equal.missing) == (20, 20, (1,), 1)
    empty = shop(brand=FacetValues(("Asics",))).numbers("price")
    assert (empty.low, empty.edges, empty.counts) == (None, (), ())


def test_the_cap_moves_products_down_and_drops_none():
    cap = capped(shop(), brand=1, within=3)
    # Nike, Puma and the product without a brand fill three places; then the others as they were.
    assert keys(shop(), diversify=cap, collapse=False) == [50, 30, 60, 40, 20, 10]
    assert keys(shop(), diversify=cap, sort=(Sort("price"),)) == keys(shop(), sort=(Sort("price"),))


def test_pins_stand_outside_the_cap_and_for_their_group():
    pins = (Pin(10, 2), Pin(999, 1))
    assert keys(shop(), pins=pins) == [50, 10, 20, 60]
    cap = capped(shop(), brand=1)
    assert keys(shop(), pins=(Pin(60, 1), Pin(20, 2)), diversify=cap) == [60, 20, 50, 30]
    assert keys(shop(), pins=(Pin(60, 1),), sort=(Sort("price"),)) == [40, 30, 60, 20]
    assert keys(shop(brand=FacetValues(("Puma",))), pins=(Pin(50, 1),)) == [30]


def test_pins_keep_their_places_or_the_next():
    rows, pinned = np.array([1, 2, 3]), np.array([7, 8])
    assert with_pins(rows, pinned, [2, 2]).tolist() == [1, 7, 8, 2, 3]
    assert with_pins(rows, pinned, [1, 4]).tolist() == [7, 1, 2, 8, 3]
    assert with_pins(rows, pinned, [9, 10]).tolist() == [1, 2, 3, 7, 8]


def test_nothing_found():
    empty = ResultSet(KEYS[:0], SCORES[:0], table(KEYS, SHOP), {"brand": FacetValues(("Nike",))})
    ranking = empty.ranking(diversify=capped(empty, brand=3), pins=(Pin(1, 1),))
    assert (ranking.page(0, 10).total, ranking.total_groups) == (0, 0)
    assert empty.facet("colours").values == ()
    assert empty.numbers("price").missing == 0


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: shop().facet("colour"), "no column 'colour'"),
        (lambda: shop(colour=FacetValues(("red",))), "no column 'colour'"),
        (lambda: shop(price=FacetValues(("cheap",))), "cannot be picked"),
        (lambda: shop(brand=FacetRange(1, 2)), "not numbers"),
        (lambda: shop().numbers("brand"), "not hold numbers"),
        (lambda: shop().numbers("price", 0), "0 bins"),
        (lambda: shop().facet("brand", -1), "must not be negative"),
        (lambda: keys(shop(), sort=(Sort("colours"),)), "has no order"),
        (lambda: shop().ranking().page(-1, 10), "offset"),
        (lambda: shop().ranking().page(0, 0), "limit"),
        (lambda: BrandCap(most=0), "at least 1"),
    ],
)
def test_what_cannot_be_asked_is_said(ask, message):
    with pytest.raises(SearchError, match=message):
        ask()


rows = st.lists(
    st.tuples(
        st.sampled_from(["g1", "g2", "g3", None]),
        st.sampled_from(["A", "B", None]),
        st.one_of(st.none(), st.integers(0, 3).map(float)),
    ),
    max_size=25,
)
SCHEMA = {"group_id": pl.String, "brand": pl.String, "price": pl.Float64}


def result_set(products, **facet_filters):
    columns = pl.DataFrame(products, schema=SCHEMA, orient="row")
    keys = np.arange(len(products))[::-1]
    return ResultSet(keys, np.zeros(len(products)), table(keys, columns), facet_filters)


@settings(max_examples=60, deadline=None)
@given(rows, st.booleans(), st.sampled_from([(), (Sort("price"),)]), st.integers(1, 7))
def test_pages_never_overlap_and_make_up_the_whole(products, collapse, sort, limit):
    found = result_set(products, brand=FacetValues(("A", "B")))
    ranking = found.ranking(
        sort=sort,
        collapse=collapse,
        diversify=capped(found, brand=2, within=5),
        pins=(Pin(3, 2), Pin(0, 1)),
    )
    pages = [ranking.page(offset, limit) for offset in range(0, len(products) + limit, limit)]
    paged = [key for page in pages for key in page.keys.tolist()]
    assert len(paged) == len(set(paged)) == pages[0].total
    wanted = [(i, row) for i, row in enumerate(products) if row[1] is not None]
    assert ranking.total_products == len(wanted)
    groups = {row[0] or i for i, row in wanted}
    assert ranking.total_groups == len(groups)
    assert len(paged) == (len(groups) if collapse else len(wanted))
    if collapse:
        assert ranking.group_sizes.sum() == len(wanted)


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 3), st.integers(1, 10))
def test_the_cap_holds_as_long_as_it_can(products, most, among):
    found = result_set(products)
    ranking = found.ranking(collapse=False, diversify=capped(found, brand=most, within=among))
    brands = [products[row][1] for row in ranking.rows.tolist()]
    free = sum(min(most, brands.count(b)) for b in ("A", "B")) + brands.count(None)
    head = brands[: min(among, free)]
    assert max((head.count(b) for b in ("A", "B")), default=0) <= most
    assert sorted(ranking.rows.tolist()) == list(range(len(products)))


@settings(max_examples=60, deadline=None)
@given(rows)
def test_facet_counts_agree_with_what_picking_them_gives(products):
    for value in result_set(products).facet("brand").values:
        ranking = result_set(products, brand=FacetValues((value.value,))).ranking()
        assert (ranking.total_products, ranking.total_groups) == (value.products, value.groups)


def test_caps_on_several_columns_hold_together():
    found = shop()
    order = found.ranking(collapse=False, diversify=capped(found, brand=1, group_id=1, within=3))
    brands = column(found, "brand").gather(order.rows).to_list()[:3]
    groups_ = column(found, "group_id").gather(order.rows).to_list()[:3]
    for values in (brands, groups_):
        known = [value for value in values if value is not None]
        assert len(known) == len(set(known))


def test_mmr_takes_the_next_product_that_is_unlike_those_above_it():
    # Two alike at the top, a third of its own: by hand, 1 x .7 first; then .7 x .9 - .3 x 1 = .33
    # against .7 x .5 - 0 = .35.
    x_TD = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    scores = np.array([1.0, 0.9, 0.5, 0.0])
    assert mmr(scores, x_TD, 0.3).tolist() == [0, 2, 1, 3]
    assert mmr(scores, x_TD, 0.2).tolist() == [0, 1, 2, 3]
    assert mmr(scores, x_TD, 0.0).tolist() == [0, 1, 2, 3]
    assert mmr(np.ones(4), x_TD, 0.5).tolist() == [0, 2, 1, 3]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.floats(0, 1), st.integers(1, 40))
def test_mmr_orders_the_first_ones_only_and_loses_none(count, weight, within):
    rng = np.random.default_rng(count)
    x_MD = rng.normal(size=(count, 3))
    config = Diversity(method="mmr", weight=weight, within=within)
    rows = rng.permutation(count)
    order = Diversifier(config, rng.random(count), {}, lambda rows: x_MD[rows])(rows)
    assert sorted(order.tolist()) == list(range(count))
    assert sorted(order[:within].tolist()) == sorted(rows[:within].tolist())
    assert order[within:].tolist() == rows[within:].tolist()


@pytest.mark.parametrize(
    "options",
    [{"method": "far"}, {"weight": 2}, {"within": 0}, {"max_per": {"brand": 0}}],
    ids=str,
)
def test_a_diversity_that_means_nothing_is_refused(options):
    with pytest.raises(ConfigError, match="diversity: "):
        Diversity(**options)


def test_values_of_products_written_since_are_counted_with_the_others():
    def catalogue(brands):
        rows = {"product_id": [f"p{i}" for i, _ in brands], "brand": [b for _, b in brands]}
        return pl.DataFrame(rows, schema={"product_id": pl.String, "brand": pl.String})

    known = list(enumerate(["Nike", None, "Puma", "Nike"]))
    for new in ([(4, "Puma"), (5, None)], [(4, "Asics"), (0, "Zara")], [(6, "Nike")]):
        table = Columns(catalogue(known), np.ones(len(known), dtype=bool))
        table.codes(np.arange(2), "brand")  # held before the write
        table.commit(table.prepare(catalogue(new)))
        keys_ = np.flatnonzero(table.alive_N)[::-1]
        facet = ResultSet(keys_, np.zeros(len(keys_)), table).facet("brand")
        brands = [brand for _, brand in (dict(known) | dict(new)).items()]
        wanted = sorted(set(brands) - {None}, key=lambda name: (-brands.count(name), name))
        assert [(v.value, v.products) for v in facet.values] == [
            (name, brands.count(name)) for name in wanted
        ]
        assert (facet.num_values, facet.missing) == (len(wanted), brands.count(None))
