"""Columns and engine that agree, and the application of changes to both.

Shapes: N keys given out so far, B products of a batch, W full width of a vector.
"""

import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.engines import Batch, Engine, EngineSpec, open_engine
from windowshop.errors import EngineError
from windowshop.index.catalogue.columns import Columns, Prepared
from windowshop.index.catalogue.ledger import Position
from windowshop.index.catalogue.records import Change, Delete
from windowshop.index.catalogue.replay import MergedChanges
from windowshop.index.catalogue.snapshot import Snapshot


@dataclass(slots=True)
class State:
    """Columns and engine that agree, with their position in the ledger."""

    columns: Columns
    engine: Engine
    folder: Path
    """Folder of the engine."""
    spec: EngineSpec
    position: Position

    def apply(
        self,
        change: Change,
        alone: Callable[[], AbstractContextManager[None]] = nullcontext,
        prepared: Prepared | None = None,
    ) -> None:
        """Apply a change to both; readers see a product's previous row or its new one.

        `alone` keeps readers out; `prepared` holds the rows of an upsert, if already prepared.
        """
        if isinstance(change, Delete):
            with alone():
                self.engine.delete(self.columns.remove(change.product_ids))
            return
        prepared = prepared or self.columns.prepare(change.products)
        check_filters(prepared.rows, self.spec)
        first = self.columns.num_keys
        keys = np.arange(first, first + len(prepared.rows), dtype=np.int64)
        self.engine.upsert(Batch(keys, change.vectors, prepared.rows))
        with alone():
            self.engine.delete(self.columns.commit(prepared))

    def replay(self, runs: Iterable[MergedChanges]) -> int:
        """Apply changes while no thread reads; returns how many changes of the ledger they are."""
        num_changes = 0
        for run in runs:
            for change in run.changes:
                self.apply(change)
            self.position = run.end
            num_changes += run.num_changes
        return num_changes

    def snapshot(self) -> Snapshot:
        """Return the content of now, unaffected by later changes; not while a thread writes."""
        table, alive_N = self.columns.table(), self.columns.alive_N
        return Snapshot(table, alive_N, self.folder, self.spec, self.position)

    def discard(self) -> None:
        """Close the engine and remove its files."""
        self.engine.close()
        shutil.rmtree(self.folder)


def empty_state(folder: Path, spec: EngineSpec, start: Position) -> State:
    """Make empty columns and an empty engine, in a new folder."""
    nothing_N = np.zeros(0, dtype=bool)
    columns = Columns(pl.DataFrame(schema={"product_id": pl.String}), nothing_N)
    return State(columns, open_engine(folder, spec, nothing_N), folder, spec, start)


def saved_state(saved: Snapshot) -> State:
    """Open the state of a snapshot; raises EngineError where the engine's files do not fit it."""
    columns = Columns(saved.table, saved.alive_N)
    engine = open_engine(saved.engine_folder, saved.spec, saved.alive_N)
    return State(columns, engine, saved.engine_folder, saved.spec, saved.position)


def check_filters(rows: pl.DataFrame, spec: EngineSpec) -> None:
    """Raise EngineError for lists in a column that the engine filters by itself."""
    for name in (*spec.text_columns, *spec.number_columns):
        if rows.schema.get(name, pl.Null()).is_nested():
            raise EngineError(
                f"Products: column {name!r} is of type {rows.schema[name]}, and the engine filters "
                "by it. Leave it out of the spec's text_columns and number_columns."
            )


def stored_vectors(spec: EngineSpec, name: str, x_BW: np.ndarray, num_products: int) -> np.ndarray:
    """Convert vectors to the type of the ledger; raises EngineError where they do not fit."""
    vector = spec.vectors.get(name)
    wide = vector is not None and vector.storage == "float32"
    with np.errstate(over="ignore"):  # refused below
        stored_BW = np.asarray(x_BW).astype(np.float32 if wide else np.float16)
    width = vector.width if vector is not None else 1
    if stored_BW.ndim != 2 or len(stored_BW) != num_products or stored_BW.shape[1] < width:
        raise EngineError(
            f"{name!r} vectors have shape {stored_BW.shape}, need {num_products} rows at least "
            f"{width} wide. Encode the products with the model that the index is of."
        )
    if not np.isfinite(stored_BW).all():
        raise EngineError(f"A {name!r} vector is not finite. Encode the product again.")
    return stored_BW
