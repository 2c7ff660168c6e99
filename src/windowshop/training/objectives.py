"""Objective of each stage (docs/training.md): batches in, one loss out.

Shapes: C products of a batch, R queries (or products) of them that this process computes, D shared
width, P width of the vectors that are compared, E experts. One process alone computes all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from windowshop.config import LossConfig, StageConfig
from windowshop.model import Modalities, QueryBatch, TwoTower
from windowshop.training.data import TrainingData
from windowshop.training.distributed import Shards, cut, size
from windowshop.training.judged_pairs import Pairs
from windowshop.training.losses import (
    Targets,
    contrastive,
    gate_balance,
    guide_mask,
    make_targets,
    matryoshka,
)
from windowshop.training.negatives.table import HardNegatives


@dataclass(frozen=True, slots=True)
class Step:
    """Settings, random numbers and negatives of one step of a stage."""

    stage: StageConfig
    loss: LossConfig
    rng: np.random.Generator
    progress: float = 1.0
    """Share of the stage's steps that are done, in [0, 1)."""
    negatives: HardNegatives | None = None
    guide: TwoTower | None = None
    """The model as the stage began, where the loss leaves out what it scores high. It reads the
    batch's features, those of encoders in training as they are by now."""
    log_share_N: np.ndarray | None = None
    """Correction for how often each product is drawn; see `sampling_correction`."""
    max_shards: int = 1
    """Shards that the queries, and the products, are cut into (`distributed`)."""


Objective = Callable[[TwoTower, TrainingData, Step], Tensor]
"""Returns the part of the batch's loss that is this process's: of its queries, and their shares."""


