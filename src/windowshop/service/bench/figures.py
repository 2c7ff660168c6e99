"""Figures of a run: metrics of each query and side, means with intervals, the paired difference.

They are computed from the rankings with the grades as they are now, so a grade that is given after
a run counts at once, for a snapshot too.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from windowshop.data import query_key
from windowshop.evaluation import (
    Estimate,
    Run,
    compare,
    judged_at_k,
    mean_estimate,
    one_seed,
    score_queries,
)
from windowshop.service.bench.query_sets import QuerySet

MEASURES = ("ndcg@10", "recall@100", "judged@10")
JUDGED_DEPTH = 10
Scores = Mapping[str, Mapping[str, float]]
"""Measure -> query key -> value."""


def figures_of(
    queries: QuerySet, rankings: Sequence[Mapping[str, Sequence[str]]]
) -> dict[str, Any]:
    """Return means by side, the second side minus the first, and the values of each query."""
    scores = [_scores(queries, ranking) for ranking in rankings]
    found: dict[str, Any] = {
        "measures": MEASURES,
        "relevant_from_grade": queries.threshold,
        "num_judged": sum(bool(judged) for judged in queries.qrels.values()),
        "sides": [{name: _mean(own[name]) for name in MEASURES} for own in scores],
        "difference": None,
        "queries": [_row(queries, text, rankings, scores) for text in queries.texts],
    }
    if len(scores) == 2:
        found["difference"] = {name: _difference(scores, name) for name in MEASURES}
    return found


def _scores(queries: QuerySet, ranking: Mapping[str, Sequence[str]]) -> Scores:
    run: Run = {
        query_key(text): {name: -float(place) for place, name in enumerate(found)}
        for text, found in ranking.items()
    }
    qrels = {key: judged for key, judged in queries.qrels.items() if judged}
    judged = judged_at_k(qrels, run, JUDGED_DEPTH)
    if not qrels:
        return {"ndcg@10": {}, "recall@100": {}, "judged@10": judged}
    return {**score_queries(qrels, run, queries.threshold), "judged@10": judged}


def _mean(values: Mapping[str, float]) -> dict[str, Any] | None:
    return _plain(mean_estimate(one_seed(values))) if values else None


def _difference(scores: Sequence[Scores], name: str) -> dict[str, Any] | None:
    first, second = (one_seed(own[name]) for own in scores)
    found = compare(second, first)
    if found is None:
        return None
    about = {"wins": found.wins, "ties": found.ties, "losses": found.losses}
    return {**_plain(found.difference), "p_value": found.p_value, **about}


def _plain(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate; an end that is not known is None."""
    ends = {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}
    known = {name: None if math.isnan(value) else value for name, value in ends.items()}
    return {**known, "n": estimate.n}


def _row(
    queries: QuerySet,
    text: str,
    rankings: Sequence[Mapping[str, Sequence[str]]],
    scores: Sequence[Scores],
) -> dict[str, Any]:
    key = query_key(text)
    return {
        "text": text,
        "count": queries.counts.get(text),
        "num_grades": len(queries.qrels.get(key, {})),
        "sides": [
            {"num_found": len(ranking.get(text, ()))}
            | {name: own[name].get(key) for name in MEASURES}
            for ranking, own in zip(rankings, scores, strict=True)
        ],
    }
