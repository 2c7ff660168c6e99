"""Database of an index: one SQLite file in WAL mode, with the means to see that it is whole.

    INDEX/shop.db (-wal, -shm)   the tables
    INDEX/shop.mark              number of the last transaction that was acknowledged

SQLite has no checksums of its pages, and drops the end of a damaged WAL without a word. So each row
has a checksum of its values, `_totals` the number of rows of each table and the exclusive or of
their checksums, and the number of each transaction is noted outside the database once it is
committed. `check` compares all of them.
"""

import logging
import os
import sqlite3
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import xxhash

from windowshop.errors import DamagedError, StorageError
from windowshop.files import sync
from windowshop.index.database_tables import Table, definitions, row_checksum
from windowshop.index.transactions import REMEDY, named_errors, transaction, vacuum

LOG = logging.getLogger(__name__)
DATABASE_FILE, MARK_FILE = "shop.db", "shop.mark"
VERSION = 1
"""Version of the tables, in `user_version`."""
MARK = struct.Struct("<Q36sQ")
"""Transaction number, boot of the machine, and xxh3-64 of both."""
BUSY_SECONDS = 30.0
CACHE_KIB = 16 * 1024
SHRINK_PAGES = 1_024
"""Free pages from which a file is shrunk."""
PASSING = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED")
"""Errors after which a connection is as good as before."""
MAKE = (
    "CREATE TABLE IF NOT EXISTS _transactions (number INTEGER NOT NULL)",
    "INSERT INTO _transactions SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM _transactions)",
    "CREATE TABLE IF NOT EXISTS _totals "
    "(name TEXT PRIMARY KEY, num INTEGER NOT NULL, digest INTEGER NOT NULL)",
    f"PRAGMA user_version = {VERSION}",
)
"""Statements that make a database without tables of its own."""


