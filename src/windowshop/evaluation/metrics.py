"""Retrieval metrics per query by ir-measures, and bootstrap intervals over queries.

Recall@k and MRR@10 count a product as relevant from a threshold on; nDCG@k uses the grades
themselves as gains (trec_eval's definition) divided by log2(rank + 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ir_measures
import numpy as np
import polars as pl
from ir_measures import RR, R, nDCG

RECALL_DEPTHS = (10, 50, 100)
MEASURES = ("recall@10", "recall@50", "recall@100", "ndcg@1", "ndcg@10", "mrr@10")
RR_DEPTH = 10
NUM_RESAMPLES = 2000
DEPTH = 100
"""Length of the rankings that the metrics read."""

Qrels = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries with its 95% interval."""

    mean: float
    low: float
    high: float
    n: int


def measure_label(measure: str) -> str:
    """Return a measure as papers write it: ndcg@10 -> nDCG@10."""
    name, _, depth = measure.partition("@")
    spelled = {"ndcg": "nDCG", "mrr": "MRR", "recall": "Recall"}.get(name, name)
    return f"{spelled}@{depth}"


def three_decimals(value: float) -> str:
    """Return a figure without the leading zero, as in tables of papers: .123."""
    return f"{value:.3f}".removeprefix("0")


def relevance_threshold(qrels: pl.DataFrame) -> int:
    """Return the lowest relevant grade: 2, or the highest grade where all are lower."""
    highest = qrels["grade"].max()
    return min(2, int(highest)) if isinstance(highest, int) else 1


def as_qrels(frame: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Return a table (query_id, product_id, grade) as nested mappings."""
    qrels: dict[str, dict[str, int]] = {}
    for query_id, product_id, grade in frame.select("query_id", "product_id", "grade").iter_rows():
        qrels.setdefault(query_id, {})[product_id] = grade
    return qrels


def score_queries(qrels: Qrels, run: Run, threshold: int) -> dict[str, dict[str, float]]:
    """Return measure -> query_id -> value in [0, 1], for every query that a measure is defined for.

    Queries absent from the run score 0. Recall and MRR are undefined for a query without a product
    at or above the threshold, nDCG for a query without a judged product. Equal scores rank in the
    run's own order.
    """
    measures = {
        **{R(rel=threshold) @ k: f"recall@{k}" for k in RECALL_DEPTHS},
        nDCG @ 1: "ndcg@1",
        nDCG @ 10: "ndcg@10",
        RR(rel=threshold): "mrr@10",
    }
    strict = {q for q, judged in qrels.items() if max(judged.values(), default=0) >= threshold}
    graded = {q for q, judged in qrels.items() if max(judged.values(), default=0) > 0}
    scores: dict[str, dict[str, float]] = {
        name: dict.fromkeys(sorted(graded if name.startswith("ndcg") else strict), 0.0)
        for name in MEASURES
    }
    # trec_eval alone, which has no cut-off for RR: the second tool that ir-measures would choose
    # for that takes ten times as long.
    for metric in ir_measures.pytrec_eval.iter_calc(list(measures), qrels, _without_ties(run)):
        name, value = measures[metric.measure], float(metric.value)
        if metric.query_id in scores[name]:
            cut = name == "mrr@10" and value < 1 / RR_DEPTH
            scores[name][metric.query_id] = 0.0 if cut else value
    return scores


def judged_at_k(qrels: Qrels, run: Run, k: int) -> dict[str, float]:
    """Return |first k ∩ judged| / |first k| of each query that found something, in [0, 1].

    A product without a judgement counts as not relevant in every other measure, so those say
    little where this is low.
    """
    shares = {}
    for query_id, scores in run.items():
        first = sorted(scores, key=lambda product_id: -scores[product_id])[:k]
        if first:
            judged = qrels.get(query_id, {})
            shares[query_id] = sum(name in judged for name in first) / len(first)
    return shares


def _without_ties(run: Run) -> dict[str, dict[str, float]]:
    """Return ranks for scores: the providers of measures break ties by id in different ways."""
    return {
        query: {
            product: -float(rank)
            for rank, product in enumerate(sorted(scores, key=lambda p: -scores[p]))
        }
        for query, scores in run.items()
    }


def bootstrap(values: Sequence[float], seed: int = 0) -> Estimate:
    """Return the mean and its 95% percentile interval over resampled queries, one at least."""
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = np.empty(NUM_RESAMPLES)
    block = max(1, 4_000_000 // len(array))
    for start in range(0, NUM_RESAMPLES, block):
        size = (min(block, NUM_RESAMPLES - start), len(array))
        means[start : start + block] = array[rng.integers(len(array), size=size)].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(array.mean()), float(low), float(high), len(array))
