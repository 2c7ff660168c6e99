"""The loss every stage shares: multi-positive, graded, masked InfoNCE. Pure functions.

Shapes: B queries, C products in the batch, D shared width, P positive pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class Level:
    """The pairs of one grade and what they are contrasted with."""

    weight: float
    query_P: Tensor
    product_P: Tensor
    negative_BC: Tensor
    """Pairs of a lower grade that are not ignored, bool."""


def grade_levels(grade_BC: Tensor, ignore_BC: Tensor) -> list[Level]:
    """Split a batch's grades into levels, best first.

    A pair of grade g is contrasted with every pair of a lower grade: "all but one thing" is a
    negative for "all that was asked" and a positive against the rest. Levels weigh by nDCG's gain,
    (2^g - 1) / (2^G - 1) with G the highest grade in the batch. Ignored pairs (same group as a
    positive, or no such modality) are neither, and their grades do not count.
    """
    grades = sorted(set(grade_BC[(grade_BC > 0) & ~ignore_BC].tolist()), reverse=True)
    levels = []
    for grade in grades:
        query_P, product_P = torch.nonzero((grade_BC == grade) & ~ignore_BC, as_tuple=True)
        weight = (2**grade - 1) / (2 ** grades[0] - 1)
        levels.append(Level(weight, query_P, product_P, (grade_BC < grade) & ~ignore_BC))
    return levels


def info_nce(
    query_BD: Tensor, product_CD: Tensor, levels: Sequence[Level], scale: Tensor
) -> Tensor:
    """Graded InfoNCE, query to product plus half the product-to-query direction.

    For each level, the mean over queries (then products) of the mean over their positives of
    -s_ij + log(exp s_ij + sum over negatives k of exp s_ik), with s = scale * cosine. Rows are unit
    vectors; a level without positives adds nothing.
    """
    logits_BC = scale.clamp(max=MAX_SCALE) * query_BD @ product_CD.T
    loss = logits_BC.new_zeros(())
    for level in levels:
        hardest_BC = logits_BC.masked_fill(~level.negative_BC, -torch.inf)
        positive_P = logits_BC[level.query_P, level.product_P]
        forward_B = hardest_BC.logsumexp(dim=1)
        backward_C = hardest_BC.logsumexp(dim=0)
        forward_P = F.softplus(forward_B[level.query_P] - positive_P)
        backward_P = F.softplus(backward_C[level.product_P] - positive_P)
        queries = _mean_of_means(forward_P, level.query_P, len(query_BD))
        products = _mean_of_means(backward_P, level.product_P, len(product_CD))
        loss = loss + level.weight * (queries + 0.5 * products)
    return loss


def matryoshka(
    query_BD: Tensor,
    product_CD: Tensor,
    levels: Sequence[Level],
    scale: Tensor,
    widths: Sequence[int],
) -> Tensor:
    """`info_nce` averaged over the leading `widths` of the vectors (arXiv:2205.13147)."""
    losses = [
        info_nce(
            F.normalize(query_BD[:, :width], dim=-1),
            F.normalize(product_CD[:, :width], dim=-1),
            levels,
            scale,
        )
        for width in widths
    ]
    return torch.stack(losses).mean()


def gate_balance(gate_BE: Tensor, has_B2: Tensor) -> Tensor:
    """Squared distance of the mean gate from uniform, over products with both modalities.

    Keeps an expert from dying before it has learned anything.
    """
    both_B = has_B2.prod(dim=1)
    mean_E = (gate_BE * both_B.unsqueeze(1)).sum(dim=0) / both_B.sum().clamp_min(1)
    return (mean_E - 1 / gate_BE.shape[1]).square().sum() * both_B.any()


def _mean_of_means(value_P: Tensor, owner_P: Tensor, num_owners: int) -> Tensor:
    """Mean over owners that have pairs, of the mean over each owner's pairs."""
    count = torch.bincount(owner_P, minlength=num_owners)
    weight_P = 1 / count[owner_P]
    return (value_P * weight_P).sum() / (count > 0).sum().clamp_min(1)
