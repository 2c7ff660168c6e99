"""Explanations of the places of products."""

from collections.abc import Sequence

import numpy as np

from windowshop.index import GATE_COLUMNS, View
from windowshop.search.answer import Explanation, ScorePart
from windowshop.search.ranking.ranker import Ranked
from windowshop.search.results.arrange import ArrangedResults
from windowshop.search.retrieval.merge import Merged
from windowshop.search.retrieval.retrieve import Candidates

LEAST_POINTS = 1e-9
"""Points below which a difference is that of rounding."""


def explain(
    view: View, arranged: ArrangedResults, candidates: Candidates, ranked: Ranked | None
) -> list[Explanation]:
    """Explain the place of each product of the page."""
    keys = arranged.page.keys
    by_ranker = ranked.explain(keys.tolist()) if ranked else [None] * len(keys)
    names = [name for name in GATE_COLUMNS if name in view.columns.names]
    gates = view.columns.select(keys, names).rows(named=True) if names else [{}] * len(keys)
    explanations = []
    for rank, (key, gate, plain) in enumerate(
        zip(keys.tolist(), gates, arranged.page.plain_places.tolist(), strict=True),
        arranged.page.offset + 1,
    ):
        place = int(np.flatnonzero(arranged.ruled.merged.keys == key)[0])
        probability = None
        if candidates.probabilities_M is not None:
            before = np.flatnonzero(candidates.merged.keys == key)
            probability = float(candidates.probabilities_M[before[0]]) if len(before) else None
        text_weight, photo_weight = (gate.get(name) for name in GATE_COLUMNS)
        boosted_by = tuple(name for name, keys in candidates.boosted if key in keys)
        explanation = Explanation(
            channels=arranged.ruled.merged.explain(place),
            parts=_parts(arranged.ruled.merged, place, boosted_by),
            probability=probability,
            boosted_by=boosted_by,
            last_by=tuple(name for name, keys in candidates.last if key in keys),
            effects=arranged.ruled.explain(place),
            ranker=by_ranker[rank - arranged.page.offset - 1],
            diversified_from=None if plain == rank else plain,
            text_weight=text_weight,
            photo_weight=photo_weight,
        )
        explanations.append(explanation)
    return explanations


def _parts(merged: Merged, place: int, boosted_by: Sequence[str]) -> tuple[ScorePart, ...]:
    """Return the parts of a score: of channels, and what boosts added, each the same."""
    points = merged.points(place)
    if points is None:
        return ()
    parts = [ScorePart(name, "channel", value) for name, value in points.items()]
    added = float(merged.scores[place]) - sum(points.values())
    if boosted_by and added > LEAST_POINTS:
        parts += [ScorePart(name, "boost", added / len(boosted_by)) for name in boosted_by]
    return tuple(parts)
