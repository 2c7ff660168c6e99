"""Move up the products that match what a query names.

Shapes: R recognised things, M merged products.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from windowshop.data import Filter, to_polars
from windowshop.search.retrieval.merge import Merged


@dataclass(frozen=True, kw_only=True, slots=True)
class Boost:
    """What it does for a product to match something that boosts, each time."""

    factor: float
    """Its place is divided by this, where `points` is 0."""
    points: float = 0.0
    """Added to its score."""


def boost_matches(merged: Merged, matched_RM: np.ndarray, boost: Boost) -> Merged:
    """Move up what matches; `matched_RM` says which product matches which recognised boost."""
    counts_M = matched_RM.sum(axis=0)
    if boost.points:
        return merged.raised(boost.points * counts_M)
    return merged.take(merged.moved(boost.factor**counts_M))


def matching(tree: Filter, columns: pl.DataFrame) -> np.ndarray:
    """Which products pass a filter, bool (M,)."""
    passes = columns.select(to_polars(tree, columns.schema).alias("passes"))["passes"]
    return passes.fill_null(False).to_numpy()
