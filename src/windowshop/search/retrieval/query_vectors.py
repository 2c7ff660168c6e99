"""A query's text and photo -> its vectors, one for each channel that compares them.

Shapes: P width of a channel's vectors.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from windowshop.data import Photo
from windowshop.index import OpenIndex


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """What a query was encoded to."""

    by_channel: Mapping[str, np.ndarray]
    """float32 (1, P); a channel that cannot compare the query has none."""
    took_ms: float


NO_VECTORS = QueryVectors({}, 0.0)


def encode_query(
    index: OpenIndex, text: str | None, photo: Photo | None, channels: Collection[str]
) -> QueryVectors:
    """Encode for those of the channels that compare vectors; SearchError for an unusable photo."""
    started = time.perf_counter()
    vectors = {}
    if "vectors" in channels and (text is not None or photo is not None):
        vectors["vectors"] = index.encode_queries([text], [photo])
    if "photo" in channels and photo is not None and index.manifest.photo_width:
        vectors["photo"] = index.encode_photos([photo])
    return QueryVectors(vectors, (time.perf_counter() - started) * 1000)
