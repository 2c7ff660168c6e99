"""The mixture of modality experts with its text expert beside it, weighed by the query.

Shapes: B batch, D shared width, P = 2D.
"""

import torch
from torch import Tensor, nn

from windowshop.model.fusion.base import (
    Fusion,
    Modalities,
    QueryWeight,
    StageContext,
    interleave,
    unit,
)
from windowshop.model.fusion.experts import ModalityExperts


class QueryExperts(Fusion):
    """Stores [E_T; p] and searches with [b q; (1 - b) q], b by the query, both normalised.

    p is the mixture of experts, E_T its text expert. The gate of the mixture sees the product only,
    so a query for a brand or a fabric pays for what the image adds to p; here such a query looks at
    the text instead, and one for a colour at the mixture. A product without text stores its image
    expert twice. The price is the memory of two vectors.
    """

    parts = 2

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
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

    def weigh_queries(self, q_BD: Tensor, own_BD: Tensor | None = None) -> Tensor:
        """Return [b q; (1 - b) q] interleaved and normalised, (B, 2D)."""
        return self._query_weight.split(q_BD)

    @property
    def query_weight(self) -> QueryWeight:
        """Weight of the text expert by query."""
        return self._query_weight

    def start_from(self, text_weight: float) -> None:
        """Start the mixture from the tuned weighted average; every query's b starts at 1/2."""
        self._experts.start_from(text_weight)


class TextTowerExperts(QueryExperts):
    """Stores [T; p] and searches with [b o; (1 - b) q]: T and o come from a text tower of its own.

    That tower is a text-only two-tower, trained by itself before the first fused stage and then
    left as it is, while the mixture learns what it misses. So a query for a
    brand or a fabric finds what text alone would find, and what text alone learns does not depend
    on what images explain. For a product without text a linear map of its image's vector, at first
    the identity, stands in for T; a query with an image looks at the mixture alone.
    """

    has_own_text = True

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        self._stand_in = nn.Linear(width, width, bias=False)
        nn.init.eye_(self._stand_in.weight)

    def before_stage(self, context: StageContext) -> None:
        """Take the text tower that is trained by itself, as the first fused stage begins."""
        super().before_stage(context)
        weights = context.text_projection() if context.fusion_starts else None
        if weights is not None and self.own_text is not None:
            self.own_text.load_state_dict(weights)

    def after_stage(self, context: StageContext) -> None:
        """Follow the towers' text projection until the first fused stage."""
        super().after_stage(context)
        if not context.fusion_began and self.own_text is not None:
            self.own_text.load_state_dict(context.text.state_dict())

    def forward(self, products: Modalities) -> Tensor:
        """Return the own tower's text vector and the mixture, interleaved, (B, 2D)."""
        stand_in_BD = self._standing_in(self._experts.alone(products)[1])
        first_BD = torch.where(products.has_B2[:, :1] > 0, _own(products), stand_in_BD)
        has_any_B1 = products.has_B2.amax(dim=1, keepdim=True)
        return unit(interleave(first_BD, self._experts(products))) * has_any_B1

    def alone(self, products: Modalities) -> tuple[Tensor, Tensor]:
        """Return the own tower's vector beside the text expert, and the image's beside its own."""
        text_BD, image_BD = self._experts.alone(products)
        stand_in_BD = self._standing_in(image_BD)
        return unit(interleave(_own(products), text_BD)), unit(interleave(stand_in_BD, image_BD))

    def weigh_queries(self, q_BD: Tensor, own_BD: Tensor | None = None) -> Tensor:
        """Return [b o; (1 - b) q] interleaved and normalised, (B, 2D); b is 0 where o is."""
        mixture_BP = interleave(torch.zeros_like(q_BD), q_BD)
        if own_BD is None:
            return mixture_BP
        has_own_B1 = (own_BD != 0).any(dim=1, keepdim=True)
        return torch.where(has_own_B1, self._query_weight.split(q_BD, own_BD), mixture_BP)

    def _standing_in(self, image_BD: Tensor) -> Tensor:
        return unit(self._stand_in(image_BD))


def _own(products: Modalities) -> Tensor:
    assert products.own_t_BD is not None, "the towers project texts for a fusion that asks for it"
    return products.own_t_BD
