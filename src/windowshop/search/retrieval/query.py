"""A query in the form in which channels search for it.

Shapes: D width of a channel's vectors, K nearest products.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from windowshop.data import Filter, ImageInput
from windowshop.errors import SearchError
from windowshop.index import OpenIndex, View
from windowshop.registry import CHANNELS
from windowshop.search.classifier.inference import Inference
from windowshop.search.classifier.model import Guess
from windowshop.search.retrieval.channel import vector_channel
from windowshop.search.retrieval.config import NO_BOOST, Boost, ChannelConfig, MergeConfig
from windowshop.search.retrieval.merge import ChannelRanking
from windowshop.search.understanding.recognition import Action, Recognised, required
from windowshop.search.understanding.understood import Understanding

MEANING = "vectors"
"""Channel whose vector of the query says what it means."""
CLOSEST = 10
"""Nearest products by whose similarity two spellings of a query are compared."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RetrievalQuery:
    """A query with all that its channels search by."""

    merging: MergeConfig
    text: str | None = None
    image: ImageInput | None = None
    where: Filter | None = None
    """Filter of the request."""
    recognised: tuple[Recognised, ...] = ()
    guesses: tuple[Guess, ...] = ()
    """Likeliest class of each head of the classifier, whether it may act or not."""
    is_read: bool = True
    """The encoder reads the writing system of the text."""
    is_known: bool = True
    """The encoder has words of the catalogue's language."""
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
    def boosts(self) -> tuple[tuple[str, Filter], ...]:
        """The names of recognised items that move products up, each with the test of these."""
        named = ((item.name, item.boosted) for item in self.recognised)
        return tuple((name, tree) for name, tree in named if tree is not None)

    def takes(self, config: ChannelConfig) -> bool:
        """Return whether a channel can search for the query."""
        if vector_channel(config.name):
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
    for config in query.merging.channels:
        encoder = vector_channel(config.name)
        encoded_1D = encoder.encode(index, query.text, query.image) if encoder else None
        if encoded_1D is not None:
            vectors[config.name] = encoded_1D
    return EncodedQuery(vectors, (time.perf_counter() - started) * 1000)


def leave_out(
    index: OpenIndex, query: RetrievalQuery, understanding: Understanding
) -> RetrievalQuery:
    """Search by the text without what it excludes: encoders and words do not read a "not"."""
    if understanding.asked == query.text:
        return query
    if understanding.asked:
        return with_text(index, query, understanding.asked)
    query = replace(query, text=None, vectors={})
    if query.image is None:
        return query
    return replace(query, vectors=encode_query(index, query).vectors)


def with_text(index: OpenIndex, query: RetrievalQuery, text: str) -> RetrievalQuery:
    """Replace the text of a query, and the vectors that depend on it."""
    encoded = {name: vector_1D for name, _, vector_1D in _encode_text(index, query, text)}
    return replace(query, text=text, vectors={**query.vectors, **encoded})


def correct_vectors(
    index: OpenIndex, view: View, query: RetrievalQuery, understanding: Understanding
) -> RetrievalQuery:
    """Replace vectors by those of the corrected text where products are closer to these.

    A word that the catalogue lacks may be a typo, which encoders understand badly, or a word that
    only the encoder knows.
    """
    if understanding.asked_corrected == understanding.asked:
        return query
    vectors = dict(query.vectors)
    for name, vector, corrected_1D in _encode_text(index, query, understanding.asked_corrected):
        both_2D = np.concatenate([query.vectors[name], corrected_1D])
        scores_2K = view.engine.search(both_2D, CLOSEST, None, vector).scores
        typed, corrected = np.nan_to_num(scores_2K, neginf=0).sum(axis=1)
        if corrected > typed:
            vectors[name] = corrected_1D
    return replace(query, vectors=vectors)


def with_inferred(
    query: RetrievalQuery,
    inference: Inference,
    understanding: Understanding,
    choices: Mapping[str, Action],
    *,
    idle: bool,
) -> RetrievalQuery:
    """Add what a text means and does not name, with `idle` what may not act too.

    Its vector is of the text alone.
    """
    vector_1P = query.vectors.get(MEANING)
    if vector_1P is None or query.image is not None or not query.is_read:
        return query
    guesses = inference.classifier.guess(vector_1P)
    items = inference.infer(guesses, understanding, choices, idle=idle)
    query = replace(query, guesses=guesses, recognised=(*query.recognised, *items))
    if any(item.action == "filter" for item in items):
        query = replace(query, rankings={})  # they have all products, so far
    return query


def uncut(query: RetrievalQuery) -> RetrievalQuery:
    """Return a query whose list ends at no share or probability."""
    cutoff = replace(query.merging.cutoff, min_probability=0.0, min_share=0.0, sure_from=0.0)
    return replace(query, merging=replace(query.merging, cutoff=cutoff))


def query_by_product(
    index: OpenIndex, view: View, query: RetrievalQuery, product_id: str
) -> RetrievalQuery:
    """Search by a product's own vectors, without it and its variants; raises SearchError."""
    if product_id not in view.columns:
        raise SearchError(f"There is no product {product_id!r}. Search for one that there is.")
    keys = view.columns.keys([product_id])
    vectors = {}
    for name in CHANNELS:
        own = vector_channel(name)
        if own and own.vector in index.collection.spec.vectors:
            vector_1D = view.engine.vectors(keys, own.vector)
            if vector_1D.any():
                vectors[name] = vector_1D
    if not vectors:
        raise SearchError(f"Product {product_id!r} has neither text nor an image to compare.")
    variants = view.columns.variants(int(keys[0]))
    return replace(query, vectors=vectors, excluded=tuple(variants.tolist()))


def _encode_text(
    index: OpenIndex, query: RetrievalQuery, text: str
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Encode another text; yields channel, name of the vector, and the vector."""
    for name in query.vectors:
        encoder = vector_channel(name)
        if encoder and encoder.reads_text:
            encoded_1D = encoder.encode(index, text, query.image)
            if encoded_1D is not None:
                yield name, encoder.vector, encoded_1D
