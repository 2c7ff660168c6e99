"""Sizes by themselves behind a category ("jeans 32", "shirts m") -> values of a column of sizes.

Only the last word of a query is read so, and only where products of the category that it names have
that size: "phones 12" names a model, whatever sizes dresses have.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import polars as pl

from windowshop.data import words_of
from windowshop.search.understanding.phrases import (
    Meaning,
    columns_of_sizes,
    phrase_key,
    values_of,
)
from windowshop.search.understanding.query_words import Place, QueryToken


class BareSizes:
    """Numbers and single letters that are sizes, with the categories that have them."""

    def __init__(self, products: pl.DataFrame) -> None:
        """Read the columns whose names say that they hold sizes."""
        self._sizes: dict[str, list[tuple[Meaning, frozenset[str]]]] = defaultdict(list)
        if "category" not in products.columns:
            return
        for name in columns_of_sizes(products):
            having = _levels_by_value(products, name)
            for key, meaning in values_of(products[name], bare=False).items():
                words = [words_of(str(value)) for value in meaning.values]
                is_bare = all(len(w) == 1 or "".join(w).isdecimal() for w in words)
                if is_bare and (len(key) == 1 or key.replace("_", "").isdecimal()):
                    levels = frozenset().union(*(having[str(value)] for value in meaning.values))
                    self._sizes[key].append((meaning, levels))

    def find(
        self,
        words: Sequence[QueryToken],
        places: Sequence[Place],
        meanings_at: Callable[[Place], Sequence[Meaning]],
    ) -> dict[Place, list[Meaning]]:
        """Return the meanings of the last word or number by its place, where it is such a size."""
        last = len(words) - 1
        if last > 1 and words[last].token.start == words[last - 1].token.end + 1:
            last -= words[last].word.isdecimal() and words[last - 1].word.isdecimal()  # "6.5"
        key = phrase_key(word.word for word in words[last:])
        if last < 1 or key not in self._sizes or any(e > last for _, e in places):
            return {}
        named = {
            phrase_key(words_of(str(level)))
            for place in places
            for meaning in meanings_at(place)
            if meaning.column == "category"
            for level in meaning.values
        }
        found = [m for m, levels in self._sizes[key] if not levels.isdisjoint(named)]
        return {(last, len(words)): sorted(found, key=lambda m: -m.count)} if found else {}


def _levels_by_value(products: pl.DataFrame, name: str) -> dict[str, set[str]]:
    """Return the category levels, as keys of phrases, of the products with each value."""
    table = products.select(value=name, category=pl.col("category").cast(pl.String))
    table = table.explode("value") if isinstance(table["value"].dtype, pl.List) else table
    pairs = table.with_columns(pl.col("value").cast(pl.String)).drop_nulls("value").unique()
    found: dict[str, set[str]] = defaultdict(set)
    for value, category in pairs.iter_rows():
        levels = (category or "").split(">")
        found[value] |= {phrase_key(words_of(level)) for level in levels} - {""}
    return found
