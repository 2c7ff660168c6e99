"""One table file (parquet, csv or jsonl) -> a polars frame with the columns' declared types.

Ids are always strings: a csv reader that guesses would turn "00123" into 123.
"""

import json
import re
from collections.abc import Container, Mapping
from pathlib import Path

import polars as pl

from windowshop.data.category_paths import CATEGORY, split_paths
from windowshop.data.column_types import NOTHING, codes_as_text, typed
from windowshop.data.list_columns import (
    as_lists,
    has_items,
    inner_type,
    list_column,
    parse_list,
    tidy,
)
from windowshop.errors import DataError, first_line
from windowshop.registry import READERS

_MONEY = r"^([A-Z]{3}|[$€£¥₹])?\s*(\d(?:[\d.,' ]*\d)?)\s*([A-Z]{3}|[$€£¥₹])?$"
_WITH_COMMA = r"^-?(?:\d+|\d{1,3}(?:[.' ]\d{3})+)(?:,\d{1,2})?$", r",\d{1,2}$", r"[.' ]"
_WITH_POINT = r"^-?(?:\d+|\d{1,3}(?:[,' ]\d{3})+)(?:\.\d+)?$", r"\d[,' ]\d{3}", r"[,' ]"
"""Two notations of numbers: every one, the sign that tells one from other notations, and signs
between thousands."""
_AS_WRITTEN = frozenset({"product_id", "group_id", "query_id", "title", "description", "text"})
"""Columns in which "-" is a text."""
_DUPLICATED = re.compile(r"_duplicated_\d+$")
"""Mark by which the reader of csv tells a column from an earlier one of its name."""
MAX_LISTED = 5
"""Examples in one message."""


def read_table(
    path: Path, schema: Mapping[str, pl.DataType], *, keep_lists: bool = False
) -> pl.DataFrame:
    """Read `path` and cast the columns that `schema` names; further ones keep their type.

    With `keep_lists`, further columns of lists of texts, numbers or booleans stay lists, in csv
    where every value is such a list in JSON; any other nested values become JSON text. Columns
    absent from the file are absent from the result. Raises DataError for an unreadable file and
    for a value that does not fit its column, with the row (the first row of data is 1).
    """
    try:
        frame = _blank_to_null(_read(path))
        if path.suffix == ".csv":
            frame = _typed_extras(_with_lists(frame, schema) if keep_lists else frame, schema)
        elif path.suffix == ".jsonl" and keep_lists:
            frame = _with_mixed_lists(frame, schema)
        return _typed(frame, schema, path, keep_lists)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = first_line(error)
        raise DataError(
            f"{path}: cannot be read as {path.suffix[1:]}: {reason}. "
            "Check that the file is whole and UTF-8, and that no row has more fields than columns."
        ) from None


def conform(frame: pl.DataFrame, schema: Mapping[str, pl.DataType], source: str) -> pl.DataFrame:
    """Cast a table in memory as `read_table` casts one of a file, lists kept.

    `source` is for messages. Raises DataError for a value that does not fit its column.
    """
    return _typed(_blank_to_null(frame), schema, Path(source), keep_lists=True)


def _typed(
    frame: pl.DataFrame, schema: Mapping[str, pl.DataType], path: Path, keep_lists: bool
) -> pl.DataFrame:
    for name in ("image", "images"):
        if name in schema and name in frame.columns and _holds_bytes(frame[name].dtype):
            raise DataError(
                f"{path}: column {name!r} holds images themselves ({frame[name].dtype}), not "
                "paths. `windowshop import FILE --out SHOP` writes each to a file of its own."
            )
    frame = codes_as_text(split_paths(frame) if CATEGORY in schema else frame, schema)
    for name, dtype in schema.items():
        if name in frame.columns:
            frame = frame.with_columns(_cast(frame, name, dtype, path))
    return _flatten_nested(frame, keep_lists)


