"""What is written down, and what becomes of it: feedback, judgements, suggestions."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services import made_answer

from windowshop.catalog import read_qrels, read_queries
from windowshop.search import SearchRequest
from windowshop.service.errors import ServiceError
from windowshop.service.feedback import FeedbackLog, read_log, recent_searches
from windowshop.service.judgements import Judgements
from windowshop.service.schema import FeedbackBody, JudgementBody
from windowshop.service.suggest import Suggester, Suggestion, Suggestions

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
    searches = {"text": ["RED  shoes", "red shoes", "rare red", None], "total": [3, 1, 0, 5]}
    suggestions.recall(pl.DataFrame(searches | {"offset": [0] * 4}))
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
    monkeypatch.setattr("windowshop.service.feedback.FOLD_LINES", 3)
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
    monkeypatch.setattr("windowshop.service.feedback.KNOWN_SEARCHES", 2)
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
