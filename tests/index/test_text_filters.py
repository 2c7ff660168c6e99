"""Filters by the values of columns give what filters of each row give."""

import numpy as np
import polars as pl
import pytest

from windowshop.data import parse_filter
from windowshop.errors import FilterError
from windowshop.index.catalogue import codes, text_filters
from windowshop.index.catalogue.codes import ColumnCodes, listed
from windowshop.index.catalogue.text_filters import passing, passing_by_values, repeats

COLOURS = ("Red", "red", "BLUE", "bleu clair", "Straße", "", None)
PATHS = (
    "Apparel > Shirts",
    "apparel > shirts",
    "Apparel",
    "Home > Mugs",
    "Apparel > Shirts > Polo",
    None,
)
FILTERS = (
    'colour = "RED"',
    'colour != "red"',
    'not colour = "red"',
    'colour in ("blue", "strasse")',
    'colour contains "LEU"',
    'colour >= "c"',
    'colour between "blue" and "red"',
    "colour is null",
    "colour is not null",
    'sizes = "m"',
    'sizes != "m"',
    'not sizes in ("s", "xl")',
    'sizes = "m" and not sizes = "l"',
    'category under "apparel > shirts"',
    'category != "Apparel"',
    'not category under "Apparel" or colour = "red" and price < 3',
    'day >= "2024-01-05" and colour != "blue"',
    'title contains "name 1" and colour = "red"',
    'not (colour = "red" and sizes = "m")',
    'not (colour = "blue" or price < 2)',
    'not (colour != "red" and not sizes in ("s", "m"))',
    'not (colour is null or not category under "apparel")',
)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    num = 400
    sizes = [None, [], [None], ["S"], ["m", "M"], ["M", "L", None], ["s", "l"]]
    paths = [None, [], ["Apparel > Shirts", "Home > Mugs"], ["Home > Mugs"], ["Sale", "apparel"]]
    return pl.DataFrame(
        {
            "product_id": [f"p{i}" for i in range(num)],
            "title": [f"Name {i}" for i in range(num)],
            "colour": [COLOURS[i] for i in rng.integers(len(COLOURS), size=num)],
            "kind": pl.Series(
                [COLOURS[i] for i in rng.integers(7, size=num)], dtype=pl.Categorical
            ),
            "sizes": [sizes[i] for i in rng.integers(len(sizes), size=num)],
            "category": [PATHS[i] for i in rng.integers(len(PATHS), size=num)],
            "category_paths": [paths[i] for i in rng.integers(len(paths), size=num)],
            "price": rng.integers(5, size=num).astype(float),
            "day": pl.Series(rng.integers(19_723, 19_733, size=num), dtype=pl.Int32).cast(pl.Date),
        }
    )


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("text", [*FILTERS, *(f.replace("colour", "kind") for f in FILTERS[:9])])
def test_texts_are_tested_by_value_as_by_row(table, text, several, monkeypatch):
    monkeypatch.setattr(text_filters, "FEWEST_ROWS", 100)
    monkeypatch.setattr(codes, "MOST_LISTED", 0 if several else 100)
    table = table if several else table.drop("category_paths")
    where, coded = parse_filter(text), []

    def codes_of(name):
        if not repeats(table[name]):
            return None
        coded.append(name)
        return ColumnCodes(listed(table, name))

    by_value = passing_by_values(table, where, codes_of)
    assert by_value.tolist() == passing(table, where).tolist()
    assert 0 < by_value.sum() < len(table)
    assert set(coded) <= {"colour", "kind", "sizes", "category"}  # titles differ from row to row
    assert bool(coded) != text.endswith("null")


def test_a_small_table_needs_no_codes_and_a_wrong_filter_is_refused(table, monkeypatch):
    where = parse_filter('colour = "red"')
    assert passing_by_values(table, where, None).tolist() == passing(table, where).tolist()
    monkeypatch.setattr(text_filters, "FEWEST_ROWS", 100)
    for text in ("colour > 3", 'shade = "red"', 'sizes = "m" and price = "dear"'):
        with pytest.raises(FilterError) as told:
            passing(table, parse_filter(text))
        with pytest.raises(FilterError) as too:
            passing_by_values(table, parse_filter(text), None)
        assert str(told.value) == str(too.value)
