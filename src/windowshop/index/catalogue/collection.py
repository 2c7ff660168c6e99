"""An online catalogue: ledger, columns and engine as one, surviving a kill at any moment.

    FOLDER/ledger/              what was upserted and deleted; all else can be made again from it
    FOLDER/snapshot.json        how far the rest had come, and what it consists of
    FOLDER/products-N.parquet   every row ever added, in the order of keys, with `_alive`
    FOLDER/engine-N/            the engine's own files

A write is acknowledged once the ledger has it. On opening, what the ledger has beyond the
snapshot is applied again; as keys are given out in the ledger's order and the engine forgets
keys beyond the snapshot, nothing is lost and nothing is there twice.

Shapes: B queries or products of a batch, W full width of a vector, K results.
"""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.data import Filter
from windowshop.engines import Engine, EngineSpec, Neighbours, ReadWriteLock
from windowshop.errors import EngineError
from windowshop.index.catalogue.columns import Columns, Prepared
from windowshop.index.catalogue.ledger import LEDGER_FOLDER, Ledger, Position
from windowshop.index.catalogue.records import Change, Delete, Upsert
from windowshop.index.catalogue.replay import latest_of, merged
from windowshop.index.catalogue.snapshot import Snapshot, read_snapshot, write_snapshot
from windowshop.index.catalogue.state import State, check_filters, empty_state, rounded, saved_state

SNAPSHOT_ROWS = 10_000
"""Rows written between snapshots: what opening after a kill applies again at most."""
FEW_CHANGES = 100
"""A rebuild that is so far behind lets writes wait for the rest."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved product."""

    product_id: str
    score: float
    """Cosine; higher is better."""


@dataclass(frozen=True, slots=True)
class View:
    """Columns and an engine that agree about every key, for as long as `Collection.read_view`."""

    columns: Columns
    engine: Engine


@dataclass(frozen=True, slots=True)
class WriteBacklog:
    """What writes have left behind, for whoever decides about upkeep."""

    num_rows: int
    """Rows of columns and engine, dead ones too."""
    num_dead: int
    """Those of products that were replaced or deleted since the last rebuild."""
    num_unsaved: int
    """Rows written since the last snapshot: what opening after a kill applies again."""
    num_unoptimised: int
    """Rows written since the last `optimise` or `rebuild`, or the opening."""


class RebuildCancelled(EngineError):
    """A rebuild that was no longer wanted; all is as it was."""


