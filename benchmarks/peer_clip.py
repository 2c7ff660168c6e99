"""CLIP-style fine-tuning with late averaging, as one would write it around two encoders.

Query and product text go through the text encoder and one linear map, images through the image
encoder and another. Each step adds the symmetric InfoNCE (arXiv:2103.00020, fig. 3) of query and
product text to that of query and image, both under one learned temperature; there are no grades,
no masks and no other negatives. A product's vector is the mean of its text's and its image's.

Shapes: B batch, H feature width, D shared width, N products, Q queries.
"""

import copy
import math
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from peer_shop import Fitted, Shop, draw_batches, ranked
from torch import Tensor, nn

from windowshop.config import FineTuningConfig
from windowshop.encoders import ImageEncoder
from windowshop.errors import DataError
from windowshop.model import ProductBatch
from windowshop.study import Queries
from windowshop.training import (
    TrainableEncoder,
    draw_images,
    encoder_inputs,
    make_trainable,
    read_images,
)

WIDTH = 256
START_SCALE, MAX_SCALE = 1 / 0.07, 100.0
WEIGHT_DECAY = 0.05
PROJECTION_RATE = 1e-3
"""While encoders train; they start trained, projections do not."""
ENCODER_RATES = (2e-5, 1e-4)
FROZEN_RATES = (1e-3, 3e-3)
FROZEN_STEPS = 4
"""Steps on cached features for each step of the budget."""
SCALE_SAMPLE = 512
CHUNK = 64


class LateAverage(nn.Module):
    """Features of two encoders -> one space."""

    def __init__(self, text_BH: Tensor, image_BH: Tensor, width: int = WIDTH) -> None:
        """Features of some products set the scale; absent ones are left out by the caller."""
        super().__init__()
        self.text, self.image = _projection(text_BH, width), _projection(image_BH, width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(START_SCALE)))

    def embed_texts(self, text_BH: Tensor) -> Tensor:
        """Unit vectors (B, D) of queries or product texts."""
        return F.normalize(self.text(text_BH), dim=-1)

    def embed_products(self, batch: ProductBatch) -> tuple[Tensor, Tensor]:
        """Unit vectors (B, D) of texts and images, zeros where absent."""
        text_BD = self.embed_texts(batch.text_BH) * batch.has_B2[:, :1]
        image_BD = F.normalize(self.image(batch.image_BH), dim=-1) * batch.has_B2[:, 1:]
        return text_BD, image_BD

    def loss(self, query_BD: Tensor, batch: ProductBatch) -> Tensor:
        """Both InfoNCE terms, each over the products that have the modality."""
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        total = query_BD.new_zeros(())
        for part_BD, has_B in zip(self.embed_products(batch), batch.has_B2.T > 0, strict=True):
            if has_B.any():
                total = total + info_nce(query_BD[has_B], part_BD[has_B], scale)
        return total


class Source(Protocol):
    """Where features come from."""

    training: bool
    """Whether encoders are read as in training: with dropout, in reduced precision."""

    def queries(self, rows: np.ndarray) -> Tensor:
        """Text features (B, H) of queries by row."""
        ...

    def products(self, rows: np.ndarray) -> ProductBatch:
        """Features of products by row, of one image each."""
        ...

    def param_groups(self) -> list[dict[str, Any]]:
        """Optimizer groups of what trains beside the projections."""
        ...


class CachedSource:
    """Features of frozen encoders, from windowshop's cache."""

    def __init__(self, shop: Shop) -> None:
        self.training = False
        self._data = shop.prepared.data

    def queries(self, rows: np.ndarray) -> Tensor:
        """See Source."""
        return self._data.queries.batch(rows).text_BH

    def products(self, rows: np.ndarray) -> ProductBatch:
        """See Source."""
        return replace(self._data.products.batch(rows), further=None)

    def param_groups(self) -> list[dict[str, Any]]:
        """None."""
        return []


class TrainedSource:
    """Features of copies of both encoders, all of whose weights train."""

    def __init__(self, shop: Shop, rate: float) -> None:
        config = FineTuningConfig(
            text="full",
            image="full",
            learning_rate=rate,
            layer_decay=1.0,
            image_side=shop.budget.image_side,
        )
        cache, seed = shop.prepared.cache, shop.config.seed
        self._shop, self._inputs = shop, encoder_inputs(shop.prepared.dataset)
        self._text = make_trainable(copy.deepcopy(cache.text), "full", config, seed)
        self._image = make_trainable(copy.deepcopy(cache.image), "full", config, seed)
        self.training = False

    def queries(self, rows: np.ndarray) -> Tensor:
        """See Source."""
        return self._features(self._text, [self._shop.query_text(row) for row in rows])

    def products(self, rows: np.ndarray) -> ProductBatch:
        """See Source."""
        cached = replace(self._shop.prepared.data.products.batch(rows), further=None)
        has_text_B, has_image_B = cached.has_B2.numpy().T > 0
        texts = [self._shop.product_texts[row] for row in rows[has_text_B]]
        named = [self._inputs.images_of(row) for row in rows[has_image_B]]
        images = read_images(self._inputs.root, draw_images(named, None), self._image.side)
        return replace(
            cached,
            text_BH=_spread(self._features(self._text, texts), has_text_B),
            image_BH=_spread(self._features(self._image, images), has_image_B),
        )

    def param_groups(self) -> list[dict[str, Any]]:
        """See Source."""
        return [
            group
            for tuned in (self._text, self._image)
            for group in tuned.param_groups(WEIGHT_DECAY)
        ]

    def _features(self, tuned: TrainableEncoder, items: list[Any]) -> Tensor:
        if not items:
            return torch.zeros(0, tuned.encoder.layout.width)
        if self.training:
            return tuned.features(items).float().cpu()
        encoder = tuned.encoder
        if isinstance(encoder, ImageEncoder):
            return encoder.features(encoder.prepare(items, tuned.side)).float().cpu()
        return encoder.features(encoder.prepare(items)).float().cpu()


