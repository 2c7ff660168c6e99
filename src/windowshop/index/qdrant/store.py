"""A generation in Qdrant: searches by vector, and writes that processes make in turn.

Shapes: B products, D width of a vector, K results, Q queries, W full width of a vector.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from qdrant_client import models

from windowshop.engines import Allowed, EngineSpec, Neighbours, best, cut
from windowshop.errors import EngineError, IndexFolderError, WindowshopError
from windowshop.index.catalogue.restore import Derivation, without_internal
from windowshop.index.catalogue.state import check_filters, stored_vectors
from windowshop.index.catalogue.store import Store
from windowshop.index.catalogue.view import View, WriteBacklog
from windowshop.index.qdrant.columns import PointColumns
from windowshop.index.qdrant.connect import MAJORITY, STRONG, Server
from windowshop.index.qdrant.layout import (
    CODES,
    Generation,
    columns_of_types,
    create_indexes,
    points_of,
    read_generation,
)
from windowshop.index.qdrant.lease import Lease, writing
from windowshop.index.qdrant.points import product_points
from windowshop.index.rows import check_product_ids, fitted, joined, plain, types_of

PART = 256
"""Points that a request writes."""
TIES = 8
"""Products asked for beyond those wanted, as equal scores have the order of keys."""
KEPT_SECONDS = 300.0
"""Time that replaced and deleted products are kept for searches that began before."""


class QdrantStore(Store):
    """Products of one generation in a cluster."""

    def __init__(self, server: Server, name: str, derivation: Derivation) -> None:
        """Open a generation; raises IndexFolderError where there is none.

        Raises EngineError without the settings of its vectors.
        """
        self._server, self.name, self._derivation = server, name, derivation
        if derivation.spec is None:
            raise EngineError(f"{server.place}: the widths of the vectors are not known.")
        self._spec = derivation.spec
        self._numbering = object()
        self._mark = (0, time.monotonic())
        """Number of a change, and when it was the last one at the latest."""
        with self.read_view():
            pass

    @property
    def spec(self) -> EngineSpec:
        """Settings of the search by vector."""
        return self._spec

    @property
    def seq(self) -> int:
        """Number of the last change of the products that it has all changes up to."""
        return self._read().seq

    @property
    def is_behind(self) -> bool:
        """Return False: products and what searches read are the same points."""
        return False

    @property
    def backlog(self) -> WriteBacklog:
        """Return nothing due: the cluster looks after its points."""
        return WriteBacklog(0, 0, 0, 0, lacks_vectors=False)

    @contextmanager
    def read_view(self) -> Iterator[View]:
        """Give one state of the catalogue for several reads; writes go on."""
        columns = PointColumns(self._server, self._read(), self._numbering)
        yield View(columns, PointVectors(self._server, columns, self._spec))

    def upsert(self, products: pl.DataFrame, vectors: Mapping[str, np.ndarray]) -> None:
        """Add or replace whole products; they are acknowledged and found on return.

        Vectors are (B, W) by name, float; a row of zeros or a missing name means no vector. Columns
        whose names begin with _ are kept too. Raises DataError or EngineError, and changes nothing,
        where rows or vectors do not fit.
        """
        check_product_ids(products)
        given, internal = without_internal(products)
        stored = {
            name: cut(stored_vectors(self._spec, name, x_BW, len(products)), vector.width)
            for name, vector in self._spec.vectors.items()
            if (x_BW := vectors.get(name)) is not None
        }
        with writing(self._server, self.name) as lease:
            generation = lease.generation
            held, rows = generation.types, plain(given)
            types = {name: held[name] for name in rows.columns if name in held}
            rows = fitted(rows, joined(types, types_of(rows)))
            rows = self._derivation.complete(rows).hstack(internal.get_columns())
            types = joined(held, types_of(rows))
            rows = fitted(rows, types)
            check_filters(rows, self._spec)
            seq = generation.seq + len(rows)
            points = product_points(rows, generation.num_keys, seq, stored)
            generation = self._with_columns(generation, types)
            replaced = self._replaced(generation, rows["product_id"].to_list())
            write_points(self._server, self.name, points, lease)
            self._let_die(replaced, seq, lease)
            lease.commit(
                replace(
                    generation,
                    seq=seq,
                    num_keys=generation.num_keys + len(rows),
                    num_living=generation.num_living + len(rows) - len(replaced),
                )
            )
        self._purge(seq)

    def delete(self, product_ids: list[str]) -> int:
        """Delete products; returns how many there were."""
        with writing(self._server, self.name) as lease:
            generation = lease.generation
            gone = self._replaced(generation, list(dict.fromkeys(product_ids)))
            if not gone:
                return 0
            seq = generation.seq + len(gone)
            self._let_die(gone, seq, lease)
            num_living = generation.num_living - len(gone)
            lease.commit(replace(generation, seq=seq, num_living=num_living))
        self._purge(seq)
        return len(gone)

    def catch_up(self, wanted: Callable[[], bool] = lambda: True) -> int:
        """Return 0: there is nothing to catch up with."""
        return 0

    def save_snapshot(self) -> None:
        """Do nothing: every process opens the same points."""

    def optimise(self) -> None:
        """Do nothing: graphs follow each write."""

    def compact(self) -> None:
        """Do nothing: the cluster optimises by itself."""

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

    def close(self) -> None:
        """Do nothing: the client is shared by all of the process."""

    def _read(self) -> Generation:
        generation = read_generation(self._server, self.name)
        if not generation.is_ready:
            raise IndexFolderError(
                f"{self._server.place}: generation {self.name} is not whole. Push it again."
            )
        return generation

    def _with_columns(self, generation: Generation, types: dict[str, pl.DataType]) -> Generation:
        """Index the columns that a write brings, or that get a type with it."""
        held = generation.types
        new = tuple(name for name in types if held.get(name) != types[name])
        columns = columns_of_types(types)
        indexed = tuple(name for name in new if columns[name].indexes)
        generation = replace(generation, types=types, indexed=generation.indexed + indexed)
        create_indexes(self._server, generation, indexed)
        return generation

    def _replaced(self, generation: Generation, product_ids: list[str]) -> list[int]:
        return PointColumns(self._server, generation, self._numbering).known_keys(product_ids)

    def _let_die(self, keys: Sequence[int], seq: int, lease: Lease) -> None:
        """Note the change that products go with."""
        for start in range(0, len(keys), PART):
            lease.keep()
            with self._server.named():
                self._server.client.set_payload(
                    points_of(self._server, self.name),
                    {"died": seq},
                    points=list(keys[start : start + PART]),
                    ordering=STRONG,
                )

    def _purge(self, seq: int) -> None:
        """Drop what died so long ago that no search reads it any more."""
        marked, since = self._mark
        if time.monotonic() - since < KEPT_SECONDS:
            return
        self._mark = (seq, time.monotonic())
        died = models.FieldCondition(key="died", range=models.Range(lte=marked))
        with suppress(WindowshopError), self._server.named():  # a later write does it
            self._server.client.delete(
                points_of(self._server, self.name),
                models.FilterSelector(filter=models.Filter(must=[died])),
                ordering=STRONG,
            )


class PointVectors:
    """Search by vector as of one change."""

    def __init__(self, server: Server, columns: PointColumns, spec: EngineSpec) -> None:
        self._server, self._columns, self._spec = server, columns, spec
        self._points = points_of(server, columns.generation.name)

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """Return the k nearest keys to each query by cosine, (Q, K); key -1 where fewer exist.

        Where few products are allowed all of them are scored, else the graph finds candidates.
        """
        width = self._width(name)
        count = len(self._columns) if allowed is None else allowed.count
        where, is_few = self._columns.filter_of(allowed), count <= self._spec.scan_rows
        keys_QK = np.full((len(query_QD), k), -1, dtype=np.int64)
        scores_QK = np.full((len(query_QD), k), -np.inf, dtype=np.float32)
        for place, query_D in enumerate(cut(query_QD, width)):
            keys, scores = self._nearest(query_D, k, where, name, is_few=is_few)
            keys_QK[place], scores_QK[place] = best(keys, scores, k)
        return Neighbours(keys_QK, scores_QK)

    def vectors(self, keys: np.ndarray, name: str = "fused") -> np.ndarray:
        """Return the unit vectors of keys, float32 (len, D); zeros for one without."""
        x_KD = np.zeros((len(keys), self._width(name)), dtype=np.float32)
        asked = list(dict.fromkeys(keys.tolist()))
        found: dict[int, Any] = {}
        for start in range(0, len(asked), PART):
            with self._server.named():
                points = self._server.client.retrieve(
                    self._points,
                    asked[start : start + PART],
                    with_payload=False,
                    with_vectors=[name],
                    consistency=MAJORITY,
                )
            for point in points:
                if isinstance(point.vector, dict) and name in point.vector:
                    found[int(point.id)] = point.vector[name]
        for place, key in enumerate(keys.tolist()):
            if key in found:
                x_KD[place] = found[key]
        return cut(x_KD, x_KD.shape[1])

    def _nearest(
        self, query_D: np.ndarray, k: int, where: models.Filter, name: str, *, is_few: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best keys with their scores; of few products, all that equal the last."""
        codes = self._spec.vectors[name].storage in CODES and not is_few
        params = models.SearchParams(
            exact=is_few,
            hnsw_ef=max(k, self._spec.search_candidates),
            quantization=models.QuantizationSearchParams(
                ignore=not codes,
                rescore=True if codes else None,
                oversampling=self._spec.oversample if codes else None,
            ),
        )
        limit = k + TIES
        while True:
            with self._server.named():
                found = self._server.client.query_points(
                    self._points,
                    query=query_D.tolist(),
                    using=name,
                    query_filter=where,
                    limit=limit,
                    search_params=params,
                    with_payload=False,
                    consistency=MAJORITY,
                ).points
            if not is_few or len(found) < limit or found[-1].score < found[k - 1].score:
                break
            limit *= 2
        keys = np.array([point.id for point in found], dtype=np.int64)
        return keys, np.array([point.score for point in found], dtype=np.float32)

    def _width(self, name: str) -> int:
        if name not in self._spec.vectors:
            raise EngineError(
                f"There are no {name!r} vectors; this index has: {', '.join(self._spec.vectors)}. "
                "Search one of these, or rebuild with the others."
            )
        return self._spec.vectors[name].width


def write_points(
    server: Server, name: str, points: list[models.PointStruct], lease: Lease | None = None
) -> None:
    """Write points in parts, and return once most replicas have them."""
    for start in range(0, len(points), PART):
        if lease is not None:
            lease.keep()
        with server.named():
            server.client.upsert(
                points_of(server, name), points[start : start + PART], wait=True, ordering=STRONG
            )
