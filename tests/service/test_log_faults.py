"""Searches, events and grades through full disks, damage and two threads."""

import os
import re
import shutil
import sqlite3
import sys
import threading
from contextlib import closing, contextmanager

import pytest
from support.logs import judging_in, logging_to
from support.services import made_answer, problem, serving, wait_until

from windowshop.errors import DamagedError, StorageError
from windowshop.index import DATABASE_FILE
from windowshop.search.request import SearchRequest
from windowshop.service.http.requests import FeedbackBody, JudgementBody
from windowshop.service.logs.feedback import read_log
from windowshop.service.logs.judgements import judged_tables

SEARCH_ID = "0" * 32


def event(position=1, search_id=SEARCH_ID):
    return FeedbackBody(search_id=search_id, product_id="p1", position=position, event="click")


def grade(product_id, given=3):
    return JudgementBody(query="red shoe", product_id=product_id, grade=given)


@contextmanager
def full(database):
    """A database that may not grow, in every thread."""
    connection_of_thread = database._connection

    def limit(pages):
        def connection():
            found = connection_of_thread()
            found.execute(f"PRAGMA max_page_count = {pages}").fetchone()
            return found

        database._connection = connection

    with database.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    limit(pages)
    try:
        yield
    finally:
        limit(2**30)


def test_two_threads_that_send_one_event_are_told_so_once(tmp_path):
    with logging_to(tmp_path) as log, logging_to(tmp_path) as other:
        log.search(made_answer(), SearchRequest(text="red shoe"))
        log.flush()
        answers = []

        def report(log):
            answers.extend(log.event(event(position)) for position in range(1, 101))

        threads = [threading.Thread(target=report, args=(x,)) for x in (log, log, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(answers), sum(answers)) == (300, 100)
        assert sorted(read_log(tmp_path)[1]["position"]) == list(range(1, 101))


def test_searches_wait_and_events_are_refused_while_the_disk_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr("windowshop.service.logs.feedback.RETRY_SECONDS", 0.05)
    long = "x" * 900
    with logging_to(tmp_path) as log, judging_in(tmp_path) as judges:
        log.search(made_answer(), SearchRequest(text="red shoe"))
        assert log.event(event())
        judges.add(grade("p0"))
        with full(log._database()), full(judges._database()):
            for i in range(1, 9):
                log.search(made_answer(f"{i:032x}", text=long), SearchRequest(text=long))
            with pytest.raises(StorageError, match="full"):
                log.event(event(search_id=f"{1:032x}"))
            with pytest.raises(StorageError, match="full"):
                [judges.add(grade(long[:500] + str(i))) for i in range(99)]
            assert judges.of("red shoe")[0] == {"product_id": "p0", "grade": 3}
            assert len(read_log(tmp_path)[0]) == 1
        wait_until(lambda: len(read_log(tmp_path)[0]) == 9)
        assert log.event(event(search_id=f"{1:032x}"))
        judges.add(grade("p1"))


def test_searches_beyond_the_bound_are_dropped_oldest_first_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("windowshop.service.logs.feedback.GROUP_SECONDS", 60.0)
    monkeypatch.setattr("windowshop.service.logs.feedback.WAITING_BYTES", 3_500)
    dropped = []
    names = [f"{i:032x}" for i in range(5)]
    with logging_to(tmp_path, dropped.append) as log:
        for name in names:
            log.search(made_answer(name), SearchRequest(text="red shoe"))
    assert sum(dropped) == 2
    assert read_log(tmp_path)[0]["search_id"].to_list() == names[2:]


def damage(folder, table, column, value):
    """Change a value without its checksum and totals, as a flipped bit does."""
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as connection:
        connection.create_function("row_checksum", -1, lambda *values: 1, deterministic=True)
        connection.execute("PRAGMA writable_schema = ON")
        for event in ("INSERT", "DELETE", "UPDATE"):
            connection.execute(f"DROP TRIGGER {table}_{event}")
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
        connection.commit()


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("searches", "text", "blue"), ("events", "position", 9), ("grades", "grade", 0)],
)
def test_a_damaged_row_is_a_named_error_and_searches_go_on(
    colours_index, tmp_path, table, column, value
):
    index = shutil.copytree(colours_index, tmp_path / "index")
    click = {"product_id": "p0", "position": 1, "event": "click"}
    judged = {"query": "red shoe", "product_id": "p0", "grade": 3}
    with serving(index) as client:
        name = client.post("/search", json={"text": "red shoe"}).json()["search_id"]
        assert client.post("/feedback", json=click | {"search_id": name}).is_success
        assert client.post("/judgements", json=judged).is_success
    damage(index, table, column, value)
    with pytest.raises(DamagedError, match=f"table {table}.* Restore"):
        read_log(index) if table != "grades" else judged_tables(index)
    with serving(index) as client:
        logs = client.app.state.service._logs
        wait_until(lambda: logs._damage is not None)
        assert client.post("/search", json={"text": "red shoe"}).json()["results"]
        asked = {"search_id": name, "position": 2}
        problem(client.post("/feedback", json=click | asked), 503, "damaged")
        problem(client.get("/judgements?query=red+shoe"), 503, "damaged")
        told = client.post("/judgements", json=judged)
        message = problem(told, 503, "damaged")["message"]
        assert re.match(rf"shop\.db: .*table {table}.* Restore .* start it again", message)
        assert str(index) not in told.text
        row = {"product_id": "new", "title": "a blue shoe"}
        assert client.put("/products", json={"products": [row]}).status_code == 200


