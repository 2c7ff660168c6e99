"""Rankings of what has something to compare, and a dev check of a shop with many dev queries."""

from dataclasses import replace

import numpy as np
import pytest

from windowshop.encoders.layout import Layout
from windowshop.evaluation import dev_scorer, runs
from windowshop.evaluation.dev_scorer import make_dev_scorer
from windowshop.evaluation.metrics import score_queries
from windowshop.evaluation.runs import make_run, modality_vectors, product_vectors
from windowshop.model.two_tower import TwoTower

IDS = ["a", "b", "c"]
PRODUCTS = np.array([[0.6, 0.8], [0, 0], [-1, 0]], dtype=np.float32)


def ranked(query, **how):
    return make_run(np.array([query], dtype=np.float32), ["q"], PRODUCTS, IDS, **how)["q"]


def test_a_product_without_anything_to_compare_is_not_found():
    """Its score would be 0, above that of every product that looks away from the query."""
    assert ranked([1, 0]) == pytest.approx({"a": 0.6, "c": -1})


def test_a_product_that_has_something_is_found_though_it_cancels_out():
    has_any = np.array([True, True, False])
    assert list(ranked([1, 0], has_any_N=has_any)) == ["a", "b"]


def test_a_query_of_nothing_finds_nothing():
    assert ranked([0, 0]) == {}


@pytest.mark.parametrize(("rank", "recall"), [(100, 1.0), (101, 0.0)])
def test_recall_at_100_counts_the_hundredth_of_a_run_and_none_after_it(rank, recall):
    angle_N = np.arange(110) / 110
    products = np.stack([np.cos(angle_N), np.sin(angle_N)], axis=1).astype(np.float32)
    query = np.array([[1, 0]], dtype=np.float32)
    run = make_run(query, ["q"], products, [f"p{place}" for place in range(1, 111)])
    assert len(run["q"]) == 100
    scores = score_queries({"q": {f"p{rank}": 1}}, run, threshold=1)
    assert scores["recall@100"] == {"q": recall}


def many_queries(make_dataset, count):
    groups = [f"g{i}" for i in range(count)]
    queries = [(f"hat {i}", None, "dev") for i in range(count)]
    return make_dataset(groups, queries, {(i, i): 1 for i in range(count)})


@pytest.mark.parametrize(("limit", "kept"), [(20, 20), (7, 7)])
def test_a_dev_check_takes_so_many_queries_and_their_judgements(
    make_dataset, monkeypatch, limit, kept
):
    monkeypatch.setattr(dev_scorer, "MAX_DEV_QUERIES", limit)
    dataset = many_queries(make_dataset, 20)
    first, again, other = (make_dev_scorer(dataset, None, None, 9, seed) for seed in (0, 0, 1))
    assert len(first.query_ids) == kept
    assert first.query_ids == [f"q{row}" for row in first.queries] == again.query_ids
    assert (other.query_ids == first.query_ids) == (kept == 20)
    assert set(first.labels[0].qrels) == set(first.query_ids)
    judged = {f"p{row}" for row in first.queries}
    assert judged <= set(first.product_ids)
    assert len(first.product_ids) == max(9, kept)


def test_vectors_do_not_depend_on_the_chunks(make_toy_data, toy_model_config, monkeypatch):
    shape = replace(toy_model_config, fusion="query_experts")
    model, source = TwoTower(shape, Layout((6,)), Layout((5,))), make_toy_data().products
    items = np.array([3, 0, 19, 7, 9, 5])
    whole = product_vectors(model, source, items), *modality_vectors(model, source, items)
    monkeypatch.setattr(runs, "CHUNK", 4)
    parts = product_vectors(model, source, items), *modality_vectors(model, source, items)
    for expected, found in zip(whole, parts, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
