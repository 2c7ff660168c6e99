"""Merging of consecutive changes, so that a replay takes few steps.

A change of one product costs about as much to apply as one of a hundred, so consecutive changes
become one delete and one upsert with the same result.

Shapes: B products of a change, W width of a vector.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import polars as pl

from windowshop.index.catalogue.ledger import Position
from windowshop.index.catalogue.records import Change, Delete, Upsert, ids_of

GROUP_CHANGES, GROUP_ROWS = 5_000, 5_000
"""Most changes and rows that are merged; they are in memory together."""
Form: TypeAlias = tuple[pl.Schema, dict[str, tuple[np.dtype, int]]]
"""Columns of an upsert, and type and width of its vectors."""


@dataclass(frozen=True, slots=True)
class MergedChanges:
    """At most one delete and one upsert that equal consecutive changes of the ledger."""

    changes: list[Change]
    end: Position
    num_changes: int
    """Number of changes of the ledger."""


@dataclass(slots=True)
class _Gathered:
    """Consecutive changes whose upserts have one form."""

    upserts: list[Upsert] = field(default_factory=list)
    num_changes: int = 0
    num_rows: int = 0
    places: dict[str, int | None] = field(default_factory=dict)
    """Row of each product's last upsert, None after a delete; in the ledger's order."""

    @property
    def is_full(self) -> bool:
        return self.num_changes >= GROUP_CHANGES or self.num_rows >= GROUP_ROWS

    def fits(self, change: Change) -> bool:
        return (
            isinstance(change, Delete)
            or not self.upserts
            or _form(change) == _form(self.upserts[0])
        )

    def add(self, change: Change, keep: list[bool]) -> None:
        """Add the kept products of a change, and its columns in any case."""
        self.num_changes += 1
        for i, (name, kept) in enumerate(zip(ids_of(change), keep, strict=True)):
            if kept:
                self.places.pop(name, None)
                self.places[name] = None if isinstance(change, Delete) else self.num_rows + i
        if isinstance(change, Upsert) and (any(keep) or not self.upserts):
            self.upserts.append(change)
            self.num_rows += len(change.products)

    def merge(self, end: Position) -> MergedChanges:
        """Merge the changes; an upsert without rows still has its columns."""
        changes: list[Change] = []
        gone = tuple(name for name, place in self.places.items() if place is None)
        if gone:
            changes.append(Delete(gone))
        if self.upserts:
            rows = np.array([p for p in self.places.values() if p is not None], dtype=np.int64)
            table = pl.concat([upsert.products for upsert in self.upserts])
            vectors = {
                name: np.concatenate([upsert.vectors[name] for upsert in self.upserts])[rows]
                for name in self.upserts[0].vectors
            }
            changes.append(Upsert(table[rows], vectors))
        return MergedChanges(changes, end, self.num_changes)


def merged(
    changes: Iterable[tuple[Change, Position]], latest: Mapping[str, Position] | None = None
) -> Iterator[MergedChanges]:
    """Merge changes in order; `latest`, from `latest_of`, leaves out superseded products."""
    run, end = _Gathered(), None
    for change, position in changes:
        if end is not None and (run.is_full or not run.fits(change)):
            yield run.merge(end)
            run = _Gathered()
        keep = [latest is None or latest.get(name, position) <= position for name in ids_of(change)]
        run.add(change, keep)
        end = position
    if end is not None:
        yield run.merge(end)


def latest_of(changes: Iterable[tuple[Change, Position]]) -> dict[str, Position]:
    """Return the position after each product's last change."""
    return {name: position for change, position in changes for name in ids_of(change)}


def _form(upsert: Upsert) -> Form:
    vectors = {name: (x_BW.dtype, x_BW.shape[1]) for name, x_BW in upsert.vectors.items()}
    return upsert.products.schema, vectors
