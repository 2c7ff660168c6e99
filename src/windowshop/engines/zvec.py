"""The engine for catalogues above a million products: graphs of zvec, rescored by us.

zvec proposes candidates; cosines come from the originals, so codes of any kind give exact scores
in a settled order. How a filter is applied is decided in one place, `_candidates`.

Shapes: B products of a batch, Q queries, N keys, C candidates, K results, D width.
"""

import math
from pathlib import Path

import numpy as np

from windowshop.data import Filter
from windowshop.engines.base import Allowed, Batch, Engine, EngineSpec, cut, permitted, stack
from windowshop.engines.filter_zvec import to_zvec
from windowshop.engines.neighbours import Neighbours
from windowshop.engines.vectors import Vectors
from windowshop.engines.zvec_store import ZvecStore

MAX_CANDIDATES = 2_048
"""Beyond, scoring every allowed product costs less than the graph."""


class ZvecEngine(Engine):
    """One zvec collection for each vector's name, beside our own originals."""

    storages = ("int8", "float32", "fp16", "4bit")

    def __init__(self, folder: Path, spec: EngineSpec, alive_N: np.ndarray) -> None:
        self._spec = spec
        self._vectors = Vectors(folder, spec.vectors, alive_N)
        self._stores = {
            name: ZvecStore(folder / f"{name}.graph", spec, vector, len(alive_N))
            for name, vector in spec.vectors.items()
        }

    def upsert(self, batch: Batch) -> None:
        """Add rows."""
        self._vectors.put(batch)
        for name, store in self._stores.items():
            originals = self._vectors[name]
            has_B = originals.has(len(originals))[batch.keys_B]
            keys = batch.keys_B[has_B]
            store.put(keys, originals.read(keys), batch.products.filter(has_B))

    def delete(self, keys: np.ndarray) -> None:
        """Take keys out."""
        self._vectors.forget(keys)
        for store in self._stores.values():
            store.delete(keys)

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """The k nearest keys to each query by cosine, (Q, K)."""
        originals = self._vectors[name]
        usable_N = self._vectors.usable(name, allowed)
        where = allowed.where if allowed is not None else None
        found = []
        for query_D in cut(query_QD, originals.width):
            keys_C = self._candidates(query_D, k, usable_N, where, name)
            found.append(originals.scan(query_D, keys_C, k))
        return stack(found, k)

    def scores(self, query_QD: np.ndarray, keys_QK: np.ndarray, name: str = "fused") -> np.ndarray:
        """Cosines of given keys with their query, (Q, K)."""
        return self._vectors.scores(query_QD, keys_QK, name)

    def vectors(self, keys: np.ndarray, name: str = "fused") -> np.ndarray:
        """The unit vectors of keys, float32 (len, D); zeros for one without."""
        return self._vectors[name].read(keys)

    def holds(self, alive_N: np.ndarray) -> bool:
        """Return whether the originals are complete and every graph has as many keys as live."""
        return self._vectors.hold(alive_N) and all(
            store.count() == np.count_nonzero(self._vectors[name].has(len(alive_N)) & alive_N)
            for name, store in self._stores.items()
        )

    def flush(self) -> None:
        """Put everything on the disk."""
        self._vectors.flush()
        for store in self._stores.values():
            store.flush()

    def optimise(self) -> None:
        """Build the graphs of what was written since; worth it every few thousand writes."""
        for store in self._stores.values():
            store.optimise()

    def close(self) -> None:
        """Release the files."""
        for store in self._stores.values():
            store.close()

    def _candidates(
        self, query_D: np.ndarray, k: int, usable_N: np.ndarray, where: Filter | None, name: str
    ) -> np.ndarray:
        """Keys that hold the best k, allowed ones only.

        A small set is scored whole. A larger one is left to the filter of zvec where that can say
        it; else the graph is asked for more, and what the bitmap leaves of the true order is the
        true order. Where neither gives k, every allowed product is scored.
        """
        store, num_usable = self._stores[name], np.count_nonzero(usable_N)
        wanted = math.ceil(k * self._spec.oversample)
        if num_usable > max(wanted, self._spec.scan_rows):
            native = None if where is None else to_zvec(where, store.kinds)
            size = wanted if native else math.ceil(wanted * store.count() / num_usable)
            if size <= MAX_CANDIDATES:
                near_C = store.nearest(query_D, size, native)
                keys_C: np.ndarray = near_C[permitted(near_C, usable_N)]
                if len(keys_C) >= k:
                    return keys_C
        return np.flatnonzero(usable_N)
