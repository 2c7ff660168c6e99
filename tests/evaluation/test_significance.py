import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from windowshop.evaluation.significance import compare, holm, randomisation_test


def exact_p(differences):
    """Two-sided p over every assignment of signs."""
    observed = abs(sum(differences))
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(total >= observed - 1e-12 for total in sums) / len(sums)


DIFFERENCES = {
    "all one way": [0.1, 0.2, 0.3, 0.1, 0.4, 0.2, 0.1, 0.3],
    "mixed": [0.3, -0.1, 0.25, 0.4, -0.2, 0.05, 0.6, -0.35, 0.15, 0.2],
    "balanced": [0.5, -0.5, 0.25, -0.25],
    "with ties": [0.0, 0.1, 0.1, -0.1, 0.1, 0.0, 0.1, 0.1],
    "one query": [0.7],
}


@pytest.mark.parametrize("differences", DIFFERENCES.values(), ids=DIFFERENCES)
def test_p_is_near_that_of_every_sign_pattern(differences):
    found = randomisation_test(np.array(differences), num_permutations=40_000)
    expected = exact_p(differences)
    four_sigma = 4 * np.sqrt(expected * (1 - expected) / 40_000)
    assert found == pytest.approx(expected, abs=four_sigma + 1 / 40_000)


def test_p_agrees_with_scipy_on_many_queries():
    rng = np.random.default_rng(3)
    mine = rng.random(200)
    other = mine + rng.normal(0.012, 0.1, 200)
    expected = permutation_test(
        (mine, other),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    ).pvalue
    assert 0.01 < expected < 0.9
    found = randomisation_test(mine - other, num_permutations=20_000)
    assert found == pytest.approx(expected, abs=0.02)


def test_p_is_never_zero_and_no_difference_gives_one():
    assert randomisation_test(np.full(100, 0.5), num_permutations=999) == 1 / 1000
    assert randomisation_test(np.zeros(10)) == 1.0
    assert randomisation_test(np.empty(0)) == 1.0


def test_p_does_not_depend_on_the_blocks(monkeypatch):
    differences = np.random.default_rng(0).normal(0.05, 0.3, 37)
    whole = randomisation_test(differences, num_permutations=5000)
    monkeypatch.setattr("windowshop.evaluation.significance.BLOCK_NUMBERS", 37 * 640)
    assert randomisation_test(differences, num_permutations=5000) == pytest.approx(whole, abs=0.03)
    monkeypatch.setattr("windowshop.evaluation.significance.BLOCK_NUMBERS", 1)
    assert randomisation_test(differences, num_permutations=5000) == pytest.approx(whole, abs=0.03)


def test_p_is_uniform_where_nothing_differs():
    rng = np.random.default_rng(5)
    p_values = [
        randomisation_test(rng.normal(0, 1, 25), seed=i, num_permutations=400) for i in range(300)
    ]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.07)


def test_holm_by_hand():
    # Sorted .01, .02, .03, .04 times 4, 3, 2, 1 is .04, .06, .06, .04; never falling: .04, .06 x3.
    found = holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]
    assert found == pytest.approx({"a": 0.06, "b": 0.04, "c": 0.06, "d": 0.06})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({"a": 0.03}) == {"a": 0.03}
    assert holm({}) == {}


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_holm_lies_between_the_plain_p_and_bonferroni(p_values):
    names = [str(i) for i in range(len(p_values))]
    found = holm(dict(zip(names, p_values, strict=True)))
    for name, p in zip(names, p_values, strict=True):
        assert p <= found[name] <= min(1, p * len(p_values)) + 1e-12
        # Rejected at a level exactly when Holm's steps reach this p without failing before.
        for level in (0.01, 0.05, 0.3):
            ordered = sorted(p_values)
            passed = 0
            while passed < len(ordered) and ordered[passed] * (len(ordered) - passed) <= level:
                passed += 1
            assert (found[name] <= level) == (p in ordered[:passed])


def test_compare_pairs_by_query_and_counts():
    system = {"a": 0.9, "b": 0.5, "c": 0.1, "d": 0.4, "only here": 1.0}
    reference = {"d": 0.4, "c": 0.3, "b": 0.2, "a": 0.1 + 0.2, "only there": 1.0}
    found = compare(system, reference)
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    assert found.difference.n == 4
    assert found.difference.mean == pytest.approx((0.6 + 0.3 - 0.2 + 0) / 4)
    assert found.difference.low <= found.difference.mean <= found.difference.high
    assert found.p_value == pytest.approx(exact_p([0.6, 0.3, -0.2]), abs=0.02)


def test_compare_takes_rounding_for_a_tie():
    found = compare({"a": 0.1 + 0.2}, {"a": 0.3})
    assert (found.wins, found.ties, found.losses, found.p_value) == (0, 1, 0, 1.0)


def test_compare_needs_a_shared_query():
    assert compare({"a": 1.0}, {"b": 1.0}) is None


def test_swapping_the_systems_turns_the_difference_around():
    rng = np.random.default_rng(2)
    mine, other = ({f"q{i}": v for i, v in enumerate(rng.random(50))} for _ in range(2))
    there, back = compare(mine, other), compare(other, mine)
    assert there.difference.mean == pytest.approx(-back.difference.mean)
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert (there.wins, there.losses) == (back.losses, back.wins)
    assert there.p_value == back.p_value
