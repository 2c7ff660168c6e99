"""Search channel of the image's own vector."""

import numpy as np

from windowshop.data import ImageInput
from windowshop.index import IMAGE_VECTOR, OpenIndex
from windowshop.search.retrieval.channel import VectorChannel


def encode(index: OpenIndex, text: str | None, image: ImageInput | None) -> np.ndarray | None:
    """Encode the image; returns float32 (1, D), or None without one or under a model of texts."""
    if image is None or not index.manifest.image_width:
        return None
    return index.encode_images([image])


CHANNEL = VectorChannel(vector=IMAGE_VECTOR, encode=encode, reads_text=False)
