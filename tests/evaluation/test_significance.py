import math

import numpy as np
import pytest
from benchmarks.null_effects import Sizes, draw, false_rates
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from windowshop.evaluation.metrics import Estimate
from windowshop.evaluation.seed_scores import SeedScores, one_seed
from windowshop.evaluation.significance import (
    P_FLOOR,
    Comparison,
    Corrected,
    compare,
    correct,
    holm,
    mean_estimate,
)


def scores(value_SQ, seeds=None):
    value_SQ = np.array(value_SQ, dtype=float)
    ids = tuple(f"q{i:03d}" for i in range(value_SQ.shape[1]))
    return SeedScores(tuple(seeds or range(len(value_SQ))), ids, value_SQ)


def drawn(num_seeds, num_queries, seed=0, mean=0.5, of_seed=0.02, of_query=0.2, rest=0.1):
    rng = np.random.default_rng(seed)
    return (
        mean
        + rng.normal(0, of_seed, (num_seeds, 1))
        + np.random.default_rng(99).normal(0, of_query, num_queries)
        + rng.normal(0, rest, (num_seeds, num_queries))
    )


def test_interval_over_queries_and_seeds_by_hand():
    # Seeds' means .3 and .5: variance .02, over two seeds .01, one degree of freedom.
    # Queries' means .2, .4, .6: variance .04, over three queries .04 / 3, two degrees of freedom.
    # What is left is 0, as both seeds order the queries alike.
    found = mean_estimate(scores([[0.1, 0.3, 0.5], [0.3, 0.5, 0.7]]))
    of_seeds, of_queries = 0.01, 0.04 / 3
    t = of_seeds * 12.706 + of_queries * 4.303
    half = t / (of_seeds + of_queries) ** 0.5
    assert (found.mean, found.n) == (pytest.approx(0.4), 3)
    assert found.high - found.mean == pytest.approx(half, rel=1e-4)
    assert found.mean - found.low == pytest.approx(half, rel=1e-4)


def test_what_is_left_is_not_counted_twice():
    # Seeds' means are equal. Queries' means .5, .6, .7, .8: variance .05 / 3, over four queries
    # .05 / 12. What is left is +-.1 everywhere: .08 over three degrees of freedom and eight values.
    sign = np.array([1, -1, -1, 1])
    value_SQ = np.array([0.5, 0.6, 0.7, 0.8]) + 0.1 * np.array([sign, -sign])
    found = mean_estimate(scores(value_SQ))
    assert found.high - found.mean == pytest.approx(
        3.1824 * (0.05 / 12 - 0.08 / 24) ** 0.5, rel=1e-4
    )


def test_one_seed_is_students_t_over_queries():
    values = np.random.default_rng(0).random(30)
    other = np.random.default_rng(1).random(30)
    expected = ttest_1samp(values - other, 0.02)
    interval = expected.confidence_interval()
    found = compare(scores([values]), scores([other]), margin=0.02)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.difference.low == pytest.approx(interval.low)
    assert found.difference.high == pytest.approx(interval.high)


def test_equal_queries_leave_students_t_over_seeds():
    seeds = np.array([0.4, 0.5, 0.6, 0.55])
    value_SQ = np.repeat(seeds[:, None], 25, axis=1)
    expected = ttest_1samp(seeds, 0.3)
    found = compare(scores(value_SQ), scores(np.full((1, 25), 0.3)))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.difference.low + 0.3 == pytest.approx(expected.confidence_interval().low)


@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(-0.2, 0.2))
@settings(max_examples=50, deadline=None)
def test_interval_and_p_agree(seed, num_seeds, margin):
    mine, other = drawn(num_seeds, 12, seed), drawn(num_seeds, 12, seed + 1)
    found = compare(scores(mine), scores(other), margin)
    inside = found.difference.low < margin < found.difference.high
    assert inside == (found.p_value > 0.05)
    at_edge = compare(scores(mine), scores(other), found.difference.high)
    assert at_edge.p_value == pytest.approx(0.05, abs=1e-6)


def test_pairs_by_seed_only_where_the_seeds_are_the_same():
    """A seed's effect that both systems share is no spread of their difference."""
    of_seed = np.array([[-0.1], [0.0], [0.1]])
    mine = drawn(3, 50, of_seed=0) + of_seed
    other = drawn(3, 50, seed=5, of_seed=0) + of_seed
    paired = compare(scores(mine), scores(other))
    apart = compare(scores(mine), scores(other, seeds=(3, 4, 5)))
    longer = compare(scores(mine), scores(np.vstack([other, other[:1]])))
    assert paired.difference.mean == pytest.approx(apart.difference.mean)
    for found in (apart, longer):
        assert found.detectable > 3 * paired.detectable


def test_a_system_of_one_seed_is_constant():
    mine, other = drawn(3, 40), drawn(1, 40, seed=7)
    found = compare(scores(mine), scores(other))
    repeated = compare(scores(mine), scores(np.repeat(other, 3, axis=0)))
    assert found == repeated


