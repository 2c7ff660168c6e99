"""Product text vector and photo vector -> one product vector.

Shapes: B batch, D shared width, E experts (text, image, both). `t_BD` and `v_BD` are unit vectors,
zero where a product lacks the modality; `has_B2` says which it has (column 0 text, 1 image). Every
fusion gives a product with one modality a vector from that modality alone, and a zero vector to a
product with none.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from windowshop.config import FusionName
from windowshop.layers import ZeroStartMLP

MIN_WEIGHT = 0.05
"""The tuned text weight is kept this far from 0 and 1: no expert starts switched off, and a product
with one modality keeps its vector."""


class Fusion(nn.Module):
    """One way to combine the modalities; called with (t_BD, v_BD, has_B2), gives (B, D)."""

    uses_text = True
    uses_image = True

    def start_from(self, text_weight: float) -> None:
        """Make the untrained fusion equal this weighted average; does nothing where it cannot."""

    def alone(self, t_BD: Tensor, v_BD: Tensor) -> tuple[Tensor, Tensor]:
        """What calls with only the text, and with only the photo, would give; at less cost."""
        return t_BD, v_BD

    def gate(self, t_BD: Tensor, v_BD: Tensor, has_B2: Tensor) -> Tensor | None:
        """Expert weights (B, E) of a fusion that has a gate, else None."""
        return None


class TextOnly(Fusion):
    """The product's text alone; the text-only two-tower."""

    uses_image = False

    def forward(self, t_BD: Tensor, v_BD: Tensor, has_B2: Tensor) -> Tensor:
        """Return the text vector."""
        return t_BD


class ImageOnly(Fusion):
    """The product's photo alone."""

    uses_text = False

    def forward(self, t_BD: Tensor, v_BD: Tensor, has_B2: Tensor) -> Tensor:
        """Return the photo vector."""
        return v_BD


class Average(Fusion):
    """Weighted mean of the unit vectors, the weight tuned on dev."""

    text_weight: Tensor

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("text_weight", torch.tensor(0.5))

    def forward(self, t_BD: Tensor, v_BD: Tensor, has_B2: Tensor) -> Tensor:
        """Return normalise(w t + (1 - w) v)."""
        return F.normalize(self.text_weight * t_BD + (1 - self.text_weight) * v_BD, dim=-1)

    def start_from(self, text_weight: float) -> None:
        """Set w."""
        self.text_weight.fill_(_bounded(text_weight))


class ConcatMLP(Fusion):
    """An MLP over [t; v] beside the plain sum; one modality alone is left untouched."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self._mlp = ZeroStartMLP(2 * width, hidden, width, dropout)
        self._scale = math.sqrt(width)

    def forward(self, t_BD: Tensor, v_BD: Tensor, has_B2: Tensor) -> Tensor:
        """Return normalise(t + v + MLP([t; v])), the MLP only where both are there."""
        both_B1 = has_B2.prod(dim=1, keepdim=True)
        mixed_BD = self._mlp(torch.cat([t_BD, v_BD], dim=1) * self._scale)
        return F.normalize(t_BD + v_BD + both_B1 * mixed_BD, dim=-1)


class ModalityExperts(Fusion):
    """Mixture of modality experts, gated by the product (docs/training.md has the formulas).

    E_T = t + A2 gelu(A1 t0), E_V likewise, E_X = (t + v) / 2 + C2 gelu(C1 [t0; v0; t0 * v0]),
    g = softmax(G2 gelu(G1 [t0; v0; t0 * v0; m_t; m_v])), p = normalise(sum of g E). A2, B2, C2 and
    G2 start at zero, so that an untrained fusion is the tuned weighted average exactly.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self._text = ZeroStartMLP(width, hidden, width, dropout)
        self._image = ZeroStartMLP(width, hidden, width, dropout)
        self._both = ZeroStartMLP(3 * width, hidden, width, dropout)
        self._gate = ZeroStartMLP(3 * width + 2, hidden // 4, 3, dropout)
        self._text_norm = nn.LayerNorm(width)
        self._image_norm = nn.LayerNorm(width)

    def forward(self, t_BD: Tensor, v_BD: Tensor, has_B2: Tensor) -> Tensor:
        """Return the gated sum of the experts, normalised."""
        inputs = self._inputs(t_BD, v_BD, has_B2)
        t0_BD, v0_BD, _ = inputs
        experts_BED = torch.stack(
            [
                t_BD + self._text(t0_BD),
                v_BD + self._image(v0_BD),
                (t_BD + v_BD) / 2 + self._both(torch.cat(inputs, dim=1)),
            ],
            dim=1,
        )
        gate_BE = self._weigh(inputs, has_B2)
        has_any_B1 = has_B2.amax(dim=1, keepdim=True)
        fused_BD = (gate_BE.unsqueeze(-1) * experts_BED).sum(dim=1)
        return F.normalize(fused_BD, dim=-1) * has_any_B1

    def alone(self, t_BD: Tensor, v_BD: Tensor) -> tuple[Tensor, Tensor]:
        """Return the text expert and the image expert, normalised."""
        text_BD = t_BD + self._text(self._text_norm(t_BD))
        image_BD = v_BD + self._image(self._image_norm(v_BD))
        return F.normalize(text_BD, dim=-1), F.normalize(image_BD, dim=-1)

    def gate(self, t_BD: Tensor, v_BD: Tensor, has_B2: Tensor) -> Tensor | None:
        """Weights of the text, image and both experts, (B, 3), rows sum to 1."""
        return self._weigh(self._inputs(t_BD, v_BD, has_B2), has_B2)

    def start_from(self, text_weight: float) -> None:
        """Set the gate's bias so that the untrained mixture is w t + (1 - w) v."""
        weight = _bounded(text_weight)
        both = 2 / 3 * min(weight, 1 - weight)
        start = torch.tensor([weight - both / 2, 1 - weight - both / 2, both])
        bias = self._gate[-1].bias
        assert isinstance(bias, Tensor)
        with torch.no_grad():
            bias.copy_(start.log())

    def _inputs(self, t_BD: Tensor, v_BD: Tensor, has_B2: Tensor) -> list[Tensor]:
        t0_BD = self._text_norm(t_BD) * has_B2[:, :1]
        v0_BD = self._image_norm(v_BD) * has_B2[:, 1:]
        return [t0_BD, v0_BD, t0_BD * v0_BD]

    def _weigh(self, inputs: list[Tensor], has_B2: Tensor) -> Tensor:
        logits_BE: Tensor = self._gate(torch.cat([*inputs, has_B2], dim=1))
        usable_BE = torch.cat([has_B2, has_B2.prod(dim=1, keepdim=True)], dim=1) > 0
        # A finite floor: softmax over a row of -inf (a product with nothing) would be NaN.
        return logits_BE.masked_fill(~usable_BE, -1e9).softmax(dim=1)


def _bounded(text_weight: float) -> float:
    return min(max(text_weight, MIN_WEIGHT), 1 - MIN_WEIGHT)


FUSIONS: dict[FusionName, Callable[[int, int, float], Fusion]] = {
    "experts": ModalityExperts,
    "average": Average,
    "concat_mlp": ConcatMLP,
    "text_only": lambda width, hidden, dropout: TextOnly(),
    "image_only": lambda width, hidden, dropout: ImageOnly(),
}


def make_fusion(name: FusionName, width: int, hidden: int, dropout: float) -> Fusion:
    """Build a fusion by name."""
    return FUSIONS[name](width, hidden, dropout)
