"""Protocol of a store of products: what searches and writes need of one.

The store of an index folder is `windowshop.index.catalogue.collection`; what those on servers share
is `windowshop.index.catalogue.remote_store`. `tests/stores` holds every store to the same answers.

Shapes: B products of a batch, D width of a vector, W full width of a vector.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import polars as pl

from windowshop.data import Filter
from windowshop.engines import EngineSpec
from windowshop.index.catalogue.view import Hit, View, WriteBacklog


class Store(Protocol):
    """Products of one generation, which the threads of a process search and change.

    Stores subclass it: reads that a view answers are here.
    """

    @property
    def spec(self) -> EngineSpec:
        """Settings of the search by vector."""
        ...

    @property
    def seq(self) -> int:
        """Number of the last change of the products that it has all changes up to."""
        ...

    @property
    def is_behind(self) -> bool:
        """Whether the products have changes that this lacks: see `catch_up`."""
        ...

    @property
    def backlog(self) -> WriteBacklog:
        """Approximate amount of maintenance due."""
        ...

    def upsert(self, products: pl.DataFrame, vectors: Mapping[str, np.ndarray]) -> None:
        """Add or replace whole products; they are acknowledged and found on return.

        Vectors are (B, W) by name, float; a row of zeros or a missing name means no vector.
        """
        ...

    def delete(self, product_ids: list[str]) -> int:
        """Delete products; returns how many there were."""
        ...

    def catch_up(self, wanted: Callable[[], bool] = ...) -> int:
        """Apply the products' changes that others have made; returns their number."""
        ...

    def read_view(self) -> AbstractContextManager[View]:
        """Give one state of the catalogue for several reads."""
        ...

    def search(
        self, query_BD: np.ndarray, k: int, where: Filter | None = None, name: str = "fused"
    ) -> list[list[Hit]]:
        """Return up to k hits for each query by cosine, best first, that pass the filter."""
        with self.read_view() as view:
            return view.search(query_BD, k, where, name)

    def products(self, product_ids: list[str]) -> pl.DataFrame:
        """Return the rows of products in the given order; raises DataError for unknown ones."""
        with self.read_view() as view:
            return view.columns.rows(view.columns.keys(product_ids))

    def count(self, where: Filter | None = None) -> int:
        """Return the number of products that pass the filter."""
        with self.read_view() as view:
            return view.columns.allowed(where).count

    def __contains__(self, product_id: str) -> bool:
        """Return whether there is such a product."""
        with self.read_view() as view:
            return product_id in view.columns

    def ids(self) -> list[str]:
        """Return the ids of all products, in the order of keys."""
        with self.read_view() as view:
            return view.columns.ids(view.columns.allowed(None).keys())

    def save_snapshot(self) -> None:
        """Write what makes the next opening fast."""
        ...

    def optimise(self) -> None:
        """Make searches fast after many writes; searches and writes continue."""
        ...

    def compact(self) -> None:
        """Drop what was replaced or deleted, and give back its room."""
        ...

    def refill(self, wanted: Callable[[], bool] = ...) -> None:
        """Make vectors again that were lost."""
        ...

    def rebuild(
        self,
        spec: EngineSpec | None = None,
        *,
        prepare: Callable[[View], None] | None = None,
        wanted: Callable[[], bool] = ...,
    ) -> None:
        """Make columns and engine of the living products again, with new keys, and switch."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...
