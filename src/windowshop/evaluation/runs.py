"""Vectors of a model from encoded features, and the rankings that they give.

Shapes: Q queries, N products, D shared width, P width of the vectors that are compared.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from windowshop.engines import nearest
from windowshop.evaluation.metrics import DEPTH
from windowshop.model import CHUNK, ProductSource, QuerySource, TwoTower


@torch.inference_mode()
def product_vectors(model: TwoTower, source: ProductSource, items: np.ndarray) -> np.ndarray:
    """Return fused vectors of the given products, float32 (N, P)."""
    return _in_chunks(model, model.encode_products, source, items)


@torch.inference_mode()
def query_vectors(model: TwoTower, source: QuerySource, items: np.ndarray) -> np.ndarray:
    """Return vectors of the given queries to compare with fused ones, float32 (Q, P)."""
    return _in_chunks(model, model.encode_queries, source, items)


@torch.inference_mode()
def shared_query_vectors(model: TwoTower, source: QuerySource, items: np.ndarray) -> np.ndarray:
    """Return vectors of the given queries to compare with those of one modality, float32 (Q, D)."""
    return _in_chunks(model, model.embed_queries, source, items)


def _in_chunks(
    model: TwoTower,
    encode: Callable[[Any], Tensor],
    source: ProductSource | QuerySource,
    items: np.ndarray,
) -> np.ndarray:
    model.eval()
    parts = [
        encode(source.batch(items[start : start + CHUNK]).to(model.device)).cpu().numpy()
        for start in range(0, max(len(items), 1), CHUNK)  # of no query, too
    ]
    return np.concatenate(parts)


@torch.inference_mode()
def modality_vectors(
    model: TwoTower, source: ProductSource, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return text vectors and image vectors of the given products, each float32 (N, D)."""
    model.eval()
    shape = len(items), model.config.width
    text_ND, image_ND = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    for start in range(0, len(items), CHUNK):
        batch = source.batch(items[start : start + CHUNK]).to(model.device)
        chunk = model.encode_modalities(batch)
        text_ND[start : start + CHUNK] = chunk.t_BD.cpu().numpy()
        image_ND[start : start + CHUNK] = chunk.v_BD.cpu().numpy()
    return text_ND, image_ND


def normalised(x_ND: np.ndarray) -> np.ndarray:
    """Return rows of length 1; a zero row stays zero."""
    length_N1 = np.linalg.norm(x_ND, axis=1, keepdims=True)
    return np.asarray(x_ND / np.maximum(length_N1, 1e-12))


def make_run(
    query_QD: np.ndarray,
    query_ids: list[str],
    product_ND: np.ndarray,
    product_ids: list[str],
    has_any_N: np.ndarray | None = None,
) -> dict[str, dict[str, float]]:
    """Rank all products for each query; returns query_id -> product_id -> score.

    A zero query finds nothing. Products that are false in `has_any_N`, by default the zero ones,
    are not found.
    """
    found = nearest(
        query_QD, product_ND, DEPTH, present(product_ND) if has_any_N is None else has_any_N
    )
    run: dict[str, dict[str, float]] = {}
    ranked = zip(query_ids, present(query_QD), found.rows, found.scores, strict=True)
    for query_id, has_any, rows, scores in ranked:
        pairs = zip(rows, scores, strict=True) if has_any else ()
        run[query_id] = {product_ids[row]: float(score) for row, score in pairs if row >= 0}
    return run


def present(x_ND: np.ndarray) -> np.ndarray:
    """Return which rows are not zero, bool (N,)."""
    return np.asarray(x_ND.any(axis=1))
