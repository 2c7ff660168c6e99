"""Vectors of a small catalogue as float16 in memory, scored by one matrix product.

For some ten thousand products that is faster than codes, whose search has a fixed cost. Memory
bandwidth bounds the time, so float16 halves it, and the originals are no more exact.

Shapes: Q queries, N keys, C usable ones, K results, D width.
"""

import numkong
import numpy as np

from windowshop.engines.base import FEW, as_type, best, stack
from windowshop.engines.neighbours import Neighbours
from windowshop.engines.originals import Originals

GROWTH = 1.5


class Floats:
    """Rows of one vector name; many threads may search while one catches up."""

    def __init__(self, originals: Originals) -> None:
        self._originals = originals
        self._buffer_ND = as_type(originals.read(np.arange(len(originals))), np.float16)
        self._rows_ND = self._buffer_ND
        """Rows that searches read; replaced whole, so that each search sees one state."""

    def catch_up(self) -> None:
        """Add the rows that only the originals have."""
        start, end = len(self._rows_ND), len(self._originals)
        if end > len(self._buffer_ND):
            buffer_ND = np.empty((int(end * GROWTH), self._originals.width), dtype=np.float16)
            buffer_ND[:start] = self._rows_ND
            self._buffer_ND = buffer_ND
        added_BD = self._originals.read(np.arange(start, end))
        self._buffer_ND[start:end] = as_type(added_BD, np.float16)
        self._rows_ND = self._buffer_ND[:end]

    def search(self, query_QD: np.ndarray, k: int, usable_N: np.ndarray) -> Neighbours:
        """Return the k nearest usable keys to each query, (Q, K)."""
        rows_ND = self._rows_ND
        keys_C = np.flatnonzero(usable_N[: len(rows_ND)])
        if len(keys_C) <= FEW:
            scores_QC = _dot(query_QD, rows_ND[keys_C])
        else:
            scores_QN = _dot(query_QD, rows_ND)
            scores_QC = scores_QN if len(keys_C) == len(rows_ND) else scores_QN[:, keys_C]
        return stack([best(keys_C, scores_C, k) for scores_C in scores_QC], k)

    def calibrate(self) -> None:
        """Do nothing: there is nothing to fit."""

    def flush(self) -> None:
        """Do nothing: the originals are on the disk."""


def _dot(query_QD: np.ndarray, rows_ND: np.ndarray) -> np.ndarray:
    """Return dot products of float16 vectors, summed as float32, (Q, N)."""
    if not len(query_QD) or not len(rows_ND):
        return np.empty((len(query_QD), len(rows_ND)), dtype=np.float32)
    products = numkong.cdist(as_type(query_QD, np.float16), rows_ND, "dot")
    return np.asarray(products, dtype=np.float32).reshape(len(query_QD), len(rows_ND))
