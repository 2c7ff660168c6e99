"""Search channel of the image's own vector."""

import numpy as np

from windowshop.data import Photo
from windowshop.index import PHOTO_VECTOR, OpenIndex
from windowshop.search.retrieval.channel import VectorChannel


def encode(index: OpenIndex, text: str | None, photo: Photo | None) -> np.ndarray | None:
    """Encode the image; returns float32 (1, D), or None without one or under a model of texts."""
    if photo is None or not index.manifest.photo_width:
        return None
    return index.encode_photos([photo])


CHANNEL = VectorChannel(vector=PHOTO_VECTOR, encode=encode, reads_text=False)
