"""Suggestions of query texts for the first letters of one.

Texts are matched where one of their words begins, without regard to case; what was searched often
comes first, then brands, categories, values of attributes, titles.
"""

import bisect
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import polars as pl

from windowshop.data import query_key
from windowshop.service.page.columns import PATH

MAX_TITLES = 50_000
MAX_QUERIES = 10_000
MAX_COUNTED = 200_000
"""Most texts that are counted; beyond, those of one search are forgotten."""
QUERIES_SECONDS, CATALOGUE_SECONDS = 10.0, 60.0
"""Shortest times between two renewals from searches, and from the catalogue."""
MAX_CHARS = 80
"""Longest suggested text."""
MIN_SEARCHES = 2
"""Searches with results that make a text a suggestion."""
MAX_VALUES = 2_000
"""Most values of a column that is suggested from: nobody types those of a larger one."""
NO_VALUES = frozenset(["product_id", "group_id", "title", "description", "brand", "category"]) | {
    "attributes",
    "image",
    "images",
    "price",
}
KINDS = ("query", "brand", "category", "value", "title")
WORD_START = re.compile(r"\b\w")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Suggested query text."""

    text: str
    kind: str
    """One of KINDS."""
    count: int
    """Searches of a query, products of anything else."""


class Suggester:
    """Index of suggestions by the beginnings of their words; for many threads."""

    def __init__(self, suggestions: Iterable[Suggestion]) -> None:
        """`suggestions` are ordered best first; of equal texts the first counts."""
        first: dict[str, Suggestion] = {}
        for item in suggestions:
            first.setdefault(query_key(item.text), item)
        self._items = list(first.values())
        starts = [
            (key[match.start() :], rank)
            for rank, key in enumerate(first)
            for match in WORD_START.finditer(key)
        ]
        starts.sort()
        self._starts = [start for start, _ in starts]
        self._ranks = np.array([rank for _, rank in starts], dtype=np.int64)

    def best(self, kind: str, limit: int) -> list[Suggestion]:
        """Return the first texts of a kind."""
        return list(islice((item for item in self._items if item.kind == kind), limit))

    def suggest(self, typed: str, limit: int) -> list[Suggestion]:
        """Return the best texts that have a word which begins with `typed`."""
        prefix = query_key(typed)
        if not prefix:
            return []
        low = bisect.bisect_left(self._starts, prefix)
        high = bisect.bisect_right(self._starts, prefix + "\U0010ffff")
        return [self._items[rank] for rank in np.unique(self._ranks[low:high])[:limit].tolist()]


class Suggestions:
    """Current suggestions, from searches first, then from the catalogue; for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._queries, self._catalogue = Suggester(()), Suggester(())
        self._state: object = None
        self._due = self._queries_due = 0.0
        self._num_new = 0

    def recall(self, counts: Iterable[tuple[str, int]]) -> None:
        """Count earlier searches by text, beside those that have come since."""
        with self._lock:
            for text, count in counts:
                self._counts[query_key(text)] += count
                self._num_new += count

    def searched(self, text: str) -> None:
        """Count a search that had results."""
        with self._lock:
            self._counts[query_key(text)] += 1
            self._num_new += 1
            if len(self._counts) > MAX_COUNTED:
                self._counts = Counter({t: n for t, n in self._counts.items() if n > 1})

    def suggest(self, typed: str, limit: int) -> list[Suggestion]:
        """Return the best texts that have a word which begins with `typed`.

        Where too few have, the last word is completed behind the words before it. Nothing typed
        gives what is searched most, up to half of the texts, and the largest categories.
        """
        if not query_key(typed):
            found = self._queries.best("query", limit // 2)
            return [*found, *self._catalogue.best("category", limit)][:limit]
        found = self._queries.suggest(typed, limit)
        others = self._catalogue.suggest(typed, limit)
        titles = [item for item in others if item.kind == "title"]
        words = [item for item in others if item.kind != "title"]
        distinct: dict[str, Suggestion] = {}
        for item in (*found, *words, *self._completed(typed, limit), *titles):
            distinct.setdefault(query_key(item.text), item)
        return list(distinct.values())[:limit]

    def _completed(self, typed: str, limit: int) -> list[Suggestion]:
        before, _, last = query_key(typed).rpartition(" ")
        if not before or not last:
            return []
        found = self._catalogue.suggest(last, limit)
        return [
            Suggestion(f"{before} {item.text.lower()}", "value", item.count)
            for item in found
            if item.kind != "title" and query_key(item.text) not in before
        ]

    def tick(self) -> None:
        """Renew the suggestions from searches, where that is due."""
        now = time.monotonic()
        if self._num_new and now >= self._queries_due:
            with self._lock:
                counts, self._num_new = self._counts.copy(), 0
            self._queries = Suggester(_often(counts))
            self._queries_due = now + QUERIES_SECONDS

    def is_due(self, state: object) -> bool:
        """Return whether to renew from the catalogue; a changed catalogue has another `state`."""
        return state != self._state and time.monotonic() >= self._due

    def renew(self, products: pl.DataFrame, state: object) -> None:
        """Renew the suggestions from the catalogue's products."""
        begun = time.monotonic()
        self._catalogue = Suggester(
            [
                *_counted(products, "brand", "brand"),
                *_counted(products, "category", "category", _levels),
                *_values(products),
                *_titles(products),
            ]
        )
        ended = time.monotonic()
        self._state = state
        self._due = ended + max(CATALOGUE_SECONDS, 100 * (ended - begun))


def _often(counts: Mapping[str, int]) -> list[Suggestion]:
    found = [
        Suggestion(text, "query", count)
        for text, count in counts.items()
        if count >= MIN_SEARCHES and len(text) <= MAX_CHARS
    ]
    return sorted(found, key=lambda item: (-item.count, item.text))[:MAX_QUERIES]


def _counted(
    products: pl.DataFrame,
    column: str,
    kind: str,
    texts_of: Callable[[str], Iterable[str]] = lambda value: (value,),
) -> list[Suggestion]:
    """Count a column's values, each by the texts that it stands for."""
    if column not in products.columns:
        return []
    values = products[column].drop_nulls()
    if values.dtype.is_nested():
        values = values.explode().drop_nulls()
    if values.dtype != pl.String:
        return []
    counts: Counter[str] = Counter()
    for value, count in values.alias("text").value_counts(name="count").iter_rows():
        for text in texts_of(value):
            counts[text] += count
    found = [
        Suggestion(text, kind, count)
        for text, count in counts.items()
        if text.strip() and len(text) <= MAX_CHARS
    ]
    return sorted(found, key=lambda item: (-item.count, item.text))


def _levels(path: str) -> list[str]:
    return [level.strip() for level in path.split(">")]


def _titles(products: pl.DataFrame) -> list[Suggestion]:
    """Count titles of products; the first variant of one speaks for all."""
    if "title" not in products.columns:
        return []
    ids = [name for name in ("group_id", "product_id") if name in products.columns]
    titles = products.select("title", *ids)
    if ids:
        titles = titles.filter(pl.coalesce(ids).is_first_distinct())
    return _counted(titles.head(MAX_TITLES), "title", "title")


def _last_level(path: str) -> list[str]:
    return [path.rsplit(PATH, 1)[-1]]


def _values(products: pl.DataFrame) -> list[Suggestion]:
    found: list[Suggestion] = []
    for name in products.columns:
        if name not in NO_VALUES and not name.startswith("_"):
            values = _counted(products, name, "value", _last_level)
            found += values if len(values) <= MAX_VALUES else []
    return sorted(found, key=lambda item: (-item.count, item.text))
