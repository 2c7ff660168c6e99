"""The export command: each form from the command line, and what it refuses."""

import json

import pytest
from support.exports import import_path

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["parquet", "qdrant", "milvus", "opensearch", "pgvector"])
def test_an_index_goes_into_every_form(cli, colours_index, tmp_path, kind):
    out = tmp_path / "out"
    for _ in range(2):  # again, over the first one
        told = cli("export", colours_index, "--to", kind, "--out", out)
        assert told.code == 0, told.err
    assert "12 products, 1 of them without a vector" in told.out
    assert json.loads((out / "contents.json").read_text())["kind"] == kind


def test_a_model_goes_with_data(cli, colours, tmp_path):
    args = ("export", colours / "model", "--to", "parquet", "--out", tmp_path / "out")
    told = cli(*args)
    assert (told.code, "--data" in told.err) == (1, True)
    told = cli(*args, "--data", colours / "data", "--cache", colours / "cache")
    assert told.code == 0, told.err
    assert "12 products" in told.out


def test_a_card_has_the_figures_of_its_own_evaluation(cli, colours, tmp_path):
    figures, runs = tmp_path / "figures.json", tmp_path / "runs"
    told = cli(
        *("evaluate", colours / "model", colours / "data", "--split", "dev", "--json", figures),
        *("--trec", runs, "--cache", colours / "cache"),
    )
    assert told.code == 0, told.err
    assert (runs / "fused.run").is_file()
    card = tmp_path / "README.md"
    args = ("export", colours / "model", "--to", "model-card", "--out", card)
    assert cli(*args, "--evaluation", figures).code == 0
    mean = json.loads(figures.read_text())["systems"]["fused"]["all"]["ndcg@10"]["mean"]
    assert f"{mean:.3f} (" in card.read_text()
    told = cli(*args, "--evaluation", runs / "qrels.txt")
    assert (told.code, "no evaluation" in told.err) == (1, True)


@pytest.mark.parametrize("source", ["index", "data"])
def test_a_feed_of_an_index_or_of_data(cli, colours, colours_index, tmp_path, source):
    folder = colours_index if source == "index" else colours / "data"
    out = tmp_path / "feed.jsonl"
    told = cli(
        *("export", folder, "--to", "openai-feed", "--out", out, "--currency", "EUR"),
        *("--link", "https://s.example/{product_id}", "--image-link", "https://s.example/{image}"),
    )
    assert told.code == 0, told.err
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 10
    assert "left out: they have no image_url" in told.out
    shop = import_path(out, tmp_path / "shop")
    assert shop.report.format == "OpenAI product feed"
    assert shop.column("title") == {line["item_id"]: line["title"] for line in lines}
    assert {f"{price:.2f} EUR" for price in shop.column("price").values()} == {
        line["price"] for line in lines
    }


def test_a_log_as_ubi(cli, colours_index, tmp_path):
    told = cli("export", colours_index, "--to", "ubi", "--out", tmp_path / "log")
    assert told.code == 0, told.err
    assert "0 queries, 0 events" in told.out


@pytest.mark.parametrize("kind", ["parquet", "ubi", "model-card", "sentence-transformers"])
def test_a_data_folder_is_no_index_and_no_model(cli, colours, tmp_path, kind):
    told = cli("export", colours / "data", "--to", kind, "--out", tmp_path / "out")
    assert told.code == 1
    assert "need a" in told.err
    assert not (tmp_path / "out").exists()
