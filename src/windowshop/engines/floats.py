"""Vectors of a small catalogue as float32 in memory: one product scores them all.

For some ten thousand products that is faster than codes, whose search has a cost of its own.

Shapes: Q queries, N keys, K results, D width.
"""

import numpy as np

from windowshop.engines.originals import Originals

GROWTH = 1.5


class Floats:
    """The rows of one vector's name. Many may search while one catches up."""

    def __init__(self, originals: Originals) -> None:
        self._originals = originals
        self._buffer_ND = originals.read(np.arange(len(originals)))
        self._rows_ND = self._buffer_ND
        """What searches see; replaced whole, so that each sees one state."""

    def catch_up(self) -> None:
        """Add the rows that the originals have more."""
        start, end = len(self._rows_ND), len(self._originals)
        if end > len(self._buffer_ND):
            buffer_ND = np.empty((int(end * GROWTH), self._originals.width), dtype=np.float32)
            buffer_ND[:start] = self._rows_ND
            self._buffer_ND = buffer_ND
        self._buffer_ND[start:end] = self._originals.read(np.arange(start, end))
        self._rows_ND = self._buffer_ND[:end]

    def nearest(self, query_QD: np.ndarray, k: int, usable_N: np.ndarray) -> np.ndarray:
        """The k nearest usable keys for each query, (Q, K), in no order; K is less where fewer are.

        Nearest up to the rounding of float32: the engine scores them again.
        """
        rows_ND = self._rows_ND
        unusable_N = np.ones(len(rows_ND), dtype=bool)
        unusable_N[: len(usable_N)] = ~usable_N
        k = min(k, len(rows_ND) - int(np.count_nonzero(unusable_N)))
        scores_QN = query_QD @ rows_ND.T
        scores_QN[:, unusable_N] = -np.inf
        nearest_QK: np.ndarray = np.argpartition(scores_QN, len(rows_ND) - k, axis=1)[:, -k:]
        return nearest_QK

    def calibrate(self) -> None:
        """There is nothing to fit."""

    def flush(self) -> None:
        """There is nothing to keep: the originals are on the disk."""
