"""Classes of a catalogue that a query may mean: levels of the category, values of attributes.

Shapes: N products, K classes of all heads.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from windowshop.data import (
    CATEGORY_PATHS,
    Comparison,
    Filter,
    Under,
    every_path,
    fold,
)
from windowshop.search.understanding.phrases import columns_of_phrases

CATEGORY = "category"
NEVER_MEANT = {"brand", CATEGORY_PATHS}
"""Columns that are not inferred: a brand is named, or not meant."""
MIN_PRODUCTS = 5
"""Products that a class needs."""
MAX_CLASSES = 256
"""Classes of a head; the most frequent are kept."""
MAX_COLUMNS = 12
"""Columns that are read, those that the most products state."""
MIN_COVERAGE = 0.5
"""Least share of products that state a column; a boost by a rarer one would sink all the others."""
MAX_LEVELS = 4
"""Levels of the category that are read, from the root on."""


@dataclass(frozen=True, slots=True)
class Head:
    """Classes of one column, or of one level of the category, of which a query may mean one."""

    column: str
    level: int
    """Level of the category, from 1; 0 for another column."""
    values: tuple[str, ...]
    """Values as products write them; of a category, paths from the root, joined by " > "."""

    @property
    def name(self) -> str:
        """Return the name in reports: "category, level 2", "gender"."""
        return f"{self.column}, level {self.level}" if self.level else self.column

    def tree(self, place: int) -> Filter:
        """Return the test of the products of a class."""
        value = self.values[place]
        if self.level:
            return Under(self.column, tuple(value.split(" > ")))
        return Comparison(self.column, "=", value)

    def words(self, place: int) -> str:
        """Return how a class is called: a value, or the last level of a path."""
        return self.values[place].rsplit(" > ", 1)[-1]


@dataclass(frozen=True, slots=True)
class Classes:
    """The heads of a catalogue, and the classes of each product."""

    heads: tuple[Head, ...]
    of_NK: sparse.csr_matrix
    """1 where a product is of a class; the classes of the heads stand one after the other."""

    @property
    def starts(self) -> np.ndarray:
        """Return the place of the first class of each head, and the end of the last one."""
        return starts_of(self.heads)


def starts_of(heads: Sequence[Head]) -> np.ndarray:
    """Return the place of the first class of each head, and the end of the last one."""
    return np.cumsum([0, *(len(head.values) for head in heads)])


def read_classes(products: pl.DataFrame) -> Classes:
    """Return the classes of a table of products with a column for each attribute."""
    heads, parts = [], []
    for head, lists in _candidates(products):
        keys = {fold(value): place for place, value in enumerate(head.values)}
        entries = {
            (row, keys[key])
            for row, values in enumerate(lists)
            for key in map(fold, values)
            if key in keys
        }
        rows, places = np.array(sorted(entries), dtype=np.int64).reshape(-1, 2).T
        ones = np.ones(len(rows), dtype=np.float32)
        shape = (len(products), len(head.values))
        heads.append(head)
        parts.append(sparse.csr_matrix((ones, (rows, places)), shape))
    if not heads:
        return Classes((), sparse.csr_matrix((len(products), 0), dtype=np.float32))
    return Classes(tuple(heads), sparse.csr_matrix(sparse.hstack(parts)))


def _candidates(products: pl.DataFrame) -> Iterator[tuple[Head, Sequence[Sequence[str]]]]:
    names = [n for n in columns_of_phrases(products) if n not in NEVER_MEANT]
    listed = {name: _listed(products, name) for name in names}
    stated = {name: sum(map(bool, lists)) for name, lists in listed.items()}
    names = [n for n in names if stated[n] >= MIN_COVERAGE * len(products)]
    names.sort(key=lambda name: (name != CATEGORY, -stated[name], name))
    for name in names[:MAX_COLUMNS]:
        if name != CATEGORY:
            yield from _head(name, 0, listed[name])
            continue
        paths = [[p.split(" > ") for p in lists] for lists in listed[name]]
        before: tuple[str, ...] = ()
        for level in range(1, MAX_LEVELS + 1):
            prefixes = [
                [" > ".join(path[:level]) for path in own if len(path) >= level] for own in paths
            ]
            for head, lists in _head(name, level, prefixes):
                if head.values != before:
                    yield head, lists
                before = head.values


def _head(
    column: str, level: int, lists: Sequence[Sequence[str]]
) -> Iterator[tuple[Head, Sequence[Sequence[str]]]]:
    """Yield the head of a column that has at least two classes."""
    values = pl.Series("value", [v for own in lists for v in dict.fromkeys(own)], dtype=pl.String)
    counts = values.value_counts(sort=True).sort(["count", "value"], descending=[True, False])
    spelled: dict[str, str] = {}
    totals: Counter[str] = Counter()
    for value, count in counts.iter_rows():
        spelled.setdefault(fold(value), value)
        totals[fold(value)] += count
    kept = [spelled[key] for key, count in totals.most_common() if count >= MIN_PRODUCTS]
    if len(kept) > 1:
        yield Head(column, level, tuple(kept[:MAX_CLASSES])), lists


def _listed(products: pl.DataFrame, name: str) -> Sequence[Sequence[str]]:
    """Return the values of each product; paths with one blank beside each ">"."""
    if name == CATEGORY:
        column = every_path(products) if CATEGORY_PATHS in products.columns else products[name]
    else:
        column = products[name]
    lists = [
        [] if own is None else [str(v) for v in own if v] if isinstance(own, list) else [str(own)]
        for own in column.to_list()
    ]
    if name != CATEGORY:
        return lists
    return [[" > ".join(level.strip() for level in p.split(">")) for p in own] for own in lists]
