"""Connections to a PostgreSQL server, with errors that name it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import psycopg_pool
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from windowshop.errors import (
    ConfigError,
    DataError,
    IndexFolderError,
    StorageError,
    WindowshopError,
    first_line,
    plain_address,
)
from windowshop.index.remote import PUSH

MOST = 24
"""Connections of a process: as many searches as run at a time, and a write."""
SECONDS, WAIT_SECONDS = 10, 3
"""Time that a connection waits for the server, and a request for a connection."""
SESSION = (
    "SET hnsw.iterative_scan = strict_order",
    "SET hnsw.ef_search = 200",
    "SET hnsw.max_scan_tuples = 200000",
    "SET jit = off",
    "SET timezone = 'UTC'",
)
"""Settings of each connection: graphs are searched on until enough products pass a filter."""
WITH_PUBLIC = """SELECT
    set_config('search_path', current_setting('search_path') || ', public', false) WHERE
    to_regclass(quote_ident(current_schema()) || '.windowshop_catalogue') IS NOT NULL"""
"""Statement that finds the types of pgvector in `public`, but never a catalogue there."""
Row = tuple[Any, ...]


class Server:
    """A database of a server, as an address names it; for many threads."""

    def __init__(self, address: str, *, pooled: bool = False) -> None:
        """Connect when it is used; with `pooled`, connections are kept for the next use.

        Raises ConfigError for an address that cannot be read.
        """
        try:
            named = conninfo_to_dict(address)
        except psycopg.Error:  # whose words repeat the address, or a part of the password
            raise ConfigError(
                f"The address of PostgreSQL cannot be read: {plain_address(address)}. Write "
                "postgresql://USER@HOST:PORT/DATABASE?OPTION=VALUE, with the options of libpq, and "
                "percent-encode signs that are no letters or digits in a password."
            ) from None
        host, port = named.get("host", "localhost"), named.get("port", 5432)
        self.place = f"postgresql://{host}:{port}/{named.get('dbname') or named.get('user', '')}"
        """The address without user, password and options."""
        self._address = make_conninfo(
            address, connect_timeout=named.get("connect_timeout", SECONDS)
        )
        self._pool: psycopg_pool.ConnectionPool[psycopg.Connection[Row]] | None = None
        if pooled:
            self._pool = psycopg_pool.ConnectionPool(
                self._address,
                min_size=0,
                max_size=MOST,
                timeout=WAIT_SECONDS,
                open=True,
                configure=_configure,
                reconnect_timeout=0,
            )

    @contextmanager
    def reading(self) -> Iterator["Reader"]:
        """Give one state of the database for several reads."""
        with self._connection() as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            try:
                yield Reader(self, connection)
            finally:
                with self.named():
                    connection.rollback()
                    connection.isolation_level = connection.read_only = None

    @contextmanager
    def writing(self) -> Iterator[psycopg.Connection[Row]]:
        """Give a transaction that is committed at the end of the block."""
        with self._connection() as connection, self.named(), connection.transaction():
            yield connection

    @contextmanager
    def locked(self, name: str, taken: WindowshopError) -> Iterator[None]:
        """Keep other processes out of a block of the same name; raises `taken` where one is in."""
        with self._connection() as connection, self.named():
            question = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
            row = connection.execute(question, [name]).fetchone()
            connection.commit()
            if row is None or not row[0]:
                raise taken
            try:
                yield
            finally:
                connection.execute("SELECT pg_advisory_unlock_all()")
                connection.commit()

    @contextmanager
    def named(self) -> Iterator[None]:
        """Turn errors of the server within the block into ours, which name it."""
        try:
            yield
        except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
            raise self._error(error) from None
        except UnicodeEncodeError as error:
            raise DataError(
                f"{self.place}: {error.object!r} has half a character, which no text can have. "
                "Change that value."
            ) from None

    def close(self) -> None:
        """Release the connections."""
        if self._pool is not None:
            self._pool.close()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Row]]:
        if self._pool is None:
            with self.named():
                connection = psycopg.connect(self._address)
                _configure(connection)
            try:
                yield connection
            finally:
                connection.close()
            return
        with self.named():
            connection = _alive(self._pool)
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def _error(self, error: Exception) -> WindowshopError:
        reason = first_line(error)
        if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
            return IndexFolderError(f"{self.place}: holds no catalogue ({reason}). {PUSH}.")
        if isinstance(error, psycopg.errors.UndefinedFile | psycopg.errors.FeatureNotSupported):
            return ConfigError(f"{self.place}: {reason}. Install the extension pgvector there.")
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            return StorageError(
                f"{self.place}: is a standby, which takes no writes. Write to the primary, or "
                "promote this one."
            )
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return ConfigError(f"{self.place}: {reason}. Give the user this right.")
        if isinstance(error, psycopg.DataError):
            return DataError(f"{self.place}: {reason}. Change that value.")
        is_full = isinstance(error, psycopg.errors.DiskFull)
        remedy = "Make room there" if is_full else "See that it runs and can be reached"
        return StorageError(f"{self.place}: {reason}. {remedy}, and try again.", is_full=is_full)


class Reader:
    """Reads of one state of the database."""

    def __init__(self, server: Server, connection: psycopg.Connection[Row]) -> None:
        self._server, self._connection = server, connection

    def rows(self, statement: str, parameters: list[Any] | None = None) -> list[Row]:
        """Return the rows of a statement; values of types of pgvector are bytes."""
        with self._server.named():
            found: list[Row] = self._connection.execute(
                statement, parameters, binary=True
            ).fetchall()
            return found

    def row(self, statement: str, parameters: list[Any] | None = None) -> Row:
        """Return the first row of a statement that has one."""
        return self.rows(statement, parameters)[0]


def _alive(
    pool: "psycopg_pool.ConnectionPool[psycopg.Connection[Row]]",
) -> psycopg.Connection[Row]:
    """Take a connection; where the server has ended it, replace all such ones."""
    connection = pool.getconn()
    try:
        connection.execute("")
        connection.rollback()
    except psycopg.OperationalError:
        pool.putconn(connection)
        pool.check()
        connection = pool.getconn()
    return connection


def _configure(connection: psycopg.Connection[Row]) -> None:
    for statement in SESSION:
        connection.execute(statement)
    connection.execute(WITH_PUBLIC)
    connection.commit()
