"""Transactions of SQLite files, the room that they give back, and their errors by name."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from windowshop.errors import DamagedError, StorageError

FULL = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}
DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"}
UNREADABLE = {"", "SQLITE_ERROR"}
"""Codes of texts that are no UTF-8, and of tables and columns that are not there."""
REMEDY = "Restore the index from a copy, or build it again from the data folder."


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit the changes within the block as one, or undo them where it fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def vacuum(connection: sqlite3.Connection, least_pages: int = 0) -> None:
    """Give the room of deleted rows back, where that is a fourth of the file and some pages."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    if free > max(least_pages, pages // 4):
        connection.execute("VACUUM")


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into StorageError and DamagedError."""
    try:
        yield
    except UnicodeDecodeError as error:  # in a message of SQLite, which quotes what it cannot read
        raise DamagedError(f"{path}: is damaged ({error}). {REMEDY}") from None
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorname", "") or ""
        if code in FULL:
            raise StorageError(
                f"{path}: the disk is full. Make room, then send it again: nothing was changed.",
                is_full=True,
            ) from None
        if code.startswith(tuple(DAMAGED)) or code in UNREADABLE:
            raise DamagedError(f"{path}: is damaged ({error}). {REMEDY}") from None
        if isinstance(error, sqlite3.OperationalError):
            raise StorageError(
                f"{path}: cannot be read or written ({error}; {code}). Give the right to it and "
                "room, then try again: nothing was changed."
            ) from None
        raise
