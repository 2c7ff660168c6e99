"""Objective of each stage (docs/training.md): batches in, one loss out.

Shapes: B queries, C products, D shared width, P width of the vectors that are compared, E experts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from windowshop.config import LossConfig, StageConfig
from windowshop.model import Modalities, ProductBatch, QueryBatch, TwoTower
from windowshop.training.data import TrainingData
from windowshop.training.judged_pairs import BatchGrades, Pairs
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


Objective = Callable[[TwoTower, TrainingData, Step], Tensor]


def domain_loss(model: TwoTower, data: TrainingData, step: Step) -> Tensor:
    """Contrast product text with product image over the whole catalogue, without queries."""
    both = np.flatnonzero(data.products.has_both)
    count = min(step.stage.batch_queries, len(both))
    items = np.sort(step.rng.choice(both, count, replace=False))
    products = model.encode_modalities(data.products.varied_batch(items, step.rng, step.stage))
    targets = _own_pairs(data, items, products.has_B2.prod(dim=1), step.loss)
    return _contrast(model, "text_image", products.t_BD, products.v_BD, targets)


def separate_loss(model: TwoTower, data: TrainingData, step: Step) -> Tensor:
    """Contrast queries with product texts and images, and lightly texts with images."""
    drawn, config = _draw(model, data, step, model.embed_queries), step.loss
    q_BD, t_CD, v_CD = drawn.q_BD, drawn.products.t_BD, drawn.products.v_BD
    has_C2 = drawn.products.has_B2
    loss = q_BD.new_zeros(())
    if model.fusion.uses_text and config.query_text > 0:
        term = _contrast(model, "query_text", q_BD, t_CD, drawn.targets(has_C2[:, 0], config))
        loss = loss + config.query_text * term
    if model.fusion.uses_image and config.query_image > 0:
        term = _contrast(model, "query_image", q_BD, v_CD, drawn.targets(has_C2[:, 1], config))
        loss = loss + config.query_image * term
    if model.fusion.uses_text and model.fusion.uses_image:
        own = _own_pairs(data, drawn.items, has_C2.prod(dim=1), config)
        loss = loss + config.text_image * _contrast(model, "text_image", t_CD, v_CD, own)
    return loss


def fused_loss(model: TwoTower, data: TrainingData, step: Step) -> Tensor:
    """Contrast queries with fused products, under modality dropout and by each modality alone."""
    drawn, config = _draw(model, data, step, model.embed_for_fusion), step.loss
    products, has_C2 = drawn.products, drawn.products.has_B2
    q_BP, pair = model.weigh_queries(drawn.queries, drawn.q_BD), "query_product"
    scale, bias, widths = model.scale(pair), model.bias(pair), model.widths
    if not (model.fusion.uses_text and model.fusion.uses_image):
        has_C = has_C2[:, 0 if model.fusion.uses_text else 1]
        p_CP = model.fusion(products)
        return matryoshka(q_BP, p_CP, drawn.targets(has_C, config), scale, widths, bias)
    targets = drawn.targets(has_C2.amax(dim=1), config)
    p_CP = model.fusion(drop_modalities(products, config, step.rng))
    loss = matryoshka(q_BP, p_CP, targets, scale, widths, bias)
    for alone_CP, has_C in zip(model.fusion.alone(products), has_C2.T, strict=True):
        term = contrastive(q_BP, alone_CP, drawn.targets(has_C, config), scale, bias)
        loss = loss + config.masked * term
    own = _own_pairs(data, drawn.items, has_C2[:, 1], config)
    image_CP = model.images_as_queries(products.v_BD)
    loss = loss + config.photo_product * _contrast(model, "photo_product", image_CP, p_CP, own)
    gate_CE = model.fusion.gate(products)
    if gate_CE is not None:
        loss = loss + config.gate_balance * gate_balance(gate_CE, has_C2)
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
    draw_C = torch.from_numpy(rng.random(len(both_C)))
    edges = np.cumsum([config.drop_image, config.drop_text, config.wrong_image])
    seen_C2 = torch.ones_like(products.has_B2)
    seen_C2[both_C & (draw_C < edges[0]), 1] = 0
    seen_C2[both_C & (draw_C >= edges[0]) & (draw_C < edges[1]), 0] = 0
    swapped = torch.nonzero(both_C & (draw_C >= edges[1]) & (draw_C < edges[2])).flatten()
    image_of = torch.arange(len(both_C))
    image_of[swapped] = swapped.roll(1)
    return products.with_images_of(image_of).hidden(seen_C2)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A batch of queries with judged products and hard negatives, encoded."""

    queries: QueryBatch
    q_BD: Tensor
    items: np.ndarray
    """Rows of the products, (C,)."""
    grades: BatchGrades
    products: Modalities
    likely_BC: Tensor | None
    """Unjudged pairs that the guide takes for positives."""
    log_share_C: Tensor | None

    def targets(self, has_C: Tensor, config: LossConfig) -> Targets:
        """Targets of queries against products; those without the modality take no part."""
        grade_BC = torch.from_numpy(self.grades.grade_BC)
        ignore_BC = (has_C == 0).expand(grade_BC.shape)
        if config.masks:
            ignore_BC = ignore_BC | torch.from_numpy(self.grades.ignore_BC)
        if self.likely_BC is not None:
            ignore_BC = ignore_BC | self.likely_BC
        return make_targets(
            grade_BC,
            ignore_BC,
            form=config.form,
            weight_BC=_tensor(self.grades.weight_BC),
            query_weight_B=_tensor(self.grades.query_weight_B),
            log_share_C=self.log_share_C,
        )


