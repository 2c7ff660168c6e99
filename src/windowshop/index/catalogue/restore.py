"""Columns and engine of a collection, brought up to the products of its index.

Shapes: B products of a group, W width of a vector.
"""

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.data import table_of
from windowshop.engines import EngineSpec
from windowshop.errors import DataError, EngineError
from windowshop.index.catalogue.columns import VERSION
from windowshop.index.catalogue.snapshot import Snapshot, read_snapshot, snapshot_spec
from windowshop.index.catalogue.state import (
    Alone,
    State,
    check_filters,
    empty_state,
    saved_state,
    stored_vectors,
)
from windowshop.index.catalogue.vector_store import Stored, VectorStore
from windowshop.index.product_table import ProductTable, Records, damaged_index

LOG = logging.getLogger(__name__)
GROUP_ROWS = 5_000
"""Most changes that are applied together; they are in memory."""
ENCODED_ROWS = 256
"""Products encoded and kept at a time: a kill loses at most so much work."""


class RebuildCancelled(EngineError):
    """A rebuild was cancelled; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors and internal columns that a model makes of products."""

    vectors: Mapping[str, np.ndarray]
    """Name -> (B, W) of any float type."""
    columns: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Internal columns, whose names begin with _."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a collection is made of products."""

    complete: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows
    """Adds the columns that are made of others."""
    encode: Callable[[pl.DataFrame], Encoded] | None = None
    """Makes vectors that are missing; without it, such products are found by no vector."""
    spec: EngineSpec | None = None
    """Settings of the engine where no snapshot tells them."""


@dataclass(frozen=True, slots=True)
class Source:
    """Products and vectors that columns and engine are made of."""

    products: ProductTable
    store: VectorStore
    derivation: Derivation


@dataclass(frozen=True, slots=True)
class Opened:
    """Columns and engine that have every change so far."""

    state: State
    num_changes: int = 0
    """Changes that the snapshot lacked."""
    is_made: bool = True
    """Whether they were made anew."""
    scratch: Path | None = None
    """Folder of what was made for one that only reads; it removes the folder."""


def opened_state(
    folder: Path, spec: EngineSpec | None, source: Source, *, read_only: bool
) -> Opened:
    """Restore a folder's snapshot; where there is no usable one, make columns and engine again.

    Raises EngineError where neither `spec` nor anything else tells the engine's settings.
    """
    try:
        saved = read_snapshot(folder)
    except EngineError as error:
        LOG.warning("%s It is made again.", error)
        saved = None
    wanted = spec or snapshot_spec(folder) or source.derivation.spec
    if wanted is None:
        raise EngineError(f"{folder}: has no snapshot. Open it with a spec.")
    if saved is not None and saved.spec == wanted:
        restored = restored_state(saved, source, read_only=read_only)
        if restored is not None:
            return Opened(*restored, is_made=False)
    if not read_only:
        return Opened(made_state(folder, source, wanted))
    scratch = Path(tempfile.mkdtemp(prefix="windowshop-"))
    try:
        return Opened(made_state(scratch, source, wanted), scratch=scratch)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def restored_state(saved: Snapshot, source: Source, *, read_only: bool) -> tuple[State, int] | None:
    """Restore a snapshot and apply the changes after it, with their number.

    Returns None where the snapshot or the engine's files cannot be used.
    """
    if saved.seq > source.products.seq:  # a power loss has cost the products their latest changes
        return None
    try:
        state = saved_state(saved, read_only=read_only)
    except EngineError as error:
        LOG.warning("%s; it is made again", error)
        return None
    try:
        num_changes = catch_up(state, source)
        seq, num_products = source.products.state()
        whole = state.engine.holds(state.columns.alive_N) and (
            seq != state.seq or num_products == len(state.columns)
        )
    except (EngineError, DataError) as error:  # other types of columns
        LOG.warning("%s: cannot catch up (%s); it is made again", saved.engine_folder.parent, error)
        whole = False
    except BaseException:
        state.engine.close()
        raise
    if whole:
        return state, num_changes
    state.engine.close()
    return None


def made_state(
    folder: Path, source: Source, spec: EngineSpec, wanted: Callable[[], bool] = lambda: True
) -> State:
    """Make columns and a new engine of all products.

    Raises RebuildCancelled once `wanted` returns False.
    """
    used = [int(path.name.split("-")[1]) for path in folder.glob("engine-*")]
    state = empty_state(folder / f"engine-{max(used, default=0) + 1}", spec)
    try:
        catch_up(state, source, wanted)
        seq, num_products = source.products.state()
        if seq == state.seq and num_products != len(state.columns):  # a change is hidden
            raise damaged_index(source.products.database.path)
    except BaseException:
        state.discard()
        raise
    return state


def catch_up(state: State, source: Source, wanted: Callable[[], bool] = lambda: True) -> int:
    """Apply the changes that a state lacks, while no thread reads it; returns their number."""
    total = 0
    while count := apply_next(state, source):
        total += count
        if not wanted():
            raise RebuildCancelled("The rebuild was cancelled.")
    return total


