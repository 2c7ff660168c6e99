"""Query -> filtered hits with what a result page needs."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from windowshop.errors import IndexFolderError, SearchError
from windowshop.filters import parse_filter
from windowshop.images import locate
from windowshop.index import (
    MODEL_FOLDER,
    Index,
    IndexManifest,
    load_index_manifest,
    open_index,
    whole_folder,
)
from windowshop.model import Model, Photo, load

MAX_RESULTS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One product of an answer."""

    rank: int
    product_id: str
    score: float
    """Cosine, higher is better."""
    title: str | None
    brand: str | None
    price: float | None
    category: str | None
    image: str | None
    """Path of the photo file; None where the product names none inside the data folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The results of one search."""

    text: str | None
    where: str | None
    total: int
    """Products that pass the filter."""
    took_ms: float
    results: tuple[Result, ...]

    def to_json(self) -> dict[str, Any]:
        """The answer as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Searcher:
    """A model and an index, ready to answer."""

    model: Model
    index: Index
    manifest: IndexManifest

    def search(
        self,
        text: str | None = None,
        photo: Photo | None = None,
        *,
        k: int = 10,
        where: str | None = None,
    ) -> Answer:
        """Answer a text, a photo, or both; `where` is a filter (`windowshop.filters`)."""
        if not 1 <= k <= MAX_RESULTS:
            raise SearchError(f"k={k} must be between 1 and {MAX_RESULTS}.")
        start = time.perf_counter()
        tree = parse_filter(where) if where else None
        vector_1D = self.model.encode_queries([text], [photo])
        hits = self.index.search(vector_1D, k, tree)[0]
        rows = self.index.products([hit.product_id for hit in hits])
        results = tuple(
            Result(
                rank=rank,
                product_id=hit.product_id,
                score=hit.score,
                title=row["title"],
                brand=row["brand"],
                price=row["price"],
                category=row["category"],
                image=self._photo_path(row["image"]),
            )
            for rank, (hit, row) in enumerate(zip(hits, rows.iter_rows(named=True), strict=True), 1)
        )
        return Answer(
            text=text,
            where=where,
            total=self.index.count(tree),
            took_ms=(time.perf_counter() - start) * 1000,
            results=results,
        )

    def _photo_path(self, image: str | None) -> str | None:
        path = locate(Path(self.manifest.data_root), image) if image else None
        return str(path) if isinstance(path, Path) else None


def open_searcher(folder: str | Path) -> Searcher:
    """Open an index folder with the model inside it."""
    path = whole_folder(Path(folder))
    manifest = load_index_manifest(path)
    model = load(path / MODEL_FOLDER)
    if model.manifest.run_key != manifest.model_key:
        raise IndexFolderError(
            f"{path}: its vectors are not of the model in it; was the index replaced meanwhile? "
            "Open it again, or build it again."
        )
    return Searcher(model, open_index(path), manifest)
