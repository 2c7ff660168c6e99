"""Types of product columns: rows fitted to them, as JSON texts, and back.

Types are those that JSON and a few conversions keep exactly; `plain` brings others to them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

import orjson
import polars as pl

from windowshop.data import (
    NUMBER,
    as_json,
    as_lists,
    has_items,
    inner_type,
    null_column,
    table_of,
    to_moments,
)
from windowshop.errors import DamagedError, DataError

SINGLE: dict[str, pl.DataType] = {
    str(dtype): dtype
    for dtype in (
        *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64()),
        *(pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()),
        *(pl.Float32(), pl.Float64(), pl.Boolean(), pl.String(), pl.Date(), pl.Null()),
    )
}
"""Types by name, but for lists of them and times with a zone."""
LIST, TIME = "List(", "Datetime("


def type_name(dtype: pl.DataType) -> str:
    """Return the name of a column's type, which `type_of` reads."""
    if isinstance(dtype, pl.List):
        return f"{LIST}{type_name(inner_type(dtype))})"
    if isinstance(dtype, pl.Datetime):
        return f"{TIME}{dtype.time_zone or ''})"
    return str(dtype)


@cache
def type_of(name: str) -> pl.DataType:
    """Return the type that has a name; raises DamagedError for an unknown one."""
    if name.startswith(LIST) and name.endswith(")"):
        return pl.List(type_of(name[len(LIST) : -1]))
    if name.startswith(TIME) and name.endswith(")"):
        return pl.Datetime("us", name[len(TIME) : -1] or None)
    if name not in SINGLE:
        raise DamagedError(f"columns: {name!r} is no type of a column. Build the index again.")
    return SINGLE[name]


def types_of(table: pl.DataFrame) -> dict[str, pl.DataType]:
    """Return the types of a table's columns, in order; quicker than its schema, which checks."""
    return dict(zip(table.columns, table.dtypes, strict=True))


def plain(products: pl.DataFrame) -> pl.DataFrame:
    """Convert columns to types that a text of JSON keeps."""
    pairs = [(column, _plain(column)) for column in products.get_columns()]
    changed = [new for column, new in pairs if new is not column]
    return products.with_columns(changed) if changed else products


def to_texts(rows: pl.DataFrame) -> list[str]:
    """Return each row's values as JSON, without nulls, keys in order; columns are `plain`."""
    columns = sorted(rows.get_columns(), key=lambda column: column.name)
    columns = [column for column in columns if column.null_count() < len(column)]
    names = [column.name for column in columns]
    are_full = not any(column.null_count() for column in columns)
    texts = []
    for values in zip(*map(_writable, columns), strict=True):
        row = dict(zip(names, values, strict=True))
        if not are_full:
            row = {name: value for name, value in row.items() if value is not None}
        texts.append(orjson.dumps(row).decode())
    return texts


