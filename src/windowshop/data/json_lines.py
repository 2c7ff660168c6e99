"""One JSON object a line -> a table, also where a column mixes kinds of values."""

import codecs
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.data.json_text import parse_json
from windowshop.data.list_columns import list_column
from windowshop.data.tables import json_of

_NUMBERS = {int, float}
_LARGEST = 2**63


def read_lines(path: Path) -> pl.DataFrame:
    """Read a file of one JSON object a line.

    A column of several kinds (true and 3, a number and a list) becomes text, what is no text as
    JSON. Raises PolarsError where a line is no object.
    """
    with path.open("rb") as file:
        has_mark = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        try:
            return pl.read_ndjson(file.read() if has_mark else path, infer_schema_length=None)
        except pl.exceptions.PolarsError:
            rows = _objects(path.read_bytes().removeprefix(codecs.BOM_UTF8))
            if rows is None:
                raise
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame([_column(name, [row.get(name) for row in rows]) for name in names])


def _objects(content: bytes) -> list[dict[str, Any]] | None:
    """Parse the lines; None where one is no object."""
    try:
        rows = [parse_json(line.decode()) for line in content.split(b"\n") if line.strip()]
    except (ValueError, RecursionError):
        return None
    return rows if all(isinstance(row, dict) for row in rows) else None


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str} or kinds <= {bool}:
        return pl.Series(name, values)
    if kinds <= _NUMBERS and all(abs(value) < _LARGEST for value in values if value is not None):
        return pl.Series(name, values, dtype=pl.Float64 if float in kinds else pl.Int64)
    if kinds == {list} and not any(isinstance(i, list | dict) for row in values for i in row or ()):
        return list_column(name, values)
    texts = [v if v is None or isinstance(v, str) else json_of(v) for v in values]
    return pl.Series(name, texts, dtype=pl.String)
