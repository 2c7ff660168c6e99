"""The query decides how much the image counts; products are stored as both vectors.

Shapes: B batch, D shared width, P = 2D.
"""

import torch
from torch import Tensor

from windowshop.model.fusion.base import Fusion, Modalities, QueryWeight, bounded, interleave, unit


class QueryWeighted(Fusion):
    """Stores [t; v] and searches with [b q; (1 - b) q], b by the query, both normalised.

    So a query scores products by b q.t + (1 - b) q.v, but for a factor of its own that changes no
    ranking. A product that lacks a modality stores the other one twice: it scores q.t (q.v)
    whatever b is. The price is twice the memory and twice the work of every search.
    """

    parts = 2

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(width, hidden, dropout)
        self._query_weight = QueryWeight(width, hidden, dropout)

    def forward(self, products: Modalities) -> Tensor:
        """Return both vectors interleaved, (B, 2D)."""
        has_text_B1, has_image_B1 = products.has_B2[:, :1], products.has_B2[:, 1:]
        t_BD = torch.where(has_text_B1 > 0, products.t_BD, products.v_BD)
        v_BD = torch.where(has_image_B1 > 0, products.v_BD, products.t_BD)
        return unit(interleave(t_BD, v_BD))

    def alone(self, products: Modalities) -> tuple[Tensor, Tensor]:
        """Return each vector stored twice."""
        t_BD, v_BD = products.t_BD, products.v_BD
        return unit(interleave(t_BD, t_BD)), unit(interleave(v_BD, v_BD))

    def weigh_queries(self, q_BD: Tensor, own_BD: Tensor | None = None) -> Tensor:
        """Return [b q; (1 - b) q] interleaved and normalised, (B, 2D)."""
        return self._query_weight.split(q_BD)

    @property
    def query_weight(self) -> QueryWeight:
        """Weight of the text by query."""
        return self._query_weight

    def start_from(self, text_weight: float) -> None:
        """Set the bias so that every query's b is w."""
        self._query_weight.start_from(bounded(text_weight))
