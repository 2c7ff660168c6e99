"""The mixture of modality experts with its text expert beside it, weighed by the query.

Shapes: B batch, D shared width, P = 2D.
"""

import torch
from torch import Tensor

from windowshop.fusions.base import Fusion, Modalities, QueryWeight, interleave, unit
from windowshop.fusions.experts import ModalityExperts
from windowshop.layers import ZeroStartMLP


class QueryExperts(Fusion):
    """Stores [E_T; p] and searches with [b q; (1 - b) q], b by the query, both normalised.

    p is the mixture of experts, E_T its text expert. The gate of the mixture sees the product only,
    so a query for a brand or a fabric pays for what the photo adds to p; here such a query looks at
    the text instead, and one for a colour at the mixture. A product without text stores its photo
    expert twice. The price is the memory of two vectors.
    """

    parts = 2

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self._experts = ModalityExperts(width, hidden, dropout)
        self._query_weight = QueryWeight(width, hidden // 2, dropout)

    def forward(self, products: Modalities) -> Tensor:
        """Return the text expert and the mixture, interleaved, (B, 2D)."""
        text_BD, image_BD = self._experts.alone(products)
        first_BD = torch.where(products.has_B2[:, :1] > 0, text_BD, image_BD)
        has_any_B1 = products.has_B2.amax(dim=1, keepdim=True)
        return unit(interleave(first_BD, self._experts(products))) * has_any_B1

    def alone(self, products: Modalities) -> tuple[Tensor, Tensor]:
        """Return the text expert twice and the image expert twice."""
        text_BD, image_BD = self._experts.alone(products)
        return unit(interleave(text_BD, text_BD)), unit(interleave(image_BD, image_BD))

    def gate(self, products: Modalities) -> Tensor | None:
        """Weights of the text, image and both experts within the mixture, (B, 3)."""
        return self._experts.gate(products)

    def weigh_queries(self, q_BD: Tensor) -> Tensor:
        """Return [b q; (1 - b) q] interleaved and normalised, (B, 2D)."""
        return self._query_weight.split(q_BD)

    @property
    def query_weight(self) -> QueryWeight:
        """What decides how much the text expert counts."""
        return self._query_weight

    def start_from(self, text_weight: float) -> None:
        """Start the mixture from the tuned weighted average; every query's b starts at 1/2."""
        self._experts.start_from(text_weight)


class QueryHeadExperts(QueryExperts):
    """Stores the same, and searches with [b h; (1 - b) q], h = normalise(q + MLP(q)).

    So the text expert has a query of its own, and the projection that it shares with the mixture
    need not serve both. The MLP starts at zero: untrained, this is `QueryExperts`.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        self._head = ZeroStartMLP(width, hidden // 2, width, dropout)
        self._scale = width**0.5

    def weigh_queries(self, q_BD: Tensor) -> Tensor:
        """Return [b h; (1 - b) q] interleaved and normalised, (B, 2D); no query stays zero."""
        own_BD = unit(q_BD + self._head(q_BD * self._scale))
        has_any_B1 = (q_BD != 0).any(dim=1, keepdim=True)  # floats would be exported rounded
        return self._query_weight.split(q_BD, own_BD * has_any_B1)
