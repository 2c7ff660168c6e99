"""Features of candidates, by which the learned ranker orders them.

Every feature is of one group, the word before its colon; NaN is unknown. Identifiers are no
features, and a product that does not state what the query names neither matches nor contradicts.

Shapes: M candidates, F features, D width of a vector, R recognised items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from windowshop.data import Null, columns_of
from windowshop.index import FUSED_VECTOR, GATE_COLUMNS, IMAGE_VECTOR
from windowshop.search.ranking.engagement import COUNTED, Engagement
from windowshop.search.retrieval.lexicon import SearchState
from windowshop.search.retrieval.merge import Merged
from windowshop.search.retrieval.retrieve import Found
from windowshop.search.understanding.recognition import Recognised

GROUPS = ("channels", "agreement", "recognised", "modalities", "columns", "query", "engagement")
FACTS = ("title", "description", "brand", "category", "attributes")
"""Columns of which it matters whether a product has them."""
CLOSEST = 10
"""First candidates that others are compared with."""
TINY = 1e-9
RISING = ("score", "likeness", "match", "clicks", "orders")
FALLING = ("rank", "place", "contradict")
"""Ends of names of features that can only help, or only harm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureSpec:
    """Features of one index, in the order of the matrix."""

    channels: tuple[str, ...]
    """Channels of a text search."""
    named: tuple[str, ...] = ()
    """Columns that queries name."""
    numbers: tuple[str, ...] = ()
    """Columns of numbers, moments and yes or no, but for identifiers; the price among them."""
    images: bool = False
    """Whether products have vectors of their images."""
    engagement: bool = False
    """Whether there is a log."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the features."""
        names = ["channels: place", "channels: merged score"]
        for name in self.channels:
            names += [f"channels: {name} score", f"channels: {name} rank"]
        names += ["agreement: channels", "agreement: spread", "agreement: likeness"]
        names += ["recognised: match", "recognised: contradict", "recognised: unstated"]
        names += [f"recognised: {name} match" for name in self.named]
        names += ["modalities: first score", "modalities: second score", "modalities: query text"]
        names += ["modalities: text weight"]
        if self.images:
            names += ["modalities: image score", "modalities: image likeness"]
        names += [f"columns: has {name}" for name in FACTS]
        for name in self.numbers:
            names += [f"columns: {name}", f"columns: {name} among candidates"]
        names += ["query: words", "query: known", "query: recognised", "query: best", "query: gap"]
        if self.engagement:
            names += [f"engagement: {name}" for name in COUNTED]
        return tuple(names)

    @property
    def monotone(self) -> list[int]:
        """Return 1 for a feature that can only help, -1 for one that can only harm, else 0."""
        return [name.endswith(RISING) - name.endswith(FALLING) for name in self.names]


def group_of(name: str) -> str:
    """Return the group of a feature."""
    return name.partition(":")[0]


def candidate_features(
    state: SearchState,
    found: Found,
    merged: Merged,
    spec: FeatureSpec,
    engagement: Engagement,
    off: Sequence[str] = (),
) -> np.ndarray:
    """Return the features of the first candidates, float64 (M, F); `off` names what is off."""
    items = [
        item
        for item in found.recognised
        if item.kind in ("value", "price", "inferred")
        and item.tree is not None
        and item.name not in off
    ]
    columns = state.view.columns
    own = columns.numbers(merged.keys, [*spec.numbers, GATE_COLUMNS[0]])
    by_name: dict[str, np.ndarray | float] = {
        **_channels(merged),
        **_recognised(state, items, merged.keys),
        **(_modalities(state, found, merged.keys) if spec.images else _vectors(state, merged.keys)),
        **_stated(state, merged.keys),
        **_columns(own, spec),
        **_query(found, merged, len(items)),
    }
    if GATE_COLUMNS[0] in own:
        by_name["modalities: text weight"] = own[GATE_COLUMNS[0]]
    if spec.engagement:
        query = found.understanding.query if found.understanding else ""
        counted_MC = engagement.of(query, columns.ids(merged.keys))
        by_name |= {f"engagement: {name}": counted_MC[:, c] for c, name in enumerate(COUNTED)}
    x_MF = np.full((len(merged.keys), len(spec.names)), np.nan)
    for place, name in enumerate(spec.names):
        if name in by_name:
            x_MF[:, place] = by_name[name]
    return x_MF


