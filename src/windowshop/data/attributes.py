"""Attributes as JSON in one column -> a column each, to filter, facet and recognise by."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from windowshop.data.json_text import parse_json

MIN_SHARE = 0.01
MAX_COLUMNS = 64
MAX_CHARS = 40
"""Attributes below this share of products, beyond this number of columns, or with longer values on
average get no column."""


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """Column of the product table that is filled from the attributes."""

    name: str
    attribute: str
    several: bool
    """True for a column of lists of texts; one of single texts holds each product's first value."""


def attribute_columns(products: pl.DataFrame) -> tuple[AttributeColumn, ...]:
    """Choose a column for each common attribute, commonest first.

    Columns are texts, or lists of texts where some product has several values. A name that the
    table has already, in any case, becomes "attributes NAME". Values that are objects, and
    attributes that are no JSON object, are ignored.
    """
    if "attributes" not in products.columns:
        return ()
    rows: dict[str, dict[int, list[str]]] = defaultdict(dict)
    for row, text in enumerate(products["attributes"]):
        for name, values in _parsed(text).items():
            rows[name][row] = values
    common = [name for name in rows if name and _is_common(rows[name], len(products))]
    common.sort(key=lambda name: (-len(rows[name]), name))
    taken = {name.lower() for name in products.columns}
    added = []
    for name in common[:MAX_COLUMNS]:
        free = name if name.lower() not in taken else f"attributes {name}"
        if free.lower() not in taken:
            taken.add(free.lower())
            several = any(len(texts) > 1 for texts in rows[name].values())
            added.append(AttributeColumn(free, name, several))
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
            added.append(pl.Series(column.name, rows, dtype=pl.List(pl.String)))
        else:
            first = [texts[0] if texts else None for texts in rows]
            added.append(pl.Series(column.name, first, dtype=pl.String))
    return products.with_columns(added)


def _parsed(text: str | None) -> dict[str, list[str]]:
    try:
        parsed = parse_json(text or "{}")
    except (ValueError, RecursionError):
        return {}
    found = {}
    for name, value in parsed.items() if isinstance(parsed, dict) else ():
        items = value if isinstance(value, list) else [value]
        plain = [item for item in items if isinstance(item, str | int | float)]
        texts = [text for item in plain if (text := str(item).strip())]
        if texts:
            found[name] = texts
    return found


def _is_common(rows: dict[int, list[str]], num_products: int) -> bool:
    lengths = [len(text) for texts in rows.values() for text in texts]
    return len(rows) >= MIN_SHARE * num_products and sum(lengths) <= MAX_CHARS * len(lengths)


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
    return "" if value is None else str(value).strip()
