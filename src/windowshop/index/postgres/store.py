"""A generation in PostgreSQL: searches by vector, and writes that many processes make.

A write is one transaction: rows of the products that it replaces are deleted, the new ones get the
next keys, and the generation's row, which writers take in turn, counts keys, products and changes.
It is acknowledged once it is committed, and searches of every process see it from then on.

Shapes: B products, D width of a vector, K results, N keys, Q queries, W full width of a vector.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import polars as pl
import psycopg

from windowshop.engines import Allowed, EngineSpec, Neighbours, best, cut
from windowshop.errors import EngineError, StorageError
from windowshop.index.catalogue.remote_allowed import RemoteAllowed
from windowshop.index.catalogue.restore import Derivation, without_internal
from windowshop.index.catalogue.state import check_filters, stored_vectors
from windowshop.index.catalogue.store import Store
from windowshop.index.catalogue.view import View, WriteBacklog
from windowshop.index.postgres.columns import ServerColumns, passing
from windowshop.index.postgres.connect import Reader, Row, Server
from windowshop.index.postgres.copying import copy_rows, vector_text, vectors_of
from windowshop.index.postgres.filters import ALL, Condition, joined
from windowshop.index.postgres.schema import (
    GENERATION_ROW,
    Generation,
    add_columns,
    generation_of,
    read_generation,
)
from windowshop.index.rows import check_product_ids, fitted, plain, types_of
from windowshop.index.rows import joined as joined_types

MOST_FOUND = 1_000
"""Most candidates that a graph of pgvector gives at a time."""


class PostgresStore(Store):
    """Products of one generation on a server."""

    def __init__(self, server: Server, name: str, derivation: Derivation) -> None:
        """Open a generation; raises IndexFolderError where there is none.

        Raises EngineError without the settings of its vectors.
        """
        self._server, self.name, self._derivation = server, name, derivation
        if derivation.spec is None:
            raise EngineError(f"{server.place}: the widths of the vectors are not known.")
        self._spec = derivation.spec
        self._numbering = object()
        with self.read_view():
            pass

    @property
    def spec(self) -> EngineSpec:
        """Settings of the search by vector."""
        return self._spec

    @property
    def seq(self) -> int:
        """Number of the last change of the products that it has all changes up to."""
        with self._server.reading() as reader:
            return read_generation(reader, self.name, self._server).seq

    @property
    def is_behind(self) -> bool:
        """Return False: products and what searches read are the same rows."""
        return False

    @property
    def backlog(self) -> WriteBacklog:
        """Return nothing due: the server looks after its tables."""
        return WriteBacklog(0, 0, 0, 0, lacks_vectors=False)

    @contextmanager
    def read_view(self) -> Iterator[View]:
        """Give one state of the catalogue for several reads; writes go on."""
        with self._server.reading() as reader:
            generation = read_generation(reader, self.name, self._server)
            columns = ServerColumns(reader, generation, self._numbering)
            yield View(columns, ServerVectors(reader, columns, self.spec))

    def upsert(self, products: pl.DataFrame, vectors: Mapping[str, np.ndarray]) -> None:
        """Add or replace whole products; they are acknowledged and found on return.

        Vectors are (B, W) by name, float; a row of zeros or a missing name means no vector. Columns
        whose names begin with _ are kept too. Raises DataError or EngineError, and changes nothing,
        where rows or vectors do not fit.
        """
        check_product_ids(products)
        given, internal = without_internal(products)
        stored = {
            name: cut(stored_vectors(self.spec, name, x_BW, len(products)), vector.width)
            for name, vector in self.spec.vectors.items()
            if (x_BW := vectors.get(name)) is not None
        }
        with self._writing() as (connection, generation):
            held, rows = generation.types, plain(given)
            types = {name: held[name] for name in rows.columns if name in held}
            rows = fitted(rows, joined_types(types, types_of(rows)))
            rows = self._derivation.complete(rows).hstack(internal.get_columns())
            types = joined_types(held, types_of(rows))
            rows = fitted(rows, types)
            check_filters(rows, self.spec)
            if types != held:
                add_columns(connection, generation, types)
            made = Generation(self.name, types, generation.num_keys, 0, 0)
            replaced = _delete(connection, generation, rows["product_id"].to_list())
            copy_rows(connection, made, rows, stored)
            _count(connection, self.name, len(rows), len(rows) - replaced, len(rows))

    def delete(self, product_ids: list[str]) -> int:
        """Delete products; returns how many there were."""
        asked = [name for name in dict.fromkeys(product_ids) if "\0" not in name]
        with self._writing() as (connection, generation):
            count = _delete(connection, generation, asked)
            _count(connection, self.name, 0, -count, count)
        return count

    def catch_up(self, wanted: Callable[[], bool] = lambda: True) -> int:
        """Return 0: there is nothing to catch up with."""
        return 0

    def save_snapshot(self) -> None:
        """Do nothing: every process opens the same tables."""

    def optimise(self) -> None:
        """Do nothing: graphs follow each write."""

    def compact(self) -> None:
        """Do nothing: the server vacuums by itself."""

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
        """Release the connections."""
        self._server.close()

    @contextmanager
    def _writing(self) -> Iterator[tuple[psycopg.Connection[Row], Generation]]:
        """Give the generation to one writer; what it does is committed at the end of the block.

        Raises StorageError where another generation was made current: it would lack the write.
        """
        with self._server.writing() as connection:
            (current,) = connection.execute(
                "SELECT current FROM windowshop_catalogue FOR UPDATE"
            ).fetchone() or (None,)
            if current != self.name:
                raise StorageError(
                    f"{self._server.place}: writes go to generation {current}, and {self.name} was "
                    "opened. Send the products again once the service has followed."
                )
            row = connection.execute(GENERATION_ROW + "WHERE name = %s", [self.name]).fetchone()
            yield connection, generation_of(row, self.name, self._server)


class ServerVectors:
    """Search by vector at one moment."""

    def __init__(self, reader: Reader, columns: ServerColumns, spec: EngineSpec) -> None:
        self._reader, self._columns, self._spec = reader, columns, spec

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """Return the k nearest keys to each query by cosine, (Q, K); key -1 where fewer exist.

        Where few products are allowed all of them are scored, else the graph finds candidates,
        which are scored again.
        """
        width = self._width(name)
        where, count = ALL, len(self._columns)
        if isinstance(allowed, RemoteAllowed):
            where, count = passing(allowed), allowed.count
        is_few = count <= self._spec.scan_rows
        found = [
            self._nearest(query_D, k, where, name, is_few=is_few)
            for query_D in cut(query_QD, width)
        ]
        keys_QK = np.full((len(found), k), -1, dtype=np.int64)
        scores_QK = np.full((len(found), k), -np.inf, dtype=np.float32)
        for place, (keys, scores) in enumerate(found):
            keys_QK[place], scores_QK[place] = best(keys, scores, k)
        return Neighbours(keys_QK, scores_QK)

    def vectors(self, keys: np.ndarray, name: str = "fused") -> np.ndarray:
        """Return the unit vectors of keys, float32 (len, D); zeros for one without."""
        width = self._width(name)
        listed = "{" + ",".join(map(str, keys.tolist())) + "}"
        rows = self._reader.rows(
            f"SELECT key, v_{name} FROM {self._columns.generation.table} "
            "WHERE key = ANY(%s::bigint[])",
            [listed],
        )
        found: dict[int, bytes | None] = dict(rows)
        return cut(vectors_of([found.get(key) for key in keys.tolist()], width), width)

    def _nearest(
        self, query_D: np.ndarray, k: int, where: Condition, name: str, *, is_few: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        table, vector, text = self._columns.generation.table, f"v_{name}", vector_text(query_D)
        width = len(query_D)
        score = f"1 - ({vector}::vector({width}) <=> %s::vector({width}))"
        has = joined((Condition(f"{vector} IS NOT NULL"), where))
        if is_few:
            statement = f"SELECT key, {score} AS score FROM {table} WHERE {has.sql}"
            statement += " ORDER BY score DESC, key LIMIT %s"
            parameters = [text, *has.parameters, k]
        else:
            near = f"{vector} <=> %s::halfvec({width})"
            most = min(MOST_FOUND, round(self._spec.oversample * k))
            candidates = (
                f"SELECT key, {vector} FROM {table} WHERE {has.sql} ORDER BY {near} LIMIT %s"
            )
            statement = f"SELECT key, {score} FROM ({candidates}) AS near"
            parameters = [text, *has.parameters, text, max(k, most)]
        rows = self._reader.rows(statement, parameters)
        keys = np.array([key for key, _ in rows], dtype=np.int64)
        return keys, np.array([score for _, score in rows], dtype=np.float32)

    def _width(self, name: str) -> int:
        if name not in self._spec.vectors:
            raise EngineError(
                f"There are no {name!r} vectors; this index has: {', '.join(self._spec.vectors)}. "
                "Search one of these, or rebuild with the others."
            )
        return self._spec.vectors[name].width


def _delete(
    connection: psycopg.Connection[Row], generation: Generation, product_ids: list[str]
) -> int:
    done = connection.execute(
        f"DELETE FROM {generation.table} WHERE product_id = ANY(%s::text[])", [product_ids]
    )
    return int(done.rowcount)


def _count(
    connection: psycopg.Connection[Row], name: str, num_keys: int, num_living: int, num_changes: int
) -> None:
    """Count keys given out, products and changes of a write."""
    (seq,) = connection.execute(
        "UPDATE windowshop_catalogue SET seq = seq + %s RETURNING seq", [num_changes]
    ).fetchone() or (0,)
    connection.execute(
        "UPDATE windowshop_generations SET next_key = next_key + %s, living = living + %s, "
        "seq = %s WHERE name = %s",
        [num_keys, num_living, seq, name],
    )
