"""Features by an export's graphs, kept in the cache folders of its encoders; no torch is needed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from windowshop.encoders.cached_features import CachedFeatures, Encode, Modality, place_of
from windowshop.encoders.feature_store import FeatureStore
from windowshop.encoders.graphs import ImageGraph, TextGraph
from windowshop.encoders.workers import workers
from windowshop.progress import Reporter


@dataclass(frozen=True, slots=True)
class GraphCache(CachedFeatures):
    """Graphs of encoders with the stores of their features below one cache folder."""

    text: TextGraph
    image: ImageGraph
    fingerprints: Mapping[Modality, str]
    """Fingerprints of the encoders that the graphs were made from."""
    widths: Mapping[Modality, int]
    folder: Path
    _held: dict[Path, FeatureStore] = field(default_factory=dict, compare=False)

    def place(self, modality: Modality) -> Path:
        """Return the folder of an encoder's features, which those by torch lie in too."""
        return place_of(self.folder, modality, self.fingerprints[modality])

    def _width(self, modality: Modality) -> int:
        return self.widths[modality]

    def _workers(self) -> ThreadPoolExecutor:
        return workers()

    @contextmanager
    def _text_encoding(
        self, count: int, reporter: Reporter
    ) -> Iterator[Callable[[Sequence[str]], np.ndarray]]:
        with self._workers() as pool:
            yield lambda texts: self.text.encode(texts, pool)

    def _image_encoding(self, count: int, reporter: Reporter) -> Encode:
        return self.image.encode
