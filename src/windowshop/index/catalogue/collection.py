"""An online catalogue of ledger, columns and engine, which survives a kill at any moment.

    FOLDER/ledger/              upserts and deletes; everything else can be made from it
    FOLDER/snapshot.json        files and ledger position of the last snapshot
    FOLDER/products-N.parquet   every row ever added, in the order of keys, with `_alive`
    FOLDER/engine-N/            the engine's own files

A write is acknowledged once the ledger has it. Opening restores the snapshot and applies the
changes after it; as keys follow the ledger's order and the engine forgets keys beyond the
snapshot, no change is lost or applied twice.

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
from windowshop.index.catalogue.restore import catch_up, made_state, restored_state
from windowshop.index.catalogue.snapshot import Snapshot, read_snapshot, write_snapshot
from windowshop.index.catalogue.state import State, check_filters, stored_vectors

SNAPSHOT_ROWS = 10_000
"""Rows written between snapshots; opening after a kill applies at most so many."""
FEW_CHANGES = 100
"""A rebuild that lacks at most so many changes stops writes and applies them."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved product."""

    product_id: str
    score: float
    """Cosine; higher is better."""


@dataclass(frozen=True, slots=True)
class View:
    """Columns and engine of one moment, which agree about every key; see `Collection.read_view`."""

    columns: Columns
    engine: Engine


@dataclass(frozen=True, slots=True)
class WriteBacklog:
    """Amount of maintenance that writes have made necessary."""

    num_rows: int
    """Rows of columns and engine, with dead ones."""
    num_dead: int
    """Rows of products that were replaced or deleted since the last rebuild."""
    num_unsaved: int
    """Rows written since the last snapshot."""
    num_unoptimised: int
    """Rows written since the last `optimise` or `rebuild`, or the opening."""


