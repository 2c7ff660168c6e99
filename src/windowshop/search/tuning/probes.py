"""Results of each channel for judged queries, from which all trials are computed.

Shapes: K products that a query's channels found, M some of them, R recognised things, P width of a
vector.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import xxhash

from windowshop.data import Dataset, columns_of
from windowshop.index import OpenIndex, View
from windowshop.progress import Reporter
from windowshop.search.retrieval.config import ChannelConfig, MergeConfig
from windowshop.search.retrieval.lexicon import SearchState
from windowshop.search.retrieval.merge import ChannelRanking
from windowshop.search.retrieval.query import (
    RetrievalQuery,
    correct_vectors,
    encode_query,
    leave_out,
)
from windowshop.search.retrieval.retrieve import retrieve
from windowshop.search.searcher import Searcher
from windowshop.search.understanding.recognition import (
    ACTIONS,
    Action,
    PrecisionConfig,
    Recognised,
    recognise,
)


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """Query of the data set."""

    query_id: str
    text: str | None
    image: Path | None

    @property
    def fold(self) -> int:
        """Return 0 or 1 by hash of text and image, so that equal queries share a fold."""
        asked = " ".join((self.text or "").lower().split())
        return xxhash.xxh3_64_intdigest(f"{asked}\0{self.image or ''}".encode()) % 2


@dataclass(frozen=True, slots=True)
class ChannelResults:
    """Products that the channels found, and the recognised boosts that they match."""

    channels: tuple[ChannelRanking, ...]
    keys_K: np.ndarray
    """Every product found, int64, rising."""
    columns: tuple[str, ...]
    """Column of each boost, (R,)."""
    matched_RK: np.ndarray
    """bool (R, K)."""

    def matched(self, keys_M: np.ndarray) -> np.ndarray:
        """Return the matches of some of the products, bool (R, M)."""
        matched_RM: np.ndarray = self.matched_RK[:, np.searchsorted(self.keys_K, keys_M)]
        return matched_RM

    def without(self, columns: Collection[str]) -> "ChannelResults":
        """Leave out the boosts of some columns."""
        kept = [row for row, column in enumerate(self.columns) if column not in columns]
        names = tuple(self.columns[row] for row in kept)
        return replace(self, columns=names, matched_RK=self.matched_RK[kept])


@dataclass(frozen=True, slots=True)
class Probe:
    """Results of one query by every channel."""

    query_id: str
    fold: int
    found: Mapping[Action, ChannelResults]
    """By the strongest action of recognised items. Where nothing passes their filters, they boost,
    as in a search."""


def queries_of(dataset: Dataset, queries: pl.DataFrame) -> list[JudgedQuery]:
    """Return rows of the query table; empty texts and images become None."""
    return [
        JudgedQuery(query_id, (text or "").strip() or None, dataset.root / image if image else None)
        for query_id, text, image in queries.select("query_id", "query", "image").iter_rows()
    ]


def probe(
    searcher: Searcher,
    queries: Sequence[JudgedQuery],
    names: Sequence[str],
    precision: PrecisionConfig,
    reporter: Reporter,
) -> list[Probe]:
    """Search by each channel for each query, with and without recognised filters.

    Queries need what the channels compare: text for words, an image for image.
    """
    merging = MergeConfig(channels=tuple(ChannelConfig(name=name) for name in names))
    probes = []
    with reporter.bar("Ask the channels", len(queries)) as advance:
        for judged in queries:
            query = RetrievalQuery(merging=merging, text=judged.text, image=judged.image)
            query = replace(query, vectors=encode_query(searcher.index, query).vectors)
            with searcher.state() as state:
                found = _found(searcher.index, state, query, precision)
            probes.append(Probe(judged.query_id, judged.fold, found))
            advance(1, "")
    return probes


def _found(
    index: OpenIndex, state: SearchState, query: RetrievalQuery, precision: PrecisionConfig
) -> dict[Action, ChannelResults]:
    """Return the products found by the strongest action of recognised items."""
    understanding = None
    if query.text is not None:
        understanding = state.understand(query.text)
        query = leave_out(index, query, understanding)
        query = correct_vectors(index, state.view, query, understanding)
    rankings: dict[tuple[str, ...], tuple[ChannelRanking, ...]]
    rankings = {(): _rankings(state, query)}
    found: dict[Action, ChannelResults] = {}
    for strongest in ACTIONS:
        recognised: tuple[Recognised, ...] = ()
        if understanding is not None:
            recognised = recognise(understanding, precision, strongest=strongest)
        filters = tuple(item for item in recognised if item.action == "filter")
        names = tuple(item.name for item in filters)
        if names not in rankings:
            rankings[names] = _rankings(state, replace(query, recognised=filters))
        if not any(len(ranking.keys) for ranking in rankings[names]):
            names, filters = (), ()
        boosts = [
            replace(item, action="boost")
            for item in recognised
            if item.action != "off" and item not in filters
        ]
        found[strongest] = _with_matches(state.view, rankings[names], boosts)
    return found


def _rankings(state: SearchState, query: RetrievalQuery) -> tuple[ChannelRanking, ...]:
    allowed = state.view.columns.allowed(query.filter)
    return tuple(retrieve(state, query, query.merging.channels, allowed))


def _with_matches(
    view: View, rankings: tuple[ChannelRanking, ...], boosts: Sequence[Recognised]
) -> ChannelResults:
    keys_K = np.unique(np.concatenate([ranking.keys for ranking in rankings]))
    trees = [item.boosted for item in boosts if item.boosted is not None]
    if not trees:
        return ChannelResults(rankings, keys_K, (), np.zeros((0, len(keys_K)), dtype=bool))
    columns = tuple(min(columns_of(tree)) for tree in trees)  # each tree asks about one
    return ChannelResults(rankings, keys_K, columns, view.columns.matching(trees, keys_K))
