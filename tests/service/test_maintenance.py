"""Tasks of a service beside searches and writes, and their times."""

import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.services import serving, wait_until

from windowshop.index.catalogue.view import WriteBacklog
from windowshop.service import maintenance
from windowshop.service.maintenance import Maintenance, Pace

NONE = WriteBacklog(
    num_rows=10_000, num_dead=0, num_unsaved=0, num_unoptimised=0, lacks_vectors=False
)


class Worn:
    """A searcher that notes what is done to it."""

    def __init__(self, clock):
        self.backlog, self.done, self.clock, self.took = NONE, [], clock, 0.0
        self.changed = self.stale = False
        self.index = SimpleNamespace(collection=self)

    def words_are_stale(self, *, by_any_change=False):
        return self.stale or (by_any_change and self.changed)

    def __getattr__(self, name):
        def do(*args):
            self.done.append(name)
            self.clock.now += self.took

        return do

    @contextmanager
    def lease(self):
        yield self


@pytest.fixture
def clock():
    return SimpleNamespace(now=0.0)


@pytest.fixture
def worn(clock):
    return Worn(clock)


@pytest.fixture
def keeper(worn, clock, monkeypatch):
    monkeypatch.setattr(maintenance.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(Pace.__init__, "__defaults__", (maintenance.REST, lambda: clock.now))
    return Maintenance(worn.lease)


def ticked(keeper, worn, seconds=0.0):
    """Tasks that are done after so long."""
    worn.clock.now += seconds
    worn.done.clear()
    keeper.tick()
    for thread in threading.enumerate():
        if thread.name == "maintenance":
            thread.join()
    return worn.done


@pytest.mark.parametrize(
    ("wear", "at_once", "later"),
    [
        ({}, [], []),
        ({"num_unsaved": 999}, [], ["save_snapshot"]),
        ({"num_unsaved": 1_000}, ["save_snapshot"], ["save_snapshot"]),
        ({"num_dead": 2_999}, [], []),
        ({"num_dead": 3_000}, ["rebuild"], ["rebuild"]),
        ({"num_rows": 4_000, "num_dead": 1_999}, [], []),
        ({"num_unoptimised": 4_999}, [], []),
        ({"num_unoptimised": 5_000}, ["optimise"], ["optimise"]),
        ({"lacks_vectors": True}, ["refill"], ["refill"]),
    ],
)
def test_what_is_due(keeper, worn, wear, at_once, later):
    worn.backlog = replace(NONE, **wear)
    assert ticked(keeper, worn) == at_once
    assert ticked(keeper, worn, 61) == later


def test_words_follow_any_change_after_a_minute(keeper, worn):
    worn.changed = True
    assert ticked(keeper, worn, 59) == []
    assert ticked(keeper, worn, 1) == ["renew_words"]
    assert ticked(keeper, worn, 59) == []
    worn.changed, worn.stale = False, True
    assert ticked(keeper, worn) == ["renew_words"]


@pytest.mark.parametrize(
    ("wear", "name", "rest"),
    [
        ({"num_unsaved": 10**6}, "save_snapshot", 10),
        ({"num_dead": 10**6}, "rebuild", 10),
        ({"num_unoptimised": 10**6}, "optimise", 10),
        ({}, "renew_words", 50),
    ],
)
def test_what_takes_long_is_done_seldom(keeper, worn, wear, name, rest):
    worn.backlog, worn.stale, worn.took = replace(NONE, **wear), name == "renew_words", 7.0
    assert ticked(keeper, worn) == [name]
    assert ticked(keeper, worn, 7 * rest - 1) == []
    assert ticked(keeper, worn, 1) == [name]


def test_one_thing_at_a_time_and_nothing_after_the_end(keeper, worn):
    worn.backlog = replace(NONE, num_dead=9_000)
    begun, go_on, wanted = threading.Event(), threading.Event(), []

    def rebuild(is_wanted):
        begun.set()
        assert go_on.wait(120)
        wanted.append(is_wanted())

    worn.rebuild = rebuild
    keeper.tick()
    assert begun.wait(120)
    worn.backlog = replace(NONE, num_unsaved=9_000)
    keeper.tick()
    keeper.end()
    go_on.set()
    assert ticked(keeper, worn) == []
    assert wanted == [False]


def test_what_is_asked_for_is_done_now(keeper, worn):
    worn.backlog = replace(NONE, num_dead=100)
    keeper.optimise()
    assert worn.done == ["optimise", "renew_words", "save_snapshot"]
    worn.done.clear()
    worn.backlog = replace(NONE, num_dead=101)
    keeper.optimise()
    assert worn.done == ["rebuild"]  # which saves


def test_a_service_keeps_itself_up(colours_index, tmp_path, monkeypatch):
    """Writes are saved, brands recognised and dead rows gone without a word, and on request."""
    index = shutil.copytree(colours_index, tmp_path / "index")
    monkeypatch.setattr(maintenance, "SNAPSHOT_ROWS", 1)
    monkeypatch.setattr(maintenance, "WORDS_SECONDS", 0.0)
    monkeypatch.setattr(maintenance, "DEAD_ROWS", 3)

    def put(brand):
        rows = [{"product_id": f"n{i}", "title": "clog", "brand": brand} for i in range(6)]
        assert client.put("/products", json={"products": rows}).status_code == 200

    def recognised(text):
        return client.post("/search", json={"text": text}).json()["recognised"]

    with serving(index) as client:
        pool = client.app.state.service.pool
        put("Zwiebel")
        wait_until(lambda: recognised("zwiebel clog"))
        with pool.lease() as searcher:
            collection = searcher.index.collection
        wait_until(lambda: collection.backlog.num_unsaved == 0)
        put("Quark")
        put("Quark")
        wait_until(lambda: collection.backlog.num_dead == 0)
        assert collection.backlog.num_rows == 18
        put("Kanne")
        assert client.post("/admin/optimise").status_code == 200
        assert collection.backlog == replace(NONE, num_rows=18)
        assert recognised("kanne clog")
        assert not recognised("zwiebel")
        assert client.get("/products/n3").json()["brand"] == "Kanne"
