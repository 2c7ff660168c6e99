"""Product text vector and photo vector -> one product vector, behind one interface."""

from collections.abc import Callable

from windowshop.config import FusionName
from windowshop.model.fusion.attention import CrossAttention
from windowshop.model.fusion.average import Average, Weighted
from windowshop.model.fusion.base import Fusion, Modalities
from windowshop.model.fusion.concat import ConcatLinear, ConcatMLP
from windowshop.model.fusion.experts import ModalityExperts
from windowshop.model.fusion.gated import Gated
from windowshop.model.fusion.query_experts import QueryExperts, TextTowerExperts
from windowshop.model.fusion.query_weighted import QueryWeighted
from windowshop.model.fusion.single import ImageOnly, TextOnly

__all__ = ["FUSIONS", "Fusion", "Modalities", "make_fusion", "needs_tokens", "num_parts"]

FUSIONS: dict[FusionName, Callable[[int, int, float], Fusion]] = {
    "experts": ModalityExperts,
    "uniform_experts": lambda width, hidden, dropout: ModalityExperts(
        width, hidden, dropout, gated=False
    ),
    "average": lambda width, hidden, dropout: Average(),
    "weighted": lambda width, hidden, dropout: Weighted(),
    "concat_linear": lambda width, hidden, dropout: ConcatLinear(width),
    "concat_mlp": ConcatMLP,
    "scalar_gate": lambda width, hidden, dropout: Gated(width, hidden, dropout, 1),
    "vector_gate": lambda width, hidden, dropout: Gated(width, hidden, dropout, width),
    "cross_attention": CrossAttention,
    "query_weighted": QueryWeighted,
    "query_experts": QueryExperts,
    "text_tower_experts": TextTowerExperts,
    "text_only": lambda width, hidden, dropout: TextOnly(),
    "image_only": lambda width, hidden, dropout: ImageOnly(),
}


def make_fusion(name: FusionName, width: int, hidden: int, dropout: float) -> Fusion:
    """Build a fusion by name for vectors of the given width."""
    return FUSIONS[name](width, hidden, dropout)


def needs_tokens(name: FusionName) -> bool:
    """Whether a fusion reads tokens, which its encoders are loaded with then."""
    return bool(getattr(FUSIONS[name], "needs_tokens", False))


def num_parts(name: str) -> int:
    """Vectors that a product is stored as by the fusion of this name; 1 where there is none."""
    return next((getattr(make, "parts", 1) for known, make in FUSIONS.items() if known == name), 1)