def apply_next(
    state: State, source: Source, alone: Alone = nullcontext, most: int = GROUP_ROWS
) -> int:
    """Apply the next changes that a state lacks; returns their number, 0 where it has all."""
    with source.products.database.reading():  # one state, in which each record is there
        changes = source.products.changes(state.seq, most)
        if not changes:
            return 0
        held = state.columns.versions([change.product_id for change in changes])
        pairs = list(zip(changes, held, strict=True))
        new = [c.product_id for c, version in pairs if not c.deleted and c.version != version]
        records = source.products.records(new)
    if len(records.versions) < len(new):
        raise damaged_index(source.products.database.path)
    gone = [change.product_id for change, version in pairs if change.deleted and version]
    if gone:
        state.delete(gone, alone)
    if new:
        _upsert(state, source, records, alone)
    state.seq = changes[-1].seq
    return len(changes)


def fill(
    state: State, store: VectorStore, rows: pl.DataFrame, versions: list[int], encoded: Encoded
) -> None:
    """Add encoded products to a state that nobody reads, and their vectors to a store."""
    vectors = _stored(state.spec, encoded, len(rows))
    store.put(versions, rows["product_id"].to_list(), vectors, encoded.columns)
    complete = with_internal(rows, encoded.columns, versions)
    check_filters(complete, state.spec)
    state.upsert(state.columns.prepare(complete), vectors)


def unused_vectors(state: State, store: VectorStore) -> list[int]:
    """Return the versions that the store has and no product."""
    columns = state.columns
    living = columns.versions_of(np.flatnonzero(columns.alive_N))
    return sorted(set(store.versions()).difference(living))


def lacking_vectors(state: State, store: VectorStore) -> list[str]:
    """Return the ids of products that the store has no vectors of."""
    keys, held = np.flatnonzero(state.columns.alive_N), set(store.versions())
    lacks = [version not in held for version in state.columns.versions_of(keys)]
    return state.columns.ids(keys[np.array(lacks, dtype=bool)])


def refill(
    state: State, source: Source, product_ids: list[str], wanted: Callable[[], bool]
) -> None:
    """Make the vectors of products again that the store lacks, as long as that is wanted."""
    for start in range(0, len(product_ids), ENCODED_ROWS):
        records = source.products.records(product_ids[start : start + ENCODED_ROWS])
        if records.versions:
            rows = source.derivation.complete(records.rows)
            stored = source.store.get(records.versions, rows["product_id"].to_list())
            _encode_missing(stored, source, rows, records.versions, state.spec)
        if not wanted():
            return
    source.store.was_lost = False


def with_internal(rows: pl.DataFrame, columns: pl.DataFrame, versions: list[int]) -> pl.DataFrame:
    """Add internal columns and the versions of their records to rows."""
    version = pl.Series(VERSION, versions, dtype=pl.Int64)
    return rows.hstack([*columns.get_columns(), version])


def without_internal(products: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a table without internal columns, and those; a query of polars takes far longer."""
    columns = products.get_columns()
    internal = [column for column in columns if column.name.startswith("_")]
    plain = [column for column in columns if not column.name.startswith("_")]
    return table_of(plain), table_of(internal)


def _upsert(state: State, source: Source, records: Records, alone: Alone) -> None:
    rows = source.derivation.complete(records.rows)
    stored = source.store.get(records.versions, rows["product_id"].to_list())
    _encode_missing(stored, source, rows, records.versions, state.spec)
    internal = pl.DataFrame(stored.values, strict=False)
    rows = with_internal(rows, internal, records.versions)
    check_filters(rows, state.spec)
    state.upsert(state.columns.prepare(rows), stored.vectors, alone)


def _encode_missing(
    stored: Stored, source: Source, rows: pl.DataFrame, versions: list[int], spec: EngineSpec
) -> None:
    """Make the vectors that the store lacks, and keep them there."""
    missing = np.flatnonzero(~stored.has_B)
    encode = source.derivation.encode
    if not len(missing):
        return
    if encode is None:
        LOG.warning("%s: %d products lack vectors", source.products.folder, len(missing))
        return
    for start in range(0, len(missing), ENCODED_ROWS):
        places = missing[start : start + ENCODED_ROWS]
        part = rows[places]
        encoded = encode(part)
        vectors = _stored(spec, encoded, len(part))
        ids, numbers = part["product_id"].to_list(), [versions[place] for place in places]
        source.store.put(numbers, ids, vectors, encoded.columns)
        stored.fill(places, vectors, encoded.columns)
        LOG.info("encoded %d of %d products again", start + len(part), len(missing))


def _stored(spec: EngineSpec, encoded: Encoded, count: int) -> dict[str, np.ndarray]:
    return {name: stored_vectors(spec, name, x_BW, count) for name, x_BW in encoded.vectors.items()}
