"""Engine for catalogues in memory: 4-bit codes of turbovec, all scored, best ones rescored exactly.

A small catalogue is kept as float16 instead (`windowshop.engines.floats`). A slot of turbovec is a
key: rows are added in the order of keys and never taken out, deleted ones are masked until the
index is rebuilt.

Shapes: B products of a batch, Q queries, N keys, K results, D width.
"""

import math
from pathlib import Path

import numpy as np
from turbovec import TurboQuantIndex

from windowshop.engines.base import FEW, Allowed, Batch, EngineSpec, cut, stack
from windowshop.engines.exact import ExactEngine
from windowshop.engines.floats import Floats
from windowshop.engines.neighbours import Neighbours
from windowshop.engines.originals import Originals
from windowshop.engines.rwlock import ReadWriteLock
from windowshop.engines.sealed import difference, seal

BITS = 4
LANES = 8
"""turbovec wants widths in multiples of it; vectors are lengthened with zeros."""
SAMPLE = 2_048
"""Vectors that codes are calibrated on."""
SPARE = 32
ROWS_AT_ONCE = 65_536


class Codes:
    """Codes of one vector name, in memory; `flush` writes a copy to the disk."""

    def __init__(self, path: Path, originals: Originals, oversample: float) -> None:
        self._path, self._originals = path, originals
        self._oversample = oversample
        self._lock = ReadWriteLock()
        self._index = self._load()
        self._add_missing(self._index)

    def catch_up(self) -> None:
        """Add the rows that only the originals have."""
        with self._lock.write():
            self._add_missing(self._index)

    def search(self, query_QD: np.ndarray, k: int, usable_N: np.ndarray) -> Neighbours:
        """Return the k nearest usable keys to each query, (Q, K), scored by their originals."""
        wanted = math.ceil(k * self._oversample) + SPARE
        if np.count_nonzero(usable_N) <= max(wanted, FEW):
            keys_QC = [np.flatnonzero(usable_N)] * len(query_QD)
        else:
            keys_QC = list(self._nearest(query_QD, wanted, usable_N))
        pairs = zip(query_QD, keys_QC, strict=True)
        return stack([self._originals.scan(query_D, keys_C, k) for query_D, keys_C in pairs], k)

    def calibrate(self) -> None:
        """Encode all rows again, fitted to a sample; searches use the previous codes meanwhile."""
        keys = np.flatnonzero(self._originals.has(len(self._originals)))
        if len(keys) < 2:  # turbovec needs two to fit to
            return
        sample = np.random.default_rng(0).permutation(keys)[:SAMPLE]
        index = self._empty()
        index.calibrate(self._padded(self._originals.read(sample)))
        self._add_missing(index)
        with self._lock.write():
            self._add_missing(index)
            self._index = index

    def flush(self) -> None:
        """Put the codes on the disk."""
        with self._lock.read():
            self._index.sync(str(self._path))
            seal(self._path)

    def _nearest(self, query_QD: np.ndarray, k: int, usable_N: np.ndarray) -> np.ndarray:
        """Return about the k nearest usable keys for each query, (Q, at most k)."""
        with self._lock.read():
            mask = np.zeros(len(self._index), dtype=bool)
            mask[: len(usable_N)] = usable_N
            _, slots_QK = self._index.search(self._padded(query_QD), k, mask=mask)
        return np.asarray(slots_QK, dtype=np.int64)

    def _load(self) -> TurboQuantIndex:
        """Return the codes on disk; empty ones where they cannot be read."""
        if not self._path.exists() or difference(self._path, hashed=True) is not None:
            return self._empty()  # damaged, or killed between the codes and their seal
        try:
            index = TurboQuantIndex.load(str(self._path))
        except (ValueError, OSError):
            return self._empty()
        while len(index) > len(self._originals):  # written after the originals that count
            index.swap_remove(len(index) - 1)
        return index

    def _empty(self) -> TurboQuantIndex:
        return TurboQuantIndex(math.ceil(self._originals.width / LANES) * LANES, bit_width=BITS)

    def _add_missing(self, index: TurboQuantIndex) -> None:
        while len(index) < len(self._originals):
            end = min(len(index) + ROWS_AT_ONCE, len(self._originals))
            index.add(self._padded(self._originals.read(np.arange(len(index), end))))

    def _padded(self, x_BD: np.ndarray) -> np.ndarray:
        missing = -x_BD.shape[1] % LANES
        return np.ascontiguousarray(np.pad(x_BD, ((0, 0), (0, missing))), dtype=np.float32)


class FlatEngine(ExactEngine):
    """Engine that keeps codes, or float16 rows of a small catalogue, in memory."""

    storages = ("4bit",)

    def __init__(
        self, folder: Path, spec: EngineSpec, alive_N: np.ndarray, *, read_only: bool = False
    ) -> None:
        super().__init__(folder, spec, alive_N, read_only=read_only)
        self._codes = {name: self._in_memory(name) for name in spec.vectors}

    def upsert(self, batch: Batch) -> None:
        """Add rows; a name that outgrows its float16 rows changes to codes."""
        super().upsert(batch)
        for name, codes in self._codes.items():
            if isinstance(codes, Floats) and not self._is_small(name):
                self._codes[name] = self._in_memory(name)
            else:
                codes.catch_up()

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """Return the k nearest keys to each query by cosine, (Q, K)."""
        usable_N = self._usable(name, allowed)
        return self._codes[name].search(cut(query_QD, self._named(name).width), k, usable_N)

    def flush(self) -> None:
        """Put vectors and codes on the disk."""
        super().flush()
        for codes in self._codes.values():
            codes.flush()

    def optimise(self) -> None:
        """Fit the codes to the vectors that are there now."""
        for codes in self._codes.values():
            codes.calibrate()

    def _in_memory(self, name: str) -> Codes | Floats:
        originals = self._originals[name]
        if self._is_small(name):
            return Floats(originals)
        return Codes(self._folder / f"{name}.codes", originals, self._spec.oversample)

    def _is_small(self, name: str) -> bool:
        originals = self._originals[name]
        return (len(originals) + 1) * originals.width <= self._spec.float_numbers
