"""Columns and engine of a collection, restored from a snapshot or made from the ledger alone."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from windowshop.engines import EngineSpec
from windowshop.errors import EngineError
from windowshop.index.catalogue.ledger import Ledger, Position
from windowshop.index.catalogue.records import Change
from windowshop.index.catalogue.replay import latest_of, merged
from windowshop.index.catalogue.snapshot import Snapshot
from windowshop.index.catalogue.state import State, empty_state, saved_state


class RebuildCancelled(EngineError):
    """A rebuild was cancelled; nothing has changed."""


def restored_state(saved: Snapshot, ledger: Ledger) -> tuple[State, int] | None:
    """Restore a snapshot and apply the rest of the ledger, with the number of changes applied.

    Returns None where the snapshot or the engine's files cannot be used.
    """
    if not ledger.reaches(saved.position):
        return None
    try:
        state = saved_state(saved)
    except EngineError:
        return None
    try:
        num_changes = catch_up(state, ledger)
        whole = state.engine.holds(state.columns.alive_N)
    except EngineError:
        whole = False
    if whole:
        return state, num_changes
    state.engine.close()
    return None


def made_state(
    folder: Path, ledger: Ledger, spec: EngineSpec, wanted: Callable[[], bool] = lambda: True
) -> State:
    """Make columns and a new engine of all living products.

    Raises RebuildCancelled once `wanted` returns False.
    """
    used = [int(path.name.split("-")[1]) for path in folder.glob("engine-*")]
    latest = latest_of(_while(wanted, ledger.replay()))
    state = empty_state(folder / f"engine-{max(used, default=0) + 1}", spec, ledger.start)
    try:
        state.replay(merged(_while(wanted, ledger.replay()), latest))
    except BaseException:
        state.discard()
        raise
    return state


def catch_up(state: State, ledger: Ledger, wanted: Callable[[], bool] = lambda: True) -> int:
    """Apply the changes that a state lacks, while no thread reads it; returns their number."""
    return state.replay(merged(_while(wanted, ledger.replay(state.position))))


def _while(
    wanted: Callable[[], bool], changes: Iterable[tuple[Change, Position]]
) -> Iterator[tuple[Change, Position]]:
    for item in changes:
        if not wanted():
            raise RebuildCancelled("The rebuild was cancelled.")
        yield item
