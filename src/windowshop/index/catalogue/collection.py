"""An online catalogue: products of an index, and the columns and engine that a search reads.

    FOLDER/snapshot.json        files of the last snapshot, and the number of changes that it has
    FOLDER/products-X.parquet   every row ever added, in the order of keys, with `_alive`
    FOLDER/engine-N/            the engine's own files
    FOLDER/vectors.db           vectors by record (`windowshop.index.catalogue.vector_store`)

A write puts vectors into the store, then the products into the index's database, which
acknowledges it, then both into columns and engine. Opening restores the snapshot and applies the
changes of the database after it; records that the columns have already are left out, and the engine
forgets keys beyond the snapshot, so no change is lost or applied twice.

Shapes: B queries or products of a batch, W full width of a vector, K results.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from filelock import FileLock

from windowshop.engines import EngineSpec, ReadWriteLock
from windowshop.errors import DataError, EngineError, StorageError
from windowshop.index.catalogue.restore import (
    Derivation,
    Source,
    apply_next,
    catch_up,
    lacking_vectors,
    made_state,
    opened_state,
    refill,
    unused_vectors,
    with_internal,
    without_internal,
)
from windowshop.index.catalogue.snapshot import Snapshot, write_snapshot
from windowshop.index.catalogue.state import State, check_filters, stored_vectors
from windowshop.index.catalogue.store import Store
from windowshop.index.catalogue.vector_store import VectorStore
from windowshop.index.catalogue.view import View, WriteBacklog
from windowshop.index.product_table import new_versions, open_products, taken

LOG = logging.getLogger(__name__)
LOCK_FILE = "collection.lock"
SNAPSHOT_ROWS = 10_000
"""Rows written between snapshots; opening after a kill applies at most so many."""
CATCH_UP_ROWS = 500
"""Changes of others that are applied at a time while searches and writes go on."""
FEW_CHANGES = 100
"""A rebuild that lacks at most so many changes stops writes and applies them."""


class Collection(Store):
    """Products that the threads of one process search and change at the same time."""

    def __init__(
        self,
        folder: Path,
        spec: EngineSpec | None = None,
        *,
        products: Path | None = None,
        derivation: Derivation | None = None,
        durable: bool = False,
        read_only: bool = False,
    ) -> None:
        """Open or create the collection of a folder.

        Args:
            folder: Folder of snapshot, engine and vectors.
            spec: Settings of the engine, made again if they differ; None keeps the folder's.
            products: Folder of the products' database; None is the same folder.
            derivation: How rows are completed, and vectors that are missing are made.
            durable: Whether an acknowledged write survives a power loss, at one fsync each.
            read_only: Whether nothing on the disk may change; others may have it open.

        Raises:
            DamagedError: The database of the products is damaged.
            EngineError: Without a spec, where the folder has none.
            StorageError: Another process has it open to write.
        """
        self._folder, self._read_only = folder, read_only
        self._scratch: Path | None = None
        self._lock = ReadWriteLock()
        # A thread takes locks in the order: maintenance, writer, saving, lock.
        self._maintenance, self._writer = threading.Lock(), threading.Lock()
        self._saving = threading.Lock()
        self._is_closed = self._has_failed = self._is_torn = False
        self._num_written = self._num_saved = self._num_optimised = 0
        self._products = open_products(products or folder, durable=durable, read_only=read_only)
        self._owner: FileLock | None = None
        self._store = VectorStore(folder, read_only=read_only)
        try:
            if not read_only:
                folder.mkdir(parents=True, exist_ok=True)
                self._owner = taken(folder / LOCK_FILE, folder)
            self._source = Source(self._products, self._store, derivation or Derivation())
            self._state = self._opened(spec)
            if not read_only:
                self._tidy()
        except BaseException:
            self._close_files()
            raise

    @property
    def spec(self) -> EngineSpec:
        """Settings of the engine."""
        return self._state.spec

    @property
    def seq(self) -> int:
        """Number of the last change of the products that it has all changes up to."""
        return self._state.seq

    @property
    def is_behind(self) -> bool:
        """Whether the products have changes that this lacks: see `catch_up`."""
        return self._products.seq > self._state.seq

    def upsert(self, products: pl.DataFrame, vectors: Mapping[str, np.ndarray]) -> None:
        """Add or replace whole products; they are acknowledged and found on return.

        Vectors are (B, W) by name, float; a row of zeros or a missing name means no vector. Columns
        whose names begin with _ are kept here and not with the products. Raises DataError or
        EngineError, and changes nothing, where rows or vectors do not fit.
        """
        with self._writer:
            self._require_writable()
            plain, internal = without_internal(products)
            rows = self._products.fit(plain)
            versions = list(new_versions(len(rows)))
            complete = self._source.derivation.complete(rows)
            prepared = self._state.columns.prepare(with_internal(complete, internal, versions))
            check_filters(prepared.rows, self.spec)
            stored = {n: stored_vectors(self.spec, n, x, len(rows)) for n, x in vectors.items()}
            self._store.put(versions, prepared.ids, stored, internal)
            with self._failing():
                first = self._products.upsert(rows, versions, self._state.known(prepared.ids))
            with self._failing(torn=True):
                self._state.upsert(prepared, stored, self._lock.write)
            self._applied(first, len(rows))

    def delete(self, product_ids: list[str]) -> int:
        """Delete products; returns how many there were."""
        with self._writer:
            self._require_writable()
            known = [name for name in dict.fromkeys(product_ids) if name in self]
            if known:
                with self._failing():
                    new, held = new_versions(len(known)), self._state.known(known)
                    first = self._products.delete(known, new, held)
                with self._failing(torn=True):
                    self._state.delete(known, self._lock.write)
                self._applied(first, len(known))
            return len(known)

    def catch_up(self, wanted: Callable[[], bool] = lambda: True) -> int:
        """Apply the products' changes that others have made; returns their number.

        Searches go on, and so do writes between groups of changes.
        """
        total, count = 0, 1
        while count and wanted():
            try:
                with self._writer:
                    self._require_writable()
                    count = self._apply_next()
            except DataError as error:  # other types of columns
                LOG.warning("%s: cannot catch up (%s); it is made again", self._folder, error)
                self.rebuild(wanted=wanted)
            total += count
        return total

    @contextmanager
    def read_view(self) -> Iterator[View]:
        """Give one state of the catalogue for several reads; writes wait meanwhile.

        Within the block, use the view only: the collection may wait for a write that waits for it.
        """
        with self._lock.read():
            yield View(self._state.columns, self._state.engine)

    @property
    def backlog(self) -> WriteBacklog:
        """Approximate amount of maintenance due."""
        columns, num_written = self._state.columns, self._num_written
        return WriteBacklog(
            num_rows=columns.num_keys,
            num_dead=columns.num_keys - len(columns),
            num_unsaved=num_written - self._num_saved,
            num_unoptimised=num_written - self._num_optimised,
            lacks_vectors=self._store.was_lost and columns.num_keys > 0,
        )

    def save_snapshot(self) -> None:
        """Write a snapshot of the moment of the call while writes continue."""
        with self._writer:
            self._require_writable()
            state, saved, num_written = self._state, self._state.snapshot(), self._num_written
        self._put(state, saved, num_written)

    def optimise(self) -> None:
        """Make searches fast after many writes; searches and writes continue."""
        with self._maintenance:
            num_written = self._num_written
            self._state.engine.optimise()
            self._num_optimised = num_written

    def compact(self) -> None:
        """Drop vectors of products that were replaced or deleted, and give back their room."""
        with self._maintenance:
            self._drop_outdated()
            self._store.shrink()

    def refill(self, wanted: Callable[[], bool] = lambda: True) -> None:
        """Make vectors again that were lost with their file; searches and writes continue.

        They are not needed for searches, but for the next engine.
        """
        with self._maintenance:
            with self._writer:
                self._require_writable()
                lacking = lacking_vectors(self._state, self._store)
            refill(self._state, self._source, lacking, wanted)

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
            prepare: Called with the new columns and engine before the switch; they may get more
                products afterwards.
            wanted: Polled during the rebuild; False raises RebuildCancelled and changes nothing.
        """
        with self._maintenance:
            with self._writer:
                self._require_writable()
            num_written = self._num_written
            state = made_state(self._folder, self._source, spec or self._state.spec, wanted)
            try:
                state.engine.optimise()
                if prepare is not None:
                    prepare(View(state.columns, state.engine))
                while catch_up(state, self._source, wanted) > FEW_CHANGES:
                    pass
                self._switch(state)
            except BaseException:
                if self._state is not state:
                    state.discard()
                raise
            self._num_optimised = num_written
            self.save_snapshot()
            self._tidy()
            self._drop_outdated()

    def close(self) -> None:
        """Write a snapshot and release everything; after a failed write, only release."""
        with self._maintenance, self._writer:
            if self._is_closed:
                return
            try:
                if not self._read_only and not self._has_failed:
                    self._save()
            finally:
                self._is_closed = True
                with self._saving, self._lock.write():
                    self._state.engine.close()
                self._close_files()

    @contextmanager
    def _failing(self, *, torn: bool = False) -> Iterator[None]:
        """Note a failure, which the next write mends; `torn`: columns and engine may differ."""
        try:
            yield
        except BaseException as error:
            if not isinstance(error, DataError):  # which is raised before anything is changed
                self._has_failed, self._is_torn = True, self._is_torn or torn
            raise

    def _applied(self, first: int, count: int) -> None:
        """Count changes of the products that columns and engine have now."""
        if first == self._state.seq + 1:  # else others made changes before, to be applied yet
            self._state.seq = first + count - 1
        self._num_written += count
        if self._num_written - self._num_saved >= SNAPSHOT_ROWS:
            self._save()

    def _apply_next(self) -> int:
        with self._failing(torn=True):
            count = apply_next(self._state, self._source, self._lock.write, CATCH_UP_ROWS)
        self._num_written += count
        return count

    def _require_writable(self) -> None:
        """Raise EngineError where writes are not possible; mend what a failed one has left."""
        if self._is_closed:
            raise EngineError(f"{self._folder}: is closed. Open it again.")
        if self._read_only:
            raise StorageError(f"{self._folder}: is open to be read only.")
        if self._is_torn:
            self._state.reopen_engine(self._lock.write)
            self._is_torn = False
        if self._has_failed:
            while self._apply_next():
                pass
            self._has_failed = False

    def _opened(self, spec: EngineSpec | None) -> State:
        opened = opened_state(self._folder, spec, self._source, read_only=self._read_only)
        self._state, self._scratch = opened.state, opened.scratch
        self._num_written = opened.num_changes
        if opened.is_made and not self._read_only:
            self._save()
        return self._state

    def _switch(self, state: State) -> None:
        """Replace the state by one that has caught up with all writes."""
        with self._writer:
            self._require_writable()
            catch_up(state, self._source)
            with self._saving:  # no snapshot of the previous state is being written
                with self._lock.write():
                    previous, self._state = self._state, state
                previous.engine.close()

    def _save(self) -> None:
        """Write a snapshot. The caller holds the write lock."""
        self._put(self._state, self._state.snapshot(), self._num_written)

    def _put(self, state: State, saved: Snapshot, num_written: int) -> None:
        """Write a snapshot after syncing products and engine.

        Does nothing if a later one was written, or the state was replaced, meanwhile.
        """
        with self._saving:
            if state is not self._state or num_written < self._num_saved or self._has_failed:
                return
            self._products.database.sync()
            state.engine.flush()
            write_snapshot(self._folder, saved, state.engine.fixed_files(len(saved.alive_N)))
            self._num_saved = num_written

    def _tidy(self) -> None:
        """Remove engines that are not in use."""
        for path in self._folder.glob("engine-*"):
            if path != self._state.folder:
                shutil.rmtree(path)

    def _drop_outdated(self) -> None:
        with self._writer:  # no write is between its vectors and its columns
            self._require_writable()
            gone = unused_vectors(self._state, self._store)
        self._store.drop(gone)

    def _close_files(self) -> None:
        self._store.close()
        self._products.close()
        if self._owner is not None:
            self._owner.release()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
