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

from windowshop.engines.base import VectorSpec, best, cut
from windowshop.errors import EngineError

BLOCK = 512
"""Rows scored at a time; they fit the processor's cache as float32."""
SIGN_AND_HALF = np.int32(-0x70000001)
HALF_SCALE = np.float32(2.0**112)
"""Factor that makes the bits of a float16, moved up by 13, the float32 of equal value."""
GROWTH = 1.5


class Originals:
    """Rows of one vector name, memory-mapped; a row of zeros is no vector."""

    def __init__(self, folder: Path, name: str, spec: VectorSpec, alive_N: np.ndarray) -> None:
        self.width = spec.width
        self._name = name
        self._rows_path, self._present_path = folder / f"{name}.rows", folder / f"{name}.present"
        self._dtype = np.dtype(np.float32 if spec.storage == "float32" else np.float16)
        self._num_rows = len(alive_N)
        self._rows_path.touch()
        held = self._rows_path.stat().st_size // (self._dtype.itemsize * self.width)
        if held < self._num_rows:
            raise EngineError(
                f"{self._rows_path}: holds {held} vectors, needs {self._num_rows}. "
                "Rebuild it from the ledger."
            )
        self._map(max(held, 1024))
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
        if not np.isfinite(x_BW).all():
            raise EngineError(f"{self._name}: a vector is not finite. Encode it again.")
        num_rows = max(self._num_rows, int(keys_B.max(initial=-1)) + 1)
        if num_rows > len(self._rows_ND):
            self._grow(num_rows)
        x_BD = cut(x_BW, self.width)
        self._rows_ND[keys_B] = x_BD
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
            rows = _float32(np.asarray(self._rows_ND[keys]))
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
        self._rows_ND.flush()
        self._present_N.flush()

    def _grow(self, num_rows: int) -> None:
        """Map more rows; readers keep their shorter map of the same file."""
        self._map(max(num_rows, int(len(self._rows_ND) * GROWTH)))
        has_N = np.zeros(len(self._rows_ND), dtype=bool)
        has_N[: len(self._has_N)] = self._has_N
        self._has_N = has_N

    def _map(self, capacity: int) -> None:
        shape = (capacity, self.width)
        self._rows_ND = _mapped(self._rows_path, self._dtype, shape)
        self._present_N = _mapped(self._present_path, np.dtype(bool), (capacity,))


def _float32(x_CD: np.ndarray) -> np.ndarray:
    """Convert finite float16 to float32 by bits, several times faster than numpy's cast."""
    if x_CD.dtype == np.float32:
        return x_CD
    bits_CD = x_CD.view(np.int16).astype(np.int32)
    bits_CD <<= 13
    bits_CD &= SIGN_AND_HALF
    rows_CD = bits_CD.view(np.float32)
    rows_CD *= HALF_SCALE
    return rows_CD


def _mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """Map a file as an array, extended with zeros where it is shorter."""
    path.touch()
    size = dtype.itemsize * math.prod(shape)
    if path.stat().st_size < size:
        os.truncate(path, size)
    return np.memmap(path, dtype=dtype, mode="r+", shape=shape)
