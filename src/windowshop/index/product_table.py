"""Products of an index: the latest record of each, in the index's database.

    products      a row a product: its values as JSON, or that it was deleted
    columns       names and types of the values
    generations   which generation is searched, and the one before it

`seq` counts the changes of all products; `version` is a number that each record has for itself, so
that what is made of a record, such as vectors, can tell whose it is.
"""

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
from filelock import FileLock, Timeout

from windowshop.errors import DamagedError, StorageError
from windowshop.index.database import Database, damaged_row
from windowshop.index.database_tables import Table, row_checksum
from windowshop.index.rows import (
    check_product_ids,
    fitted,
    from_texts,
    joined,
    plain,
    to_texts,
    type_name,
    type_of,
    types_of,
)
from windowshop.index.transactions import REMEDY

LOCK_FILE = "writer.lock"
PRODUCTS = Table(
    "products",
    (
        "product_id TEXT PRIMARY KEY",
        "seq INTEGER UNIQUE NOT NULL",
        "version INTEGER NOT NULL",
        "deleted INTEGER NOT NULL",
        "row TEXT",
    ),
    indexes=("(seq) WHERE deleted = 1",),
)
COLUMNS = Table("columns", ("name TEXT PRIMARY KEY", "place INTEGER NOT NULL", "type TEXT"))
GENERATIONS = Table("generations", ("place TEXT PRIMARY KEY", "name TEXT NOT NULL"))
TABLES = (PRODUCTS, COLUMNS, GENERATIONS)
PARAMETERS = 500
"""Ids in one statement."""
ADD = "INSERT INTO products (product_id, seq, version, deleted, row) VALUES (?, ?, ?, ?, ?)"
REPLACE = "UPDATE products SET seq = ?2, version = ?3, deleted = ?4, row = ?5 WHERE product_id = ?1"
"""Statements of one row; one that does either would make the checksum twice."""


class Change(NamedTuple):
    """Latest change of a product."""

    product_id: str
    seq: int
    version: int
    deleted: bool


class Known(NamedTuple):
    """Versions of products that a generation has; None for one that is not there."""

    versions: Sequence[int | None]
    seq: int
    """Number of the change up to which it has all."""


@dataclass(frozen=True, slots=True)
class Records:
    """Products that are there, in the order asked for."""

    rows: pl.DataFrame
    versions: list[int]


