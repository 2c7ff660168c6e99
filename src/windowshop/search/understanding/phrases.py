"""Phrases of a catalogue: brands, category levels, values of attributes.

A phrase's key is its words written together, so "T-shirts", "tshirt" and "t shirt" are one. Digits
that meet stay apart: "1.7" is not "17".
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import polars as pl

from windowshop.data import (
    CATEGORY_PATHS,
    PRODUCT_SCHEMA,
    TEXTS,
    Operator,
    Scalar,
    every_path,
    inner_type,
    names_sizes,
    size_words,
    with_articles,
    words_of,
)
from windowshop.search.understanding.wordings import units_by_name, wordings

MAX_WORDS = 6
LONGEST = MAX_WORDS + 2
"""Maximum of words in a phrase: those of a value, and its column's name."""
MAX_VALUES = 5_000
"""Maximum of different values in a column of phrases; a title has more."""
MAX_NUMBERS = 500
"""Maximum of different values in a column of numbers that are named by it ("3 seats")."""
COUNTING = frozenset(["number", "num", "no", "nb", "nr", "of", "count", "qty", "anzahl"])
"""Words in the name of a column that are none for what it counts."""
FREE_TEXT = (*PRODUCT_SCHEMA.keys() - {"brand", "category"}, "url", "sku", "currency")
STOP_WORDS = frozenset(
    words_of(
        "a all an and any are as at best but by for from in is it me my na nan new no non none "
        "null of on or other our product size some that the this to unknown with without yes your"
    )
)
"""Words that name nothing by themselves."""

_SPAN = re.compile(r"(\d{1,3})\s?[-–]\s?(\d{1,3})")
MAX_SPAN = 20
"""Most sizes beyond the first in a span of sizes."""
_WORD_SIGNS = "\u3041"
"""First of the letters of Japanese, Chinese and Korean, of which one may be a word."""


def phrase_key(words: Iterable[str]) -> str:
    """Write normalised words, or keys, together; digits that meet stay apart."""
    key = ""
    for word in words:
        key += f"_{word}" if key[-1:].isdigit() and word[:1].isdigit() else word
    return key


@dataclass(frozen=True, slots=True)
class Meaning:
    """A value of a column that a phrase may stand for."""

    column: str
    values: tuple[Scalar, ...]
    """Its spellings in the column, the commonest first."""
    count: int
    """Products that have it."""
    coverage: float
    """Share of all products that have any value in the column."""
    paths: tuple[tuple[str, ...], ...] = ()
    """For a level of a category path: the paths from the root that end in it."""
    label: str = ""
    """Words of a query for all values within bounds."""
    tests: tuple[tuple[Operator, Scalar], ...] = ()
    """Comparisons that its values pass, where these are not listed."""
    is_loose: bool = False
    """True where no word of the query says that the column is meant: it only boosts."""

    @property
    def value(self) -> str:
        """The commonest spelling, or the words for several values."""
        if self.label:
            return self.label
        value = self.values[0]
        return value if isinstance(value, str) else f"{value:g}"


def phrases(products: pl.DataFrame, columns: Sequence[str] | None) -> dict[str, list[Meaning]]:
    """Return the meanings of each phrase key, the commonest first.

    Without `columns`, every column of text, of lists of text, or of numbers, with few enough values
    is read. A number or one letter counts beside its column's name only ("size m", "3 seats").
    """
    names = columns_of_phrases(products) if columns is None else columns
    found: dict[str, list[Meaning]] = defaultdict(list)
    for name in names:
        by_key = _by_key(products, name)
        for key, meaning in by_key.items():
            found[key].append(meaning)
        if name not in ("brand", "category", CATEGORY_PATHS):
            _add_beside_name(found, name, values_of(products[name], bare=False))
            if names_sizes(name):
                _add_beside_name(found, name, within_spans(products[name]))
        for whole, meaning in _with_articles(by_key.values()):
            found[whole].append(meaning)
    numbers = (name for name in products.columns if columns is None or name in columns)
    for name in numbers:
        if products.schema[name].is_numeric() and name not in FREE_TEXT and name[0] != "_":
            _add_beside_name(found, name, numbers_of(products[name]))
    for meanings in found.values():
        meanings.sort(key=lambda m: (-m.count, m.column, m.value))
    return dict(found)


