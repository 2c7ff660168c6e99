"""The originals of every vector that an engine's spec names.

Shapes: B products of a batch, Q queries, N keys, K results, W full width.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from windowshop.engines.base import Allowed, Batch, VectorSpec, cut
from windowshop.engines.originals import Originals
from windowshop.errors import EngineError


class Vectors:
    """Originals by name, written together."""

    def __init__(self, folder: Path, specs: Mapping[str, VectorSpec], alive_N: np.ndarray) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._by_name = {
            name: Originals(folder, name, spec, alive_N) for name, spec in specs.items()
        }

    def __getitem__(self, name: str) -> Originals:
        """The rows of one name; raises EngineError where there are none of it."""
        if name not in self._by_name:
            raise EngineError(
                f"There are no {name!r} vectors; this index has: {', '.join(self._by_name)}. "
                "Search one of these, or rebuild with the others."
            )
        return self._by_name[name]

    def put(self, batch: Batch) -> None:
        """Write a batch; a name that it lacks is a vector that its products lack."""
        for name, originals in self._by_name.items():
            missing = np.zeros((len(batch.keys_B), originals.width), dtype=np.float32)
            originals.put(batch.keys_B, batch.vectors.get(name, missing))

    def forget(self, keys: np.ndarray) -> None:
        """Let deleted keys have no vectors."""
        for originals in self._by_name.values():
            originals.forget(keys)

    def flush(self) -> None:
        """Put all rows on the disk."""
        for originals in self._by_name.values():
            originals.flush()

    def hold(self, alive_N: np.ndarray) -> bool:
        """Return whether each name has a row for every key and no vector of a dead one."""
        return all(
            len(originals) == len(alive_N) and not (originals.has(len(alive_N)) & ~alive_N).any()
            for originals in self._by_name.values()
        )

    def usable(self, name: str, allowed: Allowed | None) -> np.ndarray:
        """Which keys a search may return, bool (N,)."""
        originals = self[name]
        if allowed is None:
            return originals.has(len(originals))
        usable_N: np.ndarray = originals.has(len(allowed.mask_N)) & allowed.mask_N
        return usable_N

    def scores(self, query_QD: np.ndarray, keys_QK: np.ndarray, name: str) -> np.ndarray:
        """Cosines of given keys with their query, (Q, K); 0 for key -1 and without a vector."""
        originals = self[name]
        query_QD = cut(query_QD, originals.width)
        scores_QK = np.zeros(keys_QK.shape, dtype=np.float32)
        for query_D, keys_K, scores_K in zip(query_QD, keys_QK, scores_QK, strict=True):
            scores_K[keys_K >= 0] = originals.scores(query_D, keys_K[keys_K >= 0])
        return scores_QK
