"""The loss every stage shares: multi-positive, weighted, masked InfoNCE or SigLIP; pure functions.

Shapes: B queries, C products in the batch, D shared width, P positive pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from windowshop.config import LossForm
from windowshop.model import MAX_SCALE

BLOCKED = -1e4
"""Takes a logit out of a sum of exponentials; finite, so that an empty sum has finite gradients."""


@dataclass(frozen=True, slots=True)
class Level:
    """Pairs that are contrasted with the same negatives; each direction's shares sum to 1."""

    weight: float
    query_P: Tensor
    product_P: Tensor
    by_query_P: Tensor
    """Share in the query-to-product direction: of its query, times the query's weight."""
    by_product_P: Tensor
    """Share in the product-to-query direction: of its product, times the query's weight."""


@dataclass(frozen=True, slots=True)
class Signs:
    """Sign and weight of each pair in the sigmoid form."""

    sign_BC: Tensor
    """+1 for positives, -1 for the rest."""
    weight_BC: Tensor
    """0 for ignored pairs."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets of a batch's logits: judged pairs by level, and the negatives among the rest.

    In the graded form a level is a grade, and a pair is contrasted with every pair of a lower one:
    "all but one thing" is a negative for "all that was asked" and a positive against the rest.
    Levels weigh by nDCG's gain, (2^g - 1) / (2^G - 1) with G the highest grade in the batch. In the
    plain form all positives are one level, and share their query by gain. The sigmoid form has
    `signs` and no levels.
    """

    levels: list[Level]
    """Lowest grade first."""
    bias_BC: Tensor
    """Added to the logits: 0 for unjudged pairs, BLOCKED for judged and ignored ones."""
    log_share_C: Tensor | None = None
    """Subtracted from a product's logit where it is a query's negative; None: no correction."""
    signs: Signs | None = None


def make_targets(
    grade_BC: Tensor,
    ignore_BC: Tensor,
    *,
    form: LossForm = "graded",
    weight_BC: Tensor | None = None,
    query_weight_B: Tensor | None = None,
    log_share_C: Tensor | None = None,
) -> Targets:
    """Split a batch into positives and negatives; ignored pairs are neither.

    Ignored are pairs of the same group as a positive, products without the modality at hand, and
    what `guide_mask` finds. `weight_BC` (from 0 on; None is 1 everywhere) divides a query among its
    positives of a level, `query_weight_B` (likewise) weighs the queries against each other, and
    `log_share_C` is log Q_j, how often each product is drawn; the sigmoid form, which has no sum
    over sampled negatives, leaves it unused.
    """
    judged_BC = (grade_BC > 0) & ~ignore_BC
    bias_BC = (judged_BC | ignore_BC) * BLOCKED
    if form == "sigmoid":
        signs = _signs(judged_BC, ignore_BC, grade_BC, weight_BC, query_weight_B)
        return Targets([], bias_BC, signs=signs)
    query_P, product_P = torch.nonzero(judged_BC, as_tuple=True)
    if not len(query_P):
        return Targets([], bias_BC, log_share_C)
    grade_P = grade_BC[query_P, product_P].double()
    gain_P = _gain(grade_P)
    weight_P = torch.ones_like(gain_P)
    if weight_BC is not None:
        weight_P = weight_BC[query_P, product_P].double()
    if form == "plain":
        level = _level(1.0, query_P, product_P, gain_P * weight_P, query_weight_B)
        return Targets([level], bias_BC, log_share_C)
    levels = []
    for grade in sorted(set(grade_P.tolist())):
        at_P = grade_P == grade
        gain = float(gain_P[at_P][0] / gain_P.max())
        pairs = query_P[at_P], product_P[at_P], weight_P[at_P]
        levels.append(_level(gain, *pairs, query_weight_B))
    return Targets(levels, bias_BC, log_share_C)


def guide_mask(guide_BC: Tensor, grade_BC: Tensor, margin: float) -> Tensor:
    """Unjudged pairs that a guide scores above `margin` times the query's positives; bool (B, C).

    They are likely positives that nobody judged. A query with several positives is held to the mean
    of their scores: the best one may be an easy match that masks nothing, and the worst one a
    positive that the guide misses, which would mask nearly all. A query without positives, or whose
    mean is not above 0 (the guide does not know it), masks nothing.
    """
    positive_BC = grade_BC > 0
    sum_B = torch.where(positive_BC, guide_BC, 0).sum(dim=1)
    mean_B = sum_B / positive_BC.sum(dim=1).clamp_min(1)
    above_BC = guide_BC > (margin * mean_B).unsqueeze(1)
    return above_BC & ~positive_BC & (mean_B > 0).unsqueeze(1)


