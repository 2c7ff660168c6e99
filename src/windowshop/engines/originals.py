"""Vectors on disk by key, unquantised: they rescore codes, and small sets are scanned in them.

    NAME.rows       float16 or float32 rows; row = key
    NAME.present    one byte a key: whether it has a vector

Shapes: B products of a batch, N keys, C candidates, K results, D width.
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from windowshop.engines.base import VectorSpec, as_type, best, cut
from windowshop.errors import FULL, EngineError, StorageError

BLOCK = 512
"""Rows scored at a time; they fit the processor's cache as float32."""
GROWTH = 1.5


class Originals:
    """Rows of one vector name, memory-mapped; a row of zeros is no vector."""

    def __init__(
        self,
        folder: Path,
        name: str,
        spec: VectorSpec,
        alive_N: np.ndarray,
        *,
        read_only: bool = False,
    ) -> None:
        """With `read_only`, rows that are put stay in memory."""
        self.width = spec.width
        self._name, self._read_only = name, read_only
        self._rows_path, self._present_path = folder / f"{name}.rows", folder / f"{name}.present"
        self._dtype = np.dtype(np.float32 if spec.storage == "float32" else np.float16)
        self._num_rows = len(alive_N)
        held = self._held()
        if held < self._num_rows:
            raise EngineError(
                f"{self._rows_path}: holds {held} vectors, needs {self._num_rows}. "
                "Delete the folder: it is made again."
            )
        self._map(held if read_only else max(held, 1024))
        self._has_N = self._present_N.astype(bool)
        self._has_N[: self._num_rows] &= alive_N
        self._has_N[self._num_rows :] = False

    def __len__(self) -> int:
        """Return the number of keys that have a row."""
        return self._num_rows

    def has(self, num_keys: int) -> np.ndarray:
        """Return which of the first keys live and have a vector, bool; do not write to it."""
        return self._has_N[:num_keys]

    def put(self, keys_B: np.ndarray, x_BW: np.ndarray) -> None:
        """Write rows, cut to the width; keys beyond the end lengthen the file."""
        if x_BW.shape[1] < self.width:
            raise EngineError(
                f"{self._name}: vectors are {x_BW.shape[1]} wide, need {self.width}. "
                "Rebuild with a smaller width, or send vectors of the model that made the index."
            )
        if not np.isfinite(as_type(x_BW, np.float32)).all():
            raise EngineError(f"{self._name}: a vector is not finite. Encode it again.")
        num_rows = max(self._num_rows, int(keys_B.max(initial=-1)) + 1)
        if num_rows > len(self._rows_ND):
            self._grow(num_rows)
        x_BD = cut(x_BW, self.width)
        self._rows_ND[keys_B] = as_type(x_BD, self._dtype)
        self._present_N[keys_B] = self._has_N[keys_B] = x_BD.any(axis=1)
        self._num_rows = num_rows

    def forget(self, keys: np.ndarray) -> None:
        """Take the vectors of deleted keys out."""
        self._has_N[keys[keys < self._num_rows]] = False

    def read(self, keys: np.ndarray) -> np.ndarray:
        """Return unit vectors of keys, float32 (len, D)."""
        return cut(self._rows_ND[keys], self.width)

    def scores(self, query_D: np.ndarray, keys_C: np.ndarray) -> np.ndarray:
        """Return cosines with a unit query, float32 (C,)."""
        scores_C = np.empty(len(keys_C), dtype=np.float32)
        for start in range(0, len(keys_C), BLOCK):
            keys = keys_C[start : start + BLOCK]
            rows = as_type(np.asarray(self._rows_ND[keys]), np.float32)
            norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
            scores_C[start : start + len(keys)] = (rows @ query_D) / np.maximum(norms, 1e-12)
        return scores_C

    def scan(
        self, query_D: np.ndarray, keys_C: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score the given keys; returns the k best keys and their cosines, (K,)."""
        return best(keys_C, self.scores(query_D, keys_C), k)

    def flush(self) -> None:
        """Put the rows on the disk."""
        for array in (self._rows_ND, self._present_N):
            if isinstance(array, np.memmap):
                array.flush()

    def fixed_files(self, num_keys: int) -> dict[str, int]:
        """Return the bytes of each file that hold the first keys, and never change."""
        return {
            self._rows_path.name: num_keys * self.width * self._dtype.itemsize,
            self._present_path.name: num_keys,
        }

    def _held(self) -> int:
        """Return the number of rows that the files have."""
        if not self._rows_path.exists():
            return 0
        held = self._rows_path.stat().st_size // (self._dtype.itemsize * self.width)
        if not self._read_only:
            return held
        return min(held, self._present_path.stat().st_size if self._present_path.exists() else 0)

    def _grow(self, num_rows: int) -> None:
        """Map more rows; readers keep their shorter map of the same file."""
        self._map(max(num_rows, int(len(self._rows_ND) * GROWTH)))
        has_N = np.zeros(len(self._rows_ND), dtype=bool)
        has_N[: len(self._has_N)] = self._has_N
        self._has_N = has_N

    def _map(self, capacity: int) -> None:
        shape, flag = (capacity, self.width), np.dtype(bool)
        if not self._read_only:
            self._rows_ND: np.ndarray = _mapped(self._rows_path, self._dtype, shape)
            self._present_N: np.ndarray = _mapped(self._present_path, flag, (capacity,))
        elif self._num_rows and not hasattr(self, "_rows_ND"):  # "c": what is written stays here
            self._rows_ND = np.memmap(self._rows_path, self._dtype, mode="c", shape=shape)
            self._present_N = np.memmap(self._present_path, flag, mode="c", shape=(capacity,))
        else:
            rows_ND, present_N = np.zeros(shape, self._dtype), np.zeros(capacity, flag)
            if self._num_rows:
                rows_ND[: self._num_rows] = self._rows_ND[: self._num_rows]
                present_N[: self._num_rows] = self._present_N[: self._num_rows]
            self._rows_ND, self._present_N = rows_ND, present_N


def _mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """Map a file as an array, extended with zeros where it is shorter.

    Its room on the disk is taken first: a page without room would end the process when written.
    Raises StorageError where there is none.
    """
    size = dtype.itemsize * math.prod(shape)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise StorageError(
            f"{path}: has no room for {size} bytes ({error.strerror}). Make room, then send the "
            "products again.",
            is_full=error.errno in FULL,
        ) from None
    finally:
        os.close(descriptor)
    return np.memmap(path, dtype=dtype, mode="r+", shape=shape)