def info_nce(query_BD: Tensor, product_BD: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE; row i of each side is a pair, scale is 1/temperature."""
    logits_BB = scale * query_BD @ product_BD.T
    target_B = torch.arange(len(logits_BB))
    return (F.cross_entropy(logits_BB, target_B) + F.cross_entropy(logits_BB.T, target_B)) / 2


def fit_clip(shop: Shop, rate: float) -> Fitted:
    """Projections and both encoders, these at `rate`."""
    source = TrainedSource(shop, rate)
    return _fit(shop, "clip_style", source, shop.budget.steps, PROJECTION_RATE)


def fit_clip_frozen(shop: Shop, rate: float) -> Fitted:
    """Projections alone, on cached features, with more steps."""
    steps = FROZEN_STEPS * shop.budget.steps
    return _fit(shop, "clip_style_frozen", CachedSource(shop), steps, rate)


def _fit(shop: Shop, name: str, source: Source, steps: int, rate: float) -> Fitted:
    began = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(shop.config.seed)
        model = start(shop, source)
        with shop.prepared.reporter.bar(f"Train {name}", steps) as advance:
            for loss in train(shop, model, source, steps, rate):
                advance(1, f"loss {loss:.2f}")
    seconds = time.perf_counter() - began
    part = "encoders" if source.param_groups() else "heads"
    product_ND = embed_catalogue(shop, model, source)

    @torch.inference_mode()
    def embed(queries: Queries) -> np.ndarray:
        chunks = [model.embed_texts(source.queries(rows)) for rows in _chunks(queries.rows)]
        return torch.cat(chunks).numpy()

    return ranked(shop, product_ND, embed, {part: seconds})


@torch.inference_mode()
def embed_catalogue(shop: Shop, model: LateAverage, source: Source) -> np.ndarray:
    """Unit vectors (N, D): the mean of text and image vector, or the one that is there."""
    rows, parts = np.arange(len(shop.product_ids)), []
    with shop.prepared.reporter.bar("Encode the catalogue", len(rows)) as advance:
        for chunk in _chunks(rows):
            text_BD, image_BD = model.embed_products(source.products(chunk))
            parts.append(F.normalize(text_BD + image_BD, dim=-1).numpy())
            advance(len(chunk), "")
    return np.concatenate(parts)


def start(shop: Shop, source: Source) -> LateAverage:
    """Projections of random weights, scaled to the features of some products."""
    rng = np.random.default_rng(shop.config.seed)
    count = min(SCALE_SAMPLE, len(shop.product_ids))
    rows = np.sort(rng.choice(len(shop.product_ids), count, replace=False))
    text, image = [], []
    with torch.no_grad():
        for chunk in _chunks(rows):
            batch = source.products(chunk)
            text.append(batch.text_BH[batch.has_B2[:, 0] > 0])
            image.append(batch.image_BH[batch.has_B2[:, 1] > 0])
    text_NH, image_NH = torch.cat(text), torch.cat(image)
    if not len(text_NH) or not len(image_NH):
        raise DataError(
            f"{shop.prepared.dataset.root}: among {count} products none has text, or none a usable "
            "image; leave clip_style and clip_style_frozen out of --systems."
        )
    return LateAverage(text_NH, image_NH)


def train(
    shop: Shop, model: LateAverage, source: Source, steps: int, rate: float
) -> Iterable[float]:
    """Train in place; yields the loss of each step. Warm-up, then a cosine down to 0."""
    groups = [
        {"params": list(model.parameters()), "lr": rate, "weight_decay": WEIGHT_DECAY},
        *source.param_groups(),
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    warmup = max(1, round(0.1 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    learned = [p for group in optimizer.param_groups for p in group["params"]]
    budget, seed = shop.budget, shop.config.seed
    source.training = True
    batches = draw_batches(shop.pairs, shop.query_text, budget.batch, seed)
    for _, pairs in zip(range(steps), batches, strict=False):
        query_BD = model.embed_texts(source.queries(pairs[:, 0]))
        loss = model.loss(query_BD, source.products(pairs[:, 1]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        schedule.step()
        yield float(loss.detach())
    source.training = False


class _Standardise(nn.Module):
    """Features less their mean, by their deviation; a constant one is left at 0."""

    mean_H: Tensor
    factor_H: Tensor

    def __init__(self, sample_BH: Tensor) -> None:
        super().__init__()
        deviation_H = sample_BH.std(dim=0, correction=0)
        self.register_buffer("mean_H", sample_BH.mean(dim=0))
        self.register_buffer("factor_H", torch.where(deviation_H > 1e-6, 1 / deviation_H, 0.0))

    def forward(self, x_BH: Tensor) -> Tensor:
        result: Tensor = (x_BH - self.mean_H) * self.factor_H
        return result


def _projection(sample_BH: Tensor, width: int) -> nn.Module:
    return nn.Sequential(_Standardise(sample_BH), nn.Linear(sample_BH.shape[1], width, bias=False))


def _spread(features_NH: Tensor, has_B: np.ndarray) -> Tensor:
    """Rows of the items that are present among zeros (B, H)."""
    features_BH = features_NH.new_zeros(len(has_B), features_NH.shape[1])
    return features_BH.index_copy(0, torch.from_numpy(np.flatnonzero(has_B)), features_NH)


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
