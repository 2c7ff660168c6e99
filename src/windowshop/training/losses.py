"""The loss every stage shares: multi-positive, weighted, masked InfoNCE or SigLIP; pure functions.

Where several processes train, B are this one's queries, and what is returned is their part of the
batch's loss: targets are normalised, and a product's negatives summed, over the queries of all.

Shapes: B queries, C products in the batch, R queries of a block, D shared width, A judged pairs, P
positive pairs of a level.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from windowshop.config import LossForm
from windowshop.model import MAX_SCALE
from windowshop.training.distributed import everyones, largest, logsumexp, rank, total

BLOCKED = -1e4
"""Takes a logit out of a sum of exponentials; finite, so that an empty sum has finite gradients."""
CELLS = 1 << 22
"""Logits in memory at a time. Those of a larger batch are computed again for their gradients."""
QUERIES = 1 << 32
"""More queries than any batch has."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Level:
    """Pairs that are contrasted with the same negatives; each direction's shares sum to 1."""

    weight: float
    pair_P: Tensor
    """Positions of this process's pairs among its judged ones; it may have none."""
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
    blocked_BC: Tensor
    """True where a pair is no negative: judged, or ignored."""
    pairs_A2: Tensor
    """Query and product of each judged pair, by query."""
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
    pairs_A2 = torch.nonzero(judged_BC)
    if form == "sigmoid":
        signs = _signs(judged_BC, ignore_BC, grade_BC, weight_BC, query_weight_B)
        return Targets([], judged_BC | ignore_BC, pairs_A2, signs=signs)
    judged = _judged(pairs_A2, grade_BC, weight_BC, query_weight_B)
    levels = []
    if form == "plain":
        plain = replace(judged, weight_N=judged.gain_N * judged.weight_N)
        levels = [plain.level(1.0, judged.gain_N > 0)] if len(judged.gain_N) else []
    else:
        highest = judged.gain_N.max() if len(judged.gain_N) else 1.0
        for gain in torch.unique(judged.gain_N).tolist():
            levels.append(judged.level(gain / float(highest), judged.gain_N == gain))
    return Targets(levels, judged_BC | ignore_BC, pairs_A2, log_share_C)


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
    return pairwise_sigmoid(query_BD, product_CD, targets, scale, bias)


def info_nce(query_BD: Tensor, product_CD: Tensor, targets: Targets, scale: Tensor) -> Tensor:
    """Multi-positive InfoNCE, query to product plus half the product-to-query direction.

    For each level, the weighted mean over queries (then products) of the weighted mean over their
    positives of -s_ij + log(exp s_ij + sum over negatives k of exp(s_ik - log Q_k)), with s = scale
    * cosine; log Q, the sampling correction, is in the first direction only. Rows are unit vectors.
    The sums run over the whole matrix once; each level's pairs then join the negatives of the
    levels above it.
    """
    scaled_BD = scale.clamp(max=MAX_SCALE) * query_BD
    parts = _in_blocks(_sums, scaled_BD, product_CD, targets, targets.log_share_C)
    against_B = torch.cat([against_R for against_R, _, _ in parts])
    own_C = parts[0][1] if len(parts) == 1 else torch.stack([p[1] for p in parts]).logsumexp(dim=0)
    logit_A = torch.cat([logit_A for _, _, logit_A in parts])
    loss = logit_A.new_zeros(())
    for level in targets.levels:
        query_P, product_P = targets.pairs_A2[level.pair_P].unbind(dim=1)
        positive_P, against_C = logit_A[level.pair_P], logsumexp(own_C)
        query_loss_P = F.softplus(against_B[query_P] - positive_P)
        product_loss_P = F.softplus(against_C[product_P] - positive_P)
        queries = (query_loss_P * level.by_query_P.to(loss.dtype)).sum()
        products = (product_loss_P * level.by_product_P.to(loss.dtype)).sum()
        loss = loss + level.weight * (queries + 0.5 * products)
        if level is not targets.levels[-1]:
            own_C = _log_add(own_C, positive_P, product_P)
            if targets.log_share_C is not None:
                positive_P = positive_P - targets.log_share_C[product_P]
            against_B = _log_add(against_B, positive_P, query_P)
    return loss


def pairwise_sigmoid(
    query_BD: Tensor, product_CD: Tensor, targets: Targets, scale: Tensor, bias: Tensor
) -> Tensor:
    """SigLIP's loss (arXiv:2303.15343): -log sigmoid(z (s + bias)) of each pair, z its sign.

    Summed over pairs and divided by the number (the weight) of queries; a positive weighs its gain
    over the highest in the batch.
    """
    scaled_BD = scale.clamp(max=MAX_SCALE) * query_BD
    return torch.stack(_in_blocks(_sigmoid_sum, scaled_BD, product_CD, targets, bias)).sum()


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


