"""Features of a data set -> tensors of a batch, as training and dev checks feed the towers.

Shapes: B batch, H feature width.
"""

from dataclasses import dataclass

import numpy as np
import torch

from windowshop.features import FeatureTable, ProductFeatures, QueryFeatures
from windowshop.product_text import FACTS, TITLE
from windowshop.towers import ProductBatch, QueryBatch

TITLE_SHARE = 0.15
"""How often training shows only a product's title, as a hurried seller would have typed it."""


@dataclass(frozen=True, slots=True)
class ProductSource:
    """Reads batches of products by their row in the catalogue; N products."""

    features: ProductFeatures

    def __len__(self) -> int:
        """Return N."""
        return len(self.features.image)

    @property
    def has_text(self) -> np.ndarray:
        """Which products have text, bool (N,)."""
        return self.features.views[FACTS].present

    @property
    def has_image(self) -> np.ndarray:
        """Which products have a usable photo, bool (N,)."""
        return self.features.image.present

    @property
    def has_both(self) -> np.ndarray:
        """Which products have text and a usable photo, bool (N,)."""
        return np.asarray(self.has_text & self.has_image)

    def batch(self, items: np.ndarray) -> ProductBatch:
        """The products as an index holds them."""
        return self._batch(items, self.features.views[FACTS].gather(items))

    def varied_batch(self, items: np.ndarray, rng: np.random.Generator) -> ProductBatch:
        """The products as training shows them: some with nothing but their title."""
        title = self.features.views[TITLE]
        text_BH = self.features.views[FACTS].gather(items)
        cut_B = (rng.random(len(items)) < TITLE_SHARE) & title.present[items]
        text_BH[cut_B] = title.gather(items[cut_B])
        return self._batch(items, text_BH)

    def same_content(self, items: np.ndarray) -> np.ndarray:
        """Pairs of products with the same title or the same photo file, bool (B, B)."""
        title, image = self.features.views[TITLE], self.features.image
        return np.asarray(_equal_rows(title, items) | _equal_rows(image, items))

    def _batch(self, items: np.ndarray, text_BH: np.ndarray) -> ProductBatch:
        has_B2 = np.stack([self.has_text[items], self.has_image[items]], axis=1)
        return ProductBatch(
            torch.from_numpy(text_BH),
            torch.from_numpy(self.features.image.gather(items)),
            torch.from_numpy(has_B2.astype(np.float32)),
        )


@dataclass(frozen=True, slots=True)
class QuerySource:
    """Reads batches of queries by their row in the query table."""

    features: QueryFeatures

    def batch(self, items: np.ndarray) -> QueryBatch:
        """The queries' text and photo."""
        text, image = self.features.text, self.features.image
        has_B2 = np.stack([text.present[items], image.present[items]], axis=1)
        return QueryBatch(
            torch.from_numpy(text.gather(items)),
            torch.from_numpy(image.gather(items)),
            torch.from_numpy(has_B2.astype(np.float32)),
        )


def _equal_rows(table: FeatureTable, items: np.ndarray) -> np.ndarray:
    rows_B = table.rows[items]
    return np.asarray((rows_B[:, None] == rows_B) & (rows_B >= 0))
