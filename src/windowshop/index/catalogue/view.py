"""Views of a collection: hits, one moment of columns and engine, and what writes leave to do.

Shapes: B queries, D width of a vector, K results.
"""

from dataclasses import dataclass

import numpy as np

from windowshop.data import Filter
from windowshop.index.catalogue.protocols import ProductColumns, VectorSearch


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved product."""

    product_id: str
    score: float
    """Cosine; higher is better."""


@dataclass(frozen=True, slots=True)
class View:
    """Columns and engine of one moment, which agree about every key; see `Store.read_view`."""

    columns: ProductColumns
    engine: VectorSearch

    def search(
        self, query_BD: np.ndarray, k: int, where: Filter | None = None, name: str = "fused"
    ) -> list[list[Hit]]:
        """Return up to k hits for each query by cosine, best first, that pass the filter."""
        found = self.engine.search(query_BD, k, self.columns.allowed(where), name)
        has_BK = found.rows >= 0
        ids = iter(self.columns.ids(found.rows[has_BK]))
        return [
            [Hit(next(ids), float(score)) for score in scores_K[has_K]]
            for scores_K, has_K in zip(found.scores, has_BK, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class WriteBacklog:
    """Amount of maintenance that writes have made necessary."""

    num_rows: int
    """Rows of columns and engine, with dead ones."""
    num_dead: int
    """Rows of products that were replaced or deleted since the last rebuild."""
    num_unsaved: int
    """Rows written since the last snapshot."""
    num_unoptimised: int
    """Rows written since the last `optimise` or `rebuild`, or the opening."""
    lacks_vectors: bool
    """Whether the file of vectors was lost or damaged: see `Collection.refill`."""
