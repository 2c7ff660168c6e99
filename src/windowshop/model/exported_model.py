"""A model without torch: products and queries with an image to vectors, by graphs of an export.

    EXPORT/text.onnx       token ids -> text features
    EXPORT/image.onnx      squares of pixels -> image features
    EXPORT/products.onnx   features of products -> vectors
    EXPORT/shown.onnx      features of queries with an image -> vectors
    EXPORT/towers.weights  weights that products.onnx and shown.onnx have in common

Shapes: B batch, M images, H feature width, P width of the compared vectors, D width of image
vectors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
from PIL import Image

from windowshop.config import CONFIG_FILE, load_config
from windowshop.data import FACTS, ImageInput
from windowshop.encoders import (
    GraphCache,
    ImageGraph,
    KeptFeatures,
    Modality,
    ProductFeatures,
    TextGraph,
    open_session,
)
from windowshop.errors import ExportError
from windowshop.files import EXPORT, require_files
from windowshop.model.query_encoder import TOKENIZER_FILE, ExportManifest
from windowshop.model.vectors import Features, IndexVectors, table_features
from windowshop.progress import Reporter

TEXT_FILE, IMAGE_FILE = "text.onnx", "image.onnx"
PRODUCTS_FILE, SHOWN_FILE = "products.onnx", "shown.onnx"
TOWER_WEIGHTS = "towers.weights"
TEXT, IMAGE, OWNER, HAS = "text", "image", "owner", "has"
FUSED, SHOWN, GATE = "fused", "shown", "gate"
"""Inputs and outputs of the graphs."""
CHUNK = 256
"""Products of a run; memory grows by their number times that of their images."""


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """Graphs of an export folder; encodes as `Retriever` does, up to rounding."""

    folder: Path
    """Model folder, where the export lies in one."""
    run_key: str
    """The run key of the model that was exported."""
    width: int
    """Width P of query and product vectors."""
    image_width: int | None
    """Width D of image vectors; None where the model looks at no product image."""
    _fingerprints: Mapping[Modality, str]
    _text: TextGraph
    _image: ImageGraph
    _features: Features
    _products: onnxruntime.InferenceSession
    _shown: onnxruntime.InferenceSession

    @classmethod
    def of(
        cls, folder: Path, run_key: str, width: int, about: Mapping[str, Any]
    ) -> "ExportedModel":
        """Load the graphs of a folder; `about` stands in its manifest as `encoders`."""
        text = TextGraph(folder / TEXT_FILE, folder / TOKENIZER_FILE)
        image = ImageGraph(folder / IMAGE_FILE)
        return cls(
            folder=folder.parent,
            run_key=run_key,
            width=width,
            image_width=about["image_vectors"],
            _fingerprints={"text": about["text"], "image": about["image"]},
            _text=text,
            _image=image,
            _features=Features(
                text.encode, image.encode, about["text_width"], about["image_width"], image.side
            ),
            _products=open_session(folder / PRODUCTS_FILE),
            _shown=open_session(folder / SHOWN_FILE),
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths that vectors may be cut to, the full one last, as its model folder says."""
        shape = load_config(self.folder / CONFIG_FILE).model
        return tuple(self.width // shape.width * width for width in shape.widths)

    @property
    def side(self) -> int:
        """Pixels that the image encoder looks at along each side."""
        return self._features.side

    def encode_queries(
        self, texts: Sequence[str | None] | None, images: Sequence[ImageInput | None] | None
    ) -> np.ndarray:
        """Return unit query vectors, float32 (B, P), of queries of which one has an image at least.

        Raises SearchError for a query with neither text nor image, or an unusable image.
        """
        return self._show(*self._features.of_queries(texts, images))[FUSED]

    def encode_images(self, images: Sequence[ImageInput]) -> np.ndarray:
        """Return unit vectors of query images, float32 (B, D), to compare with image vectors.

        Raises SearchError for an image that cannot be read.
        """
        assert self.image_width is not None
        if not images:
            return np.empty((0, self.image_width), dtype=np.float32)
        return self._show(*self._features.of_queries([None] * len(images), images))[SHOWN]

    def kept_features(self, cache: Path) -> KeptFeatures:
        """Return what a cache folder has of these encoders' features, for `encode_rows`."""
        return KeptFeatures(cache, self._fingerprints, self._widths)

    def read_products(
        self, table: pl.DataFrame, root: Path, cache: Path, reporter: Reporter
    ) -> ProductFeatures:
        """Encode a table in the products format for `encode_for_index`; `cache` keeps features.

        Those that torch left there are taken as they are.
        """
        graphs = GraphCache(self._text, self._image, self._fingerprints, self._widths, cache)
        return table_features(table, root, graphs, reporter)

    def encode_for_index(self, features: ProductFeatures, items: np.ndarray) -> IndexVectors:
        """Return vectors of the given rows of a table, of both spaces in one pass."""
        starts = range(0, max(len(items), 1), CHUNK)  # of no product, too
        parts = [self._vectors(features, items[start : start + CHUNK]) for start in starts]
        images = [part.image for part in parts if part.image is not None]
        gates = [part.gate for part in parts if part.gate is not None]
        return IndexVectors(
            np.concatenate([part.fused for part in parts]),
            np.concatenate(images) if images else None,
            np.concatenate(gates) if gates else None,
        )

    def encode_rows(
        self,
        table: pl.DataFrame,
        images: Sequence[Sequence[Image.Image | np.ndarray]],
        kept: KeptFeatures | None = None,
    ) -> IndexVectors:
        """Return vectors of a few products whose images are in memory, as `Retriever` does."""
        features = self._features.of_rows(table, images, kept)
        return self._vectors(features, np.arange(len(table)))

    @property
    def _widths(self) -> dict[Modality, int]:
        return {"text": self._features.text_width, "image": self._features.image_width}

    def _vectors(self, features: ProductFeatures, items: np.ndarray) -> IndexVectors:
        owner_BM, image_MH = _images(features, items)
        text, image = features.views[FACTS], features.image
        has_B2 = np.stack([text.present[items], image.present[items]], axis=1)
        found = self._run(
            self._products,
            {
                TEXT: text.gather(items),
                IMAGE: image_MH,
                OWNER: owner_BM,
                HAS: has_B2.astype(np.float32),
            },
        )
        shown = found[SHOWN] if self.image_width is not None else None
        return IndexVectors(found[FUSED], shown, found.get(GATE))

    def _show(
        self, text_BH: np.ndarray, image_BH: np.ndarray, has_B2: np.ndarray
    ) -> dict[str, np.ndarray]:
        return self._run(self._shown, {TEXT: text_BH, IMAGE: image_BH, HAS: has_B2})

    @staticmethod
    def _run(
        session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        feed = {part.name: inputs[part.name] for part in session.get_inputs()}
        names = [part.name for part in session.get_outputs()]
        return dict(zip(names, session.run(names, feed), strict=True))


def open_exported_model(folder: Path, manifest: ExportManifest) -> ExportedModel:
    """Open the graphs of an export that `open_query_encoder` has opened.

    Raises ExportError where the export encodes queries of text alone, or they are damaged.
    """
    if manifest.encoders is None:
        raise ExportError(f"{folder}: encodes queries of text alone ({manifest.queries_alone}).")
    parts = (TEXT_FILE, IMAGE_FILE, PRODUCTS_FILE, SHOWN_FILE, TOWER_WEIGHTS)
    require_files(folder, EXPORT, *parts)
    return ExportedModel.of(folder, manifest.model_key, manifest.width, manifest.encoders)


def _images(features: ProductFeatures, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return 1 where an image is a product's (B, M), and features of all images (M, H)."""
    place_B = np.arange(len(items))
    image_MH, owner_M = features.image.gather(items), place_B
    if features.further is not None:
        further_MH, further_M = features.further.gather(items)
        image_MH = np.concatenate([image_MH, further_MH])
        owner_M = np.concatenate([owner_M, further_M])
    return (place_B[:, np.newaxis] == owner_M).astype(np.float32), image_MH
