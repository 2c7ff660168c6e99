"""Fast nDCG@10 and Recall@100 of rankings by keys, equal to those of `evaluation.metrics`.

Shapes: M products of a ranking.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from windowshop.data import Dataset
from windowshop.errors import DataError
from windowshop.evaluation import (
    DEPTH,
    GradedQrels,
    as_qrels,
    make_slices,
    relevance_threshold,
    split_kinds,
)
from windowshop.search.tuning.probes import JudgedQuery, queries_of

ALL = "all"
NDCG_DEPTH = 10
_DISCOUNT = 1 / np.log2(np.arange(2, NDCG_DEPTH + 2))


@dataclass(frozen=True, slots=True)
class _Grades:
    of: Mapping[int, int]
    """Grade by key."""
    ideal: float
    num_relevant: int


class Judge:
    """Judgements of some queries."""

    def __init__(self, qrels: pl.DataFrame, threshold: int, keys: Mapping[str, int]) -> None:
        """Take (query_id, product_id, grade); products without a key count, but are never found."""
        self.threshold = threshold
        self._grades: dict[str, _Grades] = {}
        for (query_id,), rows in qrels.group_by(["query_id"], maintain_order=True):
            grades = rows["grade"].to_numpy()
            best = np.sort(grades)[::-1][:NDCG_DEPTH]
            pairs = zip(rows["product_id"].to_list(), grades.tolist(), strict=True)
            self._grades[str(query_id)] = _Grades(
                {keys[product]: grade for product, grade in pairs if product in keys},
                float(best @ _DISCOUNT[: len(best)]),
                int((grades >= threshold).sum()),
            )

    def __contains__(self, query_id: str) -> bool:
        """Return whether it judges the query."""
        return query_id in self._grades

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self._grades)

    def scores(self, query_id: str, keys_M: np.ndarray) -> tuple[float, float]:
        """Return nDCG@10 and Recall@100; NaN where they are not defined."""
        grades = self._grades.get(query_id)
        if grades is None:
            return np.nan, np.nan
        found = np.array([grades.of.get(key, 0) for key in keys_M[:DEPTH].tolist()])
        top = found[:NDCG_DEPTH]
        ndcg = float(top @ _DISCOUNT[: len(top)]) / grades.ideal if grades.ideal else np.nan
        if not grades.num_relevant:
            return ndcg, np.nan
        return ndcg, float((found >= self.threshold).sum()) / grades.num_relevant

    def grades(self, query_id: str, keys_M: np.ndarray) -> np.ndarray:
        """Return the grade of each product, int64 (M,); 0 where it is not judged."""
        of = self._grades[query_id].of
        return np.array([of.get(key, 0) for key in keys_M.tolist()], dtype=np.int64)

    def relevant(self, query_id: str, keys_M: np.ndarray) -> np.ndarray:
        """Return which products are relevant, bool (M,)."""
        of = self._grades[query_id].of
        return np.array([of.get(key, 0) >= self.threshold for key in keys_M.tolist()], dtype=bool)


@dataclass(frozen=True, slots=True)
class Judgements:
    """Judged queries of a split, and their judgements by slice."""

    queries: tuple[JudgedQuery, ...]
    parts: Mapping[str, Judge]
    """"all", then each slice."""
    graded: GradedQrels
    """Of all queries, by product id."""


def judgements(
    dataset: Dataset, split: str, slices: tuple[str, ...], keys: Mapping[str, int]
) -> Judgements:
    """Return the judged queries of a split, by people's labels, or by those of a log without any.

    `keys` has the key of each product of the index. Raises DataError where nothing is judged.
    """
    rows = dataset.split(split)
    by_kind = split_kinds(dataset.qrels_of(rows))
    if not by_kind:
        raise DataError(
            f"{dataset.root}: split {split!r} has no judged query. Add qrels, or choose another."
        )
    kind, qrels = next(iter(by_kind.items()))
    threshold = relevance_threshold(dataset.qrels.filter(kind=kind))
    parts = {ALL: Judge(qrels, threshold, keys)}
    for spec in slices:
        for part in make_slices(dataset, qrels, spec):
            parts[part.name] = Judge(part.qrels, threshold, keys)
    judged = tuple(query for query in queries_of(dataset, rows) if query.query_id in parts[ALL])
    return Judgements(judged, parts, GradedQrels(as_qrels(qrels), threshold))
