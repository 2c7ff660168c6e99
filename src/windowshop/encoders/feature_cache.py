"""Frozen features of products and queries, each computed once and kept on disk.

N items, M further images, H feature width. Everything is streamed in chunks, so memory holds one
chunk of images and the row numbers; the features themselves stay on disk (`feature_store`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import polars as pl
import xxhash
from PIL import Image

from windowshop.data import (
    BASE_VIEWS,
    BrokenImage,
    decode,
    expand,
    image_names_of,
    locate,
    product_views,
    read_bytes,
)
from windowshop.encoders.feature_store import KEY_DTYPE, FeatureStore, HeldRows, content_keys
from windowshop.encoders.graphs import ImageGraph, TextGraph
from windowshop.errors import ConfigError, EncoderError, StorageError
from windowshop.progress import Reporter

if TYPE_CHECKING:
    from windowshop.encoders.base import ImageEncoder, TextEncoder

Modality = Literal["text", "image"]
MODALITIES: tuple[Modality, ...] = ("text", "image")
TEXT_CHUNK = 512
IMAGE_CHUNK = 64
IMAGE_PART = 16
"""Images that one worker encodes at a time."""
MANY = 1000
"""Items from which on an encoder's graph is made first, which takes some ten seconds."""
GRAPHS_FOLDER = "graphs"


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features of N items: a row in the store for each, -1 where the item has no such modality."""

    stored: np.ndarray | HeldRows
    rows: np.ndarray
    digest: str
    """Hash of all the items' contents, in order; an absent one counts too."""

    def __len__(self) -> int:
        """Return N."""
        return len(self.rows)

    @property
    def width(self) -> int:
        """Feature width H."""
        return int(self.stored.shape[1])

    @property
    def present(self) -> np.ndarray:
        """Items that have the modality, bool (N,)."""
        return self.rows >= 0

    def gather(self, items: np.ndarray) -> np.ndarray:
        """Features of the given items, float32 (B, H), zeros where absent."""
        rows = self.rows[items]
        features_BH = np.zeros((len(rows), self.width), dtype=np.float32)
        has = rows >= 0
        features_BH[has] = self.stored[rows[has]]
        return features_BH


