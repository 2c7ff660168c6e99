import math

import ir_measures
import numpy as np
import polars as pl
import pytest

from windowshop.evaluation.metrics import (
    MEASURES,
    Estimate,
    as_qrels,
    bootstrap,
    judged_at_k,
    relevance_threshold,
    score_queries,
)


def ranking(*product_ids):
    """A run's entry: these products, best first."""
    return {product_id: 1.0 - 0.01 * rank for rank, product_id in enumerate(product_ids)}


def score(judged, ranked, threshold=1):
    """All measures of one query."""
    scores = score_queries({"q": judged}, {"q": ranked}, threshold)
    return {measure: values["q"] for measure, values in scores.items() if "q" in values}


def others(count, prefix="x"):
    return [f"{prefix}{i}" for i in range(count)]


HAND_WORKED = [
    pytest.param(
        {"a": 1},
        ranking("a", "x", "y"),
        {"recall@10": 1, "ndcg@1": 1, "ndcg@10": 1, "mrr@10": 1},
        id="first",
    ),
    pytest.param(
        {"a": 1},
        ranking("x", "y", "a"),
        {"recall@10": 1, "ndcg@1": 0, "ndcg@10": 0.5, "mrr@10": 1 / 3},  # 1 / log2(3 + 1)
        id="third",
    ),
    pytest.param(
        {"a": 1, "b": 1, "c": 1},
        ranking("x", "b", "y", "a"),
        {
            "recall@10": 2 / 3,
            "ndcg@10": (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3) + 1 / 2),
            "mrr@10": 1 / 2,
        },
        id="two of three",
    ),
    pytest.param(
        {"a": 1, "b": 1},
        ranking("a", *others(9), "b"),
        {"recall@10": 1 / 2, "recall@50": 1, "ndcg@10": 1 / (1 + 1 / math.log2(3)), "mrr@10": 1},
        id="one at rank 11",
    ),
    pytest.param(
        {"a": 1},
        ranking(*others(10), "a"),
        {"recall@10": 0, "recall@50": 1, "recall@100": 1, "ndcg@10": 0, "mrr@10": 0},
        id="only at rank 11",
    ),
    pytest.param(
        {"a": 1},
        ranking(*others(50), "a"),
        {"recall@50": 0, "recall@100": 1},
        id="only at rank 51",
    ),
    pytest.param(
        {"a": 1, "x": 0},
        ranking("x", "a"),
        {"recall@10": 1, "ndcg@1": 0, "mrr@10": 1 / 2},
        id="grade 0 is not relevant",
    ),
    pytest.param(
        {name: 1 for name in others(20, "r")},
        ranking(*others(20, "r")),
        {"recall@10": 1 / 2, "recall@50": 1, "ndcg@10": 1, "mrr@10": 1},
        id="more relevant products than places",
    ),
]


@pytest.mark.parametrize(("judged", "ranked", "expected"), HAND_WORKED)
def test_hand_worked_values(judged, ranked, expected):
    found = score(judged, ranked)
    assert set(found) == set(MEASURES)
    assert {measure: found[measure] for measure in expected} == pytest.approx(expected)


def test_ndcg_has_the_grades_as_gains():
    found = score({"good": 3, "fair": 1}, ranking("fair", "x", "good"))
    best = 3 / math.log2(2) + 1 / math.log2(3)
    assert found["ndcg@10"] == pytest.approx((1 / math.log2(2) + 3 / math.log2(4)) / best)
    assert found["ndcg@1"] == pytest.approx(1 / 3)


def test_the_threshold_decides_recall_and_mrr_but_not_ndcg():
    judged, ranked = {"good": 3, "fair": 1}, ranking("fair", "good")
    loose, strict = score(judged, ranked, threshold=1), score(judged, ranked, threshold=2)
    assert (loose["mrr@10"], strict["mrr@10"]) == (1, 1 / 2)
    assert (loose["recall@10"], strict["recall@10"]) == (1, 1)
    assert score(judged, ranking("fair"), threshold=2)["recall@10"] == 0
    assert score(judged, ranking("fair"), threshold=1)["recall@10"] == 1 / 2
    assert loose["ndcg@10"] == strict["ndcg@10"]


@pytest.mark.parametrize(
    ("grades", "threshold"),
    [([1, 1], 1), ([1, 3], 2), ([1, 2], 2), ([3], 2), ([1, 2, 3, 4], 2), ([], 1)],
)
def test_the_threshold_follows_the_grades(grades, threshold):
    frame = pl.DataFrame({"grade": grades}, schema={"grade": pl.Int64})
    assert relevance_threshold(frame) == threshold


def test_a_query_missing_from_the_run_scores_0():
    qrels = {"q": {"a": 1}, "lost": {"a": 1}}
    scores = score_queries(qrels, {"q": ranking("a")}, 1)
    assert {m: v for m, v in scores.items() if v != {"q": 1, "lost": 0}} == {}
    scores = score_queries(qrels, {"q": ranking("a"), "lost": {}}, 1)
    assert all(values["lost"] == 0 for values in scores.values())
    assert all(values == {"q": 0, "lost": 0} for values in score_queries(qrels, {}, 1).values())


def test_a_query_without_a_relevant_product_is_left_out():
    qrels = {"q": {"a": 3}, "weak": {"a": 1}, "zero": {"a": 0}, "none": {}}
    run = {query: ranking("a") for query in qrels}
    scores = score_queries(qrels, run, threshold=2)
    for measure in MEASURES:
        defined = {"q", "weak"} if measure.startswith("ndcg") else {"q"}
        assert set(scores[measure]) == defined


