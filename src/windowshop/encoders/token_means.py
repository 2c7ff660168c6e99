"""Pooling of an encoder's states into tokens: means over pieces of a text, or places of an image.

Shapes: B batch, L positions of a text, G side of a grid of places, K tokens, W width of a state.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TEXT_TOKENS = 8
"""Pieces of a text, in order and of equal length."""
GRID = 3
"""Places along each side of an image."""


def with_tokens(pooled_BH: Tensor, token_BKW: Tensor) -> Tensor:
    """Features as a layout has them: pooled parts, then tokens."""
    return torch.cat([pooled_BH, token_BKW.flatten(1).to(pooled_BH.dtype)], dim=1)


def piece_means(state_BLW: Tensor, mask_BL: Tensor) -> Tensor:
    """Means over TEXT_TOKENS equal pieces of each text, (B, K, W).

    Piece k of a text of n positions reaches from floor(k n / K) to ceil((k + 1) n / K), so in a
    text of fewer than K positions neighbours share one.
    """
    mask_BL = mask_BL.long()
    place_BL = mask_BL.cumsum(dim=1) - 1
    length_B1 = mask_BL.sum(dim=1, keepdim=True)
    piece_K = torch.arange(TEXT_TOKENS, device=mask_BL.device)
    first_BK = piece_K * length_B1 // TEXT_TOKENS
    end_BK = ((piece_K + 1) * length_B1 + TEXT_TOKENS - 1) // TEXT_TOKENS
    place_B1L = place_BL.unsqueeze(1)
    within_BKL = (place_B1L >= first_BK.unsqueeze(2)) & (place_B1L < end_BK.unsqueeze(2))
    share_BKL = (within_BKL & mask_BL.bool().unsqueeze(1)).to(state_BLW.dtype)
    count_BK1 = share_BKL.sum(dim=2, keepdim=True).clamp_min(1)
    return torch.bmm(share_BKL, state_BLW) / count_BK1


def place_means(state_BWGG: Tensor) -> Tensor:
    """Means over GRID x GRID places of each image, row by row, (B, K, W)."""
    if torch.onnx.is_in_onnx_export():  # which knows such pooling of multiples of GRID alone
        rows, columns = (_place_shares(int(size)) for size in state_BWGG.shape[2:])
        mean_BWKK = rows @ state_BWGG @ columns.T
    else:
        mean_BWKK = F.adaptive_avg_pool2d(state_BWGG, GRID)
    return mean_BWKK.flatten(2).transpose(1, 2)


def _place_shares(size: int) -> Tensor:
    """Share of each position in each place along one side, (GRID, G), as adaptive pooling cuts."""
    share_KG = torch.zeros(GRID, size)
    for place in range(GRID):
        first, end = place * size // GRID, -(-(place + 1) * size // GRID)
        share_KG[place, first:end] = 1 / (end - first)
    return share_KG
