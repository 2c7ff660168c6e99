"""Columns of lists, as files and programs give them."""

import json
import math

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.shops import write_table

from windowshop.data.dataset import read_products, read_queries
from windowshop.data.list_columns import as_lists, items_of, list_column, parse_list
from windowshop.data.tables import conform

ROWS = [
    {
        "sizes": ["S", "M"],
        "widths": [36, 44],
        "rates": [1, 2.5],
        "sold": [True],
        "mixed": ["S", 38],
    },
    {"sizes": ["L", " ", None], "widths": [40], "rates": [3], "sold": [False], "mixed": [2.5]},
    {"sizes": [], "widths": [None], "rates": [], "sold": [], "mixed": [True]},
    {"sizes": None, "widths": None, "rates": None, "sold": None, "mixed": None},
]
FOUND = {
    "sizes": (pl.String, [["S", "M"], ["L"], None, None]),
    "widths": (pl.Int64, [[36, 44], [40], None, None]),
    "rates": (pl.Float64, [[1.0, 2.5], [3.0], None, None]),
    "sold": (pl.Boolean, [[True], [False], None, None]),
    "mixed": (pl.String, [["S", "38"], ["2.5"], ["true"], None]),
}


def read(folder, suffix, rows):
    """Products with these columns, written as a file and read."""
    folder.mkdir(exist_ok=True)
    rows = [{"product_id": f"p{i}", "title": "Thing", **row} for i, row in enumerate(rows)]
    if suffix == ".csv":
        rows = [
            {
                k: json.dumps(v, ensure_ascii=False) if isinstance(v, list | dict) else v
                for k, v in row.items()
            }
            for row in rows
        ]
    write_table(folder / f"products{suffix}", rows)
    return read_products(folder)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_lists_stay_lists_in_every_format(tmp_path, suffix):
    table = read(tmp_path, suffix, ROWS)
    for name, (dtype, values) in FOUND.items():
        assert table.schema[name] == pl.List(dtype), name
        assert table[name].to_list() == values, name


def test_lists_in_parquet_and_in_memory(tmp_path):
    lists = pl.DataFrame(
        {
            "product_id": ["a", "b"],
            "title": ["x", "y"],
            "sizes": pl.Series([["S", ""], [None]], dtype=pl.List(pl.Categorical)),
            "grades": pl.Series([["A"], []], dtype=pl.List(pl.Enum(["A"]))),
            "point": pl.Series([[0.5, math.nan], [math.nan] * 2], dtype=pl.Array(pl.Float32, 2)),
            "small": pl.Series([[1], None], dtype=pl.List(pl.UInt8)),
            "cost": pl.Series([[1.5], None], dtype=pl.List(pl.Decimal(10, 2))),
            "none": pl.Series([[], [None]], dtype=pl.List(pl.Null)),
            "deep": [[["x"]], None],
            "parts": [[{"n": 1}], None],
        }
    )
    expected = {
        "sizes": [["S"], None],
        "grades": [["A"], None],
        "point": [[0.5], None],
        "small": [[1], None],
        "cost": [[1.5], None],
        "none": [None, None],
        "deep": ['[["x"]]', None],
        "parts": ['[{"n": 1}]', None],
    }
    lists.write_parquet(tmp_path / "products.parquet")
    for table in (read_products(tmp_path), conform(lists, {}, "memory")):
        assert table.select(expected.keys()).to_dict(as_series=False) == expected
        assert table.schema["sizes"] == table.schema["grades"] == pl.List(pl.String)


@pytest.mark.parametrize(
    "values",
    [
        ['["S"]', "M"],
        ['["S"]', "[S]"],
        ['["S"]', '[["S"]]'],
        ['["S"]', '[{"a": 1}]'],
        ['["S"]', '{"a": 1}'],
        ['["S"]', '["\\ud800"]'],
        ["[1]", "[NaN]"],
        ["[1]", "[1e999]"],
        ["[1]", "[" * 100_000],
    ],
)
def test_csv_values_that_are_not_all_lists_stay_text(tmp_path, values):
    table = read(tmp_path, ".csv", [{"sizes": value} for value in values])
    assert table["sizes"].to_list() == values


def test_declared_columns_and_other_tables_have_no_lists(tmp_path):
    for suffix in (".csv", ".jsonl"):
        folder = tmp_path / suffix[1:]
        table = read(folder, suffix, [{"brand": ["Nike"], "images": ["a.png"], "attributes": [1]}])
        assert table.select("brand", "images", "attributes").row(0) == (
            '["Nike"]',
            '["a.png"]',
            "[1]",
        )
        asked = {"query_id": "q", "query": "x", "kinds": '["a"]' if suffix == ".csv" else ["a"]}
        write_table(folder / f"queries{suffix}", [asked])
        assert read_queries(folder)["kinds"].to_list() == ['["a"]']


ITEMS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=3)
ITEMS |= st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None, database=None)
@given(rows=st.lists(st.none() | st.lists(ITEMS, max_size=3), max_size=4))
@example(rows=[["\x1c"], ["a", " \x1f"]])  # blank to Python, a sign to polars
@example(rows=[[2**53 + 1, 0.5]])  # a float would round it
def test_any_lists_have_items_of_one_kind(rows):
    column = list_column("c", rows)
    given = [[x for x in row or () if x is not None and str(x).strip()] for row in rows]
    found = [row or [] for row in column.to_list()]
    assert [len(row) for row in found] == [len(row) for row in given]
    pairs = [pair for f, g in zip(found, given, strict=True) for pair in zip(f, g, strict=True)]
    assert all(have == want or have == json.dumps(want) for have, want in pairs)
    assert len({type(have) for have, _ in pairs}) <= 1
    assert [] not in column.to_list()


@given(st.lists(ITEMS, max_size=4))
def test_a_list_as_json_is_the_same_list(items):
    assert parse_list(json.dumps(items)) == items
    assert items_of(json.dumps(items, indent=1)) == items == items_of(items)


def test_single_values_as_lists():
    assert as_lists(pl.Series("c", ["S", '["M", "L"]', None, "[x", "[]"])).to_list() == [
        ["S"],
        ["M", "L"],
        None,
        ["[x"],
        None,
    ]
    assert as_lists(pl.Series("c", [1.5, None, math.nan])).to_list() == [[1.5], None, None]
    assert as_lists(pl.Series("c", [True, None])).dtype == pl.List(pl.Boolean)
    days = pl.Series("c", ["2024-01-31"]).str.to_date()
    assert as_lists(days).to_list() == [["2024-01-31"]]
