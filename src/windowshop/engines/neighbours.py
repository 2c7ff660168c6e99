"""Exact nearest products by inner product, computed with torch in blocks.

Shapes: Q queries, N products, D width, K results.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # an index handles neighbours without torch
    from torch import Tensor

BLOCK = 65_536
QUERY_BLOCK = 1024
"""Products and queries scored at a time; bounds memory at QUERY_BLOCK x BLOCK scores."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Best K rows for each query, best first."""

    rows: np.ndarray
    """Product rows, int64 (Q, K); -1 where fewer than K products are allowed."""
    scores: np.ndarray
    """Cosines, float32 (Q, K)."""


def nearest(
    query_QD: np.ndarray, product_ND: np.ndarray, k: int, allowed_N: np.ndarray | None = None
) -> Neighbours:
    """Find the k products with the largest inner product; equal scores go to the lower row.

    `allowed_N` (bool) restricts the products. K is the smaller of k and N.
    """
    k = min(k, len(product_ND))
    chunks = range(0, max(1, len(query_QD)), QUERY_BLOCK)
    found = [_nearest(query_QD[i : i + QUERY_BLOCK], product_ND, k, allowed_N) for i in chunks]
    rows_QK, scores_QK = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Neighbours(rows_QK, scores_QK)


def _nearest(
    query_QD: np.ndarray, product_ND: np.ndarray, k: int, allowed_N: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    import torch

    queries = torch.from_numpy(np.ascontiguousarray(query_QD, dtype=np.float32))
    rows_QK = torch.empty((len(queries), 0), dtype=torch.int64)
    scores_QK = torch.empty((len(queries), 0))
    for start in range(0, len(product_ND), BLOCK):
        block = torch.from_numpy(np.array(product_ND[start : start + BLOCK], dtype=np.float32))
        scores = queries @ block.T
        if allowed_N is not None:
            refused = torch.from_numpy(~allowed_N[start : start + BLOCK])
            scores.masked_fill_(refused, -torch.inf)
        top_scores, top_rows = _top(scores, k)
        rows_QK = torch.cat([rows_QK, top_rows + start], dim=1)
        scores_QK = torch.cat([scores_QK, top_scores], dim=1)
    rows, scores_out = rows_QK.numpy(), scores_QK.numpy()
    order = np.lexsort((rows, -scores_out), axis=1)[:, :k]
    rows = np.take_along_axis(rows, order, axis=1)
    scores_out = np.take_along_axis(scores_out, order, axis=1)
    return np.where(np.isneginf(scores_out), -1, rows), scores_out


def _top(scores_QN: "Tensor", k: int) -> "tuple[Tensor, Tensor]":
    """Return the k best scores of each row and their columns, lower columns first if equal."""
    values, columns = scores_QN.topk(min(k + 1, scores_QN.shape[1]), dim=1)
    if values.shape[1] > k:
        # Where scores equal to the last one are left out, topk has kept any of them.
        tied_Q = (values[:, k - 1] == values[:, k]) & ~values[:, k].isneginf()
        for i in tied_Q.nonzero().flatten().tolist():
            candidates = (scores_QN[i] >= values[i, k]).nonzero().flatten()
            best = scores_QN[i, candidates].sort(descending=True, stable=True).indices[:k]
            columns[i, :k] = candidates[best]
            values[i, :k] = scores_QN[i, candidates[best]]
    return values[:, :k], columns[:, :k]