def _add_beside_name(
    found: dict[str, list[Meaning]], name: str, values: Mapping[str, Meaning]
) -> None:
    """Add values by their keys before and behind each word for the column."""
    words = [word for word in words_of(name) if word not in COUNTING]
    has_unit = len(words) > 1 and words[-1] in units_by_name()
    labels = {phrase_key(words_of(name)), phrase_key(words), phrase_key(words[:-1] * has_unit)}
    labels -= {""}
    labels |= _names_of_columns().get(phrase_key(words), frozenset())
    before: set[str] = set()
    if names_sizes(name):
        labels |= {phrase_key(words_of(word)) for word in size_words()}
        before = {phrase_key(words_of(word)) for word in wordings().size_labels}
    for key, meaning in values.items():
        pairs = {pair for label in labels for pair in ((label, key), (key, label))}
        for both in {*map(phrase_key, pairs), *(phrase_key((label, key)) for label in before)}:
            found[both].append(meaning)


@cache
def _names_of_columns() -> dict[str, frozenset[str]]:
    """Return the keys of all words for a column by that of each."""
    groups = [{phrase_key(words_of(name)) for name in own} for own in wordings().column_names]
    return {key: frozenset(group) for group in groups for key in group}


def numbers_of(column: pl.Series) -> dict[str, Meaning]:
    """Return the meanings of the numbers of a column by key, if there are few enough.

    A sign is no part of a key, so there are none of a column with negative numbers.
    """
    counts = column.drop_nulls().alias("value").value_counts()
    if len(counts) > MAX_NUMBERS or bool((counts["value"] < 0).any()):
        return {}
    coverage = _coverage(column)
    return {
        phrase_key(words_of(f"{value:g}")): Meaning(column.name, (value,), count, coverage)
        for value, count in counts.iter_rows()
    }


def by_stems(
    known: Mapping[str, list[Meaning]], stem: Callable[[str], str]
) -> dict[str, list[Meaning]]:
    """Return the meanings of phrases by the stems of their words."""
    found = {}
    for key, meanings in known.items():
        if key == phrase_key(words_of(meanings[0].value)):
            words = words_of(meanings[0].value, singular=False)
            found[phrase_key(map(stem, words))] = meanings
    return found


def _with_articles(meanings: Iterable[Meaning]) -> Iterator[tuple[str, Meaning]]:
    """Yield the keys that an elided article makes of a word: "L'Oréal" is "loreal" too."""
    for meaning in meanings:
        whole = phrase_key(with_articles(meaning.value))
        if whole and len(words_of(meaning.value)) == 1:
            yield whole, meaning


def _by_key(products: pl.DataFrame, name: str) -> dict[str, Meaning]:
    """Return the meanings of one column by key; of several categories, those of `category`."""
    if name == CATEGORY_PATHS:
        return {}
    if name != "category":
        return values_of(products[name])
    has_several = CATEGORY_PATHS in products.columns
    return _levels(every_path(products) if has_several else products[name])


def columns_of_phrases(products: pl.DataFrame) -> list[str]:
    """Return the columns of text, or of lists of text, with few enough values."""
    return [
        name
        for name, dtype in products.schema.items()
        if name not in FREE_TEXT
        and (inner_type(dtype) if isinstance(dtype, pl.List) else dtype) in TEXTS
        and (
            name in ("brand", "category") or single_values(products[name]).n_unique() <= MAX_VALUES
        )
    ]


def columns_of_sizes(products: pl.DataFrame) -> list[str]:
    """Return those of them whose names say that they hold sizes."""
    return [name for name in columns_of_phrases(products) if names_sizes(name)]


def within_spans(column: pl.Series) -> dict[str, Meaning]:
    """Return the spans of sizes ("39-42") by each size in them that is no value by itself."""
    known = values_of(column, bare=False)
    spans: dict[str, list[Meaning]] = defaultdict(list)
    for meaning in known.values():
        ends = _SPAN.fullmatch(str(meaning.values[0]).strip())
        low, high = map(int, ends.groups()) if ends else (0, -1)
        if high - low <= MAX_SPAN:
            for size in range(low, high + 1):
                spans[str(size)].append(meaning)
    return {
        size: replace(
            own[0],
            values=tuple(value for meaning in own for value in meaning.values),
            count=sum(meaning.count for meaning in own),
            label=size if len(own) > 1 else "",
        )
        for size, own in spans.items()
        if size not in known
    }


