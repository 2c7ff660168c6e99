"""Fusions: product text vector and image vector -> one product vector, behind one interface."""

from windowshop.model.fusion.base import Fusion, Modalities
from windowshop.registry import FUSIONS

__all__ = ["FUSIONS", "Fusion", "Modalities", "make_fusion", "needs_tokens", "num_parts"]


def make_fusion(name: str, width: int, hidden: int, dropout: float) -> Fusion:
    """Build a fusion by name for vectors of the given width."""
    fusion: Fusion = FUSIONS[name](width, hidden, dropout)
    return fusion


def needs_tokens(name: str) -> bool:
    """Return whether a fusion reads tokens, which its encoders then have to give."""
    return bool(FUSIONS[name].needs_tokens)


def num_parts(name: str) -> int:
    """Return how many vectors a fusion stores for a product; 1 for a name that is no fusion."""
    return int(FUSIONS[name].parts) if name in FUSIONS else 1