def test_a_full_disk_is_507_and_searches_are_answered(colours_index, tmp_path, monkeypatch):
    monkeypatch.setattr("windowshop.service.logs.feedback.WAITING_BYTES", 5_000)
    monkeypatch.setattr("windowshop.service.logs.feedback.RETRY_SECONDS", 0.05)
    index = shutil.copytree(colours_index, tmp_path / "index")
    with serving(index) as client:

        def ask():
            return client.post("/search", json={"text": "red shoe" + " x" * 400})

        def report(name, position):
            row = {"search_id": name, "product_id": "p" * 500, "position": position}
            return client.post("/feedback", json=row | {"event": "click"})

        name = ask().json()["search_id"]
        assert report(name, 1).json() == {"status": "noted"}
        with full(client.app.state.service._logs()):
            answers = [ask() for _ in range(12)]
            assert all(answer.status_code == 200 for answer in answers)
            refused = report(answers[-1].json()["search_id"], 1)
            assert "full" in problem(refused, 507, "disk_full")["message"]
            assert refused.headers["Retry-After"] == "10"
            assert str(index) not in refused.text
            assert client.get("/ready").status_code == 200
            told = client.get("/metrics").text.partition("\nwindowshop_dropped_searches_total ")[2]
            assert float(told.split()[0]) > 0
        assert report(name, 1).json() == {"status": "known"}
        assert report(answers[-1].json()["search_id"], 1).json() == {"status": "noted"}


def test_a_database_that_cannot_be_opened_is_tried_again(tmp_path):
    (tmp_path / DATABASE_FILE).mkdir()
    with logging_to(tmp_path) as log:
        log.search(made_answer(), SearchRequest(text="red shoe"))
        with pytest.raises(StorageError, match="cannot be"):
            log.event(event())
        (tmp_path / DATABASE_FILE).rmdir()
        assert log.event(event())
    assert [len(table) for table in read_log(tmp_path)] == [1, 1]


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_becomes_writable_is_written(tmp_path):
    with logging_to(tmp_path) as log:
        log.search(made_answer(), SearchRequest(text="red shoe"))
        log.flush()
    for path in tmp_path.iterdir():
        path.chmod(0o444)
    with logging_to(tmp_path) as log:
        with pytest.raises(StorageError):
            log.event(event())
        for path in tmp_path.iterdir():
            path.chmod(0o644)
        assert log.event(event())
