"""Agreement of two judges on the pairs that both graded.

Shapes: Q queries, P pairs that both graded, G grades.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

NUM_RESAMPLES = 1000
Grades = Mapping[tuple[str, str], int]
"""Grade by query and product."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Cohen's kappa of two judges, with its 95% interval over queries."""

    kappa: float
    """Quadratic weights; NaN where both gave one and the same grade throughout."""
    low: float
    high: float
    """NaN with fewer than two queries."""
    exact: float
    """Share of the pairs with equal grades."""
    num_pairs: int
    num_queries: int


def weighted_kappa(first_P: np.ndarray, second_P: np.ndarray) -> float:
    """Return Cohen's kappa with quadratic weights (Cohen 1968, doi:10.1037/h0026256).

    1 - sum (a - b)^2 / the same for independent judges: 1 for equal grades, 0 for agreement by
    chance. NaN where both gave one and the same grade throughout.
    """
    observed = float(((first_P - second_P) ** 2).mean())
    spread = first_P.var() + second_P.var() + (first_P.mean() - second_P.mean()) ** 2
    return 1 - observed / float(spread) if spread else float("nan")


def agreement(first: Grades, second: Grades) -> Agreement | None:
    """Return the agreement of two judges; None where they graded no pair both.

    Pairs of a query are alike, so queries are drawn for the interval (percentile bootstrap).
    """
    pairs = sorted(first.keys() & second.keys())
    if not pairs:
        return None
    grades_P2 = np.array([(first[pair], second[pair]) for pair in pairs], dtype=np.float64)
    rows_of: dict[str, list[int]] = {}
    for row, (query, _) in enumerate(pairs):
        rows_of.setdefault(query, []).append(row)
    low, high = _interval(grades_P2, [np.array(rows) for rows in rows_of.values()])
    return Agreement(
        kappa=weighted_kappa(grades_P2[:, 0], grades_P2[:, 1]),
        low=low,
        high=high,
        exact=float((grades_P2[:, 0] == grades_P2[:, 1]).mean()),
        num_pairs=len(pairs),
        num_queries=len(rows_of),
    )


def _interval(grades_P2: np.ndarray, rows_Q: Sequence[np.ndarray]) -> tuple[float, float]:
    if len(rows_Q) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    kappas = []
    for _ in range(NUM_RESAMPLES):
        drawn = rng.integers(len(rows_Q), size=len(rows_Q))
        own_P2 = grades_P2[np.concatenate([rows_Q[query] for query in drawn])]
        kappas.append(weighted_kappa(own_P2[:, 0], own_P2[:, 1]))
    known = np.array(kappas)[~np.isnan(kappas)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
