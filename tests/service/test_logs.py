"""Records of a service: feedback, judgements, suggestions."""

import json
import shutil
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.indexes import IMAGES
from support.logs import judging_in, logging_to
from support.services import made_answer, problem, serving, wait_until

from windowshop.search.request import SearchRequest
from windowshop.service.http.errors import ServiceError
from windowshop.service.http.requests import FeedbackBody, JudgementBody
from windowshop.service.logs.feedback import read_log, recent_texts
from windowshop.service.logs.judgements import judged_tables
from windowshop.service.logs.tables import LogDatabase
from windowshop.service.suggestions import Suggester, Suggestion, Suggestions

WORDS = st.lists(st.sampled_from(["red", "Red", "reddish", "shoe", "ÄHRE"]), min_size=1, max_size=3)


def test_paths_are_suggested_by_what_they_end_in():
    suggestions = Suggestions()
    rows = {
        "title": ["Stellar"],
        "all_categories": [["Men > Tops > Jackets", "Sale"]],
        "aisle": ["Wear > Jackets for rain"],
    }
    suggestions.renew(pl.DataFrame(rows), 1)
    texts = [item.text for item in suggestions.suggest("waterproof jack", 9)]
    assert texts == ["waterproof jackets", "waterproof jackets for rain"]


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
    suggestions.searched("RED  shoes")
    suggestions.recall([("red shoes", 1), ("rare red", 1)])
    suggestions.tick()
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


def test_searches_leave_room_for_categories_where_nothing_is_typed():
    suggestions = Suggestions()
    suggestions.recall([(f"shoe {number}", 9) for number in range(20)])
    suggestions.tick()
    suggestions.renew(pl.DataFrame({"title": ["a", "b"], "category": ["Home", "Away"]}), "now")
    kinds = [item.kind for item in suggestions.suggest("", 6)]
    assert kinds == ["query"] * 3 + ["category"] * 2


def test_variants_are_suggested_by_one_title():
    products = pl.DataFrame(
        {
            "product_id": ["1", "2", "3", "4"],
            "group_id": ["g", "g", None, None],
            "title": ["Red shoe, M", "Red shoe, L", "Red boot", "Red hat"],
        }
    )
    suggestions = Suggestions()
    suggestions.renew(products, "now")
    found = [item.text for item in suggestions.suggest("red", 9)]
    assert found == ["Red boot", "Red hat", "Red shoe, M"]


def event(search_id="0" * 32, product_id="p1", position=1, kind="click"):
    return FeedbackBody(search_id=search_id, product_id=product_id, position=position, event=kind)


def grade(query, product, grade, judge=""):
    return JudgementBody(query=query, product_id=product, grade=grade, judge=judge)


def test_an_event_is_there_once_also_after_a_restart(tmp_path):
    with logging_to(tmp_path) as log:
        log.search(made_answer(), SearchRequest(text="red shoe"))
        assert log.event(event())
        assert not log.event(event())
        with pytest.raises(ServiceError, match="no search"):
            log.event(event("1" * 32))
    with logging_to(tmp_path) as log:
        assert not log.event(event())
        assert log.event(event(kind="cart"))
        assert log.event(event(position=2))
        searches, events = read_log(tmp_path)  # beside the service
    assert searches["text"].to_list() == ["red shoe"]
    assert searches.row(0, named=True)["product_ids"] == ["p1", "p2"]
    assert searches["follow_up"].to_list() == [False]
    rows = events.select("product_id", "position", "event").rows()
    assert rows == [("p1", 1, "click"), ("p1", 1, "cart"), ("p1", 2, "click")]


def test_searches_are_written_in_groups_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("windowshop.service.logs.feedback.GROUP_SECONDS", 60.0)
    names = [f"{i:032x}" for i in range(5)]
    with logging_to(tmp_path) as log:
        for name in names[:3]:
            log.search(made_answer(name), SearchRequest(text="red shoe"))
        assert len(read_log(tmp_path)[0]) == 0
        assert log.event(event(names[1]))  # its search waits
        assert read_log(tmp_path)[0]["search_id"].to_list() == names[:3]
        for name in names[3:]:
            log.search(made_answer(name), SearchRequest(text="red shoe"))
    assert read_log(tmp_path)[0]["search_id"].to_list() == names


def test_searches_are_written_soon(tmp_path):
    with logging_to(tmp_path) as log:
        log.search(made_answer(), SearchRequest(text="red shoe"))
        wait_until(lambda: len(read_log(tmp_path)[0]) == 1)
        log.search(made_answer("1" * 32), SearchRequest(text="red shoe"))
        wait_until(lambda: len(read_log(tmp_path)[0]) == 2)


def test_recent_questions_are_counted(tmp_path, monkeypatch):
    asked = [
        ("old", {}, {}, {}),
        ("red shoe", {}, {}, {}),
        ("red shoe", {}, {}, {}),
        ("nothing", {"total": 0}, {}, {}),
        ("red shoe", {}, {"offset": 24}, {}),
        ("red shoe", {}, {}, {"follow_up": True}),
        (None, {}, {}, {}),
    ]
    with logging_to(tmp_path) as log:
        for i, (text, answer, request, more) in enumerate(asked):
            given = made_answer(f"{i:032x}", text=text, **answer)
            log.search(given, SearchRequest(text=text, **request), **more)
    monkeypatch.setattr("windowshop.service.logs.feedback.RECENT_SEARCHES", len(asked) - 1)
    database = LogDatabase(tmp_path)
    assert recent_texts(database(), database.last_before) == [("red shoe", 2)]
    assert recent_texts(database(), 1) == [("old", 1)]
    database.close()


