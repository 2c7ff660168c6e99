"""Compactions: positions that others hold stay good, at whatever moment one is killed."""

import io
import itertools
import json
import os
import pkgutil
import shutil
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windowshop.engines.base import EngineSpec, VectorSpec
from windowshop.errors import ConfigError, LedgerError
from windowshop.index.catalogue.collection import Collection
from windowshop.index.catalogue.ledger import Ledger, Position
from windowshop.index.catalogue.records import Delete, Upsert, ids_of

pytestmark = pytest.mark.slow

W = 8
FLAT = EngineSpec(kind="flat", vectors={"fused": VectorSpec(width=W, storage="4bit")})
STEPS = (
    (Path, "rename"),
    (Path, "replace"),
    (Path, "unlink"),
    (os, "fsync"),
    (io, "FileIO"),
    (shutil, "rmtree"),
)


def upsert(ids, version):
    products = pl.DataFrame({"product_id": sorted(ids), "version": [version] * len(ids)})
    return Upsert(products, {"fused": np.full((len(ids), W), version, np.float16)})


def apply(state, change):
    """The rule itself: the last record of a product counts."""
    if isinstance(change, Delete):
        for product_id in change.product_ids:
            state.pop(product_id, None)
    else:
        versions = change.products["version"].to_list()
        assert change.vectors["fused"].tolist() == [[float(version)] * W for version in versions]
        state |= dict(zip(change.products["product_id"], versions, strict=True))