def contrastive(
    query_BD: Tensor,
    product_CD: Tensor,
    targets: Targets,
    scale: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    """The loss in the form that the targets were made for; `bias` is the sigmoid form's."""
    if targets.signs is None:
        return info_nce(query_BD, product_CD, targets, scale)
    assert bias is not None, "the sigmoid form has a learned bias"
    return pairwise_sigmoid(query_BD, product_CD, targets.signs, scale, bias)


def info_nce(query_BD: Tensor, product_CD: Tensor, targets: Targets, scale: Tensor) -> Tensor:
    """Multi-positive InfoNCE, query to product plus half the product-to-query direction.

    For each level, the weighted mean over queries (then products) of the weighted mean over their
    positives of -s_ij + log(exp s_ij + sum over negatives k of exp(s_ik - log Q_k)), with s = scale
    * cosine; log Q, the sampling correction, is in the first direction only. Rows are unit vectors.
    The sums run over the whole matrix once; each level's pairs then join the negatives of the
    levels above it.
    """
    logits_BC = scale.clamp(max=MAX_SCALE) * query_BD @ product_CD.T
    unjudged_BC = logits_BC + targets.bias_BC
    against_C = unjudged_BC.logsumexp(dim=0)
    if targets.log_share_C is not None:
        unjudged_BC = unjudged_BC - targets.log_share_C
    against_B = unjudged_BC.logsumexp(dim=1)
    loss = logits_BC.new_zeros(())
    for level in targets.levels:
        query_P, product_P = level.query_P, level.product_P
        positive_P = logits_BC[query_P, product_P]
        query_loss_P = F.softplus(against_B[query_P] - positive_P)
        product_loss_P = F.softplus(against_C[product_P] - positive_P)
        queries = (query_loss_P * level.by_query_P.to(loss.dtype)).sum()
        products = (product_loss_P * level.by_product_P.to(loss.dtype)).sum()
        loss = loss + level.weight * (queries + 0.5 * products)
        if level is not targets.levels[-1]:
            against_C = _log_add(against_C, positive_P, product_P)
            if targets.log_share_C is not None:
                positive_P = positive_P - targets.log_share_C[product_P]
            against_B = _log_add(against_B, positive_P, query_P)
    return loss


def pairwise_sigmoid(
    query_BD: Tensor, product_CD: Tensor, signs: Signs, scale: Tensor, bias: Tensor
) -> Tensor:
    """SigLIP's loss (arXiv:2303.15343): -log sigmoid(z (s + bias)) of each pair, z its sign.

    Summed over pairs and divided by the number (the weight) of queries; a positive weighs its gain
    over the highest in the batch.
    """
    logits_BC = scale.clamp(max=MAX_SCALE) * query_BD @ product_CD.T + bias
    dtype = logits_BC.dtype
    loss_BC = F.softplus(-signs.sign_BC.to(dtype) * logits_BC)
    return (signs.weight_BC.to(dtype) * loss_BC).sum()


def matryoshka(
    query_BD: Tensor,
    product_CD: Tensor,
    targets: Targets,
    scale: Tensor,
    widths: Sequence[int],
    bias: Tensor | None = None,
) -> Tensor:
    """Average `contrastive` over the leading `widths` of the vectors (arXiv:2205.13147)."""
    losses = [
        contrastive(
            F.normalize(query_BD[:, :width], dim=-1),
            F.normalize(product_CD[:, :width], dim=-1),
            targets,
            scale,
            bias,
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


def _gain(grade: Tensor) -> Tensor:
    return torch.exp2(grade) - 1


def _level(
    weight: float,
    query_P: Tensor,
    product_P: Tensor,
    weight_P: Tensor,
    query_weight_B: Tensor | None,
) -> Level:
    by_query_P = _shares(query_P, weight_P, query_P, query_weight_B)
    by_product_P = _shares(product_P, weight_P, query_P, query_weight_B)
    return Level(weight, query_P, product_P, by_query_P, by_product_P)


def _shares(
    owner_P: Tensor, weight_P: Tensor, query_P: Tensor, query_weight_B: Tensor | None
) -> Tensor:
    """Divide each owner among its pairs by weight, then weigh by query; sums to 1, or is all 0."""
    share_P = weight_P / torch.bincount(owner_P, weights=weight_P)[owner_P]
    share_P = share_P.nan_to_num(0)  # an owner whose pairs all weigh 0
    if query_weight_B is not None:
        share_P = share_P * query_weight_B[query_P]
    return (share_P / share_P.sum()).nan_to_num(0)


def _signs(
    judged_BC: Tensor,
    ignore_BC: Tensor,
    grade_BC: Tensor,
    weight_BC: Tensor | None,
    query_weight_B: Tensor | None,
) -> Signs:
    """Positives weigh gain times weight, the latter scaled to mean 1 over the query's positives."""
    gain_BC = _gain(torch.where(judged_BC, grade_BC, 0).double())
    positive_BC = gain_BC / gain_BC.max().clamp_min(torch.finfo(gain_BC.dtype).tiny)
    if weight_BC is not None:
        own_BC = torch.where(judged_BC, weight_BC, 0).double()
        mean_B = own_BC.sum(dim=1) / judged_BC.sum(dim=1)
        positive_BC = positive_BC * (own_BC / mean_B.unsqueeze(1)).nan_to_num(0)
    weight_of_BC = torch.where(judged_BC, positive_BC, 1.0) * ~ignore_BC
    query_B = (~ignore_BC).any(dim=1).double()
    if query_weight_B is not None:
        query_B = query_B * query_weight_B
    share_B = (query_B / query_B.sum()).nan_to_num(0)
    sign_BC = torch.where(judged_BC, 1.0, -1.0)
    return Signs(sign_BC, weight_of_BC * share_B.unsqueeze(1))


def _log_add(total_O: Tensor, value_P: Tensor, owner_P: Tensor) -> Tensor:
    """log(exp total + sum of exp value over each owner's pairs); O owners."""
    largest_O = total_O.detach().scatter_reduce(0, owner_P, value_P.detach(), "amax")
    scaled_O = (total_O - largest_O).exp()
    scaled_O = scaled_O.index_add(0, owner_P, (value_P - largest_O[owner_P]).exp())
    return largest_O + scaled_O.log()
