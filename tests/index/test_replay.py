"""Changes of a ledger taken together, against the changes one by one."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windowshop.index.catalogue import replay
from windowshop.index.catalogue.ledger import Position
from windowshop.index.catalogue.records import Delete, Upsert
from windowshop.index.catalogue.replay import latest_of, merged

IDS = st.sampled_from("abcd")
PUT = st.tuples(st.just("put"), st.lists(IDS, min_size=1, max_size=3, unique=True), st.booleans())
TAKE = st.tuples(st.just("take"), st.lists(IDS, min_size=1, max_size=3, unique=True), st.just(True))


def upsert(ids, version, wide=True):
    """Products with a vector that tells the version; without `wide` one column less."""
    columns = {"product_id": list(ids), "price": [version] * len(ids)}
    columns |= {"brand": ["x"] * len(ids)} if wide else {}
    vectors = {"fused": np.full((len(ids), 2), version, dtype=np.float16)}
    return Upsert(pl.DataFrame(columns), vectors)


def ledger(orders):
    return [
        (upsert(ids, i, wide) if kind == "put" else Delete(tuple(ids)), Position(1, i + 1))
        for i, (kind, ids, wide) in enumerate(orders)
    ]


def names_of(change):
    return change.products.columns if isinstance(change, Upsert) else []


def applied(changes):
    """Product -> version, in the order of the last upserts."""
    state = {}
    for change in changes:
        if isinstance(change, Delete):
            for name in change.product_ids:
                state.pop(name, None)
            continue
        assert change.vectors["fused"][:, 1].tolist() == change.products["price"].to_list()
        for name, price in change.products.select("product_id", "price").rows():
            state.pop(name, None)
            state[name] = price
    return list(state.items())


@given(st.lists(PUT | TAKE, max_size=25), st.integers(1, 6), st.integers(1, 8))
def test_runs_leave_what_the_changes_leave(orders, num_changes, num_rows):
    changes = ledger(orders)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "GROUP_CHANGES", num_changes)
        patch.setattr(replay, "GROUP_ROWS", num_rows)
        runs = list(merged(changes))
        living = list(merged(changes, latest_of(changes)))
    for found in (runs, living):
        assert sum(run.num_changes for run in found) == len(changes)
        assert all(run.num_changes <= num_changes for run in found)
    done = 0
    for run in runs:  # at each end, not only the last
        done += run.num_changes
        before = [change for run in runs if run.end <= Position(1, done) for change in run.changes]
        assert applied(before) == applied(change for change, _ in changes[:done])
        assert run.end == Position(1, done)
    everything = [change for run in living for change in run.changes]
    assert applied(everything) == applied(change for change, _ in changes)
    added = [name for c in everything if isinstance(c, Upsert) for name in c.products["product_id"]]
    assert sorted(added) == sorted(name for name, _ in applied(everything))  # none was ever dead
    columns = {n for change, _ in changes for n in names_of(change)}
    assert {n for change in everything for n in names_of(change)} == columns


def test_single_changes_become_one():
    changes = ledger([("put", "a", True), ("put", "b", True), ("take", "a", True)] * 30)
    (run,) = merged(changes)
    gone, kept = run.changes
    assert (gone.product_ids, kept.products["product_id"].to_list()) == (("a",), ["b"])
    assert (run.num_changes, run.end) == (90, Position(1, 90))
    assert list(merged([])) == []
