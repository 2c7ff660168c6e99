"""Significance of a difference: paired interval, randomisation test, Holm's correction.

Shapes: Q queries, P permutations in a block. Values are per query and already averaged over seeds;
differences are paired by query.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from windowshop.evaluation.metrics import Estimate, bootstrap

NUM_PERMUTATIONS = 10_000
BLOCK_NUMBERS = 4_000_000
"""Random numbers held at a time."""
TIE = 1e-9
"""A smaller difference of a query's values is a tie: two sums of floats may differ by less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One system minus the reference, on the queries that both have."""

    difference: Estimate
    p_value: float
    """Two-sided, of the randomisation test; not corrected."""
    wins: int
    ties: int
    losses: int


def compare(
    system: Mapping[str, float],
    reference: Mapping[str, float],
    seed: int = 0,
    num_permutations: int = NUM_PERMUTATIONS,
) -> Comparison | None:
    """Compare two systems' values by query id; None where they share no query."""
    shared = sorted(system.keys() & reference.keys())
    if not shared:
        return None
    difference_Q = np.array([system[query] - reference[query] for query in shared])
    return Comparison(
        difference=bootstrap(difference_Q.tolist(), seed),
        p_value=randomisation_test(difference_Q, seed, num_permutations),
        wins=int((difference_Q > TIE).sum()),
        ties=int((np.abs(difference_Q) <= TIE).sum()),
        losses=int((difference_Q < -TIE).sum()),
    )


def randomisation_test(
    difference_Q: np.ndarray, seed: int = 0, num_permutations: int = NUM_PERMUTATIONS
) -> float:
    """Return two-sided p of mean difference 0, by flipping signs of the queries' differences.

    p = (1 + permutations at least as extreme) / (1 + permutations), which is never 0
    (Phipson and Smyth 2010). Queries without a difference cannot change the sum and are left out.
    """
    difference_Q = difference_Q[np.abs(difference_Q) > TIE].astype(np.float64)
    num_queries = len(difference_Q)
    if num_queries == 0:
        return 1.0
    # A sum that ties with the observed one must count, whatever the order of addition.
    observed = abs(difference_Q.sum()) * (1 - 1e-12) - TIE
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_NUMBERS // num_queries)
    extreme = 0
    for start in range(0, num_permutations, block):
        size = (min(block, num_permutations - start), num_queries)
        flip_PQ = rng.integers(2, size=size, dtype=np.int8)
        sums_P = difference_Q.sum() - 2 * (flip_PQ @ difference_Q)
        extreme += int((np.abs(sums_P) >= observed).sum())
    return (1 + extreme) / (1 + num_permutations)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
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