@dataclass(frozen=True, slots=True)
class FurtherTable:
    """Features of the images beside the first one, in compressed rows.

    Product i has the rows `rows[start[i] : start[i + 1]]` of the store.
    """

    stored: np.ndarray | HeldRows
    start: np.ndarray
    rows: np.ndarray

    def entries(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Store rows of all further images of the items, and the position of each one's item."""
        entries, owner = expand(self.start, items)
        return self.rows[entries], owner

    def gather(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features of all further images of the items, float32 (M, H), and their owners (M,)."""
        rows, owner = self.entries(items)
        return self.stored[rows].astype(np.float32), owner


@dataclass(frozen=True, slots=True)
class ProductFeatures:
    """Features of a product table."""

    views: dict[str, FeatureTable]
    """Text features by view (`windowshop.data.product_text`)."""
    image: FeatureTable
    """The first usable image of each product; the digest is of all its images."""
    broken_images: Counter[str]
    """Images that could not be used, by kind."""
    further: FurtherTable | None = None
    """The other images; None where no product has several."""


@dataclass(frozen=True, slots=True)
class QueryFeatures:
    """Features of a query table."""

    text: FeatureTable
    image: FeatureTable
    broken_images: Counter[str]


@dataclass(frozen=True, slots=True)
class FeatureCache:
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

    def texts(self, texts: Sequence[str], reporter: Reporter, name: str) -> FeatureTable:
        """Features of each text; an empty one is absent."""
        store = self._store("text")
        keys = content_keys([text.encode() for text in texts])
        filled = np.array([bool(text) for text in texts], dtype=bool)
        _, first = np.unique(keys, return_index=True)
        todo = first[(store.lookup(keys[first]) < 0) & filled[first]]
        if len(todo):
            # Longest first: the slowest chunks come first, and the time left is never understated.
            todo = todo[np.argsort([-len(texts[i]) for i in todo], kind="stable")]
            with (
                self._text_encoding(len(todo), reporter) as encode,
                reporter.bar(name, len(todo)) as advance,
            ):
                for start in range(0, len(todo), TEXT_CHUNK):
                    chunk = todo[start : start + TEXT_CHUNK]
                    store.append(keys[chunk], encode([texts[i] for i in chunk]))
                    advance(len(chunk), "")
        rows = np.where(filled, store.lookup(keys), -1)
        self._tell("text", store, reporter)
        return FeatureTable(store.open(), rows, _digest(keys))

    def images(
        self, root: Path, images: Sequence[str | None], reporter: Reporter, name: str
    ) -> tuple[FeatureTable, Counter[str]]:
        """Features of each image below `root`; a missing or broken one is absent and counted."""
        store = self._store("image")
        rows = np.full(len(images), -1, dtype=np.int64)
        broken: Counter[str] = Counter()
        keys = np.zeros(len(images), dtype=KEY_DTYPE)
        named = [i for i, image in enumerate(images) if image]
        if not named:
            return FeatureTable(store.open(), rows, _digest(keys)), broken

        def encoder() -> "ImageEncoder | ImageGraph":
            return self._graph("image", len(named), reporter) or self.image

        with torch_threads_as_workers() as pool, reporter.bar(name, len(named)) as advance:
            for start in range(0, len(named), IMAGE_CHUNK):
                items = named[start : start + IMAGE_CHUNK]
                files = list(pool.map(lambda i: _read(root, images[i] or ""), items))
                found = [(i, f) for i, f in zip(items, files, strict=True) if isinstance(f, bytes)]
                broken.update(file.kind for file in files if isinstance(file, BrokenImage))
                if found:
                    places, contents = [i for i, _ in found], [content for _, content in found]
                    keys[places] = content_keys(contents)
                    rows[places] = self._rows_of(
                        contents, keys[places], store, pool, encoder, broken
                    )
                advance(len(items), "")
        self._tell("image", store, reporter)
        return FeatureTable(store.open(), rows, _digest(keys)), broken

    def _rows_of(
        self,
        contents: list[bytes],
        keys: np.ndarray,
        store: FeatureStore,
        pool: ThreadPoolExecutor,
        encoder: "Callable[[], ImageEncoder | ImageGraph]",
        broken: Counter[str],
    ) -> np.ndarray:
        """Store rows of image files, encoding those that the store lacks."""
        _, first = np.unique(keys, return_index=True)
        todo = first[store.lookup(keys[first]) < 0]
        decoded = list(pool.map(lambda i: decode(contents[i], self.image.side), todo))
        usable = [
            (key, image)
            for key, image in zip(keys[todo], decoded, strict=True)
            if isinstance(image, Image.Image)
        ]
        if usable:
            images = [image for _, image in usable]
            parts = [images[i : i + IMAGE_PART] for i in range(0, len(images), IMAGE_PART)]
            features_BH = np.concatenate(list(pool.map(encoder().encode, parts)))
            store.append(np.array([key for key, _ in usable], dtype=keys.dtype), features_BH)
        reasons = {
            keys[i].tobytes(): image.kind
            for i, image in zip(todo, decoded, strict=True)
            if isinstance(image, BrokenImage)
        }
        rows = store.lookup(keys)
        broken.update(reasons[key.tobytes()] for key in keys[rows < 0])
        return rows

    def provide_graphs(self, count: int, reporter: Reporter) -> None:
        """Make the graphs that so many items will be encoded by, where there are none."""
        for name in MODALITIES:
            self._graph(name, count, reporter)

    @contextmanager
    def _text_encoding(
        self, count: int, reporter: Reporter
    ) -> Iterator[Callable[[Sequence[str]], np.ndarray]]:
        """Give the fastest way to the features of so many texts."""
        graph = self._graph("text", count, reporter)
        if graph is None:
            yield self.text.encode
        else:
            with torch_threads_as_workers() as pool:
                yield lambda texts: graph.encode(texts, pool)

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

        encoder = self.text if name == "text" else self.image
        if not graph_export.pays(encoder):
            return None
        try:
            if name == "text":
                return graph_export.open_text_graph(self.text, folder)
            return graph_export.open_image_graph(self.image, folder)
        except (EncoderError, StorageError, ConfigError, OSError) as error:
            reporter.note(f"The {name} encoder runs in torch, not as a graph: {error}")
            return None

    def _store(self, modality: Modality) -> FeatureStore:
        encoder, place = self.text if modality == "text" else self.image, self.place(modality)
        return self._held.get(place) or FeatureStore(place, encoder.layout.width)

    def _tell(self, modality: Modality, store: FeatureStore, reporter: Reporter) -> None:
        """Say that rows were damaged, or stay in memory."""
        place = self.place(modality)
        if store.num_damaged and place not in self._held:
            reporter.note(f"{place}: {store.num_damaged} damaged features were encoded again.")
        if store.failure and place not in self._held:
            self._held[place] = store
            reporter.note(f"{store.failure} New ones stay in memory.")

    def place(self, modality: Modality) -> Path:
        """Return the folder of an encoder's features, one for equal weights."""
        encoder = self.text if modality == "text" else self.image
        return self.places.get(modality, place_of(self.folder, modality, encoder.fingerprint))


def place_of(folder: Path, modality: Modality, fingerprint: str) -> Path:
    """Return where a cache folder has the features of an encoder."""
    return folder / f"{modality}-{fingerprint}"


def product_features(
    products: pl.DataFrame,
    root: Path,
    cache: FeatureCache,
    reporter: Reporter,
    names: Sequence[str] = BASE_VIEWS,
) -> ProductFeatures:
    """Features of the named text views and the image of each product, images below `root`.

    To rank or to index, FACTS is enough; training needs `windowshop.model.batches.needed_views`.
    """
    texts = product_views(products, names)
    views = {name: cache.texts(texts[name], reporter, f"Encode product {name}") for name in names}
    images, owner = image_names_of(products)
    table, broken = cache.images(root, images, reporter, "Encode product images")
    image, further = first_and_further(table, owner, len(products))
    return ProductFeatures(views, image, broken, further)


def first_and_further(
    images: FeatureTable, owner: np.ndarray, num_products: int
) -> tuple[FeatureTable, FurtherTable | None]:
    """Split a table of all products' images into the first usable one of each and the others.

    `owner` is the product of each image, in order, every product at least once; the same image
    twice in a product counts once.
    """
    if len(owner) == num_products:
        return images, None
    usable = np.flatnonzero(images.present)
    keys = owner[usable] * (len(images.stored) + 1) + images.rows[usable]
    _, first_places = np.unique(keys, return_index=True)
    kept = usable[np.sort(first_places)]
    owners, first = np.unique(owner[kept], return_index=True)
    rows = np.full(num_products, -1, dtype=np.int64)
    rows[owners] = images.rows[kept[first]]
    image = FeatureTable(images.stored, rows, images.digest)
    others = np.delete(kept, first)
    if len(others) == 0:
        return image, None
    count = np.bincount(owner[others], minlength=num_products)
    start = np.concatenate([[0], np.cumsum(count)])
    return image, FurtherTable(images.stored, start, images.rows[others])


def query_features(
    queries: pl.DataFrame, root: Path, cache: FeatureCache, reporter: Reporter
) -> QueryFeatures:
    """Features of every query's text and image, images below `root`."""
    texts = [text or "" for text in queries["query"].to_list()]
    text = cache.texts(texts, reporter, "Encode queries")
    images = queries["image"].to_list()
    image, broken = cache.images(root, images, reporter, "Encode query images")
    return QueryFeatures(text, image, broken)


def _digest(keys: np.ndarray) -> str:
    return xxhash.xxh3_128_hexdigest(keys.tobytes())


@contextmanager
def torch_threads_as_workers() -> Iterator[ThreadPoolExecutor]:
    """A pool of as many workers as torch has threads, each of them running torch on one thread.

    The layers of a small network are too short to share out: threads within a layer wait for one
    another, and for any other process on their core, at every one of them.
    """
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(num_threads) as pool:
            yield pool
    finally:
        torch.set_num_threads(num_threads)


def _read(root: Path, image: str) -> bytes | BrokenImage:
    path = locate(root, image)
    return path if isinstance(path, BrokenImage) else read_bytes(path)
