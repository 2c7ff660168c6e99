"""Base of stores on servers: columns, searches by vector, and the steps of a write.

Shapes: B products, D width of a vector, K results, Q queries, W full width of a vector.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
import polars as pl

from windowshop.data import Filter, inner_type
from windowshop.engines import Allowed, EngineSpec, Neighbours, best, cut
from windowshop.errors import EngineError
from windowshop.index.catalogue.protocols import ProductColumns, VectorSearch
from windowshop.index.catalogue.remote_allowed import Asked, RemoteAllowed
from windowshop.index.catalogue.restore import Derivation, without_internal
from windowshop.index.catalogue.state import check_filters, stored_vectors
from windowshop.index.catalogue.store import Store
from windowshop.index.catalogue.view import View, WriteBacklog
from windowshop.index.rows import check_product_ids, fitted, joined, plain, types_of


class Generation(Protocol):
    """Generation as a server keeps it, as far as columns read it."""

    @property
    def types(self) -> dict[str, pl.DataType]:
        """Types of the columns, in the order of their places."""
        ...

    @property
    def num_keys(self) -> int:
        """Number of keys given out; the next row gets this one."""
        ...

    @property
    def num_living(self) -> int:
        """Number of products."""
        ...


AnyGeneration = TypeVar("AnyGeneration", bound=Generation)


@dataclass(frozen=True, slots=True)
class RemoteColumn:
    """A column of the products, by whose place a server names what filters compare."""

    name: str
    place: int
    dtype: pl.DataType

    @classmethod
    def of_types(cls, types: Mapping[str, pl.DataType]) -> dict[str, Self]:
        """Return the columns of products by name."""
        return {name: cls(name, place, dtype) for place, (name, dtype) in enumerate(types.items())}

    @property
    def is_list(self) -> bool:
        """Whether a product has several values."""
        return isinstance(self.dtype, pl.List)

    @property
    def single(self) -> pl.DataType:
        """Type of one value."""
        return inner_type(self.dtype) if isinstance(self.dtype, pl.List) else self.dtype


class RemoteColumns(ProductColumns, Asked, Generic[AnyGeneration]):
    """Columns of one generation at one moment; many threads may read."""

    def __init__(self, generation: AnyGeneration, numbering: object) -> None:
        self.generation, self._numbering = generation, numbering
        self._allowed: dict[str, RemoteAllowed] = {}
        """Products that pass each filter, which several steps of a search ask for."""

    @property
    def num_keys(self) -> int:
        """Number of keys given out; the next row gets this one."""
        return self.generation.num_keys

    @property
    def numbering(self) -> object:
        """Object of the generation: its keys are never given to others."""
        return self._numbering

    @property
    def schema(self) -> pl.Schema:
        """Columns with their types."""
        return pl.Schema(self.generation.types)

    def __len__(self) -> int:
        """Return the number of products."""
        return self.generation.num_living

    def are_living(self, keys: np.ndarray) -> np.ndarray:
        """Return which keys are of a product now, bool."""
        return self.passes(RemoteAllowed(self, self._condition([]), None), keys)

    def allowed(self, where: Filter | None, *further: Filter) -> Allowed:
        """Return which products pass every filter; raises FilterError for one that unfits."""
        trees = [tree for tree in (where, *further) if tree is not None]
        known = self._allowed.get(repr(trees))  # true and 1 differ there
        if known is None:
            known = RemoteAllowed(self, self._condition(trees), where)
            self._allowed[repr(trees)] = known
        return known

    @abstractmethod
    def _condition(self, trees: Sequence[Filter]) -> object:
        """Return what passes all filters, in the server's terms."""


