"""What is written down, and what becomes of it: feedback, judgements, suggestions."""

import json
import shutil
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.indexes import IMAGES
from support.services import made_answer, problem, serving, wait_until

from windowshop.data.dataset import read_qrels, read_queries
from windowshop.search.request import SearchRequest
from windowshop.service.http.errors import ServiceError
from windowshop.service.http.requests import FeedbackBody, JudgementBody
from windowshop.service.logs.feedback import FeedbackLog, read_log, recent_searches
from windowshop.service.logs.judgements import Judgements
from windowshop.service.suggestions import Suggester, Suggestion, Suggestions

WORDS = st.lists(st.sampled_from(["red", "Red", "reddish", "shoe", "ÄHRE"]), min_size=1, max_size=3)


@given(
    st.lists(WORDS.map(" ".join), max_size=8), st.sampled_from(["r", "RED", "shoe r", "äh", "x"])
)
def test_suggestions_are_those_with_a_word_that_begins_so(texts, typed):
    unique = list({text.casefold(): text for text in reversed(texts)}.values())[::-1]
    suggester = Suggester(Suggestion(text, "title", 1) for text in texts)
    prefix = typed.casefold()
    expected = [
        text
        for text in unique
        if any(
            text.casefold()[i:].startswith(prefix)
            for i in range(len(text))
            if i == 0 or text[i - 1] == " "
        )
    ]
    found = [item.text.casefold() for item in suggester.suggest(typed, 99)]
    assert found == [text.casefold() for text in sorted(expected, key=texts.index)]
    assert [x.text for x in suggester.suggest(typed, 1)] == [
        x.text for x in suggester.suggest(typed, 99)[:1]
    ]


def test_searches_come_before_brands_categories_values_and_titles():
    products = pl.DataFrame(
        {
            "product_id": ["1", "2", "3"],
            "title": ["red shoe", "redwood table", "x" * 81],
            "brand": ["Reddy", "Reddy", None],
            "category": ["Home > Red things", "Home", None],
            "colour": [["red", "blue"], ["red"], []],
            "description": ["red", "red", "red"],
            "price": [1.0, 2.0, 3.0],
        }
    )
    suggestions = Suggestions()
    searches = {
        "text": ["RED  shoes", "red shoes", "rare red", None, "red shoes", "red shoes"],
        "total": [3, 1, 0, 5, 9, 9],
        "offset": [0, 0, 0, 0, 24, 0],
        "follow_up": [False, None, False, False, False, True],
    }
    suggestions.recall(pl.DataFrame(searches))
    suggestions.renew(products, "now")
    assert [(item.text, item.kind, item.count) for item in suggestions.suggest("red", 99)] == [
        ("red shoes", "query", 2),
        ("Reddy", "brand", 2),
        ("Red things", "category", 1),
        ("red", "value", 2),
        ("red shoe", "title", 1),
        ("redwood table", "title", 1),
    ]
    assert not suggestions.is_due("now")
    assert len(suggestions.suggest("red", 2)) == 2


def event(search_id="0" * 32, product_id="p1", position=1, kind="click"):
    return FeedbackBody(search_id=search_id, product_id=product_id, position=position, event=kind)


def test_the_feedback_log_is_there_after_a_kill(tmp_path):
    log = FeedbackLog(tmp_path)
    log.search(made_answer(), SearchRequest(text="red shoe"))
    assert log.event(event())
    assert not log.event(event())
    with pytest.raises(ServiceError, match="no search"):
        log.event(event("1" * 32))
    (path,) = tmp_path.iterdir()
    with path.open("ab") as file:
        file.write(b'{"search_id": "half a li')  # the process died here
    before = read_log(tmp_path)
    again = FeedbackLog(tmp_path)
    assert not again.event(event())
    assert again.event(event(kind="cart"))
    again.fold()
    assert again.event(event(kind="purchase"))
    searches, events = read_log(tmp_path)
    assert searches.equals(before[0])
    assert searches.row(0, named=True)["product_ids"] == ["p1", "p2"]
    assert events["event"].to_list() == ["click", "cart", "purchase"]
    again.close()
    assert all(path.suffix == ".parquet" for path in tmp_path.iterdir())
    for old, new in zip(read_log(tmp_path), (searches, events), strict=True):
        assert old.equals(new)
    assert recent_searches(tmp_path)["text"].to_list() == ["red shoe"]