class Collection:
    """Products that the threads of one process search and change at the same time."""

    def __init__(
        self, folder: Path, spec: EngineSpec | None = None, *, durable: bool = False
    ) -> None:
        """Open or create the collection of a folder.

        Args:
            folder: Folder of ledger, snapshot and engine.
            spec: Settings of the engine, made again if they differ; None keeps the folder's.
            durable: Whether an acknowledged write survives a power loss, at one fsync each.

        Raises:
            EngineError: Without a spec, where the folder has none.
            LedgerError: The ledger is damaged, or another process has it open.
        """
        self._folder = folder
        self._lock = ReadWriteLock()
        # A thread takes locks in the order: maintenance, writer, saving, lock.
        self._maintenance, self._writer = threading.Lock(), threading.Lock()
        self._saving = threading.Lock()
        self._write_error: EngineError | None = None
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
        """Settings of the engine."""
        return self._state.spec

    def upsert(self, products: pl.DataFrame, vectors: Mapping[str, np.ndarray]) -> Position:
        """Add or replace whole products; they are acknowledged and found on return.

        Vectors are (B, W) by name, float; a row of zeros or a missing name means no vector. Raises
        DataError or EngineError, and changes nothing, where rows or vectors do not fit.
        """
        with self._writer:
            self._raise_write_error()
            prepared = self._state.columns.prepare(products)
            check_filters(prepared.rows, self.spec)
            stored = {
                name: stored_vectors(self.spec, name, x, len(products))
                for name, x in vectors.items()
            }
            return self._write(Upsert(prepared.rows, stored), prepared)

    def delete(self, product_ids: list[str]) -> int:
        """Delete products; returns how many there were."""
        with self._writer:
            self._raise_write_error()
            known = tuple(name for name in dict.fromkeys(product_ids) if name in self)
            if known:
                self._write(Delete(known))
            return len(known)

    @contextmanager
    def read_view(self) -> Iterator[View]:
        """Give one state of the catalogue for several reads; writes wait meanwhile.

        Within the block, use the view only: methods of the collection would wait for a write that
        waits for the block.
        """
        with self._lock.read():
            yield View(self._state.columns, self._state.engine)

    def search(
        self, query_BD: np.ndarray, k: int, where: Filter | None = None, name: str = "fused"
    ) -> list[list[Hit]]:
        """Return up to k hits for each query by cosine, best first, that pass the filter."""
        with self._lock.read():
            allowed = self._state.columns.allowed(where)
            return self._hits(self._state.engine.search(query_BD, k, allowed, name))

    def products(self, product_ids: list[str]) -> pl.DataFrame:
        """Return the rows of products in the given order, deleted ones too."""
        with self._lock.read():
            return self._state.columns.rows(self._state.columns.keys(product_ids))

    def count(self, where: Filter | None = None) -> int:
        """Return the number of products that pass the filter."""
        with self._lock.read():
            return self._state.columns.allowed(where).count

    def __contains__(self, product_id: str) -> bool:
        """Return whether there is such a product."""
        return product_id in self._state.columns

    def ids(self) -> list[str]:
        """Return the ids of all products, in the order of keys."""
        with self._lock.read():
            return self._state.columns.ids(np.flatnonzero(self._state.columns.alive_N))

    def changes(self, since: Position | None = None) -> Iterator[tuple[Change, Position]]:
        """Yield the ledger's changes after `since`; not while `compact` runs."""
        return self._ledger.replay(since)

    @property
    def start(self) -> Position:
        """Position before the ledger's first change."""
        return self._ledger.start

    def reaches(self, position: Position) -> bool:
        """Return whether `changes` can begin there; `compact` keeps only its `marks`."""
        return self._ledger.reaches(position)

    @property
    def backlog(self) -> WriteBacklog:
        """Approximate amount of maintenance due."""
        columns, num_written = self._state.columns, self._num_written
        return WriteBacklog(
            num_rows=columns.num_keys,
            num_dead=columns.num_keys - len(columns),
            num_unsaved=num_written - self._num_saved,
            num_unoptimised=num_written - self._num_optimised,
        )

    def save_snapshot(self) -> None:
        """Write a snapshot of the moment of the call while writes continue."""
        with self._writer:
            self._raise_write_error()
            state, saved, num_written = self._state, self._state.snapshot(), self._num_written
        self._put(state, saved, num_written)

    def optimise(self) -> None:
        """Make searches fast after many writes; searches and writes continue."""
        with self._maintenance:
            num_written = self._num_written
            self._state.engine.optimise()
            self._num_optimised = num_written

    def compact(self, marks: Iterable[Position] = ()) -> None:
        """Shorten the ledger to each product's last change; searches continue, writes wait.

        Of earlier positions, `changes` can begin at `marks` only.
        """
        with self._maintenance, self._writer:
            self._raise_write_error()
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
        """Make columns and engine of the living products again, with new keys, and switch.

        Searches and writes continue; writes wait for the last few changes.

        Args:
            spec: Settings of the new engine; None keeps the present ones.
            prepare: Called with the new columns and engine before the switch, to prepare data by
                key; they may get more products afterwards.
            wanted: Polled during the rebuild; False raises RebuildCancelled and changes nothing.
        """
        with self._maintenance:
            num_written = self._num_written
            state = made_state(self._folder, self._ledger, spec or self._state.spec, wanted)
            try:
                state.engine.optimise()
                if prepare is not None:
                    prepare(View(state.columns, state.engine))
                while catch_up(state, self._ledger, wanted) > FEW_CHANGES:
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
        """Write a snapshot and release everything; after a failed write, only release."""
        with self._maintenance, self._writer:
            if self._write_error is None:
                self._save()
                self._write_error = EngineError(f"{self._folder}: is closed. Open it again.")
            with self._saving, self._lock.write():
                self._state.engine.close()
            self._ledger.close()

    def _write(self, change: Change, prepared: Prepared | None = None) -> Position:
        """Append a change to the ledger and apply it; an upsert comes with its prepared rows."""
        state, position = self._state, self._ledger.append(change)
        try:
            state.apply(change, self._lock.write, prepared)
        except BaseException as error:
            self._write_error = EngineError(
                f"{self._folder}: takes no writes since one failed ({error}). Mend that and open "
                "it again: acknowledged writes are in the ledger."
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
        if saved is not None and saved.spec == spec:
            restored = restored_state(saved, self._ledger)
            if restored is not None:
                state, self._num_written = restored
                return state
        self._state = made_state(self._folder, self._ledger, spec)
        self._save()
        return self._state

    def _switch(self, state: State) -> None:
        """Replace the state by one that has caught up with all writes."""
        with self._writer:
            self._raise_write_error()
            catch_up(state, self._ledger)
            with self._saving:  # no snapshot of the previous state is being written
                with self._lock.write():
                    previous, self._state = self._state, state
                previous.engine.close()

    def _save(self) -> None:
        """Write a snapshot. The caller holds the write lock."""
        self._put(self._state, self._state.snapshot(), self._num_written)

    def _put(self, state: State, saved: Snapshot, num_written: int) -> None:
        """Write a snapshot after syncing ledger and engine.

        Does nothing if a later one was written, or the state was replaced, meanwhile.
        """
        with self._saving:
            if state is not self._state or num_written < self._num_saved or self._write_error:
                return
            self._ledger.sync()
            state.engine.flush()
            write_snapshot(self._folder, saved)
            self._num_saved = num_written

    def _tidy(self) -> None:
        """Remove engines that are not in use."""
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

    def _raise_write_error(self) -> None:
        if self._write_error is not None:
            raise self._write_error
