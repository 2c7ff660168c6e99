"""A product row -> the texts that the text encoder reads.

An index encodes `FACTS`: title, brand, category and attributes; the description only where there
are no attributes, since a long one drowns the facts in a sentence vector (figures in docs/log.md).
Training samples the other views too. BM25 reads everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl
import xxhash

from windowshop.data.attributes import parse_attributes
from windowshop.data.category_paths import CATEGORY_PATHS, every_path
from windowshop.data.code_names import names_makers
from windowshop.data.tokens import words_of

FACTS, TITLE, CATEGORY = "facts", "title", "category"
DESCRIPTIONS = ("description 1", "description 2", "description 3")
"""Consecutive parts of the description; a short one has fewer."""
BARE = "bare title"
"""Title without the words of most attributes, with brand and category, as a hurried seller types:
the rest can only be seen."""
VIEWS = (FACTS, TITLE, *DESCRIPTIONS, CATEGORY, BARE)
BASE_VIEWS = (FACTS, TITLE)
"""Views that training always needs: products of equal title are no negatives of each other."""
CHUNK_WORDS = 40
HIDDEN_PERCENT = 75
"""Attributes whose words a bare title lacks."""
TEXT_FIELDS = ("title", "brand", "category", "attributes", "description")
"""Columns that texts are made of, beside the levels of a category."""


def product_views(products: pl.DataFrame, names: Sequence[str] = VIEWS) -> dict[str, list[str]]:
    """Return the named views of every product, in row order; "" where a product lacks the text."""
    views: dict[str, list[str]] = {name: [] for name in names}
    for row in _rows(products):
        chunks = _chunks(row["description"]) if any(n in views for n in DESCRIPTIONS) else []
        for name, texts in views.items():
            texts.append(_view(row, name, chunks))
    return views


def all_texts(products: pl.DataFrame) -> list[str]:
    """Return the whole text of every product, in row order."""
    texts = lexical_texts(products)
    return [_join(*pair) for pair in zip(texts.facts, texts.descriptions, strict=True)]


@dataclass(frozen=True, slots=True)
class LexicalTexts:
    """Texts of products that words are looked up in, in row order."""

    facts: list[str]
    """Title, brand, category, attributes and makers."""
    descriptions: list[str]
    language: str = ""
    """Code of the language, "" where it is to be detected."""


def lexical_texts(products: pl.DataFrame, language: str = "") -> LexicalTexts:
    """Return the texts of every product; together they are its whole text."""
    rows = list(_rows(products))
    descriptions = [_join(row["description"]) for row in rows]
    facts = [_facts(row) for row in rows]
    for values in _makers(products):
        facts = [
            _join(text, value if value and value not in text else None)
            for text, value in zip(facts, values, strict=True)
        ]
    return LexicalTexts(facts, descriptions, language)


def _makers(products: pl.DataFrame) -> Iterator[list[str | None]]:
    """Yield the values of each column of persons or houses as texts."""
    for column in products.get_columns():
        if column.name in TEXT_FIELDS or not names_makers(column.name):
            continue
        if column.dtype == pl.List(pl.String):
            yield column.list.join(", ").to_list()
        elif column.dtype in (pl.String, pl.Categorical, pl.Enum):
            yield column.cast(pl.String).to_list()


def _rows(products: pl.DataFrame) -> Iterator[dict[str, str | None]]:
    absent = [pl.lit(None, pl.String).alias(n) for n in TEXT_FIELDS if n not in products.columns]
    if isinstance(products.schema.get(CATEGORY_PATHS), pl.List):
        products = products.with_columns(every_path(products).list.join(". "))
    yield from products.with_columns(absent).select(TEXT_FIELDS).iter_rows(named=True)


def _view(row: Mapping[str, str | None], name: str, chunks: Sequence[str]) -> str:
    if name in DESCRIPTIONS:
        return dict(zip(DESCRIPTIONS, chunks, strict=False)).get(name, "")
    if name == TITLE:
        return _join(row["title"], row["brand"])
    if name == CATEGORY:
        return _join(row["category"])
    if name == BARE:
        return _bare(row)
    if parse_attributes(row["attributes"]):
        return _facts(row)
    return _join(_facts(row), row["description"])


def _bare(row: Mapping[str, str | None]) -> str:
    """Return the bare title; "" without attributes. Which attributes it keeps goes by hash."""
    title, attributes = row["title"] or "", parse_attributes(row["attributes"])
    if not attributes:
        return ""
    hidden = {
        word
        for text in attributes.values()
        if xxhash.xxh3_64_intdigest(f"{title}\0{text}".encode()) % 100 < HIDDEN_PERCENT
        for word in words_of(text)
    }
    kept = [word for word in title.split() if not hidden.intersection(words_of(word))]
    return _join(" ".join(kept), row["brand"], row["category"])


def _chunks(description: str | None) -> list[str]:
    """Cut a description into parts of equal length, about CHUNK_WORDS words each."""
    words = (description or "").split()
    count = min(len(DESCRIPTIONS), max(1, round(len(words) / CHUNK_WORDS)))
    words = words[: len(DESCRIPTIONS) * CHUNK_WORDS]
    edges = [round(i * len(words) / count) for i in range(count + 1)]
    return [" ".join(words[a:b]) for a, b in pairwise(edges)]


def _facts(row: Mapping[str, str | None]) -> str:
    attributes = parse_attributes(row["attributes"])
    listed = "; ".join(f"{key}: {item}" if key else item for key, item in attributes.items())
    return _join(row["title"], row["brand"], row["category"], listed)


def _join(*parts: str | None) -> str:
    return ". ".join(stripped for part in parts if part and (stripped := part.strip()))
