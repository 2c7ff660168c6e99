"""An online catalogue: ledger, columns and engine as one, surviving a kill at any moment.

    FOLDER/ledger/              what was upserted and deleted; all else can be made again from it
    FOLDER/checkpoint.json      how far the rest had come, and what it consists of
    FOLDER/products-N.parquet   every row ever added, in the order of keys, with `_alive`
    FOLDER/engine-N/            the engine's own files

A write is acknowledged once the ledger has it. On opening, what the ledger has beyond the
checkpoint is applied again; as keys are given out in the ledger's order and the engine forgets
keys beyond the checkpoint, nothing is lost and nothing is there twice.

Shapes: B queries or products of a batch, W full width of a vector, K results.
"""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.engines import open_engine
from windowshop.engines.base import Batch, Engine, EngineSpec
from windowshop.engines.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from windowshop.engines.columns import Columns, Prepared
from windowshop.engines.gate import Gate
from windowshop.errors import EngineError
from windowshop.filters import Filter
from windowshop.ledger import LEDGER_FOLDER, Ledger, Position
from windowshop.nearest import Neighbours
from windowshop.product_text import all_texts
from windowshop.records import Change, Delete, Upsert

CHECKPOINT_ROWS = 10_000
"""Rows written between checkpoints: what opening after a kill applies again at most."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved product."""

    product_id: str
    score: float
    """Cosine, or BM25 for a search by words; higher is better."""


@dataclass(frozen=True, slots=True)
class View:
    """Columns and an engine that agree about every key, for as long as `Collection.reading`."""

    columns: Columns
    engine: Engine