def _draw(
    model: TwoTower, data: TrainingData, step: Step, embed: Callable[[QueryBatch], Tensor]
) -> _Drawn:
    stage, rng = step.stage, step.rng
    queries = data.pairs.draw_queries(stage.batch_queries, stage.generated_share, rng)
    drawn = items = data.pairs.draw_products(queries, stage.products_per_query, rng)
    if step.negatives is not None:
        # From none at first to every query's at half time: hard ones first mislead, then teach.
        asked = queries[: round(min(1.0, 2 * step.progress) * len(queries))]
        items = np.union1d(items, step.negatives.draw(asked, stage.negatives_per_query, rng))
    query_batch = data.queries.batch(data.pairs.query[queries])
    product_batch = data.products.varied_batch(items, rng, stage)
    grades = data.pairs.grades_between(queries, items)
    log_share_C = None
    if step.log_share_N is not None:
        # A product that is here as a hard negative alone says nothing of how often it is drawn.
        log_share_C = torch.from_numpy(step.log_share_N[items] * np.isin(items, drawn))
    return _Drawn(
        queries=query_batch,
        q_BD=embed(query_batch),
        items=items,
        grades=grades,
        products=model.encode_modalities(product_batch),
        likely_BC=_likely_positives(query_batch, product_batch, grades, step),
        log_share_C=log_share_C,
    )


@torch.no_grad()
def _likely_positives(
    queries: QueryBatch, products: ProductBatch, grades: BatchGrades, step: Step
) -> Tensor | None:
    if step.guide is None:
        return None
    score_BC = step.guide.encode_queries(queries) @ step.guide.encode_products(products).T
    return guide_mask(score_BC, torch.from_numpy(grades.grade_BC), step.loss.guide_margin)


def _own_pairs(data: TrainingData, items: np.ndarray, has_C: Tensor, config: LossConfig) -> Targets:
    """Each product against itself; its group, its title's and its image's twins are ignored."""
    own_CC = torch.eye(len(items))
    ignore_CC = (has_C == 0) | (has_C == 0).unsqueeze(1)
    if config.masks:
        group_C = data.pairs.group[items]
        related_CC = (group_C[:, None] == group_C) | data.products.same_content(items)
        ignore_CC = ignore_CC | (torch.from_numpy(related_CC) & (own_CC == 0))
    return make_targets(own_CC, ignore_CC, form=config.form)


def _contrast(
    model: TwoTower, pair: str, query_BD: Tensor, product_CD: Tensor, targets: Targets
) -> Tensor:
    """The loss of one pair type, with its own temperature (and bias)."""
    return contrastive(query_BD, product_CD, targets, model.scale(pair), model.bias(pair))


def _tensor(array: np.ndarray | None) -> Tensor | None:
    return None if array is None else torch.from_numpy(array)