def from_texts(texts: Iterable[str], types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return rows of JSON as a table with these columns."""
    return from_records([orjson.loads(text) for text in texts], types)


def from_records(
    read: Sequence[Mapping[str, Any]], types: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """Return rows that were read from JSON as a table with these columns."""
    return table_of(
        [_series(name, [row.get(name) for row in read], dtype) for name, dtype in types.items()]
    )


def check_product_ids(products: pl.DataFrame) -> None:
    """Raise DataError unless each row has an id of its own."""
    column = products["product_id"] if "product_id" in products.columns else pl.Series([None])
    ids = column.to_list()
    if column.dtype != pl.String or None in ids or "" in ids:
        raise DataError("Products to add: each needs a product_id, a text. Give every row one.")
    if len(set(ids)) < len(ids):
        raise DataError("Products to add: a product_id occurs twice. Send each product once.")


def joined(
    held: Mapping[str, pl.DataType], new: Mapping[str, pl.DataType]
) -> dict[str, pl.DataType]:
    """Join the types of columns; a column that was never filled takes the new type."""
    kept = {
        name: new.get(name, dtype) if isinstance(dtype, pl.Null) else dtype
        for name, dtype in held.items()
    }
    return kept | {name: dtype for name, dtype in new.items() if name not in kept}


def fitted(table: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return a table with these columns; raises DataError where a value does not fit its type."""
    if list(types_of(table).items()) == list(schema.items()):
        return table
    held = {column.name: column for column in table.get_columns()}
    columns = []
    for name, dtype in schema.items():
        if name not in held:
            columns.append(null_column(name, dtype, len(table)))
            continue
        try:
            columns.append(_converted(held[name], dtype))
        except pl.exceptions.PolarsError:
            raise DataError(
                f"Products to add: column {name!r} is of type {held[name].dtype}, the catalogue "
                f"has {dtype}, and not every value fits. Send it as {dtype}, or declare "
                "its type in columns.yaml of the data folder and build the index again."
            ) from None
    return table_of(columns)


def _plain(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if str(dtype) in SINGLE:
        return column
    if isinstance(dtype, pl.Datetime):
        return column.cast(pl.Datetime("us", dtype.time_zone))
    if dtype.is_decimal():
        return column.cast(pl.Float64)
    if dtype in (pl.Categorical, pl.Enum, pl.Time):
        return column.cast(pl.String)
    if isinstance(dtype, pl.Array) and has_items(dtype):
        return _plain(column.arr.to_list())
    if isinstance(dtype, pl.List) and has_items(dtype):
        inner = inner_type(dtype)
        if inner.is_decimal():
            return column.cast(pl.List(pl.Float64))
        return column.cast(pl.List(pl.String)) if inner in (pl.Categorical, pl.Enum) else column
    return as_json(column)


def _writable(column: pl.Series) -> Sequence[Any]:
    """Return the values as JSON has them; numbers that are not finite become texts."""
    values = column.to_list()
    if column.dtype.is_float():
        return [x if x is None or math.isfinite(x) else str(x) for x in values]
    return values


def _series(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    if dtype.is_float() and any(isinstance(value, str) for value in values):
        values = [None if value is None else float(value) for value in values]
    elif dtype == pl.Date:
        values = [None if value is None else date.fromisoformat(value) for value in values]
    elif isinstance(dtype, pl.Datetime):
        values = [None if value is None else datetime.fromisoformat(value) for value in values]
    return pl.Series(name, values, dtype=dtype)


def _converted(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Convert a column to a type; raises PolarsError where not every value fits.

    A single value in a column of lists becomes a list of one; lists in a column of texts become
    JSON.
    """
    if dtype == column.dtype:
        return column
    if dtype == pl.String and column.dtype.is_nested():
        return as_json(column)
    if isinstance(dtype, pl.List) and not column.dtype.is_nested():
        column = as_lists(column)
    if column.dtype == pl.String and dtype.is_numeric():
        written = column.str.strip_chars().drop_nulls()
        if not written.str.contains(NUMBER).all():  # "012" and "1E5" are codes
            raise pl.exceptions.InvalidOperationError("not all are written as numbers")
    if column.dtype == pl.String and isinstance(dtype, pl.Date | pl.Datetime):
        moments = to_moments(column)
        if moments.null_count() > column.null_count():
            raise pl.exceptions.InvalidOperationError("not all are dates")
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:
            moments = moments.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
        return moments.cast(dtype)
    converted = column.cast(dtype)
    cuts = _item_type(dtype).is_integer() and _item_type(column.dtype).is_float()  # 38.5 to 38
    if cuts and converted.cast(column.dtype).ne_missing(column).any():
        raise pl.exceptions.InvalidOperationError("not all are whole numbers")
    return converted


def _item_type(dtype: pl.DataType) -> pl.DataType:
    return inner_type(dtype) if isinstance(dtype, pl.List | pl.Array) else dtype
