"""The index protocol, and exact search as its first implementation; an index is a folder.

    INDEX/manifest.json      model key, counts, vector width
    INDEX/products.parquet   every column of the product table, in vector order
    INDEX/vectors.npy        float32 (N, D), memory-mapped by every process that opens it
    INDEX/model/             the model that made it, so that the folder answers queries by itself

Shapes: B queries, N products, D width.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from windowshop.catalog import Dataset
from windowshop.errors import IndexFolderError
from windowshop.filters import Filter, to_polars
from windowshop.manifests import MANIFEST_FILE, FolderKind, read_manifest, write_manifest
from windowshop.model import Model
from windowshop.nearest import nearest
from windowshop.progress import Reporter

INDEX = FolderKind(
    noun="an index folder",
    format="windowshop-index/1",
    command="windowshop index",
    error=IndexFolderError,
)
PRODUCTS_FILE = "products.parquet"
VECTORS_FILE = "vectors.npy"
MODEL_FOLDER = "model"


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved product."""

    product_id: str
    score: float
    """Cosine, higher is better."""


class Index(Protocol):
    """Finds the products nearest to each query vector."""

    def search(self, query_BD: np.ndarray, k: int, where: Filter | None = None) -> list[list[Hit]]:
        """Return up to k hits for each query, best first, of products that pass the filter."""
        ...

    def products(self, product_ids: list[str]) -> pl.DataFrame:
        """The product rows of the given ids, in their order."""
        ...

    def count(self, where: Filter | None = None) -> int:
        """Number of products that pass the filter."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexManifest:
    """What an index folder holds."""

    model_key: str
    """The run key of the model that made the vectors."""
    num_products: int
    width: int
    data_root: str
    """The data folder, where the photos of the results are."""
    broken_images: dict[str, int]
    unsearchable: int
    """Products with neither text nor a usable photo; they are kept and never found."""
    format: str = INDEX.format


class ExactIndex:
    """Every product scored for every query: exact, and fast enough up to about a million."""

    def __init__(
        self, vectors_ND: np.ndarray, table: pl.DataFrame, searchable_N: np.ndarray
    ) -> None:
        self._vectors_ND = vectors_ND
        self._table = table
        self._searchable_N = searchable_N
        self._ids = table["product_id"].to_list()
        self._row = {product_id: row for row, product_id in enumerate(self._ids)}

    def search(self, query_BD: np.ndarray, k: int, where: Filter | None = None) -> list[list[Hit]]:
        """Return up to k hits for each query, best first; equal scores in catalogue order."""
        allowed_N = self._searchable_N if where is None else self._searchable_N & self._pass(where)
        found = nearest(query_BD, self._vectors_ND, k, allowed_N)
        return [
            [
                Hit(self._ids[row], float(score))
                for row, score in zip(rows, scores, strict=True)
                if row >= 0
            ]
            for rows, scores in zip(found.rows, found.scores, strict=True)
        ]

    def products(self, product_ids: list[str]) -> pl.DataFrame:
        """The product rows of the given ids, in their order."""
        return self._table[[self._row[product_id] for product_id in product_ids]]

    def count(self, where: Filter | None = None) -> int:
        """Number of products that pass the filter."""
        return len(self._table) if where is None else int(self._pass(where).sum())

    def _pass(self, where: Filter) -> np.ndarray:
        expression = to_polars(where, self._table.schema).alias("passes")
        return self._table.select(expression)["passes"].fill_null(False).to_numpy()


def build_index(
    model: Model, dataset: Dataset, out: Path, cache_folder: Path, reporter: Reporter
) -> IndexManifest:
    """Encode a catalogue and write its index folder, replacing an older index at `out`.

    The folder is written aside and renamed; a search that has the old one open keeps working.
    """
    if out.exists() and not _is_index(out):
        raise IndexFolderError(f"{out}: exists and is no index. Choose another --out.")
    products = dataset.products
    encoded = model.encode_products(products, dataset.root, cache=cache_folder, reporter=reporter)
    vectors_ND = encoded.vectors
    manifest = IndexManifest(
        model_key=model.manifest.run_key,
        num_products=len(products),
        width=vectors_ND.shape[1],
        data_root=str(dataset.root.resolve()),
        broken_images=dict(encoded.broken_images),
        unsearchable=int((~np.any(vectors_ND, axis=1)).sum()),
    )
    work = _beside(out, "partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    np.save(work / VECTORS_FILE, vectors_ND)
    products.write_parquet(work / PRODUCTS_FILE)
    shutil.copytree(model.folder, work / MODEL_FOLDER)
    write_manifest(work, manifest)
    replace_folder(work, out)
    return manifest


def replace_folder(new: Path, out: Path) -> None:
    """Put `new` in the place of `out`; at any moment `whole_folder` finds one of the two."""
    old = _beside(out, "old")
    if out.exists():
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def whole_folder(out: Path) -> Path:
    """Where the index of `out` is: aside, if a replacement was killed between its two renames."""
    old = _beside(out, "old")
    return old if old.exists() and not out.exists() else out


def _is_index(folder: Path) -> bool:
    """Whether the folder may be replaced: an index of any version, whole or damaged."""
    try:
        content = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return (folder / VECTORS_FILE).is_file() and (folder / MODEL_FOLDER).is_dir()
    return isinstance(content, dict) and str(content.get("format")).startswith(
        INDEX.format.split("/")[0]
    )


def _beside(out: Path, purpose: str) -> Path:
    return out.parent / f".{out.name}.{purpose}"


def load_index_manifest(folder: Path) -> IndexManifest:
    """Read an index's manifest; raises IndexFolderError where the folder is not an index."""
    return read_manifest(IndexManifest, folder, INDEX)


def open_index(folder: Path) -> ExactIndex:
    """Open an index folder for searching; any number of processes may."""
    manifest = load_index_manifest(folder)
    try:
        vectors_ND = np.load(folder / VECTORS_FILE, mmap_mode="r", allow_pickle=False)
        table = pl.read_parquet(folder / PRODUCTS_FILE)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise IndexFolderError(
            f"{folder}: cannot be read ({error}). Build the index again."
        ) from None
    if vectors_ND.shape != (len(table), manifest.width) or len(table) != manifest.num_products:
        raise IndexFolderError(
            f"{folder}: {vectors_ND.shape[0]} vectors for {len(table)} products. "
            "Build the index again."
        )
    searchable_N = np.ones(len(table), dtype=bool)
    if manifest.unsearchable:
        searchable_N = np.any(vectors_ND, axis=1)
    return ExactIndex(vectors_ND, table, searchable_N)
