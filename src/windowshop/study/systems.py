"""Rankings of the catalogue by every system of a study, trained or not.

Shapes: Q queries, N products, D shared width, H feature width.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from windowshop.data import FACTS, lexical_texts
from windowshop.engines import count_terms
from windowshop.evaluation import (
    BM25,
    DEPTH,
    EQUAL,
    GradedQrels,
    Qrels,
    TunedBM25,
    choose_bm25,
    label_sets,
    make_run,
    modality_vectors,
    normalised,
    present,
    product_vectors,
    query_texts,
    query_vectors,
    score_labels,
    shared_query_vectors,
)
from windowshop.model import TwoTower
from windowshop.study.config import Mix
from windowshop.training import PreparedData

Run = dict[str, dict[str, float]]
WEIGHTS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9, 0.0, 1.0)
"""Weights tried for the first of two rankings; the earliest of equals is kept."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Judged queries of one split, by row in the query table."""

    rows: np.ndarray
    ids: list[str]
    texts: dict[str, str]
    """Texts of the queries that have one."""
    qrels: Qrels
    """People's judgements where the split has them, else the log's; empty for a query that only
    the other label set judges."""
    threshold: int
    labels: Mapping[str, GradedQrels] = field(default_factory=dict)
    """Label sets by name, where the split has two."""

    def score(self, run: Run) -> float:
        """Return the score by which weights and checkpoints are chosen, over all label sets."""
        labels = list(self.labels.values()) or [GradedQrels(self.qrels, self.threshold)]
        return score_labels(labels, run)["score"]


def queries_of(prepared: PreparedData, split: str, weights: Mapping[str, float] = EQUAL) -> Queries:
    """Return the judged queries of a split; `weights` are of the label sets in `score`."""
    dataset = prepared.dataset
    table = dataset.queries.select("query_id", "query").with_row_index("row")
    asked = dataset.split(split)
    table = table.join(asked.select("query_id"), on="query_id", maintain_order="left")
    labels = label_sets(dataset, dataset.qrels_of(asked), weights)
    headline = next(iter(labels.values()), GradedQrels({}, 1))
    return Queries(
        rows=table["row"].to_numpy().astype(np.int64),
        ids=table["query_id"].to_list(),
        texts=query_texts(table),
        qrels={query_id: headline.qrels.get(query_id, {}) for query_id in table["query_id"]},
        threshold=headline.threshold,
        labels=labels if len(labels) > 1 else {},
    )


def trained_run(prepared: PreparedData, model: TwoTower, queries: Queries) -> Run:
    """Rank by a trained system."""
    products = np.arange(len(prepared.data.products))
    return make_run(
        query_vectors(model, prepared.data.queries, queries.rows),
        queries.ids,
        product_vectors(model, prepared.data.products, products),
        product_ids(prepared),
    )


def score_fusion_run(
    prepared: PreparedData, model: TwoTower, mix: Mix, dev: Queries, test: Queries
) -> Run:
    """Rank by mixed cosines to text and image vectors of separately aligned towers."""
    products = np.arange(len(prepared.data.products))
    vectors = modality_vectors(model, prepared.data.products, products)

    def encode(part: Queries) -> np.ndarray:
        return shared_query_vectors(model, prepared.data.queries, part.rows)

    return _mixed_run(prepared, vectors, mix, encode, dev, test)


def frozen_run(prepared: PreparedData, mix: Mix, dev: Queries, test: Queries) -> Run:
    """Rank by the vectors of frozen encoders.

    Text alone is compared by the encoder's sentence vector. The other mixes need encoders of text
    and images that share a space, as both towers of a CLIP model do; a query's image counts there.
    """
    products, (sentence, *_) = prepared.data.products.features, prepared.cache.text.layout.segments
    pooled = prepared.image_layout.pooled
    items = np.arange(len(products.image))
    text_NH = normalised(products.views[FACTS].gather(items)[:, :sentence])
    image_NH = np.zeros_like(text_NH)
    if mix != "text":
        image_NH = normalised(products.image.gather(items)[:, :pooled])
    queries = prepared.data.queries.features

    def encode(part: Queries) -> np.ndarray:
        query_QH = normalised(queries.text.gather(part.rows)[:, :sentence])
        if mix != "text":
            query_QH = query_QH + normalised(queries.image.gather(part.rows)[:, :pooled])
        return normalised(query_QH)

    return _mixed_run(prepared, (text_NH, image_NH), mix, encode, dev, test)


