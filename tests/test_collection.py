"""Collections: against a dictionary, under kills, and through rebuilds and switches."""

import multiprocessing
import os
import random
import shutil
import signal
import threading
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from windowshop.engines import collection as collections
from windowshop.engines.base import EngineSpec, VectorSpec
from windowshop.engines.collection import Collection
from windowshop.engines.columns import Columns
from windowshop.engines.generations import Generations
from windowshop.errors import DataError, EngineError, FilterError, LedgerError
from windowshop.filters import parse_filter

W = 8
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["windowshop.engines.collection"])


def spec_of(kind, width=W, **settings):
    settings = {"float_numbers": 0} | settings
    if kind == "floats":
        kind, settings["float_numbers"] = "flat", 10**9
    storage = {"exact": "float32", "flat": "4bit", "zvec": "int8"}[kind]
    vectors = {"fused": VectorSpec(width=width, storage=storage)}
    return EngineSpec(kind=kind, vectors=vectors, **{"scan_rows": 5, **settings})


def vector_of(product_id, version):
    """A unit vector that tells product and version."""
    x = np.random.default_rng([ord(char) for char in product_id] + [version]).standard_normal(W)
    return (x / np.linalg.norm(x)).astype(np.float32)


def put(collection, versions):
    """Upsert products at given versions, (id -> version); the price is the version."""
    products = pl.DataFrame(
        {
            "product_id": list(versions),
            "title": [f"Thing {product_id} v{v}" for product_id, v in versions.items()],
            "price": [float(v) for v in versions.values()],
        }
    )
    vectors = [vector_of(*item) for item in versions.items()]
    return collection.upsert(products, {"fused": np.array(vectors)})


def agrees(collection, state):
    """Check every way to look at a collection against id -> version."""
    assert collection.count() == len(state)
    assert sorted(collection.ids()) == sorted(state)
    rows = collection.products(list(state))
    assert not state or rows["price"].to_list() == [float(version) for version in state.values()]
    everything = collection.search(np.ones((1, W)), len(state) + 3)[0]
    assert sorted(hit.product_id for hit in everything) == sorted(state)
    for product_id, version in list(state.items())[:5]:
        vector = vector_of(product_id, version)
        (hit,) = collection.search(vector[None], 1)[0]
        assert (hit.product_id, round(hit.score, 2)) == (product_id, 1.0)
        where = parse_filter(f"price = {version}")
        found = {hit.product_id for hit in collection.search(vector[None], 1_000, where)[0]}
        assert found == {key for key, held in state.items() if held == version}
        assert collection.count(where) == len(found)
    words = {hit.product_id for hit in collection.search_text("things", len(state) + 3)}
    assert words == set(state)


@pytest.fixture
def opened():
    """Opens collections and closes them after the test."""
    held = []

    def open_(*args, **kwargs):
        held.append(Collection(*args, **kwargs))
        return held[-1]

    yield open_
    for collection in held:
        collection.close()


@pytest.mark.parametrize("kind", ["exact", "flat", "floats", "zvec"])
def test_what_was_written_is_found_and_comes_back(tmp_path, opened, kind):
    collection = opened(tmp_path, spec_of(kind))
    put(collection, {"a": 1, "b": 1, "c": 2})
    put(collection, {"b": 3, "d": 1})
    assert collection.delete(["a", "nobody", "a"]) == 1
    assert collection.delete(["a"]) == 0
    state = {"b": 3, "c": 2, "d": 1}
    agrees(collection, state)
    assert "b" in collection
    assert "a" not in collection
    assert collection.products(["a"])["price"].to_list() == [1.0]  # found just before it went
    collection.close()
    collection.close()
    with pytest.raises(EngineError, match="is closed"):
        put(collection, {"e": 1})
    again = opened(tmp_path)
    assert again.spec == collection.spec
    agrees(again, state)


def test_several_questions_to_one_state(tmp_path, opened):
    collection = opened(tmp_path, spec_of("exact"))
    put(collection, {"x": 1, "y": 1, "z": 2})
    written = threading.Event()
    with collection.reading() as view:
        writer = threading.Thread(target=lambda: (put(collection, {"x": 7}), written.set()))
        writer.start()
        assert not written.wait(0.2)  # the write waits
        allowed = view.columns.allowed(parse_filter("price = 1"))
        near = view.engine.search(vector_of("x", 1)[None], 3, allowed).rows[0]
        said = view.engine.search_text("thing x", 3, allowed).rows[0]
        assert view.columns.ids(near[near >= 0]) == view.columns.ids(said[said >= 0]) == ["x", "y"]
        assert allowed.count == 2
    writer.join()
    assert collection.products(["x"])["price"].to_list() == [7.0]


