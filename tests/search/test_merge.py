from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windowshop.errors import ConfigError
from windowshop.search.retrieval.calibration import Curve, Logistic
from windowshop.search.retrieval.merge import (
    ChannelPlace,
    ChannelRanking,
    calibrated,
    interleave,
    padded_ranking,
    reciprocal_rank,
    weighted_sum,
)

FALLING = np.linspace(1, 0.1, 10, dtype=np.float32)


def channel(name, *keys):
    return ChannelRanking(name, np.array(keys, dtype=np.int64), FALLING[: len(keys)])


WORDS, VECTORS = channel("words", 7, 3, 5), channel("vectors", 3, 9)


def test_what_a_whole_channel_lacks_scores_nothing_there():
    words = ChannelRanking("words", np.array([3]), np.array([0.5], np.float32), is_whole=True)
    vectors = ChannelRanking("vectors", np.array([1, 3]), np.array([0.6, 0.3], np.float32))
    assert weighted_sum([vectors, words], [1.0, 1.0]).keys.tolist() == [3, 1]
    cut_short = replace(words, is_whole=False)
    assert weighted_sum([vectors, cut_short], [1.0, 1.0]).keys.tolist() == [1, 3]


def test_reciprocal_ranks_by_hand():
    merged = reciprocal_rank([WORDS, VECTORS], [1, 2], smoothing=60)
    expected = {3: 1 / 62 + 2 / 61, 9: 2 / 62, 7: 1 / 61, 5: 1 / 63}
    assert merged.keys.tolist() == list(expected)
    assert merged.scores == pytest.approx(list(expected.values()))


CURVES = [Curve(scores=(0.0, 1.0), probabilities=(0.1, 0.9), floor=0.05)] * 2


@pytest.mark.parametrize(
    "merged",
    [
        reciprocal_rank([WORDS, VECTORS], [1, 2]),
        weighted_sum([WORDS, VECTORS], [0.3, 2.0]),
        weighted_sum([WORDS, VECTORS], [0.0, 2.0]),
        calibrated([WORDS, VECTORS], [0.3, 2.0], CURVES),
    ],
    ids=["reciprocal_rank", "weighted_sum", "one weighs nothing", "calibrated"],
)
def test_the_points_of_channels_add_up_to_the_score(merged):
    kept = merged.take(np.array([1, 0])).including([99])
    for ranking in (merged, kept):
        for place, score in enumerate(ranking.scores):
            points = ranking.points(place)
            assert list(points) == ["words", "vectors"]
            assert sum(points.values()) == pytest.approx(score)
    assert kept.points(2) == {"words": 0.0, "vectors": 0.0}
    assert len(set(merged.points_CM.ravel().tolist())) > 2


def test_turns_have_no_points():
    assert interleave([WORDS, VECTORS], [1, 2]).points(0) is None


def test_equal_sums_go_by_key():
    merged = reciprocal_rank([channel("a", 8, 1), channel("b", 2, 9)], [1, 1])
    assert merged.keys.tolist() == [2, 8, 1, 9]


def test_interleave_by_hand():
    # Due: words at .5 1.5 2.5 3.5, vectors at .25 .75 1.25; ties to the first.
    words, vectors = channel("words", 1, 2, 3, 4), channel("vectors", 5, 1, 6)
    merged = interleave([words, vectors], [1, 2])
    # v5, w1, v(1 is given, so 6), then vectors have no more, w2, w3, w4
    assert merged.keys.tolist() == [5, 1, 6, 2, 3, 4]
    assert merged.scores == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6])


def test_interleave_begins_with_the_first_channel_and_alternates():
    merged = interleave([channel("a", 9, 8, 7), channel("b", 1, 2, 3)], [1, 1])
    assert merged.keys.tolist() == [9, 1, 8, 2, 7, 3]


def test_a_skipped_product_costs_no_turn():
    merged = interleave([channel("a", 1, 2, 3), channel("b", 1, 2, 4)], [1, 1])
    assert merged.keys.tolist() == [1, 2, 3, 4]  # a1, b skips 1 and gives 2, a skips 2


def test_calibrated_by_hand():
    by_words = Curve((0.0, 1.0), (0.0, 0.8), floor=0.1)
    by_vectors = Curve((0.0, 1.0), (0.0, 0.4), floor=0.0)
    merged = calibrated([WORDS, VECTORS], [1, 1], [by_words, by_vectors])
    # words: 7 -> .8, 3 -> .72, 5 -> .64, 9 -> .1; vectors: 3 -> .4, 9 -> .36, others 0
    expected = {3: (0.72 + 0.4) / 2, 7: 0.4, 5: 0.32, 9: (0.1 + 0.36) / 2}
    assert merged.keys.tolist() == list(expected)
    assert merged.scores == pytest.approx(list(expected.values()), rel=1e-6)


def test_weighted_sum_by_hand():
    merged = weighted_sum([WORDS, VECTORS], [0.5, 1])
    # words: 7 -> 1, 3 -> .9, 5 -> .8, 9 as the lowest, .8; vectors: 3 -> 1, 9 -> .9, others .9
    expected = {3: 1.45, 7: 1.4, 5: 1.3, 9: 1.3}
    assert merged.keys.tolist() == list(expected)
    assert merged.scores == pytest.approx(list(expected.values()), rel=1e-6)


