"""Query -> one ranking of products from all channels, cut off where relevance ends.

Shapes: N keys given out so far, M merged products, D width of a vector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from windowshop.data import Filter
from windowshop.engines import Allowed
from windowshop.index import View
from windowshop.search.retrieval.boosts import Boost, boost_matches
from windowshop.search.retrieval.calibration import Isotonic
from windowshop.search.retrieval.config import ChannelConfig, MixConfig
from windowshop.search.retrieval.cutoff import Cut, CutoffConfig, cut
from windowshop.search.retrieval.lexical import LexicalIndex
from windowshop.search.retrieval.merge import (
    Channel,
    Merged,
    calibrated,
    interleave,
    padded_channel,
    probabilities,
    reciprocal_rank,
    weighted_sum,
)
from windowshop.search.understanding.recognition import Recognised
from windowshop.search.understanding.synonyms import Synonyms

VECTOR_NAMES = {"vectors": "fused", "photo": "photo"}
"""Channel -> the collection's vector that it compares."""
NO_BOOST = Boost(factor=1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the channels look for."""

    vectors: Mapping[str, np.ndarray]
    """By channel, (1, D); a channel without one takes no part."""
    words: str | None
    """None where words take no part."""
    where: Filter | None
    boosts: tuple[Recognised, ...] = ()
    """What moves up the products that match it."""
    boost: Boost = NO_BOOST
    without: tuple[int, ...] = ()
    """Keys to leave out."""
    found_by_words: Channel | None = None
    """What the words find, where they were asked before."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The set of results before rules and picks."""

    cut: Cut
    probabilities_M: np.ndarray | None
    """Of relevance, for the products that are left; None where channels are not calibrated."""
    num_found: Mapping[str, int]
    """By channel."""
    boosted: tuple[tuple[str, np.ndarray], ...]
    """What moved products up, with their keys."""
    num_allowed: int
    """Products that pass the filter."""

    @property
    def merged(self) -> Merged:
        """The products that are left, best first."""
        return self.cut.merged


def retrieve(
    view: View,
    lexical: LexicalIndex,
    synonyms: Synonyms,
    wanted: Wanted,
    mix: MixConfig,
) -> Candidates:
    """Ask every channel of the mix that the query has something for, merge, boost, cut off."""
    asked = asked_channels(mix, wanted)
    allowed = _allowed(view, wanted)
    channels = ask(view, lexical, synonyms, wanted, asked, allowed)
    merged, boosted = _boosted(view, merge(channels, asked, mix), wanted)
    known = curves(asked)
    chances_M = None
    if len(known) == len(asked):
        chances_M = probabilities(merged, [c.weight for c in asked], known)
    kept = cut(merged, _cutoff(mix, asked, known=chances_M is not None), chances_M)
    if chances_M is not None:
        chances_M = chances_M[kept.places]
    found = {channel.name: len(channel.keys) for channel in channels}
    return Candidates(kept, chances_M, found, boosted, allowed.count)


def asked_channels(mix: MixConfig, wanted: Wanted) -> list[ChannelConfig]:
    """The channels of the mix that the query has something for.

    Where only such are left that weigh nothing, they weigh alike.
    """
    asked = [c for c in mix.channels if c.name in wanted.vectors]
    if wanted.words is not None:
        asked += [c for c in mix.channels if c.name == "words"]
    if not any(config.weight for config in asked):
        asked = [replace(config, weight=1.0) for config in asked]
    return asked


def ask(
    view: View,
    lexical: LexicalIndex,
    synonyms: Synonyms,
    wanted: Wanted,
    channels: Sequence[ChannelConfig],
    allowed: Allowed,
) -> list[Channel]:
    """What each channel finds among the allowed products."""
    return [
        wanted.found_by_words or ask_words(lexical, synonyms, wanted.words or "", config, allowed)
        if config.name == "words"
        else _by_vector(view, wanted.vectors[config.name], config, allowed)
        for config in channels
    ]


def ask_words(
    lexical: LexicalIndex, synonyms: Synonyms, text: str, config: ChannelConfig, allowed: Allowed
) -> Channel:
    """What the words find; scores are shares of the most that a product could reach.

    So they compare across queries.
    """
    answer = lexical.search(text, config.depth, allowed.mask_N, synonyms)
    found, ceiling = answer.channel, answer.ceiling or 1.0
    return Channel("words", found.keys, found.scores / np.float32(ceiling))


def merge(channels: Sequence[Channel], asked: Sequence[ChannelConfig], mix: MixConfig) -> Merged:
    """One ranking of what the channels found, by the method of the mix."""
    weights = [config.weight for config in asked]
    if mix.method == "weighted_sum":
        return weighted_sum(channels, weights)
    known = curves(asked)
    if mix.method == "calibrated" and len(known) == len(asked):
        return calibrated(channels, weights, known)
    if len(channels) == 1:
        only = channels[0]
        ranks_1M = np.arange(1, len(only.keys) + 1)[None]
        return Merged(
            only.keys, only.scores.astype(np.float64), (only.name,), ranks_1M, only.scores[None]
        )
    if mix.method == "interleave":
        return interleave(channels, weights)
    return reciprocal_rank(channels, weights, mix.smoothing)


def curves(asked: Sequence[ChannelConfig]) -> list[Isotonic]:
    """The curves of the channels that have one."""
    return [c.curve.calibration for c in asked if c.curve.calibration is not None]


def browse(view: View, where: Filter | None) -> Candidates:
    """Every product that passes the filter, in the order of the catalogue."""
    allowed = view.columns.allowed(where)
    keys = np.flatnonzero(allowed.mask_N)
    empty = (0, len(keys))
    merged = Merged(
        keys, np.zeros(len(keys)), (), np.zeros(empty, dtype=np.int64), np.zeros(empty, np.float32)
    )
    return Candidates(Cut(merged, np.arange(len(keys)), 0, 0, 0), None, {}, (), len(keys))


def _boosted(
    view: View, merged: Merged, wanted: Wanted
) -> tuple[Merged, tuple[tuple[str, np.ndarray], ...]]:
    if not wanted.boosts:
        return merged, ()
    matched_RM = view.columns.matching([item.tree for item in wanted.boosts], merged.keys)
    boosted = tuple(
        (item.name, merged.keys[matched_M])
        for item, matched_M in zip(wanted.boosts, matched_RM, strict=True)
    )
    return boost_matches(merged, matched_RM, wanted.boost), boosted


def _cutoff(mix: MixConfig, asked: Sequence[ChannelConfig], *, known: bool) -> CutoffConfig:
    """The bounds that hold for these channels; `known` where probabilities are."""
    if not mix.all_among(config.name for config in asked):
        return replace(mix.cutoff, min_probability=0.0, min_share=0.0, sure_from=0.0)
    if not known:
        return replace(mix.cutoff, min_probability=0.0, sure_from=0.0)
    return mix.cutoff


def _allowed(view: View, wanted: Wanted) -> Allowed:
    allowed = view.columns.allowed(wanted.where)
    if not wanted.without:
        return allowed
    mask_N = allowed.mask_N.copy()
    mask_N[list(wanted.without)] = False
    return Allowed(mask_N, allowed.where)


def _by_vector(
    view: View, query_1D: np.ndarray, config: ChannelConfig, allowed: Allowed
) -> Channel:
    name = VECTOR_NAMES[config.name]
    found = view.engine.search(query_1D, config.depth, allowed, name)
    return padded_channel(config.name, found.rows[0], found.scores[0])
