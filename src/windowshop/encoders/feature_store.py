"""Append-only, content-addressed feature rows on disk, memory-mapped, each with a checksum.

A folder holds `rows.f16` (rows of H float16) and `rows.index` (a record a row: the 128-bit hash of
the content that was encoded, and a 64-bit checksum of the row). A row counts once its record is
written, and records are written after their rows are on the disk, so a kill at any moment costs at
most the last unfinished batch. Two processes may append: a lock covers each append, and where a
content has several rows the last one counts.

A row is compared with its checksum before it is first used. One that differs counts as missing, so
it is encoded and appended anew. Where the folder cannot be written, rows stay in memory.
"""

import os
from pathlib import Path

import numpy as np
import xxhash
from filelock import FileLock

from windowshop.errors import FULL, EncoderError, StorageError

KEY_DTYPE = np.dtype([("high", "<u8"), ("low", "<u8")])
RECORD_DTYPE = np.dtype([("key", KEY_DTYPE), ("checksum", "<u8")])
ROWS_FILE, INDEX_FILE = "rows.f16", "rows.index"
HELD_BYTES = 1 << 30
"""Most bytes of rows that are kept in memory where the folder cannot be written."""
CHECKED_ROWS = 1024
"""Rows that are read at a time to compare them with their checksums."""
UNKNOWN, WHOLE, DAMAGED = 0, 1, 2


def content_keys(contents: list[bytes]) -> np.ndarray:
    """128-bit hash of each content, (B,) of KEY_DTYPE."""
    digests = b"".join(xxhash.xxh3_128_digest(content) for content in contents)
    return np.frombuffer(digests, dtype=KEY_DTYPE)