def _holds_bytes(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.List | pl.Array):
        return _holds_bytes(inner_type(dtype))
    if isinstance(dtype, pl.Struct):
        return any(field.dtype == pl.Binary for field in dtype.fields)
    return dtype == pl.Binary


def _read(path: Path) -> pl.DataFrame:
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty. Write a header and rows, or remove the file.")
    frame: pl.DataFrame = READERS[path.suffix](path)
    if path.suffix == ".csv":
        frame = _without_unnamed(frame)
    names = [name.strip().lstrip("\ufeff") for name in frame.columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if path.suffix == ".csv":
        repeated += [p for name in names if (p := _DUPLICATED.sub("", name)) in names and p != name]
    if repeated:
        raise DataError(f"{path}: column {repeated[0]!r} stands twice. Rename or remove one.")
    if any("\ufffd" in name for name in names):
        raise DataError(f"{path}: the header is not UTF-8, found {names}. Save the file as UTF-8.")
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _without_unnamed(frame: pl.DataFrame) -> pl.DataFrame:
    """Leave out empty columns without a name, which a comma at the end of each line makes."""
    unnamed = [name for name in frame.columns if not _DUPLICATED.sub("", name).strip()]
    return frame.drop([n for n in unnamed if not _blank_to_null(frame.select(n))[n].count()])


def _blank_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Replace text of white space alone by null, and "N/A" or "-" where it is no title or id."""
    columns = []
    for name in frame.columns:
        if frame[name].dtype == pl.String:
            empty = r"^\s*$" if name in _AS_WRITTEN else NOTHING
            columns.append(pl.when(~pl.col(name).str.contains(empty)).then(pl.col(name)))
    return frame.with_columns(columns)


def _with_lists(frame: pl.DataFrame, declared: Container[str]) -> pl.DataFrame:
    """Convert further csv columns to lists where every value is a JSON list."""
    columns = []
    for name in frame.columns:
        given = frame[name].drop_nulls()
        if name in declared or given.is_empty() or not given.str.contains(r"^\s*\[").all():
            continue
        rows = [None if text is None else parse_list(text) for text in frame[name]]
        if sum(row is not None for row in rows) == len(given):
            columns.append(list_column(name, rows))
    return frame.with_columns(columns)


def _with_mixed_lists(frame: pl.DataFrame, declared: Container[str]) -> pl.DataFrame:
    """Convert further columns of texts to lists where some of the values were lists.

    Such a column was read as texts, lists as JSON.
    """
    columns = []
    for name, dtype in frame.schema.items():
        if name not in declared and dtype == pl.String:
            given = frame[name].drop_nulls()
            lists = given.filter(given.str.contains(r"^\["))
            is_mixed = 0 < len(lists) < len(given)
            if is_mixed and all(parse_list(text) is not None for text in lists):
                columns.append(as_lists(frame[name]))
    return frame.with_columns(columns)


def _typed_extras(frame: pl.DataFrame, declared: Container[str]) -> pl.DataFrame:
    """Convert further csv columns of numbers or true/false; codes and the rest stay text."""
    return frame.with_columns(
        typed(frame[name])
        for name, dtype in frame.schema.items()
        if name not in declared and dtype == pl.String
    )


def to_numbers(column: pl.Series) -> pl.Series:
    """Convert a column to Float64, null where it holds no number.

    A currency may stand beside the numbers ("19.99 EUR", "$5"), the same in all rows. They may be
    written as in "1.499,00" or as in "1,499.00", where all rows are and some row shows it.
    """
    if column.dtype != pl.String:
        return column.cast(pl.Float64, strict=False)
    text = column.str.strip_chars()
    numbers = _parsed(text)
    if numbers.null_count() == text.null_count():
        return numbers
    money = text.str.extract_groups(_MONEY).struct
    amounts = _parsed(money[1]).alias(column.name)
    currencies = pl.concat([money[0], money[2]]).drop_nulls()
    has_one = currencies.n_unique() == 1 and len(currencies) == len(text.drop_nulls())
    return amounts if has_one and amounts.null_count() == text.null_count() else numbers


def _parsed(text: pl.Series) -> pl.Series:
    """Return texts as numbers, by the one notation that all of them have; null for others."""
    known = text.drop_nulls()
    for whole, sign, thousands in (_WITH_COMMA, _WITH_POINT):
        if known.str.contains(sign).any() and known.str.contains(whole).all():
            plain = text.str.replace_all(thousands, "").str.replace(",", ".", literal=True)
            return plain.cast(pl.Float64, strict=False)
    return text.cast(pl.Float64, strict=False)


def _cast(frame: pl.DataFrame, name: str, dtype: pl.DataType, path: Path) -> pl.Series:
    column = frame[name]
    if column.dtype.is_nested():
        column = as_json(column)
    if dtype == pl.String and column.dtype.is_float():
        whole = column.drop_nulls()
        if (whole == whole.floor()).all():  # 123.0 in a file that meant the id 123
            column = column.cast(pl.Int64, strict=False)
    cast = to_numbers(column) if dtype.is_numeric() else column.cast(dtype, strict=False)
    if dtype.is_integer():
        whole = cast.is_nan() | (cast == cast.floor())
        cast = cast.fill_nan(None).set(~whole.fill_null(True), None)
        column = column.fill_nan(None) if column.dtype.is_float() else column
    lost = cast.is_null() & column.is_not_null()
    if lost.any():
        rows = lost.arg_true().head(MAX_LISTED).to_list()
        shown = ", ".join(f"row {row + 1}: {column[row]!r}" for row in rows)
        raise DataError(
            f"{path}: column {name!r} must hold {_plain(dtype)}, found {int(lost.sum())} other "
            f"value(s) ({shown}). {_remedy(column, dtype)}"
        )
    if dtype.is_float():
        return cast.fill_nan(None)  # pandas writes NaN for an empty field
    return cast.cast(dtype)


def _remedy(column: pl.Series, dtype: pl.DataType) -> str:
    """Return what to do about values that are none; several currencies are named."""
    if dtype.is_numeric() and column.dtype == pl.String:
        money = column.str.strip_chars().str.extract_groups(_MONEY).struct
        found = pl.concat([money[0], money[2]]).drop_nulls().unique().sort().to_list()
        if len(found) > 1:
            return (
                f"There are several currencies ({', '.join(found[:MAX_LISTED])}): give prices in "
                "one of them, or run `windowshop import`, which names the others."
            )
    return "Correct them or leave the field empty."


def _plain(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "whole numbers"
    return "numbers" if dtype.is_numeric() else "text"


def as_json(column: pl.Series) -> pl.Series:
    """Convert nested values to JSON text, without null keys, which other rows bring in."""

    def dump(value: object) -> str:
        if isinstance(value, pl.Series):
            value = value.to_list()
        return json_of(value)

    values = [None if value is None else dump(value) for value in column.to_list()]
    return pl.Series(column.name, values, dtype=pl.String)


def json_of(value: object) -> str:
    """Return a value as JSON text without null keys."""
    return json.dumps(_without_nulls(value), ensure_ascii=False, default=str)


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _flatten_nested(frame: pl.DataFrame, keep_lists: bool) -> pl.DataFrame:
    columns = [frame[name] for name in frame.columns if frame[name].dtype.is_nested()]
    return frame.with_columns(
        [
            tidy(column) if keep_lists and has_items(column.dtype) else as_json(column)
            for column in columns
        ]
    )


def table_of(columns: list[pl.Series]) -> pl.DataFrame:
    """Return columns as a table; faster for few rows than the table's own constructor."""
    return columns[0].to_frame().hstack(columns[1:]) if columns else pl.DataFrame()


def null_column(name: str, dtype: pl.DataType, length: int) -> pl.Series:
    """Return a column of nulls."""
    return pl.Series(name, [None], dtype=dtype).new_from_index(0, length)
