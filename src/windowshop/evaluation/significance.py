"""Intervals and tests over queries and seeds together, and Holm's correction.

Shapes: S seeds, Q queries.

A trained system's mean depends on the queries that were asked and on the seeds that it was trained
with. Both are drawn: value_SQ is a mean, an effect of the seed, one of the query, and what is left
(two-way random effects). From the analysis of variance, the mean's own variance has two terms,

    V = MS_seeds / SQ + max(0, MS_queries - MS_rest) / SQ        of S - 1 and Q - 1 freedom,

as where a few readers judge many cases in radiology (Hillis 2007, doi:10.1002/sim.2532). The error
that is exceeded with probability a is sqrt(V) times the mean of both terms' t(a), weighted by the
terms (Cochran 1964, Biometrics 20:191). Interval, p and detectable size all come from it. A
difference is taken by query, and by seed where both systems have the same seeds; else the seeds of
each are a term. A system with one seed counts as constant over seeds: between two of those, only
queries are drawn.

benchmarks/null_effects.py measures what else was tried: one t by Satterthwaite's freedom calls up
to 7% of null effects significant with three seeds. A bootstrap of queries and seeds does so with up
to 24%: three seeds, drawn again with replacement, spread by a third too little, and that spread is
taken for known; where seeds do not differ it is too wide, as it counts what is left three times
(arXiv:1106.2125).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from windowshop.evaluation.metrics import Estimate
from windowshop.evaluation.seed_scores import SeedScores

ALPHA = 0.05
POWER = 0.8
P_FLOOR = 1e-9
"""Lowest p that is told from others."""
TIE = 1e-6
"""A smaller difference of two values is a tie: they are kept in single precision."""
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One system minus another, on the queries that both have."""

    difference: Estimate
    margin: float
    p_value: float
    """Two-sided, that the difference is the margin: below .05 where the interval excludes it."""
    detectable: float
    """Distance from the margin that a test at 5% finds with 80% power.

    The errors exceeded with .025 and .2, added (Bloom 1995, doi:10.1177/0193841X9501900504).
    """
    wins: int
    ties: int
    losses: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """A comparison with its p corrected over the tests of one table."""

    comparison: Comparison
    p_holm: float

    @property
    def too_small(self) -> bool:
        """Whether the difference is no further from the margin than what can be detected."""
        found = self.comparison
        return abs(found.difference.mean - found.margin) <= found.detectable

    @property
    def sign(self) -> int:
        """1 above the margin, -1 below it, 0 where p or size leaves that undecided."""
        if self.p_holm >= ALPHA or self.too_small:
            return 0
        return 1 if self.comparison.difference.mean > self.comparison.margin else -1


@dataclass(frozen=True, slots=True)
class _Spread:
    """A mean with the terms of its variance, each with its degrees of freedom."""

    mean: float
    terms: tuple[tuple[float, int], ...]

    def exceeded(self, tail: float) -> float:
        """Return the error that is exceeded upwards with this probability."""
        variance = sum(term for term, _ in self.terms)
        if not variance:
            return 0.0
        weighted = sum(-term * float(stdtrit(freedom, tail)) for term, freedom in self.terms)
        return float(weighted / variance**0.5)


def mean_estimate(scores: SeedScores) -> Estimate:
    """Return the mean and its 95% interval, which is nan for fewer than two queries."""
    if len(scores.query_ids) < 2:
        return Estimate(float(scores.value_SQ.mean()), np.nan, np.nan, len(scores.query_ids))
    return _estimate(_spread([scores.value_SQ]), len(scores.query_ids))


def compare(system: SeedScores, other: SeedScores, margin: float = 0.0) -> Comparison | None:
    """Compare two systems; None where they share fewer than two queries."""
    mine_SQ, theirs_SQ = _shared_queries(system, other)
    num_queries = mine_SQ.shape[1]
    if num_queries < 2:
        return None
    paired = system.seeds == other.seeds or 1 in (len(system.seeds), len(other.seeds))
    parts = [mine_SQ - theirs_SQ] if paired else [mine_SQ, -theirs_SQ]
    spread = _spread(parts)
    mean_Q = mine_SQ.mean(axis=0) - theirs_SQ.mean(axis=0)
    return Comparison(
        difference=_estimate(spread, num_queries),
        margin=margin,
        p_value=_p_value(spread, margin),
        detectable=spread.exceeded(ALPHA / 2) + spread.exceeded(1 - POWER),
        wins=int((mean_Q > TIE).sum()),
        ties=int((np.abs(mean_Q) <= TIE).sum()),
        losses=int((mean_Q < -TIE).sum()),
    )


def correct(found: Mapping[Key, Comparison]) -> dict[Key, Corrected]:
    """Return the comparisons of one table with Holm's p over all of them."""
    adjusted = holm({key: comparison.p_value for key, comparison in found.items()})
    return {key: Corrected(comparison, adjusted[key]) for key, comparison in found.items()}


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Return Holm's step-down adjusted p of a family (Holm 1979), to compare with the level.

    The i-th smallest of m becomes max over j <= i of min(1, (m - j + 1) p_j).
    """
    adjusted = {}
    highest = 0.0
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for place, name in enumerate(ordered):
        highest = max(highest, min(1.0, (len(ordered) - place) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def _shared_queries(system: SeedScores, other: SeedScores) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of both on the queries that both have, in one order."""
    shared, mine, theirs = np.intersect1d(
        np.array(system.query_ids, dtype=str),
        np.array(other.query_ids, dtype=str),
        assume_unique=True,
        return_indices=True,
    )
    return system.value_SQ[:, mine], other.value_SQ[:, theirs]


def _spread(parts: Sequence[np.ndarray]) -> _Spread:
    """Return mean and error of a sum of values (S, Q), whose seeds were drawn independently."""
    num_queries = parts[0].shape[1]
    mean_Q = np.sum([part_SQ.mean(axis=0) for part_SQ in parts], axis=0)
    terms, rest = [], 0.0
    for part_SQ in parts:
        num_seeds = len(part_SQ)
        if num_seeds > 1:
            seed_S = part_SQ.mean(axis=1, keepdims=True)
            rest_SQ = part_SQ - seed_S - part_SQ.mean(axis=0) + part_SQ.mean()
            freedom = (num_seeds - 1) * (num_queries - 1)
            rest += float((rest_SQ**2).sum()) / freedom / part_SQ.size
            terms.append((float(seed_S.var(ddof=1)) / num_seeds, num_seeds - 1))
    of_queries = float(mean_Q.var(ddof=1)) / num_queries
    terms.append((max(0.0, of_queries - rest), num_queries - 1))
    return _Spread(float(mean_Q.mean()), tuple(terms))


def _estimate(spread: _Spread, num_queries: int) -> Estimate:
    half = spread.exceeded(ALPHA / 2)
    return Estimate(spread.mean, spread.mean - half, spread.mean + half, num_queries)


def _p_value(spread: _Spread, margin: float) -> float:
    """Return the p at whose half the distance to the margin is exceeded."""
    distance = abs(spread.mean - margin)
    if distance <= TIE:
        return 1.0
    if distance >= spread.exceeded(P_FLOOR / 2):
        return P_FLOOR
    return float(brentq(lambda p: spread.exceeded(p / 2) - distance, P_FLOOR, 1.0, xtol=1e-12))