class Database:
    """Tables that many threads and processes read, and one transaction at a time writes."""

    def __init__(self, folder: Path, *, durable: bool = False, read_only: bool = False) -> None:
        """Open the database of an index folder, or make one.

        Args:
            folder: The index folder.
            durable: Whether a commit survives a power loss, at one fsync each; without, it survives
                the death of the process, and a power loss may cost the latest ones.
            read_only: Whether nothing on the disk may change.

        Raises:
            DamagedError: It is no database, or lacks transactions that were acknowledged.
            StorageError: It cannot be opened, or there is none and `read_only` is set.
        """
        self.path, self._mark_path = folder / DATABASE_FILE, folder / MARK_FILE
        self._durable, self._read_only = durable, read_only
        self._lock, self._own = threading.Lock(), threading.local()
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        self._mark: int | None = None
        self.num_lost = 0
        """Transactions that a power loss has cost, as far as is known."""
        try:
            self._check_wal()
            if not read_only:
                self._make()
            with self.reading() as connection:
                self._check_last(connection)
        except BaseException:
            self.close()
            raise

    def declare(self, *tables: Table) -> None:
        """Make the tables that are not there; writes nothing where all are."""
        with self.reading() as connection:
            found = {name for (name,) in connection.execute("SELECT name FROM _totals")}
        if found >= {table.name for table in tables}:
            return
        with self.writing() as connection:
            for table in tables:
                for statement in definitions(table):
                    connection.execute(statement)

    def total(self, table: Table) -> tuple[int, int]:
        """Return the number of a table's rows and the exclusive or of their checksums."""
        with self.reading() as connection:
            row = connection.execute(
                "SELECT num, digest FROM _totals WHERE name = ?", (table.name,)
            ).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one state of the database inside `with`."""
        with named_errors(self.path):
            connection = self._connection()
            if connection.in_transaction:  # within another `with` of this thread
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose changes are committed as one on leaving, or undone by an error.

        Raises StorageError where they cannot be written; the database is then as it was.
        """
        if self._read_only:
            raise StorageError(f"{self.path}: is open to be read only.")
        with self._lock, named_errors(self.path):
            connection = self._connection()
            try:
                with transaction(connection):
                    yield connection
                    connection.execute("UPDATE _transactions SET number = number + 1")
                    (number,) = connection.execute("SELECT number FROM _transactions").fetchone()
            except sqlite3.OperationalError as error:
                self._renew(connection, error)
                raise
            self._note(number)

    def rows(
        self, table: Table, rest: str = "", values: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Return rows with all columns; `rest` is the SQL after the table's name, "" for all rows.

        Raises DamagedError at a row that does not fit its checksum, and where all are not there.
        """
        with self.reading() as connection:
            pairs = list(self.checked(connection, table.name, table.names, rest, values))
            if not rest:
                self._compare(connection, table.name, (checksum for _, checksum in pairs))
        return [row for row, _ in pairs]

    @contextmanager
    def attached(self, path: Path, name: str) -> Iterator[None]:
        """Let the calling thread's statements read another database file as `name`."""
        with named_errors(path):
            self._connection().execute("ATTACH ? AS " + name, (str(path),))
            try:
                yield
            finally:
                self._connection().execute("DETACH " + name)

    def sync(self) -> None:
        """Put the transactions so far on the disk, against power loss."""
        wal = self.path.with_name(f"{DATABASE_FILE}-wal")
        with suppress(FileNotFoundError):  # emptied by another process, which syncs
            sync(wal)

    def shrink(self) -> None:
        """Give room of deleted rows back to the disk, where that is a fourth of the file."""
        with self._lock, named_errors(self.path):
            connection = self._connection()
            vacuum(connection, SHRINK_PAGES)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def check(self, *tables: Table) -> dict[str, int]:
        """Read everything, or the given tables, and return the number of rows by table.

        Raises DamagedError where pages, rows or counts are not as they were written.
        """
        with self.reading() as connection:
            for what in [f"'{table.name}'" for table in tables] or ["1"]:
                (found,) = connection.execute(f"PRAGMA integrity_check({what})").fetchone()
                if found != "ok":
                    raise DamagedError(f"{self.path}: is damaged ({found}). {REMEDY}")
            names = [table.name for table in tables]
            if not tables:
                names = [name for (name,) in connection.execute("SELECT name FROM _totals")]
            return {name: self._check_table(connection, name) for name in names}

    def close(self) -> None:
        """Close all connections; the last process to do so empties the WAL."""
        with self._lock:
            for connection in list(self._connections.values()):
                with suppress(sqlite3.Error):
                    connection.close()
            self._connections.clear()
            self._own = threading.local()
            if self._mark is not None:
                os.close(self._mark)
                self._mark = None

    def _check_wal(self) -> None:
        """Check the mark before a connection that would empty the WAL as it closes."""
        wal = self.path.with_name(f"{DATABASE_FILE}-wal")
        if not wal.exists() or not wal.stat().st_size:
            return
        with named_errors(self.path):
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
                self._check_last(connection)

    def _make(self) -> None:
        with named_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connection()
            connection.execute("PRAGMA journal_mode = WAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version:
                return
            if self._noted()[0]:
                raise self._lacks(self._noted()[0])
            with transaction(connection):
                for statement in MAKE:
                    connection.execute(statement)

    def _connection(self) -> sqlite3.Connection:
        """Return the calling thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            # Others come and go meanwhile: a list is made at once, and one of them may be faster.
            for thread in [name for name in list(self._connections) if not name.is_alive()]:
                if (old := self._connections.pop(thread, None)) is not None:
                    old.close()
            connection = self._own.connection = self._connect()
            self._connections[threading.current_thread()] = connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        uri = self.path.absolute().as_uri()
        if not self._read_only:
            mode = "?mode=rwc"
        elif not self.path.is_file():
            if self._noted()[0]:
                raise self._lacks(self._noted()[0])
            raise StorageError(f"{self.path}: there is no such file. {REMEDY}")
        else:
            mode = read_mode(self.path)
        connection = sqlite3.connect(
            uri + mode,
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.create_function("row_checksum", -1, row_checksum, deterministic=True)
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA recursive_triggers = ON")
        if self._read_only:
            connection.execute("PRAGMA query_only = ON")
        return connection

    def _check_last(self, connection: sqlite3.Connection) -> None:
        """Check the version, and that the last transaction that was noted is there."""
        number = 0
        noted, boot = self._noted()  # first, since others commit meanwhile
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == VERSION:
            (number,) = connection.execute("SELECT number FROM _transactions").fetchone()
        elif connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
            raise DamagedError(
                f"{self.path}: has tables of version {version}, this windowshop reads {VERSION}. "
                f"{REMEDY}"
            )  # else it is being made, or that was cut off
        if noted <= number:
            return
        lost = noted - number
        if boot == _boot() or self._durable:
            raise self._lacks(lost)
        self.num_lost = lost  # the machine failed since: what the system had not written yet
        LOG.warning("%s: a power loss cost its last %d transactions", self.path, lost)

    def _lacks(self, count: int) -> DamagedError:
        return DamagedError(
            f"{self.path}: lacks its last {count} transactions, which were acknowledged: the file, "
            f"or the one ending in -wal beside it, is damaged or missing. {REMEDY} To go on "
            f"without them, delete {self._mark_path.name}."
        )

    def _noted(self) -> tuple[int, bytes]:
        """Read the mark; 0 where there is none, or a damaged one, which proves nothing."""
        try:
            content = self._mark_path.read_bytes()
            number, boot, checksum = MARK.unpack(content)
        except (OSError, struct.error):
            return 0, b""
        whole = xxhash.xxh3_64_intdigest(content[:-8]) == checksum
        return (number, boot) if whole else (0, b"")

    def _note(self, number: int) -> None:
        """Note a committed transaction; overwrites, so that it needs no room on the disk."""
        content = MARK.pack(number, _boot(), 0)[:-8]
        content += xxhash.xxh3_64_intdigest(content).to_bytes(8, "little")
        with suppress(OSError):  # the transaction is committed in any case
            if self._mark is None:
                self._mark = os.open(self._mark_path, os.O_RDWR | os.O_CREAT, 0o644)
            os.pwrite(self._mark, content, 0)

    def _renew(self, connection: sqlite3.Connection, error: sqlite3.Error) -> None:
        """Close a connection that may have been opened when nothing could be written."""
        if not (getattr(error, "sqlite_errorname", "") or "").startswith(PASSING):
            self._own.connection = None
            connection.close()

    def checked(
        self,
        connection: sqlite3.Connection,
        name: str,
        columns: Sequence[str],
        rest: str = "",
        values: Sequence[Any] = (),
    ) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Yield rows of some columns, each with its checksum; `rest` is as in `rows`.

        Raises DamagedError at a row that does not fit its checksum.
        """
        names = ", ".join(columns)
        for *row, checksum in connection.execute(
            f"SELECT {names}, checksum FROM {name} {rest}", values
        ):
            if row_checksum(*row) != checksum:
                raise damaged_row(self.path, name, row[0])
            yield tuple(row), checksum

    def _check_table(self, connection: sqlite3.Connection, name: str) -> int:
        found = connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
        columns = [row[1] for row in found if row[1] != "checksum"]
        pairs = self.checked(connection, name, columns) if found else iter(())
        return self._compare(connection, name, (checksum for _, checksum in pairs))

    def _compare(self, connection: sqlite3.Connection, name: str, checksums: Iterable[int]) -> int:
        """Compare the rows that were found with those that were written; returns their number."""
        num = digest = 0
        for checksum in checksums:
            num, digest = num + 1, digest ^ checksum
        written = connection.execute("SELECT num, digest FROM _totals WHERE name = ?", (name,))
        if written.fetchall() != [(num, digest)]:
            raise DamagedError(
                f"{self.path}: table {name} has {num} rows, not all that were written, or others. "
                f"{REMEDY}"
            )
        return num


def read_mode(path: Path) -> str:
    """Return the parameter by which a database in WAL mode is opened and nothing is changed."""
    if not os.access(path.parent, os.W_OK):
        return "?immutable=1"  # nobody makes the shared memory that readers of a WAL need
    # "ro" would leave the WAL that it makes, "rw" would empty one that is there
    wal = path.with_name(f"{path.name}-wal")
    return "?mode=ro" if wal.exists() and wal.stat().st_size else "?mode=rw"


def damaged_row(path: Path, table: str, key: object) -> DamagedError:
    """Return the error of a row that does not fit its checksum."""
    return DamagedError(f"{path}: the row {key!r} of table {table} is damaged. {REMEDY}")


@cache
def _boot() -> bytes:
    """Return an id of this start of the machine; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return b""