def _channels(merged: Merged) -> dict[str, np.ndarray | float]:
    num_candidates = len(merged.keys)
    found_CM = merged.ranks_CM > 0
    ranks_CM = np.where(found_CM, merged.ranks_CM, np.nan)
    best = merged.scores.max(initial=-np.inf)
    features: dict[str, np.ndarray | float] = {
        "channels: place": np.arange(1.0, num_candidates + 1),
        "channels: merged score": merged.scores - best,
        "agreement: channels": found_CM.sum(axis=0),
    }
    far_CM = np.where(found_CM, merged.ranks_CM, num_candidates)
    features["agreement: spread"] = np.ptp(np.log(far_CM), axis=0)
    for name, scores_M, ranks_M in zip(merged.channels, merged.scores_CM, ranks_CM, strict=True):
        features[f"channels: {name} score"] = scores_M
        features[f"channels: {name} rank"] = ranks_M
    return features


def _recognised(
    state: SearchState, items: Sequence[Recognised], keys_M: np.ndarray
) -> dict[str, np.ndarray | float]:
    """Count matches and contradictions; a column has 1, -1, or 0 where a product states none."""
    trees = [item.tree for item in items if item.tree is not None]
    if not trees:
        return {}
    stated = [Null(_column(item), is_null=False) for item in items]
    both_RM = state.view.columns.matching([*trees, *stated], keys_M)  # bitmaps are cached
    match_RM = both_RM[: len(trees)]
    states_RM = both_RM[len(trees) :] | match_RM
    sign_RM = match_RM.astype(np.int64) - (states_RM & ~match_RM)
    features: dict[str, np.ndarray | float] = {
        "recognised: match": (sign_RM > 0).mean(axis=0),
        "recognised: contradict": (sign_RM < 0).mean(axis=0),
        "recognised: unstated": (sign_RM == 0).mean(axis=0),
    }
    for item, sign_M in zip(items, sign_RM, strict=True):
        features[f"recognised: {_column(item)} match"] = sign_M
    return features


def _column(item: Recognised) -> str:
    """Return the column that an item is about."""
    assert item.tree is not None, "an item without a test is about no column"
    return min(columns_of(item.tree))


def _vectors(state: SearchState, keys_M: np.ndarray) -> dict[str, np.ndarray | float]:
    x_MD = state.view.engine.vectors(keys_M, FUSED_VECTOR)
    return {"agreement: likeness": _likeness(x_MD, x_MD @ _of_closest(x_MD))}