class ProductTable:
    """Products in the database of an index; many threads read, one at a time writes."""

    def __init__(self, folder: Path, *, durable: bool = False, read_only: bool = False) -> None:
        """Open the table of an index folder, or make one; see `Database` for what it raises."""
        self.folder, self._num_users = folder, 0
        self.database = Database(folder, durable=durable, read_only=read_only)
        self._lock: FileLock | None = None
        try:
            if not read_only:
                self.database.declare(*TABLES)
            with self.database.reading() as connection:
                read_types(connection)
        except BaseException:
            self.database.close()
            raise

    @property
    def seq(self) -> int:
        """Number of the latest change; 0 before the first."""
        with self.database.reading() as connection:
            return latest_seq(connection)

    def state(self) -> tuple[int, int]:
        """Return the number of the latest change and of the products then."""
        with self.database.reading() as connection:
            (count,) = connection.execute(
                "SELECT num - (SELECT count(*) FROM products WHERE deleted = 1) "
                "FROM _totals WHERE name = 'products'"
            ).fetchone()
            return latest_seq(connection), count

    def fit(self, products: pl.DataFrame) -> pl.DataFrame:
        """Return rows with the columns and types of the table.

        A column that it lacks comes with its own type. Raises DataError for a row that cannot fit.
        """
        check_product_ids(products)
        with self.database.reading() as connection:
            types = read_types(connection)
        rows = plain(products)
        return fitted(rows, joined(types, types_of(rows)))

    def upsert(
        self, rows: pl.DataFrame, versions: Sequence[int], known: Known | None = None
    ) -> int:
        """Write whole products, fitted; returns the number of the first change.

        Raises DamagedError, and changes nothing, where an index of the database is damaged, as far
        as `known` versions tell.
        """
        ids = rows["product_id"].to_list()
        with self.database.writing() as connection:
            types = read_types(connection)
            rows = fitted(rows, joined(types, types_of(rows)))
            texts = to_texts(rows)
            write_types(connection, types, types_of(rows))
            return self._put(connection, ids, versions, texts, known)

    def delete(
        self, product_ids: Sequence[str], versions: Sequence[int], known: Known | None = None
    ) -> int:
        """Delete products; returns the number of the first change, and raises as `upsert`."""
        with self.database.writing() as connection:
            return self._put(connection, product_ids, versions, [None] * len(product_ids), known)

    def changes(self, since: int, most: int) -> list[Change]:
        """Return up to so many products that were changed after a number, in the order of changes.

        Raises DamagedError for a damaged record of one that was deleted.
        """
        with self.database.reading() as connection:
            found = connection.execute(
                "SELECT product_id, seq, version, deleted, CASE WHEN deleted THEN row END, "
                "CASE WHEN deleted THEN checksum END FROM products WHERE seq > ? ORDER BY seq "
                "LIMIT ?",
                (since, most),
            ).fetchall()
        for name, seq, version, deleted, row, checksum in found:
            if deleted and row_checksum(name, seq, version, deleted, row) != checksum:
                raise damaged_row(self.database.path, "products", name)
        return [
            Change(name, seq, version, bool(deleted)) for name, seq, version, deleted, *_ in found
        ]

    def records(self, product_ids: Sequence[str]) -> Records:
        """Return the products of these ids; raises DamagedError for a damaged one."""
        with self.database.reading() as connection:
            types = read_types(connection)
            found = self.held(product_ids)
        held = [found[name] for name in product_ids if name in found]
        rows = from_texts([text for _, text in held], types)
        return Records(rows, [version for version, _ in held])

    def held(self, product_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Return version and values, as JSON, of the products of these ids that are there."""
        found: dict[str, tuple[int, str]] = {}
        with self.database.reading() as connection:
            for start in range(0, len(product_ids), PARAMETERS):
                part = product_ids[start : start + PARAMETERS]
                marks = ", ".join("?" * len(part))
                where = f"WHERE product_id IN ({marks})"
                for row in self._checked(connection, where, part):
                    if not row.deleted:
                        found[row.product_id] = (row.version, row.row)
        return found

    def texts(self) -> Iterator[str]:
        """Yield the values of every product as JSON; raises DamagedError for a damaged one."""
        with self.database.reading() as connection:
            for row in self._checked(connection, "WHERE deleted = 0"):
                yield row.row

    def table(self) -> pl.DataFrame:
        """Return every product, by id; raises DamagedError for a damaged one."""
        with self.database.reading() as connection:
            types = read_types(connection)
            return from_texts(self.texts(), types).sort("product_id") if types else pl.DataFrame()

    def check(self) -> None:
        """Read all records; raises DamagedError where one is not as it was written."""
        self.database.check(*TABLES)

    def purge(self, until: int) -> int:
        """Forget deleted products of changes up to a number; returns how many.

        The latest change of all stays: it tells the next number.
        """
        with self.database.writing() as connection:
            done = connection.execute(
                "DELETE FROM products WHERE deleted = 1 AND seq <= ? AND seq < "
                "(SELECT max(seq) FROM products)",
                (until,),
            )
            return done.rowcount

    def close(self) -> None:
        """Release the table, if nobody else in this process has it; closing twice does nothing."""
        with _opening:
            self._num_users -= 1
            if self._num_users > 0:
                return
            if _open.get(self.folder.resolve()) is self:
                del _open[self.folder.resolve()]
            self.database.close()
            if self._lock is not None:
                self._lock.release()

    def _put(
        self,
        connection: sqlite3.Connection,
        product_ids: Sequence[str],
        versions: Sequence[int],
        texts: Sequence[str | None],
        known: Known | None,
    ) -> int:
        """Write records, None for one that is deleted; returns the number of the first change."""
        found = self._found(connection, product_ids)
        if known is not None:
            self._confirm(found, product_ids, known)
        first = latest_seq(connection) + 1
        added: list[tuple[str, int, int, int, str | None]] = []
        replaced = added[:]
        for i, (name, version, text) in enumerate(zip(product_ids, versions, texts, strict=True)):
            rows = replaced if name in found else added
            rows.append((name, first + i, version, int(text is None), text))
        try:
            connection.executemany(ADD, added)
            connection.executemany(REPLACE, replaced)
        except sqlite3.IntegrityError:
            raise damaged_index(self.database.path) from None
        self._confirm_put(connection, product_ids, first)
        return first

    def _found(
        self, connection: sqlite3.Connection, product_ids: Sequence[str]
    ) -> dict[str, tuple[int, int, int]]:
        """Return seq, version and whether deleted of the products that the index of ids finds."""
        found: dict[str, tuple[int, int, int]] = {}
        for start in range(0, len(product_ids), PARAMETERS):
            part = product_ids[start : start + PARAMETERS]
            marks = ", ".join("?" * len(part))
            query = (
                "SELECT product_id, seq, version, deleted FROM products "
                f"WHERE product_id IN ({marks})"
            )
            found.update((row[0], row[1:]) for row in connection.execute(query, part))
        return found

    def _confirm(
        self,
        found: Mapping[str, tuple[int, int, int]],
        product_ids: Sequence[str],
        known: Known,
    ) -> None:
        """Compare what the index of ids finds with the versions that are known.

        A damaged page of it could hide a product, so that a write adds it a second time, or lead
        to another one.
        """
        for name, version in zip(product_ids, known.versions, strict=True):
            seq, held, deleted = found.get(name, (0, 0, 1))
            is_newer = seq > known.seq  # others changed it since
            if not is_newer and (None if deleted else held) != version:
                raise damaged_index(self.database.path)

    def _confirm_put(
        self, connection: sqlite3.Connection, product_ids: Sequence[str], first: int
    ) -> None:
        """Compare the ids of the rows that a write has changed with those it was of."""
        query = "SELECT product_id FROM products WHERE seq >= ? ORDER BY seq"
        if [name for (name,) in connection.execute(query, (first,))] != list(product_ids):
            raise damaged_index(self.database.path)

    def _checked(
        self, connection: sqlite3.Connection, where: str, values: Sequence[str] = ()
    ) -> Iterator["_Row"]:
        rows = self.database.checked(connection, PRODUCTS.name, PRODUCTS.names, where, values)
        return (_Row(*row) for row, _ in rows)


class _Row(NamedTuple):
    """Row of PRODUCTS."""

    product_id: str
    seq: int
    version: int
    deleted: int
    row: str
    """Values as JSON; null of one that was deleted."""


_open: dict[Path, ProductTable] = {}
_opening = threading.Lock()


def open_products(folder: Path, *, durable: bool = False, read_only: bool = False) -> ProductTable:
    """Open the products of an index to write; within a process, all who do so share one table.

    With `read_only`, others may have it open. Raises StorageError where another process writes it.
    """
    if read_only:
        return ProductTable(folder, read_only=True)
    with _opening:
        key = folder.resolve()
        table = _open.get(key)
        if table is None:
            folder.mkdir(parents=True, exist_ok=True)
            lock = taken(folder / LOCK_FILE, folder)
            try:
                table = _open[key] = ProductTable(folder, durable=durable)
            except BaseException:
                lock.release()
                raise
            table._lock = lock
        table._num_users += 1
        return table


def taken(path: Path, folder: Path) -> FileLock:
    """Take a lock file of a folder; raises StorageError where another process has it."""
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StorageError(
            f"{folder}: another process has it open to write. Stop it, send it your writes, or "
            "open the index read-only."
        ) from None
    return lock


def damaged_index(path: Path) -> DamagedError:
    """Return the error of an index of a database that does not fit its table."""
    return DamagedError(f"{path}: an index is damaged. {REMEDY}")


def new_versions(count: int) -> range:
    """Return numbers that no other record of a product has."""
    start = (time.time_ns() // 1_000_000 << 20) + secrets.randbits(20)
    return range(start, start + count)


def latest_seq(connection: sqlite3.Connection) -> int:
    """Return the number of the latest change; 0 before the first."""
    (seq,) = connection.execute("SELECT max(seq) FROM products").fetchone()
    return int(seq or 0)


def read_types(connection: sqlite3.Connection) -> dict[str, pl.DataType]:
    """Return the types of the columns, in order."""
    found = connection.execute("SELECT name, type FROM columns ORDER BY place").fetchall()
    return {name: type_of(text) for name, text in found}


def write_types(
    connection: sqlite3.Connection,
    held: Mapping[str, pl.DataType],
    types: Mapping[str, pl.DataType],
) -> None:
    """Set the types of columns that are new or have others than those held."""
    changed = [
        (name, place, type_name(dtype))
        for place, (name, dtype) in enumerate(types.items())
        if held.get(name) != dtype
    ]
    if changed:
        connection.executemany(
            "INSERT INTO columns VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET type = excluded.type",
            changed,
        )