class Collection:
    """Products that are searched and changed at the same time, by one process of many threads."""

    def __init__(
        self, folder: Path, spec: EngineSpec | None = None, *, durable: bool = False
    ) -> None:
        """Open a folder, or begin one; a spec other than the folder's makes a new engine.

        Args:
            folder: Where everything lies.
            spec: The engine; None takes the folder's.
            durable: Whether an acknowledged write survives a power loss, at one fsync each.

        Raises:
            EngineError: Without a spec, where the folder has none.
            LedgerError: The ledger is damaged, or another process has it open.
        """
        self._folder = folder
        self._lock = ReadWriteLock()
        # Taken in this order, then the lock.
        self._maintenance, self._writer = threading.Lock(), threading.Lock()
        self._saving = threading.Lock()
        self._refusal: EngineError | None = None
        self._num_written = self._num_saved = self._num_optimised = 0
        self._ledger = Ledger(folder / LEDGER_FOLDER, durable=durable)
        try:
            self._state = self._opened(spec)
            self._tidy()
        except BaseException:
            self._ledger.close()
            raise

    @property
    def spec(self) -> EngineSpec:
        """The engine's settings."""
        return self._state.spec

    def upsert(self, products: pl.DataFrame, vectors: Mapping[str, np.ndarray]) -> Position:
        """Add products, or replace them whole; acknowledged on return and found from then on.

        Vectors are (B, W) by name, float; a row of zeros, or a missing name, is no vector. Raises
        DataError or EngineError, and changes nothing, where rows or vectors do not fit.
        """
        with self._writer:
            self._check()
            prepared = self._state.columns.prepare(products)
            check_filters(prepared.rows, self.spec)
            stored = {
                name: rounded(self.spec, name, x, len(products)) for name, x in vectors.items()
            }
            return self._write(Upsert(prepared.rows, stored), prepared)

    def delete(self, product_ids: list[str]) -> int:
        """Take products out; returns how many were there."""
        with self._writer:
            self._check()
            known = tuple(name for name in dict.fromkeys(product_ids) if name in self)
            if known:
                self._write(Delete(known))
            return len(known)

    @contextmanager
    def read_view(self) -> Iterator[View]:
        """One state of the catalogue for several questions by key; writes wait meanwhile.

        For searches that combine vectors, words, facets and rules. Within it, ask the view only:
        the collection's own methods would wait for a write that waits for this.
        """
        with self._lock.read():
            yield View(self._state.columns, self._state.engine)

    def search(
        self, query_BD: np.ndarray, k: int, where: Filter | None = None, name: str = "fused"
    ) -> list[list[Hit]]:
        """Up to k hits for each query by cosine, best first, of products that pass the filter."""
        with self._lock.read():
            allowed = self._state.columns.allowed(where)
            return self._hits(self._state.engine.search(query_BD, k, allowed, name))

    def products(self, product_ids: list[str]) -> pl.DataFrame:
        """The rows of products in their order, of ones deleted since a search too."""
        with self._lock.read():
            return self._state.columns.rows(self._state.columns.keys(product_ids))

    def count(self, where: Filter | None = None) -> int:
        """Number of products that pass the filter."""
        with self._lock.read():
            return self._state.columns.allowed(where).count

    def __contains__(self, product_id: str) -> bool:
        """Whether there is such a product."""
        return product_id in self._state.columns

    def ids(self) -> list[str]:
        """Every product's id, in the order of keys."""
        with self._lock.read():
            return self._state.columns.ids(np.flatnonzero(self._state.columns.alive_N))

    def changes(self, since: Position | None = None) -> Iterator[tuple[Change, Position]]:
        """The ledger's changes after `since`; not while `compact` runs."""
        return self._ledger.replay(since)

    @property
    def start(self) -> Position:
        """Where the ledger's first change begins."""
        return self._ledger.start

    def reaches(self, position: Position) -> bool:
        """Whether `changes` can go on from there: not, once `compact` ran since without it."""
        return self._ledger.reaches(position)

    @property
    def backlog(self) -> WriteBacklog:
        """What writes have left behind, about."""
        columns, num_written = self._state.columns, self._num_written
        return WriteBacklog(
            num_rows=columns.num_keys,
            num_dead=columns.num_keys - len(columns),
            num_unsaved=num_written - self._num_saved,
            num_unoptimised=num_written - self._num_optimised,
        )

    def flush(self) -> None:
        """Put everything on the disk and note how far it has come."""
        with self._writer:
            self._check()
            self._save()

    def save_snapshot(self) -> None:
        """The same, as far as it has come at the call; writes go on meanwhile."""
        with self._writer:
            self._check()
            state, saved, num_written = self._state, self._state.snapshot(), self._num_written
        self._put(state, saved, num_written)

    def optimise(self) -> None:
        """Make searches fast after many writes; searches and writes go on."""
        with self._maintenance:
            num_written = self._num_written
            self._state.engine.optimise()
            self._num_optimised = num_written

    def compact(self, marks: Iterable[Position] = ()) -> None:
        """Shorten the ledger to what lives; searches go on, writes wait.

        `changes` goes on from `marks` as it did before, and from no other position of before.
        """
        with self._maintenance, self._writer:
            self._check()
            saved = self._state.position
            self._save()
            self._ledger.compact((*marks, saved))

    def rebuild(
        self,
        spec: EngineSpec | None = None,
        *,
        prepare: Callable[[View], None] | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Make columns and engine anew from the ledger, perhaps by another spec, and switch.

        Products get new keys, and what is dead goes. Searches go on in the old ones, writes too
        until the new ones have nearly caught up.

        Args:
            spec: The engine; None keeps the spec.
            prepare: Called with the new ones before the switch, for who keeps things by key. More
                products may come to them afterwards.
            wanted: Polled during the rebuild; False raises RebuildCancelled and changes nothing.
        """
        with self._maintenance:
            num_written = self._num_written
            state = self._built(spec or self._state.spec, wanted)
            try:
                state.engine.optimise()
                if prepare is not None:
                    prepare(View(state.columns, state.engine))
                while self._replay(state, wanted) > FEW_CHANGES:
                    pass
                self._switch(state)
            except BaseException:
                if self._state is not state:
                    state.discard()
                raise
            self._num_optimised = num_written
            self.save_snapshot()
            self._tidy()

    def close(self) -> None:
        """Save and release everything; after a failed write, release only."""
        with self._maintenance, self._writer:
            if self._refusal is None:
                self._save()
                self._refusal = EngineError(f"{self._folder}: is closed. Open it again.")
            with self._saving, self._lock.write():
                self._state.engine.close()
            self._ledger.close()

    def _write(self, change: Change, prepared: Prepared | None = None) -> Position:
        """Acknowledge a change and apply it; `prepared` is an upsert's."""
        state, position = self._state, self._ledger.append(change)
        try:
            state.apply(change, self._lock.write, prepared)
        except BaseException as error:
            self._refusal = EngineError(
                f"{self._folder}: takes no writes since one failed ({error}). Mend that and open "
                "it again: what was acknowledged is in the ledger."
            )
            raise
        state.position = position
        self._num_written += 1 if prepared is None else len(prepared.rows)
        if self._num_written - self._num_saved >= SNAPSHOT_ROWS:
            self._save()
        return position

    def _opened(self, spec: EngineSpec | None) -> State:
        saved = read_snapshot(self._folder)
        if spec is None and saved is not None:
            spec = saved.spec
        if spec is None:
            raise EngineError(f"{self._folder}: has no snapshot. Open it with a spec.")
        state = self._restored(saved) if saved is not None and saved.spec == spec else None
        if state is None:
            self._state = state = self._built(spec)
            self._save()
        return state

    def _restored(self, saved: Snapshot) -> State | None:
        """The snapshot with the rest of the ledger applied; None where it is broken."""
        if not self._ledger.reaches(saved.position):
            return None
        try:
            state = saved_state(saved)
        except EngineError:
            return None
        try:
            self._num_written = self._replay(state)
            whole = state.engine.holds(state.columns.alive_N)
        except EngineError:
            whole = False
        if not whole:
            state.engine.close()
        return state if whole else None

    def _built(self, spec: EngineSpec, wanted: Callable[[], bool] = lambda: True) -> State:
        """Columns and an engine made from the ledger alone, of what lives."""
        used = [int(path.name.split("-")[1]) for path in self._folder.glob("engine-*")]
        folder = self._folder / f"engine-{max(used, default=0) + 1}"
        latest = latest_of(_while(wanted, self._ledger.replay()))
        state = empty_state(folder, spec, self._ledger.start)
        try:
            state.replay(merged(_while(wanted, self._ledger.replay()), latest))
        except BaseException:
            state.discard()
            raise
        return state

    def _replay(self, state: State, wanted: Callable[[], bool] = lambda: True) -> int:
        """Apply what the ledger has more, and return how much; nobody reads the state yet."""
        return state.replay(merged(_while(wanted, self._ledger.replay(state.position))))

    def _switch(self, state: State) -> None:
        """Search and write another state from now on, once it has all that was written."""
        with self._writer:
            self._check()
            self._replay(state)
            with self._saving:  # no snapshot of the old one is under way
                with self._lock.write():
                    old, self._state = self._state, state
                old.engine.close()

    def _save(self) -> None:
        """Write a snapshot; for who writes."""
        self._put(self._state, self._state.snapshot(), self._num_written)

    def _put(self, state: State, saved: Snapshot, num_written: int) -> None:
        """Write a snapshot; what the ledger and the engine have is on the disk before it.

        None, where a later one was written, or another state is searched, meanwhile.
        """
        with self._saving:
            if state is not self._state or num_written < self._num_saved or self._refusal:
                return
            self._ledger.sync()
            state.engine.flush()
            write_snapshot(self._folder, saved)
            self._num_saved = num_written

    def _tidy(self) -> None:
        """Remove engines that are not searched."""
        for path in self._folder.glob("engine-*"):
            if path != self._state.folder:
                shutil.rmtree(path)

    def _hits(self, found: Neighbours) -> list[list[Hit]]:
        has_BK = found.rows >= 0
        ids = iter(self._state.columns.ids(found.rows[has_BK]))
        return [
            [Hit(next(ids), float(score)) for score in scores_K[has_K]]
            for scores_K, has_K in zip(found.scores, has_BK, strict=True)
        ]

    def _check(self) -> None:
        if self._refusal is not None:
            raise self._refusal


def _while(
    wanted: Callable[[], bool], changes: Iterable[tuple[Change, Position]]
) -> Iterator[tuple[Change, Position]]:
    for item in changes:
        if not wanted():
            raise RebuildCancelled("The rebuild was given up: it is no longer wanted.")
        yield item