def test_detectable_size_is_found_with_power_of_80():
    """Of effects as large as the detectable size, four in five are significant."""
    rng = np.random.default_rng(0)
    size = (1.984 + 0.8452) * 0.1  # t of 99 degrees of freedom times the error over 100 queries
    p = [
        compare(scores(rng.normal(size, 1, (1, 100))), scores(np.zeros((1, 100)))).p_value
        for _ in range(800)
    ]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.8, abs=0.045)
    unit = np.tile([1.0, -1.0], 50) * math.sqrt(0.99)  # deviation 1
    found = compare(scores([unit]), scores([np.zeros(100)]))
    assert found.detectable == pytest.approx(size, rel=1e-3)
    assert student.ppf([0.975, 0.8], 99) == pytest.approx([1.984, 0.8452], rel=1e-3)


@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize(
    "sizes",
    [Sizes(0.003, 0.02, 0.02), Sizes(0.0, 0.02, 0.02), Sizes(0.003, 0.0, 0.001)],
    ids=["all three", "no seed effect", "seed effect alone"],
)
def test_a_null_effect_is_rarely_called_significant(sizes, num_seeds):
    """At most 5% of 400 studies, give or take three deviations; more where seeds are not drawn."""
    rates = false_rates(draw([sizes], 400, num_seeds, 300, tail=100, seed=4), num_resamples=300)
    assert rates["windowshop"] <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
    if sizes.seed:
        assert rates["queries"] > 0.12


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


def comparison(mean=0.02, p=0.01, detectable=0.01, margin=0.0):
    difference = Estimate(mean, mean - 0.01, mean + 0.01, 100)
    return Comparison(
        difference=difference,
        margin=margin,
        p_value=p,
        detectable=detectable,
        wins=1,
        ties=1,
        losses=1,
    )


@pytest.mark.parametrize(
    ("item", "p_holm", "sign", "too_small"),
    [
        (comparison(), 0.049, 1, False),
        (comparison(), 0.05, 0, False),
        (comparison(mean=-0.02), 0.01, -1, False),
        (comparison(detectable=0.021), 0.01, 0, True),
        (comparison(margin=0.04), 0.01, -1, False),
        (comparison(margin=0.025), 0.01, 0, True),
    ],
)
def test_a_difference_is_decided_by_p_and_by_size(item, p_holm, sign, too_small):
    assert (Corrected(item, p_holm).sign, Corrected(item, p_holm).too_small) == (sign, too_small)


def test_a_table_is_one_family():
    found = correct({"a": comparison(p=0.01), "b": comparison(p=0.03)})
    assert {name: item.p_holm for name, item in found.items()} == pytest.approx(
        {"a": 0.02, "b": 0.03}
    )


def test_compare_pairs_by_query_and_counts():
    system = {"a": 0.9, "b": 0.5, "c": 0.1, "d": 0.4, "only here": 1.0}
    reference = {"d": 0.4, "c": 0.3, "b": 0.2, "a": 0.1 + 0.2, "only there": 1.0}
    found = compare(one_seed(system), one_seed(reference))
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    assert found.difference.n == 4
    assert found.difference.mean == pytest.approx((0.6 + 0.3 - 0.2 + 0) / 4)


def test_rounding_is_a_tie_and_equal_gaps_have_no_spread():
    found = compare(one_seed({"a": 0.1 + 0.2, "b": 0.5}), one_seed({"a": 0.3, "b": 0.5}))
    assert (found.wins, found.ties, found.losses, found.p_value) == (0, 2, 0, 1.0)
    gap = compare(one_seed({"a": 0.75, "b": 0.5}), one_seed({"a": 0.5, "b": 0.25}))
    assert (gap.p_value, gap.detectable) == (P_FLOOR, 0)
    assert (gap.difference.low, gap.difference.high) == (0.25, 0.25)


def test_fewer_than_two_queries_have_no_interval():
    assert compare(one_seed({"a": 1.0}), one_seed({"b": 1.0})) is None
    assert compare(one_seed({"a": 1.0, "c": 1.0}), one_seed({"a": 0.5})) is None
    alone = mean_estimate(one_seed({"a": 0.5}))
    assert (alone.mean, alone.n) == (0.5, 1)
    assert math.isnan(alone.low)


@pytest.mark.parametrize("seeds", [1, 3])
def test_swapping_the_systems_turns_the_difference_around(seeds):
    mine, other = drawn(seeds, 50), drawn(seeds, 50, seed=3, mean=0.52)
    there, back = compare(scores(mine), scores(other)), compare(scores(other), scores(mine))
    assert there.difference.mean == pytest.approx(-back.difference.mean)
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert (there.wins, there.losses) == (back.losses, back.wins)
    assert there.p_value == pytest.approx(back.p_value)
