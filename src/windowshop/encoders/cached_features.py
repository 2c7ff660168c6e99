"""Features of products and queries, each computed once and kept on disk.

H feature width. Everything is streamed in chunks, so memory holds one chunk of images and the row
numbers; the features themselves stay on disk (`feature_store`).
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
import xxhash
from PIL import Image

from windowshop.data import (
    BASE_VIEWS,
    BrokenImage,
    decode,
    image_names_of,
    locate,
    product_views,
    read_bytes,
)
from windowshop.encoders.feature_store import KEY_DTYPE, FeatureStore, content_keys
from windowshop.encoders.feature_tables import (
    FeatureTable,
    ProductFeatures,
    QueryFeatures,
    first_and_further,
)
from windowshop.encoders.graphs import ImageGraph
from windowshop.progress import Reporter

if TYPE_CHECKING:
    from windowshop.encoders.base import ImageEncoder

Encode = Callable[[Sequence[Any]], np.ndarray]
"""Texts or images to features, float32 (B, H)."""
Modality = Literal["text", "image"]
MODALITIES: tuple[Modality, ...] = ("text", "image")
GRAPHS_FOLDER = "graphs"
TEXT_CHUNK = 512
IMAGE_CHUNK = 64
IMAGE_PART = 16
"""Images that one worker encodes at a time."""


class CachedFeatures(ABC):
    """Features of texts and images, each computed once and kept below a cache folder."""

    __slots__ = ()
    image: "ImageEncoder | ImageGraph"
    _held: dict[Path, FeatureStore]
    """Stores whose new rows are in memory, since their folders cannot be written."""

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

        def encoding() -> Encode:
            return self._image_encoding(len(named), reporter)

        with self._workers() as pool, reporter.bar(name, len(named)) as advance:
            for start in range(0, len(named), IMAGE_CHUNK):
                items = named[start : start + IMAGE_CHUNK]
                files = list(pool.map(lambda i: _read(root, images[i] or ""), items))
                found = [(i, f) for i, f in zip(items, files, strict=True) if isinstance(f, bytes)]
                broken.update(file.kind for file in files if isinstance(file, BrokenImage))
                if found:
                    places, contents = [i for i, _ in found], [content for _, content in found]
                    keys[places] = content_keys(contents)
                    rows[places] = self._rows_of(
                        contents, keys[places], store, pool, encoding, broken
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
        encoding: Callable[[], Encode],
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
            features_BH = np.concatenate(list(pool.map(encoding(), parts)))
            store.append(np.array([key for key, _ in usable], dtype=keys.dtype), features_BH)
        reasons = {
            keys[i].tobytes(): image.kind
            for i, image in zip(todo, decoded, strict=True)
            if isinstance(image, BrokenImage)
        }
        rows = store.lookup(keys)
        broken.update(reasons[key.tobytes()] for key in keys[rows < 0])
        return rows

    def _store(self, modality: Modality) -> FeatureStore:
        place = self.place(modality)
        return self._held.get(place) or FeatureStore(place, self._width(modality))

    def _tell(self, modality: Modality, store: FeatureStore, reporter: Reporter) -> None:
        """Say that rows were damaged, or stay in memory."""
        place, held = self.place(modality), self._held
        if store.num_damaged and place not in held:
            reporter.note(f"{place}: {store.num_damaged} damaged features were encoded again.")
        if store.failure and place not in held:
            held[place] = store
            reporter.note(f"{store.failure} New ones stay in memory.")

    @abstractmethod
    def place(self, modality: Modality) -> Path:
        """Return the folder of an encoder's features, one for equal weights."""

    @abstractmethod
    def _width(self, modality: Modality) -> int: ...

    @abstractmethod
    def _workers(self) -> AbstractContextManager[ThreadPoolExecutor]:
        """Give a pool of threads that encode side by side."""

    @abstractmethod
    def _text_encoding(
        self, count: int, reporter: Reporter
    ) -> AbstractContextManager[Callable[[Sequence[str]], np.ndarray]]:
        """Give the fastest way to the features of so many texts."""

    @abstractmethod
    def _image_encoding(self, count: int, reporter: Reporter) -> Encode:
        """Return the fastest way to the features of images, of which there are so many."""


def place_of(folder: Path, modality: Modality, fingerprint: str) -> Path:
    """Return where a cache folder has the features of an encoder."""
    return folder / f"{modality}-{fingerprint}"


def graph_folder(folder: Path, modality: Modality, fingerprint: str) -> Path:
    """Return where a cache folder has the graph of an encoder."""
    return folder / GRAPHS_FOLDER / place_of(folder, modality, fingerprint).name


def product_features(
    products: pl.DataFrame,
    root: Path,
    cache: CachedFeatures,
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


def query_features(
    queries: pl.DataFrame, root: Path, cache: CachedFeatures, reporter: Reporter
) -> QueryFeatures:
    """Features of every query's text and image, images below `root`."""
    texts = [text or "" for text in queries["query"].to_list()]
    text = cache.texts(texts, reporter, "Encode queries")
    images = queries["image"].to_list()
    image, broken = cache.images(root, images, reporter, "Encode query images")
    return QueryFeatures(text, image, broken)


def _digest(keys: np.ndarray) -> str:
    return xxhash.xxh3_128_hexdigest(keys.tobytes())


def _read(root: Path, image: str) -> bytes | BrokenImage:
    path = locate(root, image)
    return path if isinstance(path, BrokenImage) else read_bytes(path)