@contextmanager
def killed_at_every_step(folder, copies):
    """Copies a folder before each call that changes files: what a kill would leave there."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:

            def step(*args, _real=REAL[owner, name], **kwargs):
                with pytest.MonkeyPatch.context() as unpatched:
                    for place, function in REAL.items():
                        unpatched.setattr(*place, function)
                    shutil.copytree(folder, copies / str(len(list(copies.iterdir()))))
                return _real(*args, **kwargs)

            patch.setattr(owner, name, step)
        yield


REAL = {(owner, name): getattr(owner, name) for owner, name in STEPS}
IDS = st.sets(st.sampled_from("abcdef"), min_size=1, max_size=3)
ORDERS = st.one_of(
    st.tuples(st.just("put"), IDS),
    st.tuples(st.just("delete"), IDS),
    st.tuples(st.just("hold"), st.none()),
    st.tuples(st.just("let go"), st.integers(0, 9)),
    st.tuples(st.just("compact"), st.booleans()),
    st.tuples(st.just("reopen"), st.none()),
)


class Retriever:
    """What a ledger must tell: the state, and at each position that is held what was there."""

    def __init__(self):
        self.state, self.held, self.gone = {}, [], set()

    def change(self, change):
        apply(self.state, change)
        for _, _, touched in self.held:
            touched |= set(ids_of(change))

    def hold(self, position):
        self.held.append((position, dict(self.state), set()))

    def let_go(self, number):
        if self.held:
            self.gone.add(self.held.pop(number % len(self.held))[0])

    def marks(self):
        return {position for position, _, _ in self.held}

    def check(self, ledger):
        replayed = {}
        for change, _ in ledger.replay():
            apply(replayed, change)
        assert replayed == self.state
        for position, before, touched in self.held:
            assert ledger.reaches(position)
            state, seen = dict(before), set()
            for change, _ in ledger.replay(position):
                apply(state, change)
                seen |= set(ids_of(change))
            assert state == self.state
            assert seen == touched  # nothing from before comes again


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(orders=st.lists(ORDERS, min_size=4, max_size=30), segment_bytes=st.sampled_from([1, 3_000]))
def test_replay_from_every_mark_equals_the_plain_model(tmp_path_factory, orders, segment_bytes):
    root, model = tmp_path_factory.mktemp("ledger"), Retriever()
    folder, copies = root / "ledger", root / "copies"
    ledger = Ledger(folder, segment_bytes=segment_bytes)
    try:
        for version, (order, value) in enumerate(orders, 1):
            if order in ("put", "delete"):
                ids = sorted(value)
                change = upsert(ids, version) if order == "put" else Delete(tuple(ids))
                ledger.append(change)
                model.change(change)
            elif order == "hold":
                model.hold(ledger.end)
            elif order == "let go":
                model.let_go(value)
            elif order == "reopen":
                ledger.close()
                ledger = Ledger(folder, segment_bytes=segment_bytes)
            else:
                compact(ledger, model, folder, copies if value else None)
            model.check(ledger)
    finally:
        ledger.close()
        shutil.rmtree(root)


def compact(ledger, model, folder, copies):
    """Compact, by `copies` with a look at what a kill at any moment would have left."""
    if copies is None:
        ledger.compact(model.marks())
    else:
        copies.mkdir()
        with killed_at_every_step(folder, copies):
            ledger.compact(model.marks())
        for copy in sorted(copies.iterdir()):
            for _ in range(2):  # as it was left, and compacted then
                with closing(Ledger(copy)) as left:
                    model.check(left)
                    left.compact(model.marks())
                    model.check(left)
        shutil.rmtree(copies)
    held = model.marks()
    assert not any(ledger.reaches(position) for position in model.gone - held)
    names = [name for change, _ in ledger.replay() for name in ids_of(change)]
    assert len(names) == len(set(names))
    assert held or set(names) == model.state.keys()  # a delete counts for holders only


def test_parts_lie_behind_their_marks_by_hand(tmp_path):
    with closing(Ledger(tmp_path)) as ledger:
        ledger.append(upsert("abc", 1))
        ledger.append(Delete(("c",)))
        first = ledger.append(upsert("d", 2))
        second = ledger.append(upsert("be", 3))
        ledger.append(Delete(("d", "e")))
        ledger.compact([second, first, second, Position(9, 9)])
        assert [
            (position.segment, sorted(ids_of(change)), isinstance(change, Delete))
            for change, position in ledger.replay()
        ] == [(2, ["a"], False), (3, ["b"], False), (4, ["d", "e"], True)]
        assert ledger.start == Position(2, 0)
        assert json.loads((tmp_path / "ledger.json").read_text()) == {
            "format": "windowshop-ledger/1",
            "first": 2,
            "moved": {f"1:{first.offset}": 3, f"1:{second.offset}": 4},
        }
        ledger.compact([second])  # the first one is held no more, and with it goes nothing else
        assert not ledger.reaches(first)
        assert [sorted(ids_of(change)) for change, _ in ledger.replay(second)] == [["d", "e"]]
        ledger.compact()
        assert not ledger.reaches(second)
        assert [ids_of(change) for change, _ in ledger.replay()] == [["a"], ["b"]]
        assert [path.name for path in sorted(tmp_path.glob("*.log"))] == ["00000007.log"]


def test_a_damaged_list_of_marks_is_an_error(tmp_path):
    with closing(Ledger(tmp_path)) as ledger:
        ledger.append(upsert("a", 1))
    for moved in ('{"1:x": 2}', '{"1:2": null}', "[1]"):
        content = f'{{"format": "windowshop-ledger/1", "first": 1, "moved": {moved}}}'
        (tmp_path / "ledger.json").write_text(content)
        with pytest.raises(LedgerError, match=r"ledger\.json: cannot be read.*Restore it"):
            Ledger(tmp_path)


@pytest.mark.parametrize(
    ("place", "num_calls"),
    [
        ("index.catalogue.ledger.to_bytes", 2),
        ("index.catalogue.ledger.sync", 0),
        ("files.json.dumps", 0),
        ("files.sync", 0),
        ("files.sync", 1),
    ],
)
def test_a_compaction_that_fails_leaves_a_ledger_that_takes_writes(
    tmp_path, monkeypatch, place, num_calls
):
    """The disk fails while segments are written, while ledger.json is, or just after that."""
    model = Retriever()
    with closing(Ledger(tmp_path / "ledger")) as ledger:
        for version, ids in enumerate(("abc", "bd", "c"), 1):
            ledger.append(upsert(ids, version))
            model.change(upsert(ids, version))
            model.hold(ledger.end)

        real, calls = pkgutil.resolve_name(f"windowshop.{place}"), itertools.count()

        def full(*args, **kwargs):
            if next(calls) == num_calls:
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(f"windowshop.{place}", full)
            with pytest.raises((OSError, ConfigError), match="No space left"):
                ledger.compact(model.marks())
        assert not list((tmp_path / "ledger").glob("*[0-9].partial"))
        model.check(ledger)
        for version in (4, 5):
            ledger.append(upsert("ae", version))
            model.change(upsert("ae", version))
            model.check(ledger)
            ledger.compact(model.marks())
            model.check(ledger)


def test_a_collection_killed_while_it_compacts_is_opened_as_it_was(tmp_path):
    """Nothing is lost, no position that is held, and the engine is not made anew."""
    folder, copies, model = tmp_path / "collection", tmp_path / "copies", Retriever()
    copies.mkdir()

    def put(collection, ids, version):
        change = upsert(ids, version)
        collection.upsert(change.products, change.vectors)
        model.change(change)

    with closing(Collection(folder, FLAT)) as collection:
        put(collection, "abc", 1)
        model.hold(next(iter(collection.changes()))[1])
        put(collection, "bd", 2)
        collection.delete(["c"])
        model.change(Delete(("c",)))
        with killed_at_every_step(folder, copies):
            collection.compact(model.marks())
        check(collection, model)
        collection.compact(model.marks())
        check(collection, model)
    assert len(list(copies.iterdir())) > 10
    for copy in copies.iterdir():
        with closing(Collection(copy)) as collection:
            check(collection, model)
            assert [path.name for path in copy.glob("engine-*")] == ["engine-1"]
    with closing(Collection(folder)) as collection:
        put(collection, "ae", 3)
        check(collection, model)


def check(collection, model):
    rows = collection.products(collection.ids())
    assert dict(zip(rows["product_id"], rows["version"], strict=True)) == model.state
    hits = collection.search(np.ones((1, W)), 9)[0]
    assert {hit.product_id for hit in hits} == model.state.keys()
    for position, before, _ in model.held:
        assert collection.reaches(position)
        state = dict(before)
        for change, _ in collection.changes(position):
            apply(state, change)
        assert state == model.state
