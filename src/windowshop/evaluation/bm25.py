"""BM25, the lexical baseline, with parameters chosen on dev queries.

Shapes: Q queries, N products.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from windowshop.data import Dataset, lexical_texts, query_terms
from windowshop.engines import BM25Config, BM25Index, TermCounts, best, count_terms
from windowshop.evaluation.metrics import (
    DEPTH,
    Qrels,
    as_qrels,
    relevance_threshold,
    score_queries,
)
from windowshop.evaluation.slices import query_texts, split_kinds

K1 = (0.1, 0.3, 0.6, 0.9, 1.2, 1.5, 2.0)
B = (0.0, 0.25, 0.5, 0.75, 1.0)
DESCRIPTION = (0.05, 0.2, 1.0)
"""Values tried, all together."""
MIN_QUERIES, MAX_QUERIES = 10, 300
"""Fewer judged dev queries choose nothing; of more, so many are drawn."""
JUDGED = 10
"""Length of the rankings that nDCG@10 reads."""
MEASURE = "ndcg@10"
DEFAULT = BM25Config()


@dataclass(frozen=True, slots=True)
class BM25Choice:
    """Parameters, and what dev says of them."""

    config: BM25Config
    num_queries: int = 0
    """Dev queries that chose; 0 where there are too few, and the parameters are the defaults."""
    ndcg: float | None = None
    default_ndcg: float | None = None
    """Mean nDCG@10 on them by the chosen parameters and by the defaults."""

    def __str__(self) -> str:
        """Return the parameters and where they come from, in a few words."""
        config = self.config
        source = f"chosen on {self.num_queries} dev queries" if self.num_queries else "defaults"
        return (
            f"k1 {config.k1:g}, b {config.b:g}, a word of the description counts "
            f"{config.description:g}; {source}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            **asdict(self.config),
            "dev_queries": self.num_queries,
            "dev_ndcg@10": self.ndcg,
            "dev_ndcg@10_by_default": self.default_ndcg,
        }


class BM25:
    """BM25 of a catalogue, ready to rank."""

    def __init__(
        self, counts: TermCounts, product_ids: Sequence[str], config: BM25Config = DEFAULT
    ) -> None:
        self._known, self._ids = counts.known, product_ids
        self._index = BM25Index(counts, config)

    def scores(self, queries: Sequence[str]) -> np.ndarray:
        """Return the score of every product for each query text, float32 (Q, N)."""
        scores_QN = np.zeros((len(queries), len(self._ids)), dtype=np.float32)
        for row, query in enumerate(queries):
            scores_QN[row] = self._scores(query)
        return scores_QN

    def run(self, queries: Mapping[str, str], depth: int = DEPTH) -> dict[str, dict[str, float]]:
        """Rank for query texts by id: query_id -> product_id -> score above 0, best first."""
        return {query_id: self._ranking(text, depth) for query_id, text in queries.items()}

    def _scores(self, query: str) -> np.ndarray:
        return self._index.scores(query_terms(query, self._known))

    def _ranking(self, query: str, depth: int) -> dict[str, float]:
        scores_N = self._scores(query)
        found = np.flatnonzero(scores_N > 0)
        rows, scores = best(found, scores_N[found], depth)
        pairs = zip(rows.tolist(), scores.tolist(), strict=True)
        return {self._ids[row]: score for row, score in pairs if row >= 0}


@dataclass(frozen=True, slots=True)
class TunedBM25:
    """BM25 by parameters that dev chose."""

    ranker: BM25
    choice: BM25Choice

    def run(self, queries: Mapping[str, str]) -> dict[str, dict[str, float]]:
        """Rank for query texts by id, as `BM25.run`."""
        return self.ranker.run(queries)


def tuned_bm25(dataset: Dataset) -> TunedBM25:
    """Return BM25 of a data set's products, chosen on its dev queries.

    Where there are judgements of people and of a log, those of people choose.
    """
    rows = dataset.split("dev")
    by_kind = split_kinds(dataset.qrels_of(rows))
    counts = count_terms(lexical_texts(dataset.products, dataset.language))
    product_ids = dataset.products["product_id"].to_list()
    choice = BM25Choice(DEFAULT)
    if by_kind:
        kind, qrels = next(iter(by_kind.items()))
        threshold = relevance_threshold(dataset.qrels.filter(kind=kind))
        answers = as_qrels(qrels)
        choice = choose_bm25(counts, product_ids, query_texts(rows), answers, threshold)
    return TunedBM25(BM25(counts, product_ids, choice.config), choice)


def choose_bm25(
    counts: TermCounts,
    product_ids: Sequence[str],
    queries: Mapping[str, str],
    qrels: Qrels,
    threshold: int,
) -> BM25Choice:
    """Choose the parameters of the highest mean nDCG@10 on judged queries.

    The defaults stay where the gain over them is not above its standard error over queries.
    """
    judged = sorted(q for q in queries if max(qrels.get(q, {}).values(), default=0) > 0)
    drawn = np.random.default_rng(0).permutation(len(judged))[:MAX_QUERIES]
    judged = [judged[i] for i in np.sort(drawn)]
    default = DEFAULT
    if len(judged) < MIN_QUERIES or not counts.ids:
        return BM25Choice(default)
    asked = {query_id: queries[query_id] for query_id in judged}
    counts = counts.only(t for text in asked.values() for t in query_terms(text, counts.known))
    answers = {query_id: qrels[query_id] for query_id in judged}

    def ndcg(config: BM25Config) -> np.ndarray:
        run = BM25(counts, product_ids, config).run(asked, JUDGED)
        by_query = score_queries(answers, run, threshold)[MEASURE]
        return np.array([by_query[query_id] for query_id in judged])

    default_Q = ndcg(default)
    chosen, chosen_Q = default, default_Q
    for k1, b, description in product(K1, B, DESCRIPTION):
        tried = BM25Config(k1=k1, b=b, description=description)
        tried_Q = ndcg(tried)
        if tried_Q.mean() > chosen_Q.mean():
            chosen, chosen_Q = tried, tried_Q
    gain_Q = chosen_Q - default_Q
    if gain_Q.mean() <= gain_Q.std(ddof=1) / np.sqrt(len(gain_Q)):
        chosen, chosen_Q = default, default_Q
    return BM25Choice(chosen, len(judged), float(chosen_Q.mean()), float(default_Q.mean()))
