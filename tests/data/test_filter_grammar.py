import math

import polars as pl
import pytest

from windowshop.data.filter_grammar import (
    MAX_CHARS,
    MAX_DEPTH,
    And,
    Comparison,
    Not,
    Null,
    Span,
    Under,
    parse_filter,
)
from windowshop.data.filter_polars import to_polars
from windowshop.errors import FilterError

ROWS = [
    {"sku": 1, "brand": "Nike", "category": "Apparel > Topwear", "price": 10.0, "cold": True},
    {"sku": 2, "brand": "nike", "category": "Apparel > Topwear > Shirts", "price": 20.5},
    {"sku": 3, "brand": "Puma", "category": "Apparel > Topwear2", "price": None, "cold": False},
    {"sku": 4, "brand": None, "category": "Shoes", "price": float("nan"), "cold": None},
    {"sku": 5, "brand": "Élan", "category": None, "price": 30.0, "cold": True},
]
SCHEMA = pl.Schema(
    {
        "sku": pl.Int64(),
        "brand": pl.String(),
        "category": pl.String(),
        "price": pl.Float64(),
        "cold": pl.Boolean(),
    }
)
TABLE = pl.DataFrame(ROWS, schema=SCHEMA)


def kept(text, table=TABLE):
    return table.filter(to_polars(parse_filter(text), table.schema))["sku"].to_list()


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ('brand = "NIKE"', [1, 2]),
        ("brand == 'élan'", [5]),
        ('brand != "nike"', [3, 5]),
        ('brand >= "NIKE"', [1, 2, 3]),
        ('brand in ("nike", "PUMA")', [1, 2, 3]),
        ('brand not in ("nike", "PUMA")', [5]),
        ('brand contains "IK"', [1, 2]),
        ('brand not contains "i.e"', [1, 2, 3, 5]),
        ("price < 20.5", [1]),
        ("price <= 20.5", [1, 2]),
        ("price > 10", [2, 5]),
        ("not (price < 20)", [2, 5]),
        ("not not price < 20", [1]),
        ("price between 10 and 20.5 and cold = true", [1]),
        ("price not between 10 and 20.5", [5]),
        ("price is null", [3, 4]),
        ("price is not null and sku > 1", [2, 5]),
        ("price in (10, 30)", [1, 5]),
        ("sku in (1, 2.5, 5)", [1, 5]),
        ("sku < 2.5", [1, 2]),
        ("sku = 99999999999999999999", []),
        ("cold = false", [3]),
        ("cold != true", [3]),
        ("cold in (TRUE, False)", [1, 3, 5]),
        ('category under "apparel>topwear"', [1, 2]),
        ('category not under "Apparel > Topwear"', [3, 4]),
        ('brand = "puma" or price < 15 and cold = false', [3]),
        ('(brand = "puma" or price < 15) and cold = true', [1]),
        ('price < 15 or brand = "puma"', [1, 3]),
        ("NOT(PRICE < 15)".replace("PRICE", "price"), [2, 5]),
        ("sku=1Or`sku`=+2", [1, 2]),
    ],
)
def test_rows_kept(text, skus):
    assert kept(text) == skus


def test_other_column_types():
    table = pl.DataFrame(
        {
            "sku": [1, 2],
            "size": pl.Series(["XL", None], dtype=pl.Categorical),
            "grade": pl.Series(["A", "b"], dtype=pl.Enum(["A", "b"])),
            "added": pl.Series(["2024-01-31", "2024-02-01"]).str.to_date(),
            "weight": pl.Series([1.1, 2.2], dtype=pl.Float32),
            "cost": pl.Series(["19.99", "20.00"]).cast(pl.Decimal(10, 2)),
            "count": pl.Series([200, None], dtype=pl.UInt8),
            "parts": [[{"name": "sole"}], None],
            "nested": [[["new"]], None],
        }
    )
    assert kept('size = "xl" and grade = "a"', table) == [1]
    assert kept('added >= "2024-02-01"', table) == [2]
    assert kept("weight = 1.1 and cost = 19.99", table) == [1]
    assert kept("count > -1 and count < 1000", table) == [1]
    for name, shown in (("parts", r"List\(Struct.*\)"), ("nested", r"List\(List\(String\)\)")):
        assert kept(f"{name} is null", table) == [2]
        with pytest.raises(FilterError, match=rf"'{name}' is of type {shown}.*`is null`"):
            kept(f'{name} contains "new"', table)