def test_a_row_may_have_other_columns(tmp_path, opened):
    collection = opened(tmp_path, spec_of("exact"))
    put(collection, {"a": 3, "b": 1})
    collection.upsert(pl.DataFrame({"product_id": ["e"], "brand": ["X"]}), {})
    assert [hit.product_id for hit in collection.search_text("x", 9)] == ["e"]
    assert collection.products(["e", "b"]).select("brand", "price").rows() == [
        ("X", None),
        (None, 1.0),
    ]
    assert collection.count(parse_filter('brand = "x" or price = 3')) == 2
    with pytest.raises(FilterError, match="no column 'size'"):
        collection.count(parse_filter("size = 1"))


def with_lists(collection, product_id, **columns):
    """Upsert a product without a vector."""
    collection.upsert(pl.DataFrame({"product_id": [product_id], "title": ["Thing"], **columns}), {})


@pytest.mark.parametrize("kind", ["flat", "zvec"])
def test_columns_of_lists_are_filtered_and_come_back(tmp_path, opened, kind):
    collection = opened(tmp_path, spec_of(kind))
    with_lists(collection, "a", sizes=[["S", "M"]], widths=[[36, 44]])
    with_lists(collection, "b", sizes=["M"], widths=[38])  # single values
    with_lists(collection, "c", sizes=['["L", "XL"]'], widths=[[40.0]])
    with_lists(collection, "d", sizes=[None])
    with_lists(collection, "e", sizes=[[38, 40]], widths=["39"])

    def agree(collection):
        table = collection.products(list("abcde"))
        sizes = [["S", "M"], ["M"], ["L", "XL"], None, ["38", "40"]]
        assert table["sizes"].to_list() == sizes
        assert table["widths"].to_list() == [[36, 44], [38], [40], None, [39]]
        for text, found in (
            ('sizes = "m"', "ab"),
            ('sizes != "m"', "ce"),
            ("sizes is null", "d"),
            ("widths between 38 and 39", "be"),
            ("not widths > 38", "b"),
        ):
            hits = collection.search_text("thing", 9, parse_filter(text))
            assert "".join(sorted(hit.product_id for hit in hits)) == found

    agree(collection)
    for name, value, message in [
        ("widths", [[38.5]], r"'widths' is of type List\(Float64\).* has List\(Int64\)"),
        ("widths", ["wide"], r"'widths' is of type String"),
        ("brand", [["Nike"]], r"'brand' is of type List\(String\), and the engine filters by it"),
    ]:
        with pytest.raises((DataError, EngineError), match=message):
            with_lists(collection, "f", **{name: value})
    collection.flush()
    collection.compact()
    collection.rebuild()
    agree(collection)
    collection.close()
    agree(opened(tmp_path))


def test_lists_in_a_column_of_texts_are_json(tmp_path, opened):
    collection = opened(tmp_path, spec_of("exact"))
    with_lists(collection, "a", sizes=['["S"]'])
    with_lists(collection, "b", sizes=[["S", "M"]])
    assert collection.products(["b"])["sizes"].to_list() == ['["S", "M"]']
    with_lists(collection, "c", stock=[1])
    with pytest.raises(DataError, match="'stock' is of type Float64, the catalogue has Int64"):
        with_lists(collection, "c", stock=[1.5])


def test_what_does_not_fit_is_refused_and_leaves_no_trace(tmp_path, opened):
    collection = opened(tmp_path, spec_of("zvec"))
    put(collection, {"a": 1})
    row = pl.DataFrame({"product_id": ["b"]})
    one = np.ones((1, W))
    for products, vectors, error, message in [
        (row, {"fused": np.ones((1, 3))}, EngineError, "at least 8 wide"),
        (row, {"fused": np.ones((2, W))}, EngineError, "need 1 rows"),
        (row, {"fused": np.full((1, W), 1e9)}, EngineError, "not finite"),
        (row.with_columns(price=pl.lit("dear")), {"fused": one}, DataError, "type String"),
        (pl.concat([row, row]), {}, DataError, "twice"),
        (pl.DataFrame({"title": ["b"]}), {}, DataError, "needs a product_id"),
        (pl.DataFrame({"product_id": ["b", None]}), {}, DataError, "needs a product_id"),
    ]:
        with pytest.raises(error, match=message):
            collection.upsert(products, vectors)
    with pytest.raises(DataError, match="no product 'b'"):
        collection.products(["b"])
    agrees(collection, {"a": 1})
    put(collection, {"b": 1})
    agrees(collection, {"a": 1, "b": 1})


