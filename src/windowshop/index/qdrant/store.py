"""A generation in Qdrant: searches by vector, and writes that processes make in turn.

Shapes: B products, D width of a vector, K results, Q queries, W full width of a vector.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from qdrant_client import models

from windowshop.engines import EngineSpec, cut
from windowshop.errors import IndexFolderError, WindowshopError
from windowshop.index.catalogue.remote_allowed import RemoteAllowed
from windowshop.index.catalogue.remote_store import RemoteStore, RemoteVectors
from windowshop.index.catalogue.restore import Derivation
from windowshop.index.catalogue.view import View
from windowshop.index.qdrant.columns import PointColumns
from windowshop.index.qdrant.connect import MAJORITY, STRONG, Server
from windowshop.index.qdrant.layout import (
    CODES,
    Column,
    Generation,
    create_indexes,
    points_of,
    read_generation,
)
from windowshop.index.qdrant.lease import Lease, writing
from windowshop.index.qdrant.points import product_points

PART = 256
"""Points that a request writes."""
TIES = 8
"""Products asked for beyond those wanted, as equal scores have the order of keys."""
KEPT_SECONDS = 300.0
"""Time that replaced and deleted products are kept for searches that began before."""


class QdrantStore(RemoteStore):
    """Products of one generation in a cluster."""

    def __init__(self, server: Server, name: str, derivation: Derivation) -> None:
        """Open a generation; raises IndexFolderError where there is none.

        Raises EngineError without the settings of its vectors.
        """
        super().__init__(server.place, name, derivation)
        self._server = server
        self._mark = (0, time.monotonic())
        """Number of a change, and when it was the last one at the latest."""
        with self.read_view():
            pass

    @property
    def seq(self) -> int:
        """Number of the last change of the products that it has all changes up to."""
        return self._read().seq

    @contextmanager
    def read_view(self) -> Iterator[View]:
        """Give one state of the catalogue for several reads; writes go on."""
        columns = PointColumns(self._server, self._read(), self._numbering)
        yield View(columns, PointVectors(self._server, columns, self._spec))

    def _write(self, products: pl.DataFrame, stored: Mapping[str, np.ndarray]) -> None:
        with writing(self._server, self.name) as lease:
            generation = lease.generation
            rows, types = self._fitted(products, generation.types)
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
        columns = Column.of_types(types)
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


class PointVectors(RemoteVectors):
    """Search by vector as of one change."""

    def __init__(self, server: Server, columns: PointColumns, spec: EngineSpec) -> None:
        super().__init__(columns, spec)
        self._server, self._columns = server, columns
        self._points = points_of(server, columns.generation.name)

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
        self, query_D: np.ndarray, k: int, among: RemoteAllowed | None, name: str, *, is_few: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best keys with their scores; of few products, all that equal the last."""
        where = self._columns.filter_of(among)
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
