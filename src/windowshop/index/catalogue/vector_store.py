"""Vectors of a generation by the version of the record that they were made of.

    FOLDER/vectors.db (-wal, -shm)   a row a record, with a checksum

A row's content is a line of JSON, with the layout of its vectors and values of internal columns,
and the bytes of the vectors. What is lost or damaged counts as missing, and is made again.

Shapes: B records, W width of a vector.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson
import polars as pl
import xxhash

from windowshop.engines import as_type
from windowshop.index.database import read_mode
from windowshop.index.transactions import DAMAGED, named_errors, transaction, vacuum

LOG = logging.getLogger(__name__)
VECTORS_FILE = "vectors.db"
PARAMETERS = 500
"""Versions in one statement."""
DROPPED_ROWS = 1_000
"""Records dropped at a time."""
PAGE_BYTES = 16_384
"""Size of a page, which holds several vectors."""
T = TypeVar("T")


@dataclass(slots=True)
class Stored:
    """Vectors of records and values of internal columns, in the order asked for."""

    has_B: np.ndarray
    """Whether each record is there, bool; the others have zeros."""
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    """Name -> (B, W), float16 or float32."""
    values: dict[str, list[Any]] = field(default_factory=dict)
    """Internal columns."""

    def fill(
        self, places: np.ndarray, vectors: Mapping[str, np.ndarray], columns: pl.DataFrame
    ) -> None:
        """Set what was missing."""
        self.has_B[places] = True
        for name, x_BW in vectors.items():
            self.room(name, x_BW.dtype, x_BW.shape[1])[places] = x_BW
        for name in columns.columns:
            held = self.values.setdefault(name, [None] * len(self.has_B))
            for place, value in zip(places, columns[name], strict=True):
                held[place] = value

    def room(self, name: str, dtype: np.dtype[Any], width: int) -> np.ndarray:
        """Return the array of a vector name, of at least the type's precision."""
        x_BW = self.vectors.get(name)
        if x_BW is None or dtype.itemsize > x_BW.dtype.itemsize:
            wide_BW = np.zeros((len(self.has_B), width), dtype)
            if x_BW is not None:
                wide_BW[:] = x_BW
            x_BW = self.vectors[name] = wide_BW
        return x_BW


