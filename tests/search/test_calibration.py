import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windowshop.errors import ConfigError
from windowshop.search.retrieval.calibration import Curve, fit_isotonic, fit_logistic
from windowshop.search.retrieval.config import CutoffConfig
from windowshop.search.retrieval.cutoff import cut
from windowshop.search.retrieval.merge import ChannelRanking, reciprocal_rank

NAN = np.nan


def test_isotonic_pools_violators_by_hand():
    scores = np.array([0.1, 0.2, 0.3, 0.4, NAN, NAN, NAN])
    relevant = np.array([0, 1, 0, 1, 0, 0, 1])
    fitted = fit_isotonic(scores, relevant)
    # .2 and .3 violate the order and pool to 1/2; 1 of 3 missing ones is relevant: 1.5 / 4,
    # but the lowest probability of the curve, 0, bounds the floor.
    assert fitted == Curve((0.1, 0.2, 0.3, 0.4), (0.0, 0.5, 0.5, 1.0), 0.0)
    found = fitted.probability(np.array([0.0, 0.15, 0.25, 9, NAN], dtype=np.float32))
    assert found == pytest.approx([0, 0.25, 0.5, 1, 0], rel=1e-6)


def test_the_floor_is_the_missing_products_share():
    scores = np.array([0.1, 0.1, 0.2, 0.2, NAN, NAN, NAN, NAN])
    relevant = np.array([0, 1, 1, 1, 0, 0, 0, 1])
    fitted = fit_isotonic(scores, relevant)
    assert fitted.probabilities == (0.5, 1.0)
    assert fitted.floor == pytest.approx(1.5 / 5)


def test_logistic_finds_the_curve_that_made_the_labels():
    rng = np.random.default_rng(0)
    scores = rng.uniform(5, 25, 20_000)
    relevant = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * scores - 8)))
    fitted = fit_logistic(scores, relevant)
    assert (fitted.slope, fitted.intercept) == pytest.approx((0.5, -8), rel=0.06)


def test_logistic_stays_finite_where_scores_separate():
    fitted = fit_logistic(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]))
    found = fitted.probability(np.array([0.1, 0.9]))
    # Platt's targets for two of each are 1/4 and 3/4.
    assert 0.15 < found[0] < 0.3
    assert 0.7 < found[1] < 0.85


@pytest.mark.parametrize("fit", [fit_isotonic, fit_logistic])
@pytest.mark.parametrize("relevant", [[0, 0, 1], [1, 1, 0]])
def test_one_kind_of_label_is_refused(fit, relevant):
    with pytest.raises(ConfigError, match="scored dev products are relevant"):
        fit(np.array([0.1, 0.2, NAN]), np.array(relevant))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=40),
    st.sampled_from([fit_isotonic, fit_logistic]),
)
def test_a_higher_score_never_lowers_the_probability(pairs, fit):
    pairs = [(0, False), (9, True), *pairs]
    scores, relevant = map(np.array, zip(*pairs, strict=True))
    fitted = fit(scores.astype(float), relevant)
    found = fitted.probability(np.linspace(-1, 10, 50))
    assert (np.diff(found) >= 0).all()
    assert fitted.floor <= found[0]
    assert 0 <= found.min() <= found.max() <= 1


def ranking(scores):
    keys = np.arange(len(scores))
    merged = reciprocal_rank([ChannelRanking("a", keys, np.array(scores, dtype=np.float32))], [1])
    assert (merged.keys == keys).all()
    return type(merged)(keys, np.array(scores), merged.channels, merged.ranks_CM, merged.scores_CM)


MERGED = ranking([1.0, 0.9, 0.5, 0.4, 0.1])
PROBABILITIES = np.array([0.9, 0.2, 0.8, 0.1, 0.7])


def kept(config, probabilities=None):
    found = cut(MERGED, config, probabilities)
    counts = found.below_probability + found.below_share + found.beyond_max
    assert len(found.merged.keys) + counts == len(MERGED.keys)
    return found.merged.keys.tolist()


def test_cut_by_share_of_the_best():
    assert kept(CutoffConfig(min_share=0.5, min_results=0)) == [0, 1, 2]


def test_cut_by_probability_keeps_the_order():
    assert kept(CutoffConfig(min_probability=0.5, min_results=0), PROBABILITIES) == [0, 2, 4]


def test_the_first_ones_stay_whatever_they_score():
    config = CutoffConfig(min_probability=0.5, min_share=0.5, min_results=2)
    assert kept(config, PROBABILITIES) == [0, 1, 2]


def test_nothing_goes_where_even_the_likeliest_is_doubtful():
    bounds = {"min_probability": 0.5, "min_share": 0.5, "min_results": 0}
    assert kept(CutoffConfig(**bounds, sure_from=0.9), PROBABILITIES) == [0, 2]
    assert kept(CutoffConfig(**bounds, sure_from=0.91), PROBABILITIES) == [0, 1, 2, 3, 4]
    assert kept(CutoffConfig(max_candidates=2, min_results=0, sure_from=1), PROBABILITIES) == [0, 1]


def test_cut_by_number():
    found = cut(MERGED, CutoffConfig(max_candidates=2, min_results=1))
    assert found.merged.keys.tolist() == [0, 1]
    assert found.beyond_max == 3


def test_negative_scores_have_no_share():
    found = cut(ranking([-0.1, -0.5]), CutoffConfig(min_share=0.9, min_results=0))
    assert found.merged.keys.tolist() == [0, 1]


def test_nothing_found_is_cut_to_nothing():
    assert cut(MERGED.take(np.array([], dtype=int)), CutoffConfig(min_share=0.5)).below_share == 0


def test_a_probability_needs_calibrated_channels():
    with pytest.raises(ConfigError, match="need calibrated channels"):
        cut(MERGED, CutoffConfig(min_probability=0.5))


@pytest.mark.parametrize(
    "settings",
    [{"min_share": 1.5}, {"min_probability": -1}, {"max_candidates": 5}, {"max_candidates": 0}],
)
def test_bounds_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="must lie between"):
        CutoffConfig(**settings)