LISTS = pl.DataFrame(
    {
        "sku": [1, 2, 3, 4, 5, 6],
        "sizes": [["S", "M"], ["m", "M", None], ["L"], [], None, [None]],
        "widths": [[36, 44], [38, 40], [39], [], None, [None]],
        "rates": [[0.5, math.nan], [math.nan], [2.0], [], None, [1.0]],
        "sold": [[True, False], [True], [False], [], None, [None]],
        "days": [["2024-01-31", "2024-03-01"], None, ["2024-02-01"], [], None, None],
        "kinds": [["A > B", "C"], ["A > Bc"], ["a"], [], None, [None]],
    }
).with_columns(
    pl.col("days").list.eval(pl.element().str.to_date()),
    tones=pl.col("sizes").cast(pl.List(pl.Categorical)),
)


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ('sizes = "m"', [1, 2]),
        ('sizes != "m"', [3]),
        ('not sizes = "M"', [3]),
        ('not (sizes != "m")', [1, 2]),
        ('sizes = "s" and sizes = "m"', [1]),
        ('sizes in ("s", "L")', [1, 3]),
        ('sizes not in ("s", "L")', [2]),
        ('sizes > "M"', [1]),
        ('sizes contains "s"', [1]),
        ('sizes not contains "s"', [2, 3]),
        ('sizes between "m" and "r"', [1, 2]),
        ("sizes is null", [4, 5, 6]),
        ("sizes is not null", [1, 2, 3]),
        ('tones = "m" or sizes is null', [1, 2, 4, 5, 6]),
        ("widths >= 38 and widths <= 40", [1, 2, 3]),  # 44 and 36: two items do
        ("widths between 38 and 40", [2, 3]),
        ("widths not between 38 and 40", [1]),
        ("widths in (39, 44.5)", [3]),
        ("widths < 36.5", [1]),
        ("rates <= 1", [1, 6]),
        ("rates != 0.5", [3, 6]),
        ("rates is null", [2, 4, 5]),
        ("sold = true", [1, 2]),
        ("sold != true", [3]),
        ('days > "2024-02-01"', [1]),
        ('kinds under "a > b"', [1]),
        ('kinds not under "a"', []),
        ('kinds under "a"', [1, 2, 3]),
    ],
)
def test_a_list_passes_by_any_of_its_items(text, skus):
    assert kept(text, LISTS) == skus


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sizes = 38", "'sizes' holds lists of text, so it cannot be compared with 38. Put .*\"38"),
        ('widths = "38"', "'widths' holds lists of numbers"),
        ("sold between false and true", "true and false have no order; compare 'sold' with"),
        ("size = 1", "no column 'size'. Did you mean 'sizes'"),
    ],
)
def test_list_errors(text, message):
    with pytest.raises(FilterError, match=message):
        kept(text, LISTS)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        (r'a = "say \"hi\"" ', Comparison("a", "=", 'say "hi"')),
        ("""a = "say ""hi"" 'n' bye" """, Comparison("a", "=", "say \"hi\" 'n' bye")),
        (r"a = 'it''s \\ 5\n'", Comparison("a", "=", "it's \\ 5\n")),
        ('a = ""', Comparison("a", "=", "")),
        ("`text quality` = 1", Comparison("text quality", "=", 1)),
        ("`a``b` is null", Null("a`b", True)),
        ("मूल्य < 5", Comparison("मूल्य", "<", 5)),
        ("android is NOT Null", Null("android", False)),
        ("a = -1.5E3", Comparison("a", "=", -1500.0)),
        ("a\u00a0=\n4006381333931", Comparison("a", "=", 4006381333931)),
        ('a under "A>B > C"', Under("a", ("A", "B", "C"))),
        (
            "a = 1 and b = 2 and c = 3",
            And(tuple(Comparison(x, "=", i + 1) for i, x in enumerate("abc"))),
        ),
        ("a between 1 and 2", Span("a", 1, 2)),
        ("a not between 1 and 2", Not(Span("a", 1, 2))),
    ],
)
def test_parsed_tree(text, tree):
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the filter ends here, expected a column name"),
        ("price", "expected a comparison such as = or <"),
        ("price <", "expected text in quotes, a number or true/false"),
        ("price < 1,000", 'found \',\', expected the end of the filter, "and" or "or"'),
        ('brand = "Nike', 'the quote " is never closed'),
        ("`brand = 3", "the quote ` is never closed"),
        ("(price < 3", 'expected "\\)"'),
        ("brand is 3", 'found \'3\', expected "not" or "null"'),
        ('category under "A > > B"', "has an empty level"),
        ("price < 1e999", "The number 1e999 is out of range"),
        ("x" * (MAX_CHARS + 1), "4,001 characters long, limit 4,000"),
        ('brand = "\udc00"', "not valid Unicode"),
    ],
)
def test_parse_errors_say_what_was_expected(text, message):
    with pytest.raises(FilterError, match=message):
        parse_filter(text)


