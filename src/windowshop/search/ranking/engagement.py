"""Counts of what shoppers did with products, beside what the looks that these got let expect.

A result at the top is clicked because it is seen: a product's clicks are divided by those that its
looks let expect (clicks over expected clicks, Zhang and Jones 2007, doi:10.1145/1277741.1277878).
Both are smoothed by one event, and the logarithm is taken: 0 is as expected, or not shown.

Of each query a product has what happened under that query, and apart from it what happened under
all others, so that the judgement of a query never meets itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.data import (
    Visits,
    cells_of,
    fit_position_bias,
    query_key,
    with_looks,
)
from windowshop.files import write_atomic

ENGAGEMENT_FILE = "engagement.parquet"
CLICKED, ORDERED = 1, 2
"""Levels from which something counts as a click, and as an order: a cart does."""
SMOOTHING = 1.0
"""Expected events that are added to both."""
COUNTS = ("clicks", "expected_clicks", "orders", "expected_orders")
COUNTED = ("clicks", "orders", "query clicks", "query orders")
"""Logarithms of what was done over what was expected: under other queries, and under the query."""
SCHEMA: dict[str, pl.DataType] = {
    "query": pl.String(),
    "product_id": pl.String(),
    **dict.fromkeys(COUNTS, pl.Float64()),
}


@dataclass(frozen=True, eq=False, slots=True)
class Engagement:
    """Events of a log by query and product.

    Shapes: P products that were shown, R rows of the table, M products that are asked about.
    """

    table: pl.DataFrame
    """SCHEMA, a row a query and product that it showed."""
    _rows: dict[str, tuple[int, int]] = field(init=False, repr=False)
    """First row of each query, and the one after its last."""
    _place: dict[str, int] = field(init=False, repr=False)
    """Row of each product in the totals."""
    _place_R: np.ndarray = field(init=False, repr=False)
    """Products of the rows: rising within a query."""
    _counts_R4: np.ndarray = field(init=False, repr=False)
    _totals_P4: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look up by query and by product."""
        rows, place = {}, {}
        counts_R4 = totals_P4 = np.zeros((0, len(COUNTS)))
        place_R = np.zeros(0, dtype=np.int64)
        if len(self.table):  # the empty one is made at import, when polars must not start threads
            table = self.table.sort("query", "product_id")
            object.__setattr__(self, "table", table)
            names = table["product_id"].unique().sort()
            place = dict(zip(names, range(len(names)), strict=True))
            place_R = names.search_sorted(table["product_id"]).to_numpy().astype(np.int64)
            counts_R4 = table.select(COUNTS).to_numpy()
            totals_P4 = np.zeros((len(names), len(COUNTS)))
            np.add.at(totals_P4, place_R, counts_R4)
            lengths = table.group_by("query", maintain_order=True).len()
            ends = lengths["len"].cum_sum()
            rows = dict(
                zip(lengths["query"], zip(ends - lengths["len"], ends, strict=True), strict=True)
            )
        for name, value in zip(
            ("_rows", "_place", "_place_R", "_counts_R4", "_totals_P4"),
            (rows, place, place_R, counts_R4, totals_P4),
            strict=True,
        ):
            object.__setattr__(self, name, value)

    def __bool__(self) -> bool:
        """Return whether anything was shown."""
        return len(self.table) > 0

    def of(self, query: str, product_ids: Sequence[str]) -> np.ndarray:
        """Return COUNTED of products for a query, float64 (M, 4); 0 for one that was not shown."""
        place_M = np.array([self._place.get(name, -1) for name in product_ids], dtype=np.int64)
        total_M4 = _rows_at(self._totals_P4, place_M)
        first, end = self._rows.get(query_key(query), (0, 0))
        place_K = self._place_R[first:end]
        at_M = np.searchsorted(place_K, place_M)
        at_M[(at_M == len(place_K)) | (np.append(place_K, -1)[at_M] != place_M)] = -1
        here_M4 = _rows_at(self._counts_R4[first:end], at_M)
        return np.hstack([_over_expected(total_M4 - here_M4), _over_expected(here_M4)])

    def save(self, folder: Path) -> None:
        """Write the table into a folder."""
        write_atomic(folder / ENGAGEMENT_FILE, self.table.write_parquet)


NO_ENGAGEMENT = Engagement(pl.DataFrame(schema=SCHEMA))


def load_engagement(folder: Path) -> Engagement:
    """Read the table of a folder; nothing where it has none."""
    path = folder / ENGAGEMENT_FILE
    return Engagement(pl.read_parquet(path)) if path.exists() else NO_ENGAGEMENT


def count_engagement(visits: Visits) -> Engagement:
    """Count what came of the products that a log showed under each text.

    Each look at a product lets expect as much as the mean look of the log brought; what positions
    are looked at is learned from the clicks, as for judgements (`windowshop.data.judge`).
    """
    if visits.shown.is_empty():
        return NO_ENGAGEMENT
    shown = visits.shown.rename({"query": "query_id"})
    bias = fit_position_bias(cells_of(shown)[0])
    level = pl.col("level")
    looked = with_looks(shown, bias, correct=True).with_columns(
        clicks=(level >= CLICKED).cast(pl.Float64), orders=(level >= ORDERED).cast(pl.Float64)
    )
    looks = max(float(looked["look"].sum()), 1.0)
    expected = [
        (pl.col("look") * (float(looked[name].sum()) / looks)).alias(f"expected_{name}")
        for name in ("clicks", "orders")
    ]
    counted = looked.with_columns(expected).group_by("query_id", "product_id")
    table = counted.agg(pl.col(COUNTS).sum())
    texts = table["query_id"].unique().to_list()
    keys = pl.col("query_id").replace_strict(
        texts, [query_key(text) for text in texts], return_dtype=pl.String
    )
    table = table.with_columns(query=keys).group_by("query", "product_id").agg(pl.col(COUNTS).sum())
    return Engagement(table.select(list(SCHEMA)).sort("query", "product_id"))


def _rows_at(counts_R4: np.ndarray, place_M: np.ndarray) -> np.ndarray:
    """Return rows of counts; zeros for place -1."""
    found_M4 = np.zeros((len(place_M), len(COUNTS)))
    found_M4[place_M >= 0] = counts_R4[place_M[place_M >= 0]]
    return found_M4


def _over_expected(counts_M4: np.ndarray) -> np.ndarray:
    """Return the logarithms of clicks and of orders over what was expected, (M, 2)."""
    smoothed_M4 = np.maximum(counts_M4, 0) + SMOOTHING
    logs_M2: np.ndarray = np.log(smoothed_M4[:, 0::2] / smoothed_M4[:, 1::2])
    return logs_M2