def test_a_product_without_a_vector_is_kept_and_not_found_by_vector(tmp_path, opened):
    collection = opened(tmp_path, spec_of("zvec"))
    collection.upsert(
        pl.DataFrame({"product_id": ["a", "b"], "title": ["Thing one", "Thing two"]}),
        {"fused": np.array([np.zeros(W), vector_of("b", 1)])},
    )
    assert [hit.product_id for hit in collection.search(np.ones((1, W)), 5)[0]] == ["b"]
    assert [hit.product_id for hit in collection.search_text("one", 5)] == ["a"]
    collection.close()
    assert opened(tmp_path).count() == 2


@pytest.mark.parametrize("kind", ["flat", "floats", "zvec"])
def test_few_products_are_optimised_too(tmp_path, opened, kind):
    collection = opened(tmp_path, spec_of(kind))
    for state in ({}, {"a": 1}, {"a": 1, "b": 1}):
        if state:
            put(collection, state)
        collection.optimise()
        agrees(collection, state)


def test_a_folder_without_a_spec_or_with_a_rival_is_refused(tmp_path, opened):
    with pytest.raises(EngineError, match="Open it with a spec"):
        Collection(tmp_path)
    opened(tmp_path, spec_of("exact"))
    with pytest.raises(LedgerError, match="another process"):
        Collection(tmp_path)


def test_a_write_that_fails_in_the_engine_is_not_lost(tmp_path, opened, monkeypatch):
    collection = opened(tmp_path, spec_of("zvec"))
    put(collection, {"a": 1})
    with monkeypatch.context() as patch:
        engine = collection._state.engine

        def full(batch):
            raise EngineError("the disk is full")

        patch.setattr(engine, "upsert", full)
        with pytest.raises(EngineError, match="disk is full"):
            put(collection, {"b": 2})
    with pytest.raises(EngineError, match=r"takes no writes since one failed \(the disk is full"):
        put(collection, {"c": 1})
    agrees(collection, {"a": 1})  # searches go on
    collection.close()
    agrees(opened(tmp_path), {"a": 1, "b": 2})


def test_another_spec_is_built_from_the_ledger_while_searches_go_on(tmp_path, opened):
    collection = opened(tmp_path, spec_of("flat"))
    for version in range(5):
        put(collection, {f"p{i}": version for i in range(10)})
    state = {f"p{i}": 4 for i in range(10)}
    before = sum(path.stat().st_size for path in (tmp_path / "ledger").iterdir())
    collection.compact()
    after = sum(path.stat().st_size for path in (tmp_path / "ledger").iterdir())
    assert after < before / 3
    agrees(collection, state)
    stop, misses = threading.Event(), []

    def look():
        while not stop.is_set():
            hits = collection.search(vector_of("p3", 4)[None], 3)[0]
            if len(hits) < 3 or hits[0].product_id != "p3":
                misses.append(hits)

    looking = threading.Thread(target=look)
    looking.start()
    collection.rebuild(spec_of("zvec"))
    put(collection, {"p1": 9})
    collection.optimise()
    stop.set()
    looking.join()
    assert not misses
    state["p1"] = 9
    agrees(collection, state)
    assert [path.name for path in tmp_path.glob("engine-*")] == ["engine-2"]
    assert len(list(tmp_path.glob("products-*"))) == 1
    collection.close()
    narrow = opened(tmp_path, spec_of("exact", width=4))
    assert narrow.count() == 10
    assert narrow.search(vector_of("p3", 4)[None], 1)[0][0].product_id == "p3"


@pytest.mark.parametrize("lost", ["engine", "graph", "position"])
def test_an_engine_that_is_lost_is_made_again(tmp_path, opened, lost):
    collection = opened(tmp_path, spec_of("zvec"))
    put(collection, {f"p{i}": 1 for i in range(20)})
    collection.delete(["p3"])
    collection.close()
    if lost == "engine":
        shutil.rmtree(tmp_path / "engine-1")
    elif lost == "graph":
        shutil.rmtree(tmp_path / "engine-1" / "fused.graph")
    else:  # the ledger was compacted, and the process killed before the checkpoint was written
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Collection, "_put", lambda self, *args: None)
            collection = Collection(tmp_path)
            collection.compact()
            collection.close()
    agrees(opened(tmp_path), {f"p{i}": 1 for i in range(20) if i != 3})