def test_parse_error_points_at_the_place():
    with pytest.raises(FilterError) as caught:
        parse_filter("price < 1000 and\n brand = Nike or cold = true")
    _, line, caret = str(caught.value).split("\n")
    assert line[caret.index("^") :].startswith("Nike or")

    with pytest.raises(FilterError) as caught:
        parse_filter("sku = 1 or " * 100 + "sku = one")
    _, line, caret = str(caught.value).split("\n")
    assert len(line) < 90
    assert line[caret.index("^") :] == "one"

    with pytest.raises(FilterError) as caught:
        parse_filter('名 = "服" # 3')
    assert str(caught.value).endswith('\n  名 = "服" # 3\n  ' + " " * 10 + "^")  # wide characters


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prize < 3", "no column 'prize'. Did you mean 'price'\\? The columns are: sku, brand, "),
        ("PRICE < 3", "Did you mean 'price'"),
        ("zzz < 3", "no column 'zzz'. The columns are: sku, brand, category, price, cold."),
        ("zzz is null", "no column 'zzz'"),
        ("brand < 10", "'brand' holds text, so it cannot be compared with 10. Put .* in quotes"),
        ('price < "cheap"', "'price' holds numbers, so it cannot be compared with 'cheap'"),
        ('price contains "1"', "'price' holds numbers"),
        ('brand in ("a", true)', "'brand' holds text, so it cannot be compared with true"),
        ("cold = 1", "'cold' holds true or false"),
        ("cold < true", "true and false have no order"),
        ('sku under "A"', "'sku' holds numbers"),
        ("cold between false and true", "true and false have no order"),
        ('price between 1 and "2"', "'price' holds numbers"),
    ],
)
def test_schema_errors(text, message):
    with pytest.raises(FilterError, match=message):
        to_polars(parse_filter(text), SCHEMA)


@pytest.mark.parametrize("text", ["not " * 990 + "a = 1", "(not " * 600 + "a = 1" + ")" * 600])
def test_deep_nesting_is_refused(text):
    with pytest.raises(FilterError, match="more than 50 deep"):
        parse_filter(text)


def test_limits_leave_room():
    deepest = "not " * (MAX_DEPTH - 1) + "price < 15"
    assert kept(deepest) == [2, 5]
    assert kept("(" * 1900 + "price < 15" + ")" * 1900) == [1]
    assert kept("sku = 9 or " * 350 + "sku = 1") == [1]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('at >= "2024-03-01"', [1, 2]),
        ('at = "2024-03-01"', [1]),
        ('at <= "2024-03-01"', [0, 1]),
        ('at > "2024-03-01T12:00"', [2]),
        ('at between "2024-03-01T12:00" and "2024-03-02"', [1, 2]),
        ('at in ("2024-02-29", "2024-03-02")', [0, 2]),
        ("at is null", [3]),
        ('not at < "2024-03-01"', [1, 2]),
        ('at contains "2024-03-01t12"', [1]),
        ('at > "2024-03-01T12:00+00:00"', [2]),
    ],
)
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_dates_with_a_time_compare_as_days_and_moments(text, rows, zone):
    moments = ["2024-02-29T23:59", "2024-03-01T12:00", "2024-03-02T00:00", None]
    at = pl.Series("at", moments).str.to_datetime("%Y-%m-%dT%H:%M", time_zone=zone)
    table = pl.DataFrame({"row": [0, 1, 2, 3], "at": at})
    assert table.filter(to_polars(parse_filter(text), table.schema))["row"].to_list() == rows


def test_a_date_that_is_none_is_refused():
    schema = {"at": pl.Datetime()}
    with pytest.raises(FilterError, match=r"2024-12-31T18:30"):
        to_polars(parse_filter('at > "yesterday"'), schema)