def test_a_log_from_before_a_column_was_added_is_read(tmp_path):
    log = FeedbackLog(tmp_path)
    log.search(made_answer(), SearchRequest(text="red shoe"), follow_up=True)
    log.event(event())
    log.close()
    (path,) = tmp_path.glob("searches-*.parquet")
    pl.read_parquet(path).drop("follow_up").write_parquet(path)
    again = FeedbackLog(tmp_path)
    assert not again.event(event())
    assert recent_searches(tmp_path).rows() == [("red shoe", 2, 0, None)]
    again.search(made_answer("1" * 32), SearchRequest(text="red shoe"), follow_up=True)
    assert read_log(tmp_path)[0]["follow_up"].to_list() == [None, True]
    again.close()


def test_a_fold_that_was_cut_off_is_done_again(tmp_path, monkeypatch):
    log = FeedbackLog(tmp_path)
    log.search(made_answer(), SearchRequest(text="red shoe"))
    log.event(event())
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    log.close()
    path.write_bytes(content)  # as if killed before it was removed
    assert [len(table) for table in read_log(tmp_path)] == [1, 1]
    FeedbackLog(tmp_path).close()
    assert [len(table) for table in read_log(tmp_path)] == [1, 1]


def test_a_log_is_folded_when_it_is_long(tmp_path, monkeypatch):
    monkeypatch.setattr("windowshop.service.logs.feedback.FOLD_LINES", 3)
    log = FeedbackLog(tmp_path)
    for i in range(3):
        log.tick()
        assert not list(tmp_path.glob("*.parquet"))
        log.search(made_answer(f"{i:032x}"), SearchRequest(text="red shoe"))
    log.tick()
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["searches-00000001.parquet"]
    assert log.event(event(f"{2:032x}"))
    log.close()


def test_only_so_many_searches_are_known(tmp_path, monkeypatch):
    monkeypatch.setattr("windowshop.service.logs.feedback.KNOWN_SEARCHES", 2)
    log = FeedbackLog(tmp_path)
    for i in range(3):
        log.search(made_answer(f"{i:032x}"), SearchRequest(text="red shoe"))
    with pytest.raises(ServiceError):
        log.event(event(f"{0:032x}"))
    assert log.event(event(f"{1:032x}"))
    log.close()


def test_judgements_are_read_as_qrels(tmp_path):
    kept = Judgements(tmp_path)
    for query, product, grade, judge in (
        ("red shoe", "p1", 3, "ann"),
        ("Red  Shoe", "p1", 0, "bob"),
        ("red shoe", "p1", 2, "ann"),
        ("blue", "p1", 0, ""),
    ):
        kept.add(JudgementBody(query=query, product_id=product, grade=grade, judge=judge))
    kept.close()
    with (tmp_path / "judgements.jsonl").open("ab") as file:
        file.write(b'{"query": "hal')
    again = Judgements(tmp_path)
    again.add(JudgementBody(query="blue", product_id="p2", grade=1))
    again.close()
    queries, qrels = read_queries(tmp_path), read_qrels(tmp_path)
    texts = dict(queries.select("query_id", "query").iter_rows())
    found = {
        (texts[query], product, grade, kind)
        for query, product, grade, kind in qrels.select(
            "query_id", "product_id", "grade", "kind"
        ).iter_rows()
    }
    assert found == {
        ("red shoe", "p1", 1, "relevance"),
        ("blue", "p1", 0, "relevance"),
        ("blue", "p2", 1, "relevance"),
    }
    assert len((tmp_path / "judgements.jsonl").read_text().splitlines()) == 5


