"""Batches of features from encoders in training, which pass gradients on to them.

Shapes: B batch, H feature width. Which items have a text or an image is what the cached features
say, and so are the features of an encoder that is not trained.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from windowshop.config import StageConfig
from windowshop.data import (
    BASE_VIEWS,
    VIEWS,
    BrokenImage,
    Dataset,
    decode,
    image_names_of,
    locate,
    product_views,
    read_bytes,
)
from windowshop.errors import DataError
from windowshop.model import ProductBatch, ProductSource, QueryBatch, QuerySource
from windowshop.training.fine_tuning.augment import augment
from windowshop.training.fine_tuning.gradient_cache import GradientCache, Read
from windowshop.training.fine_tuning.trainable import TrainableEncoder


@dataclass(frozen=True, slots=True)
class EncoderInputs:
    """Texts and image paths of a data set, by row of its tables."""

    root: Path
    views: dict[str, list[str]]
    """Product texts by view (`windowshop.data.product_text`)."""
    images: list[str | None]
    """Image paths of all products, those of product i at `first_image[i] : first_image[i + 1]`."""
    first_image: np.ndarray
    query_texts: list[str]
    query_images: list[str | None]

    def images_of(self, product: int) -> list[str]:
        """Paths of a product's images, in order."""
        first, end = self.first_image[product : product + 2]
        return [image for image in self.images[first:end] if image]


def encoder_inputs(dataset: Dataset, views: Sequence[str] = BASE_VIEWS) -> EncoderInputs:
    """Texts (of products by the named views) and image paths of a data set; reads no image."""
    images, owner = image_names_of(dataset.products)
    return EncoderInputs(
        root=dataset.root,
        views=product_views(dataset.products, views),
        images=images,
        first_image=np.searchsorted(owner, np.arange(len(dataset.products) + 1)),
        query_texts=[text or "" for text in dataset.queries["query"].to_list()],
        query_images=dataset.queries["image"].to_list(),
    )


@dataclass(frozen=True)
class EncodedProducts(ProductSource):
    """Products with features computed by the encoders in training.

    An encoder that is None is not trained. A product shows one image: in `batch` its first one, in
    `varied_batch` any of its images, augmented.
    """

    inputs: EncoderInputs
    text: TrainableEncoder | None
    image: TrainableEncoder | None
    gradients: GradientCache

    def batch(self, items: np.ndarray) -> ProductBatch:
        """Return products as an index holds them, but for images beside the first."""
        return self._encoded(
            super().batch(items), items, np.zeros(len(items), dtype=np.int64), None
        )

    def varied_batch(
        self, items: np.ndarray, rng: np.random.Generator, stage: StageConfig
    ) -> ProductBatch:
        """Return products as a stage shows them, each by one view of its text and one image."""
        view_B = self.draw_views(items, rng, stage)
        return self._encoded(self.view_batch(items, view_B), items, view_B, rng)

    def _encoded(
        self,
        cached: ProductBatch,
        items: np.ndarray,
        view_B: np.ndarray,
        rng: np.random.Generator | None,
    ) -> ProductBatch:
        if self.text is not None:
            has_B = self.has_text[items]
            shown = zip(items[has_B], view_B[has_B], strict=True)
            texts = [self.inputs.views[VIEWS[place]][item] for item, place in shown]
            text_BH = _rows(self.gradients, self.text, texts, has_B)
            cached = replace(cached, text_BH=text_BH)
        if self.image is not None:
            has_B = self.has_image[items]
            named = [self.inputs.images_of(item) for item in items[has_B]]
            draws = draw_images(named, rng)
            image_BH = _image_rows(self.gradients, self.image, self.inputs.root, draws, has_B)
            cached = replace(cached, image_BH=image_BH, further=None)
        return cached


@dataclass(frozen=True)
class EncodedQueries(QuerySource):
    """Queries with features computed by the encoders in training."""

    inputs: EncoderInputs
    text: TrainableEncoder | None
    image: TrainableEncoder | None
    gradients: GradientCache

    def batch(self, items: np.ndarray) -> QueryBatch:
        """Return the features of the queries at the given rows."""
        cached = super().batch(items)
        has_text_B, has_image_B = cached.has_B2.numpy().T > 0
        if self.text is not None:
            texts = [self.inputs.query_texts[item] for item in items[has_text_B]]
            text_BH = _rows(self.gradients, self.text, texts, has_text_B)
            cached = replace(cached, text_BH=text_BH)
        if self.image is not None:
            named = [[self.inputs.query_images[item] or ""] for item in items[has_image_B]]
            draws = draw_images(named, None)
            image_BH = _image_rows(self.gradients, self.image, self.inputs.root, draws, has_image_B)
            cached = replace(cached, image_BH=image_BH)
        return cached


@dataclass(frozen=True, slots=True)
class ImageDraw:
    """Choice of one image of a batch, and of its augmentation."""

    paths: Sequence[str]
    """The first usable one is shown; with a seed they are tried in an order drawn by it."""
    seed: int | None
    """Draws how the image is augmented; None shows it as it is."""


def draw_images(named: Sequence[Sequence[str]], rng: np.random.Generator | None) -> list[ImageDraw]:
    """Return one draw for each list of paths, varied where there is a generator."""
    if rng is None:
        return [ImageDraw(paths, None) for paths in named]
    seeds = rng.integers(2**62, size=len(named)).tolist()
    return [ImageDraw(paths, seed) for paths, seed in zip(named, seeds, strict=True)]


def read_images(root: Path, draws: Sequence[ImageDraw], side: int) -> list[Image.Image]:
    """Read each draw for an encoder of `side` pixels; equal draws give equal pixels.

    Raises DataError where no path of a draw can be used any more.
    """
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(lambda draw: _read(root, draw, side), draws))


def _read(root: Path, draw: ImageDraw, side: int) -> Image.Image:
    rng = None if draw.seed is None else np.random.default_rng(draw.seed)
    paths = draw.paths
    order = paths if rng is None else [paths[i] for i in rng.permutation(len(paths))]
    for path in order:
        file = locate(root, path)
        data = file if isinstance(file, BrokenImage) else read_bytes(file)
        image = data if isinstance(data, BrokenImage) else decode(data, side)
        if isinstance(image, BrokenImage):
            continue
        # Small images are augmented faster; the encoder scales them to its side anyway.
        image = image.reduce(max(1, min(image.size) // (2 * side)))
        return image if rng is None else augment(image, rng)
    raise DataError(
        f"{root}: the image {' or '.join(map(repr, paths))} could be read when training began and "
        "cannot now. Put it back and start the same command again."
    )


def _image_rows(
    gradients: GradientCache,
    tuned: TrainableEncoder,
    root: Path,
    draws: Sequence[ImageDraw],
    has_B: np.ndarray,
) -> Tensor:
    side = tuned.side
    return _rows(gradients, tuned, draws, has_B, lambda chunk: read_images(root, chunk, side))


def _rows(
    gradients: GradientCache,
    tuned: TrainableEncoder,
    present: Sequence[Any],
    has_B: np.ndarray,
    read: Read = list,
) -> Tensor:
    """Return features (B, H) of the items that are present, zeros for the others."""
    features_NH = gradients.features(tuned, present, read)
    features_BH = features_NH.new_zeros(len(has_B), features_NH.shape[1])
    return features_BH.index_copy(0, torch.from_numpy(np.flatnonzero(has_B)), features_NH)
