"""The two kinds of search channels.

Shapes: K products found, D width of a vector.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from windowshop.data import ImageInput
from windowshop.engines import Allowed
from windowshop.index import OpenIndex
from windowshop.registry import CHANNELS
from windowshop.search.retrieval.lexicon import SearchState


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorChannel:
    """Search channel that compares a vector of the query with one of each product."""

    vector: str
    """Name of the vector in the collection."""
    encode: Callable[[OpenIndex, str | None, ImageInput | None], np.ndarray | None]
    """Encode a query to float32 (1, D); returns None where it has nothing to compare."""
    reads_text: bool = True
    reads_image: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class TextChannel:
    """Search channel that looks up the text of the query."""

    search: Callable[[SearchState, str, int, Allowed], tuple[np.ndarray, np.ndarray]]
    """Find at most so many of the allowed products: keys (K,), best first, and scores (K,)."""
    reads_text: ClassVar[bool] = True
    reads_image: ClassVar[bool] = False


Channel: TypeAlias = VectorChannel | TextChannel


def channel(name: str) -> Channel:
    """Return the channel of a name; raises ConfigError for an unknown one."""
    found: Channel = CHANNELS[name]
    return found


def vector_channel(name: str) -> VectorChannel | None:
    """Return the channel of a name if it compares vectors."""
    found = channel(name)
    return found if isinstance(found, VectorChannel) else None
