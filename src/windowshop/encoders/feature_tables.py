"""Features of products and queries as tables: a row of a store for each item.

N items, M further images, H feature width. The features themselves stay on disk (`feature_store`).
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from windowshop.data import expand
from windowshop.encoders.feature_store import HeldRows


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features of N items: a row in the store for each, -1 where the item has no such modality."""

    stored: np.ndarray | HeldRows
    rows: np.ndarray
    digest: str
    """Hash of all the items' contents, in order; an absent one counts too."""

    def __len__(self) -> int:
        """Return N."""
        return len(self.rows)

    @property
    def width(self) -> int:
        """Feature width H."""
        return int(self.stored.shape[1])

    @property
    def present(self) -> np.ndarray:
        """Items that have the modality, bool (N,)."""
        return self.rows >= 0

    def gather(self, items: np.ndarray) -> np.ndarray:
        """Features of the given items, float32 (B, H), zeros where absent."""
        rows = self.rows[items]
        features_BH = np.zeros((len(rows), self.width), dtype=np.float32)
        has = rows >= 0
        features_BH[has] = self.stored[rows[has]]
        return features_BH


@dataclass(frozen=True, slots=True)
class FurtherTable:
    """Features of the images beside the first one, in compressed rows.

    Product i has the rows `rows[start[i] : start[i + 1]]` of the store.
    """

    stored: np.ndarray | HeldRows
    start: np.ndarray
    rows: np.ndarray

    def entries(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Store rows of all further images of the items, and the position of each one's item."""
        entries, owner = expand(self.start, items)
        return self.rows[entries], owner

    def gather(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features of all further images of the items, float32 (M, H), and their owners (M,)."""
        rows, owner = self.entries(items)
        return self.stored[rows].astype(np.float32), owner


@dataclass(frozen=True, slots=True)
class ProductFeatures:
    """Features of a product table."""

    views: dict[str, FeatureTable]
    """Text features by view (`windowshop.data.product_text`)."""
    image: FeatureTable
    """The first usable image of each product; the digest is of all its images."""
    broken_images: Counter[str]
    """Images that could not be used, by kind."""
    further: FurtherTable | None = None
    """The other images; None where no product has several."""


@dataclass(frozen=True, slots=True)
class QueryFeatures:
    """Features of a query table."""

    text: FeatureTable
    image: FeatureTable
    broken_images: Counter[str]


def first_and_further(
    images: FeatureTable, owner: np.ndarray, num_products: int
) -> tuple[FeatureTable, FurtherTable | None]:
    """Split a table of all products' images into the first usable one of each and the others.

    `owner` is the product of each image, in order, every product at least once; the same image
    twice in a product counts once.
    """
    if len(owner) == num_products:
        return images, None
    usable = np.flatnonzero(images.present)
    keys = owner[usable] * (len(images.stored) + 1) + images.rows[usable]
    _, first_places = np.unique(keys, return_index=True)
    kept = usable[np.sort(first_places)]
    owners, first = np.unique(owner[kept], return_index=True)
    rows = np.full(num_products, -1, dtype=np.int64)
    rows[owners] = images.rows[kept[first]]
    image = FeatureTable(images.stored, rows, images.digest)
    others = np.delete(kept, first)
    if len(others) == 0:
        return image, None
    count = np.bincount(owner[others], minlength=num_products)
    start = np.concatenate([[0], np.cumsum(count)])
    return image, FurtherTable(images.stored, start, images.rows[others])
