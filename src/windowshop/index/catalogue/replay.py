"""A ledger's changes applied in few steps: many small ones together, each product once.

A change of one product costs about as much to apply as one of a hundred, so a run of changes
becomes one delete and one upsert, which leave what the changes one by one would have left.

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
"""A run ends once it has so many changes, or rows: they are in memory together."""
Form: TypeAlias = tuple[pl.Schema, dict[str, tuple[np.dtype, int]]]
"""Columns of an upsert, and type and width of its vectors."""


@dataclass(frozen=True, slots=True)
class Run:
    """What changes that follow each other amount to."""

    changes: list[Change]
    behind: Position
    num_changes: int
    """How many the ledger has of them."""


@dataclass(slots=True)
class _Gathered:
    """Changes that follow each other; its upserts have one form."""

    upserts: list[Upsert] = field(default_factory=list)
    num_changes: int = 0
    num_rows: int = 0
    places: dict[str, int | None] = field(default_factory=dict)
    """The row of each product's last upsert, None where a delete came last; in the ledger's
    order."""

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
        """Take a change in; products that are not kept are of no account, its columns are."""
        self.num_changes += 1
        for i, (name, kept) in enumerate(zip(ids_of(change), keep, strict=True)):
            if kept:
                self.places.pop(name, None)
                self.places[name] = None if isinstance(change, Delete) else self.num_rows + i
        if isinstance(change, Upsert) and (any(keep) or not self.upserts):
            self.upserts.append(change)
            self.num_rows += len(change.products)

    def together(self, behind: Position) -> Run:
        """What they amount to; an upsert may be of no rows, and then tells its columns."""
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
        return Run(changes, behind, self.num_changes)


def merged(
    changes: Iterable[tuple[Change, Position]], latest: Mapping[str, Position] | None = None
) -> Iterator[Run]:
    """Runs of changes, in order.

    With `latest`, from `latest_of`, products of a change before their latest are left out.
    """
    run, behind = _Gathered(), None
    for change, position in changes:
        if behind is not None and (run.is_full or not run.fits(change)):
            yield run.together(behind)
            run = _Gathered()
        keep = [latest is None or latest.get(name, position) <= position for name in ids_of(change)]
        run.add(change, keep)
        behind = position
    if behind is not None:
        yield run.together(behind)


def latest_of(changes: Iterable[tuple[Change, Position]]) -> dict[str, Position]:
    """The position behind each product's last change."""
    return {name: position for change, position in changes for name in ids_of(change)}


def _form(upsert: Upsert) -> Form:
    vectors = {name: (x_BW.dtype, x_BW.shape[1]) for name, x_BW in upsert.vectors.items()}
    return upsert.products.schema, vectors