def test_a_clock_set_back_changes_no_order(tmp_path, monkeypatch):
    now = iter(range(1_000, 0, -1))
    monkeypatch.setattr("windowshop.service.logs.feedback.time.time", lambda: float(next(now)))
    with logging_to(tmp_path) as log, judging_in(tmp_path) as judges:
        for i in range(3):
            log.search(made_answer(f"{i:032x}", text=f"text {i}"), SearchRequest())
            log.event(event(f"{i:032x}"))
        for given in (3, 1):
            judges.add(grade("red shoe", "p1", given))
        assert judges.of("red shoe") == [{"product_id": "p1", "grade": 1}]
    searches, events = read_log(tmp_path)
    assert searches["text"].to_list() == ["text 0", "text 1", "text 2"]
    assert events["search_id"].to_list() == searches["search_id"].to_list()
    assert searches["time"].is_sorted(descending=True)


def test_an_index_that_was_never_served_has_no_log(tmp_path):
    assert [len(table) for table in (*read_log(tmp_path), *judged_tables(tmp_path))] == [0] * 4
    assert not list(tmp_path.iterdir())


JUDGED = st.lists(
    st.tuples(
        st.sampled_from(["red shoe", "Red  Shoe", "blue"]),
        st.sampled_from(["p1", "p2"]),
        st.sampled_from(["", "ann"]),
        st.sampled_from([None, 0, 1, 3]),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=25)
@given(JUDGED)
def test_the_last_word_on_a_pair_counts_and_null_is_none(told):
    last = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with judging_in(folder) as judges:
            for query, product, judge, given in told:
                judges.add(grade(query, product, given, judge))
                last[query.lower().split()[0], product, judge] = given
        grades = {}
        for (query, product, _), given in last.items():
            if given is not None:
                grades.setdefault((query, product), []).append(given)
        expected = {pair: int(sum(x) / len(x) + 0.5) for pair, x in grades.items()}
        with judging_in(folder) as judges:
            found = {
                (word, row["product_id"]): row["grade"]
                for word, query in (("red", "RED shoe"), ("blue", "blue"))
                for row in judges.of(query)
            }
            assert found == expected
            own = {row["product_id"]: row["grade"] for row in judges.of("blue", "ann")}
            assert own == {
                product: given
                for (query, product, judge), given in last.items()
                if (query, judge) == ("blue", "ann") and given is not None
            }
        queries, qrels = judged_tables(folder)
    words = {key: text.lower().split()[0] for key, text in queries["query_id", "query"].rows()}
    rows = qrels["query_id", "product_id", "grade"].rows()
    assert {(words[key], product): given for key, product, given in rows} == expected
    assert set(words) == set(qrels["query_id"])
    assert len(qrels) == len(expected)


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


def test_searches_that_are_misspelt_or_find_the_closest_alone_are_not_suggested(
    colours_index, tmp_path, monkeypatch
):
    monkeypatch.setattr("windowshop.service.suggestions.QUERIES_SECONDS", 0.0)
    index = shutil.copytree(colours_index, tmp_path / "index")

    def suggested(client):
        found = client.get("/suggest").json()["suggestions"]
        return [item["text"] for item in found if item["kind"] == "query"]

    with serving(index) as client:

        def ask(text):
            return client.post("/search", json={"text": text}).json()

        for _ in range(3):
            assert ask("redd shoe")["corrected"] == "red shoe"
            assert ask("open qwxzv")["certainty"]["found"] == "closest"
            assert ask("red shoe")["total"]
        wait_until(lambda: suggested(client) == ["red shoe"])
    with serving(index) as client:  # which has the log alone
        wait_until(lambda: "red shoe" in suggested(client))
        assert "redd shoe" not in suggested(client)


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
        hidden = {"request": json.dumps({"text": "blue shoe", "log": False})}
        for _ in range(3):
            secret = asked("blue shoe", log=False)
            client.post("/search/image", files=files, data=hidden)
            again = asked("green shoe", follow_up=True, picks={"brand": {"values": ["Nike"]}})
            asked("red shoe")
        problem(reported(secret), 404, "unknown_search")
        assert reported(again).json() == {"status": "noted"}
        wait_until(lambda: suggested(client, "red") == [("red shoe", 3)])
        assert suggested(client, "blue") == suggested(client, "green") == []
        stages = 'windowshop_search_stage_seconds_count{stage="encode"} '
        told = client.get("/metrics").text.partition(stages)[2].split()[0]
        assert float(told) == 12  # they are counted all the same
    with serving(index) as client:
        wait_until(lambda: suggested(client, "red") == [("red shoe", 3)])
        assert suggested(client, "blue") == suggested(client, "green") == []
    searches, events = read_log(index)
    assert searches["text"].to_list() == ["green shoe", "red shoe"] * 3
    assert searches["follow_up"].to_list() == [True, False] * 3
    assert events["search_id"].to_list() == [again]
