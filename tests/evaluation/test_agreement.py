import math

import numpy as np
import pytest

from windowshop.evaluation import agreement
from windowshop.evaluation.agreement import weighted_kappa


def obvious_kappa(first, second, num_grades=4):
    """Quadratic kappa from the table of both judges' grades."""
    table = np.zeros((num_grades, num_grades))
    for a, b in zip(first, second, strict=True):
        table[a, b] += 1 / len(first)
    weights = np.subtract.outer(np.arange(num_grades), np.arange(num_grades)) ** 2
    chance = np.outer(table.sum(axis=1), table.sum(axis=0))
    return 1 - (weights * table).sum() / (weights * chance).sum()


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_the_table_of_grades(seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(4, size=60)
    second = np.where(rng.random(60) < 0.6, first, rng.integers(4, size=60))
    found = weighted_kappa(first.astype(float), second.astype(float))
    assert found == pytest.approx(obvious_kappa(first, second))


def test_hand_worked_values():
    same = {("q", "a"): 0, ("q", "b"): 3, ("r", "a"): 1}
    found = agreement(same, {**same, ("r", "z"): 2})
    assert (found.kappa, found.exact, found.num_pairs, found.num_queries) == (1.0, 1.0, 3, 2)
    opposite = agreement({("q", "a"): 0, ("q", "b"): 1}, {("q", "a"): 1, ("q", "b"): 0})
    assert (opposite.kappa, opposite.exact) == (-1.0, 0.0)
    assert math.isnan(opposite.low)  # one query
    assert agreement(same, {("x", "a"): 1}) is None
    alike = agreement({("q", "a"): 2}, {("q", "a"): 2})
    assert math.isnan(alike.kappa)
    assert alike.exact == 1.0


def test_the_interval_draws_queries_and_holds_kappa():
    rng = np.random.default_rng(0)
    first = {(f"q{q}", f"p{p}"): int(rng.integers(4)) for q in range(30) for p in range(5)}
    second = {k: g if rng.random() < 0.7 else int(rng.integers(4)) for k, g in first.items()}
    found = agreement(first, second)
    assert found.low < found.kappa < found.high
    few = {key: grade for key, grade in second.items() if int(key[0][1:]) < 4}
    small = agreement(first, few)
    assert small.high - small.low > found.high - found.low
    assert agreement(second, first) == found