def _in_blocks(
    compute: Callable[..., T],
    scaled_BD: Tensor,
    product_CD: Tensor,
    targets: Targets,
    extra: Tensor | None,
) -> list[T]:
    """Return what `compute` makes of each block of queries, so that CELLS logits are in memory.

    It gets vectors of queries and products, the block's targets, and `extra`.
    """
    rows = max(1, CELLS // max(1, len(product_CD)))
    if len(scaled_BD) <= rows:
        return [compute(scaled_BD, product_CD, _rows(targets, 0, len(scaled_BD)), extra)]
    return [
        checkpoint(
            compute,
            scaled_BD[start : start + rows],
            product_CD,
            _rows(targets, start, start + rows),
            extra,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for start in range(0, len(scaled_BD), rows)
    ]


def _rows(targets: Targets, start: int, end: int) -> Targets:
    """Return the targets of some queries, without levels."""
    query_A = targets.pairs_A2[:, 0].contiguous()
    bounds = torch.searchsorted(query_A, torch.tensor([start, end], device=query_A.device))
    pairs_A2 = targets.pairs_A2[slice(*bounds.tolist())] - query_A.new_tensor([start, 0])
    signs = targets.signs
    if signs is not None:
        signs = Signs(signs.sign_BC[start:end], signs.weight_BC[start:end])
    return Targets([], targets.blocked_BC[start:end], pairs_A2, signs=signs)


def _sums(
    scaled_RD: Tensor, product_CD: Tensor, targets: Targets, log_share_C: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-sums over negatives of each query (R) and each product (C), and judged pairs' logits."""
    logits_RC = scaled_RD @ product_CD.T
    unjudged_RC = logits_RC.masked_fill(targets.blocked_BC, BLOCKED)
    against_C = unjudged_RC.logsumexp(dim=0)
    if len(scaled_RD) == 0:  # a finite value, which hangs on the products as the others' do
        against_C = 0 * product_CD.sum(dim=1) + BLOCKED
    if log_share_C is not None:
        unjudged_RC = unjudged_RC - log_share_C
    return unjudged_RC.logsumexp(dim=1), against_C, logits_RC[targets.pairs_A2.unbind(dim=1)]


def _sigmoid_sum(
    scaled_RD: Tensor, product_CD: Tensor, targets: Targets, bias: Tensor | None
) -> Tensor:
    assert targets.signs is not None
    assert bias is not None
    logits_RC = scaled_RD @ product_CD.T + bias
    dtype = logits_RC.dtype
    loss_RC = F.softplus(-targets.signs.sign_BC.to(dtype) * logits_RC)
    return (targets.signs.weight_BC.to(dtype) * loss_RC).sum()


@dataclass(frozen=True, slots=True)
class _Judged:
    """The N judged pairs of all processes, this one's at `own`."""

    query_N: Tensor
    product_N: Tensor
    gain_N: Tensor
    weight_N: Tensor
    query_weight_N: Tensor
    own: slice

    def level(self, weight: float, at_N: Tensor) -> Level:
        """Return the level of the pairs that `at_N` marks."""
        pair_P = at_N[self.own].nonzero().flatten()
        return Level(
            weight=weight,
            pair_P=pair_P,
            by_query_P=self._shares(self.query_N, at_N)[self.own][pair_P],
            by_product_P=self._shares(self.product_N, at_N)[self.own][pair_P],
        )

    def _shares(self, owner_N: Tensor, at_N: Tensor) -> Tensor:
        """Divide each owner among its pairs by weight, then weigh by query.

        They sum to 1, or are all 0.
        """
        weight_N = self.weight_N * at_N
        share_N = weight_N / torch.bincount(owner_N, weights=weight_N)[owner_N]
        share_N = share_N.nan_to_num(0)  # an owner whose pairs all weigh 0
        share_N = share_N * self.query_weight_N
        return (share_N / share_N.sum()).nan_to_num(0)


def _judged(
    pairs_A2: Tensor, grade_BC: Tensor, weight_BC: Tensor | None, query_weight_B: Tensor | None
) -> _Judged:
    """Gather the judged pairs of all processes."""
    query_A, product_A = pairs_A2.unbind(dim=1)
    ones_A = torch.ones_like(query_A, dtype=torch.float64)
    columns = [
        query_A + rank() * QUERIES,  # numbers that no other process has
        product_A,
        _gain(grade_BC[query_A, product_A].double()),
        ones_A if weight_BC is None else weight_BC[query_A, product_A],
        ones_A if query_weight_B is None else query_weight_B[query_A],
    ]
    all_N5, own = everyones(torch.stack([column.double() for column in columns], dim=1))
    query_N, product_N, gain_N, weight_N, query_weight_N = all_N5.unbind(dim=1)
    _, number_N = torch.unique(query_N, return_inverse=True)
    return _Judged(number_N, product_N.long(), gain_N, weight_N, query_weight_N, own)


def _signs(
    judged_BC: Tensor,
    ignore_BC: Tensor,
    grade_BC: Tensor,
    weight_BC: Tensor | None,
    query_weight_B: Tensor | None,
) -> Signs:
    """Positives weigh gain times weight, the latter scaled to mean 1 over the query's positives."""
    gain_BC = _gain(torch.where(judged_BC, grade_BC, 0).double())
    highest = largest(gain_BC.max() if gain_BC.numel() else gain_BC.new_zeros(()))
    positive_BC = gain_BC / highest.clamp_min(torch.finfo(gain_BC.dtype).tiny)
    if weight_BC is not None:
        own_BC = torch.where(judged_BC, weight_BC, 0).double()
        mean_B = own_BC.sum(dim=1) / judged_BC.sum(dim=1)
        positive_BC = positive_BC * (own_BC / mean_B.unsqueeze(1)).nan_to_num(0)
    weight_of_BC = torch.where(judged_BC, positive_BC, 1.0) * ~ignore_BC
    query_B = (~ignore_BC).any(dim=1).double()
    if query_weight_B is not None:
        query_B = query_B * query_weight_B
    share_B = (query_B / total(query_B.sum())).nan_to_num(0)
    sign_BC = torch.where(judged_BC, 1.0, -1.0)
    return Signs(sign_BC, weight_of_BC * share_B.unsqueeze(1))


def _log_add(total_O: Tensor, value_P: Tensor, owner_P: Tensor) -> Tensor:
    """log(exp total + sum of exp value over each owner's pairs); O owners."""
    largest_O = total_O.detach().scatter_reduce(0, owner_P, value_P.detach(), "amax")
    scaled_O = (total_O - largest_O).exp()
    scaled_O = scaled_O.index_add(0, owner_P, (value_P - largest_O[owner_P]).exp())
    return largest_O + scaled_O.log()
