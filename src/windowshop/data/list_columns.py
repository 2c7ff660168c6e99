"""Columns with a list of values for each product, for example sizes, colours or tags."""

import json
import math
from collections.abc import Sequence
from typing import TypeAlias

import polars as pl

Item: TypeAlias = str | int | float | bool | None
TEXTS = (pl.String, pl.Categorical, pl.Enum)
MAX_EXACT = 2**53
"""Whole number up to which floats hold all of them."""
_INK = r"[^\s\x1c-\x1f]"
"""Sign that makes a text more than blank; \\x1c to \\x1f are blank to Python, and not to polars."""


def has_items(dtype: pl.DataType) -> bool:
    """Return whether a column of this type holds lists of texts, numbers or booleans."""
    if not isinstance(dtype, pl.List | pl.Array):
        return False
    inner = inner_type(dtype)
    return inner.is_numeric() or inner in (*TEXTS, pl.Boolean, pl.Null)


def inner_type(dtype: pl.List | pl.Array) -> pl.DataType:
    """Return the type of a list's items."""
    inner = dtype.inner
    return inner if isinstance(inner, pl.DataType) else inner()


def parse_list(text: str) -> list[Item] | None:
    """Parse a JSON list of texts, numbers and booleans; None for any other text."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
        is_list = isinstance(value, list) and all(map(_is_item, value))
    except (ValueError, RecursionError):
        return None
    return value if is_list else None


def items_of(value: Item | list[Item]) -> list[Item] | None:
    """Return the items of a value: a list, a list in JSON, or a single value."""
    if value is None or isinstance(value, list):
        return value
    parsed = parse_list(value) if isinstance(value, str) else None
    return [value] if parsed is None else parsed


def list_column(name: str, rows: Sequence[list[Item] | None]) -> pl.Series:
    """Make a column of lists of numbers or of booleans, if all items are such, else of texts.

    Empty items are left out; an empty list is null. Whole numbers beyond 64 bits are texts, and
    beside fractions those that a float would round.
    """
    items = [item for row in rows for item in row or () if item is not None]
    kinds = {type(item) for item in items}
    if not kinds:
        return pl.Series(name, [None] * len(rows), dtype=pl.Null)
    dtype: pl.DataType = pl.String()
    if kinds == {bool}:
        dtype = pl.Boolean()
    elif kinds <= {int, float} and all(
        abs(i) <= (MAX_EXACT if float in kinds else 2**63 - 1) for i in items if isinstance(i, int)
    ):
        dtype = pl.Float64() if float in kinds else pl.Int64()
    else:
        rows = [None if row is None else [_as_text(item) for item in row] for row in rows]
    return tidy(pl.Series(name, rows, dtype=pl.List(dtype)))


def as_lists(column: pl.Series) -> pl.Series:
    """Convert a column of single values to lists, each by `items_of`."""
    is_item = column.dtype == pl.Boolean or column.dtype.is_numeric()
    plain = column if is_item else column.cast(pl.String)
    return list_column(column.name, [items_of(value) for value in plain.to_list()])


def tidy(column: pl.Series) -> pl.Series:
    """Remove empty items and blank texts from lists; an empty list becomes null."""
    lists = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    inner = inner_type(column.dtype) if isinstance(column.dtype, pl.List | pl.Array) else pl.Null()
    if inner == pl.Null:
        return pl.Series(column.name, [None] * len(column), dtype=pl.Null)
    item = pl.element()
    if inner in TEXTS:
        item = item.cast(pl.String)
        item = pl.when(item.str.contains(_INK)).then(item)
    elif inner.is_float() or inner.is_decimal():
        item = item.cast(pl.Float64).fill_nan(None)
    kept = pl.col(column.name).list.eval(item).list.drop_nulls()
    frame = lists.to_frame().select(pl.when(kept.list.len() > 0).then(kept))
    return frame.to_series().alias(column.name)


def _is_item(value: object) -> bool:
    if isinstance(value, str):
        value.encode()  # a lone surrogate is no text
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return is_finite and isinstance(value, str | int | float | None)


def _as_text(item: Item) -> str | None:
    return item if item is None or isinstance(item, str) else json.dumps(item)
