"""Engine for catalogues above a million products: graphs of zvec, rescored with the originals.

zvec proposes candidates; cosines come from the originals, so codes of any kind give exact scores
in a settled order. `_candidates` decides how a filter is applied.

Shapes: B products of a batch, Q queries, N keys, C candidates, K results, D width.
"""

import math
from pathlib import Path

import numpy as np

from windowshop.data import Filter
from windowshop.engines.base import Allowed, Batch, EngineSpec, cut, permitted, stack
from windowshop.engines.exact import ExactEngine
from windowshop.engines.filter_zvec import to_zvec
from windowshop.engines.neighbours import Neighbours
from windowshop.engines.zvec_store import ZvecStore

MAX_CANDIDATES = 2_048
"""Beyond, scoring every allowed product costs less than the graph."""


class ZvecEngine(ExactEngine):
    """Engine with one zvec collection for each vector name, beside the originals.

    zvec lets one process in, so one that only reads scores every allowed product.
    """

    storages = ("int8", "float32", "fp16", "4bit")

    def __init__(
        self, folder: Path, spec: EngineSpec, alive_N: np.ndarray, *, read_only: bool = False
    ) -> None:
        super().__init__(folder, spec, alive_N, read_only=read_only)
        self._stores = {
            name: ZvecStore(folder / f"{name}.graph", spec, vector, len(alive_N))
            for name, vector in spec.vectors.items()
            if not read_only
        }

    def upsert(self, batch: Batch) -> None:
        """Add rows."""
        super().upsert(batch)
        for name, store in self._stores.items():
            originals = self._originals[name]
            has_B = originals.has(len(originals))[batch.keys_B]
            keys = batch.keys_B[has_B]
            store.put(keys, originals.read(keys), batch.products.filter(has_B))

    def delete(self, keys: np.ndarray) -> None:
        """Take keys out."""
        super().delete(keys)
        for store in self._stores.values():
            store.delete(keys)

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """Return the k nearest keys to each query by cosine, (Q, K)."""
        originals, usable_N = self._named(name), self._usable(name, allowed)
        where = allowed.where if allowed is not None else None
        found = []
        for query_D in cut(query_QD, originals.width):
            keys_C = self._candidates(query_D, k, usable_N, where, name)
            found.append(originals.scan(query_D, keys_C, k))
        return stack(found, k)

    def holds(self, alive_N: np.ndarray) -> bool:
        """Return whether the originals are complete and every graph has as many keys as live."""
        return super().holds(alive_N) and all(
            store.count() == np.count_nonzero(self._originals[name].has(len(alive_N)) & alive_N)
            for name, store in self._stores.items()
        )

    def flush(self) -> None:
        """Put everything on the disk."""
        super().flush()
        for store in self._stores.values():
            store.flush()

    def optimise(self) -> None:
        """Add recent writes to the graphs; worth it every few thousand writes."""
        for store in self._stores.values():
            store.optimise()

    def close(self) -> None:
        """Release the files."""
        for store in self._stores.values():
            store.close()

    def _candidates(
        self, query_D: np.ndarray, k: int, usable_N: np.ndarray, where: Filter | None, name: str
    ) -> np.ndarray:
        """Return allowed keys that hold the best k.

        A small set is returned whole. A larger one is left to the filter of zvec where that can
        express it; else the graph is asked for more, and the bitmap applied to its answer. Where
        that leaves fewer than k, every allowed key is returned.
        """
        store, num_usable = self._stores.get(name), np.count_nonzero(usable_N)
        wanted = math.ceil(k * self._spec.oversample)
        if store is not None and num_usable > max(wanted, self._spec.scan_rows):
            native = None if where is None else to_zvec(where, store.kinds)
            size = wanted if native else math.ceil(wanted * store.count() / num_usable)
            if size <= MAX_CANDIDATES:
                near_C = store.nearest(query_D, size, native)
                keys_C: np.ndarray = near_C[permitted(near_C, usable_N)]
                if len(keys_C) >= k:
                    return keys_C
        return np.flatnonzero(usable_N)
