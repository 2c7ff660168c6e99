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
            _facts(row)
            if parse_attributes(row["attributes"])
            else _join(_facts(row), row["description"])
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
    named = parsed if isinstance(parsed, dict) else {"": parsed}
    return {str(key): text for key, item in named.items() if (text := _plain(item))}


def _rows(products: pl.DataFrame) -> Iterator[dict[str, str | None]]:
    absent = [pl.lit(None, pl.String).alias(n) for n in FIELDS if n not in products.columns]
    yield from products.with_columns(absent).select(FIELDS).iter_rows(named=True)


def _facts(row: Mapping[str, str | None]) -> str:
    attributes = parse_attributes(row["attributes"])
    listed = "; ".join(f"{key}: {item}" if key else item for key, item in attributes.items())
    return _join(row["title"], row["brand"], row["category"], listed)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        texts = {key: _plain(item) for key, item in value.items()}
        return ", ".join(f"{key} {text}" for key, text in texts.items() if text)
    if isinstance(value, list):
        return ", ".join(text for item in value if (text := _plain(item)))
    return "" if value is None else str(value).strip()


def _join(*parts: str | None) -> str:
    return ". ".join(stripped for part in parts if part and (stripped := part.strip()))
