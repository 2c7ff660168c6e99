"""Random filters: written and parsed, and against a row-by-row reading. Any text at all."""

import math
import operator

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from windowshop.data.filter_grammar import (
    And,
    Comparison,
    Contains,
    In,
    Not,
    Null,
    Or,
    Span,
    Under,
    parse_filter,
)
from windowshop.data.filter_polars import to_polars
from windowshop.data.folding import fold
from windowshop.errors import FilterError

# Random trees. Values come from a few look-alikes so that comparisons often match.

TEXTS = st.text("aAbéÉßΣ> '\"\\`\n\t名%.*", max_size=4)
LEVEL = st.sampled_from(["A", "a", "B b", "Σ"])
NUMBERS = st.integers(-3, 3) | st.sampled_from([-1.5, 0.0, 2.5, 1e-7, 1e20, 2**63 - 1])
OPS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COLUMNS = {
    "brand": TEXTS,
    "in stock`s": TEXTS,
    "category": st.lists(LEVEL, min_size=1, max_size=3).map(" > ".join),
    "price": NUMBERS,
    "count": NUMBERS,
    "cold": st.booleans(),
    "tags": TEXTS,
    "paths": st.lists(LEVEL, min_size=1, max_size=3).map(" > ".join),
    "widths": NUMBERS,
    "sizes": NUMBERS,
    "sold": st.booleans(),
}
"""Values to compare a column with."""
ROW_VALUES = COLUMNS | {
    "price": st.integers(-3, 3).map(float) | st.sampled_from([-1.5, 2.5, 1e20, math.nan]),
    "count": st.integers(-3, 3) | st.just(2**63 - 1),
}
ROW_VALUES |= {
    name: st.lists(st.none() | values, max_size=3)
    for name, values in ROW_VALUES.items()
    if name in ("tags", "paths", "sold")
} | {
    "widths": st.lists(st.none() | ROW_VALUES["price"], max_size=3),
    "sizes": st.lists(st.none() | ROW_VALUES["count"], max_size=3),
}
DTYPES = {
    "price": pl.Float64(),
    "count": pl.Int64(),
    "cold": pl.Boolean(),
    "tags": pl.List(pl.String()),
    "paths": pl.List(pl.String()),
    "widths": pl.List(pl.Float64()),
    "sizes": pl.List(pl.Int64()),
    "sold": pl.List(pl.Boolean()),
}
ROW = st.fixed_dictionaries({name: st.none() | values for name, values in ROW_VALUES.items()})


@st.composite
def leaves(draw):
    name = draw(st.sampled_from(list(COLUMNS)))
    values = COLUMNS[name]
    has_order = name not in ("cold", "sold")
    ops = st.sampled_from(list(OPS) if has_order else ["=", "!="])
    kinds = [
        st.builds(Comparison, st.just(name), ops, values),
        st.builds(In, st.just(name), st.lists(values, min_size=1, max_size=3).map(tuple)),
        st.builds(Null, st.just(name), st.booleans()),
    ]
    if has_order:
        kinds.append(st.builds(Span, st.just(name), values, values))
    if name not in DTYPES or DTYPES[name] == pl.List(pl.String()):
        levels = st.lists(LEVEL, min_size=1, max_size=3).map(tuple)
        kinds += [
            st.builds(Contains, st.just(name), TEXTS),
            st.builds(Under, st.just(name), levels),
        ]
    return draw(st.one_of(kinds))


def compounds(parts):
    many = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(And, many) | st.builds(Or, many) | st.builds(Not, parts)


TREES = st.recursive(leaves(), compounds, max_leaves=6)


def written(tree, quote):
    """The tree as filter text; every compound in parentheses."""
    match tree:
        case And(parts):
            return "(" + " and ".join(written(part, quote) for part in parts) + ")"
        case Or(parts):
            return "(" + " OR ".join(written(part, quote) for part in parts) + ")"
        case Not(part):
            return f"not ({written(part, quote)})"
    column = "`" + tree.column.replace("`", "\\`") + "`" if " " in tree.column else tree.column
    return f"{column} {written_test(tree, quote)}"


def written_test(tree, quote):
    match tree:
        case Comparison(_, op, value):
            return f"{op}{literal(value, quote)}"
        case In(_, values):
            return f"in ({','.join(literal(value, quote) for value in values)})"
        case Span(_, low, high):
            return f"between {literal(low, quote)} and {literal(high, quote)}"
        case Null(_, is_null):
            return f"is {'' if is_null else 'not '}null"
        case Contains(_, text):
            return f"contains {literal(text, quote)}"
        case Under(_, levels):
            return f"under {literal('>'.join(levels), quote)}"


def literal(value, quote):
    if isinstance(value, str):
        return quote + value.replace("\\", "\\\\").replace(quote, quote * 2) + quote
    return str(value).lower() if isinstance(value, bool) else repr(value)


def holds(tree, row):
    """True, False, or None for unknown: SQL's three values, row by row."""
    match tree:
        case And(parts):
            found = [holds(part, row) for part in parts]
            return False if False in found else None if None in found else True
        case Or(parts):
            found = [holds(part, row) for part in parts]
            return True if True in found else None if None in found else False
        case Not(part):
            found = holds(part, row)
            return None if found is None else not found
    value = row[tree.column]
    given = [x for x in (value if isinstance(value, list) else [value]) if x is not None and x == x]
    if isinstance(tree, Null):
        return bool(given) != tree.is_null
    if not given:
        return None
    if isinstance(tree, Comparison) and tree.op == "!=":
        return all(matches(tree, lowered(item)) for item in given)
    return any(matches(tree, lowered(item)) for item in given)


def matches(tree, value):
    match tree:
        case Comparison(_, op, other):
            return OPS[op](value, lowered(other))
        case In(_, others):
            return value in [lowered(other) for other in others]
        case Span(_, low, high):
            return lowered(low) <= value <= lowered(high)
        case Contains(_, text):
            return fold(text) in value
        case Under(_, levels):
            return value.split(" > ")[: len(levels)] == [fold(level) for level in levels]


def lowered(value):
    return fold(value) if isinstance(value, str) else value


@pytest.mark.slow
@settings(max_examples=60, deadline=None, database=None)
@given(tree=TREES, quote=st.sampled_from("\"'"))
def test_written_trees_parse_back(tree, quote):
    assert repr(parse_filter(written(tree, quote))) == repr(tree)  # repr tells 1 from True and 1.0


@pytest.mark.slow
@settings(max_examples=60, deadline=None, database=None)
@given(tree=TREES, rows=st.lists(ROW, max_size=8))
def test_filtering_agrees_with_row_by_row(tree, rows):
    schema = {name: DTYPES.get(name, pl.String()) for name in COLUMNS}
    table = pl.DataFrame(rows, schema=schema).with_row_index("row")
    found = table.filter(to_polars(tree, schema))["row"].to_list()
    assert found == [at for at, row in enumerate(rows) if holds(tree, row) is True]


WORDS = "price = < 'x' \" 1.5 ( ) , ` and or not in is null between contains under true #"


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(st.sampled_from(WORDS.split()), max_size=8).map(" ".join) | st.text(max_size=20))
def test_any_text_parses_or_is_refused_with_a_caret_inside_it(text):
    message = complaint(text)
    if message:
        first, line, caret = message.split("\n")
        assert first.startswith("The filter has a mistake: ")
        assert cell_len(caret.rstrip("^")) <= cell_len(line)


def complaint(text):
    try:
        parse_filter(text)
    except FilterError as error:
        return str(error)
    return ""
