"""A query in the form in which channels search for it.

Shapes: D width of a channel's vectors, K nearest products.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from windowshop.data import Filter, Photo
from windowshop.errors import SearchError
from windowshop.index import OpenIndex, View
from windowshop.registry import CHANNELS
from windowshop.search.retrieval.channel import VectorChannel, channel
from windowshop.search.retrieval.config import NO_BOOST, Boost, ChannelConfig, MixConfig
from windowshop.search.retrieval.merge import ChannelRanking
from windowshop.search.understanding.recognition import Recognised, required
from windowshop.search.understanding.vocabulary import Understanding

CLOSEST = 10
"""Nearest products by whose similarity two spellings of a query are compared."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RetrievalQuery:
    """A query with all that its channels search by."""

    mix: MixConfig
    text: str | None = None
    photo: Photo | None = None
    where: Filter | None = None
    """Filter of the request."""
    recognised: tuple[Recognised, ...] = ()
    by_text: bool = True
    """Text channels take part."""
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By channel, float32 (1, D); a vector channel without one takes no part."""
    boost: Boost = NO_BOOST
    """Effect of each recognised boost."""
    excluded: tuple[int, ...] = ()
    """Keys of products to leave out."""
    rankings: Mapping[str, ChannelRanking] = field(default_factory=dict)
    """Rankings of channels that have searched already."""

    @property
    def filter(self) -> Filter | None:
        """The filter of the request, narrowed by what is recognised."""
        return required(self.recognised, self.where)

    @property
    def boosts(self) -> tuple[Recognised, ...]:
        """The recognised items that boost."""
        return tuple(item for item in self.recognised if item.action == "boost")

    def takes(self, config: ChannelConfig) -> bool:
        """Return whether a channel can search for the query."""
        if isinstance(channel(config.name), VectorChannel):
            return config.name in self.vectors
        return self.by_text and self.text is not None


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """Vectors of a query."""

    vectors: Mapping[str, np.ndarray]
    """By channel, float32 (1, D)."""
    took_ms: float


NO_VECTORS = EncodedQuery({}, 0.0)


def encode_query(index: OpenIndex, query: RetrievalQuery) -> EncodedQuery:
    """Encode a query for its vector channels; raises SearchError for an unusable image."""
    started = time.perf_counter()
    vectors = {}
    for config in query.mix.channels:
        encoder = channel(config.name)
        if isinstance(encoder, VectorChannel):
            encoded_1D = encoder.encode(index, query.text, query.photo)
            if encoded_1D is not None:
                vectors[config.name] = encoded_1D
    return EncodedQuery(vectors, (time.perf_counter() - started) * 1000)


def with_text(index: OpenIndex, query: RetrievalQuery, text: str) -> RetrievalQuery:
    """Replace the text of a query, and the vectors that depend on it."""
    vectors = {
        name: typed_1D if encoded_1D is None else encoded_1D
        for name, typed_1D in query.vectors.items()
        for encoded_1D in [_encoded_text(index, query, name, text)]
    }
    return replace(query, text=text, vectors=vectors)


def correct_vectors(
    index: OpenIndex, view: View, query: RetrievalQuery, understanding: Understanding
) -> RetrievalQuery:
    """Replace vectors by those of the corrected text where products are closer to these.

    A word that the catalogue lacks may be a typo, which encoders read badly, or a word that only
    the encoder knows.
    """
    if understanding.corrected == understanding.query:
        return query
    vectors = dict(query.vectors)
    for name, typed_1D in query.vectors.items():
        corrected_1D = _encoded_text(index, query, name, understanding.corrected)
        if corrected_1D is None:
            continue
        both_2D = np.concatenate([typed_1D, corrected_1D])
        scores_2K = view.engine.search(both_2D, CLOSEST, None, _vector(name)).scores
        typed, corrected = np.nan_to_num(scores_2K, neginf=0).sum(axis=1)
        if corrected > typed:
            vectors[name] = corrected_1D
    return replace(query, vectors=vectors)


def query_by_product(
    index: OpenIndex, view: View, query: RetrievalQuery, product_id: str
) -> RetrievalQuery:
    """Search by a product's own vectors, without it and its variants; raises SearchError."""
    if product_id not in view.columns:
        raise SearchError(f"There is no product {product_id!r}. Search for one that there is.")
    keys = view.columns.keys([product_id])
    held = index.collection.spec.vectors
    vectors = {
        name: vector_1D
        for name in CHANNELS
        if isinstance(channel(name), VectorChannel)
        and _vector(name) in held
        and (vector_1D := view.engine.vectors(keys, _vector(name))).any()
    }
    if not vectors:
        raise SearchError(f"Product {product_id!r} has neither text nor a photo to compare.")
    group_N = view.columns.groups(np.arange(view.columns.num_keys))
    variants = np.flatnonzero(group_N == group_N[keys[0]])
    return replace(query, vectors=vectors, excluded=tuple(variants.tolist()))


def _vector(name: str) -> str:
    found = channel(name)
    assert isinstance(found, VectorChannel), "only vector channels have vectors"
    return found.vector


def _encoded_text(
    index: OpenIndex, query: RetrievalQuery, name: str, text: str
) -> np.ndarray | None:
    """Encode another text for a vector channel; returns None for one that reads no text."""
    encoder = channel(name)
    assert isinstance(encoder, VectorChannel), "only vector channels have vectors"
    return encoder.encode(index, text, query.photo) if encoder.reads_text else None
