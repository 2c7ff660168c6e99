"""Counts of what shoppers did with products, beside what the looks that these got let expect.

A result at the top is clicked because it is seen: a product's clicks are divided by those that its
looks let expect (clicks over expected clicks, Zhang and Jones 2007, doi:10.1145/1277741.1277878).
Both are smoothed by one event, and the logarithm is taken: 0 is as expected, or not shown.

Of each query a product has what happened under that query, and apart from it what happened under
all others, so that the judgement of a query never meets itself.
"""

from collections.abc import Iterator, Mapping
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
SCHEMA: dict[str, pl.DataType] = {
    "query": pl.String(),
    "product_id": pl.String(),
    **dict.fromkeys(COUNTS, pl.Float64()),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """Logarithms of what was done over what was expected."""

    clicks: float = 0.0
    orders: float = 0.0
    """Under other queries."""
    query_clicks: float = 0.0
    query_orders: float = 0.0
    """Under the query."""


@dataclass(frozen=True, eq=False, slots=True)
class Engagement:
    """Events of a log by query and product."""

    table: pl.DataFrame
    """SCHEMA, a row a query and product that it showed."""
    _rows: dict[str, tuple[int, int]] = field(init=False, repr=False)
    """First row and number of rows of each query."""
    _totals: dict[str, np.ndarray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look up by query and by product."""
        if self.table.is_empty():  # made at import, when polars must not start its threads
            object.__setattr__(self, "_rows", {})
            object.__setattr__(self, "_totals", {})
            return
        table = self.table.sort("query", maintain_order=True)
        object.__setattr__(self, "table", table)
        lengths = table.group_by("query", maintain_order=True).len()
        ends = lengths["len"].cum_sum() - lengths["len"]
        rows = zip(lengths["query"], zip(ends, lengths["len"], strict=True), strict=True)
        object.__setattr__(self, "_rows", dict(rows))
        totals = table.group_by("product_id").agg(pl.col(COUNTS).sum())
        counts = zip(totals["product_id"], totals.select(COUNTS).to_numpy(), strict=True)
        object.__setattr__(self, "_totals", dict(counts))

    def __bool__(self) -> bool:
        """Return whether anything was shown."""
        return len(self.table) > 0

    def of(self, query: str, *, known: bool = True) -> Mapping[str, Counted]:
        """Return what is known of the products for a query; unless `known`, as for another text."""
        rows = self.table.slice(*self._rows.get(query_key(query), (0, 0)))
        own = dict(zip(rows["product_id"], rows.select(COUNTS).to_numpy(), strict=True))
        return _Looked(own, self._totals, known)

    def save(self, folder: Path) -> None:
        """Write the table into a folder."""
        write_atomic(folder / ENGAGEMENT_FILE, self.table.write_parquet)


class _Looked(Mapping[str, Counted]):
    """Counts of the products that one query, or another one, has shown."""

    def __init__(
        self, own: dict[str, np.ndarray], totals: dict[str, np.ndarray], known: bool
    ) -> None:
        self._own, self._totals, self._known = own, totals, known

    def __getitem__(self, product_id: str) -> Counted:
        total = self._totals[product_id]
        own = self._own.get(product_id)
        here = np.zeros(len(COUNTS)) if own is None else own
        clicks, orders = _over_expected(total - here)
        mine = _over_expected(here) if self._known else (0.0, 0.0)
        return Counted(clicks, orders, *mine)

    def __iter__(self) -> Iterator[str]:
        return iter(self._totals)

    def __len__(self) -> int:
        return len(self._totals)


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


def _over_expected(counts: np.ndarray) -> tuple[float, float]:
    clicks, expected_clicks, orders, expected_orders = np.maximum(counts, 0) + SMOOTHING
    return float(np.log(clicks / expected_clicks)), float(np.log(orders / expected_orders))
