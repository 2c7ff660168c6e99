"""Upkeep of collections beside searches and writes: snapshots, rebuilds, and all at once."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import numpy as np
import pytest
from index.test_collection import W, agrees, opened, put, spec_of, vector_of

from windowshop.data.filter_grammar import parse_filter
from windowshop.engines.flat import FlatEngine
from windowshop.errors import EngineError
from windowshop.index.catalogue import restore
from windowshop.index.catalogue.collection import Collection
from windowshop.index.catalogue.restore import RebuildCancelled
from windowshop.index.catalogue.snapshot import read_snapshot

pytestmark = pytest.mark.slow

__all__ = ["opened"]  # the fixture


@pytest.mark.parametrize("kind", ["exact", "flat", "floats", "zvec"])
def test_a_rebuild_leaves_the_dead_behind(tmp_path, opened, kind):
    collection = opened(tmp_path, spec_of(kind))
    for version in range(4):
        put(collection, {f"p{i}": version for i in range(6)})
    collection.delete(["p0", "p5"])
    wear = collection.backlog
    assert (wear.num_rows, wear.num_dead, wear.num_unsaved) == (24, 20, 26)
    collection.rebuild()
    wear = collection.backlog
    assert (wear.num_rows, wear.num_dead, wear.num_unsaved, wear.num_unoptimised) == (4, 0, 0, 0)
    state = {f"p{i}": 3 for i in range(1, 5)}
    agrees(collection, state)
    collection.close()
    again = opened(tmp_path)
    assert again.backlog.num_rows == 4
    agrees(again, state)


def test_a_snapshot_lets_writes_go_on(tmp_path, opened, monkeypatch):
    collection = opened(tmp_path, spec_of("flat"))
    put(collection, {"a": 1, "b": 1})
    flush, begun, go_on = collection._state.engine.flush, threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go_on.wait(120)
        flush()

    monkeypatch.setattr(collection._state.engine, "flush", slow)
    saving = threading.Thread(target=collection.save_snapshot)
    saving.start()
    assert begun.wait(120)
    put(collection, {"a": 2, "c": 2})  # would hang here
    collection.delete(["b"])
    agrees(collection, {"a": 2, "c": 2})
    go_on.set()
    saving.join()
    saved = read_snapshot(tmp_path)
    assert saved.table["product_id"].to_list() == ["a", "b"]
    assert saved.alive_N.tolist() == [True, True]
    assert (collection.backlog.num_unsaved, saved.seq) == (3, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "_put", lambda self, *args: None)  # ends as if killed
        collection.close()
    again = opened(tmp_path)
    assert again.backlog.num_unsaved == 3  # what is applied is not written again at once
    agrees(again, {"a": 2, "c": 2})


def test_many_small_writes_come_back_in_few_steps(tmp_path, opened, monkeypatch):
    collection = opened(tmp_path, spec_of("flat"))
    for version in range(60):
        put(collection, {f"p{version % 7}": version})
    collection.delete(["p3"])
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "_put", lambda self, *args: None)  # ends as if killed
        collection.close()
    batches, upsert = [], FlatEngine.upsert

    def noted(self, batch):
        batches.append(len(batch.keys_B))
        upsert(self, batch)

    monkeypatch.setattr(FlatEngine, "upsert", noted)
    agrees(opened(tmp_path), {f"p{v % 7}": v for v in range(53, 60) if v % 7 != 3})
    assert batches == [6]


def test_an_older_snapshot_never_replaces_a_later_one(tmp_path, opened, monkeypatch):
    collection = opened(tmp_path, spec_of("flat"))
    put(collection, {"a": 1})
    late = collection._state, collection._state.snapshot(), collection._num_written
    put(collection, {"b": 1})
    collection.save_snapshot()
    collection._put(*late)
    assert len(read_snapshot(tmp_path).table) == 2
    collection.rebuild()
    collection._put(*late)
    assert read_snapshot(tmp_path).engine_folder.name == "engine-2"


@pytest.mark.parametrize("kind", ["flat", "floats", "zvec"])
def test_a_snapshot_during_a_rebuild_leaves_the_new_engine_alone(tmp_path, opened, kind):
    collection = opened(tmp_path, spec_of(kind))
    state = {f"p{i}": 1 for i in range(10)}
    put(collection, state)

    def meanwhile(view):
        assert len(view.columns) == 10
        put(collection, {"p1": 2, "new": 2})
        collection.save_snapshot()
        collection.delete(["p2"])

    collection.rebuild(prepare=meanwhile)
    state = (state | {"p1": 2, "new": 2}).keys() - {"p2"}
    state = {name: 2 if name in ("p1", "new") else 1 for name in state}
    agrees(collection, state)
    assert [path.name for path in tmp_path.glob("engine-*")] == ["engine-2"]
    collection.close()
    agrees(opened(tmp_path), state)


@pytest.mark.parametrize("steps", [0, 2])
def test_a_rebuild_can_be_given_up(tmp_path, opened, monkeypatch, steps):
    monkeypatch.setattr(restore, "apply_next", partial(restore.apply_next, most=1))
    collection = opened(tmp_path, spec_of("flat"))
    for i in range(3):
        put(collection, {f"p{i}": 1})
    answers = iter([True] * steps + [False])
    with pytest.raises(RebuildCancelled):
        collection.rebuild(wanted=lambda: next(answers))
    assert [path.name for path in tmp_path.glob("engine-*")] == ["engine-1"]
    put(collection, {"p3": 1})
    agrees(collection, {f"p{i}": 1 for i in range(4)})

    def fails(view):
        raise EngineError("no room")

    with pytest.raises(EngineError, match="no room"):
        collection.rebuild(prepare=fails)
    assert [path.name for path in tmp_path.glob("engine-*")] == ["engine-1"]
    collection.rebuild()
    agrees(collection, {f"p{i}": 1 for i in range(4)})


def test_what_a_kill_left_of_a_rebuild_is_removed(tmp_path, opened):
    collection = opened(tmp_path, spec_of("flat"))
    put(collection, {"a": 1})
    collection.close()
    (tmp_path / "engine-7").mkdir()
    agrees(opened(tmp_path), {"a": 1})
    assert [path.name for path in tmp_path.glob("engine-*")] == ["engine-1"]


STABLE = {f"s{i}": 0 for i in range(20)}


def look(collection, rng):
    """One state of the catalogue agrees with itself, and has what nobody changes."""
    with collection.read_view() as view:
        columns, engine = view.columns, view.engine
        alive = set(np.flatnonzero(columns.alive_N).tolist())
        near = engine.search(np.ones((1, W)), len(alive) + 5, columns.allowed(None)).rows[0]
        keys = near[near >= 0]
        assert sorted(keys.tolist()) == sorted(alive)
        ids = columns.ids(keys)
        assert len(set(ids)) == len(ids)
        assert set(ids) >= STABLE.keys()
        key = rng.choice(sorted(alive))
        row = columns.rows(np.array([key])).to_dicts()[0]
        expected = vector_of(row["product_id"], int(row["price"]))
        assert engine.vectors(np.array([key]))[0] @ expected > 0.99
        where = columns.allowed(parse_filter(f"price = {int(row['price'])}"))
        assert where.mask_N[key]
        assert engine.search(expected[None], 1, where).rows[0, 0] == key


def keep_up(collection, rng):
    tasks = ["rebuild", "save_snapshot", "optimise", "compact"]
    getattr(collection, rng.choice(tasks))()


def save(collection, rng):
    collection.save_snapshot()
    time.sleep(rng.uniform(0, 0.02))


def write(collection, state, version, rng):
    """One change of both."""
    ids = rng.sample([f"p{i}" for i in range(25)], rng.randint(1, 4))
    if rng.random() < 0.3:
        assert collection.delete(ids) == len(state.keys() & set(ids))
        for name in ids:
            state.pop(name, None)
    else:
        put(collection, dict.fromkeys(ids, version))
        state |= dict.fromkeys(ids, version)


TASKS = [look, look, keep_up, save]
NUM_WRITES = 150


@pytest.mark.parametrize("kind", ["flat", "floats", "zvec"])
def test_searches_writes_and_upkeep_at_once(tmp_path, kind):
    """Against a dictionary, which one writer keeps; then again from the disk."""
    state, stop, rng = dict(STABLE), threading.Event(), random.Random(9)
    with closing(Collection(tmp_path, spec_of(kind))) as collection:
        put(collection, STABLE)

        def repeat(task, seed):
            rng = random.Random(seed)
            try:
                while not stop.is_set():
                    task(collection, rng)
            finally:
                stop.set()

        with ThreadPoolExecutor(4) as pool:
            tasks = [pool.submit(repeat, *item) for item in zip(TASKS, range(4), strict=True)]
            try:
                for version in range(1, NUM_WRITES):
                    if not stop.is_set():
                        write(collection, state, version, rng)
            finally:
                stop.set()
        for task in tasks:
            task.result()
        agrees(collection, state)
    with closing(Collection(tmp_path)) as again:
        agrees(again, state)
