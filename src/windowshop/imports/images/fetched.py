"""SQLite file of what each web address gave, so that a download goes on after a kill.

A record is written once its image is on the disk. Records are committed together, a few times a
second; those that a kill takes are asked for again.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from windowshop.errors import DataError, StorageError

FETCHED = "fetched"
"""Kind of a record that has an image."""
COMMIT_SECONDS = 0.5
VERSION = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """State of one web address."""

    url: str
    kind: str
    """`fetched`, or the kind of failure."""
    detail: str = ""
    file: str = ""
    """Path of the image below the shop's folder; "" where there is none."""
    likeness: bytes = b""
    """Perceptual hash and small picture of the image, as `likeness` reads them."""
    num_bytes: int = 0
    """Bytes of the answer."""
    etag: str = ""
    last_modified: str = ""
    asked_at: float = 0.0
    """Seconds of the epoch when the host was asked last."""


COLUMNS = tuple(field.name for field in fields(Record))


class FetchedTable:
    """Records by web address; opened with `open_fetched`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._committed_at = time.monotonic()

    def records(self) -> dict[str, Record]:
        """Return all records by their addresses."""
        rows = self._connection.execute(f"SELECT {', '.join(COLUMNS)} FROM fetched")
        return {row[0]: Record(**dict(zip(COLUMNS, row, strict=True))) for row in rows}

    def begin(self) -> float:
        """Return when the run began that was killed, or begin one now."""
        row = self._connection.execute("SELECT began_at FROM run").fetchone()
        if row is not None:
            return float(row[0])
        began_at = time.time()
        self._connection.execute("INSERT INTO run VALUES (?)", (began_at,))
        self._connection.commit()
        return began_at

    def put(self, record: Record) -> None:
        """Write a record; it is committed a moment later."""
        places = ", ".join("?" * len(COLUMNS))
        self._connection.execute(
            f"INSERT OR REPLACE INTO fetched VALUES ({places})", astuple(record)
        )
        if time.monotonic() - self._committed_at > COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Commit what was written."""
        self._connection.commit()
        self._committed_at = time.monotonic()

    def end(self, urls: Iterable[str]) -> None:
        """End the run, and forget the addresses that are not among `urls`."""
        self._connection.execute("CREATE TEMP TABLE used (url TEXT PRIMARY KEY)")
        self._connection.executemany("INSERT INTO used VALUES (?)", ((url,) for url in urls))
        self._connection.execute("DELETE FROM fetched WHERE url NOT IN (SELECT url FROM used)")
        self._connection.execute("DELETE FROM run")
        self._connection.commit()


@contextmanager
def open_fetched(path: Path) -> Iterator[FetchedTable]:
    """Open the file, made where it is missing; what was written is committed in any case."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path)
        try:
            _make_tables(connection, path)
            table = FetchedTable(connection)
            try:
                yield table
            finally:
                table.commit()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"{path}: cannot be read or written ({error}). Give the right to it and room, then run "
            "the same command again to go on."
        ) from None
    except sqlite3.DatabaseError as error:
        raise DataError(
            f"{path}: is damaged ({error}). Remove it: the images are asked for again."
        ) from None


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise DataError(
            f"{path}: found version {version}, this version reads {VERSION}. "
            "Remove it: the images are asked for again."
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS fetched (url TEXT PRIMARY KEY, kind TEXT, detail TEXT, "
        "file TEXT, likeness BLOB, num_bytes INTEGER, etag TEXT, last_modified TEXT, asked_at REAL)"
        " WITHOUT ROWID"
    )
    connection.execute("CREATE TABLE IF NOT EXISTS run (began_at REAL)")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.commit()
