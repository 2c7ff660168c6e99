import json
import subprocess
import sys
from contextlib import closing

import numpy as np
import polars as pl
import pytest
from PIL import Image
from support.killing import run_and_kill
from support.shops import image_bytes, write_shop

import windowshop
from windowshop.data.dataset import read_products
from windowshop.evaluation.metrics import MEASURES
from windowshop.evaluation.runs import make_run
from windowshop.index.open import open_index

pytestmark = pytest.mark.slow

WIDTH = 2 * 16
"""Of the vectors: the default fusion stores two parts."""
SYSTEMS = ["fused", "text_only", "image_only", "bm25"]


@pytest.fixture(scope="module")
def model(trained):
    return windowshop.load(trained, device="cpu")


@pytest.fixture(scope="module")
def catalogue(shop):
    return read_products(shop / "data")


@pytest.fixture(scope="module")
def vectors(model, shop, catalogue):
    return model.encode_products(catalogue, shop / "data", cache=shop / "cache").vectors


@pytest.fixture(scope="module")
def a_image(shop, catalogue):
    return shop / "data" / catalogue["image"].drop_nulls()[0]


def test_check_finds_the_shop_sound(cli, shop):
    told = cli("check", shop / "data")
    assert (told.code, "OK: no errors" in told.out) == (0, True)
    told = cli("check", shop / "data", "--json")
    assert told.code == 0
    assert json.loads(told.out)["counts"]["products"] == 100


def test_train_writes_a_model_folder(trained):
    files = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    assert files >= {
        "manifest.json",
        "config.yaml",
        "towers.safetensors",
        "baselines/text_only.safetensors",
        "baselines/image_only.safetensors",
        "encoders/text/model.safetensors",
        "encoders/text/tokenizer.json",
        "encoders/image/model.safetensors",
        "encoders/image/encoder.json",
    }
    assert list(trained.parent.glob(".model*")) == []
    manifest = json.loads((trained / "manifest.json").read_text())
    assert manifest["counts"]["products"] == 100
    assert set(manifest["dev"]) == set(manifest["history"]) == {"fused", "text_only", "image_only"}


def test_training_again_has_nothing_to_do(trained, train_cli):
    before = (trained / "towers.safetensors").stat().st_mtime_ns
    told = train_cli(trained)
    assert told.code == 0
    assert "nothing to do" in told.err
    assert (trained / "towers.safetensors").stat().st_mtime_ns == before


def test_another_seed_does_not_overwrite_a_model(trained, train_cli):
    told = train_cli(trained, "--seed", 1)
    assert told.code == 1
    assert "made from other data or settings" in told.err


@pytest.fixture(scope="module")
def figures(cli, shop, trained):
    """Output of `windowshop evaluate`: printed, as JSON, and as parquet."""
    args = ["--slice", "kind", "--slice", "cold+text_quality", "--cache", shop / "cache"]
    out = shop / "figures" / "test.json"
    told = cli("evaluate", trained, shop / "data", "--json", out, *args)
    assert told.code == 0, told.err
    per_query = pl.read_parquet(out.with_name("test.per_query.parquet"))
    return told.out, json.loads(out.read_text()), per_query


def test_evaluate_writes_every_system_and_slice(figures):
    printed, content, _ = figures
    assert list(content["systems"]) == ["fused", "image_only", "text_only", "bm25"]
    assert (content["split"], content["relevant_from_grade"]) == ("test", 2)
    assert content["num_products"] == 100
    slices = set(content["systems"]["fused"]["slices"])
    assert slices >= {"kind=visual", "kind=textual", "cold=True+text_quality=sparse"}
    for tables in content["systems"].values():
        assert set(tables) == {"all", "slices"}
        assert set(tables["slices"]) == slices
        for table in (tables["all"], *tables["slices"].values()):
            assert set(table) == set(MEASURES)
            for estimate in table.values():
                assert set(estimate) == {"mean", "low", "high", "n"}
                assert 0 <= estimate["low"] <= estimate["mean"] <= estimate["high"] <= 1
    assert set(content["fused_minus"]) == {"text_only", "image_only", "bm25"}
    assert all(system in printed for system in SYSTEMS)


def test_the_per_query_file_holds_what_the_means_are_of(figures):
    _, content, per_query = figures
    assert per_query.columns == ["system", "slice", "query_id", "measure", "value"]
    means = per_query.group_by("system", "slice", "measure").agg(pl.col("value").mean(), pl.len())
    assert len(means) == sum(
        len(table)
        for tables in content["systems"].values()
        for table in (tables["all"], *tables["slices"].values())
    )
    for system, part, measure, value, count in means.iter_rows():
        tables = content["systems"][system]
        estimate = (tables["all"] if part == "all" else tables["slices"][part])[measure]
        assert estimate["mean"] == pytest.approx(value, abs=1e-6)
        assert estimate["n"] == count


