"""Found candidates -> the verdict on them, and what is left of candidates that are only close."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from scipy.special import expit

from windowshop.search.certainty.config import CertaintyConfig
from windowshop.search.certainty.signs import Background, Signs, asked_words, signs_of
from windowshop.search.certainty.verdict import Certainty
from windowshop.search.certainty.wishes import meets_all, unmet_wishes
from windowshop.search.request import SearchRequest
from windowshop.search.retrieval.cutoff import Cut
from windowshop.search.retrieval.lexicon import SearchState
from windowshop.search.retrieval.query import uncut
from windowshop.search.retrieval.retrieve import Candidates, Found, find_candidates
from windowshop.search.understanding.query_words import shown

NOT_FOUND = "Nothing is surely what you asked for."


def judge(
    state: SearchState,
    request: SearchRequest,
    found: Found,
    config: CertaintyConfig,
    background: Background | None,
    currency: str,
) -> Certainty | None:
    """Judge a search by text through all channels; None for any other.

    `currency` is the column that states the one of prices, where there is such a column.
    """
    query = found.query
    if query is None or request.query is None or request.image is not None:
        return None
    if any(len(item.keys) and item.action == "boost" for item in found.recognised):
        return Certainty(found="certain", probability=1.0, text="")
    unmet = unmet_wishes(state, found.candidates, found.recognised, query.where, currency)
    signs = None
    if background is not None and request.mode == "hybrid":
        signs = signs_of(state, background, found)
    if signs is None and unmet is None:
        return None
    probability = probability_of(signs, config) if signs else None
    is_likely = probability is None or probability >= config.min_probability
    is_likely = is_likely or is_stated(found)
    return Certainty(
        found="certain" if is_likely and unmet is None else "closest",
        probability=probability,
        text=_reason(unmet.text if unmet else "", signs, _meant(found), is_likely=is_likely),
        unknown=signs.unknown if signs else (),
        unmet=unmet,
        signs=parts_of(signs, config) if signs and request.explain else {},
    )


def probability_of(signs: Signs, config: CertaintyConfig) -> float:
    """Return the probability that the search has what was asked."""
    return float(expit(config.intercept + sum(parts_of(signs, config).values())))


def parts_of(signs: Signs, config: CertaintyConfig) -> dict[str, float]:
    """Return what each sign adds to the logit."""
    weights = asdict(config.weights)
    parts = {name: weights[name] * value for name, value in signs.values.items()}
    if len(config.direction) == len(signs.vector_D):
        parts["vector"] = float(np.array(config.direction) @ signs.vector_D)
    return parts


def closest_only(
    state: SearchState, found: Found, certainty: Certainty | None, config: CertaintyConfig
) -> Found:
    """Leave the first few candidates of a search that is not likely to have what was asked.

    Those with every asked word that some product has come first. Those that have what is inferred
    surely enough to filter all stay.
    """
    if certainty is None or certainty.found == "certain" or certainty.probability is None:
        return found
    if certainty.probability >= config.min_probability or _meant(found):
        return found
    whole = _keys_with_all(state, found)
    candidates = found.candidates
    if len(whole) and not np.isin(candidates.merged.keys, whole).any() and found.query:
        candidates = find_candidates(state, uncut(found.query))
    keys_M = candidates.merged.keys
    is_whole_M = np.isin(keys_M, whole)
    for _, excluded in candidates.last:
        is_whole_M &= ~np.isin(keys_M, excluded)
    order = np.argsort(~is_whole_M, kind="stable")[: config.max_closest]
    return replace(found, candidates=_taken(candidates, order))


def is_stated(found: Found) -> bool:
    """Return whether all that is asked is named as typed, and some product states all of it."""
    understanding = found.understanding
    if understanding is None or not understanding.matches:
        return False
    named = [m for m in understanding.matches if not (m.corrected or m.meaning.is_loose)]
    is_named = all(
        any(match.start <= token.token.start < match.end for match in named)
        for token in asked_words(understanding)
    )
    wishes = [item for item in found.recognised if item.kind in ("value", "price")]
    return (
        is_named
        and all(item.action != "off" for item in wishes)
        and meets_all(found.candidates, wishes)
    )


def _keys_with_all(state: SearchState, found: Found) -> np.ndarray:
    """Return the keys of the products with every asked word that some product has."""
    if found.understanding is None:
        return np.zeros(0, dtype=np.int64)
    words = [shown(token) for token in asked_words(found.understanding)]
    lexical = state.lexicon.lexical
    had = [word for word in words if lexical.has(word)]
    return lexical.having_each(had) if had else np.zeros(0, dtype=np.int64)


def _taken(candidates: Candidates, order: np.ndarray) -> Candidates:
    """Return some candidates in another order."""
    cut, chances_M = candidates.cut, candidates.probabilities_M
    shorter = Cut(
        cut.merged.take(order),
        cut.places[order],
        below_probability=cut.below_probability,
        below_share=cut.below_share,
        beyond_max=cut.beyond_max + len(cut.places) - len(order),
    )
    return replace(
        candidates, cut=shorter, probabilities_M=None if chances_M is None else chances_M[order]
    )


def _meant(found: Found) -> tuple[str, ...]:
    """Return what is inferred surely enough to filter."""
    return tuple(
        item.name.partition(": ")[2]
        for item in found.recognised
        if item.kind == "inferred" and item.action == "filter"
    )


def _reason(unmet: str, signs: Signs | None, meant: Sequence[str], *, is_likely: bool) -> str:
    if unmet or is_likely:
        return unmet
    has_not = f"No product has {_words(signs.unknown)}." if signs and signs.unknown else ""
    if meant:
        return f"{has_not} Likely meant: {', '.join(meant)}.".strip()
    return f"{NOT_FOUND} {has_not}".strip()


def _words(unknown: Sequence[str]) -> str:
    return " or ".join(f'"{word}"' for word in unknown)
