"""Diagnostics, curves of damaged catalogues, and example queries.

Shapes: N products, D shared width, E experts.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from windowshop.data import BrokenImage, decode, locate, read_bytes
from windowshop.evaluation import (
    DEPTH,
    EXPERTS,
    Diagnostics,
    GateWeights,
    bootstrap,
    exclusive_matches,
    first,
    gate_weights,
    modality_gap,
    score_queries,
    uniformity,
    unretrieved_products,
)
from windowshop.model import CHUNK, TwoTower
from windowshop.study.results import CurvePoint, Example, ExampleProduct
from windowshop.study.systems import Queries, Run, product_ids
from windowshop.training import PreparedData

MATCH_DEPTHS = (10, 100)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of damaged products that curves are drawn over."""
CURVE_MEASURE = "ndcg@10"
EXAMPLE_DEPTH = 5
EXAMPLE_SIDE, EXAMPLE_QUALITY = 128, 82
"""Pixels of the longer side of an example's thumbnail, and its JPEG quality."""


def diagnose(
    prepared: PreparedData, model: TwoTower, run: Run, text_only: Run | None, test: Queries
) -> Diagnostics:
    """Return a trained system's diagnostics over the whole catalogue and the test queries."""
    source = prepared.data.products
    seen = _encode_catalogue(prepared, model)
    vectors = {"text": seen.text_ND, "image": seen.image_ND, "fused": seen.fused_NP}
    spread = {name: uniformity(x_ND) for name, x_ND in vectors.items()}
    exclusive: tuple[int, ...] = () if text_only is None else MATCH_DEPTHS
    parts = {"with image": source.has_image, "without image": ~source.has_image}
    return Diagnostics(
        modality_gap=modality_gap(seen.text_ND, seen.image_ND),
        uniformity={
            name: value
            for name, value in spread.items()
            if value is not None and np.isfinite(value)
        },
        gates=_gates(prepared, seen),
        exclusive=tuple(
            exclusive_matches(test.qrels, run, text_only or {}, test.threshold, depth)
            for depth in exclusive
        ),
        unretrieved=unretrieved_products(run, product_ids(prepared), parts, DEPTH),
    )


def curve(
    name: str,
    damaged: Mapping[float, PreparedData],
    rank: Callable[[PreparedData], Run],
    test: Queries,
) -> tuple[CurvePoint, ...]:
    """Return a variant's quality by share of damaged products, with intervals over queries."""
    points = []
    for share, prepared in damaged.items():
        scores = score_queries(test.qrels, rank(prepared), test.threshold)
        found = bootstrap(list(scores[CURVE_MEASURE].values()))
        points.append(
            CurvePoint(x=share, variant=name, mean=found.mean, low=found.low, high=found.high)
        )
    return tuple(points)


def examples(
    prepared: PreparedData, runs: Mapping[str, Run], query_ids: Sequence[str], test: Queries
) -> tuple[Example, ...]:
    """Return the first products of some queries under several variants, with thumbnails."""
    rows = dict(zip(product_ids(prepared), range(len(prepared.dataset.products)), strict=True))
    queries = {row["query_id"]: row for row in prepared.dataset.queries.iter_rows(named=True)}
    return tuple(
        Example(
            query=queries[query_id]["query"] or f"image {queries[query_id]['image']}",
            kind=str(queries[query_id].get("kind") or ""),
            columns={
                name: tuple(
                    _shown(prepared, rows[product], test.qrels[query_id].get(product), rank)
                    for rank, product in enumerate(first(run.get(query_id, {}), EXAMPLE_DEPTH), 1)
                )
                for name, run in runs.items()
            },
        )
        for query_id in query_ids
    )


def _shown(prepared: PreparedData, row: int, grade: int | None, rank: int) -> ExampleProduct:
    product = prepared.dataset.products.row(row, named=True)
    image = locate(prepared.dataset.root, product["image"]) if product["image"] else None
    usable = None if image is None or isinstance(image, BrokenImage) else image
    return ExampleProduct(
        title=product["title"] or product["product_id"],
        image=None if usable is None else thumbnail(usable),
        grade=grade,
        rank=rank,
    )


def thumbnail(path: Path) -> str | None:
    """Return an image file as a small JPEG `data:` address; None where it cannot be decoded."""
    data = read_bytes(path)
    if isinstance(data, BrokenImage):
        return None
    image = decode(data, min_side=EXAMPLE_SIDE)
    if isinstance(image, BrokenImage):
        return None
    image.thumbnail((EXAMPLE_SIDE, EXAMPLE_SIDE), Image.Resampling.LANCZOS)
    image.info = {}  # Pillow would carry over the file's comment
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=EXAMPLE_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Vectors and gate weights of the whole catalogue."""

    text_ND: np.ndarray
    image_ND: np.ndarray
    fused_NP: np.ndarray
    gate_NE: np.ndarray | None
    has_N2: np.ndarray


@torch.inference_mode()
def _encode_catalogue(prepared: PreparedData, model: TwoTower) -> _Encoded:
    """Encode the catalogue in one pass."""
    model.eval()
    source, parts, gates = prepared.data.products, [], []
    for start in range(0, len(source), CHUNK):
        items = np.arange(start, min(start + CHUNK, len(source)))
        products = model.encode_modalities(source.batch(items))
        fused_BP = model.fusion(products)
        parts.append((products.t_BD, products.v_BD, fused_BP, products.has_B2))
        gates.append(model.fusion.gate(products))
    text, image, fused, has = (torch.cat(tensors).numpy() for tensors in zip(*parts, strict=True))
    known = [gate_BE for gate_BE in gates if gate_BE is not None]
    return _Encoded(text, image, fused, torch.cat(known).numpy() if known else None, has)


def _gates(prepared: PreparedData, seen: _Encoded) -> tuple[GateWeights, ...]:
    """Return mean gate weights by category; empty for a fusion without such a gate."""
    if seen.gate_NE is None or seen.gate_NE.shape[1] != len(EXPERTS):
        return ()
    categories = prepared.dataset.products["category"].to_list()
    return gate_weights(seen.gate_NE, seen.has_N2, categories)