def domain_loss(model: TwoTower, data: TrainingData, step: Step) -> Tensor:
    """Contrast product text with product image over the whole catalogue, without queries."""
    both = np.flatnonzero(data.products.has_both)
    count = min(step.stage.batch_queries, len(both))
    items = np.sort(step.rng.choice(both, count, replace=False))
    shards = cut(count, step.max_shards)

    def encode(rows: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        batch = data.products.varied_batch(items[rows], rng, step.stage).to(model.device)
        products = model.encode_modalities(batch)
        return products.t_BD, products.v_BD

    t_RD, v_RD = shards.encode(encode, step.rng)
    (v_CD,) = shards.gather(v_RD)
    targets = _own_pairs(data, items, shards, torch.ones(count, device=model.device), step.loss)
    return _contrast(model, "text_image", t_RD, v_CD, targets)


def separate_loss(model: TwoTower, data: TrainingData, step: Step) -> Tensor:
    """Contrast queries with product texts and images, and lightly texts with images."""
    drawn, config = _draw(model, data, step), step.loss
    q_RD = drawn.encode_queries(model.embed_queries)
    t_RD, v_RD = drawn.encode_products(lambda products, rng: (products.t_BD, products.v_BD))
    t_CD, v_CD = drawn.gather(t_RD, v_RD)
    has_C2 = drawn.has_C2
    loss = q_RD.new_zeros(())
    if model.fusion.uses_text and config.query_text > 0:
        term = _contrast(model, "query_text", q_RD, t_CD, drawn.targets(has_C2[:, 0]))
        loss = loss + config.query_text * term
    if model.fusion.uses_image and config.query_image > 0:
        term = _contrast(model, "query_image", q_RD, v_CD, drawn.targets(has_C2[:, 1]))
        loss = loss + config.query_image * term
    if model.fusion.uses_text and model.fusion.uses_image:
        own = drawn.own_pairs(has_C2.prod(dim=1))
        loss = loss + config.text_image * _contrast(model, "text_image", t_RD, v_CD, own)
    return loss


def fused_loss(model: TwoTower, data: TrainingData, step: Step) -> Tensor:
    """Contrast queries with fused products, under modality dropout and by each modality alone."""
    drawn, config, fusion = _draw(model, data, step), step.loss, model.fusion
    q_RP = drawn.encode_queries(
        lambda batch: model.weigh_queries(batch, model.embed_for_fusion(batch))
    )
    has_C2, pair = drawn.has_C2, "query_product"
    scale, bias, widths = model.scale(pair), model.bias(pair), model.widths
    if not (fusion.uses_text and fusion.uses_image):
        (p_RP,) = drawn.encode_products(lambda products, rng: (fusion(products),))
        (p_CP,) = drawn.gather(p_RP)
        has_C = has_C2[:, 0 if fusion.uses_text else 1]
        return matryoshka(q_RP, p_CP, drawn.targets(has_C), scale, widths, bias)

    def encode(products: Modalities, rng: np.random.Generator) -> tuple[Tensor, ...]:
        gate_BE = fusion.gate(products)
        return (
            fusion(drop_modalities(products, config, rng)),
            *fusion.alone(products),
            products.t_BD[:, :0] if gate_BE is None else gate_BE,
            model.images_as_queries(products.v_BD),
        )

    *own, image_RP = drawn.encode_products(encode)
    p_CP, text_CP, image_CP, gate_CE = drawn.gather(*own)
    loss = matryoshka(q_RP, p_CP, drawn.targets(has_C2.amax(dim=1)), scale, widths, bias)
    for alone_CP, has_C in zip((text_CP, image_CP), has_C2.T, strict=True):
        term = contrastive(q_RP, alone_CP, drawn.targets(has_C), scale, bias)
        loss = loss + config.masked * term
    pairs = drawn.own_pairs(has_C2[:, 1])
    loss = loss + config.photo_product * _contrast(model, "photo_product", image_RP, p_CP, pairs)
    if gate_CE.shape[1]:
        loss = loss + config.gate_balance * gate_balance(gate_CE, has_C2) / size()
    return loss


OBJECTIVES: dict[str, Objective] = {
    "domain": domain_loss,
    "separate": separate_loss,
    "fused": fused_loss,
}


def sampling_correction(pairs: Pairs, per_query: int) -> np.ndarray:
    """Return log(N Q_j) of each product j, float32 (N,): 0 for one drawn as often as at random.

    The factor N keeps the positive, which is never corrected, on the scale of its negatives.
    """
    log_share_N = pairs.log_share(per_query)
    return np.asarray(log_share_N + np.float32(np.log(len(log_share_N))), dtype=np.float32)


def drop_modalities(
    products: Modalities, config: LossConfig, rng: np.random.Generator
) -> Modalities:
    """Hide the image or the text of some products that have both, and swap some images."""
    both_C = products.has_B2.prod(dim=1) > 0
    draw_C = torch.from_numpy(rng.random(len(both_C))).to(both_C.device)
    edges = np.cumsum([config.drop_image, config.drop_text, config.wrong_image])
    seen_C2 = torch.ones_like(products.has_B2)
    seen_C2[both_C & (draw_C < edges[0]), 1] = 0
    seen_C2[both_C & (draw_C >= edges[0]) & (draw_C < edges[1]), 0] = 0
    swapped = torch.nonzero(both_C & (draw_C >= edges[1]) & (draw_C < edges[2])).flatten()
    image_of = torch.arange(len(both_C), device=both_C.device)
    image_of[swapped] = swapped.roll(1)
    return products.with_images_of(image_of).hidden(seen_C2)


class _Drawn:
    """A batch of queries with judged products and hard negatives; encodes this process's rows.

    Encode queries, then products, then gather; the targets come last.
    """

    def __init__(
        self,
        model: TwoTower,
        data: TrainingData,
        step: Step,
        queries: np.ndarray,
        items: np.ndarray,
        log_share_C: Tensor | None,
    ) -> None:
        self._model, self._data, self._step = model, data, step
        self._queries, self._items, self._log_share_C = queries, items, log_share_C
        self._of_queries = cut(len(queries), step.max_shards)
        self._of_products = cut(len(items), step.max_shards)
        self._grades = data.pairs.grades_between(queries[self._of_queries.own], items)
        self._guide: list[Tensor] = []
        self._likely_RC: Tensor | None = None
        products = data.products
        has_C2 = np.stack([products.has_text[items], products.has_image[items]], axis=1)
        self.has_C2 = torch.from_numpy(has_C2.astype(np.float32)).to(model.device)

    def encode_queries(self, embed: Callable[[QueryBatch], Tensor]) -> Tensor:
        """Return what `embed` makes of the queries, (R, P)."""
        data, guide = self._data, self._step.guide

        def encode(rows: np.ndarray, rng: np.random.Generator) -> list[Tensor]:
            batch = data.queries.batch(data.pairs.query[self._queries[rows]])
            batch = batch.to(self._model.device)
            return [embed(batch), *_guided(guide and guide.encode_queries, batch)]

        q_RP, *self._guide = self._of_queries.encode(encode, self._step.rng)
        return q_RP

    def encode_products(
        self, embed: Callable[[Modalities, np.random.Generator], Sequence[Tensor]]
    ) -> list[Tensor]:
        """Return what `embed` makes of the products, (R, P) each."""
        model, step = self._model, self._step

        def encode(rows: np.ndarray, rng: np.random.Generator) -> list[Tensor]:
            batch = self._data.products.varied_batch(self._items[rows], rng, step.stage)
            batch = batch.to(model.device)
            found = embed(model.encode_modalities(batch), rng)
            return [*found, *_guided(step.guide and step.guide.encode_products, batch)]

        found = self._of_products.encode(encode, step.rng)
        if step.guide is not None:
            self._likely_RC = self._likely_positives(found.pop())
        return found

    def gather(self, *own_RP: Tensor) -> list[Tensor]:
        """Return the products of all processes, (C, P) each."""
        return self._of_products.gather(*own_RP)

    def targets(self, has_C: Tensor) -> Targets:
        """Targets of queries against products; those without the modality take no part."""
        grades, config, device = self._grades, self._step.loss, has_C.device
        grade_RC = torch.from_numpy(grades.grade_BC).to(device)
        ignore_RC = (has_C == 0).expand(grade_RC.shape)
        if config.masks:
            ignore_RC = ignore_RC | torch.from_numpy(grades.ignore_BC).to(device)
        if self._likely_RC is not None:
            ignore_RC = ignore_RC | self._likely_RC
        return make_targets(
            grade_RC,
            ignore_RC,
            form=config.form,
            weight_BC=_tensor(grades.weight_BC, device),
            query_weight_B=_tensor(grades.query_weight_B, device),
            log_share_C=self._log_share_C,
        )

    def own_pairs(self, has_C: Tensor) -> Targets:
        """Targets of each product against itself."""
        return _own_pairs(self._data, self._items, self._of_products, has_C, self._step.loss)

    @torch.no_grad()
    def _likely_positives(self, product_RP: Tensor) -> Tensor:
        (product_CP,) = self._of_products.gather(product_RP)
        (query_RP,) = self._guide
        grade_RC = torch.from_numpy(self._grades.grade_BC).to(query_RP.device)
        return guide_mask(query_RP @ product_CP.T, grade_RC, self._step.loss.guide_margin)


def _draw(model: TwoTower, data: TrainingData, step: Step) -> _Drawn:
    stage, rng = step.stage, step.rng
    queries = data.pairs.draw_queries(stage.batch_queries, stage.generated_share, rng)
    drawn = items = data.pairs.draw_products(queries, stage.products_per_query, rng)
    if step.negatives is not None:
        # From none at first to every query's at half time: hard ones first mislead, then teach.
        asked = queries[: round(min(1.0, 2 * step.progress) * len(queries))]
        items = np.union1d(items, step.negatives.draw(asked, stage.negatives_per_query, rng))
    log_share_C = None
    if step.log_share_N is not None:
        # A product that is here as a hard negative alone says nothing of how often it is drawn.
        log_share_C = _tensor(step.log_share_N[items] * np.isin(items, drawn), model.device)
    return _Drawn(model, data, step, queries, items, log_share_C)


@torch.no_grad()
def _guided(encode: Callable[[Any], Tensor] | None, batch: object) -> list[Tensor]:
    """Return the guide's vectors of a batch, none without a guide."""
    return [] if encode is None else [encode(batch)]


def _own_pairs(
    data: TrainingData, items: np.ndarray, shards: Shards, has_C: Tensor, config: LossConfig
) -> Targets:
    """Each own product against itself; its group, its title's and its image's twins are ignored."""
    own = shards.own
    own_RC = torch.zeros(own.stop - own.start, len(items), dtype=torch.bool, device=has_C.device)
    own_RC.diagonal(own.start).fill_(True)
    ignore_RC = (has_C == 0) | (has_C == 0)[own].unsqueeze(1)
    if config.masks:
        group_C = data.pairs.group[items]
        related_RC = (group_C[own, None] == group_C) | data.products.same_content(items, own)
        ignore_RC = ignore_RC | (torch.from_numpy(related_RC).to(has_C.device) & ~own_RC)
    return make_targets(own_RC, ignore_RC, form=config.form)


def _contrast(
    model: TwoTower, pair: str, query_RD: Tensor, product_CD: Tensor, targets: Targets
) -> Tensor:
    """The loss of one pair type, with its own temperature (and bias)."""
    return contrastive(query_RD, product_CD, targets, model.scale(pair), model.bias(pair))


def _tensor(array: np.ndarray | None, device: torch.device) -> Tensor | None:
    return None if array is None else torch.from_numpy(array).to(device)
