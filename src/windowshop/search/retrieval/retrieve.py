"""Query -> one ranking of candidates: retrieve by each channel, merge, boost, cut off.

Shapes: N keys given out so far, M merged products.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from windowshop.engines import Allowed
from windowshop.index import View
from windowshop.search.retrieval.boosts import Named, move
from windowshop.search.retrieval.channel import TextChannel, channel, vector_channel
from windowshop.search.retrieval.config import NO_BOOST, ChannelConfig, CutoffConfig, MergeConfig
from windowshop.search.retrieval.cutoff import Cut, cut
from windowshop.search.retrieval.lexicon import SearchState
from windowshop.search.retrieval.merge import (
    ChannelRanking,
    Merged,
    curves,
    merge,
    padded_ranking,
    probabilities,
)
from windowshop.search.retrieval.query import NO_VECTORS, EncodedQuery, RetrievalQuery
from windowshop.search.understanding.recognition import Recognised
from windowshop.search.understanding.understood import Understanding


@dataclass(frozen=True, slots=True)
class Candidates:
    """The set of results before rules and facet filters."""

    cut: Cut
    probabilities_M: np.ndarray | None
    """Probabilities of relevance; None where channels are not calibrated."""
    num_found: Mapping[str, int]
    """Products found, by channel."""
    boosted: Named
    """Recognised items that moved products up, or to the front."""
    num_allowed: int
    """Products that pass the filter."""
    last: Named = ()
    """Recognised exclusions that put products last."""
    num_first: int = 0
    """Products with an identifier that the query gives, before all others."""

    @property
    def merged(self) -> Merged:
        """The products left after the cut, best first."""
        return self.cut.merged


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates, and how the query that found them was understood."""

    candidates: Candidates
    recognised: tuple[Recognised, ...] = ()
    understanding: Understanding | None = None
    notes: tuple[str, ...] = ()
    """Changes that relaxed the query."""
    encoded: EncodedQuery = NO_VECTORS
    """The query as typed."""
    query: RetrievalQuery | None = None
    """The query as it was searched; None where nothing was compared with a text."""


def find_candidates(state: SearchState, query: RetrievalQuery) -> Candidates:
    """Retrieve by every channel that takes the query, merge, boost and cut off."""
    configs: Sequence[ChannelConfig] = channels_for(query)
    allowed = _allowed(state.view, query)
    rankings = retrieve(state, query, configs, allowed)
    if query.image is None and not query.is_read:
        configs = list(words_alone(configs, rankings))
    moved = move(state, merge(rankings, configs, query.merging), query, allowed)
    merged = moved.merged
    known = curves(configs)
    chances_M = None
    if len(known) == len(configs):
        chances_M = probabilities(merged, [config.weight for config in configs], known)
    cutoff = _cutoff(query.merging, configs, known=chances_M is not None)
    kept = cut(merged, cutoff, chances_M, moved.num_first)
    if chances_M is not None:
        chances_M = chances_M[kept.places]
    num_found = {ranking.name: len(ranking.keys) for ranking in rankings}
    counts = num_found, moved.boosted, allowed.count, moved.last, moved.num_first
    return Candidates(kept, chances_M, *counts)


def browse(state: SearchState, query: RetrievalQuery) -> Candidates:
    """Take every product that passes the filter, in the order of the catalogue.

    Those that have what the query excludes come last.
    """
    allowed = state.view.columns.allowed(query.filter)
    keys = allowed.keys()
    empty = (0, len(keys))
    merged = Merged(
        keys, np.zeros(len(keys)), (), np.zeros(empty, dtype=np.int64), np.zeros(empty, np.float32)
    )
    moved = move(state, merged, replace(query, boost=NO_BOOST), allowed)
    kept = Cut(moved.merged, np.arange(len(keys)), 0, 0, 0)
    return Candidates(kept, None, {}, moved.boosted, len(keys), moved.last)


def channels_for(query: RetrievalQuery) -> list[ChannelConfig]:
    """Return the channels that take the query, those by vector first.

    Where all of them weigh 0, they weigh alike.
    """
    configs = [config for config in query.merging.channels if query.takes(config)]
    configs.sort(key=_reads_words)
    if not any(config.weight for config in configs):
        configs = [replace(config, weight=1.0) for config in configs]
    return configs


def retrieve(
    state: SearchState, query: RetrievalQuery, configs: Sequence[ChannelConfig], allowed: Allowed
) -> list[ChannelRanking]:
    """Rank the allowed products by each channel."""
    return [
        query.rankings.get(config.name) or _search(state, query, config, allowed)
        for config in configs
    ]


def words_alone(
    configs: Sequence[ChannelConfig], rankings: Sequence[ChannelRanking]
) -> Sequence[ChannelConfig]:
    """Let text channels alone rank where one of them found anything.

    To an encoder all texts in a writing system that it does not read are alike.
    """
    has_found = [_reads_words(c) and len(r.keys) for c, r in zip(configs, rankings, strict=True)]
    if not any(has_found):
        return configs
    return [
        replace(config, weight=(config.weight or 1.0) if _reads_words(config) else 0.0)
        for config in configs
    ]


def search_by_text(state: SearchState, query: RetrievalQuery) -> dict[str, ChannelRanking]:
    """Rank by the text channels alone, which need no encoder."""
    configs = [c for c in query.merging.channels if _reads_words(c) and query.takes(c)]
    if not configs:
        return {}
    allowed = state.view.columns.allowed(query.filter)
    return {config.name: _search(state, query, config, allowed) for config in configs}


def _reads_words(config: ChannelConfig) -> bool:
    return vector_channel(config.name) is None


def _search(
    state: SearchState, query: RetrievalQuery, config: ChannelConfig, allowed: Allowed
) -> ChannelRanking:
    searched = channel(config.name)
    if isinstance(searched, TextChannel):
        keys, scores = searched.search(state, query.text or "", config.depth, allowed)
        # Settings are tuned with the lowest score for what a channel lacks.
        is_whole = not query.is_known and len(keys) < config.depth
        return padded_ranking(config.name, keys, scores, is_whole=is_whole)
    vector_1D = query.vectors[config.name]
    found = state.view.engine.search(vector_1D, config.depth, allowed, searched.vector)
    return padded_ranking(config.name, found.rows[0], found.scores[0])


def _cutoff(merging: MergeConfig, configs: Sequence[ChannelConfig], *, known: bool) -> CutoffConfig:
    """Return the bounds that hold for these channels; `known` where probabilities are."""
    if not merging.all_among(config.name for config in configs):
        return replace(merging.cutoff, min_probability=0.0, min_share=0.0, sure_from=0.0)
    if not known:
        return replace(merging.cutoff, min_probability=0.0, sure_from=0.0)
    return merging.cutoff


def _allowed(view: View, query: RetrievalQuery) -> Allowed:
    allowed = view.columns.allowed(query.filter)
    if not query.excluded:
        return allowed
    return allowed.without(np.array(query.excluded, dtype=np.int64))
