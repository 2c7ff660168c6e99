"""Products pinned to a place of the ranking.

Shapes: M products of a ranking, P pinned ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Pin:
    """A product and its place, from 1."""

    key: int
    place: int


def rows_of(pins: Sequence[Pin], keys_M: np.ndarray) -> dict[int, int]:
    """Return key -> row of the pinned products among M keys."""
    if not pins:
        return {}
    rows = np.flatnonzero(np.isin(keys_M, np.array([pin.key for pin in pins], dtype=np.int64)))
    return dict(zip(keys_M[rows].tolist(), rows.tolist(), strict=True))


def with_pins(rows_M: np.ndarray, pinned_P: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """Insert pinned rows at their rising places; returns (M + P,).

    A row whose place is taken goes right behind it, one beyond the end goes to the end.
    """
    if not len(pinned_P):
        return rows_M
    total = len(rows_M) + len(pinned_P)
    at, last = np.empty(len(pinned_P), dtype=np.int64), -1
    for i, place in enumerate(places):
        # Those that come after it need a place as well.
        last = min(max(place - 1, last + 1), total - (len(pinned_P) - i))
        at[i] = last
    free = np.ones(total, dtype=bool)
    free[at] = False
    ranked = np.empty(total, dtype=np.int64)
    ranked[at], ranked[free] = pinned_P, rows_M
    return ranked
