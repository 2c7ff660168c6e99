"""Vectors and gate weights of a model, in the form that a collection takes.

Shapes: N products.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from windowshop.model import IndexVectors

GATE_COLUMNS = ("_text_weight", "_photo_weight")
"""Internal columns, which begin with _, for explanations only."""
FUSED_VECTOR, IMAGE_VECTOR = "fused", "photo"
"""Vector names: for searches by text, image or both, and for those by image alone."""


def vectors_by_name(parts: Sequence["IndexVectors"]) -> dict[str, np.ndarray]:
    """Join the vectors of consecutive parts, by vector name."""
    vectors = {FUSED_VECTOR: np.concatenate([part.fused for part in parts])}
    images = [part.image for part in parts if part.image is not None]
    return vectors | ({IMAGE_VECTOR: np.concatenate(images)} if images else {})


def gate_columns(parts: Sequence["IndexVectors"]) -> pl.DataFrame:
    """Return the gate weights of the fusion as internal columns; none where it has no gate."""
    gates = [part.gate for part in parts if part.gate is not None]
    if not gates:
        return pl.DataFrame()
    gate_N2 = np.concatenate(gates).astype(np.float64)
    return pl.DataFrame({name: gate_N2[:, i] for i, name in enumerate(GATE_COLUMNS)})
