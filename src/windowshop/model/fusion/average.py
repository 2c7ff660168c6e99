"""One weight for the whole shop: tuned on dev, or tuned and then learned.

Shapes: B batch, D shared width.
"""

import math

import torch
from torch import Tensor, nn

from windowshop.model.fusion.base import Fusion, Modalities, TunedMean, bounded, has_both, unit

LOGIT_STEP = 10.0
"""Adam moves every parameter by about the learning rate; a lone logit must go further than that."""


class Average(Fusion):
    """Weighted mean of the unit vectors, the weight tuned on dev."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        self._mean = TunedMean()

    def forward(self, products: Modalities) -> Tensor:
        """Return normalise(w t + (1 - w) v)."""
        return unit(self._mean(products))

    def start_from(self, text_weight: float) -> None:
        """Set w."""
        self._mean.start_from(text_weight)


class Weighted(Fusion):
    """Weighted mean of the unit vectors, the weight learned from its tuned value on."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        self._logit = nn.Parameter(torch.zeros(()))

    def forward(self, products: Modalities) -> Tensor:
        """Return normalise(w t + (1 - w) v); one modality alone is left as it is."""
        weight, both_B1 = torch.sigmoid(LOGIT_STEP * self._logit), has_both(products)
        mixed_BD = weight * products.t_BD + (1 - weight) * products.v_BD
        return unit(torch.where(both_B1 > 0, mixed_BD, products.t_BD + products.v_BD))

    def start_from(self, text_weight: float) -> None:
        """Set w."""
        weight = bounded(text_weight)
        with torch.no_grad():
            self._logit.fill_(math.log(weight / (1 - weight)) / LOGIT_STEP)
