"""What a model says about products, as a collection takes it: vectors by name, and gate columns.

Shapes: N products.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from windowshop.model import SpaceVectors

GATE_COLUMNS = ("_text_weight", "_photo_weight")
"""Of a catalogue's columns those that begin with _ are ours: shown in explanations only."""
FUSED_VECTOR, PHOTO_VECTOR = "fused", "photo"
"""Names of a product's vectors: for searches by text, photo or both, and by photo alone."""


def vectors_by_name(parts: Sequence["SpaceVectors"]) -> dict[str, np.ndarray]:
    """Vectors of consecutive rows as a collection takes them."""
    vectors = {FUSED_VECTOR: np.concatenate([part.fused for part in parts])}
    photos = [part.photo for part in parts if part.photo is not None]
    return vectors | ({PHOTO_VECTOR: np.concatenate(photos)} if photos else {})


def with_gate(rows: pl.DataFrame, parts: Sequence["SpaceVectors"]) -> pl.DataFrame:
    """The rows with what the model's gate gave each of them, for explanations."""
    gates = [part.gate for part in parts if part.gate is not None]
    if not gates:
        return rows
    gate_N2 = np.concatenate(gates)
    return rows.with_columns(pl.Series(name, gate_N2[:, i]) for i, name in enumerate(GATE_COLUMNS))
