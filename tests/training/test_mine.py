from dataclasses import replace

import polars as pl
import pytest
from support.shops import write_shop

from windowshop.data.dataset import read_dataset
from windowshop.model.retriever import load
from windowshop.progress import SilentReporter
from windowshop.training.judged_pairs import make_pairs
from windowshop.training.negatives.mine import mine_negatives
from windowshop.training.negatives.mining import MiningConfig
from windowshop.training.negatives.table import read_negatives


@pytest.fixture(scope="module")
def small(tmp_path_factory, train_cli, quick_config):
    """A shop of 24 products as `data`, and a model of it."""
    folder = tmp_path_factory.mktemp("mine")
    kinds = ("red boot", "blue boot", "red hat", "blue hat")
    products = [{"product_id": f"p{i}", "title": f"{kinds[i % 4]} {i}"} for i in range(24)]
    queries = [{"query_id": f"q{i}", "query": kinds[i], "split": "train"} for i in range(4)]
    qrels = [
        {"query_id": f"q{i % 4}", "product_id": f"p{i}", "grade": 2 if i < 4 else 0}
        for i in range(8)
    ]
    tables = {"products": products, "queries": queries, "qrels": qrels}
    write_shop(folder / "data", tables, {"p1.png": None, "p2.png": None})
    told = train_cli(
        folder / "model", data=folder / "data", cache=folder / "cache", config=quick_config
    )
    assert told.code == 0, told.err
    return folder


@pytest.fixture
def mine_cli(cli, small, tmp_path):
    def run(*args, out=tmp_path / "new" / "negatives.parquet"):
        places = [small / "model", small / "data", "--out", out, "--cache", small / "cache"]
        return cli("mine-negatives", *places, *args)

    return run


def test_label_sets_count_as_they_did_in_training(small, tmp_path):
    """q3's only judgement is of the log, which this model was not to learn from."""
    dataset, model = read_dataset(small / "data"), load(small / "model")
    kind = pl.when(query_id="q3").then(pl.lit("desirability")).otherwise("kind")
    kinds = replace(dataset, qrels=dataset.qrels.with_columns(kind=kind))
    for weight, asked in ((1.0, 4), (0.0, 3)):
        loss = replace(model.config.loss, desirability=weight)
        taught = replace(model, config=replace(model.config, loss=loss))
        place = tmp_path / f"{weight}.parquet", small / "cache", SilentReporter()
        mine_negatives(taught, kinds, MiningConfig(), *place)
        found = pl.read_parquet(place[0])["query_id"].unique().sort().to_list()
        assert found == ["q0", "q1", "q2", "q3"][:asked]


def test_the_command_writes_what_training_reads(mine_cli, small, tmp_path):
    told = mine_cli("--per-query", 3, "--margin", 1)
    assert told.code == 0, told.err
    path = tmp_path / "new" / "negatives.parquet"
    table = pl.read_parquet(path)
    counts = dict(table["source"].value_counts().rows())
    assert counts["refused"] == 4
    assert {"bm25", "refused"} <= set(counts) <= {"bm25", "text", "fused", "refused"}  # no images
    assert table.group_by("query_id", "source").len()["len"].max() <= 3
    dataset = read_dataset(small / "data")
    assert table.join(dataset.qrels, on=["query_id", "product_id"]).is_empty()
    for source, count in counts.items():
        line = next(line for line in told.out.splitlines() if source in line)
        assert f" {count} " in line
    assert "4 queries, 0 without a negative" in told.out
    negatives = read_negatives(path, dataset, make_pairs(dataset, "train"))
    assert negatives.num_stale == 0
    assert len(negatives.product) == table.select("query_id", "product_id").n_unique()
    before = path.read_bytes()
    assert mine_cli("--per-query", 3, "--margin", 1).code == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--sources", "words"], "source 'words' is unknown"),
        (["--margin", "2"], "margin=2.0 must be"),
        (["--split", "dev"], "split 'dev' has no judged query"),
    ],
)
def test_mistakes_are_one_message(mine_cli, args, message):
    told = mine_cli(*args)
    assert told.code == 1
    assert message in told.err
    assert "Traceback" not in told.err


def test_a_table_that_cannot_be_written_is_one_message(mine_cli, tmp_path):
    (tmp_path / "file").write_text("")
    for out, reason in ((tmp_path, "is a folder"), (tmp_path / "file" / "x.parquet", "cannot be")):
        told = mine_cli("--sources", "bm25", out=out)
        assert told.code == 1
        assert reason in told.err
        assert "Traceback" not in told.err