def test_a_sum_with_a_channel_that_found_nothing_is_the_other_channel():
    nothing = ChannelRanking("words", np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
    merged = weighted_sum([nothing, VECTORS], [3, 2])
    assert merged.keys.tolist() == [3, 9]
    assert merged.scores == pytest.approx([2.0, 1.8], rel=1e-6)
    assert len(weighted_sum([nothing, nothing], [1, 1]).keys) == 0


def test_explain_names_rank_and_score_or_absence():
    merged = reciprocal_rank([WORDS, VECTORS], [1, 1])
    place = merged.keys.tolist().index(7)
    assert merged.explain(place) == (
        ChannelPlace("words", 1, 1.0),
        ChannelPlace("vectors", None, None),
    )


@pytest.mark.parametrize("merge", [reciprocal_rank, interleave, weighted_sum])
def test_a_channel_of_weight_0_adds_nothing_but_is_explained(merge):
    merged = merge([WORDS, VECTORS], [1, 0])
    assert merged.keys.tolist() == WORDS.keys.tolist()
    assert merged.explain(1)[1] == ChannelPlace("vectors", 1, 1.0)


@pytest.mark.parametrize("weights", [[1], [0, 0], [1, -1], [1, np.inf], [1, np.nan]])
@pytest.mark.parametrize("merge", [reciprocal_rank, interleave, weighted_sum])
def test_weights_that_cannot_be_meant_are_refused(merge, weights):
    with pytest.raises(ConfigError, match="weights"):
        merge([WORDS, VECTORS], weights)


def test_each_channel_needs_a_calibration():
    with pytest.raises(ConfigError, match="1 calibrations for 2 channels"):
        calibrated([WORDS, VECTORS], [1, 1], [Logistic(1, 0, 0)])


def test_padding_is_left_out():
    found = padded_ranking("v", np.array([4, 2, -1]), np.array([0.5, 0.4, -np.inf]))
    assert (found.keys.tolist(), found.scores.tolist()) == ([4, 2], pytest.approx([0.5, 0.4]))


def test_moving_halves_and_doubles_places():
    merged = reciprocal_rank([channel("a", *range(8))], [1])
    factors = np.ones(8)
    factors[5], factors[0] = 2, 0.25  # place 6 -> 3, behind the product there; place 1 -> 4
    assert merged.moved(factors).tolist() == [1, 2, 5, 0, 3, 4, 6, 7]


def test_raising_adds_to_scores_and_keeps_the_order_of_equals():
    merged = weighted_sum([ChannelRanking("a", np.array([4, 2, 9]), np.array([1, 0.75, 0.5]))], [1])
    raised = merged.raised(np.array([0, 0.125, 0.5]))
    assert raised.keys.tolist() == [4, 9, 2]
    assert raised.scores.tolist() == [1, 1, 0.875]
    assert raised.explain(1) == (ChannelPlace("a", 3, 0.5),)


def test_including_adds_only_what_is_missing():
    merged = reciprocal_rank([WORDS], [1]).including([5, 42, 42])
    assert merged.keys.tolist() == [7, 3, 5, 42]
    assert merged.explain(3) == (ChannelPlace("words", None, None),)


keys = st.lists(st.integers(0, 30), min_size=1, max_size=20, unique=True)
weight = st.floats(0.1, 5)
CURVE = Curve((0.0, 0.5, 1.0), (0.2, 0.2, 0.7), floor=0.1)


def merges(channels, weights):
    yield reciprocal_rank(channels, weights)
    yield interleave(channels, weights)
    yield weighted_sum(channels, weights)
    yield calibrated(channels, weights, [CURVE] * len(channels))


def ranked(name, found):
    return ChannelRanking(name, np.array(found), np.linspace(1, 0, len(found), dtype=np.float32))


@given(keys, weight)
def test_a_single_channel_is_unchanged(found, weight):
    for merged in merges([ranked("a", found)], [weight]):
        assert merged.keys.tolist() == found


@given(st.lists(keys, min_size=1, max_size=3), st.data())
def test_everything_found_comes_once_with_scores_that_fall(lists, data):
    weights = [data.draw(weight) for _ in lists]
    for merged in merges([ranked(str(i), found) for i, found in enumerate(lists)], weights):
        assert sorted(merged.keys.tolist()) == sorted(set().union(*lists))
        assert (np.diff(merged.scores) <= 0).all()


@given(keys, keys, keys)
def test_equal_weights_make_the_order_of_channels_irrelevant(first, second, third):
    channels = [ranked("a", first), ranked("b", second), ranked("c", third)]
    forth = reciprocal_rank(channels, [1, 1, 1])
    back = reciprocal_rank(channels[::-1], [1, 1, 1])
    assert forth.keys.tolist() == back.keys.tolist()


@given(keys, keys, weight, weight)
def test_a_product_ahead_in_both_channels_stays_ahead(first, second, a, b):
    for merged in merges([ranked("a", first), ranked("b", second)], [a, b]):
        place = {key: i for i, key in enumerate(merged.keys.tolist())}
        shared = [key for key in first if key in second]
        for ahead, behind in zip(shared, shared[1:], strict=False):
            if second.index(ahead) < second.index(behind):
                assert place[ahead] < place[behind]


@given(keys, keys, weight, weight)
def test_turns_are_shared_by_weight(first, second, a, b):
    disjoint = [key + 100 for key in second]
    merged = interleave([ranked("a", first), ranked("b", disjoint)], [a, b]).keys
    for length in range(1, len(merged) + 1):
        given_a = int((merged[:length] < 100).sum())
        if given_a < len(first) and length - given_a < len(disjoint):
            assert abs(given_a - length * a / (a + b)) <= 1