def test_readers_never_miss_a_product_that_is_updated(tmp_path, opened):
    collection = opened(tmp_path, spec_of("zvec"))
    put(collection, {f"p{i}": 0 for i in range(30)})
    stop, problems = threading.Event(), []

    def look():
        while not stop.is_set():
            hits = [hit.product_id for hit in collection.search(np.ones((1, W)), 40)[0]]
            if len(hits) != 30 or len(set(hits)) != 30:
                problems.append(hits)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for version in range(1, 25):
        put(collection, {f"p{i}": version for i in range(0, 30, 3)})
    stop.set()
    for reader in readers:
        reader.join()
    assert not problems


def keep_up(collection, seed):
    """What goes on beside writes, in a thread of its own."""
    rng = random.Random(-seed)
    while True:
        time.sleep(rng.uniform(0, 0.05))
        getattr(collection, rng.choice(["checkpoint", "checkpoint", "optimise", "rebuild"]))()


def write_for_ever(folder, kind, seed, acknowledged):
    """A child: writes at random and says what was acknowledged, until it is killed."""
    collections.CHECKPOINT_ROWS = 40
    rng = random.Random(seed)
    collection = Collection(folder, spec_of(kind))
    acknowledged.send("open")
    threading.Thread(target=keep_up, args=(collection, seed), daemon=True).start()
    for version in range(seed * 100_000, seed * 100_000 + 100_000):
        ids = rng.sample([f"p{i}" for i in range(60)], rng.randint(1, 8))
        if rng.random() < 0.3:
            collection.delete(ids)
            acknowledged.send(("delete", ids, version))
        else:
            put(collection, dict.fromkeys(ids, version))
            acknowledged.send(("put", ids, version))
        if rng.random() < 0.05:
            collection.optimise()
        if rng.random() < 0.03:
            collection.compact()


@pytest.mark.parametrize(("kind", "num_kills"), [("zvec", 3), ("flat", 2)])
def test_sigkill_at_any_moment_loses_and_doubles_nothing(tmp_path, kind, num_kills):
    rng = random.Random(7)
    state, unsure = {}, {}
    for seed in range(1, num_kills + 1):
        receiver, sender = CONTEXT.Pipe(duplex=False)
        child = CONTEXT.Process(target=write_for_ever, args=(tmp_path, kind, seed, sender))
        child.start()
        sender.close()
        assert receiver.recv() == "open"
        deadline = time.monotonic() + rng.uniform(0.1, 0.8)
        while time.monotonic() < deadline:
            if receiver.poll(0.01):
                apply(state, receiver.recv())
        os.kill(child.pid, signal.SIGKILL)
        while True:
            try:
                apply(state, receiver.recv())
            except EOFError:
                break
        child.join()
        start = time.monotonic()
        collection = Collection(tmp_path)
        assert time.monotonic() - start < 5
        unsure = one_change_apart(collection, state)
        agrees(collection, unsure)
        state = unsure
        collection.close()


def apply(state, message):
    kind, ids, version = message
    for product_id in ids:
        if kind == "put":
            state[product_id] = version
        else:
            state.pop(product_id, None)


def one_change_apart(collection, state):
    """The collection's state, which may have one change that was written but not acknowledged."""
    ids = collection.ids()
    assert len(set(ids)) == len(ids)
    held = dict(zip(ids, map(int, collection.products(ids)["price"]), strict=True))
    differing = {key for key in held.keys() | state.keys() if held.get(key) != state.get(key)}
    assert len(differing) <= 8
    added = {held[key] for key in differing if key in held}
    gone = {key for key in differing if key not in held}
    assert (len(added) == 1 and not gone) or not added  # one upsert, or one delete, or nothing
    assert not added or added.pop() > max(state.values(), default=0)
    return held


IDS = st.sampled_from([f"p{i}" for i in range(12)])


