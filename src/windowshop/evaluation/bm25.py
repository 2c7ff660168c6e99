"""BM25 over all product text, the lexical baseline, by bm25s with its default k1 and b.

Shapes: Q queries, N products.
"""

from collections.abc import Sequence

import bm25s
import numpy as np

from windowshop.evaluation.metrics import DEPTH

K1, B = 1.5, 0.75


def bm25_run(
    queries: dict[str, str], product_ids: list[str], texts: list[str], k1: float = K1, b: float = B
) -> dict[str, dict[str, float]]:
    """Rank products for each query text; returns query_id -> product_id -> score above 0."""
    if not queries:
        return {}
    words = bm25s.tokenize(texts, show_progress=False)
    if not words.vocab:  # nothing but stop words
        return {query_id: {} for query_id in queries}
    index = bm25s.BM25(k1=k1, b=b)
    index.index(words, show_progress=False)
    found = index.retrieve(
        bm25s.tokenize(list(queries.values()), show_progress=False),
        k=min(DEPTH, len(product_ids)),
        show_progress=False,
    )
    return {
        query_id: {
            product_ids[row]: float(score)
            for row, score in zip(rows, scores, strict=True)
            if score > 0
        }
        for query_id, rows, scores in zip(queries, found.documents, found.scores, strict=True)
    }


class BM25Scorer:
    """BM25 scores of every product, not only of a ranking's first."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._num_products = len(texts)
        words = bm25s.tokenize(list(texts), show_progress=False)
        self._index = bm25s.BM25() if words.vocab else None  # None: nothing but stop words
        if self._index is not None:
            self._index.index(words, show_progress=False)

    def scores(self, queries: Sequence[str]) -> np.ndarray:
        """Return BM25 of every product for each query text, float32 (Q, N)."""
        scores_QN = np.zeros((len(queries), self._num_products), dtype=np.float32)
        if self._index is None:
            return scores_QN
        asked = bm25s.tokenize(list(queries), return_ids=False, show_progress=False)
        for i, words in enumerate(asked):
            known = self._index.get_tokens_ids([word for word in words if word])
            if known:
                scores_QN[i] = self._index.get_scores_from_ids(known)
        return scores_QN
