"""Append-only, content-addressed feature rows on disk, memory-mapped.

A folder holds `features.f16` (rows of H float16) and `keys.u128` (one 128-bit content hash a row).
A row counts once its key is written, and keys are written after their features are on the disk, so
a kill at any moment costs at most the last unfinished batch. Two processes may append: a lock
covers each append, and a row that both computed is merely stored twice.
"""

import os
from pathlib import Path

import numpy as np
import xxhash
from filelock import FileLock

from windowshop.errors import EncoderError

KEY_DTYPE = np.dtype([("high", "<u8"), ("low", "<u8")])


def content_keys(contents: list[bytes]) -> np.ndarray:
    """128-bit hash of each content, (B,) of KEY_DTYPE."""
    digests = b"".join(xxhash.xxh3_128_digest(content) for content in contents)
    return np.frombuffer(digests, dtype=KEY_DTYPE)


class FeatureStore:
    """Features of one encoder; H feature width, B batch."""

    def __init__(self, folder: Path, width: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.width = width
        self._features_path = folder / "features.f16"
        self._keys_path = folder / "keys.u128"
        self._lock = FileLock(folder / "append.lock")
        self._row_bytes = 2 * width
        self._fresh: dict[bytes, int] = {}
        keys = self._read_keys()
        self._order = np.argsort(keys["low"], kind="stable")
        self._sorted = keys[self._order]

    def lookup(self, keys: np.ndarray) -> np.ndarray:
        """Row of each key, int64 (B,), -1 where it is not stored."""
        rows = np.full(len(keys), -1, dtype=np.int64)
        if len(self._sorted):
            at = np.searchsorted(self._sorted["low"], keys["low"])
            at = np.minimum(at, len(self._sorted) - 1)
            found = self._sorted[at] == keys
            rows[found] = self._order[at[found]]
        if self._fresh:
            for i in np.flatnonzero(rows < 0):
                rows[i] = self._fresh.get(keys[i].tobytes(), -1)
        return rows

    def append(self, keys: np.ndarray, features_BH: np.ndarray) -> np.ndarray:
        """Store float32 features under their keys; returns their rows, int64 (B,)."""
        if not np.isfinite(features_BH).all() or np.abs(features_BH).max(initial=0) > 6e4:
            raise EncoderError(
                "the encoder gave features that are not finite or exceed the float16 range; "
                "check its weights, or run it in float32."
            )
        with self._lock:
            start = self._num_rows()
            _write_at(
                self._features_path,
                start * self._row_bytes,
                features_BH.astype(np.float16).tobytes(),
            )
            _write_at(self._keys_path, start * KEY_DTYPE.itemsize, keys.tobytes())
        rows = np.arange(start, start + len(keys), dtype=np.int64)
        self._fresh.update(zip((key.tobytes() for key in keys), rows.tolist(), strict=True))
        return rows

    def open(self) -> np.ndarray:
        """All rows stored so far, a read-only memory map (rows, H) of float16."""
        num_rows = self._num_rows()
        if num_rows == 0:
            return np.empty((0, self.width), dtype=np.float16)
        shape = (num_rows, self.width)
        return np.memmap(self._features_path, dtype=np.float16, mode="r", shape=shape)

    def _num_rows(self) -> int:
        return (
            self._keys_path.stat().st_size // KEY_DTYPE.itemsize if self._keys_path.exists() else 0
        )

    def _read_keys(self) -> np.ndarray:
        num_rows = self._num_rows()  # a killed writer may have left half a key behind them
        if num_rows == 0:
            return np.empty(0, dtype=KEY_DTYPE)
        return np.fromfile(self._keys_path, dtype=KEY_DTYPE, count=num_rows)


def _write_at(path: Path, offset: int, data: bytes) -> None:
    """Write at `offset` and cut off what a killed process left beyond it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        file.seek(offset)
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
