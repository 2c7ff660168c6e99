"""Queries and products on their way to vectors, without torch: what a model reads, what it gives.

Shapes: B batch, N products, M images, H feature width, P width of query and product vectors,
D width of image vectors.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from windowshop.data import (
    FACTS,
    PRODUCT_SCHEMA,
    BrokenImage,
    ImageInput,
    decode,
    product_views,
    read_bytes,
)
from windowshop.encoders import (
    CachedFeatures,
    Encode,
    FeatureTable,
    KeptFeatures,
    ProductFeatures,
    first_and_further,
    product_features,
)
from windowshop.errors import DataError, SearchError
from windowshop.progress import Reporter


@dataclass(frozen=True, slots=True)
class IndexVectors:
    """Vectors of some products in each space that is searched."""

    fused: np.ndarray
    """float32 (N, P), unit length; zero for a product with neither text nor a usable image."""
    image: np.ndarray | None
    """float32 (N, D), unit length; zero for a product without a usable image. None where the model
    looks at no images."""
    gate: np.ndarray | None
    """float32 (N, 2): how much text alone and the image alone weigh in `fused`; what is left to 1
    weighs both at once. None under a fusion that weighs every product alike."""


@dataclass(frozen=True, slots=True)
class Features:
    """How a model's encoders read texts and images."""

    encode_texts: Encode
    encode_images: Encode
    text_width: int
    image_width: int
    side: int
    """Pixels that the image encoder looks at along each side."""

    def of_queries(
        self,
        texts: Sequence[str | None] | None,
        images: Sequence[ImageInput | None] | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return text features (B, H), image features (B, H) and what each query has (B, 2).

        Raises SearchError for a query with neither and for an image that cannot be read.
        """
        batch_size = len(texts) if texts is not None else len(images or [])
        all_texts = list(texts) if texts is not None else [None] * batch_size
        all_images = list(images) if images is not None else [None] * batch_size
        if len(all_texts) != len(all_images):
            raise SearchError(
                f"found {len(all_texts)} texts and {len(all_images)} images; give as many of each, "
                "with None where a query has none."
            )
        pairs = zip(all_texts, all_images, strict=True)
        has = [(bool(text and text.strip()), image is not None) for text, image in pairs]
        has_B2 = np.array(has, dtype=np.float32).reshape(batch_size, 2)
        empty = np.flatnonzero(has_B2.sum(axis=1) == 0)
        if len(empty):
            raise SearchError(f"query {empty[0]} has neither text nor an image; give at least one.")
        text_BH = np.zeros((batch_size, self.text_width), dtype=np.float32)
        image_BH = np.zeros((batch_size, self.image_width), dtype=np.float32)
        with_text, with_image = np.flatnonzero(has_B2[:, 0]), np.flatnonzero(has_B2[:, 1])
        if len(with_text):
            text_BH[with_text] = self.encode_texts([all_texts[i] or "" for i in with_text])
        if len(with_image):
            image_BH[with_image] = self.of_images([all_images[i] for i in with_image])
        return text_BH, image_BH, has_B2

    def of_images(self, images: Sequence[ImageInput | None]) -> np.ndarray:
        """Return features of query images (B, H); raises SearchError for one that is unusable."""
        return self.encode_images([open_image(image, self.side) for image in images])

    def of_rows(
        self,
        table: pl.DataFrame,
        images: Sequence[Sequence[Image.Image | np.ndarray]],
        kept: KeptFeatures | None = None,
    ) -> ProductFeatures:
        """Return features of a few products whose images are in memory, rounded as in a cache.

        `images` has the usable ones of each row, first the most important, each RGB or its
        features. Texts that are `kept` are not encoded.
        """
        texts = [text or None for text in product_views(table, [FACTS])[FACTS]]
        given = _known(texts, kept) if kept else texts
        none: Sequence[Image.Image | np.ndarray | None] = [None]
        every = [item for row in images for item in row or none]
        owner = np.repeat(np.arange(len(images)), [max(1, len(row)) for row in images])
        pictures = _table(self.encode_images, self.image_width, every)
        image, further = first_and_further(pictures, owner, len(table))
        views = {FACTS: _table(self.encode_texts, self.text_width, given)}
        return ProductFeatures(views, image, Counter(), further)


def table_features(
    table: pl.DataFrame, root: Path, cache: CachedFeatures, reporter: Reporter
) -> ProductFeatures:
    """Return features of a table in the products format, whose images lie below `root`.

    Raises DataError where it has neither titles nor images.
    """
    absent = [n for n in PRODUCT_SCHEMA if n not in table.columns]
    if "title" in absent and "image" in absent:
        raise DataError(f"the table needs a `title` or an `image`, found {table.columns}.")
    table = table.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    return product_features(table, root, cache, reporter, [FACTS])


def _known(texts: Sequence[str | None], kept: KeptFeatures) -> list[str | np.ndarray | None]:
    """Return the features of each text, or the text itself where they are not kept."""
    found = kept.of("text", [(text or "").encode() for text in texts])
    return [
        text if text is None or features is None else features
        for text, features in zip(texts, found, strict=True)
    ]


def _table(encode: Encode, width: int, items: Sequence[Any]) -> FeatureTable:
    """Features of texts or images, None where an item is absent, rounded as a cache does.

    An item may be its features already.
    """
    present = [item for item in items if item is not None]
    has = np.array([item is not None for item in items], dtype=bool)
    is_known = np.array([isinstance(item, np.ndarray) for item in present], dtype=bool)
    stored = np.empty((len(present), width), dtype=np.float16)
    for place in np.flatnonzero(is_known):
        stored[place] = present[place]
    todo = [item for item in present if not isinstance(item, np.ndarray)]
    if todo:
        stored[~is_known] = encode(todo)
    return FeatureTable(stored, np.where(has, np.cumsum(has) - 1, -1), "")


def open_image(source: ImageInput | None, min_side: int) -> Image.Image:
    """Open a query image as RGB; raises SearchError where it cannot be used."""
    if isinstance(source, Image.Image):
        return source.convert("RGB")
    content = source if isinstance(source, bytes) else read_bytes(Path(source or ""))
    image = content if isinstance(content, BrokenImage) else decode(content, min_side)
    if isinstance(image, BrokenImage):
        name = "the image" if isinstance(source, bytes) else str(source)
        raise SearchError(f"{name}: {image.kind} ({image.detail}). Give a JPEG, PNG or WebP image.")
    return image
