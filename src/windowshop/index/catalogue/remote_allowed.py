"""Products that a search may return, where a server tests the filter.

Shapes: C candidates, K results, N keys.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from windowshop.data import Filter
from windowshop.engines import Allowed, best

FEW = 20_000
"""Up to so many allowed products, their keys are fetched instead of asked for."""
ASKED = 1_000
"""Candidates asked for at first; each time twice as many."""
NONE = np.zeros(0, dtype=np.int64)


class Asked(Protocol):
    """Columns on a server, which answer for the products that a condition allows."""

    @property
    def num_keys(self) -> int:
        """Number of keys given out."""
        ...

    def count_of(self, allowed: "RemoteAllowed") -> int:
        """Return the number of allowed products."""
        ...

    def keys_of(self, allowed: "RemoteAllowed") -> np.ndarray:
        """Return the keys of the allowed products, int64, rising."""
        ...

    def passes(self, allowed: "RemoteAllowed", keys_C: np.ndarray) -> np.ndarray:
        """Return which of the given keys are allowed, bool (C,)."""
        ...


class RemoteAllowed(Allowed):
    """Products that a search may return, as a condition that the server tests."""

    def __init__(
        self, columns: Asked, condition: object, where: Filter | None, excluded: np.ndarray = NONE
    ) -> None:
        """Take a condition in the server's terms, and keys that are not allowed besides."""
        object.__setattr__(self, "where", where)
        state: Mapping[str, object] = {
            "condition": condition,
            "excluded": excluded,
            "_columns": columns,
        }
        self.__dict__.update(state)

    condition: Any
    excluded: np.ndarray
    _columns: Asked

    @cached_property
    def count(self) -> int:
        """Return the number of allowed products."""
        return self._columns.count_of(self)

    @cached_property
    def mask_N(self) -> np.ndarray:  # noqa: N802
        """Bool by key, for channels of others; ours ask the server."""
        mask_N = np.zeros(self._columns.num_keys, dtype=bool)
        mask_N[self.keys()] = True
        return mask_N

    def keys(self) -> np.ndarray:
        """Return the keys of the allowed products, int64, rising."""
        return self._keys

    def passes(self, keys_C: np.ndarray) -> np.ndarray:
        """Return which keys are allowed, bool (C,)."""
        if "_keys" in self.__dict__:
            return np.isin(keys_C, self._keys)
        return self._columns.passes(self, keys_C)

    def candidates(self, keys_N: np.ndarray, has_N: np.ndarray) -> np.ndarray:
        """Return the places where `has_N` is true, int64, rising: the server tests them."""
        return np.flatnonzero(has_N)

    def best(
        self, keys_C: np.ndarray, scores_C: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the k best of C candidates that are allowed, in order, equal scores by key.

        Many candidates are asked for in the order of their scores, until enough are allowed.
        """
        if len(keys_C) > ASKED and self.where is not None and self.count <= FEW:
            self.keys()
        if len(keys_C) <= ASKED or "_keys" in self.__dict__:
            passes_C = self.passes(keys_C)
            return best(keys_C[passes_C], scores_C[passes_C], k)
        order = np.lexsort((keys_C, -scores_C))
        held: list[np.ndarray] = []
        start, size = 0, max(ASKED, 2 * k)
        while start < len(order) and sum(map(len, held)) < k:
            part = order[start : start + size]
            held.append(part[self.passes(keys_C[part])])
            start, size = start + size, 2 * size
        places = np.concatenate(held)
        return best(keys_C[places], scores_C[places], k)

    def without(self, keys: np.ndarray) -> Allowed:
        """Leave out products."""
        excluded = np.union1d(self.excluded, keys)
        return RemoteAllowed(self._columns, self.condition, self.where, excluded)

    @cached_property
    def _keys(self) -> np.ndarray:
        return self._columns.keys_of(self)
