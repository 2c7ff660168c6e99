"""A generation of an index: an online catalogue and its model, to search and to write.

    INDEX/generations/gN/                  a collection (`windowshop.index.catalogue.collection`)
    INDEX/generations/gN/generation.json   its manifest, written last
    INDEX/generations/gN/model/            the model, with its query encoder in model/export

`folder` describes the rest of the index. Searching by text needs no torch: the model is loaded
for the first search by image or the first write.

Shapes: B batch, N products, P width of fused vectors, D width of image vectors.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windowshop.data import (
    PRODUCT_SCHEMA,
    AttributeColumn,
    ColumnRoles,
    ColumnRule,
    ColumnRules,
    ImageInput,
    Role,
    apply_to_written,
    check_ids,
    clean_texts,
    complete_columns,
    conform,
    fill_attributes,
)
from windowshop.engines import EngineSpec
from windowshop.errors import DataError, IndexFolderError, SearchError, needs_extra
from windowshop.files import INDEX, MODEL, FolderKind, read_manifest, require_files
from windowshop.index.catalogue.collection import Collection
from windowshop.index.catalogue.restore import Derivation, Encoded
from windowshop.index.catalogue.snapshot import spec_from_json
from windowshop.index.catalogue.store import Store
from windowshop.index.folder import (
    IMAGES_FOLDER,
    current_generation,
    is_linked,
    open_generations,
)
from windowshop.index.images import Kept, OpenedImages, ShopImages
from windowshop.index.remote import fetch_generation, linked_catalogue
from windowshop.index.vector_names import gate_columns, vectors_by_name
from windowshop.model import (
    EXPORT_FOLDER,
    ExportedModel,
    QueryEncoder,
    open_exported_model,
    open_query_encoder,
)

if TYPE_CHECKING:
    from windowshop.encoders import KeptFeatures
    from windowshop.model import Retriever

GENERATION = FolderKind(
    noun="a generation of an index",
    format="windowshop-generation/3",
    command=INDEX.command,
    remedy=INDEX.remedy,
    error=IndexFolderError,
    file="generation.json",
)
MODEL_FOLDER = "model"
WRITTEN = "the products to add"
WRITE_ROWS, WRITE_PIXELS = 32, 16_000_000
"""Rows, or pixels of their images, of an online write that are encoded at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationManifest:
    """Manifest of a generation: model, data and settings of its build."""

    model_key: str
    """Run key of the model that makes the vectors."""
    num_products: int
    width: int
    """Width P of the vectors named `fused`."""
    image_width: int | None
    """Width D of vectors named `photo`; None where the model has no image tower."""
    data_root: str
    """Data folder, with the images of the products."""
    broken_images: dict[str, int]
    unsearchable: int
    """Products with neither text nor a usable image; no vector search finds them."""
    attributes: list[dict[str, Any]]
    """Columns filled from the attributes, as of `attribute_columns`."""
    engine: dict[str, Any]
    """Settings of the engine, as of the build."""
    language: str = ""
    """Code of the catalogue's language; "" where it is detected."""
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Types and roles of columns and attributes by their names, as `columns.yaml` had them."""
    roles: dict[str, list[Role]] = field(default_factory=dict)
    """Declared roles by the index's columns."""
    cache: str = ""
    """Folder of the features that the build encoded or found; "" where it is not known."""
    began: float = 0.0
    """When the build began to read the data, in seconds since 1970; 0 where it is not known."""
    format: str = GENERATION.format

    @property
    def attribute_columns(self) -> tuple[AttributeColumn, ...]:
        """Columns that an online write fills from a product's attributes."""
        return tuple(AttributeColumn(**column) for column in self.attributes)

    @property
    def column_rules(self) -> ColumnRules:
        """Declarations that hold for online writes too."""
        columns = {
            name: ColumnRule(type=rule["type"], roles=tuple(rule["roles"]))
            for name, rule in self.declared.items()
        }
        return ColumnRules(columns=columns)

    @property
    def column_roles(self) -> ColumnRoles:
        """Roles of the index's columns."""
        return ColumnRoles(self.roles)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpsertReport:
    """Result of an online write."""

    num_upserted: int
    problems: dict[str, str]
    """Images that cannot be used, by product; the product is stored without them."""


