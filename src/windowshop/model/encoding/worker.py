"""Encodes shards, one at a time; several processes may work on one job, and even on one shard.

A shard is made in a folder of its own and renamed into its place when it is complete, so that it is
there whole or not at all, and the first of two that make the same one wins.
"""

import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.data import BrokenImage, image_names_of, locate, product_views, read_bytes
from windowshop.encoders import (
    GRAPHS_FOLDER,
    MODALITIES,
    FeatureCache,
    FeatureStore,
    FeatureTable,
    ImageEncoder,
    Modality,
    TextEncoder,
    content_keys,
)
from windowshop.errors import EncoderError, StorageError
from windowshop.files import describe_files, place_folder, write_manifest
from windowshop.model.encoding.job import SHARD, Job, Places, ShardManifest
from windowshop.progress import SILENT

ATTEMPTS = 10
"""Processes that may die with a shard in one run."""
QUERY = "query"
"""Column that rows of queries have, and rows of products not."""
READ_AT_ONCE = 64
"""Image files in memory while it is looked up which of them are encoded already."""


class ShardEncoder:
    """Encoders of a job, and the features that its folder has already."""

    def __init__(self, places: Places, job: Job, text: TextEncoder, image: ImageEncoder) -> None:
        self._places, self._job = places, job
        self._text, self._image = text, image
        kept = FeatureCache(text, image, places.out)
        widths: dict[Modality, int] = {"text": text.layout.width, "image": image.layout.width}
        self._kept = {name: FeatureStore(kept.place(name), widths[name]) for name in MODALITIES}

    def encode(self, name: str, making: Path) -> ShardManifest:
        """Encode a shard in the folder of an `attempt`, unless it is there.

        What the folder of features has already is left out. Raises StorageError where features
        cannot be written, EncoderError for damaged rows.
        """
        if (done := self._places.finished(name)) is not None:
            return done
        manifest = self._fill(making, self._rows(name))
        write_manifest(making, manifest, SHARD)
        try:
            place_folder(making, self._places.shards / name)
        except OSError:
            if (done := self._places.finished(name)) is None:
                raise
            return done
        return manifest

    def _rows(self, name: str) -> pl.DataFrame:
        path = self._places.input(name)
        try:
            return pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise EncoderError(
                f"{path}: cannot be read ({error}). Run the command again."
            ) from None

    def _fill(self, folder: Path, rows: pl.DataFrame) -> ShardManifest:
        """Write the features of a shard's rows into a folder; returns its manifest."""
        if QUERY in rows.columns:
            texts, images = rows[QUERY].fill_null("").to_list(), rows["image"].to_list()
        else:
            views = product_views(rows, self._job.views)
            texts = [text for name in self._job.views for text in views[name]]
            images, _ = image_names_of(rows)
        cache = FeatureCache(
            self._text, self._image, folder, graphs=self._places.out / GRAPHS_FOLDER
        )
        new_texts, new_images = self._new_texts(texts), self._new_images(images)
        num_texts = num_images = 0
        broken: Counter[str] = Counter()
        if new_texts:
            num_texts = _num_written(cache.texts(new_texts, SILENT, ""), folder)
        if new_images:
            table, broken = cache.images(Path(self._job.root), new_images, SILENT, "")
            num_images = _num_written(table, folder)
        manifest = ShardManifest(
            num_rows=len(rows),
            num_texts=num_texts,
            num_images=num_images,
            broken_images={} if QUERY in rows.columns else dict(broken),
        )
        return replace(manifest, files=describe_files(folder))

    def _new_texts(self, texts: list[str]) -> list[str]:
        """Leave out empty texts and those whose features the folder has."""
        filled = [text for text in texts if text]
        if not filled:
            return []
        rows = self._kept["text"].lookup(content_keys([text.encode() for text in filled]))
        return [text for text, row in zip(filled, rows.tolist(), strict=True) if row < 0]

    def _new_images(self, images: list[str | None]) -> list[str | None]:
        """Leave out images whose features the folder has; files that cannot be read stay."""
        store, named = self._kept["image"], [image for image in images if image]
        if len(store.open()) == 0:
            return list(named)
        return [
            image
            for start in range(0, len(named), READ_AT_ONCE)
            for image in self._unknown(named[start : start + READ_AT_ONCE], store)
        ]

    def _unknown(self, images: list[str], store: FeatureStore) -> list[str]:
        root = Path(self._job.root)
        located = [locate(root, image) for image in images]
        files = [read_bytes(path) if isinstance(path, Path) else path for path in located]
        rows = np.full(len(images), -1)
        there = [i for i, file in enumerate(files) if not isinstance(file, BrokenImage)]
        if there:
            rows[there] = store.lookup(content_keys([f for f in files if isinstance(f, bytes)]))
        return [image for image, row in zip(images, rows, strict=True) if row < 0]


@contextmanager
def attempt(places: Places, name: str) -> Iterator[Path]:
    """Yield a new folder to make a shard in; it is gone after the block, unless the process died.

    Raises EncoderError where ATTEMPTS processes died before: the shard may be the reason.
    """
    folder = places.making / name
    folder.mkdir(parents=True, exist_ok=True)
    num_died = len(list(folder.iterdir()))
    if num_died >= ATTEMPTS and places.finished(name) is None:
        raise EncoderError(
            f"shard {name}: {num_died} processes died while they encoded it, perhaps for want of "
            "memory. Finished shards stay; give processes more room, and run the command again."
        )
    making = folder / uuid.uuid4().hex
    making.mkdir()
    try:
        yield making
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _num_written(table: FeatureTable, folder: Path) -> int:
    """Return how many features a new folder has; raises StorageError where some are in memory."""
    if not isinstance(table.stored, np.ndarray):
        raise StorageError(f"{folder}: features cannot be written. Make room, and run it again.")
    return len(table.stored)
