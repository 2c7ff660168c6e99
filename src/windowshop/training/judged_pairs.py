"""Judgements -> training pairs: which products each distinct query has, with grades and groups.

Rows are positions in the data set's tables. Queries that ask the same (same words, same image) are
one query here, so that one never serves as a negative of the other.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from windowshop.data import DESIRABILITY, RELEVANCE, Dataset, expand, normal_text, place_in_run

GRADE_DTYPE = np.float32
GRADE_DECIMALS = 3
"""Grades of combined label sets are rounded to it, so that equal gains make one level."""
LEAST_WEIGHT = 1e-6
"""Weight in draws of a pair of weight 0."""
LEAST_DRAWS = 1e-3
"""Expected draws of a product that no training query draws: it still enters as another's hard
negative, and log 0 would block it."""


class Labels(Protocol):
    """Grades of queries and products beside the judged ones."""

    @property
    def num_judged(self) -> int:
        """Return how many of the queries, the first ones, have judgements."""

    def complete(
        self, queries: np.ndarray, products: np.ndarray, grade_BC: np.ndarray, ignore_BC: np.ndarray
    ) -> None:
        """Grade or ignore pairs of a batch that nobody judged, in place."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Q distinct queries with their judged products, in compressed rows.

    Query i has the entries `start[i]:start[i + 1]` of `product` (row of the product), `grade` and
    `weight`.
    """

    query: np.ndarray
    """Row of each distinct query in the query table, (Q,)."""
    start: np.ndarray
    product: np.ndarray
    grade: np.ndarray
    draw_weight: np.ndarray
    """Weight of an entry in draws: its gain 2^grade - 1, shared by weight among like grades."""
    group: np.ndarray
    """Group number of every product of the catalogue, (N,)."""
    weight: np.ndarray | None = None
    """Weight of each entry, mean 1 in each query and label set; None where all weigh the same."""
    query_weight: np.ndarray | None = None
    """Weight of each distinct query, (Q,); None where all weigh 1."""
    labels: "Labels | None" = None
    """Grades of pairs that nobody judged; the queries behind the judged ones are generated."""

    def draw_queries(
        self, count: int, generated_share: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw positions of different queries; `generated_share` at least are generated ones."""
        num_judged = len(self) if self.labels is None else self.labels.num_judged
        if num_judged == len(self):
            return rng.choice(len(self), min(count, len(self)), replace=False)
        judged = min(num_judged, count - round(count * generated_share))
        generated = min(len(self) - num_judged, count - judged)
        return np.concatenate(
            [
                rng.choice(num_judged, judged, replace=False),
                num_judged + rng.choice(len(self) - num_judged, generated, replace=False),
            ]
        )

    def __len__(self) -> int:
        """Return the number of distinct queries."""
        return len(self.query)

    def grades_between(self, queries: np.ndarray, products: np.ndarray) -> "BatchGrades":
        """Grades of a batch's queries (positions, B) against its distinct products (rows, C)."""
        column = np.full(len(self.group), -1, dtype=np.int64)
        column[products] = np.arange(len(products))
        groups, group_of_column = np.unique(self.group[products], return_inverse=True)
        entries, owner = expand(self.start, queries)
        in_batch = column[self.product[entries]] >= 0
        place_BC = owner[in_batch], column[self.product[entries[in_batch]]]
        grade_BC = np.zeros((len(queries), len(products)), dtype=GRADE_DTYPE)
        grade_BC[place_BC] = self.grade[entries[in_batch]]
        weight_BC = None
        if self.weight is not None:
            weight_BC = np.ones_like(grade_BC)
            weight_BC[place_BC] = self.weight[entries[in_batch]]
        related_BG = np.zeros((len(queries), len(groups)), dtype=bool)
        place = np.searchsorted(groups, self.group[self.product[entries]])
        place = np.minimum(place, len(groups) - 1)
        present = groups[place] == self.group[self.product[entries]]
        related_BG[owner[present], place[present]] = True
        ignore_BC = related_BG[:, group_of_column] & (grade_BC == 0)
        query_weight_B = None if self.query_weight is None else self.query_weight[queries]
        if self.labels is not None:
            self.labels.complete(queries, products, grade_BC, ignore_BC)
        return BatchGrades(grade_BC, ignore_BC, weight_BC, query_weight_B)

    def draw_products(
        self, queries: np.ndarray, per_query: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw judged products of each query, better grades more often; distinct rows, sorted."""
        entries, owner = expand(self.start, queries)
        # Weighted draw without loops (Efraimidis and Spirakis): the largest log(u) / w win.
        key = np.log(rng.random(len(entries))) / self.draw_weight[entries]
        order = np.lexsort((-key, owner))
        drawn = entries[order[place_in_run(owner) < per_query]]
        return np.unique(self.product[drawn])

    def log_share(self, per_query: int) -> np.ndarray:
        """Log of each product's expected share of all draws, float32 (N,).

        Queries are drawn alike, and each draws `per_query` of its products. A product's chance in
        one query is taken as proportional to its draw weight, up to 1: exact where a query has at
        most `per_query` products, draws one, or weighs them alike, else within about a third. A
        product that is never drawn counts as LEAST_DRAWS of a draw.
        """
        draws = np.bincount(self.product, self._chances(per_query), minlength=len(self.group))
        total = max(draws.sum(), LEAST_DRAWS)
        share: np.ndarray = np.log(np.maximum(draws, LEAST_DRAWS) / total).astype(np.float32)
        return share

    def _chances(self, per_query: int) -> np.ndarray:
        """Return the chance that a query, once drawn, draws each of its entries."""
        counts = np.diff(self.start)
        owner = np.repeat(np.arange(len(self)), counts)
        certain = (counts <= per_query)[owner]
        chance = np.ones(len(owner))
        for _ in range(per_query):  # each round makes certain what is too heavy for its share
            weight = np.where(certain, 0, self.draw_weight)
            left = per_query - np.bincount(owner, certain, minlength=len(self))
            total = np.bincount(owner, weight, minlength=len(self))
            share = np.divide(left, total, out=np.zeros(len(self)), where=total > 0)
            chance = np.where(certain, 1.0, weight * share[owner])
            certain = chance >= 1
        return chance


@dataclass(frozen=True, slots=True)
class BatchGrades:
    """Grades of B queries against C products, and the pairs that are neither hit nor miss."""

    grade_BC: np.ndarray
    ignore_BC: np.ndarray
    """Not judged, but of the same group as a judged product of the query."""
    weight_BC: np.ndarray | None = None
    """Weights of the judged pairs; None where all weigh the same."""
    query_weight_B: np.ndarray | None = None


def make_pairs(
    dataset: Dataset, split: str, *, relevance: float = 1.0, desirability: float = 1.0
) -> Pairs:
    """The training pairs of one split, with its label sets combined by the weights given.

    A pair's gain is the weighted mean of 2^grade - 1 over the label sets that hold a positive of
    its query; its grade is log2(1 + gain). A label set of weight 0 is left out.
    """
    importance = {RELEVANCE: relevance, DESIRABILITY: desirability}
    products = dataset.products.select("product_id", "group_id").with_row_index("product")
    labels = (
        dataset.qrels.join(_asked(dataset, split), on="query_id")
        .join(products, on="product_id")
        .with_columns(
            query=pl.col("row").min().over("text", "image"),
            importance=pl.col("kind").replace_strict(importance, return_dtype=pl.Float64),
        )
        .filter(pl.col("importance") > 0)
    )
    judged = _combine(labels).sort("query", "product")
    drawn = pl.max_horizontal("weight", LEAST_WEIGHT)
    share = drawn / drawn.sum().over("query", "grade")
    judged = judged.with_columns(draw_weight=(2.0 ** pl.col("grade") - 1) * share)
    query, counts = np.unique(judged["query"].to_numpy(), return_counts=True)
    query_weight = labels.group_by("query").agg(pl.col("query_weight").max()).sort("query")
    return Pairs(
        query=query.astype(np.int64),
        start=np.concatenate([[0], np.cumsum(counts)]),
        product=judged["product"].to_numpy().astype(np.int64),
        grade=judged["grade"].to_numpy().astype(GRADE_DTYPE),
        draw_weight=judged["draw_weight"].to_numpy(),
        group=dataset.products["group_id"].rank("dense").to_numpy().astype(np.int64),
        weight=_unless_one(judged["weight"]),
        query_weight=_unless_one(query_weight["query_weight"]),
    )


def _asked(dataset: Dataset, split: str) -> pl.DataFrame:
    """The queries of a split: row, id, what they ask by text and image, and weight."""
    weight = pl.col("weight").fill_null(1.0)
    queries = dataset.queries.with_row_index("row").filter(pl.col("split") == split)
    return queries.select(
        "row",
        "query_id",
        normal_text("query").alias("text"),
        "image",
        (weight if "weight" in queries.columns else pl.lit(1.0)).alias("query_weight"),
    )


def _combine(labels: pl.DataFrame) -> pl.DataFrame:
    """Labels by kind -> one grade and one weight of each query and product.

    Weights are scaled to mean 1 in each query and kind first, since counts of one label set do not
    compare with those of another; a pair's is then their mean, weighed by what each adds to its
    gain.
    """
    once = labels.group_by("query", "product", "kind", "importance").agg(
        pl.col("grade").max(), pl.col("weight").max()
    )
    scaled = (pl.col("weight") / pl.col("weight").mean().over("query", "kind")).fill_nan(0)
    gain = pl.col("importance") * (2.0 ** pl.col("grade") - 1)
    of_query = (
        once.select("query", "kind", "importance")
        .unique()
        .group_by("query")
        .agg(pl.col("importance").sum().alias("of_query"))
    )
    return (
        once.with_columns(weight=scaled, gain=gain)
        .group_by("query", "product")
        .agg(
            pl.col("gain").sum(),
            ((pl.col("gain") * pl.col("weight")).sum() / pl.col("gain").sum()).alias("weight"),
        )
        .join(of_query, on="query")
        .select(
            "query",
            "product",
            "weight",
            grade=(1 + pl.col("gain") / pl.col("of_query"))
            .log(2)
            .round(GRADE_DECIMALS)
            .clip(10.0**-GRADE_DECIMALS),
        )
    )


def _unless_one(weight: pl.Series) -> np.ndarray | None:
    """The weights, or None where all are 1."""
    if ((weight - 1).abs() < LEAST_WEIGHT).all():
        return None
    return weight.to_numpy().astype(GRADE_DTYPE)
