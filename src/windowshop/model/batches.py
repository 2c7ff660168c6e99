"""Features of a data set -> tensors of a batch, as training and dev scorer feed the towers.

Shapes: B batch, R rows of it, M further images, H feature width.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from windowshop.config import StageConfig
from windowshop.data import BARE, BASE_VIEWS, CATEGORY, DESCRIPTIONS, FACTS, TITLE, VIEWS
from windowshop.encoders import FeatureTable, FurtherTable, ProductFeatures, QueryFeatures


def needed_views(stages: Iterable[StageConfig]) -> tuple[str, ...]:
    """Text views of the products that the stages draw from."""
    drawn = {name for stage in stages for names, share in _shares(stage) if share for name in names}
    return tuple(name for name in VIEWS if name in drawn.union(BASE_VIEWS))


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """Features of B queries; zeros and a 0 in `has_B2` where a query lacks text or image."""

    text_BH: Tensor
    image_BH: Tensor
    has_B2: Tensor

    def to(self, device: torch.device) -> "QueryBatch":
        """Return the batch on a device."""
        return QueryBatch(self.text_BH.to(device), self.image_BH.to(device), self.has_B2.to(device))


@dataclass(frozen=True, slots=True)
class FurtherImages:
    """Images beside the first one, of those products of a batch that have several."""

    image_MH: Tensor
    owner_M: Tensor
    """Position of each image's product in the batch."""


@dataclass(frozen=True, slots=True)
class ProductBatch:
    """Features of B products; zeros and a 0 in `has_B2` where one lacks text or image."""

    text_BH: Tensor
    image_BH: Tensor
    """The first image."""
    has_B2: Tensor
    further: FurtherImages | None = None
    """None where no product of the batch has more than one image."""

    def to(self, device: torch.device) -> "ProductBatch":
        """Return the batch on a device."""
        further = self.further and FurtherImages(
            self.further.image_MH.to(device), self.further.owner_M.to(device)
        )
        return ProductBatch(
            self.text_BH.to(device), self.image_BH.to(device), self.has_B2.to(device), further
        )


@dataclass(frozen=True, slots=True)
class ProductSource:
    """Reads batches of products by their row in the catalogue; N products."""

    features: ProductFeatures

    def __len__(self) -> int:
        """Return N."""
        return len(self.features.image)

    @property
    def has_text(self) -> np.ndarray:
        """Products that have text, bool (N,)."""
        return self.features.views[FACTS].present

    @property
    def has_image(self) -> np.ndarray:
        """Products that have a usable image, bool (N,)."""
        return self.features.image.present

    @property
    def has_both(self) -> np.ndarray:
        """Products that have text and a usable image, bool (N,)."""
        return np.asarray(self.has_text & self.has_image)

    def batch(self, items: np.ndarray) -> ProductBatch:
        """Return products as an index holds them."""
        return self._batch(items, self.features.views[FACTS].gather(items))

    def varied_batch(
        self, items: np.ndarray, rng: np.random.Generator, stage: StageConfig
    ) -> ProductBatch:
        """Return products as a stage shows them, each by one view of its text."""
        return self.view_batch(items, self.draw_views(items, rng, stage))

    def draw_views(
        self, items: np.ndarray, rng: np.random.Generator, stage: StageConfig
    ) -> np.ndarray:
        """Draw the view that each product shows: places in VIEWS, (B,).

        FACTS stands in where a product lacks what was drawn. Parts of a description are drawn
        alike.
        """
        draw_B, view_B = rng.random(len(items)), np.zeros(len(items), dtype=np.int64)
        start = 0.0
        for names, share in _shares(stage):
            if share == 0:
                continue
            count_B = sum(self.features.views[name].present[items].astype(int) for name in names)
            shown = np.flatnonzero((start <= draw_B) & (draw_B < start + share) & (count_B > 0))
            part = ((draw_B[shown] - start) / share * count_B[shown]).astype(np.int64)
            view_B[shown] = VIEWS.index(names[0]) + np.minimum(part, count_B[shown] - 1)
            start += share
        return view_B

    def view_batch(self, items: np.ndarray, view_B: np.ndarray) -> ProductBatch:
        """Return products, each by the view of its text at the given place in VIEWS."""
        text_BH = self.features.views[FACTS].gather(items)
        for place in np.unique(view_B[view_B > 0]):
            shown_B = view_B == place
            text_BH[shown_B] = self.features.views[VIEWS[place]].gather(items[shown_B])
        return self._batch(items, text_BH)

    def same_content(self, items: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """Pairs of products with the same title or with an image file in common, bool (R, B).

        Those of `rows` against all `items`.
        """
        title, image = self.features.views[TITLE], self.features.image
        same = _equal_rows(title, items, rows) | _equal_rows(image, items, rows)
        if self.features.further is not None:
            same |= _common_images(image, self.features.further, items, rows)
        return np.asarray(same)

    def _batch(self, items: np.ndarray, text_BH: np.ndarray) -> ProductBatch:
        has_B2 = np.stack([self.has_text[items], self.has_image[items]], axis=1)
        return ProductBatch(
            torch.from_numpy(text_BH),
            torch.from_numpy(self.features.image.gather(items)),
            torch.from_numpy(has_B2.astype(np.float32)),
            self._further(items),
        )

    def _further(self, items: np.ndarray) -> FurtherImages | None:
        if self.features.further is None:
            return None
        features_MH, owner_M = self.features.further.gather(items)
        if len(owner_M) == 0:
            return None
        return FurtherImages(torch.from_numpy(features_MH), torch.from_numpy(owner_M))


@dataclass(frozen=True, slots=True)
class QuerySource:
    """Reads batches of queries by their row in the query table."""

    features: QueryFeatures

    def batch(self, items: np.ndarray) -> QueryBatch:
        """Return the features of the queries at the given rows."""
        text, image = self.features.text, self.features.image
        has_B2 = np.stack([text.present[items], image.present[items]], axis=1)
        return QueryBatch(
            torch.from_numpy(text.gather(items)),
            torch.from_numpy(image.gather(items)),
            torch.from_numpy(has_B2.astype(np.float32)),
        )


def _shares(stage: StageConfig) -> tuple[tuple[tuple[str, ...], float], ...]:
    """Return the share of products that a stage shows by each group of views, not by FACTS."""
    return (
        ((TITLE,), stage.title_share),
        (DESCRIPTIONS, stage.description_share),
        ((CATEGORY,), stage.category_share),
        ((BARE,), stage.bare_title_share),
    )


def _equal_rows(table: FeatureTable, items: np.ndarray, rows: slice) -> np.ndarray:
    row_B = table.rows[items]
    return np.asarray((row_B[rows, None] == row_B) & (row_B >= 0))


def _common_images(
    image: FeatureTable, further: FurtherTable, items: np.ndarray, of: slice
) -> np.ndarray:
    """Pairs of items that have any image in common, bool (R, B); S images are in several items."""
    first = image.rows[items]
    other, owner_of_other = further.entries(items)
    has = np.flatnonzero(first >= 0)
    rows = np.concatenate([first[has], other])
    owner = np.concatenate([has, owner_of_other])
    # An image stands once in an item, so one that occurs twice is shared; those are few.
    _, number_of, count = np.unique(rows, return_inverse=True, return_counts=True)
    shared = count[number_of] > 1
    holds_BS = np.zeros((len(items), int((count > 1).sum())), dtype=np.float32)
    number = np.cumsum(count > 1) - 1
    holds_BS[owner[shared], number[number_of[shared]]] = 1
    return np.asarray(holds_BS[of] @ holds_BS.T > 0)


CHUNK = 4096
