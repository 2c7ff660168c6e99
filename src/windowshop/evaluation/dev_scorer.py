"""Scores of a model on the dev queries while it trains.

Shapes: Q queries, N products, D shared width, P width of the vectors that are compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from windowshop.config import StageName
from windowshop.data import Dataset
from windowshop.evaluation.metrics import score_queries
from windowshop.evaluation.runs import (
    make_run,
    modality_vectors,
    normalised,
    product_vectors,
    query_vectors,
    shared_query_vectors,
)
from windowshop.evaluation.slices import EQUAL, GradedQrels, label_sets
from windowshop.model import ProductSource, QuerySource, TwoTower

SHARPNESSES, MIDPOINTS = (1.0, 2.0, 4.0, 8.0), (0.3, 0.5, 0.7, 0.9)
"""Values tried for the weight of the text by query; midpoints are quantiles of its logits."""
MAX_DEV_QUERIES = 5_000
"""Dev queries that are scored; more would take long and say little more."""
TEXT_WEIGHTS = tuple(round(0.1 * i, 1) for i in range(11))


def score_labels(
    labels: Sequence[GradedQrels], run: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Return mean nDCG@10 and Recall@100, and `score`, their mean, by which dev chooses.

    Label sets are scored apart and averaged by their weights; one without a query is left out.
    """
    scores = [score_queries(part.qrels, run, part.threshold) for part in labels]
    means = {}
    for measure in ("ndcg@10", "recall@100"):
        values = [np.array(list(part[measure].values())) for part in scores]
        pairs = zip(values, labels, strict=True)
        defined = [(part.weight, value.mean()) for value, part in pairs if len(value)]
        total = sum(weight for weight, _ in defined)
        means[measure] = float(sum(w * mean for w, mean in defined) / total) if total else 0.0
    return means | {"score": (means["ndcg@10"] + means["recall@100"]) / 2}


@dataclass(frozen=True, slots=True)
class DevScorer:
    """Scorer of models on the dev queries, over the catalogue or a sample of a large one."""

    product_source: ProductSource
    query_source: QuerySource
    queries: np.ndarray
    query_ids: list[str]
    products: np.ndarray
    product_ids: list[str]
    labels: list[GradedQrels]

    def __call__(self, model: TwoTower, stage: StageName = "fused") -> dict[str, float]:
        """Return the model's scores by `score_labels`.

        Before the fused stage, text and image vectors are averaged: the fusion is not trained yet,
        and must not decide which weights it starts from.
        """
        fusion = model.fusion
        if stage == "fused" or not (fusion.uses_text and fusion.uses_image):
            query_QP = query_vectors(model, self.query_source, self.queries)
            return self._score(query_QP, product_vectors(model, self.product_source, self.products))
        t_ND, v_ND = modality_vectors(model, self.product_source, self.products)
        query_QD = shared_query_vectors(model, self.query_source, self.queries)
        return self._score(query_QD, normalised(t_ND + v_ND))

    def best_text_weight(self, model: TwoTower) -> float:
        """Return the w whose normalise(w t + (1 - w) v) is best on dev; fusions start from it."""
        t_ND, v_ND = modality_vectors(model, self.product_source, self.products)
        query_QD = shared_query_vectors(model, self.query_source, self.queries)
        scores = {}
        for weight in TEXT_WEIGHTS:
            mixed_ND = normalised(weight * t_ND + (1 - weight) * v_ND)
            scores[weight] = self._score(query_QD, mixed_ND)["score"]
        return max(scores, key=lambda weight: (scores[weight], -abs(weight - 0.5)))

    def calibrate(self, model: TwoTower) -> None:
        """Choose sharpness and midpoint of a fusion's query weight, if it has one, on dev.

        Midpoints are tried at quantiles of the queries' logits; the unchanged weight wins ties.
        """
        weight = model.fusion.query_weight
        if weight is None:
            return
        product_NP = product_vectors(model, self.product_source, self.products)
        shared_QD = torch.from_numpy(shared_query_vectors(model, self.query_source, self.queries))
        shared_QD = shared_QD.to(model.device)
        with torch.inference_mode():
            quantiles = np.quantile(weight.logits(shared_QD).cpu().numpy(), MIDPOINTS)
        tried = [(1.0, 0.0), *((s, float(m)) for s in SHARPNESSES for m in quantiles)]
        scores = {}
        for pair in tried:
            weight.calibrate(*pair)
            query_QP = query_vectors(model, self.query_source, self.queries)
            scores[pair] = self._score(query_QP, product_NP)["score"]
        weight.calibrate(*max(tried, key=lambda pair: scores[pair]))

    def _score(self, query_QD: np.ndarray, product_ND: np.ndarray) -> dict[str, float]:
        run = make_run(query_QD, self.query_ids, product_ND, self.product_ids)
        return score_labels(self.labels, run)


def make_dev_scorer(
    dataset: Dataset,
    products: ProductSource,
    queries: QuerySource,
    max_products: int,
    seed: int,
    *,
    weights: Mapping[str, float] = EQUAL,
) -> DevScorer | None:
    """Return the dev scorer of a data set; None where it has no judged dev query.

    At most MAX_DEV_QUERIES queries and `max_products` products are drawn by `seed`, judged
    products first. `weights` are those of the label sets; one of weight 0 is left out.
    """
    counted = [kind for kind in dataset.kinds if weights[kind] > 0]
    qrels = dataset.qrels_of(dataset.split("dev")).filter(pl.col("kind").is_in(counted))
    if qrels.is_empty():
        return None
    judged_ids = qrels["query_id"].unique().implode()
    dev = dataset.queries.filter(pl.col("query_id").is_in(judged_ids))
    if len(dev) > MAX_DEV_QUERIES:
        drawn = np.random.default_rng(seed).permutation(len(dev))[:MAX_DEV_QUERIES]
        dev = dev[np.sort(drawn)]
        qrels = qrels.filter(pl.col("query_id").is_in(dev["query_id"].implode()))
    product_ids = dataset.products["product_id"]
    items = np.arange(len(product_ids))
    if len(items) > max_products:
        judged = product_ids.is_in(qrels["product_id"].implode()).to_numpy()
        others = np.random.default_rng(seed).permutation(items[~judged])
        keep = max(0, max_products - int(judged.sum()))
        items = np.sort(np.concatenate([items[judged], others[:keep]]))
    row_of = dict(zip(dataset.queries["query_id"], range(len(dataset.queries)), strict=True))
    query_ids = dev["query_id"].to_list()
    return DevScorer(
        product_source=products,
        query_source=queries,
        queries=np.array([row_of[query_id] for query_id in query_ids]),
        query_ids=query_ids,
        products=items,
        product_ids=product_ids[items].to_list(),
        labels=list(label_sets(dataset, qrels, weights).values()),
    )
