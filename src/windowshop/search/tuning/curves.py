"""Score of a channel -> probability of relevance, from judged queries.

Shapes: P pairs of a query and a product that one of its channels found.
"""

from collections.abc import Sequence

import numpy as np

from windowshop.errors import ConfigError
from windowshop.search.retrieval.calibration import Curve, fit_isotonic, fit_logistic
from windowshop.search.tuning.judgements import Judge
from windowshop.search.tuning.probes import Probe

MANY = 500
"""From so many relevant pairs a curve of any rising form is fitted, below it a logistic one."""
MOST_KNOTS = 64


def fit_curves(probes: Sequence[Probe], judge: Judge, names: Sequence[str]) -> dict[str, Curve]:
    """A curve for each channel; none at all where one cannot be fitted."""
    scores: list[list[np.ndarray]] = [[] for _ in names]
    relevant = []
    for probe in probes:
        found = probe.found["off"]
        relevant.append(judge.relevant(probe.query_id, found.keys_K))
        for own, channel in zip(scores, found.channels, strict=True):
            scores_K = np.full(len(found.keys_K), np.nan, dtype=np.float32)
            scores_K[np.searchsorted(found.keys_K, channel.keys)] = channel.scores
            own.append(scores_K)
    if not relevant:
        return {}
    relevant_P = np.concatenate(relevant)
    try:
        return {
            name: _fitted(np.concatenate(own), relevant_P)
            for name, own in zip(names, scores, strict=True)
        }
    except ConfigError:  # nothing, or everything, that a channel found is relevant
        return {}


def _fitted(scores_P: np.ndarray, relevant_P: np.ndarray) -> Curve:
    if relevant_P[~np.isnan(scores_P)].sum() >= MANY:
        curve = fit_isotonic(scores_P, relevant_P)
        kept = np.unique(np.linspace(0, len(curve.scores) - 1, MOST_KNOTS).round().astype(int))
        return Curve(
            scores=tuple(curve.scores[i] for i in kept),
            probabilities=tuple(curve.probabilities[i] for i in kept),
            floor=curve.floor,
        )
    logistic = fit_logistic(scores_P, relevant_P)
    knots = np.linspace(np.nanmin(scores_P), np.nanmax(scores_P), MOST_KNOTS // 2)
    return Curve(
        scores=tuple(knots.tolist()),
        probabilities=tuple(logistic.probability(knots).tolist()),
        floor=logistic.floor,
    )
