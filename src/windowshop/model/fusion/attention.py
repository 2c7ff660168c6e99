"""Text and image read each other's tokens.

Shapes: B batch, D shared width, S and T tokens of the reading and of the read modality, N heads,
H width of a head.

The tokens of an item are its vector in the shared width, one for each segment of its features (the
sentence and the word pieces; an early, a middle and a late layer) and those of its encoder: pieces
of the text, places in the image (`layout`, `Tokens`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from windowshop.model.fusion.base import Fusion, Modalities, TunedMean, has_both, unit
from windowshop.model.layers import ZeroStartMLP, mixed_precision

HEAD_WIDTH = 64


class CrossAttention(Fusion):
    """normalise(w t + (1 - w) v + MLP([mean of X; mean of Y])), X the text's tokens after reading.

    X = x + attention from x to y, Y = y + attention from y to x, one layer each. The MLP starts at
    zero and counts only where both modalities are there.
    """

    needs_tokens = True

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        self._mean = TunedMean()
        self._text_reads = _Reading(width)
        self._image_reads = _Reading(width)
        self._mlp = ZeroStartMLP(2 * width, hidden, width, dropout)

    def forward(self, products: Modalities) -> Tensor:
        """Return the tuned mean with what the readings add, normalised."""
        assert products.text_tokens_BTD is not None
        assert products.image_tokens_BTD is not None
        text_BTD = _with_vector(products.t_BD, products.text_tokens_BTD)
        image_BTD = _with_vector(products.v_BD, products.image_tokens_BTD)
        text_BD = self._text_reads(text_BTD, image_BTD).mean(dim=1)
        image_BD = self._image_reads(image_BTD, text_BTD).mean(dim=1)
        added_BD: Tensor = self._mlp(torch.cat([text_BD, image_BD], dim=1))
        return unit(self._mean(products) + has_both(products) * added_BD)

    def start_from(self, text_weight: float) -> None:
        """Set w."""
        self._mean.start_from(text_weight)


class _Reading(nn.Module):
    """Residual multi-head attention from one modality's tokens to the other's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._num_heads = width // HEAD_WIDTH if width % HEAD_WIDTH == 0 else 1
        self._reader_norm = nn.LayerNorm(width)
        self._read_norm = nn.LayerNorm(width)
        self._ask = nn.Linear(width, width, bias=False)
        self._offer = nn.Linear(width, 2 * width, bias=False)
        self._give = nn.Linear(width, width, bias=False)

    def forward(self, reader_BSD: Tensor, read_BTD: Tensor) -> Tensor:
        """Return the reader's tokens (B, S, D)."""
        with mixed_precision(self):
            queries_BNSH = self._heads(self._ask(self._reader_norm(reader_BSD)))
            keys_BTD, values_BTD = self._offer(self._read_norm(read_BTD)).chunk(2, dim=-1)
            keys_BNTH, values_BNTH = self._heads(keys_BTD), self._heads(values_BTD)
            found_BNSH = F.scaled_dot_product_attention(queries_BNSH, keys_BNTH, values_BNTH)
            found_BSD: Tensor = self._give(found_BNSH.transpose(1, 2).flatten(2))
        return reader_BSD + found_BSD.to(reader_BSD.dtype)

    def _heads(self, x_BTD: Tensor) -> Tensor:
        batch, tokens, width = x_BTD.shape
        split = (batch, tokens, self._num_heads, width // self._num_heads)
        return x_BTD.view(split).transpose(1, 2)


def _with_vector(vector_BD: Tensor, tokens_BTD: Tensor) -> Tensor:
    """The unit vector before the tokens, with entries of about their size."""
    scale = vector_BD.shape[1] ** 0.5
    return torch.cat([(vector_BD * scale).unsqueeze(1), tokens_BTD], dim=1)
