"""People's labels and a shop's log, where they disagree: dev check, evaluation, report."""

import io
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from support.shops import QRELS as SHOP_QRELS
from support.shops import changed, write_shop

import windowshop.evaluation.dev_scorer
import windowshop.evaluation.trained
from windowshop.data.check import check_dataset
from windowshop.data.dataset import Dataset
from windowshop.evaluation.dev_scorer import make_dev_scorer
from windowshop.evaluation.tables import render_evaluation
from windowshop.evaluation.trained import evaluate
from windowshop.progress import SilentReporter

# People want product a (grade 3, then b), shoppers b (grade 1); only people judged query q2.
QRELS = [
    ("q1", "a", 3, "relevance", 1.0),
    ("q1", "b", 1, "relevance", 1.0),
    ("q1", "b", 1, "desirability", 9.0),
    ("q2", "a", 3, "relevance", 1.0),
    ("q3", "c", 1, "desirability", 1.0),
]
RUN = {"b": 0.9, "a": 0.8, "c": 0.7}
"""Every query's ranking: b, a, c."""
NDCG_Q1 = (1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3))
NDCG_Q2 = 1 / np.log2(3)
NDCG_Q3 = 1 / 2


def make_labelled(root, split, kinds=("relevance", "desirability")):
    schema = ["query_id", "product_id", "grade", "kind", "weight"]
    qrels = pl.DataFrame(QRELS, schema=schema, orient="row")
    return Dataset(
        root=root,
        products=pl.DataFrame({"product_id": ["a", "b", "c"], "cold": [True, False, False]}),
        queries=pl.DataFrame(
            {
                "query_id": ["q1", "q2", "q3"],
                "query": ["shoe", "hat", "bag"],
                "image": pl.Series([None] * 3, dtype=pl.String),
                "split": split,
            }
        ),
        qrels=qrels.filter(pl.col("kind").is_in(kinds)),
    )


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Evaluates the one ranking, and a baseline with the ranks of a and b exchanged."""

    def ranked(*_):
        runs = {"fused": RUN, "bm25": {"a": 0.9, "b": 0.8, "c": 0.7}}
        return {name: dict.fromkeys(("q1", "q2", "q3"), run) for name, run in runs.items()}

    monkeypatch.setattr(windowshop.evaluation.trained, "_runs", ranked)
    monkeypatch.setattr(windowshop.evaluation.trained, "_origin", lambda *given: {})

    def run(**given):
        dataset = make_labelled(tmp_path, "test", **given)
        return evaluate(None, dataset, "test", ["cold"], tmp_path, None)

    return run


def means(evaluation, name, measure="ndcg@10"):
    return evaluation.tables["fused"][name][measure].mean


def test_people_make_the_headline_and_each_label_set_a_slice(evaluated):
    found = evaluated()
    tables = found.tables["fused"]
    assert list(tables) == [
        "all",
        "labels=relevance",
        "labels=desirability",
        "cold=False",
        "cold=True",
    ]
    assert means(found, "all") == pytest.approx((NDCG_Q1 + NDCG_Q2) / 2)
    assert tables["labels=relevance"] == tables["all"]
    assert means(found, "labels=desirability") == pytest.approx((1 + NDCG_Q3) / 2)
    assert means(found, "cold=False") == 1  # by people, product b of query 1 alone
    assert found.num_queries == 2
    # Grades from 2 on count for people; the log has none higher than 1.
    assert (found.threshold, found.labels) == (2, {"relevance": 2, "desirability": 1})
    assert means(found, "labels=relevance", "mrr@10") == 1 / 2
    assert means(found, "labels=desirability", "mrr@10") == pytest.approx((1 + 1 / 3) / 2)


def test_the_label_sets_prefer_other_systems(evaluated):
    gains = evaluated().gains["bm25"]
    assert (
        gains["labels=relevance"]["ndcg@1"].mean < 0 < gains["labels=desirability"]["ndcg@1"].mean
    )


def test_figures_tell_the_label_sets(evaluated):
    figures = evaluated().to_json()
    assert figures["label_sets"] == {
        "relevance": {"relevant_from_grade": 2},
        "desirability": {"relevant_from_grade": 1},
    }
    assert "labels=desirability" in figures["systems"]["fused"]["slices"]


@pytest.mark.parametrize(
    ("kind", "ndcg", "num_queries", "threshold"),
    [
        ("relevance", (NDCG_Q1 + NDCG_Q2) / 2, 2, 2),
        ("desirability", (1 + NDCG_Q3) / 2, 2, 1),
    ],
)
def test_one_label_set_is_the_headline_alone(evaluated, kind, ndcg, num_queries, threshold):
    found = evaluated(kinds=(kind,))
    assert means(found, "all") == pytest.approx(ndcg)
    assert (found.num_queries, found.threshold, found.labels) == (num_queries, threshold, {})
    assert not any(name.startswith("labels=") for name in found.tables["fused"])
    assert "by label set" not in shown(found)


def shown(evaluation):
    console = Console(file=io.StringIO(), width=80)
    console.print(render_evaluation(evaluation))
    return console.file.getvalue()


def test_the_report_has_both_label_sets_side_by_side(evaluated):
    text = shown(evaluated())
    assert "2 queries, 3 products, by relevance labels" in text
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if "by label set" in line)
    heading, measures, fused = lines[start + 2], lines[start + 3], lines[start + 5]
    assert heading.split() == ["relevance", "desirability"]
    assert measures.split() == ["system", "nDCG@1", "nDCG@10", "nDCG@1", "nDCG@10"]
    # nDCG@1: query 1 has gain 1 of 3 by people, 1 of 1 by shoppers; queries 2 and 3 have none.
    assert [cell.split("±")[0] for cell in fused.split()[1:]] == [
        ".167",
        f"{(NDCG_Q1 + NDCG_Q2) / 2:.3f}"[1:],
        ".500",
        ".750",
    ]
    assert text.count("labels=") == 0
    assert max(map(len, lines)) <= 80


@pytest.fixture
def dev_scores(tmp_path, monkeypatch):
    """The dev check's figures for the one ranking."""
    axes = np.eye(3, dtype=np.float32)
    scores = np.array([[RUN[p] for p in "abc"]] * 3, dtype=np.float32)
    monkeypatch.setattr(windowshop.evaluation.dev_scorer, "product_vectors", lambda *_: axes)
    monkeypatch.setattr(
        windowshop.evaluation.dev_scorer, "query_vectors", lambda *given: scores[given[2]]
    )

    def check(split="dev", **weights):
        dataset = make_labelled(tmp_path, split)
        made = make_dev_scorer(dataset, None, None, 100, 0, **weights)
        return made and (made, made(SimpleNamespace(fusion=None)))

    return check