def numbers_of_sizes(products: pl.DataFrame) -> list[str]:
    """Return the columns of numbers whose names say that they hold sizes."""
    return [
        name
        for name, dtype in products.schema.items()
        if dtype.is_numeric() and name[0] != "_" and names_sizes(name)
    ]


def single_values(column: pl.Series) -> pl.Series:
    """Return the values, those of lists one by one."""
    return column.explode() if isinstance(column.dtype, pl.List) else column


def _coverage(column: pl.Series) -> float:
    if isinstance(column.dtype, pl.List):
        has_item = column.list.eval(pl.element().is_not_null()).list.any()
        return int(has_item.sum()) / max(1, len(column))
    return 1 - column.null_count() / max(1, len(column))


def _counted(column: pl.Series) -> Iterable[tuple[str, int]]:
    """Return each value with its count, the commonest first."""
    values = single_values(column).cast(pl.String).drop_nulls()
    counts = values.alias("value").to_frame().group_by("value").len()
    return counts.sort(["len", "value"], descending=[True, False]).iter_rows()


def values_of(column: pl.Series, *, bare: bool = True) -> dict[str, Meaning]:
    """Return the meanings of one column by key; `bare` leaves out numbers and single letters."""
    spellings: dict[str, list[str]] = defaultdict(list)
    totals: dict[str, int] = defaultdict(int)
    for value, count in _counted(column):
        words = words_of(value)
        if _names_something(words, bare=bare):
            key = phrase_key(words)
            spellings[key].append(value)
            totals[key] += count
    if isinstance(column.dtype, pl.List):  # "dress" and "Dresses" of one product are one
        totals = _products_with(column, spellings)
    coverage = _coverage(column)
    return {
        key: Meaning(column.name, tuple(values), totals[key], coverage)
        for key, values in spellings.items()
    }


def _products_with(column: pl.Series, spellings: Mapping[str, list[str]]) -> dict[str, int]:
    """Count the products that have any spelling of each key."""
    place_of = {value: i for i, values in enumerate(spellings.values()) for value in values}
    place = (
        pl.col("value")
        .cast(pl.String)
        .replace_strict(place_of, default=None, return_dtype=pl.UInt32)
    )
    stated = column.alias("value").to_frame().with_row_index("row").explode("value")
    pairs = stated.select("row", place=place).drop_nulls("place")
    counts = dict(pairs.group_by("place").agg(pl.col("row").n_unique()).iter_rows())
    return {key: counts[i] for i, key in enumerate(spellings)}


def _levels(column: pl.Series) -> dict[str, Meaning]:
    """Return the meanings of every level of a column of paths."""
    paths: dict[str, dict[tuple[str, ...], int]] = defaultdict(lambda: defaultdict(int))
    for value, count in _counted(column):
        levels = tuple(level.strip() for level in value.split(">"))
        counted: set[str] = set()
        for depth in range(len(levels)):
            words = words_of(levels[depth])
            key = phrase_key(words)
            # "Shoes > Shoes" counts once, at its upper level.
            if _names_something(words) and key not in counted:
                counted.add(key)
                paths[key][levels[: depth + 1]] += count
    found, coverage = {}, _coverage(column)
    for key, counts in paths.items():
        ranked = sorted(counts, key=lambda path: (-counts[path], path))
        spellings = tuple(dict.fromkeys(path[-1] for path in ranked))
        total = sum(counts.values())
        found[key] = Meaning(column.name, spellings, total, coverage, tuple(ranked))
    return found


def _names_something(words: Sequence[str], *, bare: bool = True) -> bool:
    if not words or len(words) > MAX_WORDS or STOP_WORDS.issuperset(words):
        return False
    key = "".join(words)
    return not bare or ((len(key) > 1 or key >= _WORD_SIGNS) and not key.isdigit())