def _modalities(
    state: SearchState, found: Found, keys_M: np.ndarray
) -> dict[str, np.ndarray | float]:
    """Compare with the query by each part of the vectors, and with the first candidates."""
    engine, query_1P = state.view.engine, found.encoded.vectors.get("vectors")
    x_MP = engine.vectors(keys_M, FUSED_VECTOR)
    image_MD = engine.vectors(keys_M, IMAGE_VECTOR)
    query_P = np.zeros(0) if query_1P is None else query_1P[0]
    width = image_MD.shape[1]
    with_P3 = np.zeros((x_MP.shape[1], 3), dtype=x_MP.dtype)
    with_P3[:, 0] = _of_closest(x_MP)
    features: dict[str, np.ndarray | float] = {}
    if len(query_P) == x_MP.shape[1] == 2 * width:  # [b q; (1 - b) q], interleaved (`QueryWeight`)
        first_D, second_D = query_P[0::2], query_P[1::2]
        norms = float(np.linalg.norm(first_D)), float(np.linalg.norm(second_D))
        with_P3[0::2, 1] = first_D / max(norms[0], TINY)
        with_P3[1::2, 2] = second_D / max(norms[1], TINY)
        features["modalities: query text"] = norms[0] / max(sum(norms), TINY)
        query_P = first_D if norms[0] > norms[1] else second_D
    products_M3 = x_MP @ with_P3
    features["agreement: likeness"] = _likeness(x_MP, products_M3[:, 0])
    if "modalities: query text" in features:
        features["modalities: first score"] = products_M3[:, 1]
        features["modalities: second score"] = products_M3[:, 2]
    with_D2 = np.zeros((width, 2), dtype=image_MD.dtype)
    with_D2[:, 0] = _of_closest(image_MD)
    if len(query_P) == width:
        with_D2[:, 1] = query_P / max(float(np.linalg.norm(query_P)), TINY)
    products_M2 = image_MD @ with_D2
    features["modalities: image likeness"] = _likeness(image_MD, products_M2[:, 0])
    if len(query_P) == width:
        has_M = image_MD.any(axis=1)
        features["modalities: image score"] = np.where(has_M, products_M2[:, 1], np.nan)
    return features


def _of_closest(x_MD: np.ndarray) -> np.ndarray:
    """Return the sum of the first vectors."""
    total_D: np.ndarray = x_MD[:CLOSEST].sum(axis=0)
    return total_D


def _likeness(x_MD: np.ndarray, sums_M: np.ndarray) -> np.ndarray:
    """Return the mean cosine to the first candidates, itself left out, of the sums of cosines."""
    first = min(CLOSEST, len(x_MD))
    has_M = np.asarray(x_MD.any(axis=1))
    sums_M = sums_M.copy()
    others_M = np.full(len(x_MD), float(has_M[:first].sum()))
    sums_M[:first] -= has_M[:first]
    others_M[:first] -= has_M[:first]
    return np.where(has_M & (others_M > 0), sums_M / np.maximum(others_M, 1), np.nan)


def _stated(state: SearchState, keys_M: np.ndarray) -> dict[str, np.ndarray | float]:
    """Return which texts products have, by bitmaps that are cached, without reading them."""
    columns = state.view.columns
    facts = [name for name in FACTS if name in columns.names]
    has_CM = columns.matching([Null(name, is_null=False) for name in facts], keys_M)
    return {f"columns: has {name}": own_M for name, own_M in zip(facts, has_CM, strict=True)}


def _columns(own: Mapping[str, np.ndarray], spec: FeatureSpec) -> dict[str, np.ndarray | float]:
    features: dict[str, np.ndarray | float] = {}
    for name in spec.numbers:
        if name in own:
            features[f"columns: {name}"] = own[name]
            features[f"columns: {name} among candidates"] = share_below(own[name])
    return features


def share_below(values_M: np.ndarray) -> np.ndarray:
    """Return the share of the known values that are lower, equal ones counted half; NaN stays."""
    known_M = ~np.isnan(values_M)
    share_M = np.full(len(values_M), np.nan)
    ordered = np.sort(values_M[known_M])
    low = np.searchsorted(ordered, values_M[known_M], side="left")
    high = np.searchsorted(ordered, values_M[known_M], side="right")
    share_M[known_M] = (low + high) / 2 / max(1, len(ordered))
    return share_M


def _query(found: Found, merged: Merged, num_items: int) -> dict[str, np.ndarray | float]:
    features: dict[str, np.ndarray | float] = {"query: recognised": num_items}
    if found.understanding is not None:
        tokens = found.understanding.tokens
        features["query: words"] = len(tokens)
        known = sum(token.count > 0 and token.corrected is None for token in tokens)
        features["query: known"] = known / max(1, len(tokens))
    if len(merged.scores):
        first = merged.scores[:CLOSEST]
        features["query: best"] = float(merged.scores.max())
        features["query: gap"] = float(first[0] - first[-1])
    return features