def lexical_ranker(prepared: PreparedData, dev: Queries) -> TunedBM25:
    """Return BM25 of the catalogue, its parameters chosen on dev."""
    counts, ids = (
        count_terms(lexical_texts(prepared.dataset.products, prepared.dataset.language)),
        product_ids(prepared),
    )
    choice = choose_bm25(counts, ids, dev.texts, dev.qrels, dev.threshold)
    return TunedBM25(BM25(counts, ids, choice.config), choice)


def interpolated_run(lexical: Run, dense: Run, dev: Queries, test: Queries) -> Run:
    """Mix two rankings, each scaled to [0, 1] per query, by a weight chosen on dev."""
    best = max(WEIGHTS, key=lambda weight: dev.score(_interpolated(lexical, dense, dev, weight)))
    return _interpolated(lexical, dense, test, best)


def _mixed_run(
    prepared: PreparedData,
    vectors: tuple[np.ndarray, np.ndarray],
    mix: Mix,
    encode: Callable[[Queries], np.ndarray],
    dev: Queries,
    test: Queries,
) -> Run:
    """Rank by the mix of text and image vectors (N, D) that is best on dev."""
    ids = product_ids(prepared)
    has_text_N, has_image_N = (present(x_ND) for x_ND in vectors)
    has_any_N = {"text": has_text_N, "image": has_image_N}.get(mix, has_text_N | has_image_N)
    dev_QD, best_score, best_ND = encode(dev), -math.inf, np.empty(0)
    for mixed_ND in _mixes(*vectors, mix):  # one at a time: each is as large as the catalogue
        score = 0.0
        if dev.ids:
            score = dev.score(make_run(dev_QD, dev.ids, mixed_ND, ids, has_any_N))
        if score > best_score:
            best_score, best_ND = score, mixed_ND
    return make_run(encode(test), test.ids, best_ND, ids, has_any_N)


def _mixes(text_ND: np.ndarray, image_ND: np.ndarray, mix: Mix) -> Iterator[np.ndarray]:
    """Yield product vectors whose inner product with a query is the mixed score, by weight.

    A product with one modality is scored by it alone, except under `raw`.
    """
    if mix in ("text", "image", "raw"):
        yield text_ND if mix == "text" else image_ND if mix == "image" else text_ND + image_ND
        return
    if mix == "centred":
        text_ND, image_ND = _centred(text_ND), _centred(image_ND)
    has_text_N1, has_image_N1 = present(text_ND)[:, None], present(image_ND)[:, None]
    for weight in (0.5,) if mix == "average" else WEIGHTS:
        text_weight_N1 = np.where(has_image_N1, weight, 1.0).astype(np.float32)
        image_weight_N1 = np.where(has_text_N1, 1 - weight, 1.0).astype(np.float32)
        yield text_weight_N1 * text_ND + image_weight_N1 * image_ND


def _centred(x_ND: np.ndarray) -> np.ndarray:
    """Return vectors less their mean, normalised: without the gap between modalities."""
    present_N = present(x_ND)
    mean_D = x_ND[present_N].mean(axis=0) if present_N.any() else 0.0
    return normalised((x_ND - mean_D) * present_N[:, None])


def _interpolated(lexical: Run, dense: Run, queries: Queries, weight: float) -> Run:
    mixed = {}
    for query_id in queries.ids:
        first, second = _scaled(lexical.get(query_id, {})), _scaled(dense.get(query_id, {}))
        scores = {
            product: weight * first.get(product, 0.0) + (1 - weight) * second.get(product, 0.0)
            for product in {**first, **second}
        }
        best = sorted(scores, key=lambda product: -scores[product])[:DEPTH]
        mixed[query_id] = {product: scores[product] for product in best}
    return mixed


def _scaled(scores: Mapping[str, float]) -> dict[str, float]:
    """Return scores scaled to [0, 1]; all 1 where they are equal."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if low == high:
        return dict.fromkeys(scores, 1.0)
    return {product: (s - low) / (high - low) for product, s in scores.items()}


def product_ids(prepared: PreparedData) -> list[str]:
    """Return the ids of the catalogue's products, in its order."""
    return prepared.dataset.products["product_id"].to_list()
