"""The vectors of a query: which there will be is known before they are encoded.

Shapes: P width of a channel's vectors.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future

import numpy as np

from windowshop.images import Photo
from windowshop.index import OpenIndex


class QueryVectors(Mapping[str, np.ndarray]):
    """By channel, float32 (1, P). One thread encodes, others may wait for a vector meanwhile."""

    def __init__(
        self, index: OpenIndex, text: str | None, photo: Photo | None, channels: Collection[str]
    ) -> None:
        """Those of the channels that can compare the query's vectors, of text, photo, or both."""
        self._index, self._text, self._photo = index, text, photo
        usable = {
            "vectors": text is not None or photo is not None,
            "photo": photo is not None and bool(index.manifest.photo_width),
        }
        self._names = [name for name in channels if usable.get(name)]
        self._encoded: Future[dict[str, np.ndarray]] = Future()
        self.encode_ms = 0.0
        """How long encoding took, once it is done."""

    def encode(self) -> None:
        """Make the vectors; what it raises is raised where a vector is asked for."""
        started = time.perf_counter()
        try:
            vectors = {name: self._vector(name) for name in self._names}
        except Exception as error:  # noqa: BLE001 (raised again by `__getitem__`)
            self._encoded.set_exception(error)
        else:
            self.encode_ms = (time.perf_counter() - started) * 1000
            self._encoded.set_result(vectors)

    def __getitem__(self, name: str) -> np.ndarray:
        """The vector, once it is encoded; raises SearchError for an unusable photo."""
        if name not in self._names:
            raise KeyError(name)
        return self._encoded.result()[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is such a vector, or will be."""
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        """The channels."""
        return iter(self._names)

    def __len__(self) -> int:
        """Number of channels."""
        return len(self._names)

    def _vector(self, name: str) -> np.ndarray:
        if name == "photo":
            assert self._photo is not None, "only a photo has a photo's vector"
            return self._index.encode_photos([self._photo])
        return self._index.encode_queries([self._text], [self._photo])