class FeatureStore:
    """Features of one encoder; H feature width, B batch."""

    def __init__(self, folder: Path, width: int) -> None:
        self.width = width
        self._folder = folder
        self._rows_path, self._index_path = folder / ROWS_FILE, folder / INDEX_FILE
        self._row_bytes = 2 * width
        self._fresh: dict[bytes, int] = {}
        self._held: list[np.ndarray] = []
        self._num_stored = 0
        """Rows on the disk before the first one in memory."""
        self.failure: StorageError | None = None
        """Why rows are kept in memory; None where the folder can be written."""
        records = self._read_records()
        self._checksums = records["checksum"]
        self._states = np.zeros(len(records), dtype=np.uint8)
        self._order = np.argsort(records["key"]["low"], kind="stable")
        self._sorted = records["key"][self._order]

    @property
    def num_damaged(self) -> int:
        """Number of rows that were asked for and are damaged."""
        return int((self._states == DAMAGED).sum())

    def keys(self) -> np.ndarray:
        """Return the key of each row that was on the disk at the start, (rows,) of KEY_DTYPE."""
        keys = np.empty_like(self._sorted)
        keys[self._order] = self._sorted
        return keys

    def lookup(self, keys: np.ndarray) -> np.ndarray:
        """Row of each key, int64 (B,), -1 where it is not stored or damaged."""
        rows = np.full(len(keys), -1, dtype=np.int64)
        if len(self._sorted):
            at = np.searchsorted(self._sorted["low"], keys["low"], side="right") - 1
            found = self._sorted[at] == keys
            rows[found] = self._order[at[found]]
            self._check(np.unique(rows[found]))
            rows[found] = np.where(self._states[rows[found]] == WHOLE, rows[found], -1)
        if self._fresh:
            for i in np.flatnonzero(rows < 0):
                rows[i] = self._fresh.get(keys[i].tobytes(), -1)
        return rows

    def append(self, keys: np.ndarray, features_BH: np.ndarray) -> np.ndarray:
        """Store float32 features under their keys; returns their rows, int64 (B,).

        Raises StorageError where the folder cannot be written and HELD_BYTES are in memory.
        """
        if not np.isfinite(features_BH).all() or np.abs(features_BH).max(initial=0) > 6e4:
            raise EncoderError(
                "the encoder gave features that are not finite or exceed the float16 range; "
                "check its weights, or run it in float32."
            )
        half_BH = features_BH.astype(np.float16)
        start = None if self.failure else self._write(keys, half_BH)
        if start is None:
            start = self._hold(half_BH)
        rows = np.arange(start, start + len(keys), dtype=np.int64)
        self._fresh.update(zip((key.tobytes() for key in keys), rows.tolist(), strict=True))
        return rows

    def open(self) -> "np.ndarray | HeldRows":
        """All rows stored so far, read-only, (rows, H) of float16: a memory map.

        Where some are in memory, what is indexed like one.
        """
        if self._held:
            return HeldRows(self._mapped(self._num_stored), np.concatenate(self._held))
        return self._mapped(self._num_rows())

    def _write(self, keys: np.ndarray, half_BH: np.ndarray) -> int | None:
        """Write rows, then their records; returns the first row, None where there is no room."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / "append.lock"):
                start = self._num_rows()
                records = np.empty(len(keys), dtype=RECORD_DTYPE)
                records["key"] = keys
                records["checksum"] = _checksums(half_BH, np.arange(start, start + len(keys)))
                try:
                    _write_at(self._rows_path, start * self._row_bytes, half_BH.tobytes())
                    _write_at(self._index_path, start * RECORD_DTYPE.itemsize, records.tobytes())
                except OSError:
                    self._cut(start)
                    raise
        except OSError as error:
            self.failure = StorageError(
                f"{self._folder}: features cannot be kept ({error.strerror or error}). Make room, "
                "or choose another --cache.",
                is_full=error.errno in FULL,
            )
            return None
        return start

    def _cut(self, num_rows: int) -> None:
        """Give back the room of rows that could not be written whole."""
        for path, size in (
            (self._index_path, RECORD_DTYPE.itemsize),
            (self._rows_path, self._row_bytes),
        ):
            if path.exists():
                os.truncate(path, num_rows * size)

    def _hold(self, half_BH: np.ndarray) -> int:
        """Keep rows in memory; returns the first row."""
        assert self.failure is not None
        if not self._held:
            self._num_stored = self._num_rows()
        num_held = sum(map(len, self._held))
        if (num_held + len(half_BH)) * self._row_bytes > HELD_BYTES:
            raise self.failure
        self._held.append(half_BH)
        return self._num_stored + num_held

    def _mapped(self, num_rows: int) -> np.ndarray:
        if num_rows == 0:
            return np.empty((0, self.width), dtype=np.float16)
        shape = (num_rows, self.width)
        return np.memmap(self._rows_path, dtype=np.float16, mode="r", shape=shape)

    def _check(self, rows: np.ndarray) -> None:
        """Compare rows with their checksums, unless that is done."""
        rows = rows[self._states[rows] == UNKNOWN]
        stored = self._mapped(self._num_rows())
        there = rows[rows < len(stored)]
        self._states[rows] = DAMAGED
        for start in range(0, len(there), CHECKED_ROWS):
            part = there[start : start + CHECKED_ROWS]
            whole = _checksums(np.asarray(stored[part]), part) == self._checksums[part]
            self._states[part[whole]] = WHOLE

    def _num_rows(self) -> int:
        """Return the number of rows that have both features and a record."""
        sizes = ((self._rows_path, self._row_bytes), (self._index_path, RECORD_DTYPE.itemsize))
        return min(path.stat().st_size // size if path.exists() else 0 for path, size in sizes)

    def _read_records(self) -> np.ndarray:
        num_rows = self._num_rows()  # a killed writer may have left half a record behind them
        if num_rows == 0:
            return np.empty(0, dtype=RECORD_DTYPE)
        return np.fromfile(self._index_path, dtype=RECORD_DTYPE, count=num_rows)


class HeldRows:
    """Rows on the disk and, after them, rows in memory; indexed by row numbers like one array."""

    def __init__(self, stored: np.ndarray, held: np.ndarray) -> None:
        self._stored, self._held = stored, held
        self.shape = (len(stored) + len(held), held.shape[1])

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, rows_B: np.ndarray) -> np.ndarray:
        """Return rows by their numbers, (B, H)."""
        rows_BH = np.empty((len(rows_B), self.shape[1]), dtype=np.float16)
        is_held = rows_B >= len(self._stored)
        rows_BH[is_held] = self._held[rows_B[is_held] - len(self._stored)]
        rows_BH[~is_held] = self._stored[rows_B[~is_held]]
        return rows_BH


def _checksums(rows_BH: np.ndarray, numbers_B: np.ndarray) -> np.ndarray:
    """Return the checksum of each row, uint64 (B,); its number counts, so its place is checked."""
    content, size = memoryview(rows_BH.tobytes()), 2 * rows_BH.shape[1]
    checksums = (
        xxhash.xxh3_64_intdigest(content[place * size : (place + 1) * size], number)
        for place, number in enumerate(numbers_B.tolist())
    )
    return np.fromiter(checksums, dtype=np.uint64, count=len(numbers_B))


def _write_at(path: Path, offset: int, data: bytes) -> None:
    """Write at `offset` and cut off what a killed process left beyond it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        file.seek(offset)
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
