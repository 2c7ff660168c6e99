"""An index -> a generation in PostgreSQL, in parts, and switched to when it is whole."""

import psycopg

from windowshop.errors import StorageError
from windowshop.index.postgres.connect import Row, Server
from windowshop.index.postgres.copying import copy_rows
from windowshop.index.postgres.schema import (
    GENERATION_ROW,
    create_generation,
    create_indexes,
    create_tables,
    drop_generation,
    generation_of,
)
from windowshop.index.remote import Content, PushConfig, Pushed, file_parts
from windowshop.index.rows import types_of
from windowshop.progress import Reporter

PART_ROWS = 5_000
PART_BYTES = 8 << 20


def push(content: Content, server: Server, reporter: Reporter, config: PushConfig) -> Pushed:
    """Copy an index to a server and make it current; see `windowshop.index.push_index`."""
    taken = StorageError(f"{server.place}: another process pushes to it. Wait until it has ended.")
    with server.writing() as connection:
        create_tables(connection)
    with server.locked(f"windowshop {server.place}", taken):
        _require_no_writes(server, replace_writes=config.replace_writes)
        return _Push(server, content, reporter, config).run()


class _Push:
    """Push of one state of an index."""

    def __init__(
        self, server: Server, content: Content, reporter: Reporter, config: PushConfig
    ) -> None:
        self._server, self._content = server, content
        self._reporter, self._config = reporter, config

    def run(self) -> Pushed:
        """Copy what is missing, index it, and switch."""
        name, is_ready, loaded = self._begun()
        total = len(self._content.living.keys)
        if not is_ready:
            with self._reporter.bar("Copy products", total) as advance:
                advance(loaded, "")
                for start in range(loaded, total, PART_ROWS):
                    advance(self._copy(name, start), "")
            with self._server.writing() as connection:
                connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
                row = connection.execute(GENERATION_ROW + "WHERE name = %s", [name]).fetchone()
                create_indexes(
                    connection, generation_of(row, name, self._server), self._content.spec
                )
            with self._server.writing() as connection:
                connection.execute("DELETE FROM windowshop_files WHERE generation = %s", [name])
                for path, file in self._content.files.items():
                    for part, content in enumerate(file_parts(file, PART_BYTES)):
                        connection.execute(
                            "INSERT INTO windowshop_files VALUES (%s, %s, %s, %s)",
                            [name, path, part, content],
                        )
        self._switch(name)
        return Pushed(generation=name, num_products=total, num_found=loaded)

    def _begun(self) -> tuple[str, bool, int]:
        """Return the generation of this state of the index, made where there is none.

        Others that are not whole are dropped.
        """
        with self._server.writing() as connection:
            rows = connection.execute(
                "SELECT name, source, is_ready, loaded FROM windowshop_generations"
            ).fetchall()
            for name, source, is_ready, _ in rows:
                if not is_ready and source != self._content.source:
                    drop_generation(connection, name)
            for name, source, is_ready, loaded in rows:
                if source == self._content.source and self._is_as_pushed(
                    connection, name, is_ready
                ):
                    return name, is_ready, loaded
            numbers = [int(row[0][1:]) for row in rows]
            name = f"g{max(numbers, default=0) + 1}"
            types = types_of(self._content.living.table)
            create_generation(
                connection,
                name,
                self._content.source,
                types,
                self._content.spec,
                self._config.partitions,
            )
            return name, False, 0

    def _is_as_pushed(self, connection: psycopg.Connection[Row], name: str, is_ready: bool) -> bool:
        """Return whether a generation has no writes of its own."""
        if not is_ready:
            return True
        row = connection.execute(
            "SELECT g.seq <= c.pushed_seq FROM windowshop_generations g, windowshop_catalogue c "
            "WHERE g.name = %s",
            [name],
        ).fetchone()
        return bool(row and row[0])

    def _copy(self, name: str, start: int) -> int:
        """Copy a part of the products; returns their number."""
        keys = self._content.living.keys[start : start + PART_ROWS]
        rows = self._content.living.table[start : start + PART_ROWS]
        vectors = self._content.vectors(keys)
        with self._server.writing() as connection:
            row = connection.execute(
                GENERATION_ROW + "WHERE name = %s FOR UPDATE", [name]
            ).fetchone()
            copy_rows(connection, generation_of(row, name, self._server), rows, vectors)
            connection.execute(
                "UPDATE windowshop_generations SET loaded = loaded + %s, "
                "next_key = next_key + %s, living = living + %s WHERE name = %s",
                [len(rows)] * 3 + [name],
            )
        return len(rows)

    def _switch(self, name: str) -> None:
        """Make the generation current, and drop those that cannot be returned to."""
        with self._server.writing() as connection:
            row = connection.execute(
                "SELECT current, seq, pushed_seq FROM windowshop_catalogue FOR UPDATE"
            ).fetchone()
            current, seq, pushed_seq = row or (None, 0, 0)
            if seq > pushed_seq and not self._config.replace_writes:
                raise _written(self._server, seq - pushed_seq)
            seq = max(seq, self._content.seq)
            connection.execute(
                "UPDATE windowshop_generations SET is_ready = true, seq = %s WHERE name = %s",
                [seq, name],
            )
            connection.execute(
                "UPDATE windowshop_catalogue SET seq = %s, pushed_seq = %s", [seq, seq]
            )
            if name == current:
                return
            connection.execute(
                "UPDATE windowshop_catalogue SET previous = current, current = %s", [name]
            )
            for (other,) in connection.execute(
                "SELECT name FROM windowshop_generations"
            ).fetchall():
                if other not in (name, current):
                    drop_generation(connection, other)


def _require_no_writes(server: Server, *, replace_writes: bool) -> None:
    with server.reading() as reader:
        seq, pushed_seq = reader.row("SELECT seq, pushed_seq FROM windowshop_catalogue")
    if seq > pushed_seq and not replace_writes:
        raise _written(server, seq - pushed_seq)


def _written(server: Server, count: int) -> StorageError:
    return StorageError(
        f"{server.place}: has {count} writes since the last push, which the index lacks. Write "
        "these products to the index too, then push with --replace-writes."
    )
