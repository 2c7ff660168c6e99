"""Every allowed product scored for every query: the reference that other engines are tested with.

Shapes: B products of a batch, Q queries, N keys, K results, D width.
"""

from pathlib import Path

import numpy as np

from windowshop.engines.base import Allowed, Batch, Engine, EngineSpec, cut, stack
from windowshop.engines.neighbours import Neighbours
from windowshop.engines.vectors import Vectors


class ExactEngine(Engine):
    """Scan of all vectors on disk; for tests and small shops."""

    storages = ("fp16", "float32")

    def __init__(self, folder: Path, spec: EngineSpec, alive_N: np.ndarray) -> None:
        self._vectors = Vectors(folder, spec.vectors, alive_N)

    def upsert(self, batch: Batch) -> None:
        """Add rows."""
        self._vectors.put(batch)

    def delete(self, keys: np.ndarray) -> None:
        """Take keys out."""
        self._vectors.forget(keys)

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """The k nearest keys to each query by cosine, (Q, K)."""
        originals = self._vectors[name]
        keys = np.flatnonzero(self._vectors.usable(name, allowed))
        return stack([originals.scan(q_D, keys, k) for q_D in cut(query_QD, originals.width)], k)

    def scores(self, query_QD: np.ndarray, keys_QK: np.ndarray, name: str = "fused") -> np.ndarray:
        """Cosines of given keys with their query, (Q, K)."""
        return self._vectors.scores(query_QD, keys_QK, name)

    def vectors(self, keys: np.ndarray, name: str = "fused") -> np.ndarray:
        """The unit vectors of keys, float32 (len, D); zeros for one without."""
        return self._vectors[name].read(keys)

    def holds(self, alive_N: np.ndarray) -> bool:
        """Return whether it has a row for every key and no vector of a dead one."""
        return self._vectors.hold(alive_N)

    def flush(self) -> None:
        """Put the vectors on the disk."""
        self._vectors.flush()

    def optimise(self) -> None:
        """There is nothing to do."""

    def close(self) -> None:
        """There is nothing to release."""
