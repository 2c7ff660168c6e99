"""A gate between the two vectors: one number a product, or one a dimension.

Shapes: B batch, D shared width, G gates (1 or D).
"""

import math

import torch
from torch import Tensor, nn

from windowshop.model.fusion.base import Fusion, Modalities, bounded, has_both, joint_inputs, unit
from windowshop.model.layers import ZeroStartMLP


class ScalarGate(Fusion):
    """normalise(g t + (1 - g) v) with g = sigmoid(MLP([t; v; t * v; m_t; m_v]))."""

    gates_each_dimension = False

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        num_gates = width if self.gates_each_dimension else 1
        self._mlp = ZeroStartMLP(3 * width + 2, hidden, num_gates, dropout)

    def forward(self, products: Modalities) -> Tensor:
        """Return the gated sum, normalised; one modality alone is left as it is."""
        gate_BG = self._weigh(products)
        return unit(gate_BG * products.t_BD + (1 - gate_BG) * products.v_BD)

    def gate(self, products: Modalities) -> Tensor | None:
        """Weights of text and image, the mean over the dimensions, (B, 2)."""
        text_B1 = self._weigh(products).mean(dim=1, keepdim=True)
        return torch.cat([text_B1, 1 - text_B1], dim=1) * products.has_B2.amax(dim=1, keepdim=True)

    def start_from(self, text_weight: float) -> None:
        """Set the gate's bias so that every gate is w."""
        weight = bounded(text_weight)
        last = self._mlp[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.fill_(math.log(weight / (1 - weight)))

    def _weigh(self, products: Modalities) -> Tensor:
        gate_BG = torch.sigmoid(self._mlp(joint_inputs(products)))
        return torch.where(has_both(products) > 0, gate_BG, products.has_B2[:, :1])


class VectorGate(ScalarGate):
    """Gate with a number for each dimension instead of one for the whole product."""

    gates_each_dimension = True
