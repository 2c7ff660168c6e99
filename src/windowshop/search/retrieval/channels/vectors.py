"""Search channel of the fused vector, which holds text and image."""

import numpy as np

from windowshop.data import ImageInput
from windowshop.index import FUSED_VECTOR, OpenIndex
from windowshop.search.retrieval.channel import VectorChannel


def encode(index: OpenIndex, text: str | None, image: ImageInput | None) -> np.ndarray:
    """Encode text, image or both; returns float32 (1, D)."""
    return index.encode_queries([text], [image])


CHANNEL = VectorChannel(vector=FUSED_VECTOR, encode=encode)
