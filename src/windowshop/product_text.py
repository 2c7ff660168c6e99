"""A product row -> the texts that the text encoder reads.

`FACTS` is what an index holds: title, brand, category and attributes; the description only where
there are no attributes, since a long one drowns the facts in a sentence vector (docs/log.md has
the figures). `TITLE` is a second view for training. BM25 reads everything.
"""

import json
from collections.abc import Iterator, Mapping

import polars as pl

TITLE, FACTS = "title", "facts"
VIEWS = (TITLE, FACTS)
FIELDS = ("title", "brand", "category", "attributes", "description")


def product_views(products: pl.DataFrame) -> dict[str, list[str]]:
    """The views of every product, in row order; "" where a product has no such text."""
    rows = list(_rows(products))
    return {
        TITLE: [_join(row["title"], row["brand"]) for row in rows],
        FACTS: [
            _facts(row) if row["attributes"] else _join(_facts(row), row["description"])
            for row in rows
        ],
    }


def all_texts(products: pl.DataFrame) -> list[str]:
    """Everything that a product says, in row order."""
    return [_join(_facts(row), row["description"]) for row in _rows(products)]


def parse_attributes(value: str | None) -> dict[str, str]:
    """Attributes as name -> text; a value that is no JSON object is kept whole under ""."""
    if not value:
        return {}
    try:
        parsed = json.loads(value)
    except json.JSONDecodeError:
        return {"": value}
    if not isinstance(parsed, dict):
        return {"": _plain(parsed)}
    return {str(key): _plain(item) for key, item in parsed.items() if item not in (None, "", [])}


def _rows(products: pl.DataFrame) -> Iterator[dict[str, str | None]]:
    present = [name for name in FIELDS if name in products.columns]
    absent: Mapping[str, None] = {name: None for name in FIELDS if name not in present}
    for row in products.select(present).iter_rows(named=True):
        yield {**row, **absent}


def _facts(row: Mapping[str, str | None]) -> str:
    attributes = parse_attributes(row["attributes"])
    listed = "; ".join(f"{key}: {item}" if key else item for key, item in attributes.items())
    return _join(row["title"], row["brand"], row["category"], listed)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return str(value)


def _join(*parts: str | None) -> str:
    return ". ".join(stripped for part in parts if part and (stripped := part.strip()))
