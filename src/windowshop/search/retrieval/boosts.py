"""Move up the products that match what a query names.

Shapes: R recognised boosts, M merged products.
"""

import numpy as np
import polars as pl

from windowshop.data import Filter, to_polars
from windowshop.index import View
from windowshop.search.retrieval.config import Boost
from windowshop.search.retrieval.merge import Merged
from windowshop.search.retrieval.query import RetrievalQuery


def boost(
    view: View, merged: Merged, query: RetrievalQuery
) -> tuple[Merged, tuple[tuple[str, np.ndarray], ...]]:
    """Move up the products that match the query's boosts; returns the keys of each boost too."""
    if not query.boosts:
        return merged, ()
    matched_RM = view.columns.matching([item.tree for item in query.boosts], merged.keys)
    boosted = tuple(
        (item.name, merged.keys[matched_M])
        for item, matched_M in zip(query.boosts, matched_RM, strict=True)
    )
    return boost_matches(merged, matched_RM, query.boost), boosted


def boost_matches(merged: Merged, matched_RM: np.ndarray, boost: Boost) -> Merged:
    """Move products up once for each boost that they match; `matched_RM` is bool."""
    counts_M = matched_RM.sum(axis=0)
    if boost.points:
        return merged.raised(boost.points * counts_M)
    return merged.take(merged.moved(boost.factor**counts_M))


def matching(tree: Filter, columns: pl.DataFrame) -> np.ndarray:
    """Return which products pass a filter, bool (M,)."""
    passes = columns.select(to_polars(tree, columns.schema).alias("passes"))["passes"]
    return passes.fill_null(False).to_numpy()
