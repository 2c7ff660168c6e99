"""BM25 over all product text: the lexical baseline, by bm25s with its default k1 and b."""

import bm25s

from windowshop.metrics import DEPTH


def bm25_run(
    queries: dict[str, str], product_ids: list[str], texts: list[str]
) -> dict[str, dict[str, float]]:
    """Rank products for each query text: query_id -> product_id -> score above 0."""
    words = bm25s.tokenize(texts, show_progress=False)
    if not words.vocab:  # nothing but stop words
        return {query_id: {} for query_id in queries}
    index = bm25s.BM25()
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