def test_a_dev_check_averages_the_label_sets(dev_scores):
    by_people, by_log = (NDCG_Q1 + NDCG_Q2) / 2, (1 + NDCG_Q3) / 2
    _, equal = dev_scores()
    assert equal["ndcg@10"] == pytest.approx((by_people + by_log) / 2)
    assert equal["recall@100"] == 1
    assert equal["score"] == pytest.approx((equal["ndcg@10"] + 1) / 2)
    _, weighed = dev_scores(weights={"relevance": 3.0, "desirability": 1.0})
    assert weighed["ndcg@10"] == pytest.approx((3 * by_people + by_log) / 4)


def test_a_dev_check_leaves_out_what_weighs_0(dev_scores):
    made, found = dev_scores(weights={"relevance": 0.0, "desirability": 1.0})
    assert made.query_ids == ["q1", "q3"]
    assert found["ndcg@10"] == pytest.approx((1 + NDCG_Q3) / 2)


def test_a_dev_check_of_no_label_is_none(dev_scores):
    assert dev_scores(split="test") is None


def check(folder, qrels):
    report = check_dataset(write_shop(folder, {"qrels": qrels}), reporter=SilentReporter())
    return report.counts["label_sets"], {finding.code: finding.rows for finding in report.findings}


def test_a_check_counts_label_sets_and_takes_a_judgement_of_each(tmp_path):
    qrels = [*SHOP_QRELS, SHOP_QRELS[0] | {"grade": 1, "kind": "desirability", "weight": 12}]
    counts, found = check(tmp_path, qrels)
    assert counts == {"desirability": 1, "relevance": 3}
    assert not found.keys() & {"conflicting-grades", "repeated-qrels", "bad-weight"}
    _, found = check(tmp_path, [*qrels, qrels[-1]])
    assert found["repeated-qrels"] == (5,)


@pytest.mark.parametrize("weight", [-1, -0.001, "inf", "-inf", "many"])
def test_a_check_finds_weights_that_are_none(tmp_path, weight):
    _, found = check(tmp_path, changed(SHOP_QRELS, 2, weight=weight))
    assert found["bad-weight"] == (2,)
