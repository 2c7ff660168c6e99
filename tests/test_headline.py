"""The default on several data sets: means over queries and seeds, and one short run."""

import json
import shutil

import headline
import polars as pl
import pytest

from windowshop.evaluation import bootstrap


def scores_of(*rows):
    names = ["system", "slice", "measure", "query_id", "seed", "value"]
    return pl.DataFrame(rows, schema=names, orient="row")


@pytest.fixture
def scores():
    """Two systems, queries and seeds."""
    values = {"fused": [0.8, 0.6, 0.4, 0.2], "text_only": [0.5, 0.4, 0.5, 0.0]}
    pairs = [(query, seed) for query in "ab" for seed in (0, 1)]
    return scores_of(
        *(
            (system, part, "ndcg@10", query, seed, value)
            for system, found in values.items()
            for part in ("all", "kind=visual")
            for (query, seed), value in zip(pairs, found, strict=True)
        )
    )


def test_a_mean_is_over_queries_and_seeds(scores):
    found = headline.estimates(scores)
    assert found["fused"]["all"]["ndcg@10"]["mean"] == pytest.approx(0.5)
    expected = bootstrap([0.7, 0.3])
    assert found["fused"]["slices"]["kind=visual"]["ndcg@10"]["low"] == pytest.approx(expected.low)
    assert found["text_only"]["all"]["ndcg@10"]["n"] == 2


def test_a_gain_is_paired_by_query_and_seed(scores):
    found = headline.gains(scores).filter(slice="all")
    assert found["system"].unique().to_list() == ["text_only"]
    by_query = {(q, s): v for q, s, v in found.select("query_id", "seed", "value").iter_rows()}
    expected = {("a", 0): 0.3, ("a", 1): 0.2, ("b", 0): -0.1, ("b", 1): 0.2}
    assert by_query == pytest.approx(expected)


@pytest.mark.slow
def test_a_run_measures_what_has_test_queries_and_leaves_out_what_has_none(
    shop, quick_config, tmp_path, capsys
):
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(shop / "data" / "products.parquet", bare)
    out = tmp_path / "results"
    places = ["--work", str(tmp_path / "work"), "--cache", str(shop / "cache"), "--out", str(out)]
    settings = ["--seeds", "2", "--config", str(quick_config)]
    headline.main([str(shop / "data"), str(bare), *settings, *places])
    told = capsys.readouterr()
    assert "bare: left out, no judged test query (found 0 queries, 0 judgements)" in " ".join(
        told.err.split()
    )
    assert {path.name for path in out.iterdir()} == {
        "headline_data.json",
        "headline_data.per_query.parquet",
    }
    content = json.loads((out / "headline_data.json").read_text())
    assert content["seeds"] == [0, 1]
    assert [model["seed"] for model in content["models"]] == [0, 1]
    assert {"command", "cpu", "threads"} <= set(content["environment"])
    scores = pl.read_parquet(out / "headline_data.per_query.parquet")
    for system, tables in content["systems"].items():
        for measure, found in tables["all"].items():
            kept = scores.filter(system=system, slice="all", measure=measure)["value"]
            assert found["mean"] == pytest.approx(kept.mean(), abs=1e-6)
    assert set(content["fused_minus"]) == set(content["systems"]) - {"fused"}
    assert content["systems"]["fused"]["slices"]
