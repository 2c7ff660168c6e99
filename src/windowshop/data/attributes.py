"""Attributes as JSON in one column -> a column each, to filter, facet and recognise by."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson
import polars as pl

from windowshop.data.code_names import is_text_by_name
from windowshop.data.column_types import NOTHING
from windowshop.data.json_text import parse_json
from windowshop.data.list_columns import items_of, parse_list

Value: TypeAlias = str | int | float | bool

MIN_SHARE = 0.01
MAX_COLUMNS = 64
AROUND = 20
"""Levels that an answer may put around attributes."""
MAX_CHARS = 40
"""Attributes below this share of products, beyond this number of columns, or with longer values on
average get no column."""


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """Column of the product table that is filled from the attributes."""

    name: str
    attribute: str
    several: bool
    """True for a column of lists of texts; one of single values holds each product's first."""
    kind: Literal["text", "number", "boolean"] = "text"
    """Kind of single values; one of another kind, written later, leaves its field empty."""


def attribute_columns(products: pl.DataFrame) -> tuple[AttributeColumn, ...]:
    """Choose a column for each common attribute, commonest first.

    Columns are texts, or lists of texts where some product has several values; numbers or booleans
    where every product's value is one, and the name does not say that it is a code or a size. A
    name that the table has already, in any case, becomes "attributes NAME". Values that are
    objects, and attributes that are no JSON object, are ignored.
    """
    if "attributes" not in products.columns:
        return ()
    rows: dict[str, dict[int, list[str]]] = defaultdict(dict)
    kinds: dict[str, set[type]] = defaultdict(set)
    for row, text in enumerate(products["attributes"]):
        for name, values in _parsed(text).items():
            rows[name][row] = [str(value) for value in values]
            kinds[name].update(map(type, values))
    common = [name for name in rows if name and _is_common(rows[name], len(products))]
    common.sort(key=lambda name: (-len(rows[name]), name))
    taken = {name.lower() for name in products.columns}
    added = []
    for name in common[:MAX_COLUMNS]:
        free = name if name.lower() not in taken else f"attributes {name}"
        if free.lower() not in taken:
            taken.add(free.lower())
            several = any(len(texts) > 1 for texts in rows[name].values())
            kind = "text" if several or is_text_by_name(name) else _kind(kinds[name])
            added.append(AttributeColumn(free, name, several, kind))
    return tuple(added)


def fill_attributes(products: pl.DataFrame, columns: Sequence[AttributeColumn]) -> pl.DataFrame:
    """Fill these columns from the attributes, replacing columns of the same name."""
    if not columns:
        return products
    parsed = [_parsed(text) for text in products["attributes"]]
    added = []
    for column in columns:
        rows = [found.get(column.attribute) for found in parsed]
        if column.several:
            texts = [None if values is None else [*map(str, values)] for values in rows]
            added.append(pl.Series(column.name, texts, dtype=pl.List(pl.String)))
        else:
            first = [values[0] if values else None for values in rows]
            added.append(_single(column, first))
    return products.with_columns(added)


def _single(column: AttributeColumn, values: Sequence[Value | None]) -> pl.Series:
    """Return a column of single values; one that is not of the column's kind is left out."""
    if column.kind == "text":
        texts = [None if value is None else str(value) for value in values]
        return pl.Series(column.name, texts, dtype=pl.String)
    if column.kind == "boolean":
        booleans = [value if isinstance(value, bool) else None for value in values]
        return pl.Series(column.name, booleans, dtype=pl.Boolean)
    numbers = [
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        for value in values
    ]
    return pl.Series(column.name, numbers, dtype=pl.Float64)


def _kind(types: set[type]) -> Literal["text", "number", "boolean"]:
    if types == {bool}:
        return "boolean"
    return "number" if types <= {int, float} else "text"


def _parsed(text: str | None) -> dict[str, list[Value]]:
    try:
        parsed = parse_json(text or "{}")
    except (ValueError, RecursionError):
        return {}
    found: dict[str, list[Value]] = {}
    for name, value in parsed.items() if isinstance(parsed, dict) else ():
        items = (items_of(value) or []) if isinstance(value, str | list) else [value]
        plain = [item for item in items if isinstance(item, str | int | float)]
        given = [item.strip() if isinstance(item, str) else item for item in plain]
        if values := [item for item in given if not _is_nothing(item)]:
            found[name] = values
    return found


def _is_nothing(item: object) -> bool:
    return isinstance(item, str) and re.search(NOTHING, item) is not None


def _is_common(rows: dict[int, list[str]], num_products: int) -> bool:
    lengths = [len(text) for texts in rows.values() for text in texts]
    return len(rows) >= MIN_SHARE * num_products and sum(lengths) <= MAX_CHARS * len(lengths)


def attributes_of(value: str | None) -> dict[str, Any] | None:
    """Return attributes as the object that they are; None where they are none.

    What no JSON may hold (NaN, half a surrogate pair), or hold so deep, is none either.
    """
    try:
        parsed = orjson.loads(value or "")
        inner = parsed
        for _ in range(AROUND):
            inner = [inner]
        orjson.dumps(inner)  # it reads deeper than it writes
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return parsed if isinstance(parsed, dict) else None


def parse_attributes(value: str | None) -> dict[str, str]:
    """Return attributes as name -> text; a value that is no JSON object is kept whole under ""."""
    if not value:
        return {}
    try:
        parsed = parse_json(value)
        named = parsed if isinstance(parsed, dict) else {"": parsed}
        return {str(key): text for key, item in named.items() if (text := _plain(item))}
    except (ValueError, RecursionError):
        return {"": value}


def _plain(value: object) -> str:
    if isinstance(value, dict):
        texts = {key: _plain(item) for key, item in value.items()}
        return ", ".join(f"{key} {text}" for key, text in texts.items() if text)
    if isinstance(value, list):
        return ", ".join(text for item in value if (text := _plain(item)))
    if isinstance(value, str) and (items := parse_list(value)) is not None:
        return _plain(items)
    return "" if value is None or _is_nothing(value) else str(value).strip()
