"""Both vectors side by side, through a matrix or through an MLP.

Shapes: B batch, D shared width.
"""

import torch
from torch import Tensor, nn

from windowshop.model.fusion.base import Fusion, Modalities, TunedMean, bounded, has_both, unit
from windowshop.model.layers import ZeroStartMLP


class ConcatLinear(Fusion):
    """One matrix over [t; v] that starts as [w I, (1 - w) I]."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        self._matrix_D2D = nn.Parameter(torch.empty(width, 2 * width))
        self.start_from(0.5)

    def forward(self, products: Modalities) -> Tensor:
        """Return normalise(W [t; v])."""
        return unit(torch.cat([products.t_BD, products.v_BD], dim=1) @ self._matrix_D2D.T)

    def alone(self, products: Modalities) -> tuple[Tensor, Tensor]:
        """Return each vector through its half of the matrix, normalised."""
        text_DD, image_DD = self._matrix_D2D.chunk(2, dim=1)
        return unit(products.t_BD @ text_DD.T), unit(products.v_BD @ image_DD.T)

    def start_from(self, text_weight: float) -> None:
        """Set the matrix to [w I, (1 - w) I]."""
        weight = bounded(text_weight)
        eye_DD = torch.eye(len(self._matrix_D2D), dtype=self._matrix_D2D.dtype)
        with torch.no_grad():
            self._matrix_D2D.copy_(torch.cat([weight * eye_DD, (1 - weight) * eye_DD], dim=1))


class ConcatMLP(Fusion):
    """An MLP over [t; v] beside the tuned mean; one modality alone is left untouched."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        self._mean = TunedMean()
        self._mlp = ZeroStartMLP(2 * width, hidden, width, dropout)
        self._scale = width**0.5

    def forward(self, products: Modalities) -> Tensor:
        """Return normalise(w t + (1 - w) v + MLP([t; v])), the MLP only where both are there."""
        vectors_B2D = torch.cat([products.t_BD, products.v_BD], dim=1)
        mixed_BD: Tensor = self._mlp(vectors_B2D * self._scale)
        return unit(self._mean(products) + has_both(products) * mixed_BD)

    def start_from(self, text_weight: float) -> None:
        """Set w."""
        self._mean.start_from(text_weight)