JUDGED = st.lists(
    st.tuples(
        st.sampled_from(["red shoe", "Red  Shoe", "blue"]),
        st.sampled_from(["p1", "p2"]),
        st.sampled_from(["", "ann"]),
        st.sampled_from([None, 0, 1, 3]),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=50)
@given(JUDGED)
def test_the_last_word_on_a_pair_counts_and_null_is_none(told):
    last = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = Judgements(folder)
        for query, product, judge, grade in told:
            kept.add(JudgementBody(query=query, product_id=product, judge=judge, grade=grade))
            last[query.lower().split()[0], product, judge] = grade
        grades = {}
        for (query, product, _), grade in last.items():
            if grade is not None:
                grades.setdefault((query, product), []).append(grade)
        expected = {pair: int(sum(x) / len(x) + 0.5) for pair, x in grades.items()}
        kept.close()
        again = Judgements(folder)  # the same from the log
        for judges in (kept, again):
            found = {
                (word, row["product_id"]): row["grade"]
                for word, query in (("red", "RED shoe"), ("blue", "blue"))
                for row in judges.of(query)
            }
            assert found == expected
            own = {row["product_id"]: row["grade"] for row in judges.of("blue", "ann")}
            assert own == {
                product: grade
                for (query, product, judge), grade in last.items()
                if (query, judge) == ("blue", "ann") and grade is not None
            }
        again.close()
        if not expected:
            assert [path.name for path in folder.iterdir()] == ["judgements.jsonl"]
            return
        queries, qrels = read_queries(folder), read_qrels(folder)
        words = {key: text.lower().split()[0] for key, text in queries["query_id", "query"].rows()}
        rows = qrels["query_id", "product_id", "grade"].rows()
        assert {(words[key], product): grade for key, product, grade in rows} == expected
        assert set(words) == set(qrels["query_id"])
        assert len((folder / "judgements.jsonl").read_bytes().splitlines()) == len(told)


def test_a_judgement_can_be_taken_away(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    with serving(index) as client:
        row = {"query": "green boots", "product_id": "p0", "grade": 3}

        def told(**params):
            return client.get("/judgements", params={"query": "green boots"} | params).json()

        client.post("/judgements", json=row)
        client.post("/judgements", json=row | {"judge": "ann", "grade": 0})
        assert told() == {"judgements": [{"product_id": "p0", "grade": 2}]}
        assert told(judge="") == {"judgements": [{"product_id": "p0", "grade": 3}]}
        assert client.post("/judgements", json=row | {"grade": None}).json() == {"status": "noted"}
        assert told() == told(judge="ann") == {"judgements": [{"product_id": "p0", "grade": 0}]}
        assert told(judge="") == {"judgements": []}
        client.post("/judgements", json=row | {"judge": "ann", "grade": None})
        assert told() == {"judgements": []}
        del row["grade"]  # it has to be said
        assert problem(client.post("/judgements", json=row), 422, "bad_request")["where"] == "grade"


def test_a_search_leaves_a_trace_only_where_it_may(colours_index, tmp_path, monkeypatch):
    monkeypatch.setattr("windowshop.service.suggestions.QUERIES_SECONDS", 0.0)
    index = shutil.copytree(colours_index, tmp_path / "index")

    def suggested(client, typed):
        found = client.get(f"/suggest?q={typed}").json()["suggestions"]
        return [(item["text"], item["count"]) for item in found if item["kind"] == "query"]

    with serving(index) as client:

        def asked(text, **more):
            return client.post("/search", json={"text": text, **more}).json()["search_id"]

        def reported(search_id):
            event = {"product_id": "p0", "position": 1, "event": "click"}
            return client.post("/feedback", json=event | {"search_id": search_id})

        files = {"photo": ("0.png", IMAGES["0.png"], "image/png")}
        hidden = {"request": json.dumps({"text": "hidden shoe", "log": False})}
        for _ in range(3):
            secret = asked("hidden shoe", log=False)
            client.post("/search/image", files=files, data=hidden)
            again = asked("narrowed shoe", follow_up=True, picks={"brand": {"values": ["Nike"]}})
            asked("open shoe")
        problem(reported(secret), 404, "unknown_search")
        assert reported(again).json() == {"status": "noted"}
        wait_until(lambda: suggested(client, "open") == [("open shoe", 3)])
        assert suggested(client, "hidden") == suggested(client, "narrowed") == []
        stages = 'windowshop_search_stage_seconds_count{stage="encode"} '
        told = client.get("/metrics").text.partition(stages)[2].split()[0]
        assert float(told) == 12  # they are counted all the same
    with serving(index) as client:
        assert suggested(client, "open") == [("open shoe", 3)]
        assert suggested(client, "hidden") == suggested(client, "narrowed") == []
    searches, events = read_log(index / "feedback")
    assert searches["text"].to_list() == ["narrowed shoe", "open shoe"] * 3
    assert searches["follow_up"].to_list() == [True, False] * 3
    assert events["search_id"].to_list() == [again]