def test_figures_and_model_name_what_they_were_made_from(figures, trained, shop):
    _, content, _ = figures
    manifest = windowshop.load(trained).manifest
    assert content["hashes"] == windowshop.read_dataset(shop / "data").hashes()
    assert content["model"]["run_key"] == manifest.run_key
    assert set(content["hashes"].items()) <= set(content["model"]["hashes"].items())
    assert content["model"]["environment"] == manifest.environment
    for made in (content["environment"], manifest.environment):
        assert {"command", "cpu", "cores", "threads", "windowshop", "torch"} <= set(made)
        assert made["precision"] in ("bf16", "fp32")


def test_gains_are_differences_of_means(figures):
    _, content, _ = figures
    for system, tables in content["fused_minus"].items():
        for measure, gain in tables["all"].items():
            fused = content["systems"]["fused"]["all"][measure]["mean"]
            other = content["systems"][system]["all"][measure]["mean"]
            assert gain["mean"] == pytest.approx(fused - other, abs=1e-9)


def test_scores_of_another_seed_are_pooled(figures, cli, shop, trained, tmp_path):
    """The other seed here is the model itself: the same means, and no spread over seeds."""
    alone, content, per_query = figures
    assert (content["num_seeds"], content["intervals_over"]) == (1, "queries")
    assert "over queries alone" in alone
    other, out = tmp_path / "other.parquet", tmp_path / "test.json"
    per_query.write_parquet(other)
    args = ["--cache", shop / "cache", "--other-seed", other]
    told = cli("evaluate", trained, shop / "data", "--json", out, *args)
    assert told.code == 0, told.err
    assert "queries and 2 seeds" in " ".join(told.out.split())
    pooled = json.loads(out.read_text())
    assert (pooled["num_seeds"], pooled["intervals_over"]) == (2, "queries and seeds")
    for measure, estimate in pooled["systems"]["fused"]["all"].items():
        mean = content["systems"]["fused"]["all"][measure]["mean"]
        assert estimate["mean"] == pytest.approx(mean, abs=1e-6)
        assert estimate["low"] <= estimate["mean"] <= estimate["high"]


def test_evaluation_ranks_as_the_index_does(figures, shop, model, vectors, catalogue):
    _, _, per_query = figures
    data = windowshop.data.dataset.read_dataset(shop / "data")
    queries = data.split("test")
    query_QD = model.encode_queries(queries["query"].to_list())
    ids = catalogue["product_id"].to_list()
    run = make_run(query_QD, queries["query_id"].to_list(), vectors, ids)
    grades = {(q, p): grade for q, p, grade, *_ in data.qrels.iter_rows()}
    fused = per_query.filter(system="fused", slice="all", measure="ndcg@1")
    for query_id, value in fused.select("query_id", "value").iter_rows():
        best = next(iter(run[query_id]))
        assert (value > 0) == ((query_id, best) in grades)


def test_the_index_holds_the_products_and_their_vectors(indexed, vectors, catalogue):
    with closing(open_index(indexed)) as index:
        ids = catalogue["product_id"].to_list()
        assert index.collection.products(ids).select(catalogue.columns).equals(catalogue)
        found = index.collection.search(vectors[:5], 100)
    scores = vectors[:5] @ vectors.T
    for hits, scores_N in zip(found, scores, strict=True):
        expected = dict(zip(ids, scores_N, strict=True))
        assert {hit.product_id: hit.score for hit in hits} == pytest.approx(expected, abs=2e-3)


def test_evaluate_scores_the_search_of_an_index(cli, shop, indexed, figures, tmp_path):
    out = tmp_path / "served.json"
    told = cli("evaluate", indexed, shop / "data", "--slice", "kind", "--json", out)
    assert told.code == 0, told.err
    assert "what served gains" in told.out
    content = json.loads(out.read_text())
    systems = ["served", "vectors", "words", "fused", "bm25"]
    assert list(content["systems"]) == systems
    assert list(content["served_minus"]) == systems[1:]
    of_model = figures[1]["systems"]
    assert content["systems"]["bm25"]["all"] == of_model["bm25"]["all"]
    for measure, estimate in content["systems"]["fused"]["all"].items():
        assert estimate["mean"] == pytest.approx(
            of_model["fused"]["all"][measure]["mean"], abs=0.05
        )
    per_query = pl.read_parquet(out.with_name("served.per_query.parquet"))
    assert set(per_query["system"]) == set(systems)
    assert content["index"]["settings"]["text"]["channels"]