def test_a_query_that_nobody_judged_is_left_out():
    scores = score_queries({"q": {"a": 1}}, {"q": ranking("a"), "other": ranking("a")}, 1)
    assert all(set(values) == {"q"} for values in scores.values())


@pytest.mark.parametrize("order", [("a", "x", "y"), ("y", "a", "x"), ("x", "y", "a")])
def test_equal_scores_rank_in_the_order_of_the_run_for_every_measure(order):
    tied = dict.fromkeys(order, 0.5)
    assert score({"a": 1}, tied) == score({"a": 1}, ranking(*order))


def test_only_the_order_of_scores_counts():
    judged = {"a": 1, "c": 1}
    close = {"x": 0.5 + 1e-12, "a": 0.5, "c": -3.0, "y": 0.5 + 2e-12}
    assert score(judged, close) == score(judged, ranking("y", "x", "a", "c"))


def obvious(judged, ranked, threshold):
    """The formulas once more, as plainly as they can be written."""
    order = sorted(ranked, key=ranked.get, reverse=True)
    relevant = {p for p, grade in judged.items() if grade >= threshold}
    expected = {
        f"recall@{k}": len(relevant & set(order[:k])) / len(relevant) for k in (10, 50, 100)
    }
    ideal = sorted(judged.values(), reverse=True)
    for k in (1, 10):
        gain = sum(judged.get(p, 0) / math.log2(rank + 2) for rank, p in enumerate(order[:k]))
        best = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(ideal[:k]))
        expected[f"ndcg@{k}"] = gain / best
    ranks = [rank for rank, p in enumerate(order[:10], start=1) if p in relevant]
    return expected | {"mrr@10": 1 / ranks[0] if ranks else 0.0}


@pytest.mark.parametrize("threshold", [1, 2])
def test_every_measure_agrees_with_the_obvious_formulas(threshold):
    rng = np.random.default_rng(threshold)
    products = others(150, "p")
    qrels, run = {}, {}
    for query in others(40, "q"):
        judged = rng.choice(products, size=rng.integers(1, 30), replace=False)
        grades = rng.choice([0, 1, 3], size=len(judged))
        grades[0] = 3
        qrels[query] = dict(zip(judged.tolist(), grades.tolist(), strict=True))
        found = rng.permutation(products)[: rng.integers(1, 101)].tolist()
        run[query] = dict(zip(found, rng.normal(size=len(found)).tolist(), strict=True))
    scores = score_queries(qrels, run, threshold)
    for query, judged in qrels.items():
        found = {measure: scores[measure][query] for measure in MEASURES}
        assert found == pytest.approx(obvious(judged, run[query], threshold), abs=1e-6)


def test_a_table_of_qrels_becomes_a_mapping():
    frame = pl.DataFrame(
        {"query_id": ["q", "q", "r"], "product_id": ["a", "b", "a"], "grade": [3, 1, 2]}
    )
    assert as_qrels(frame) == {"q": {"a": 3, "b": 1}, "r": {"a": 2}}


@pytest.mark.parametrize("n", [1, 2, 100])
def test_constant_values_have_no_spread(n):
    assert bootstrap([0.25] * n) == Estimate(0.25, 0.25, 0.25, n)


def test_the_interval_of_few_values_reaches_to_the_outermost():
    estimate = bootstrap([0.0, 1.0])
    assert (estimate.mean, estimate.low, estimate.high) == (0.5, 0, 1)


def test_the_bootstrap_is_a_function_of_values_and_seed():
    values = np.random.default_rng(0).random(30).tolist()
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)
    assert bootstrap(values, seed=1).mean == bootstrap(values, seed=2).mean == np.mean(values)


def test_many_values_are_resampled_in_blocks():
    values = np.random.default_rng(0).random(5_000)  # more than one block of 800 resamples
    estimate = bootstrap(values.tolist())
    error = values.std() / math.sqrt(len(values))
    assert estimate.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert estimate.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_holds_the_mean_and_narrows_with_more_queries(seed):
    values = np.random.default_rng(seed).random(400)
    few, many = bootstrap(values[:50].tolist()), bootstrap(values.tolist())
    for estimate in (few, many):
        assert 0 <= estimate.low < estimate.mean < estimate.high <= 1
    assert many.high - many.low < 0.6 * (few.high - few.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [bootstrap(rng.random(60).tolist(), seed) for seed in range(200)]
    covered = sum(estimate.low <= 0.5 <= estimate.high for estimate in intervals)
    assert 180 <= covered <= 198  # 95% of 200, give or take three deviations


def test_judged_at_k_is_that_of_ir_measures():
    qrels = {"a": {"p1": 3, "p2": 0}, "b": {"p9": 1}, "c": {"p1": 1}}
    found = {f"p{i}": -float(i) for i in range(1, 9)}
    run = {"a": found, "b": found, "c": {"p1": 1.0, "p5": 0.5}, "d": found, "e": {}}
    shares = judged_at_k(qrels, run, 4)
    assert shares == {"a": 0.5, "b": 0.0, "c": 0.5, "d": 0.0}
    told = {
        m.query_id: m.value for m in ir_measures.iter_calc([ir_measures.Judged @ 4], qrels, run)
    }
    assert told == {name: shares[name] for name in "abc"}
