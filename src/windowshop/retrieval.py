"""A model and a data set's features -> vectors and rankings; the dev check of training.

Shapes: Q queries, N products, D shared width.
"""

from dataclasses import dataclass

import numpy as np
import torch

from windowshop.batches import ProductSource, QuerySource
from windowshop.catalog import Dataset
from windowshop.metrics import (
    DEPTH,
    as_qrels,
    relevance_threshold,
    score_queries,
)
from windowshop.nearest import nearest
from windowshop.towers import TwoTower

CHUNK = 4096
TEXT_WEIGHTS = tuple(round(0.1 * i, 1) for i in range(11))


@torch.inference_mode()
def product_vectors(model: TwoTower, source: ProductSource, items: np.ndarray) -> np.ndarray:
    """Fused vectors of the given products, float32 (N, D)."""
    model.eval()
    parts = [
        model.encode_products(source.batch(items[start : start + CHUNK])).numpy()
        for start in range(0, len(items), CHUNK)
    ]
    return np.concatenate(parts)


@torch.inference_mode()
def query_vectors(model: TwoTower, source: QuerySource, items: np.ndarray) -> np.ndarray:
    """Vectors of the given queries, float32 (Q, D)."""
    model.eval()
    parts = [
        model.encode_queries(source.batch(items[start : start + CHUNK])).numpy()
        for start in range(0, len(items), CHUNK)
    ]
    return np.concatenate(parts)


def make_run(
    query_QD: np.ndarray, query_ids: list[str], product_ND: np.ndarray, product_ids: list[str]
) -> dict[str, dict[str, float]]:
    """Rank all products for each query: query_id -> product_id -> score."""
    found = nearest(query_QD, product_ND, DEPTH)
    return {
        query_id: {product_ids[row]: float(score) for row, score in zip(rows, scores, strict=True)}
        for query_id, rows, scores in zip(query_ids, found.rows, found.scores, strict=True)
    }


@dataclass(frozen=True, slots=True)
class DevCheck:
    """Scores a model on the dev queries over the catalogue, or over a sample of a large one."""

    product_source: ProductSource
    query_source: QuerySource
    queries: np.ndarray
    query_ids: list[str]
    products: np.ndarray
    product_ids: list[str]
    qrels: dict[str, dict[str, int]]
    threshold: int

    def __call__(self, model: TwoTower) -> dict[str, float]:
        """Mean nDCG@10 and Recall@100, and `score`, their mean, by which checkpoints are chosen."""
        product_ND = product_vectors(model, self.product_source, self.products)
        return self._score(model, product_ND)

    def best_text_weight(self, model: TwoTower) -> float:
        """The w whose normalise(w t + (1 - w) v) does best on dev; what fusions start from."""
        with torch.inference_mode():
            model.eval()
            t_ND, v_ND = model.encode_modalities(self.product_source.batch(self.products))
        scores = {}
        for weight in TEXT_WEIGHTS:
            mixed_ND = torch.nn.functional.normalize(weight * t_ND + (1 - weight) * v_ND, dim=-1)
            scores[weight] = self._score(model, mixed_ND.numpy())["score"]
        return max(scores, key=lambda weight: (scores[weight], -abs(weight - 0.5)))

    def _score(self, model: TwoTower, product_ND: np.ndarray) -> dict[str, float]:
        query_QD = query_vectors(model, self.query_source, self.queries)
        run = make_run(query_QD, self.query_ids, product_ND, self.product_ids)
        scores = score_queries(self.qrels, run, self.threshold)
        ndcg = float(np.mean(list(scores["ndcg@10"].values())))
        recall = float(np.mean(list(scores["recall@100"].values())))
        return {"ndcg@10": ndcg, "recall@100": recall, "score": (ndcg + recall) / 2}


def make_dev_check(
    dataset: Dataset, products: ProductSource, queries: QuerySource, max_products: int, seed: int
) -> DevCheck | None:
    """The dev check of a data set; None where it has no judged dev query."""
    dev = dataset.split("dev")
    if dev.is_empty():
        return None
    qrels = dataset.qrels_of(dev)
    product_ids = dataset.products["product_id"]
    items = np.arange(len(product_ids))
    if len(items) > max_products:
        judged = product_ids.is_in(qrels["product_id"].implode()).to_numpy()
        others = np.random.default_rng(seed).permutation(items[~judged])
        keep = max(0, max_products - int(judged.sum()))
        items = np.sort(np.concatenate([items[judged], others[:keep]]))
    row_of = dict(zip(dataset.queries["query_id"], range(len(dataset.queries)), strict=True))
    query_ids = dev["query_id"].to_list()
    return DevCheck(
        product_source=products,
        query_source=queries,
        queries=np.array([row_of[query_id] for query_id in query_ids]),
        query_ids=query_ids,
        products=items,
        product_ids=product_ids[items].to_list(),
        qrels=as_qrels(qrels),
        threshold=relevance_threshold(dataset.qrels),
    )
