"""Exact search over vectors on disk: the reference for other engines, and their base.

Shapes: B products of a batch, Q queries, N keys, K results, D width.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np

from windowshop.engines.base import Allowed, Batch, Engine, EngineSpec, cut, stack
from windowshop.engines.neighbours import Neighbours
from windowshop.engines.originals import Originals
from windowshop.errors import EngineError


class ExactEngine(Engine):
    """Engine that scores every allowed product; for tests and small shops."""

    storages: ClassVar[tuple[str, ...]] = ("fp16", "float32")

    def __init__(
        self, folder: Path, spec: EngineSpec, alive_N: np.ndarray, *, read_only: bool = False
    ) -> None:
        """With `read_only`, no file is changed: rows that are added stay in memory."""
        self._folder, self._spec, self._read_only = folder, spec, read_only
        self._originals = {
            name: Originals(folder, name, vector, alive_N, read_only=read_only)
            for name, vector in spec.vectors.items()
        }

    def upsert(self, batch: Batch) -> None:
        """Add rows; a vector name that the batch lacks is a missing vector of its products."""
        for name, originals in self._originals.items():
            missing = np.zeros((len(batch.keys_B), originals.width), dtype=np.float32)
            originals.put(batch.keys_B, batch.vectors.get(name, missing))

    def delete(self, keys: np.ndarray) -> None:
        """Take keys out."""
        for originals in self._originals.values():
            originals.forget(keys)

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """Return the k nearest keys to each query by cosine, (Q, K)."""
        originals = self._named(name)
        keys = np.flatnonzero(self._usable(name, allowed))
        return stack([originals.scan(q_D, keys, k) for q_D in cut(query_QD, originals.width)], k)

    def vectors(self, keys: np.ndarray, name: str = "fused") -> np.ndarray:
        """Return the unit vectors of keys, float32 (len, D); zeros for one without."""
        return self._named(name).read(keys)

    def holds(self, alive_N: np.ndarray) -> bool:
        """Return whether each name has a row for every key and no vector of a dead one."""
        return all(
            len(originals) == len(alive_N) and not (originals.has(len(alive_N)) & ~alive_N).any()
            for originals in self._originals.values()
        )

    def fixed_files(self, num_keys: int) -> dict[str, int]:
        """Return the bytes of each file that hold the first keys, and never change."""
        files: dict[str, int] = {}
        for originals in self._originals.values():
            files |= originals.fixed_files(num_keys)
        return files

    def flush(self) -> None:
        """Put the vectors on the disk."""
        for originals in self._originals.values():
            originals.flush()

    def optimise(self) -> None:
        """Do nothing: there is no graph and no code to fit."""

    def close(self) -> None:
        """Do nothing: the files are released with their arrays."""

    def _named(self, name: str) -> Originals:
        if name not in self._originals:
            raise EngineError(
                f"There are no {name!r} vectors; this index has: {', '.join(self._originals)}. "
                "Search one of these, or rebuild with the others."
            )
        return self._originals[name]

    def _usable(self, name: str, allowed: Allowed | None) -> np.ndarray:
        """Return which keys a search may return, bool (N,)."""
        originals = self._named(name)
        if allowed is None:
            return originals.has(len(originals))
        usable_N: np.ndarray = originals.has(len(allowed.mask_N)) & allowed.mask_N
        return usable_N
