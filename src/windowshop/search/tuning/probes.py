"""What each channel finds for judged queries, asked once: all that `tune` tries is made of it.

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
from windowshop.engines import Allowed
from windowshop.index import View
from windowshop.progress import Reporter
from windowshop.search.retrieval.channels import Wanted, ask
from windowshop.search.retrieval.config import ChannelConfig, ChannelName
from windowshop.search.retrieval.lexicon import Language
from windowshop.search.retrieval.merge import Channel
from windowshop.search.retrieval.query_vectors import encode_query
from windowshop.search.searcher import Searcher
from windowshop.search.understanding.recognition import (
    ACTIONS,
    Action,
    PrecisionConfig,
    Recognised,
    recognise,
    required,
)
from windowshop.search.understanding.vocabulary import Understanding


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query of the data set."""

    query_id: str
    text: str | None
    photo: Path | None

    @property
    def fold(self) -> int:
        """0 or 1, by hash of what is asked, so that queries that ask the same share it."""
        asked = " ".join((self.text or "").lower().split())
        return xxhash.xxh3_64_intdigest(f"{asked}\0{self.photo or ''}".encode()) % 2


@dataclass(frozen=True, slots=True)
class Found:
    """What the channels found, and which products match what the query names."""

    channels: tuple[Channel, ...]
    keys_K: np.ndarray
    """Every product found, int64, rising."""
    columns: tuple[str, ...]
    """Of each thing that boosts, (R,)."""
    matched_RK: np.ndarray
    """bool; which products match it."""

    def matched(self, keys_M: np.ndarray) -> np.ndarray:
        """The same for some of the products, bool (R, M)."""
        matched_RM: np.ndarray = self.matched_RK[:, np.searchsorted(self.keys_K, keys_M)]
        return matched_RM

    def without(self, columns: Collection[str]) -> "Found":
        """The same where some columns do not boost."""
        kept = [row for row, column in enumerate(self.columns) if column not in columns]
        names = tuple(self.columns[row] for row in kept)
        return replace(self, columns=names, matched_RK=self.matched_RK[kept])


@dataclass(frozen=True, slots=True)
class Probe:
    """One query's answers by every channel."""

    query_id: str
    fold: int
    found: Mapping[Action, Found]
    """By what recognised things may do at most. Where nothing passes their filters, they boost, as
    in a search."""


def queries_of(dataset: Dataset, queries: pl.DataFrame) -> list[JudgedQuery]:
    """Rows of the query table; empty texts and photos become None."""
    return [
        JudgedQuery(query_id, (text or "").strip() or None, dataset.root / image if image else None)
        for query_id, text, image in queries.select("query_id", "query", "image").iter_rows()
    ]


def probe(
    searcher: Searcher,
    queries: Sequence[JudgedQuery],
    names: Sequence[ChannelName],
    precision: PrecisionConfig,
    reporter: Reporter,
) -> list[Probe]:
    """Ask each channel for each query, with and without recognised filters.

    Queries need what the channels compare: text for words, a photo for photo.
    """
    probes = []
    with reporter.bar("Ask the channels", len(queries)) as advance:
        for query in queries:
            encoded = encode_query(searcher.index, query.text, query.photo, names)
            vectors = encoded.by_channel
            with searcher.reading() as (view, language):
                asking = _Asking(searcher, precision, view, language, query, tuple(names), vectors)
                probes.append(Probe(query.query_id, query.fold, asking.found()))
            advance(1, "")
    return probes


@dataclass(frozen=True, slots=True)
class _Asking:
    searcher: Searcher
    precision: PrecisionConfig
    view: View
    language: Language
    query: JudgedQuery
    names: tuple[ChannelName, ...]
    vectors: Mapping[str, np.ndarray]

    def found(self) -> dict[Action, Found]:
        understanding = None
        if self.query.text is not None:
            understanding = self.language.vocabulary.understand(self.query.text)
        vectors = self._respelled(understanding)
        asked: dict[tuple[str, ...], tuple[Channel, ...]] = {(): self._ask(vectors, ())}
        found: dict[Action, Found] = {}
        for strongest in ACTIONS:
            recognised = self._recognised(understanding, strongest)
            filters = tuple(item for item in recognised if item.action == "filter")
            names = tuple(item.name for item in filters)
            if names not in asked:
                asked[names] = self._ask(vectors, filters)
            if not any(len(channel.keys) for channel in asked[names]):
                names, filters = (), ()
            boosting = [item for item in recognised if item not in filters]
            found[strongest] = self._with_matches(asked[names], boosting)
        return found

    def _respelled(self, understanding: Understanding | None) -> Mapping[str, np.ndarray]:
        if understanding is None or "vectors" not in self.vectors:
            return self.vectors
        return self.searcher.respelled(self.view, understanding, self.query.photo, self.vectors)

    def _recognised(
        self, understanding: Understanding | None, strongest: Action
    ) -> tuple[Recognised, ...]:
        if understanding is None:
            return ()
        found = recognise(understanding, self.precision, strongest=strongest)
        return tuple(item for item in found if item.action != "off")

    def _ask(
        self, vectors: Mapping[str, np.ndarray], filtering: Sequence[Recognised]
    ) -> tuple[Channel, ...]:
        where = required(filtering)
        text = self.query.text if "words" in self.names else None
        wanted = Wanted(vectors=vectors, words=text, where=where)
        allowed: Allowed = self.view.columns.allowed(where)
        channels = [ChannelConfig(name=name) for name in self.names]
        synonyms = self.searcher.synonyms
        return tuple(ask(self.view, self.language.lexical, synonyms, wanted, channels, allowed))

    def _with_matches(self, channels: tuple[Channel, ...], boosting: Sequence[Recognised]) -> Found:
        keys_K = np.unique(np.concatenate([channel.keys for channel in channels]))
        if not boosting:
            return Found(channels, keys_K, (), np.zeros((0, len(keys_K)), dtype=bool))
        trees = [item.tree for item in boosting]
        own = tuple(min(columns_of(tree)) for tree in trees)  # each tree asks about one
        return Found(channels, keys_K, own, self.view.columns.matching(trees, keys_K))
