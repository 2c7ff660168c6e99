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
from windowshop.data.tables import table_of

Value: TypeAlias = str | int | float | bool

MIN_SHARE = 0.01
MAX_COLUMNS = 64
AROUND = 20
"""Levels that an answer may put around attributes."""
MAX_CHARS = 40
"""Attributes below this share of products, beyond this number of columns, or with longer values on
average get no column."""
PART = 1000
"""Products whose attributes are read at a time."""
DTYPES = {"text": pl.String(), "number": pl.Float64(), "boolean": pl.Boolean()}


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """Column of the product table that is filled from the attributes."""

    name: str
    attribute: str
    several: bool
    """True for a column of lists of texts; one of single values holds each product's first."""
    kind: Literal["text", "number", "boolean"] = "text"
    """Kind of single values; one of another kind, written later, leaves its field empty."""

    @property
    def dtype(self) -> pl.DataType:
        """Type of the column."""
        return pl.List(pl.String) if self.several else DTYPES[self.kind]


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
    types = {column.name: column.dtype for column in columns}
    parts = []
    texts = products["attributes"]
    for start in range(0, len(texts), PART):
        rows = [_row(_parsed(text), columns) for text in texts[start : start + PART]]
        parts.append(pl.from_dicts(rows, schema=types))
    filled = pl.concat(parts) if parts else pl.DataFrame(schema=types)
    held = [column for table in (products, filled) for column in table.get_columns()]
    by_name = {column.name: column for column in held}
    return table_of(list(by_name.values()))


def _row(found: dict[str, list[Value]], columns: Sequence[AttributeColumn]) -> dict[str, object]:
    """Return a product's values by column; one that is not of the column's kind is left out."""
    row: dict[str, object] = {}
    for column in columns:
        values = found.get(column.attribute)
        if not values:
            continue
        first = values[0]
        if column.several:
            row[column.name] = [str(value) for value in values]
        elif column.kind == "text":
            row[column.name] = str(first)
        elif isinstance(first, bool):
            row[column.name] = first if column.kind == "boolean" else None
        elif isinstance(first, int | float):
            row[column.name] = float(first) if column.kind == "number" else None
    return row


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
