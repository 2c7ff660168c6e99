"""Kappa, its interval and the calibration, on numbers worked by hand."""

import numpy as np
import pytest

from windowshop.evaluation.judge.agreement import (
    Calibration,
    calibrate,
    counts_by_query,
    kappa_estimate,
    weighted_kappa,
)


def test_kappa_by_hand():
    """Two grades: 20 and 15 agree, 5 and 10 do not; po .7, pe .5, so .4 as Cohen's unweighted."""
    count_GG = np.array([[20, 5], [10, 15]])
    assert weighted_kappa(count_GG[None]) == pytest.approx([0.4])


def test_kappa_weighs_by_the_square_of_the_distance():
    """One of four pairs is two grades apart, which weighs 4.

    The model gives (2, 0, 2) of each grade and people (1, 0, 3): by chance 4 (2·3 + 2·1) / 4 = 8.
    """
    count_GG = np.zeros((3, 3))
    count_GG[0, 0], count_GG[0, 2], count_GG[2, 2] = 1, 1, 2
    assert weighted_kappa(count_GG[None]) == pytest.approx([1 - 4 / 8])
    near = np.zeros((3, 3))
    near[0, 0], near[0, 1], near[2, 2] = 1, 1, 2  # people (1, 1, 2): (2 + 16 + 8 + 2) / 4 = 7
    assert weighted_kappa(near[None]) == pytest.approx([1 - 1 / 7])


def test_kappa_of_agreement_chance_and_the_reverse():
    same, reverse = np.diag([3.0, 4.0, 5.0]), np.fliplr(np.diag([4.0, 4.0]))
    assert weighted_kappa(same[None]) == pytest.approx([1])
    assert weighted_kappa(reverse[None]) == pytest.approx([-1])
    assert weighted_kappa(np.full((1, 2, 2), 5.0)) == pytest.approx([0])
    assert np.isnan(weighted_kappa(np.array([[[7.0, 0], [0, 0]]]))[0])


def test_the_interval_is_over_queries():
    """Ten queries of equal pairs in themselves: an interval of pairs would be far narrower."""
    ids = [f"q{q}" for q in range(10) for _ in range(20)]
    people = np.tile([0, 3], 100)
    wrong = np.repeat(np.arange(10) < 3, 20)  # three queries are all wrong
    model = np.where(wrong, 3 - people, people)
    found = kappa_estimate(counts_by_query(ids, model, people))
    assert found.mean == pytest.approx(0.4)
    assert found.n == 10
    assert found.low < -0.1
    assert found.high > 0.75
    assert kappa_estimate(counts_by_query(["q"] * 20, model[:20], people[:20])) is None
    assert kappa_estimate(counts_by_query([], np.array([], int), np.array([], int))) is None


def test_calibration_is_people_s_mean_and_never_falls():
    model = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    people = np.array([0, 1, 2, 2, 1, 1, 3, 3])
    found = calibrate(model, people)
    assert found.means == pytest.approx({0: 0.5, 1: 1.5, 2: 1.5, 3: 3.0})  # 2 and 1 are pooled
    assert [found.grade(g) for g in range(4)] == [1, 2, 2, 3]


def test_a_grade_that_nobody_compared_lies_between_its_neighbours():
    found = Calibration({0: 0.0, 3: 1.2})
    assert [found.grade(g) for g in range(4)] == [0, 0, 1, 1]
