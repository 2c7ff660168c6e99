"""A generation in PostgreSQL: searches by vector, and writes that many processes make.

A write is one transaction: rows of the products that it replaces are deleted, the new ones get the
next keys, and the generation's row, which writers take in turn, counts keys, products and changes.
It is acknowledged once it is committed, and searches of every process see it from then on.

Shapes: B products, D width of a vector, K results, N keys, Q queries, W full width of a vector.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import polars as pl
import psycopg

from windowshop.engines import EngineSpec, cut
from windowshop.errors import StorageError
from windowshop.index.catalogue.remote_allowed import RemoteAllowed
from windowshop.index.catalogue.remote_store import RemoteStore, RemoteVectors
from windowshop.index.catalogue.restore import Derivation
from windowshop.index.catalogue.view import View
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

MOST_FOUND = 1_000
"""Most candidates that a graph of pgvector gives at a time."""


class PostgresStore(RemoteStore):
    """Products of one generation on a server."""

    def __init__(self, server: Server, name: str, derivation: Derivation) -> None:
        """Open a generation; raises IndexFolderError where there is none.

        Raises EngineError without the settings of its vectors.
        """
        super().__init__(server.place, name, derivation)
        self._server = server
        with self.read_view():
            pass

    @property
    def seq(self) -> int:
        """Number of the last change of the products that it has all changes up to."""
        with self._server.reading() as reader:
            return read_generation(reader, self.name, self._server).seq

    @contextmanager
    def read_view(self) -> Iterator[View]:
        """Give one state of the catalogue for several reads; writes go on."""
        with self._server.reading() as reader:
            generation = read_generation(reader, self.name, self._server)
            columns = ServerColumns(reader, generation, self._numbering)
            yield View(columns, ServerVectors(reader, columns, self._spec))

    def _write(self, products: pl.DataFrame, stored: Mapping[str, np.ndarray]) -> None:
        with self._writing() as (connection, generation):
            rows, types = self._fitted(products, generation.types)
            if types != generation.types:
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


class ServerVectors(RemoteVectors):
    """Search by vector at one moment; candidates of the graph are scored again."""

    def __init__(self, reader: Reader, columns: ServerColumns, spec: EngineSpec) -> None:
        super().__init__(columns, spec)
        self._reader, self._table = reader, columns.generation.table

    def vectors(self, keys: np.ndarray, name: str = "fused") -> np.ndarray:
        """Return the unit vectors of keys, float32 (len, D); zeros for one without."""
        width = self._width(name)
        listed = "{" + ",".join(map(str, keys.tolist())) + "}"
        rows = self._reader.rows(
            f"SELECT key, v_{name} FROM {self._table} WHERE key = ANY(%s::bigint[])",
            [listed],
        )
        found: dict[int, bytes | None] = dict(rows)
        return cut(vectors_of([found.get(key) for key in keys.tolist()], width), width)

    def _nearest(
        self, query_D: np.ndarray, k: int, among: RemoteAllowed | None, name: str, *, is_few: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        table, vector, text = self._table, f"v_{name}", vector_text(query_D)
        width, where = len(query_D), ALL if among is None else passing(among)
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
