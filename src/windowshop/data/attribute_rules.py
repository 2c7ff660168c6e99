"""Declared types of attributes -> the values in their JSON, before anything reads them."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.data.column_types import NUMBER
from windowshop.data.json_text import parse_json
from windowshop.errors import DataError

_TRUE, _FALSE = (
    "true yes 1 y t on x ✓ ja oui sí si да はい 是",
    "false no 0 n f off nein non нет いいえ 否",
)
BOOLEANS = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)
"""Texts that are read as true or false, in lower case."""


def names_of(attributes: pl.Series) -> set[str]:
    """Return the names of all attributes."""
    return {name for text in attributes.drop_nulls() for name in _parsed(text)}


def convert_attributes(
    attributes: pl.Series, kinds: Mapping[str, str], hidden: Collection[str], path: Path
) -> pl.Series:
    """Convert values to text, numbers or booleans by attribute, and leave hidden ones out.

    Raises DataError for a value that is none; `path` is the table's.
    """
    return pl.Series(
        attributes.name,
        [
            None if text is None else _converted(text, kinds, hidden, f"{path}: row {row}")
            for row, text in enumerate(attributes, 1)
        ],
        dtype=pl.String,
    )


def without_attributes(text: str, names: Collection[str]) -> str:
    """Return attributes as JSON without these names."""
    return _converted(text, {}, names, "")


def _converted(text: str, kinds: Mapping[str, str], hidden: Collection[str], where: str) -> str:
    parsed = _parsed(text)
    if not parsed.keys() & {*kinds, *hidden}:
        return text
    kept = {name: value for name, value in parsed.items() if name not in hidden}
    for name in kept.keys() & kinds.keys():
        value, kind = kept[name], kinds[name]
        items = [_as(kind, item) for item in (value if isinstance(value, list) else [value])]
        if value is not None and None in items:
            raise DataError(
                f"{where}: attribute {name!r} is declared as {kind} in columns.yaml, found "
                f"{value!r}. Correct the row or the declaration."
            )
        kept[name] = items if isinstance(value, list) else items[0]
    return json.dumps(kept, ensure_ascii=False)


def _as(kind: str, value: object) -> Any:  # noqa: ANN401
    """Return a value of a kind; None where it is none."""
    if kind == "text":
        return value if isinstance(value, str | dict | list | None) else json.dumps(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else BOOLEANS.get(str(value).strip().lower())
    if isinstance(value, str) and re.search(NUMBER, value.strip()):
        return float(value) if "." in value else int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _parsed(text: str) -> dict[str, Any]:
    try:
        parsed = parse_json(text)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