class OpenIndex:
    """A generation of an index that the threads of one process search and write."""

    def __init__(
        self,
        folder: Path,
        generation: str,
        path: Path,
        open_store: Callable[[Derivation], Store],
    ) -> None:
        """Open the generation at `path`; use `open_index`."""
        self.folder, self.generation, self.path = folder, generation, path
        self.manifest = read_manifest(GenerationManifest, path, GENERATION)
        key = self.manifest.model_key
        require_files(path / MODEL_FOLDER, MODEL)
        self.query_encoder: QueryEncoder = open_query_encoder(
            path / MODEL_FOLDER / EXPORT_FOLDER, model_key=key
        )
        self._images = ShopImages(Path(self.manifest.data_root), folder / IMAGES_FOLDER)
        self._encoder: ExportedModel | Retriever | None = None
        self._kept: KeptFeatures | None = None
        self._loading = threading.Lock()
        derivation = Derivation(
            complete=self._complete,
            encode=self._encode,
            spec=spec_from_json(self.manifest.engine),
        )
        self.collection = open_store(derivation)

    @property
    def encoder(self) -> "ExportedModel | Retriever":
        """The model for products and for queries with an image, loaded at first use.

        It is the export's graphs, and the model in torch where the export has none for these.
        """
        with self._loading:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder

    @property
    def model(self) -> "Retriever":
        """Model in torch, loaded at each use."""
        with needs_extra("train"):
            from windowshop.model import load

            model = load(self.path / MODEL_FOLDER)
        self._require_key(model.manifest.run_key)
        return model

    def encode_queries(
        self, texts: Sequence[str | None], images: Sequence[ImageInput | None]
    ) -> np.ndarray:
        """Return unit query vectors for `fused`, float32 (B, P).

        Query i has `texts[i]`, `images[i]`, or both. A batch of texts alone goes through the
        exported graph. Raises SearchError for a query with neither and for an unusable image.
        """
        if any(image is not None for image in images):
            return self.encoder.encode_queries(texts, images)
        for place, text in enumerate(texts):
            if not (text or "").strip():
                raise SearchError(
                    f"query {place} has neither text nor an image; give at least one."
                )
        return self.query_encoder.encode([text or "" for text in texts])

    def reads(self, text: str) -> bool:
        """Return whether the text encoder has words of the writing system of a text."""
        return self.query_encoder.reads(text)

    def knows(self, word: str) -> bool:
        """Return whether the text encoder has a word whole, as it has common words and brands."""
        return self.query_encoder.knows(word)

    def encode_images(self, images: Sequence[ImageInput]) -> np.ndarray:
        """Return unit vectors of query images for the vectors named `photo`, float32 (B, D).

        Raises SearchError for an unusable image, and where the index has no `photo` vectors.
        """
        if self.manifest.image_width is None:
            raise SearchError(
                f"{self.folder}: its model looks at no product image. Search by text, or build it "
                "with another model."
            )
        return self.encoder.encode_images(images)

    def upsert(
        self, products: pl.DataFrame, images: Mapping[str, bytes] | None = None
    ) -> UpsertReport:
        """Add or replace whole products; searches find them on return.

        Args:
            products: Rows in the products format; missing columns become null. Attribute columns
                of the index are filled from `attributes`. Hidden columns are left out.
            images: Image files by product id, stored with the index; `image` then names them.

        Raises:
            DataError: A row does not fit, or an image is of no row; nothing is changed.
        """
        rows = apply_to_written(_completed(products), self.manifest.column_rules, WRITTEN)
        sent = dict(images or {})
        if sent and is_linked(self.folder):
            raise DataError(
                "Images that come with products are not kept on a server. Name files below "
                f"{self.manifest.data_root} in `image` instead."
            )
        stray = sent.keys() - set(rows["product_id"])
        if stray:
            raise DataError(f"An image is of {min(stray)!r}, which is no product of this write.")
        problems: dict[str, str] = {}
        parts, stored = [], []
        for part, opened in self._opened(rows, sent):
            parts.append(self.encoder.encode_rows(part, [row.pictures for row in opened]))
            stored += [row.image for row in opened]
            named = zip(part["product_id"], opened, strict=True)
            problems |= {name: "; ".join(row.problems) for name, row in named if row.problems}
        if parts:
            rows = rows.with_columns(pl.Series("image", stored, dtype=pl.String))
            gates = gate_columns(parts).get_columns()
            self.collection.upsert(rows.with_columns(*gates), vectors_by_name(parts))
        return UpsertReport(num_upserted=len(rows), problems=problems)

    def _opened(
        self, rows: pl.DataFrame, sent: Mapping[str, bytes], kept: Kept = lambda content: None
    ) -> Iterator[tuple[pl.DataFrame, list[OpenedImages]]]:
        """Yield parts of the rows with their images, as many as are held in memory at a time."""
        opened: list[OpenedImages] = []
        start, num_pixels, side = 0, 0, self.encoder.side
        names = rows.select("product_id", "image", "images")
        for end, (name, image, further) in enumerate(names.iter_rows(), 1):
            opened.append(self._images.open(image, further, sent.get(name), side, kept))
            num_pixels += opened[-1].num_pixels
            if len(opened) == WRITE_ROWS or num_pixels >= WRITE_PIXELS or end == len(rows):
                yield rows[start:end], opened
                opened, start, num_pixels = [], end, 0

    def delete(self, product_ids: list[str]) -> int:
        """Delete products; returns how many there were."""
        return self.collection.delete(product_ids)

    def image_path(self, image: str | None) -> Path | None:
        """Return the file of an image that `image` names, links resolved.

        None where there is no such file below the data folder or among the uploads.
        """
        return self._images.path(image)

    def recent_image_path(self, image: str | None) -> Path | None:
        """Return `image_path`, cached for some minutes."""
        return self._images.recent_path(image)

    def close(self) -> None:
        """Write a snapshot and release everything."""
        self.collection.close()

    def _complete(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the columns of attributes."""
        complete = complete_columns(rows, PRODUCT_SCHEMA)
        return fill_attributes(complete, self.manifest.attribute_columns)

    def _encode(self, rows: pl.DataFrame) -> Encoded:
        """Encode products that are there without vectors of this model, but for what is kept."""
        features = self._features()

        def kept(content: bytes) -> np.ndarray | None:
            return features.of("image", [content])[0] if features else None

        parts = [
            self.encoder.encode_rows(part, [row.pictures for row in opened], features)
            for part, opened in self._opened(rows, {}, kept)
        ]
        return Encoded(vectors_by_name(parts), gate_columns(parts))

    def _features(self) -> "KeptFeatures | None":
        """Return the features of the build's cache, if that is still there."""
        cache = Path(self.manifest.cache)
        if not self.manifest.cache or not cache.is_dir():
            return None
        if self._kept is None:
            self._kept = self.encoder.kept_features(cache)
        self._kept.renew()
        return self._kept

    def _load(self) -> "ExportedModel | Retriever":
        exported = self.query_encoder.manifest
        if exported.encoders is None:
            return self.model
        self._require_key(exported.model_key)
        return open_exported_model(self.path / MODEL_FOLDER / EXPORT_FOLDER, exported)

    def _require_key(self, key: str) -> None:
        if key != self.manifest.model_key:
            raise IndexFolderError(
                f"{self.path}: its vectors are not of the model in it. Build the index again."
            )


def open_index(
    folder: str | Path, generation: str | None = None, *, read_only: bool = False
) -> OpenIndex:
    """Open a generation of an index, the current one by default, with every write so far.

    With `read_only`, another process may have it open, and nothing on the disk changes. Raises
    IndexFolderError where the folder is no index, ExportError where its query encoder is damaged,
    DamagedError where the products are, StorageError where another process writes it.
    """
    path = Path(folder)
    generations = open_generations(path)
    name = generation or current_generation(path)
    place = generations.path(name)

    if is_linked(path):
        catalogue = linked_catalogue(path)
        fetch_generation(path, name, catalogue)
        return OpenIndex(path, name, place, lambda made: catalogue.store(name, made))

    def open_store(derivation: Derivation) -> Store:
        return Collection(place, products=path, derivation=derivation, read_only=read_only)

    return OpenIndex(path, name, place, open_store)


def linked_store(folder: Path, spec: EngineSpec) -> Store:
    """Open the products alone of the current generation of a catalogue on a server.

    `spec` has the widths of its vectors, and may search them otherwise.
    """
    return linked_catalogue(folder).store(current_generation(folder), Derivation(spec=spec))


def _completed(products: pl.DataFrame) -> pl.DataFrame:
    """Complete rows to all columns of the products format, with the types of a data folder."""
    rows = clean_texts(conform(products, PRODUCT_SCHEMA, WRITTEN))
    rows = complete_columns(rows, PRODUCT_SCHEMA)
    check_ids(rows, "product_id", Path(WRITTEN))
    return rows.with_columns(pl.col("group_id").fill_null(pl.col("product_id")))
