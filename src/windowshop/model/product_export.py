"""A model's path from product to vectors, and from queries with an image, as ONNX graphs.

Shapes: B batch, M images, H feature width, P width of the compared vectors, D width of image
vectors, T tokens.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from windowshop.data import PRODUCT_SCHEMA
from windowshop.encoders import (
    EXACT_COSINE,
    lowest_cosine,
    write_encoder_graph,
    write_graph,
)
from windowshop.errors import ExportError
from windowshop.model.batches import QueryBatch
from windowshop.model.exported_model import (
    FUSED,
    GATE,
    HAS,
    IMAGE,
    IMAGE_FILE,
    OWNER,
    PRODUCTS_FILE,
    SHOWN,
    SHOWN_FILE,
    TEXT,
    TEXT_FILE,
    ExportedModel,
)
from windowshop.model.retriever import Retriever
from windowshop.model.two_tower import TwoTower

FOUR_KINDS = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
"""Modalities that products may have: text and image, one of them, none."""
GATE_TOLERANCE = 1e-3
"""Largest difference of a gate's weights with which a graph is accepted."""


class ProductPath(nn.Module):
    """Product tower and fusion; a product's images are given by a matrix."""

    def __init__(self, towers: TwoTower) -> None:
        super().__init__()
        self.towers = towers

    def forward(
        self, text_BH: Tensor, image_MH: Tensor, owner_BM: Tensor, has_B2: Tensor
    ) -> tuple[Tensor, ...]:
        """Return fused vectors (B, P), image vectors (B, D) and, if there is one, a gate (B, 2).

        `owner_BM` has 1 where an image is a product's.
        """
        fusion = self.towers.fusion
        products = self.towers.modalities(
            text_BH, has_B2, lambda: self._encode_images(image_MH, owner_BM)
        )
        gate_BE = fusion.gate(products)
        gate = () if gate_BE is None else (gate_BE[:, :2],)
        return fusion(products), products.v_BD, *gate

    def _encode_images(self, image_MH: Tensor, owner_BM: Tensor) -> tuple[Tensor, Tensor | None]:
        towers = self.towers
        standard_MH = towers.image.standardise(image_MH)
        image_MD = towers.image.project(standard_MH)
        share_BM = towers.pooling.share_matrix(image_MD, owner_BM)
        v_BD = F.normalize(share_BM @ image_MD, dim=-1)
        if not towers.fusion.needs_tokens:
            return v_BD, None
        token_MTD = towers.image_tokens(image_MH, standard_MH)
        pooled_BX = share_BM @ token_MTD.flatten(1)
        return v_BD, pooled_BX.unflatten(1, token_MTD.shape[1:])


class ShownPath(nn.Module):
    """Query tower for queries of which one has an image at least."""

    def __init__(self, towers: TwoTower) -> None:
        super().__init__()
        self.towers = towers

    def forward(self, text_BH: Tensor, image_BH: Tensor, has_B2: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors to compare with fused ones (B, P), and with those of images (B, D)."""
        batch = QueryBatch(text_BH, image_BH, has_B2)
        return self.towers.encode_queries(batch), self.towers.embed_queries(batch)


def write_products(model: Retriever, folder: Path, cache: Path | None) -> dict[str, Any]:
    """Write the graphs of `exported_model` into an export; returns what its manifest says of them.

    Graphs of the encoders that a feature cache has are taken from it. Raises ExportError where the
    model's encoders cannot be exported.
    """
    write_encoder_graph(model.text, folder / TEXT_FILE, cache)
    write_encoder_graph(model.image, folder / IMAGE_FILE, cache)
    towers = model.towers.eval()
    text_BH = torch.zeros(4, model.text.layout.width)
    image_MH = torch.zeros(5, model.image.layout.width)
    owner_BM = torch.eye(4, 5)
    owner_BM[0, 4] = 1
    sizes = {0: "B"}
    gate = [] if _gate_of(towers, text_BH, image_MH) is None else [GATE]
    write_graph(
        ProductPath(towers),
        (text_BH, image_MH, owner_BM, FOUR_KINDS),
        folder / PRODUCTS_FILE,
        [TEXT, IMAGE, OWNER, HAS],
        [FUSED, SHOWN, *gate],
        {TEXT: sizes, IMAGE: {0: "M"}, OWNER: {0: "B", 1: "M"}, HAS: sizes}
        | {name: sizes for name in (FUSED, SHOWN, *gate)},
    )
    write_graph(
        ShownPath(towers),
        (text_BH[:3], image_MH[:3], FOUR_KINDS[:3]),
        folder / SHOWN_FILE,
        [TEXT, IMAGE, HAS],
        [FUSED, SHOWN],
        {name: sizes for name in (TEXT, IMAGE, HAS, FUSED, SHOWN)},
    )
    return {
        "text": model.text.fingerprint,
        "image": model.image.fingerprint,
        "text_width": model.text.layout.width,
        "image_width": model.image.layout.width,
        "image_vectors": model.image_width,
    }


def check_products(model: Retriever, exported: ExportedModel) -> float:
    """Return the lowest cosine of an export's vectors to the model's.

    Raises ExportError where it is below EXACT_COSINE.
    """
    table, images = _examples(model.image.side)
    expected, found = model.encode_rows(table, images), exported.encode_rows(table, images)
    pairs = [(expected.fused, found.fused)]
    if expected.image is not None and found.image is not None:
        pairs.append((expected.image, found.image))
    texts, shown = ["red shoe", None, "a blue hat", None], [row[0] for row in images[:1]] * 2
    queries = [None, *shown, images[4][0]]
    pairs.append((model.encode_queries(texts, queries), exported.encode_queries(texts, queries)))
    if model.image_width is not None:
        pairs.append((model.encode_images(shown), exported.encode_images(shown)))
    lowest = min(
        lowest_cosine(one[has], other[has]) for one, other in pairs if (has := one.any(1)).any()
    )
    is_absent = all(not other[~one.any(1)].any() for one, other in pairs)
    same_gate = expected.gate is found.gate is None or (
        expected.gate is not None
        and found.gate is not None
        and np.allclose(expected.gate, found.gate, atol=GATE_TOLERANCE)
    )
    if not (lowest >= EXACT_COSINE and is_absent and same_gate):  # so that NaN is refused too
        raise ExportError(f"its graphs differ from the model (lowest cosine {lowest:.4f}).")
    return lowest


def _gate_of(towers: TwoTower, text_BH: Tensor, image_MH: Tensor) -> Tensor | None:
    path = ProductPath(towers)
    with torch.inference_mode():
        found = path(text_BH, image_MH[:4], torch.eye(4), FOUR_KINDS)
    return found[2] if len(found) > 2 else None


def _examples(side: int) -> tuple[pl.DataFrame, list[list[Image.Image]]]:
    """Products with text, images, several of them, both and nothing."""
    chance = np.random.default_rng(0)

    def draw() -> Image.Image:
        colour = chance.integers(256, size=3)
        pixels = np.clip(colour + chance.normal(scale=30, size=(side, side, 3)), 0, 255)
        return Image.fromarray(pixels.astype(np.uint8))

    titles = ["red leather shoes", "blue cotton shirt for men", None, None, "green tea, 5 l"]
    images = [[draw()], [], [draw()], [], [draw(), draw(), draw()]]
    table = pl.DataFrame({"product_id": list("abcde"), "title": titles})
    absent = [
        pl.lit(None, dtype=pl.String).alias(n) for n in PRODUCT_SCHEMA if n not in table.columns
    ]
    return table.with_columns(absent), images
