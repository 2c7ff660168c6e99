"""Products of an index, or of a model and data, with their vectors, a part at a time.

Shapes: N products of a part, P width of their vectors.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import polars as pl

from windowshop.data import Dataset, as_json
from windowshop.files import read_manifest
from windowshop.index.catalogue.vector_store import VectorStore
from windowshop.index.folder import current_generation, open_generations
from windowshop.index.open import GENERATION, GenerationManifest
from windowshop.index.product_table import ProductTable, open_products
from windowshop.index.vector_names import FUSED_VECTOR
from windowshop.progress import Reporter

if TYPE_CHECKING:
    from windowshop.model import ExportedModel, Retriever

PART = 1_000
"""Products of a part."""
CHANGES = 10_000
"""Changes of products that are read at a time."""
EMBEDDING = "embedding"
"""Name of the vector's field; a column of that name is renamed."""
JSON_COLUMNS = ("attributes",)
"""Columns whose texts are JSON objects."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some products, in the order of the catalogue."""

    products: pl.DataFrame
    vector_NP: np.ndarray
    """float32, unit length; zero where there is none."""

    @property
    def has_vector_N(self) -> np.ndarray:
        """Whether a product has a vector: one with neither text nor a usable image has none."""
        return np.asarray(self.vector_NP.any(axis=1))

    def rows(self) -> Iterator[tuple[dict[str, Any], np.ndarray | None]]:
        """Yield the values of each product that are there, and its vector."""
        vectors = zip(self.has_vector_N, self.vector_NP, strict=True)
        for row, (has_vector, vector_P) in zip(
            self.products.iter_rows(named=True), vectors, strict=True
        ):
            values = {name: plain(name, value) for name, value in row.items() if value is not None}
            yield values, vector_P if has_vector else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """Products with vectors of one model."""

    model_key: str
    width: int
    schema: Mapping[str, pl.DataType]
    parts: Iterator[Part]


def plain(name: str, value: object) -> Any:  # noqa: ANN401
    """Return a value as JSON has it; attributes as an object."""
    if name in JSON_COLUMNS and isinstance(value, str):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value.isoformat() if hasattr(value, "isoformat") else value


@contextmanager
def index_catalogue(index: Path) -> Iterator[Catalogue]:
    """Give the products of an index's current generation; a service may have it open."""
    name = current_generation(index)
    folder = open_generations(index).path(name)
    manifest = read_manifest(GenerationManifest, folder, GENERATION)
    with (
        closing(open_products(index, read_only=True)) as products,
        closing(VectorStore(folder, read_only=True)) as store,
    ):
        ids = sorted(_ids(products))
        first = _tidied(products.records(ids[:1]).rows)

        def parts() -> Iterator[Part]:
            for start in range(0, len(ids), PART):
                found = products.records(ids[start : start + PART])
                names = found.rows["product_id"].to_list()
                stored = store.get(found.versions, names)
                vector_NP = stored.vectors.get(FUSED_VECTOR)
                if vector_NP is None:
                    vector_NP = np.zeros((len(names), manifest.width))
                yield Part(_tidied(found.rows), _unit(vector_NP[:, : manifest.width]))

        yield Catalogue(
            model_key=manifest.model_key, width=manifest.width, schema=first.schema, parts=parts()
        )


def _ids(products: ProductTable) -> Iterator[str]:
    """Yield the ids of the products that are there, without reading their values."""
    since = 0
    while changes := products.changes(since, CHANGES):
        yield from (change.product_id for change in changes if not change.deleted)
        since = changes[-1].seq


@contextmanager
def data_catalogue(
    model: "Retriever | ExportedModel", dataset: Dataset, cache: Path, reporter: Reporter
) -> Iterator[Catalogue]:
    """Give the products of a data folder with a model's vectors."""
    features = model.read_products(dataset.products, dataset.root, cache, reporter)
    table = _tidied(dataset.products)

    def parts() -> Iterator[Part]:
        for start in range(0, len(table), PART):
            rows = np.arange(start, min(start + PART, len(table)))
            found = model.encode_for_index(features, rows)
            yield Part(table[start : start + PART], _unit(found.fused))

    yield Catalogue(model_key=model.run_key, width=model.width, schema=table.schema, parts=parts())


def _unit(vector_NP: np.ndarray) -> np.ndarray:
    """Return float32 rows of length 1; a zero row stays zero."""
    x_NP = vector_NP.astype(np.float32)
    length_N1 = np.linalg.norm(x_NP, axis=1, keepdims=True)
    return np.ascontiguousarray(x_NP / np.where(length_N1 > 0, length_N1, 1))


def _tidied(products: pl.DataFrame) -> pl.DataFrame:
    """Leave out internal and empty-named columns, and rename one that has the vector's name."""
    table = products.select(name for name in products.columns if not name.startswith("_"))
    odd = [name for name, dtype in table.schema.items() if isinstance(dtype, pl.Struct)]
    table = table.with_columns(as_json(table[name]) for name in odd)
    return table.rename({EMBEDDING: f"{EMBEDDING}_column"}, strict=False)
