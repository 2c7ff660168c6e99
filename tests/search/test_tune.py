from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tuned_shop import shop

from windowshop.engines.bm25 import BM25Config
from windowshop.errors import ConfigError, DataError
from windowshop.evaluation.bm25 import BM25Choice
from windowshop.evaluation.metrics import as_qrels, score_queries
from windowshop.progress import SilentReporter
from windowshop.search.certainty.config import CertaintyConfig
from windowshop.search.request import SearchRequest
from windowshop.search.retrieval.config import Boost, CutoffConfig
from windowshop.search.retrieval.merge import ChannelRanking
from windowshop.search.searcher import Searcher
from windowshop.search.settings import (
    SearchSettings,
    load_search_settings,
    save_search_settings,
)
from windowshop.search.tuning import choose
from windowshop.search.tuning.choose import TuneConfig, _simplest_first, tune
from windowshop.search.tuning.curves import fit_curves
from windowshop.search.tuning.cutoffs import choose_cut
from windowshop.search.tuning.judgements import ALL, Judge, judgements
from windowshop.search.tuning.probes import ChannelResults, JudgedQuery, Probe, probe
from windowshop.search.tuning.report import tuning_to_json
from windowshop.search.tuning.scoring import TrialScore, TrialScorer, shows_harm
from windowshop.search.tuning.trials import (
    Trial,
    boosted,
    mixed_trials,
    ranges,
    single_trials,
    with_boosts,
)
from windowshop.search.understanding.recognition import PrecisionConfig

pytestmark = pytest.mark.slow

