"""Search channel of the fused vector, which holds text and image."""

import numpy as np

from windowshop.data import Photo
from windowshop.index import FUSED_VECTOR, OpenIndex
from windowshop.search.retrieval.channel import VectorChannel


def encode(index: OpenIndex, text: str | None, photo: Photo | None) -> np.ndarray:
    """Encode text, image or both; returns float32 (1, D)."""
    return index.encode_queries([text], [photo])


CHANNEL = VectorChannel(vector=FUSED_VECTOR, encode=encode)
