"""The default on several data sets: one short run."""

import json
import shutil

import headline
import polars as pl
import pytest

from windowshop.evaluation import pool_seeds


def test_models_of_other_code_are_noted(monkeypatch):
    monkeypatch.setattr(headline, "environment", lambda: {"commit": "new"})
    models = [{"seed": i, "environment": {"commit": c}} for i, c in enumerate(("new", "old"))]
    assert headline._other_commits(models) == ["Seed 1 was trained at commit old."]


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
    pooled = pool_seeds([scores.filter(seed=seed).drop("seed") for seed in (0, 1)]).to_json()
    assert {key: content[key] for key in pooled} == pooled
    assert content["intervals_over"] == "queries and seeds"
    assert set(content["fused_minus"]) == set(content["systems"]) - {"fused"}
    assert content["systems"]["fused"]["slices"]
