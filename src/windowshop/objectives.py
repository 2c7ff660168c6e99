"""What each stage minimises (docs/training.md): batches in, one loss out.

Shapes: B queries, C products, D shared width, E experts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from windowshop.batches import ProductSource, QuerySource
from windowshop.config import LossConfig, StageConfig
from windowshop.losses import Targets, gate_balance, info_nce, make_targets, matryoshka
from windowshop.pairs import BatchGrades, Pairs
from windowshop.towers import TwoTower


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What the stages draw from."""

    products: ProductSource
    queries: QuerySource
    pairs: Pairs


Objective = Callable[[TwoTower, TrainingData, StageConfig, LossConfig, np.random.Generator], Tensor]


def domain_loss(
    model: TwoTower,
    data: TrainingData,
    stage: StageConfig,
    config: LossConfig,
    rng: np.random.Generator,
) -> Tensor:
    """Product text <-> product photo over the whole catalogue; no queries needed."""
    both = np.flatnonzero(data.products.has_both)
    items = np.sort(rng.choice(both, min(stage.batch_queries, len(both)), replace=False))
    t_CD, v_CD = model.encode_modalities(data.products.varied_batch(items, rng))
    targets = _own_pairs(data, items)
    return info_nce(t_CD, v_CD, targets, model.scale("text_image"))


def separate_loss(
    model: TwoTower,
    data: TrainingData,
    stage: StageConfig,
    config: LossConfig,
    rng: np.random.Generator,
) -> Tensor:
    """Query <-> product text plus query <-> product photo, lightly text <-> photo."""
    drawn = _draw(model, data, stage, rng)
    q_BD, t_CD, v_CD, has_C2 = drawn.q_BD, drawn.t_CD, drawn.v_CD, drawn.has_C2
    loss = q_BD.new_zeros(())
    if model.fusion.uses_text:
        targets = _targets(drawn.grades, has_C2[:, 0])
        loss = loss + info_nce(q_BD, t_CD, targets, model.scale("query_text"))
    if model.fusion.uses_image:
        targets = _targets(drawn.grades, has_C2[:, 1])
        loss = loss + info_nce(q_BD, v_CD, targets, model.scale("query_image"))
    if model.fusion.uses_text and model.fusion.uses_image:
        own = _own_pairs(data, drawn.items, has_C2.prod(dim=1))
        loss = loss + config.text_image * info_nce(t_CD, v_CD, own, model.scale("text_image"))
    return loss


def fused_loss(
    model: TwoTower,
    data: TrainingData,
    stage: StageConfig,
    config: LossConfig,
    rng: np.random.Generator,
) -> Tensor:
    """Query <-> fused product under modality dropout, and with each modality hidden in turn."""
    drawn = _draw(model, data, stage, rng)
    q_BD, t_CD, v_CD, has_C2 = drawn.q_BD, drawn.t_CD, drawn.v_CD, drawn.has_C2
    scale = model.scale("query_product")
    if not (model.fusion.uses_text and model.fusion.uses_image):
        targets = _targets(drawn.grades, has_C2[:, 0 if model.fusion.uses_text else 1])
        p_CD = model.fusion(t_CD, v_CD, has_C2)
        return matryoshka(q_BD, p_CD, targets, scale, model.config.widths)
    targets = _targets(drawn.grades, has_C2.amax(dim=1))
    p_CD = model.fusion(*drop_modalities(t_CD, v_CD, has_C2, config, rng))
    loss = matryoshka(q_BD, p_CD, targets, scale, model.config.widths)
    for alone_CD, has_C in zip(model.fusion.alone(t_CD, v_CD), has_C2.T, strict=True):
        targets = _targets(drawn.grades, has_C)
        loss = loss + config.masked * info_nce(q_BD, alone_CD, targets, scale)
    own = _own_pairs(data, drawn.items, has_C2[:, 1])
    photo_CD, photo_scale = model.photo_query(v_CD), model.scale("photo_product")
    loss = loss + config.photo_product * info_nce(photo_CD, p_CD, own, photo_scale)
    gate_CE = model.fusion.gate(t_CD, v_CD, has_C2)
    if gate_CE is not None:
        loss = loss + config.gate_balance * gate_balance(gate_CE, has_C2)
    return loss


OBJECTIVES: dict[str, Objective] = {
    "domain": domain_loss,
    "separate": separate_loss,
    "fused": fused_loss,
}


def drop_modalities(
    t_CD: Tensor, v_CD: Tensor, has_C2: Tensor, config: LossConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Hide the photo or the text of some products that have both, and swap some photos."""
    both_C = has_C2.prod(dim=1) > 0
    draw_C = torch.from_numpy(rng.random(len(both_C)))
    edges = np.cumsum([config.drop_image, config.drop_text, config.wrong_image])
    seen_C2 = has_C2.clone()
    seen_C2[both_C & (draw_C < edges[0]), 1] = 0
    seen_C2[both_C & (draw_C >= edges[0]) & (draw_C < edges[1]), 0] = 0
    swapped = torch.nonzero(both_C & (draw_C >= edges[1]) & (draw_C < edges[2])).flatten()
    photo_of = torch.arange(len(both_C))
    photo_of[swapped] = swapped.roll(1)
    return t_CD * seen_C2[:, :1], v_CD[photo_of] * seen_C2[:, 1:], seen_C2


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A batch of queries with judged products, encoded."""

    q_BD: Tensor
    items: np.ndarray
    """Rows of the products, (C,)."""
    grades: BatchGrades
    t_CD: Tensor
    v_CD: Tensor
    has_C2: Tensor


def _draw(
    model: TwoTower, data: TrainingData, stage: StageConfig, rng: np.random.Generator
) -> _Drawn:
    count = min(stage.batch_queries, len(data.pairs))
    queries = rng.choice(len(data.pairs), count, replace=False)
    items = data.pairs.draw_products(queries, stage.products_per_query, rng)
    q_BD = model.encode_queries(data.queries.batch(data.pairs.query[queries]))
    batch = data.products.varied_batch(items, rng)
    t_CD, v_CD = model.encode_modalities(batch)
    grades = data.pairs.grades_between(queries, items)
    return _Drawn(q_BD, items, grades, t_CD, v_CD, batch.has_B2)


def _targets(grades: BatchGrades, has_C: Tensor) -> Targets:
    """Targets of queries against products; products without the modality take no part."""
    ignore_BC = torch.from_numpy(grades.ignore_BC) | (has_C == 0)
    return make_targets(torch.from_numpy(grades.grade_BC), ignore_BC)


def _own_pairs(data: TrainingData, items: np.ndarray, has_C: Tensor | None = None) -> Targets:
    """Each product against itself; its group, its title's and its photo's twins are ignored."""
    group_C = data.pairs.group[items]
    related_CC = (group_C[:, None] == group_C) | data.products.same_content(items)
    own_CC = torch.eye(len(items))
    ignore_CC = torch.from_numpy(related_CC) & (own_CC == 0)
    if has_C is not None:
        ignore_CC |= (has_C == 0) | (has_C == 0).unsqueeze(1)
    return make_targets(own_CC, ignore_CC)
