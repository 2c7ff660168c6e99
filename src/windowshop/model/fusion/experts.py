"""The default fusion: a mixture of modality experts, gated by the product.

Shapes: B batch, D shared width, E = 3 experts (text, image, both).
"""

import torch
from torch import Tensor, nn

from windowshop.model.fusion.base import Fusion, Modalities, bounded, has_both, unit
from windowshop.model.layers import ZeroStartMLP


class ModalityExperts(Fusion):
    """Mixture of modality experts (docs/training.md has the formulas).

    E_T = t + A2 gelu(A1 t0), E_V likewise, E_X = (t + v) / 2 + C2 gelu(C1 [t0; v0; t0 * v0]),
    g = softmax(G2 gelu(G1 [t0; v0; t0 * v0; m_t; m_v])), p = normalise(sum of g E). A2, B2, C2 and
    G2 start at zero, so that an untrained fusion is the tuned weighted average exactly.
    """

    gated = True

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        self._text = ZeroStartMLP(width, hidden, width, dropout)
        self._image = ZeroStartMLP(width, hidden, width, dropout)
        self._both = ZeroStartMLP(3 * width, hidden, width, dropout)
        self._gate = ZeroStartMLP(3 * width + 2, hidden // 4, 3, dropout) if self.gated else None
        self._text_norm = nn.LayerNorm(width)
        self._image_norm = nn.LayerNorm(width)

    def forward(self, products: Modalities) -> Tensor:
        """Return the weighted sum of the experts, normalised."""
        t_BD, v_BD = products.t_BD, products.v_BD
        inputs = self._inputs(products)
        t0_BD, v0_BD, _ = inputs
        experts_BED = torch.stack(
            [
                t_BD + self._text(t0_BD),
                v_BD + self._image(v0_BD),
                (t_BD + v_BD) / 2 + self._both(torch.cat(inputs, dim=1)),
            ],
            dim=1,
        )
        gate_BE = self._weigh(inputs, products)
        has_any_B1 = products.has_B2.amax(dim=1, keepdim=True)
        return unit((gate_BE.unsqueeze(-1) * experts_BED).sum(dim=1)) * has_any_B1

    def alone(self, products: Modalities) -> tuple[Tensor, Tensor]:
        """Return the text expert and the image expert, normalised."""
        t_BD, v_BD = products.t_BD, products.v_BD
        text_BD = t_BD + self._text(self._text_norm(t_BD))
        image_BD = v_BD + self._image(self._image_norm(v_BD))
        return unit(text_BD), unit(image_BD)

    def gate(self, products: Modalities) -> Tensor | None:
        """Weights of the text, image and both experts, (B, 3), rows sum to 1; None if fixed."""
        return None if self._gate is None else self._weigh(self._inputs(products), products)

    def start_from(self, text_weight: float) -> None:
        """Set the gate's bias so that the untrained mixture is w t + (1 - w) v.

        Without a gate it stays (t + v) / 2.
        """
        if self._gate is None:
            return
        weight = bounded(text_weight)
        both = 2 / 3 * min(weight, 1 - weight)
        last = self._gate[-1]
        assert isinstance(last, nn.Linear)
        start = last.bias.new_tensor([weight - both / 2, 1 - weight - both / 2, both])
        with torch.no_grad():
            last.bias.copy_(start.log())

    def _inputs(self, products: Modalities) -> list[Tensor]:
        t0_BD = self._text_norm(products.t_BD) * products.has_B2[:, :1]
        v0_BD = self._image_norm(products.v_BD) * products.has_B2[:, 1:]
        return [t0_BD, v0_BD, t0_BD * v0_BD]

    def _weigh(self, inputs: list[Tensor], products: Modalities) -> Tensor:
        usable_BE = torch.cat([products.has_B2, has_both(products)], dim=1)
        if self._gate is None:
            return usable_BE / usable_BE.sum(dim=1, keepdim=True).clamp_min(1)
        logits_BE: Tensor = self._gate(torch.cat([*inputs, products.has_B2], dim=1))
        # A finite floor: softmax over a row of -inf (a product with nothing) would be NaN.
        return logits_BE.masked_fill(usable_BE == 0, -1e9).softmax(dim=1)


class UniformExperts(ModalityExperts):
    """Mixture of modality experts in which all experts that a product can use count alike."""

    gated = False
