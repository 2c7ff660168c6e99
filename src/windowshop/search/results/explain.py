"""Why a product stands where it does, and how far a query trusts text."""

from collections.abc import Mapping

import numpy as np

from windowshop.index import GATE_COLUMNS, GenerationManifest, View
from windowshop.search.answer import Explanation
from windowshop.search.results.arrange import Shelf
from windowshop.search.retrieval.channels import Candidates


def explained(view: View, shelf: Shelf, candidates: Candidates) -> list[Explanation]:
    """Everything that moved each product of the page."""
    keys = shelf.page.keys
    names = [name for name in GATE_COLUMNS if name in view.columns.names]
    gates = view.columns.select(keys, names).rows(named=True) if names else [{}] * len(keys)
    pairs = zip(keys.tolist(), gates, strict=True)
    return [_explanation(shelf, candidates, key, gate) for key, gate in pairs]


def _explanation(
    shelf: Shelf, candidates: Candidates, key: int, gate: Mapping[str, float | None]
) -> Explanation:
    arranged = shelf.arranged
    place = int(np.flatnonzero(arranged.merged.keys == key)[0])
    chances_M = candidates.probabilities_M
    probability = None
    if chances_M is not None:
        before = np.flatnonzero(candidates.merged.keys == key)
        probability = float(chances_M[before[0]]) if len(before) else None
    text_weight, photo_weight = (gate.get(name) for name in GATE_COLUMNS)
    return Explanation(
        channels=arranged.merged.explain(place),
        probability=probability,
        boosted_by=tuple(name for name, keys in candidates.boosted if key in keys),
        effects=arranged.explain(place),
        text_weight=text_weight,
        photo_weight=photo_weight,
    )


def query_text_weight(query_1P: np.ndarray | None, manifest: GenerationManifest) -> float | None:
    """Weight b of a query [b q; (1 - b) q], interleaved (`QueryWeight`)."""
    if query_1P is None or manifest.width != 2 * (manifest.photo_width or 0):
        return None
    first, second = np.linalg.norm(query_1P[0, 0::2]), np.linalg.norm(query_1P[0, 1::2])
    return float(first / (first + second))
