"""Collections under kills, and against a dictionary given the same orders."""

import multiprocessing
import os
import random
import shutil
import signal
import threading
import time

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from index.test_collection import agrees, put, spec_of
from support.faults import some, tried

from windowshop.index.catalogue import collection as collections
from windowshop.index.catalogue.collection import Collection

pytestmark = pytest.mark.slow

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["windowshop.index.catalogue.collection"])


def keep_up(collection, seed):
    """Work that goes on beside writes, in a thread of its own."""
    rng = random.Random(-seed)
    while True:
        time.sleep(rng.uniform(0, 0.05))
        getattr(collection, rng.choice(["save_snapshot", "save_snapshot", "optimise", "rebuild"]))()


def write_for_ever(folder, kind, seed, acknowledged):
    """A child: writes at random and says what was acknowledged, until it is killed."""
    collections.SNAPSHOT_ROWS = 40
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


@pytest.mark.parametrize(("kind", "num_kills"), [("zvec", some(3, 100)), ("flat", some(2, 100))])
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
        tried("kill", f"collection with engine {kind} under writes")
        collection = Collection(tmp_path)
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

    @rule(how=st.sampled_from(["save_snapshot", "optimise", "compact"]))
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