class VectorStore:
    """Vectors that one process writes; for many threads."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._path, self._read_only = folder / VECTORS_FILE, read_only
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._is_lost = False
        """Whether the file was damaged, and this process only reads."""
        self.was_lost = not self._path.exists()
        """Whether the file was missing or damaged, so that vectors have to be made again."""

    def put(
        self,
        versions: Sequence[int],
        product_ids: Sequence[str],
        vectors: Mapping[str, np.ndarray],
        columns: pl.DataFrame,
    ) -> None:
        """Add records' vectors, (B, W) by name, and internal columns.

        Raises StorageError where they cannot be written.
        """
        if self._read_only:
            return
        rows = [
            (version, name, content, _checksum(name, content))
            for version, name, content in zip(
                versions, product_ids, _contents(vectors, columns, len(versions)), strict=True
            )
        ]

        self._write("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)

    def get(self, versions: Sequence[int], product_ids: Sequence[str]) -> Stored:
        """Return what is stored of records; damaged ones count as missing."""
        found: dict[int, tuple[str, bytes, int]] = {}

        def read(connection: sqlite3.Connection) -> None:
            for start in range(0, len(versions), PARAMETERS):
                part = versions[start : start + PARAMETERS]
                marks = ", ".join("?" * len(part))
                query = f"SELECT * FROM vectors WHERE version IN ({marks})"
                found.update((row[0], row[1:]) for row in connection.execute(query, part))

        self._done(read)
        contents = []
        for version, product_id in zip(versions, product_ids, strict=True):
            name, content, checksum = found.get(version, ("", b"", 0))
            whole = name == product_id and _checksum(name, content) == checksum
            contents.append(content if whole else None)
        return _stored(contents)

    def versions(self) -> list[int]:
        """Return the versions of all records."""
        return self._done(
            lambda connection: [
                version for (version,) in connection.execute("SELECT version FROM vectors")
            ]
        )

    def drop(self, versions: Sequence[int]) -> None:
        """Drop records, in parts between which others may write."""
        for start in range(0, len(versions), DROPPED_ROWS):
            part = versions[start : start + DROPPED_ROWS]
            self._write("DELETE FROM vectors WHERE version = ?", [(version,) for version in part])

    def shrink(self) -> None:
        """Give room of dropped records back to the disk, where that is a fourth of the file."""
        self._done(vacuum)

    def close(self) -> None:
        """Release the file; closing twice does nothing."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(statement, rows)

        self._done(write)

    def _done(self, task: Callable[[sqlite3.Connection], T]) -> T:
        """Run a task; where the file is damaged, on an empty one."""
        with self._lock, named_errors(self._path):
            try:
                return task(self._opened())
            except sqlite3.DatabaseError as error:
                code = getattr(error, "sqlite_errorname", "") or ""
                if not code.startswith(tuple(DAMAGED)) and not _lacks_table(error):
                    raise
                LOG.warning("%s: is damaged (%s); its vectors are made again", self._path, error)
                self._renew()
                return task(self._opened())

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        uri = self._path.absolute().as_uri()
        if self._read_only and (self._is_lost or not self._path.exists()):
            uri = "file::memory:"
        elif self._read_only:
            uri += read_mode(self._path)
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        if not self._read_only:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            # After a power loss what is damaged is missing: it needs no flush to the disk.
            connection.execute("PRAGMA synchronous = OFF")
        if not self._read_only or uri == "file::memory:":
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors (version INTEGER PRIMARY KEY, "
                "product_id TEXT NOT NULL, content BLOB NOT NULL, checksum INTEGER NOT NULL)"
            )
        return connection

    def _renew(self) -> None:
        self.close()
        self._is_lost, self.was_lost = self._read_only, True
        if not self._read_only:
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(VECTORS_FILE + suffix).unlink(missing_ok=True)


def _lacks_table(error: sqlite3.DatabaseError) -> bool:
    return "no such table" in str(error)


def _checksum(product_id: str, content: bytes) -> int:
    return xxhash.xxh3_64_intdigest(product_id.encode() + b"\0" + content) >> 1


def _contents(
    vectors: Mapping[str, np.ndarray], columns: pl.DataFrame, count: int
) -> Iterator[bytes]:
    kinds = [(name, x_BW.dtype.char, x_BW.shape[1]) for name, x_BW in vectors.items()]
    has: list[list[bool]] = [
        np.asarray(as_type(x_BW, np.float32).any(axis=1)).tolist() for x_BW in vectors.values()
    ]
    rows = [_row_bytes(x_BW) for x_BW in vectors.values()]
    values = columns.to_dicts() if columns.width else [{}] * count
    for i in range(count):
        layout = {kind[0]: [*kind[1:], has_B[i]] for kind, has_B in zip(kinds, has, strict=True)}
        head = orjson.dumps({"vectors": layout, "values": values[i]})
        parts = [row_B[i] for row_B, has_B in zip(rows, has, strict=True) if has_B[i]]
        yield b"\n".join((head, b"".join(parts)))


def _row_bytes(x_BW: np.ndarray) -> list[bytes]:
    """Return the bytes of each row."""
    content, size = x_BW.tobytes(), x_BW.itemsize * x_BW.shape[1]
    return [content[start : start + size] for start in range(0, size * len(x_BW), size)]


def _stored(contents: Sequence[bytes | None]) -> Stored:
    stored = Stored(np.array([content is not None for content in contents], dtype=bool))
    for i, content in enumerate(contents):
        if content is None:
            continue
        line, _, rest = content.partition(b"\n")
        head, offset = orjson.loads(line), 0
        for name, value in head["values"].items():
            stored.values.setdefault(name, [None] * len(contents))[i] = value
        for name, (kind, width, has) in head["vectors"].items():
            dtype = np.dtype(kind)
            x_BW = stored.room(name, dtype, width)
            if has:
                x_BW[i] = np.frombuffer(rest, dtype, width, offset)
                offset += dtype.itemsize * width
    return stored
