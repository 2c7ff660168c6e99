"""Feedback and judgements as a data folder to train on."""

import shutil

import polars as pl
import pytest
from support.services import serving

from windowshop.data.check import check_dataset
from windowshop.data.clicks.judgements import JudgementConfig
from windowshop.data.dataset import DESIRABILITY, RELEVANCE, read_dataset
from windowshop.errors import DataError
from windowshop.progress import SilentReporter
from windowshop.service.logs.feedback import EVENT_SCHEMA, SEARCH_SCHEMA
from windowshop.service.logs.training_data import judge_index, log_events
from windowshop.training.judged_pairs import make_pairs


def searches(*rows):
    """Rows of (id, text, product ids), and what differs from a plain search by text."""
    plain = {"photo": False, "by_relevance": True, "offset": 0, "total": 9, "generation": "g1"}
    found = [
        plain
        | {"search_id": row[0], "text": row[1], "product_ids": row[2], "time": 5.0}
        | dict(*row[3:])
        for row in rows
    ]
    return pl.DataFrame(found, schema=SEARCH_SCHEMA)


def events(*rows):
    names = ("search_id", "product_id", "position", "event")
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], schema=EVENT_SCHEMA)


def test_searches_by_text_and_relevance_alone_are_read():
    log = log_events(
        searches(
            ("s1", "red shoe", ["a", "b"]),
            ("s2", "Red  SHOE", ["c"], {"offset": 4}),
            ("s4", "sorted", ["a", "b"], {"by_relevance": False}),
            ("s5", "seen", ["a"], {"photo": True}),
            ("s6", "like", ["a"], {"similar_to": "z"}),
            ("s7", None, ["a"]),
            ("s8", " ", ["a"]),
        ),
        events(("s1", "b", 2, "purchase"), *((f"s{i}", "a", 1, "click") for i in (4, 5, 6, 7, 8))),
    )
    found = log.select("search_id", "query", "product_id", "position", "action").rows()
    assert found == [
        ("s1", "red shoe", "a", 1, "impression"),
        ("s1", "red shoe", "b", 2, "impression"),
        ("s2", "Red  SHOE", "c", 5, "impression"),
        ("s1", "red shoe", "b", 2, "purchase"),
    ]


@pytest.fixture
def served(colours_index, tmp_path):
    """An index that was searched, clicked, judged and written to."""
    index = shutil.copytree(colours_index, tmp_path / "index")
    with serving(index) as client:
        body = {"limit": 5, "where": 'title != "blue shoe number 4"'}
        for text in ("red shoe", "blue shoe"):
            told = client.post("/search", json=body | {"text": text}).json()
            event = {"search_id": told["search_id"], "position": 3, "event": "purchase"}
            bought = told["results"][2]["product_id"]
            assert client.post("/feedback", json=event | {"product_id": bought}).is_success
        row = {"query": "RED shoe", "product_id": "p0", "grade": 3}
        client.post("/judgements", json=row)
        client.post("/judgements", json=row | {"query": "green shoe", "grade": 1})
        client.post("/judgements", json=row | {"product_id": "p4"})
        for grade in (2, None):  # given, and taken away
            client.post("/judgements", json=row | {"product_id": "p6", "grade": grade})
            client.post("/judgements", json=row | {"query": "grey shoe", "grade": grade})
        client.put("/products", json={"products": [{"product_id": "new", "title": "t"}]})
        client.request("DELETE", "/products", json={"product_ids": ["p4"]})
    return index


def test_the_folder_can_be_trained_on(served, tmp_path):
    counts = judge_index(served, tmp_path / "data", JudgementConfig()).counts
    dataset = read_dataset(tmp_path / "data")
    assert dataset.notes == ()
    assert (counts["searches"], counts["queries"], counts["qrels"]) == (2, 3, 8)
    assert len(dataset.products) == 12
    assert "new" in set(dataset.products["product_id"])
    assert "p4" not in set(dataset.products["product_id"])
    assert {"colour", "size"}.isdisjoint(dataset.products.columns)  # filled by an index
    assert "stock" in dataset.products.columns
    assert set(dataset.queries["query"]) == {"red shoe", "blue shoe", "green shoe"}
    grades = set(dataset.qrels.select("kind", "grade").iter_rows())
    assert grades == {(DESIRABILITY, 3), (RELEVANCE, 3), (RELEVANCE, 1)}
    assert len(dataset.refused) == 4  # two above each purchase
    report = check_dataset(tmp_path / "data", reporter=SilentReporter())
    errors = [found.code for found in report.findings if found.severity == "error"]
    assert errors == ["unfindable-product"]  # p5 of the shop
    train = [split for split in ("train", "dev", "test") if len(dataset.split(split))]
    assert len(make_pairs(dataset, train[0])) >= 1
    images = dataset.products["image"].drop_nulls().to_list()
    assert images
    for name in images:
        assert (tmp_path / "data" / name).is_file()


def test_the_command_says_what_it_wrote_or_why_not(served, tmp_path, cli):
    out = tmp_path / "data"
    told = cli("judgements", served, "--out", out)
    assert told.code == 0
    assert "3 queries, 8 qrels" in told.out
    told = cli("judgements", served, "--out", out)
    assert told.code == 1
    assert "is not empty" in told.err
    with pytest.raises(DataError, match="is not empty"):
        judge_index(served, out, JudgementConfig())
