"""Judgements -> training pairs: which products each distinct query has, with grades and groups.

Rows are positions in the data set's tables. Queries that ask the same (same words, same photo) are
one query here, so that one never serves as a negative of the other.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from windowshop.catalog import Dataset, normal_text

GRADE_DTYPE = np.float32


@dataclass(frozen=True, slots=True)
class Pairs:
    """Q distinct queries with their judged products, in compressed rows.

    Query i has the entries `start[i]:start[i + 1]` of `product` (row of the product) and `grade`.
    """

    query: np.ndarray
    """Row of each distinct query in the query table, (Q,)."""
    start: np.ndarray
    product: np.ndarray
    grade: np.ndarray
    draw_weight: np.ndarray
    """How often an entry is drawn: its gain 2^grade - 1, shared among the query's like grades."""
    group: np.ndarray
    """Group number of every product of the catalogue, (N,)."""

    def __len__(self) -> int:
        """Return the number of distinct queries."""
        return len(self.query)

    def grades_between(self, queries: np.ndarray, products: np.ndarray) -> "BatchGrades":
        """Grades of a batch's queries (positions, B) against its distinct products (rows, C)."""
        column = np.full(len(self.group), -1, dtype=np.int64)
        column[products] = np.arange(len(products))
        groups, group_of_column = np.unique(self.group[products], return_inverse=True)
        entries, owner = self._entries(queries)
        grade_BC = np.zeros((len(queries), len(products)), dtype=GRADE_DTYPE)
        in_batch = column[self.product[entries]] >= 0
        grade_BC[owner[in_batch], column[self.product[entries[in_batch]]]] = self.grade[
            entries[in_batch]
        ]
        related_BG = np.zeros((len(queries), len(groups)), dtype=bool)
        place = np.searchsorted(groups, self.group[self.product[entries]])
        place = np.minimum(place, len(groups) - 1)
        present = groups[place] == self.group[self.product[entries]]
        related_BG[owner[present], place[present]] = True
        ignore_BC = related_BG[:, group_of_column] & (grade_BC == 0)
        return BatchGrades(grade_BC, ignore_BC)

    def draw_products(
        self, queries: np.ndarray, per_query: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw judged products of each query, better grades more often; distinct rows, sorted."""
        entries, owner = self._entries(queries)
        # Weighted draw without loops (Efraimidis and Spirakis): the largest log(u) / w win.
        key = np.log(rng.random(len(entries))) / self.draw_weight[entries]
        order = np.lexsort((-key, owner))
        first = np.searchsorted(owner[order], np.arange(len(queries)))
        rank = np.arange(len(order)) - first[owner[order]]
        return np.unique(self.product[entries[order[rank < per_query]]])

    def _entries(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Entries of the given queries, and for each the position in `queries` that it is of."""
        starts, counts = self.start[queries], self.start[queries + 1] - self.start[queries]
        owner = np.repeat(np.arange(len(queries)), counts)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(starts, counts) + offset, owner


@dataclass(frozen=True, slots=True)
class BatchGrades:
    """Grades of B queries against C products, and the pairs that are neither hit nor miss."""

    grade_BC: np.ndarray
    ignore_BC: np.ndarray
    """Not judged, but of the same group as a judged product of the query."""


def make_pairs(dataset: Dataset, split: str) -> Pairs:
    """The training pairs of one split."""
    products = dataset.products.select("product_id", "group_id").with_row_index("product")
    keys = dataset.queries.with_row_index("row").select(
        "row", "query_id", "split", normal_text("query").alias("text"), "image"
    )
    judged = (
        dataset.qrels.join(keys.filter(pl.col("split") == split), on="query_id")
        .join(products, on="product_id")
        .with_columns(query=pl.col("row").min().over("text", "image"))
        .group_by("query", "product")
        .agg(pl.col("grade").max())
        .with_columns(weight=(2.0 ** pl.col("grade") - 1) / pl.len().over("query", "grade"))
        .sort("query", "product")
    )
    query, counts = np.unique(judged["query"].to_numpy(), return_counts=True)
    return Pairs(
        query=query.astype(np.int64),
        start=np.concatenate([[0], np.cumsum(counts)]),
        product=judged["product"].to_numpy().astype(np.int64),
        grade=judged["grade"].to_numpy().astype(GRADE_DTYPE),
        draw_weight=judged["weight"].to_numpy(),
        group=dataset.products["group_id"].rank("dense").to_numpy().astype(np.int64),
    )
