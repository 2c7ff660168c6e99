"""Sizes by themselves ("jeans 32", "red shoes 42", "shirts m") -> values of a column of sizes.

A number or a letter is read so only where products of the category that the query names, or with
its other words, have that size: "phones 12" names a model, whatever sizes dresses have. A size in a
span ("39-42") names the span.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias

import polars as pl

from windowshop.data import words_of
from windowshop.search.understanding.phrases import (
    STOP_WORDS,
    Meaning,
    columns_of_sizes,
    numbers_of,
    numbers_of_sizes,
    phrase_key,
    values_of,
    within_spans,
)
from windowshop.search.understanding.query_words import Place, QueryToken, shown
from windowshop.search.understanding.wordings import function_words, units_by_name, wordings

HasTogether: TypeAlias = Callable[[Sequence[str], Meaning], bool]
"""Says whether some product with all these words passes a meaning."""


class BareSizes:
    """Numbers and single letters that are sizes, with the categories that have them."""

    def __init__(self, products: pl.DataFrame) -> None:
        """Read the columns whose names say that they hold sizes."""
        self._sizes: dict[str, list[tuple[Meaning, frozenset[str]]]] = defaultdict(list)
        for name in columns_of_sizes(products):
            values = values_of(products[name], bare=False)
            self._add(products, {key: m for key, m in values.items() if _is_bare(key, m)})
            self._add(products, within_spans(products[name]))
        for name in numbers_of_sizes(products):
            self._add(products, numbers_of(products[name]))

    def _add(self, products: pl.DataFrame, meanings: dict[str, Meaning]) -> None:
        for key, meaning in meanings.items():
            having = _levels_by_value(products, meaning.column)
            levels = frozenset().union(*(having[str(value)] for value in meaning.values))
            self._sizes[key].append((meaning, levels))

    def find(
        self,
        words: Sequence[QueryToken],
        places: Sequence[Place],
        meanings_at: Callable[[Place], Sequence[Meaning]],
        has_together: HasTogether,
    ) -> dict[Place, list[Meaning]]:
        """Return the meanings of numbers, and of a last letter, by their places.

        `places` are those of values; `has_together` says whether products have words and a size.
        """
        found: dict[Place, list[Meaning]] = {}
        if not self._sizes:
            return found
        taken = {i for start, end in places for i in range(start, end)}
        names = {i: meanings_at(place)[0].column for place in places for i in range(*place)}
        levels = _levels_named(places, meanings_at)
        for place in _candidates(words, taken):
            key = phrase_key(word.word for word in words[slice(*place)])
            sizes = self._sizes.get(key)
            if not sizes or not _may_be_size(words, place, names):
                continue
            others = [w for i, w in enumerate(words) if not place[0] <= i < place[1]]
            asked = [shown(w) for w in others if w.word not in STOP_WORDS | function_words()]
            meant = [
                meaning
                for meaning, own in sizes
                if not own.isdisjoint(levels)
                or (not levels and key.isdecimal() and (not asked or has_together(asked, meaning)))
            ]
            if meant:
                found[place] = sorted(meant, key=lambda m: -m.count)
        return found


def _is_bare(key: str, meaning: Meaning) -> bool:
    """Return whether a value is a number or one letter in each of its spellings."""
    words = [words_of(str(value)) for value in meaning.values]
    is_bare = all(len(w) == 1 or "".join(w).isdecimal() for w in words)
    return is_bare and (len(key) == 1 or key.replace("_", "").isdecimal())


def _candidates(words: Sequence[QueryToken], taken: set[int]) -> list[Place]:
    """Return the places of numbers that are no part of a value, and of a last word."""
    found: list[Place] = []
    for i, word in enumerate(words):
        if i in taken or (found and i < found[-1][1]):
            continue
        if word.word.isdecimal():
            is_pair = (
                i + 1 < len(words)
                and i + 1 not in taken
                and words[i + 1].word.isdecimal()
                and words[i + 1].token.start == word.token.end + 1
            )
            found.append((i, i + 1 + is_pair))  # "6.5"
        elif i == len(words) - 1 and i:
            found.append((i, i + 1))
    return found


def _may_be_size(words: Sequence[QueryToken], place: Place, names: dict[int, str]) -> bool:
    """Return whether a number ends the query, begins it, or follows what is named and no brand.

    "Jordan 4 shoes" has a model, and "3 pack socks" counts.
    """
    first, behind = place
    if behind < len(words) and words[behind].word in _counts():
        return False
    return behind == len(words) or first == 0 or names.get(first - 1, "brand") != "brand"


def _levels_named(
    places: Sequence[Place], meanings_at: Callable[[Place], Sequence[Meaning]]
) -> frozenset[str]:
    """Return the levels of categories that a query names, as keys of phrases."""
    return frozenset(
        phrase_key(words_of(str(level)))
        for place in places
        for meaning in meanings_at(place)
        if meaning.column == "category"
        for level in meaning.values
    )


@cache
def _counts() -> frozenset[str]:
    """Return the normalised words of which a number before them is no size."""
    texts = (*wordings().counts, *units_by_name())
    return frozenset(word for text in texts for word in words_of(text))


def _levels_by_value(products: pl.DataFrame, name: str) -> dict[str, set[str]]:
    """Return the category levels, as keys of phrases, of the products with each value."""
    found: dict[str, set[str]] = defaultdict(set)
    if "category" not in products.columns:
        return found
    table = products.select(value=name, category=pl.col("category").cast(pl.String))
    table = table.explode("value") if isinstance(table["value"].dtype, pl.List) else table
    pairs = table.drop_nulls("value").unique()
    for value, category in pairs.iter_rows():
        levels = (category or "").split(">")
        found[str(value)] |= {phrase_key(words_of(level)) for level in levels} - {""}
    return found
