"""The loss every stage shares: multi-positive, graded, masked InfoNCE. Pure functions.

Shapes: B queries, C products in the batch, D shared width, P positive pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SCALE = 100.0
BLOCKED = -1e4
"""Takes a logit out of a sum of exponentials; finite, so that an empty sum has finite gradients."""


@dataclass(frozen=True, slots=True)
class Level:
    """The pairs of one grade."""

    weight: float
    query_P: Tensor
    product_P: Tensor


@dataclass(frozen=True, slots=True)
class Targets:
    """What a batch's logits should be: judged pairs by grade, and which of the rest are negatives.

    A pair of grade g is contrasted with every pair of a lower grade: "all but one thing" is a
    negative for "all that was asked" and a positive against the rest. Levels weigh by nDCG's gain,
    (2^g - 1) / (2^G - 1) with G the highest grade in the batch.
    """

    levels: list[Level]
    """Lowest grade first."""
    bias_BC: Tensor
    """Added to the logits: 0 for unjudged pairs, BLOCKED for judged and ignored ones."""


def make_targets(grade_BC: Tensor, ignore_BC: Tensor) -> Targets:
    """Split a batch by grade; ignored pairs are neither positives nor negatives.

    Ignored are pairs of the same group as a positive, and products without the modality at hand.
    """
    judged_BC = (grade_BC > 0) & ~ignore_BC
    bias_BC = (judged_BC | ignore_BC) * BLOCKED
    query_P, product_P = torch.nonzero(judged_BC, as_tuple=True)
    grade_P = grade_BC[query_P, product_P]
    grades = sorted(set(grade_P.tolist()))
    levels = []
    for grade in grades:
        weight = (2**grade - 1) / (2 ** grades[-1] - 1)
        level_P = grade_P == grade
        levels.append(Level(weight, query_P[level_P], product_P[level_P]))
    return Targets(levels, bias_BC)


def info_nce(query_BD: Tensor, product_CD: Tensor, targets: Targets, scale: Tensor) -> Tensor:
    """Graded InfoNCE, query to product plus half the product-to-query direction.

    For each level, the mean over queries (then products) of the mean over their positives of
    -s_ij + log(exp s_ij + sum over negatives k of exp s_ik), with s = scale * cosine. Rows are unit
    vectors. The sums run over the whole matrix once; each level's pairs then join the negatives of
    the levels above it.
    """
    logits_BC = scale.clamp(max=MAX_SCALE) * query_BD @ product_CD.T
    unjudged_BC = logits_BC + targets.bias_BC
    against_B, against_C = unjudged_BC.logsumexp(dim=1), unjudged_BC.logsumexp(dim=0)
    loss = logits_BC.new_zeros(())
    for level in targets.levels:
        query_P, product_P = level.query_P, level.product_P
        positive_P = logits_BC[query_P, product_P]
        queries = _mean_of_means(F.softplus(against_B[query_P] - positive_P), query_P)
        products = _mean_of_means(F.softplus(against_C[product_P] - positive_P), product_P)
        loss = loss + level.weight * (queries + 0.5 * products)
        if level is not targets.levels[-1]:
            against_B = _log_add(against_B, positive_P, query_P)
            against_C = _log_add(against_C, positive_P, product_P)
    return loss


def matryoshka(
    query_BD: Tensor,
    product_CD: Tensor,
    targets: Targets,
    scale: Tensor,
    widths: Sequence[int],
) -> Tensor:
    """`info_nce` averaged over the leading `widths` of the vectors (arXiv:2205.13147)."""
    losses = [
        info_nce(
            F.normalize(query_BD[:, :width], dim=-1),
            F.normalize(product_CD[:, :width], dim=-1),
            targets,
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


def _mean_of_means(value_P: Tensor, owner_P: Tensor) -> Tensor:
    """Mean over owners that have pairs, of the mean over each owner's pairs."""
    count = torch.bincount(owner_P)
    return (value_P / count[owner_P]).sum() / (count > 0).sum()


def _log_add(total_O: Tensor, value_P: Tensor, owner_P: Tensor) -> Tensor:
    """log(exp total + sum of exp value over each owner's pairs); O owners."""
    largest_O = total_O.detach().scatter_reduce(0, owner_P, value_P.detach(), "amax")
    scaled_O = (total_O - largest_O).exp()
    scaled_O = scaled_O.index_add(0, owner_P, (value_P - largest_O[owner_P]).exp())
    return largest_O + scaled_O.log()
