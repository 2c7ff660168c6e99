import numpy as np
import polars as pl
import pytest

from windowshop.errors import DataError
from windowshop.evaluation.evaluator import pool_seeds
from windowshop.evaluation.seed_scores import read_scores, scores_of_seeds
from windowshop.evaluation.slices import SCORES_SCHEMA, write_scores


def table(values, part="all", measure="ndcg@10"):
    rows = [(part, query, measure, value) for query, value in values.items()]
    return pl.DataFrame(rows, schema=SCORES_SCHEMA, orient="row")


def of_system(system, values):
    return table(values).select(pl.lit(system).alias("system"), pl.all())


def test_scores_are_of_the_queries_that_every_seed_has():
    found = scores_of_seeds({1: table({"b": 0.25, "a": 0.5}), 0: table({"a": 0.75, "c": 0.5})})
    scores = found["all", "ndcg@10"]
    assert (scores.seeds, scores.query_ids) == ((0, 1), ("a",))
    assert scores.value_SQ.tolist() == [[0.75], [0.5]]
    assert scores.by_query() == {"a": 0.625}
    assert scores_of_seeds({}) == {}


def test_slices_and_measures_are_told_apart():
    found = scores_of_seeds(
        {0: pl.concat([table({"a": 0.5}), table({"a": 0.25}, "kind=x", "mrr@10")])}
    )
    assert {key: item.value_SQ.item() for key, item in found.items()} == {
        ("all", "ndcg@10"): 0.5,
        ("kind=x", "mrr@10"): 0.25,
    }


def test_a_study_of_usual_size_is_small_enough_to_commit(tmp_path):
    """43 variants, 3 seeds, 563 queries and 6 measures are 1.7 MB of plain single precision."""
    rng = np.random.default_rng(0)
    queries = [f"query-{i:05d}" for i in range(563)]
    level_Q = np.where(rng.random(563) < 0.35, 1.0, rng.beta(5, 1, 563))
    frames = []
    for variant in range(43):
        for seed in range(3):
            for measure in range(6):
                noise_Q = rng.normal(0, 0.03, 563) * (level_Q < 1)
                values = dict(zip(queries, np.clip(level_Q + noise_Q, 0, 1).tolist(), strict=True))
                item = table(values, measure=f"m{measure}")
                frames.append(
                    item.select(
                        pl.lit(f"v{variant}").alias("variant"), pl.lit(seed).alias("seed"), pl.all()
                    )
                )
    everything = pl.concat(frames)
    write_scores(everything, tmp_path / "per_query.parquet")
    assert (tmp_path / "per_query.parquet").stat().st_size < 1_500_000
    found = pl.read_parquet(tmp_path / "per_query.parquet")
    assert found.equals(everything.sort("slice", "measure", "query_id", "variant", "seed"))


def test_seeds_are_pooled():
    rng = np.random.default_rng(0)
    hard = rng.random(40) / 2
    tables = []
    for level in (0.2, 0.3, 0.4):
        fused = {f"q{i}": level + h for i, h in enumerate(hard)}
        bm25 = {f"q{i}": h for i, h in enumerate(hard)}
        tables.append(pl.concat([of_system("fused", fused), of_system("bm25", bm25)]))
    tables[2] = pl.concat([tables[2], of_system("image_only", {"q0": 1.0})])
    found = pool_seeds(tables)
    assert (found.num_seeds, set(found.tables), set(found.gains)) == (
        3,
        {"fused", "bm25"},
        {"bm25"},
    )
    gain = found.gains["bm25"]["all"]["ndcg@10"]
    # The gain is .2, .3 and .4 by seed: t of two degrees of freedom, deviation .1.
    assert gain.mean == pytest.approx(0.3)
    assert gain.high == pytest.approx(0.3 + 4.3027 * 0.1 / 3**0.5, rel=1e-4)
    fused, bm25 = (found.tables[name]["all"]["ndcg@10"] for name in ("fused", "bm25"))
    assert fused.high - fused.low > 2 * (bm25.high - bm25.low)


def test_pooled_figures_as_json():
    tables = [of_system("fused", {"a": x, "b": 0.5}) for x in (0.25, 0.75)]
    one, two = (pool_seeds(tables[:count]).to_json() for count in (1, 2))
    assert (one["num_seeds"], one["intervals_over"]) == (1, "queries")
    assert (two["num_seeds"], two["intervals_over"]) == (2, "queries and seeds")
    assert two["systems"]["fused"]["all"]["ndcg@10"]["mean"] == 0.5
    assert two["systems"]["fused"]["slices"] == two["fused_minus"] == {}


def test_no_table_is_a_named_error():
    with pytest.raises(DataError, match="a table of scores for each seed, found none"):
        pool_seeds([])


def test_a_file_without_scores_is_named(tmp_path):
    path = tmp_path / "other.parquet"
    with pytest.raises(DataError, match=r"other.parquet: cannot be read"):
        read_scores(path)
    table({"a": 1.0}).write_parquet(path)
    with pytest.raises(DataError, match=r"other.parquet: lacks the columns system; found slice"):
        read_scores(path)
    of_system("fused", {"a": 1.0}).write_parquet(path)
    assert read_scores(path)["system"].to_list() == ["fused"]
