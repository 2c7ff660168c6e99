"""Search by words, kept on disk by zvec; the words are found by us, so every engine has the same.

Shapes: B products of a batch, C candidates, K results.
"""

from pathlib import Path

import numpy as np

from windowshop.engines.base import Allowed, Batch, EngineSpec, best, permitted, stack
from windowshop.engines.filter_zvec import to_zvec
from windowshop.engines.neighbours import Neighbours
from windowshop.engines.tokens import words
from windowshop.engines.zvec_store import ZvecStore

GROWTH = 8
"""How many more results are asked for, where a bitmap left too few of them."""


class TextIndex:
    """The text of every product, empty ones too, so it also counts the products."""

    def __init__(self, folder: Path, spec: EngineSpec, num_keys: int) -> None:
        self._store = ZvecStore(folder, spec, None, num_keys)

    def put(self, batch: Batch) -> None:
        """Add texts."""
        texts = [" ".join(words(text)) for text in batch.texts]
        self._store.put(batch.keys_B, None, texts, batch.products)

    def delete(self, keys: np.ndarray) -> None:
        """Take keys out."""
        self._store.delete(keys)

    def search(self, query: str, k: int, allowed: Allowed | None) -> Neighbours:
        """The k best keys for some words by BM25, (1, K); only products with one of the words."""
        asked, count = list(dict.fromkeys(words(query))), self._store.count()
        num_allowed = count if allowed is None else allowed.count
        if not asked or not num_allowed:
            return stack([best(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32), k)], k)
        native = None
        if allowed is not None and allowed.where is not None:
            native = to_zvec(allowed.where, self._store.kinds)
        size = 2 * k if native else 2 * k * max(1, count // num_allowed)
        while True:
            keys_C, scores_C = self._store.matching(asked, size, native)
            num_found = len(keys_C)
            if allowed is not None:
                keep_C = permitted(keys_C, allowed.mask_N)
                keys_C, scores_C = keys_C[keep_C], scores_C[keep_C]
            if len(keys_C) >= k or num_found < size:
                return stack([best(keys_C, scores_C, k)], k)
            size *= GROWTH

    def count(self) -> int:
        """Number of products."""
        return self._store.count()

    def flush(self) -> None:
        """Put everything on the disk."""
        self._store.flush()

    def optimise(self) -> None:
        """Merge what was written since."""
        self._store.optimise()

    def close(self) -> None:
        """Release the files."""
        self._store.close()