def test_indexing_again_makes_another_generation(cli, shop, trained, indexed):
    args = ["index", trained, shop / "data", "--out", indexed, "--cache", shop / "cache"]
    told = cli(*args, "--engine", "exact")
    assert told.code == 0, told.err
    assert f"{indexed}: 100 products, {WIDTH} dimensions, generation g2\n" in told.out
    assert list(indexed.parent.glob(".index*")) == []
    assert cli("revert-index", indexed).out == f"{indexed}: generation g1 is current\n"


def test_product_vectors_need_no_cache_and_no_further_columns(model, shop, vectors, catalogue):
    encoded = model.encode_products(catalogue, shop / "data", cache=shop / "cache")
    assert (encoded.vectors.dtype, encoded.vectors.shape) == (np.float32, (100, WIDTH))
    assert np.allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(encoded.vectors, vectors)
    assert not encoded.broken_images
    some = catalogue.select("product_id", "title", "brand", "category", "attributes", "image")
    some = some.with_columns(pl.Series("description", catalogue["description"]))[[7, 3]]
    without_cache = model.encode_products(some, shop / "data").vectors
    assert np.allclose(without_cache, vectors[[7, 3]], atol=1e-5)


def test_query_vectors_are_unit_float32_rows(model, a_image):
    texts = ["red mug", None, "blue striped shirt", "靴"]
    images = [None, a_image, a_image, None]
    vectors_BD = model.encode_queries(texts, images)
    assert (vectors_BD.dtype, vectors_BD.shape) == (np.float32, (4, WIDTH))
    assert np.allclose(np.linalg.norm(vectors_BD, axis=1), 1, atol=1e-5)
    for i in range(4):  # a mixed batch gives what each query gives alone
        alone = model.encode_queries([texts[i]], [images[i]])
        assert np.allclose(alone[0], vectors_BD[i], atol=1e-5)
    assert np.allclose(model.encode_queries(texts[:1]), vectors_BD[:1], atol=1e-5)
    assert model.encode_queries([]).shape == (0, WIDTH)


def test_a_image_may_come_in_any_form(model, a_image):
    forms = [a_image, str(a_image), a_image.read_bytes(), Image.open(a_image)]
    vectors_BD = model.encode_queries(images=forms)
    assert np.allclose(vectors_BD, vectors_BD[0], atol=1e-5)


@pytest.fixture(scope="module")
def search(cli, indexed):
    """Runs a search; returns its answer."""

    def run(*args):
        told = cli("search", indexed, *args, "--json")
        assert (told.code, told.err) == (0, "")
        return json.loads(told.out)

    return run


VECTORS = ("--mode", "vectors", "--no-understand")


def test_search_by_vectors_finds_the_nearest_products(search, model, vectors, catalogue):
    answer = search("red mug", *VECTORS, "-k", 7)
    cosine = dict(
        zip(catalogue["product_id"], vectors @ model.encode_queries(["red mug"])[0], strict=True)
    )
    results = answer["results"]
    best = sorted(cosine.values(), reverse=True)[:7]
    scores = [result["score"] for result in results]
    assert scores == pytest.approx(best, abs=0.06)  # queries are encoded in int8
    assert scores == pytest.approx([cosine[r["product_id"]] for r in results], abs=0.06)
    assert [result["rank"] for result in results] == list(range(1, 8))
    assert answer["total"] == 100
    for result in results:
        product = catalogue.row(
            by_predicate=pl.col("product_id") == result["product_id"], named=True
        )
        for name in ("title", "brand", "price", "category"):
            assert result[name] == product[name]
        assert (result["image"] is None) == (product["image"] is None)


def test_a_catalogue_image_finds_its_own_product(search, catalogue, a_image):
    own = catalogue.drop_nulls("image")["product_id"][0]
    answer = search("--image", a_image, "-k", 100, "--explain")
    places = {
        result["product_id"]: {p["channel"]: p for p in result["explanation"]["channels"]}
        for result in answer["results"]
    }
    assert places[own]["photo"]["rank"] == 1
    assert places[own]["photo"]["score"] > 0.9
    both = search("red mug", "--image", a_image, "-k", 3)
    assert set(both["retrieved"]["channels"]) == {"photo", "vectors", "words"}


