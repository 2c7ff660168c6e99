"""Columns and engine that agree, and the application of changes to both.

Shapes: N keys given out so far, B products of a batch, W full width of a vector.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl

from windowshop.engines import Batch, Engine, EngineSpec, as_type, open_engine
from windowshop.errors import EngineError
from windowshop.index.catalogue.columns import Columns, Prepared
from windowshop.index.catalogue.snapshot import Snapshot
from windowshop.index.product_table import Known

Alone: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Keeps readers out."""


@dataclass(slots=True)
class State:
    """Columns and engine that agree, with the number of changes that they have."""

    columns: Columns
    engine: Engine
    folder: Path
    """Folder of the engine."""
    spec: EngineSpec
    seq: int
    """Number of the last change of the products that it has all changes up to."""

    def delete(self, product_ids: Sequence[str], alone: Alone = nullcontext) -> None:
        """Take products out."""
        with alone():
            keys = self.columns.remove(tuple(product_ids))
            self.engine.delete(keys)

    def upsert(
        self, prepared: Prepared, vectors: Mapping[str, np.ndarray], alone: Alone = nullcontext
    ) -> None:
        """Add or replace products; readers see a product's previous row or its new one."""
        first = self.columns.num_keys
        keys = np.arange(first, first + len(prepared.rows), dtype=np.int64)
        self.engine.upsert(Batch(keys, vectors, prepared.rows))
        with alone():
            old = self.columns.commit(prepared)
            self.engine.delete(old)

    def reopen_engine(self, alone: Alone) -> None:
        """Open the engine again after a failed write: it forgets what the columns lack."""
        with alone():
            self.engine.close()
            self.engine = open_engine(self.folder, self.spec, self.columns.alive_N)

    def known(self, product_ids: list[str]) -> Known:
        """Return the versions of products that it has."""
        return Known(self.columns.versions(product_ids), self.seq)

    def snapshot(self) -> Snapshot:
        """Return the content of now, unaffected by later changes; not while a thread writes."""
        table, alive_N = self.columns.table(), self.columns.alive_N
        return Snapshot(table, alive_N, self.folder, self.spec, self.seq)

    def discard(self) -> None:
        """Close the engine and remove its files."""
        self.engine.close()
        shutil.rmtree(self.folder)


def empty_state(folder: Path, spec: EngineSpec) -> State:
    """Make empty columns and an empty engine, in a new folder."""
    nothing_N = np.zeros(0, dtype=bool)
    columns = Columns(pl.DataFrame(schema={"product_id": pl.String}), nothing_N)
    return State(columns, open_engine(folder, spec, nothing_N), folder, spec, 0)


def saved_state(saved: Snapshot, *, read_only: bool = False) -> State:
    """Open the state of a snapshot; raises EngineError where the engine's files do not fit it."""
    columns = Columns(saved.table, saved.alive_N)
    engine = open_engine(saved.engine_folder, saved.spec, saved.alive_N, read_only=read_only)
    return State(columns, engine, saved.engine_folder, saved.spec, saved.seq)


def check_filters(rows: pl.DataFrame, spec: EngineSpec) -> None:
    """Raise EngineError for lists in a column that the engine filters by itself."""
    for name in (*spec.text_columns, *spec.number_columns):
        dtype = rows[name].dtype if name in rows.columns else pl.Null()
        if dtype.is_nested():
            raise EngineError(
                f"Products: column {name!r} is of type {dtype}, and the engine filters "
                "by it. Leave it out of the spec's text_columns and number_columns."
            )


def stored_vectors(spec: EngineSpec, name: str, x_BW: np.ndarray, num_products: int) -> np.ndarray:
    """Convert vectors to the type in which they are kept; raises EngineError for unfit ones."""
    vector = spec.vectors.get(name)
    wide = vector is not None and vector.storage == "float32"
    with np.errstate(over="ignore"):  # refused below
        stored_BW = as_type(np.asarray(x_BW), np.float32 if wide else np.float16)
    width = vector.width if vector is not None else 1
    if stored_BW.ndim != 2 or len(stored_BW) != num_products or stored_BW.shape[1] < width:
        raise EngineError(
            f"{name!r} vectors have shape {stored_BW.shape}, need {num_products} rows at least "
            f"{width} wide. Encode the products with the model that the index is of."
        )
    if not np.isfinite(as_type(stored_BW, np.float32)).all():
        raise EngineError(f"A {name!r} vector is not finite. Encode the product again.")
    return stored_BW