class RemoteVectors(VectorSearch):
    """Search by vector at one moment."""

    def __init__(self, columns: ProductColumns, spec: EngineSpec) -> None:
        self._num_products, self._spec = len(columns), spec

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """Return the k nearest keys to each query by cosine, (Q, K); key -1 where fewer exist.

        Where few products are allowed all of them are scored, else a graph finds candidates.
        """
        width = self._width(name)
        among = allowed if isinstance(allowed, RemoteAllowed) else None
        count = self._num_products if among is None else among.count
        is_few = count <= self._spec.scan_rows
        keys_QK = np.full((len(query_QD), k), -1, dtype=np.int64)
        scores_QK = np.full((len(query_QD), k), -np.inf, dtype=np.float32)
        for place, query_D in enumerate(cut(query_QD, width)):
            keys, scores = self._nearest(query_D, k, among, name, is_few=is_few)
            keys_QK[place], scores_QK[place] = best(keys, scores, k)
        return Neighbours(keys_QK, scores_QK)

    @abstractmethod
    def _nearest(
        self, query_D: np.ndarray, k: int, among: RemoteAllowed | None, name: str, *, is_few: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return keys with their scores: of few products the best of all, else of candidates."""

    def _width(self, name: str) -> int:
        if name not in self._spec.vectors:
            raise EngineError(
                f"There are no {name!r} vectors; this index has: {', '.join(self._spec.vectors)}. "
                "Search one of these, or rebuild with the others."
            )
        return self._spec.vectors[name].width


class RemoteStore(Store):
    """Products of one generation on a server, which looks after what it keeps."""

    def __init__(self, place: str, name: str, derivation: Derivation) -> None:
        """Take the settings of the vectors; raises EngineError without them."""
        self.name, self._derivation = name, derivation
        if derivation.spec is None:
            raise EngineError(f"{place}: the widths of the vectors are not known.")
        self._spec = derivation.spec
        self._numbering = object()

    @property
    def spec(self) -> EngineSpec:
        """Settings of the search by vector."""
        return self._spec

    @property
    def is_behind(self) -> bool:
        """Return False: products and what searches read are the same."""
        return False

    @property
    def backlog(self) -> WriteBacklog:
        """Return nothing due: the server looks after it."""
        return WriteBacklog(0, 0, 0, 0, lacks_vectors=False)

    def upsert(self, products: pl.DataFrame, vectors: Mapping[str, np.ndarray]) -> None:
        """Add or replace whole products; they are acknowledged and found on return.

        Vectors are (B, W) by name, float; a row of zeros or a missing name means no vector. Columns
        whose names begin with _ are kept too. Raises DataError or EngineError, and changes nothing,
        where rows or vectors do not fit.
        """
        check_product_ids(products)
        stored = {
            name: cut(stored_vectors(self._spec, name, x_BW, len(products)), vector.width)
            for name, vector in self._spec.vectors.items()
            if (x_BW := vectors.get(name)) is not None
        }
        self._write(products, stored)

    @abstractmethod
    def _write(self, products: pl.DataFrame, stored: Mapping[str, np.ndarray]) -> None:
        """Write products with their unit vectors (B, D), in the writer's turn."""

    def _fitted(
        self, products: pl.DataFrame, held: dict[str, pl.DataType]
    ) -> tuple[pl.DataFrame, dict[str, pl.DataType]]:
        """Return products as they are kept beside columns of the `held` types, and all types then.

        Raises DataError where they do not fit.
        """
        given, internal = without_internal(products)
        rows = plain(given)
        types = {name: held[name] for name in rows.columns if name in held}
        rows = fitted(rows, joined(types, types_of(rows)))
        rows = self._derivation.complete(rows).hstack(internal.get_columns())
        types = joined(held, types_of(rows))
        rows = fitted(rows, types)
        check_filters(rows, self._spec)
        return rows, types

    def catch_up(self, wanted: Callable[[], bool] = lambda: True) -> int:
        """Return 0: there is nothing to catch up with."""
        return 0

    def save_snapshot(self) -> None:
        """Do nothing: every process opens the same products."""

    def optimise(self) -> None:
        """Do nothing: graphs follow each write."""

    def compact(self) -> None:
        """Do nothing: the server cleans up by itself."""

    def refill(self, wanted: Callable[[], bool] = lambda: True) -> None:
        """Do nothing: vectors lie beside their products."""

    def rebuild(
        self,
        spec: EngineSpec | None = None,
        *,
        prepare: Callable[[View], None] | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Do nothing: there are no dead rows to leave out."""