def test_search_with_a_filter_keeps_to_it(search, catalogue):
    where = "price < 20 and category under 'Clothing'"
    passing = catalogue.filter(pl.col("price") < 20, pl.col("category").str.starts_with("Clothing"))
    answer = search("striped", *VECTORS, "--where", where, "-k", 100)
    assert 0 < answer["total"] == len(answer["results"]) == answer["matching"] == len(passing)
    assert {result["product_id"] for result in answer["results"]} == set(passing["product_id"])
    everything = [r["product_id"] for r in search("striped", *VECTORS, "-k", 100)["results"]]
    kept = [product for product in everything if product in set(passing["product_id"])]
    assert [result["product_id"] for result in answer["results"]] == kept
    assert search("striped", "--where", "price < 0")["results"] == []


def test_search_shows_a_table(cli, indexed, a_image):
    told = cli("search", indexed, "red mug", "--image", a_image, "-k", 3)
    assert (told.code, told.err) == (0, "")
    assert f'"red mug" + image {a_image.name}' in told.out
    assert "3 of 100 results among 100 products" in told.out


def test_a_second_process_opens_the_index(search, indexed):
    """A cold start with warnings as errors: nothing on stderr, the same answer."""
    command = [sys.executable, "-W", "error", "-m", "windowshop"]
    done = subprocess.run(
        [*command, "search", str(indexed), "red mug", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found, expected = json.loads(done.stdout), search("red mug")
    assert [r["product_id"] for r in found["results"]] == [
        r["product_id"] for r in expected["results"]
    ]


def small_shop(folder):
    """Twelve products with noise for images."""
    kinds = ("red boot", "blue boot", "red hat", "blue hat")
    titles = [f"{kinds[i % 4]} number {i}" for i in range(12)]
    products = [
        {"product_id": f"p{i}", "title": title, "image": f"{i}.png"}
        for i, title in enumerate(titles)
    ]
    splits = ("train", "train", "dev", "test")
    queries = [
        {"query_id": f"q{i}", "query": f"{kinds[i % 4]} {i // 4}", "split": splits[i // 4]}
        for i in range(16)
    ]
    qrels = [
        {"query_id": f"q{i}", "product_id": f"p{j}", "grade": 1 + (j == i % 12)}
        for i in range(16)
        for j in range(i % 4, 12, 4)
    ]
    tables = {"products": products, "queries": queries, "qrels": qrels}
    files = {f"{i}.png": image_bytes(i) for i in range(len(titles))}
    return write_shop(folder, tables, files | {"p1.png": None, "p2.png": None})


@pytest.fixture(scope="module")
def small(tmp_path_factory, train_cli, quick_config):
    """A small shop as `data`, and a model trained without a break."""
    folder = tmp_path_factory.mktemp("small")
    small_shop(folder / "data")
    places = {"data": folder / "data", "cache": folder / "cache"}
    told = train_cli(folder / "model", **places, config=quick_config)
    assert told.code == 0, told.err
    return folder


def contents(model):
    names = ("towers", "baselines/text_only", "baselines/image_only")
    weights = [(model / f"{name}.safetensors").read_bytes() for name in names]
    return [*weights, (model / "manifest.json").read_text(), (model / "config.yaml").read_text()]


TRAIN_MOMENTS = [
    (
        "windowshop.encoders.feature_store._write_at",
        4,
        "image features are on the disk, their records are not",
    ),
    ("pathlib.Path.replace", 4, "a checkpoint is written and not yet renamed"),
    ("windowshop.training.state.save_file", 9, "the second system is in training"),
    ("windowshop.model.checkpoint.save_file", 2, "the model folder is half written"),
    ("pathlib.Path.rename", 1, "the model folder is whole and not yet renamed"),
]


@pytest.mark.parametrize(("call", "number", "moment"), TRAIN_MOMENTS)
def test_a_killed_training_goes_on_to_the_same_bytes(
    small, quick_config, train_cli, tmp_path, call, number, moment
):
    fresh = "store" in call
    cache = tmp_path / "cache" if fresh else small / "cache"
    out = tmp_path / "model"
    args = ["train", small / "data", "--out", out, "--config", quick_config]
    assert run_and_kill([*args, "--cache", cache], call, number), moment
    assert not out.exists()
    told = train_cli(out, data=small / "data", cache=cache, config=quick_config)
    assert told.code == 0, told.err
    assert fresh or "Going on with the unfinished run." in told.err
    assert contents(out) == contents(small / "model")
    assert list(tmp_path.glob(".model*")) == []