@dataclass(slots=True)
class _State:
    """Columns and an engine that agree, and how much of the ledger they hold."""

    columns: Columns
    engine: Engine
    folder: Path
    """The engine's."""
    spec: EngineSpec
    position: Position


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
        self._gate = Gate()
        self._writer, self._maintenance = threading.Lock(), threading.Lock()
        self._refusal: EngineError | None = None
        self._num_unsaved = 0
        self._ledger = Ledger(folder / LEDGER_FOLDER, durable=durable)
        try:
            self._state = self._opened(spec)
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
            _check_filters(prepared.rows, self.spec)
            stored = {name: self._rounded(name, x, len(products)) for name, x in vectors.items()}
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
    def reading(self) -> Iterator[View]:
        """One state of the catalogue for several questions by key; writes wait meanwhile.

        For searches that combine vectors, words, facets and rules. Within it, ask the view only:
        the collection's own methods would wait for a write that waits for this.
        """
        with self._gate.read():
            yield View(self._state.columns, self._state.engine)

    def search(
        self, query_BD: np.ndarray, k: int, where: Filter | None = None, name: str = "fused"
    ) -> list[list[Hit]]:
        """Up to k hits for each query by cosine, best first, of products that pass the filter."""
        with self._gate.read():
            allowed = self._state.columns.allowed(where)
            return self._hits(self._state.engine.search(query_BD, k, allowed, name))

    def search_text(self, query: str, k: int, where: Filter | None = None) -> list[Hit]:
        """Up to k hits by words; scores are BM25."""
        with self._gate.read():
            allowed = self._state.columns.allowed(where)
            return self._hits(self._state.engine.search_text(query, k, allowed))[0]

    def products(self, product_ids: list[str]) -> pl.DataFrame:
        """The rows of products in their order, of ones deleted since a search too."""
        with self._gate.read():
            return self._state.columns.rows(self._state.columns.keys(product_ids))

    def count(self, where: Filter | None = None) -> int:
        """Number of products that pass the filter."""
        with self._gate.read():
            return self._state.columns.allowed(where).count

    def __contains__(self, product_id: str) -> bool:
        """Whether there is such a product."""
        return product_id in self._state.columns

    def ids(self) -> list[str]:
        """Every product's id, in the order of keys."""
        with self._gate.read():
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

    def flush(self) -> None:
        """Put everything on the disk and note how far it has come."""
        with self._writer:
            self._check()
            self._save(self._state.position)

    def optimise(self) -> None:
        """Make searches fast after many writes; searches and writes go on."""
        with self._maintenance:
            self._state.engine.optimise()

    def compact(self, marks: Iterable[Position] = ()) -> None:
        """Shorten the ledger to what lives; searches go on, writes wait.

        `changes` goes on from `marks` as it did before, and from no other position of before.
        """
        with self._maintenance, self._writer:
            self._check()
            saved = self._state.position
            self._save(saved)
            self._ledger.compact((*marks, saved))

    def rebuild(self, spec: EngineSpec | None = None) -> None:
        """Make columns and engine anew from the ledger, perhaps by another spec, and switch.

        Searches go on in the old ones, writes too until the new ones have nearly caught up. Worth
        it where many rows are dead: they cost memory and time.
        """
        with self._maintenance:
            state = self._built(spec or self._state.spec)
            with self._writer:
                self._check()
                self._replay(state)
                with self._gate.write():
                    old, self._state = self._state, state
                old.engine.close()
                self._save(state.position)

    def close(self) -> None:
        """Save and release everything; after a failed write, release only."""
        with self._maintenance, self._writer, self._gate.write():
            if self._refusal is None:
                self._save(self._state.position)
                self._refusal = EngineError(f"{self._folder}: is closed. Open it again.")
            self._state.engine.close()
            self._ledger.close()

    def _write(self, change: Change, prepared: Prepared | None = None) -> Position:
        """Acknowledge a change and apply it; `prepared` is an upsert's."""
        state, position = self._state, self._ledger.append(change)
        try:
            _apply(state, change, self._gate.write, prepared)
        except BaseException as error:
            self._refusal = EngineError(
                f"{self._folder}: takes no writes since one failed ({error}). Mend that and open "
                "it again: what was acknowledged is in the ledger."
            )
            raise
        state.position = position
        self._num_unsaved += 1 if prepared is None else len(prepared.rows)
        if self._num_unsaved >= CHECKPOINT_ROWS:
            self._save(position)
        return position

    def _opened(self, spec: EngineSpec | None) -> _State:
        saved = read_checkpoint(self._folder)
        if spec is None and saved is not None:
            spec = saved.spec
        if spec is None:
            raise EngineError(f"{self._folder}: has no checkpoint. Open it with a spec.")
        state = self._restored(saved) if saved is not None and saved.spec == spec else None
        if state is None:
            state = self._built(spec)
        if saved is None or (state.folder, state.position) != (saved.engine_folder, saved.position):
            self._state = state
            self._save(state.position)
        return state

    def _replay(self, state: _State) -> None:
        """Apply what the ledger has more; nobody reads the state yet."""
        for change, position in self._ledger.replay(state.position):
            _apply(state, change, nullcontext)
            state.position = position

    def _restored(self, saved: Checkpoint) -> _State | None:
        """The checkpoint with the rest of the ledger applied; None where it is broken."""
        if not self._ledger.reaches(saved.position):
            return None
        try:
            columns = Columns(saved.table, saved.alive_N)
            engine = open_engine(saved.engine_folder, saved.spec, saved.alive_N)
        except EngineError:
            return None
        state = _State(columns, engine, saved.engine_folder, saved.spec, saved.position)
        try:
            self._replay(state)
            whole = engine.holds(columns.alive_N)
        except EngineError:
            whole = False
        if not whole:
            engine.close()
        return state if whole else None

    def _built(self, spec: EngineSpec) -> _State:
        """Columns and an engine made from the ledger alone."""
        used = [int(path.name.split("-")[1]) for path in self._folder.glob("engine-*")]
        folder = self._folder / f"engine-{max(used, default=0) + 1}"
        nobody = np.zeros(0, dtype=bool)
        columns = Columns(pl.DataFrame(schema={"product_id": pl.String}), nobody)
        engine = open_engine(folder, spec, nobody)
        state = _State(columns, engine, folder, spec, self._ledger.start)
        self._replay(state)
        return state

    def _save(self, position: Position) -> None:
        """Write a checkpoint; what the ledger and the engine have is on the disk before it."""
        state = self._state
        self._ledger.sync()
        state.engine.flush()
        table, alive_N = state.columns.table(), state.columns.alive_N
        saved = Checkpoint(table, alive_N, state.folder, state.spec, position)
        write_checkpoint(self._folder, saved)
        state.position, self._num_unsaved = position, 0
        for path in self._folder.glob("engine-*"):
            if path != state.folder:
                shutil.rmtree(path)

    def _rounded(self, name: str, x_BW: np.ndarray, num_products: int) -> np.ndarray:
        """Vectors as the ledger keeps them, so that a replay gives the engine the same."""
        spec = self.spec.vectors.get(name)
        wide = spec is not None and spec.storage == "float32"
        with np.errstate(over="ignore"):  # refused below
            stored_BW = np.asarray(x_BW).astype(np.float32 if wide else np.float16)
        width = spec.width if spec is not None else 1
        if stored_BW.ndim != 2 or len(stored_BW) != num_products or stored_BW.shape[1] < width:
            raise EngineError(
                f"{name!r} vectors have shape {stored_BW.shape}, need {num_products} rows at least "
                f"{width} wide. Encode the products with the model that the index is of."
            )
        if not np.isfinite(stored_BW).all():
            raise EngineError(f"A {name!r} vector is not finite. Encode the product again.")
        return stored_BW

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


def _apply(
    state: _State,
    change: Change,
    alone: Callable[[], AbstractContextManager[None]],
    prepared: Prepared | None = None,
) -> None:
    """Change columns and engine: readers find a product before, or after, never neither."""
    columns, engine = state.columns, state.engine
    if isinstance(change, Delete):
        with alone():
            engine.delete(columns.kill(change.product_ids))
        return
    prepared = prepared or columns.prepare(change.products)
    _check_filters(prepared.rows, state.spec)
    keys = np.arange(columns.num_keys, columns.num_keys + len(prepared.rows), dtype=np.int64)
    engine.upsert(Batch(keys, change.vectors, prepared.rows, all_texts(prepared.rows)))
    with alone():
        engine.delete(columns.commit(prepared))


def _check_filters(rows: pl.DataFrame, spec: EngineSpec) -> None:
    """Refuse lists in a column that the engine filters by itself: it knows single values only."""
    for name in (*spec.text_columns, *spec.number_columns):
        if rows.schema.get(name, pl.Null()).is_nested():
            raise EngineError(
                f"Products: column {name!r} is of type {rows.schema[name]}, and the engine filters "
                "by it. Leave it out of the spec's text_columns and number_columns."
            )