NAMES = ("vectors", "words")
LENIENT = PrecisionConfig(min_products=1, min_coverage=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    index, dataset = shop(tmp_path_factory.mktemp("shop"))
    with closing(index):
        yield Searcher(index, SearchSettings(precision=LENIENT)), dataset


def tuned(searcher, dataset, **config):
    return tune(searcher, dataset, TuneConfig(classifier=False, **config), SilentReporter())


def only(dataset, *kinds):
    return replace(dataset, queries=dataset.queries.filter(pl.col("kind").is_in(kinds)))


def kind_of(tuning, name="text"):
    return next(kind for kind in tuning.kinds if kind.kind == name)


def keys_by_id(searcher, dataset):
    ids = dataset.products["product_id"].to_list()
    with searcher.state() as state:
        return dict(zip(ids, state.view.columns.keys(ids).tolist(), strict=True))


# Judging.

judged = st.dictionaries(st.integers(0, 30), st.integers(1, 4), min_size=1, max_size=20)
ranked = st.lists(st.integers(0, 30), unique=True, max_size=31)


@given(st.dictionaries(st.sampled_from("abc"), judged, min_size=1), ranked)
def test_figures_are_those_of_the_metrics(grades, ranking):
    rows = [(q, f"p{p}", g) for q, own in grades.items() for p, g in own.items()]
    frame = pl.DataFrame(rows, schema=["query_id", "product_id", "grade"], orient="row")
    judge = Judge(frame, 2, {f"p{p}": p for p in range(31)})
    run = {q: {f"p{p}": -float(i) for i, p in enumerate(ranking)} for q in grades}
    expected = score_queries(as_qrels(frame), run, 2)
    for query in grades:
        ndcg, recall = judge.scores(query, np.array(ranking, dtype=np.int64))
        assert ndcg == pytest.approx(expected["ndcg@10"][query])
        assert recall == pytest.approx(expected["recall@100"].get(query, np.nan), nan_ok=True)


def test_a_product_that_the_index_lacks_counts_as_not_found():
    frame = pl.DataFrame({"query_id": ["q"] * 2, "product_id": ["p", "gone"], "grade": [3, 3]})
    judge = Judge(frame, 2, {"p": 7})
    assert judge.scores("q", np.array([7, 8])) == pytest.approx((1 / (1 + 1 / np.log2(3)), 0.5))
    assert np.isnan(judge.scores("other", np.array([7]))).all()


def test_queries_that_ask_the_same_share_a_fold():
    texts = ["Red  shoe ", "red shoe"]
    assert len({JudgedQuery(str(i), text, None).fold for i, text in enumerate(texts)}) == 1
    assert {JudgedQuery("q", f"shoe {i}", None).fold for i in range(20)} == {0, 1}


def test_people_count_before_a_log_and_slices_are_cut(made):
    searcher, dataset = made
    log = dataset.qrels.with_columns(kind=pl.lit("desirability"), product_id=pl.lit("p47"))
    both = only(dataset, "brand", "code", "look", "photo")
    both = replace(both, qrels=pl.concat([log.unique(["query_id"]), dataset.qrels]))
    found = judgements(both, "dev", ("kind",), keys_by_id(searcher, dataset))
    assert sorted(found.parts) == [ALL, "kind=brand", "kind=code", "kind=look", "kind=photo"]
    assert [len(found.parts[name]) for name in sorted(found.parts)] == [32, 8, 8, 8, 8]
    assert found.parts[ALL].scores("code0", np.array([0]))[0] == 1
    with pytest.raises(DataError, match="split 'test' has no judged query"):
        judgements(both, "test", (), {})


# Trials.


def test_trials_begin_with_the_simplest_and_none_comes_twice():
    trials = [*single_trials(2), *mixed_trials((0.3, 0.2), with_curves=True)]
    assert [trial.weights for trial in trials[:2]] == [(1, 0), (0, 1)]
    assert len(set(trials)) == len(trials)
    assert {trial.method for trial in trials} == {
        "interleave",
        "reciprocal_rank",
        "weighted_sum",
        "calibrated",
    }
    assert all(trial.merging(NAMES, {}) for trial in trials if trial.method != "calibrated")
    three = list(mixed_trials((0.3, 0.2, 0.1), with_curves=False))
    assert all(len(trial.weights) == 3 and min(trial.weights) > 0 for trial in three)


def test_sums_are_weighed_by_how_far_scores_range():
    near, far = (list(mixed_trials((1.0, own), with_curves=False)) for own in (1.0, 0.1))
    sums = [[t.weights[1] for t in trials if t.method == "weighted_sum"] for trials in (near, far)]
    assert sums[1] == pytest.approx([10 * weight for weight in sums[0]])


def test_words_may_weigh_almost_everything():
    trials = list(mixed_trials((1.0, 1.0), with_curves=True))
    by_method = {trial.method: trial.weights[1] / trial.weights[0] for trial in trials}
    assert by_method["weighted_sum"] == 15
    assert by_method["interleave"] == by_method["calibrated"] == pytest.approx(9)


def test_points_are_tried_where_scores_mean_something():
    ranks = with_boosts(Trial(method="interleave", weights=(0.5, 0.5)), (1, 1), ["boost"])
    assert ranks[0].strongest == "off"
    assert not any(trial.boost.points for trial in ranks)
    words = Trial(method="weighted_sum", weights=(0, 1))
    points = [t.boost.points for t in with_boosts(words, (5.0, 0.5), ["boost"], [2.0])]
    assert max(points) == 0.25  # of the range of the channel that counts
    merging = with_boosts(words, (5.0, 0.5), ["filter"], [2.0])[-1].merging(NAMES, {})
    assert merging.points == 0.25


def test_a_trial_by_one_channel_is_as_a_search_by_it():
    trial = Trial(method="weighted_sum", weights=(1.0, 0.2), strongest="boost")
    assert trial.alone(1).weights == (0, 0.2)
    assert (trial.alone(1).strongest, trial.alone(1).is_single) == ("boost", True)
    assert replace(trial, weights=(1.0, 0.0)).alone(1).weights == (0, 1)


def test_ranges_are_medians_over_queries():
    def probe_of(*scores):
        channel = ChannelRanking(
            "words", np.arange(len(scores)), np.array(scores, dtype=np.float32)
        )
        found = ChannelResults(
            (channel,), np.arange(len(scores)), (), np.zeros((0, len(scores)), bool)
        )
        return Probe("q", 0, {"off": found})

    probes = [probe_of(1.0, 0.75), probe_of(1.0, 0.5, 0.5), probe_of(1.0, 0.0), probe_of()]
    assert ranges(probes, 1) == (0.5,)
    assert ranges([probe_of()], 1) == (1.0,)


# What is asked is what a search finds.


@pytest.mark.parametrize(
    "trial",
    [
        Trial(method="weighted_sum", weights=(1.0, 0.0)),
        Trial(method="interleave", weights=(0.6, 0.4), strongest="boost", boost=Boost(factor=2.0)),
        Trial(method="reciprocal_rank", weights=(0.5, 0.5), smoothing=10.0, strongest="filter"),
        Trial(
            method="weighted_sum",
            weights=(1.0, 0.3),
            strongest="boost",
            boost=Boost(factor=3.0, points=0.2),
        ),
        Trial(method="calibrated", weights=(0.7, 0.3)),
    ],
    ids=lambda trial: trial.describe(NAMES),
)
def test_a_trial_ranks_as_a_search_with_its_settings(made, trial):
    searcher, dataset = made
    dataset = only(dataset, "look", "code", "brand")
    judge = judgements(dataset, "dev", (), keys_by_id(searcher, dataset))
    probes = probe(searcher, judge.queries, NAMES, LENIENT, SilentReporter())
    curves = fit_curves(probes, judge.parts[ALL], NAMES)
    merging = trial.merging(NAMES, curves)
    precision = replace(LENIENT, boost=trial.boost.factor)
    settings = SearchSettings(
        text=merging,
        strongest=trial.strongest,
        precision=precision,
        certainty=CertaintyConfig(min_probability=0),
    )
    search = Searcher(searcher.index, settings)
    scorer = TrialScorer(probes, NAMES, judge.parts[ALL])
    with searcher.state() as state:
        for query, own in zip(judge.queries, probes, strict=True):
            answer = search.answer(SearchRequest(text=query.text, limit=100))
            expected = [result.product_id for result in answer.results]
            assert state.view.columns.ids(scorer.ranking(own, trial, merging).keys) == expected


# Choices.


def scored_trial(weights, strongest, *ndcg):
    trial = Trial(method="weighted_sum", weights=weights, strongest=strongest)
    return TrialScore(trial, float(np.mean(ndcg)), 0.5, np.array(ndcg))


def test_the_simplest_that_dev_cannot_tell_from_the_best_comes_first():
    best = scored_trial((1, 1), "boost", 0.9, 0.8, 0.7, 0.9)
    second = scored_trial((1, 2), "boost", 0.9, 0.8, 0.7, 0.8)
    merged = scored_trial((1, 1), "off", 1.0, 0.6, 0.7, 0.9)  # .025 below, standard error .063
    words = scored_trial((0, 1), "boost", 0.7, 0.7, 0.5, 0.6)  # .2 below, standard error .041
    assert not best.is_above(merged)
    assert best.is_above(words)
    assert [trial.trial.complexity for trial in (words, merged, best)] == [1, 2, 3]
    ranked = (best, second, merged, words)
    assert _simplest_first(ranked) == [merged, best, second, words]
    assert _simplest_first((best, words)) == [best, words]


def test_words_alone_answer_where_vectors_find_nothing_of_use(made):
    searcher, dataset = made
    text = kind_of(tuned(searcher, only(dataset, "code")))
    assert text.chosen.trial.weights[0] == 0
    alone = {
        t.trial.weights.index(max(t.trial.weights)): t.ndcg
        for t in text.tried[::-1]
        if t.trial.is_single
    }
    assert text.chosen.ndcg >= max(alone.values())


def test_words_are_tuned_before_they_are_merged(made, monkeypatch, tmp_path):
    searcher, dataset = made
    config = BM25Config(k1=0.1, b=1.0, description=0.05)
    monkeypatch.setattr(choose, "choose_bm25", lambda *given: BM25Choice(config, 16, 0.5, 0.25))
    try:
        tuning = tuned(searcher, only(dataset, "look", "code"))
        assert (
            kind_of(tuning).bm25.config == searcher.settings.bm25 == tuning.settings.bm25 == config
        )
        assert tuning_to_json(tuning)["kinds"]["text"]["bm25"]["k1"] == 0.1
        save_search_settings(tuning.settings, tmp_path)
        assert load_search_settings(tmp_path).bm25 == config
        changed = searcher.answer(SearchRequest(text="code03", mode="words")).results[0].score
    finally:
        searcher.use_bm25(BM25Config())
    assert searcher.answer(SearchRequest(text="code03", mode="words")).results[0].score != changed


def test_a_mix_is_chosen_where_each_channel_knows_other_queries(made):
    searcher, dataset = made
    tuning = tuned(searcher, only(dataset, "look", "code"), slices=("kind",), min_slice_queries=5)
    text = kind_of(tuning)
    assert text.num_queries == 16
    assert not text.chosen.trial.is_single
    alone = [row.alone for row in text.slices]
    assert alone[0]["words"] == 1  # kind=code
    assert alone[1]["vectors"] > 0.9
    assert all(row.loss <= 0.002 for row in text.slices)
    single = max(tried.ndcg for tried in text.tried if tried.trial.is_single)
    assert text.chosen.ndcg > single + 0.2
    assert tuning.settings.text == text.merging
    assert f"{text.chosen.ndcg - single:+.4f}" in text.why


def test_the_simplest_of_equals_is_chosen(made):
    searcher, dataset = made
    text = kind_of(tuned(searcher, only(dataset, "look")))  # words find nothing for any
    assert text.chosen.trial == single_trials(2)[0]
    assert text.merging.channels[1].weight == 0
    assert "no mix does better" in text.why


def test_what_is_recognised_helps_and_a_column_that_misleads_is_ignored(made):
    searcher, dataset = made
    tuning = tuned(searcher, only(dataset, "look", "brand", "mood"), slices=("kind",))
    text = kind_of(tuning)
    assert text.ignored == tuning.settings.text.ignored == ("mood",)
    assert tuning.settings.precision.ignored == tuning.settings.text_and_photo.ignored == ()
    assert tuning.settings.strongest == text.chosen.trial.strongest != "off"
    search = Searcher(searcher.index, tuning.settings)
    by_brand, by_mood = (
        search.search(f"{name} style qqqqq").recognised[0] for name in ("branda", "calm")
    )
    assert by_brand.action == tuning.settings.strongest
    assert (by_mood.action, by_mood.reason) == ("off", "mood is ignored")


def test_a_text_beside_an_image_names_what_texts_alone_ignore(made):
    searcher, dataset = made
    settings = searcher.settings
    text = replace(settings.text, ignored=("mood",))
    search = Searcher(searcher.index, replace(settings, text=text))
    image = dataset.root / dataset.queries["image"].drop_nulls()[0]
    alone = search.answer(SearchRequest(text="calm style qqqqq")).recognised[0]
    beside = search.answer(SearchRequest(text="calm style qqqqq", image=image)).recognised[0]
    assert (alone.name, alone.action) == (beside.name, "off")
    assert beside.action != "off"


@pytest.mark.parametrize(
    ("gains", "is_harm"),
    [
        ([0.1, 0.1, 0.2, 0.1], True),
        ([0.5, -0.1, 0.5, -0.1], False),  # a fold loses
        ([0.9, -0.8, 0.7, -0.6], False),  # too little beside its spread
        ([0.0, 0.0, 0.0, 0.0], False),
    ],
)
def test_a_column_harms_where_it_does_in_both_folds_and_beyond_the_error(gains, is_harm):
    assert shows_harm(np.array(gains), np.array([0, 1, 0, 1])) is is_harm


def test_the_guard_refuses_what_a_slice_loses_by(made):
    searcher, dataset = made
    data = only(dataset, "brand", "wrong")
    free, kept = (
        kind_of(tuned(searcher, data, slices=("kind",), guard=guard, min_slice_queries=4))
        for guard in (False, True)
    )
    assert free.chosen == free.tried[0]
    assert (free.chosen.trial.strongest != "off", free.num_refused) == (True, 0)
    assert {row.name for row in free.slices if row.loss > 0.002} == {"kind=wrong"}
    assert all(row.loss <= 0.002 for row in kept.slices)
    assert kept.chosen == kept.tried[kept.num_refused]
    assert f"{kept.num_refused} better settings" in kept.why
    small = kind_of(tuned(searcher, data, slices=("kind",), min_slice_queries=5))
    assert small.chosen == free.chosen  # four queries refuse nothing


def test_image_queries_choose_for_images_alone(made):
    searcher, dataset = made
    tuning = tuned(searcher, only(dataset, "photo"))
    assert [kind.kind for kind in tuning.kinds] == ["photo"]
    assert tuning.kinds[0].names == ("photo", "vectors")
    assert tuning.settings.photo == tuning.kinds[0].merging
    assert tuning.settings.text == searcher.settings.text
    assert any("kind text:" in note for note in tuning.notes)


def test_choosing_twice_gives_the_same(made):
    searcher, dataset = made
    first, second = (tuned(searcher, dataset, max_queries=12) for _ in range(2))
    assert first == second
    assert kind_of(first).num_queries == 12


def test_without_judged_queries_nothing_can_be_chosen(made):
    searcher, dataset = made
    with pytest.raises(DataError, match="no judged query"):
        tuned(searcher, dataset, split="test")
    with pytest.raises(ConfigError, match="max_lost=1"):
        TuneConfig(max_lost=1)
    with pytest.raises(ConfigError, match="max_queries=0"):
        TuneConfig(max_queries=0)


# Curves and cut-offs.


def scored(query_id, fold, scores: Sequence[float], first=0):
    keys = np.arange(first, first + len(scores))
    channels = tuple(
        ChannelRanking(name, keys, np.array(scores, dtype=np.float32)) for name in NAMES
    )
    found = ChannelResults(channels, keys, (), np.zeros((0, len(keys)), dtype=bool))
    return Probe(query_id, fold, {"off": found, "boost": found, "filter": found})


def judge_of(relevant):
    rows = [(query, f"p{key}", 3) for query, keys in relevant.items() for key in keys]
    frame = pl.DataFrame(rows, schema=["query_id", "product_id", "grade"], orient="row")
    return Judge(frame, 2, {f"p{key}": key for key in range(1_000)})


def test_curves_come_from_the_other_fold():
    scores = np.linspace(1, 0, 20).tolist()
    probes = [scored("a", 0, scores), scored("b", 1, scores)]
    judge = judge_of({"a": range(5), "b": range(5, 20)})
    scorer = TrialScorer(probes, NAMES, judge)
    trial = Trial(method="calibrated", weights=(0.5, 0.5))
    of_a, of_b = (merging.channels[0].curve for merging in scorer.mergings(trial))
    assert of_a == fit_curves(probes[1:], judge, NAMES)["vectors"]
    assert of_b == fit_curves(probes[:1], judge, NAMES)["vectors"]
    assert of_a != of_b
    assert scorer.curves == fit_curves(probes, judge, NAMES)


def test_curves_rise_and_few_knots_are_kept_of_many():
    rng = np.random.default_rng(0)
    scores = np.sort(rng.uniform(size=3_000))[::-1]
    probes = [scored("q", 0, scores.tolist())]
    relevant = np.flatnonzero(rng.uniform(size=3_000) < scores**2)
    judge = Judge(
        pl.DataFrame(
            {"query_id": "q", "product_id": [f"p{key}" for key in relevant], "grade": 3},
        ),
        2,
        {f"p{key}": key for key in range(3_000)},
    )
    curve = fit_curves(probes, judge, NAMES)["words"]
    assert len(curve.scores) <= 64
    calibration = curve
    asked = np.array([0.2, 0.5, 0.8], dtype=np.float32)
    assert calibration.probability(asked) == pytest.approx(asked**2, abs=0.08)


def test_few_judgements_get_a_logistic_curve_and_one_sided_ones_none():
    probes = [scored("q", 0, np.linspace(1, 0, 30).tolist())]
    curve = fit_curves(probes, judge_of({"q": range(10)}), NAMES)["words"]
    assert (len(curve.scores), curve.scores[0], curve.scores[-1]) == (32, 0, 1)
    assert curve.probabilities[0] < 0.1 < 0.9 < curve.probabilities[-1]
    assert fit_curves(probes, judge_of({"q": range(30)}), NAMES) == {}
    assert fit_curves([], judge_of({"q": [1]}), NAMES) == {}


BASE = CutoffConfig(min_results=10, max_candidates=500)


def test_the_cut_off_loses_no_more_than_it_may():
    scores = np.linspace(1, 0, 101).tolist()
    # Relevant: the first 20 of each, and 2 stragglers.
    relevant = [*range(20), 60, 90]
    probes = [scored("a", 0, scores), scored("b", 1, scores)]
    scorer = TrialScorer(probes, NAMES, judge_of({"a": relevant, "b": relevant}))
    trial = single_trials(2)[0]
    strict, one_each, lenient = (choose_cut(scorer, trial, s, BASE) for s in (0.0, 0.05, 0.1))
    assert (strict.lost, one_each.lost, lenient.lost) == pytest.approx((0, 1 / 22, 2 / 22))
    assert strict.length_before == 101
    assert (strict.length_after, one_each.length_after, lenient.length_after) == (91, 61, 20)
    assert [c.cutoff.min_share for c in (strict, one_each, lenient)] == [0.1, 0.4, 0.81]
    assert (strict.cutoff.max_candidates, strict.cutoff.min_probability) == (500, 0)
    by_rank = choose_cut(scorer, Trial(method="interleave", weights=(0.5, 0.5)), 0.05, BASE)
    assert (by_rank.cutoff.min_share, by_rank.length_after) == (0, 61)
    assert by_rank.cutoff.min_probability > 0


def test_lists_of_queries_that_find_little_are_not_cut():
    sharp, dull = np.linspace(1, 0, 40).tolist(), np.linspace(0.2, 0.1, 40).tolist()
    probes = [scored(f"q{i}", i % 2, dull if i < 2 else sharp) for i in range(100)]
    judge = judge_of({f"q{i}": [39] if i < 2 else range(12) for i in range(100)})
    scorer = TrialScorer(probes, NAMES, judge)
    choice = choose_cut(scorer, single_trials(2)[0], 0.0, BASE)
    chances = scorer.curves["vectors"].probability(np.array([0.2, 1.0]))
    assert chances[0] < choice.cutoff.sure_from <= chances[1]
    assert choice.lost == 0
    assert (choice.length_before, choice.length_after) == (40, 12)


def test_boosts_move_what_matches():
    found = scored("q", 0, [0.9, 0.8, 0.7]).found["off"]
    scorer = TrialScorer([], NAMES, judge_of({}))
    merging = single_trials(2)[0].merging(NAMES, {})
    matching = replace(found, columns=("brand",), matched_RK=np.array([[False, False, True]]))
    probes = Probe("q", 0, {"off": matching})
    plain = scorer.ranking(probes, replace(single_trials(2)[0], boost=Boost(factor=1.0)), merging)
    assert plain.keys.tolist() == [0, 1, 2]
    assert boosted(matching, plain, Boost(factor=3.0, points=0.15)).keys.tolist() == [0, 2, 1]
    assert boosted(matching.without(["brand"]), plain, Boost(factor=9.0)).keys.tolist() == [0, 1, 2]
