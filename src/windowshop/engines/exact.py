"""Every allowed product scored for every query: the reference that other engines are tested with.

Shapes: B products of a batch, Q queries, N keys, K results, D width.
"""

import math
from collections import Counter
from pathlib import Path

import numpy as np

from windowshop.engines.base import Allowed, Batch, EngineSpec, best, cut, stack
from windowshop.engines.neighbours import Neighbours
from windowshop.engines.tokens import words
from windowshop.engines.vectors import Vectors

K1, B = 1.2, 0.75


class ExactEngine:
    """Vectors on disk, texts in memory and gone when it closes; for tests and small shops."""

    def __init__(self, folder: Path, spec: EngineSpec, alive_N: np.ndarray) -> None:
        self._vectors = Vectors(folder, spec.vectors, alive_N)
        self._words: dict[int, Counter[str]] = {}

    def upsert(self, batch: Batch) -> None:
        """Add rows."""
        self._vectors.put(batch)
        counted = [Counter(words(text)) for text in batch.texts]
        self._words.update(zip(batch.keys_B.tolist(), counted, strict=True))

    def delete(self, keys: np.ndarray) -> None:
        """Take keys out."""
        self._vectors.forget(keys)
        for key in keys.tolist():
            self._words.pop(key, None)

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """The k nearest keys to each query by cosine, (Q, K)."""
        originals = self._vectors[name]
        keys = np.flatnonzero(self._vectors.usable(name, allowed))
        return stack([originals.scan(q_D, keys, k) for q_D in cut(query_QD, originals.width)], k)

    def search_text(self, query: str, k: int, allowed: Allowed | None = None) -> Neighbours:
        """The k best keys for some words by BM25, (1, K); the formula over every text."""
        texts = dict(self._words)
        asked = set(words(query))
        num_texts_with = Counter(word for text in texts.values() for word in asked & text.keys())
        mean_length = sum(text.total() for text in texts.values()) / max(1, len(texts))
        usable = None if allowed is None else set(np.flatnonzero(allowed.mask_N).tolist())
        found = {
            key: sum(
                _rarity(len(texts), num_texts_with[word])
                * _weight(text[word], text.total() / mean_length)
                for word in asked & text.keys()
            )
            for key, text in texts.items()
            if asked & text.keys() and (usable is None or key in usable)
        }
        keys = np.array(list(found), dtype=np.int64)
        return stack([best(keys, np.array(list(found.values()), dtype=np.float32), k)], k)

    def scores(self, query_QD: np.ndarray, keys_QK: np.ndarray, name: str = "fused") -> np.ndarray:
        """Cosines of given keys with their query, (Q, K)."""
        return self._vectors.scores(query_QD, keys_QK, name)

    def vectors(self, keys: np.ndarray, name: str = "fused") -> np.ndarray:
        """The unit vectors of keys, float32 (len, D); zeros for one without."""
        return self._vectors[name].read(keys)

    def count(self) -> int:
        """Number of products it holds."""
        return len(self._words)

    def holds(self, alive_N: np.ndarray) -> bool:
        """Whether it holds as many products as live: not, where it was opened anew."""
        return len(self._words) == np.count_nonzero(alive_N)

    def flush(self) -> None:
        """Put the vectors on the disk."""
        self._vectors.flush()

    def optimise(self) -> None:
        """There is nothing to do."""

    def close(self) -> None:
        """There is nothing to release."""


def _rarity(num_texts: int, num_with_word: int) -> float:
    return math.log(1 + (num_texts - num_with_word + 0.5) / (num_with_word + 0.5))


def _weight(times: int, relative_length: float) -> float:
    return times * (K1 + 1) / (times + K1 * (1 - B + B * relative_length))
