"""Features of encoders in torch, by their graphs where so many are encoded that these pay."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from windowshop.encoders.cached_features import (
    GRAPHS_FOLDER,
    MODALITIES,
    CachedFeatures,
    Encode,
    Modality,
    place_of,
)
from windowshop.encoders.feature_store import FeatureStore
from windowshop.encoders.graphs import ImageGraph, TextGraph
from windowshop.encoders.workers import torch_threads_as_workers
from windowshop.errors import ConfigError, EncoderError, StorageError
from windowshop.progress import Reporter

if TYPE_CHECKING:
    from windowshop.encoders.base import ImageEncoder, TextEncoder

MANY = 1000
"""Items from which on an encoder's graph is made first, which takes some ten seconds."""


@dataclass(frozen=True, slots=True)
class FeatureCache(CachedFeatures):
    """Encoders with the stores of their features below one cache folder."""

    text: "TextEncoder"
    image: "ImageEncoder"
    folder: Path
    places: Mapping[Modality, Path] = field(default_factory=dict)
    """Folders of features that are not kept below `folder`."""
    graphs: Path | None = None
    """Folder of the encoders' graphs, if it is not `folder/graphs`."""
    _held: dict[Path, FeatureStore] = field(default_factory=dict, compare=False)
    """Stores whose new rows are in memory, since their folders cannot be written."""
    _graphs: dict[Path, TextGraph | ImageGraph | None] = field(default_factory=dict, compare=False)
    """Graphs of the encoders, by the folders of their features; None where torch encodes."""

    def provide_graphs(self, count: int, reporter: Reporter) -> None:
        """Make the graphs that so many items will be encoded by, where there are none."""
        for name in MODALITIES:
            self._graph(name, count, reporter)

    @contextmanager
    def _text_encoding(
        self, count: int, reporter: Reporter
    ) -> Iterator[Callable[[Sequence[str]], np.ndarray]]:
        graph = self._graph("text", count, reporter)
        if graph is None:
            yield self.text.encode
        else:
            with self._workers() as pool:
                yield lambda texts: graph.encode(texts, pool)

    def _image_encoding(self, count: int, reporter: Reporter) -> Encode:
        return (self._graph("image", count, reporter) or self.image).encode

    @overload
    def _graph(self, name: Literal["text"], count: int, reporter: Reporter) -> TextGraph | None: ...
    @overload
    def _graph(
        self, name: Literal["image"], count: int, reporter: Reporter
    ) -> ImageGraph | None: ...
    def _graph(self, name: Modality, count: int, reporter: Reporter) -> Any:
        """Return the graph that gives an encoder's features; None where torch is to encode.

        One that is there is used for any number of items, so that a run that was stopped gives the
        features that it would have given.
        """
        place = self.place(name)
        folder = (self.graphs or self.folder / GRAPHS_FOLDER) / place.name
        if place not in self._graphs and (count >= MANY or folder.is_dir()):
            self._graphs[place] = self._open_graph(name, folder, reporter)
        return self._graphs.get(place)

    def _open_graph(
        self, name: Modality, folder: Path, reporter: Reporter
    ) -> TextGraph | ImageGraph | None:
        from windowshop.encoders import graph_export

        if not graph_export.pays(self._encoder(name)):
            return None
        try:
            if name == "text":
                return graph_export.open_text_graph(self.text, folder)
            return graph_export.open_image_graph(self.image, folder)
        except (EncoderError, StorageError, ConfigError, OSError) as error:
            reporter.note(f"The {name} encoder runs in torch, not as a graph: {error}")
            return None

    def place(self, modality: Modality) -> Path:
        """Return the folder of an encoder's features, one for equal weights."""
        encoder = self._encoder(modality)
        return self.places.get(modality, place_of(self.folder, modality, encoder.fingerprint))

    def _width(self, modality: Modality) -> int:
        return self._encoder(modality).layout.width

    def _workers(self) -> AbstractContextManager[ThreadPoolExecutor]:
        return torch_threads_as_workers()

    def _encoder(self, modality: Modality) -> "TextEncoder | ImageEncoder":
        return self.text if modality == "text" else self.image