class Fuzz(RuleBasedStateMachine):
    """A collection and a dictionary, given the same orders."""

    kind = "zvec"

    @initialize()
    def begin(self):
        self.folder = self.root / str(time.monotonic_ns())
        self.collection = Collection(self.folder, spec_of(self.kind))
        self.state, self.version = {}, 0

    @rule(ids=st.sets(IDS, min_size=1, max_size=6))
    def upsert(self, ids):
        self.version += 1
        put(self.collection, dict.fromkeys(sorted(ids), self.version))
        self.state |= dict.fromkeys(ids, self.version)

    @rule(ids=st.lists(IDS, max_size=6))
    def delete(self, ids):
        present = set(ids) & self.state.keys()
        assert self.collection.delete(ids) == len(present)
        for product_id in present:
            del self.state[product_id]

    @rule(how=st.sampled_from(["flush", "checkpoint", "optimise", "compact"]))
    def maintain(self, how):
        getattr(self.collection, how)()

    @rule(other=st.booleans())
    def rebuild(self, other):
        kind = {"zvec": "flat", "flat": "zvec"}[self.collection.spec.kind] if other else None
        self.collection.rebuild(kind and spec_of(kind))

    @rule()
    def reopen(self):
        self.collection.close()
        self.collection = Collection(self.folder)

    @precondition(lambda self: self.state)
    @rule()
    def look(self):
        agrees(self.collection, self.state)

    def teardown(self):
        if hasattr(self, "collection"):
            try:
                agrees(self.collection, self.state)
            finally:
                self.collection.close()
                shutil.rmtree(self.folder)


def test_fuzz_against_a_dictionary(tmp_path):
    Fuzz.root = tmp_path
    Fuzz.TestCase.settings = settings(
        max_examples=4,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Fuzz.TestCase().runTest()


def test_columns_large_and_small_tables_are_one(monkeypatch):
    """Rows joined to the large table, new columns and types, all against one polars table."""
    monkeypatch.setattr("windowshop.engines.columns.TAIL_ROWS", 5)
    monkeypatch.setattr("windowshop.engines.columns.TAIL_CHUNKS", 2)
    monkeypatch.setattr("windowshop.engines.columns.KEPT_MASKS", 1)
    monkeypatch.setattr("windowshop.engines.columns.KEPT_BYTES", 0)
    columns = Columns(pl.DataFrame(schema={"product_id": pl.String}), np.zeros(0, dtype=bool))
    rng, latest = np.random.default_rng(0), {}
    for step in range(40):
        ids = [f"p{i}" for i in rng.permutation(15)[: rng.integers(1, 4)]]
        rows = {"product_id": ids, "price": [step if step % 4 else float(step)] * len(ids)}
        if step > 10:
            rows["brand"] = ["Nike"] * len(ids)
        if step < 5:
            rows["price"] = [None] * len(ids)
        replaced = columns.commit(columns.prepare(pl.DataFrame(rows)))
        assert len(replaced) == sum(product_id in latest for product_id in ids)
        latest |= {name: (rows["price"][0], rows.get("brand", [None])[0]) for name in ids}
        if step % 7 == 6:
            gone = ids[0]
            assert len(columns.kill((gone, "nobody"))) == 1
            del latest[gone]
        for text in ("price >= 10", "not price < 20") if step >= 5 else ():
            keys = np.flatnonzero(columns.allowed(parse_filter(text)).mask_N)
            least = 10 if ">=" in text else 20
            wanted = {name for name, (price, _) in latest.items() if price and price >= least}
            assert set(columns.ids(keys)) == wanted
            some = np.arange(0, columns.num_keys, 2)
            for most in (0, 100):  # looked at one by one, or by the bitmap
                monkeypatch.setattr("windowshop.engines.columns.MASK_ROWS", most)
                (passes,) = columns.matching([parse_filter(text)], some)
                assert some[passes].tolist() == keys[keys % 2 == 0].tolist()
    table = columns.rows(columns.keys(sorted(latest)))
    assert table.rows() == [(name, float(p), b) for name, (p, b) in sorted(latest.items())]
    assert len(columns) == len(latest)
    assert columns.table().height == columns.num_keys


def test_generations_switch_and_go_back(tmp_path, opened):
    generations = Generations(tmp_path)
    assert (generations.current, generations.previous, generations.names()) == (None, None, [])
    with pytest.raises(EngineError, match="no complete collection"):
        generations.switch("first")
    with pytest.raises(EngineError, match="no generation to go back to"):
        generations.rollback()
    first = opened(generations.path("first"), spec_of("exact"))
    generations.switch("first")
    second = opened(generations.path("second"), spec_of("exact"))
    generations.switch("second")
    generations.switch("second")
    assert (Generations(tmp_path).current, generations.previous) == ("second", "first")
    assert generations.rollback() == "first"
    assert (generations.current, generations.previous) == ("first", "second")
    with pytest.raises(EngineError, match="is the current"):
        generations.drop("first")
    second.close()
    generations.drop("second")
    assert (generations.names(), generations.previous) == (["first"], None)
    assert first.count() == 0
    with pytest.raises(EngineError, match="is no name"):
        generations.path("../x")
