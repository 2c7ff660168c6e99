"""A trained model, loaded: queries and products in, unit vectors out.

Shapes: B batch, N products, P width of query and product vectors, D width of image vectors.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image

from windowshop.config import CONFIG_FILE, FUSED, TrainConfig, load_config
from windowshop.data import (
    ImageInput,
)
from windowshop.encoders import (
    FeatureCache,
    ImageEncoder,
    KeptFeatures,
    ProductFeatures,
    TextEncoder,
    load_image_encoder,
    load_text_encoder,
)
from windowshop.files import MODEL, require_files
from windowshop.model.batches import CHUNK, ProductSource, QueryBatch
from windowshop.model.checkpoint import (
    Manifest,
    System,
    encoder_folder,
    load_manifest,
    load_towers,
)
from windowshop.model.two_tower import TwoTower
from windowshop.model.vectors import Features, IndexVectors, table_features
from windowshop.progress import Reporter, SilentReporter


@dataclass(frozen=True, slots=True)
class ProductVectors:
    """Vectors of a product table, with counts of unreadable images."""

    vectors: np.ndarray
    """float32 (N, P), unit length; zero for a product with neither text nor a usable image."""
    broken_images: Counter[str]


@dataclass(frozen=True, slots=True)
class Retriever:
    """Encoders and towers of a model folder; made by `windowshop.load`."""

    folder: Path
    manifest: Manifest
    config: TrainConfig
    towers: TwoTower
    text: TextEncoder
    image: ImageEncoder
    device: str
    """Device of the encoders, as given to `load`."""

    @property
    def run_key(self) -> str:
        """Return the model's run key."""
        return self.manifest.run_key

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths that vectors may be cut to, the full one last."""
        return self.towers.widths

    @property
    def width(self) -> int:
        """Width P of query and product vectors."""
        return self.towers.width

    @property
    def side(self) -> int:
        """Pixels that the image encoder looks at along each side."""
        return self.image.side

    @property
    def image_width(self) -> int | None:
        """Width D of image vectors; None where the model looks at no product image."""
        return self.towers.config.width if self.towers.fusion.uses_image else None

    def encode_queries(
        self,
        texts: Sequence[str | None] | None = None,
        images: Sequence[ImageInput | None] | None = None,
    ) -> np.ndarray:
        """Return unit query vectors, float32 (B, P).

        Query i has `texts[i]`, `images[i]` (a path, a file's bytes, or a PIL image), or both.
        Raises SearchError for a query with neither and for an image that cannot be read.
        """
        text_BH, image_BH, has_B2 = self._features.of_queries(texts, images)
        if len(has_B2) == 0:
            return np.empty((0, self.width), dtype=np.float32)
        batch = QueryBatch(
            torch.from_numpy(text_BH), torch.from_numpy(image_BH), torch.from_numpy(has_B2)
        )
        with torch.inference_mode():
            return self.towers.encode_queries(batch).numpy()

    def encode_images(self, images: Sequence[ImageInput]) -> np.ndarray:
        """Return unit vectors of query images, float32 (B, D), to compare with image vectors.

        Raises SearchError for an image that cannot be read.
        """
        if not images:
            return np.empty((0, self.towers.config.width), dtype=np.float32)
        batch = QueryBatch(
            torch.zeros(len(images), self.text.layout.width),
            torch.from_numpy(self._features.of_images(images)),
            torch.tensor([0.0, 1.0]).expand(len(images), 2),
        )
        with torch.inference_mode():
            return self.towers.embed_queries(batch).numpy()

    def encode_products(
        self,
        table: pl.DataFrame,
        root: str | Path = ".",
        *,
        cache: str | Path | None = None,
        reporter: Reporter | None = None,
    ) -> ProductVectors:
        """Return unit product vectors of a table in the products format, row by row.

        `image` paths are below `root`. With a `cache` folder, features are kept there and a
        product that has not changed is not encoded again.
        """
        with tempfile.TemporaryDirectory(prefix="windowshop-") as scratch:
            folder = Path(cache) if cache is not None else Path(scratch)
            features = self.read_products(table, Path(root), folder, reporter or SilentReporter())
            vectors = self.encode_for_index(features, np.arange(len(table))).fused
            return ProductVectors(vectors, features.broken_images)

    def read_products(
        self, table: pl.DataFrame, root: Path, cache: Path, reporter: Reporter
    ) -> ProductFeatures:
        """Encode a table in the products format for `encode_for_index`; `cache` keeps features."""
        return table_features(table, root, FeatureCache(self.text, self.image, cache), reporter)

    @torch.inference_mode()
    def encode_for_index(self, features: ProductFeatures, items: np.ndarray) -> IndexVectors:
        """Return vectors of the given rows of a table, of both spaces in one pass."""
        self.towers.eval()
        source = ProductSource(features)
        fused, image, gates = [], [], []
        for start in range(0, max(len(items), 1), CHUNK):  # of no product, too
            modalities = self.towers.encode_modalities(source.batch(items[start : start + CHUNK]))
            fused.append(self.towers.fusion(modalities).numpy())
            image.append(modalities.v_BD.numpy())
            gate_BE = self.towers.fusion.gate(modalities)
            gates += [] if gate_BE is None else [gate_BE[:, :2].numpy()]
        return IndexVectors(
            np.concatenate(fused),
            np.concatenate(image) if self.image_width is not None else None,
            np.concatenate(gates) if gates else None,
        )

    def kept_features(self, cache: Path) -> KeptFeatures:
        """Return what a cache folder has of these encoders' features, for `encode_rows`."""
        return KeptFeatures(
            cache,
            {"text": self.text.fingerprint, "image": self.image.fingerprint},
            {"text": self.text.layout.width, "image": self.image.layout.width},
        )

    def encode_rows(
        self,
        table: pl.DataFrame,
        images: Sequence[Sequence[Image.Image | np.ndarray]],
        kept: KeptFeatures | None = None,
    ) -> IndexVectors:
        """Return vectors of a few products whose images are in memory; adds nothing to a cache.

        `images` has the usable ones of each row, first the most important, each RGB or its
        features. Texts that are `kept` are not encoded. The vectors are those that an index of the
        same products has, up to rounding.
        """
        features = self._features.of_rows(table, images, kept)
        return self.encode_for_index(features, np.arange(len(table)))

    @property
    def _features(self) -> Features:
        return Features(
            self.text.encode,
            self.image.encode,
            self.text.layout.width,
            self.image.layout.width,
            self.image.side,
        )


def load(path: str | Path, device: str = "auto") -> Retriever:
    """Load a model folder; raises ModelError where it is not one, or damaged."""
    folder = Path(path)
    require_files(folder, MODEL, CONFIG_FILE, "encoders")
    manifest = load_manifest(folder)
    tokens = manifest.has_tokens
    return Retriever(
        folder=folder,
        manifest=manifest,
        config=load_config(folder / CONFIG_FILE),
        towers=load_towers(folder),
        text=load_text_encoder(str(folder / "encoders" / "text"), device, tokens=tokens),
        image=load_image_encoder(str(folder / "encoders" / "image"), device, tokens=tokens),
        device=device,
    )


def load_system(model: Retriever, name: str) -> System:
    """Return the model itself ("fused") or a baseline, with the encoders that it reads."""
    if name == FUSED:
        return System(model.towers, model.text, model.image)
    require_files(model.folder, MODEL, f"baselines/{name}")
    text = encoder_folder(model.folder, "text", name)
    image = encoder_folder(model.folder, "image", name)
    shared = model.folder / "encoders"
    device, tokens = model.device, model.manifest.has_tokens
    return System(
        towers=load_towers(model.folder, name),
        text=model.text
        if text.parent == shared
        else load_text_encoder(str(text), device, tokens=tokens),
        image=model.image
        if image.parent == shared
        else load_image_encoder(str(image), device, tokens=tokens),
    )
