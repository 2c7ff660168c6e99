"""An export folder of products and vectors: written whole or not at all, with a manifest."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from windowshop.errors import ExportError
from windowshop.files import PRODUCTS, Files, describe_files, new_folder, write_manifest
from windowshop.index.exports.catalogue import Catalogue, Part
from windowshop.progress import SILENT, Reporter
from windowshop.registry import BULK_FORMATS


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductsManifest:
    """Manifest of an export of products."""

    kind: str
    """Name of the bulk format."""
    model_key: str
    """Run key of the model that made the vectors."""
    width: int
    num_products: int
    num_without_vector: int
    """Products with neither text nor a usable image; those of Qdrant and Milvus leave them out."""
    loading: str
    """How to load the files."""
    files: Files
    format: str = PRODUCTS.format


def export_products(
    source: AbstractContextManager[Catalogue], kind: str, out: Path, reporter: Reporter = SILENT
) -> ProductsManifest:
    """Write a catalogue in a bulk format; a folder that is something else is not replaced."""
    if out.exists() and not (out / PRODUCTS.file).is_file():
        raise ExportError(f"{out}: is there and no export of products. Choose another --out.")
    num_products = num_without = 0
    with source as catalogue, new_folder(out) as folder:

        def counted(part: Part) -> Part:
            nonlocal num_products, num_without
            num_products += len(part.products)
            num_without += int((~part.has_vector_N).sum())
            return part

        parts = (counted(part) for part in catalogue.parts)
        loading = BULK_FORMATS[kind](folder, replace(catalogue, parts=parts))
        manifest = ProductsManifest(
            kind=kind,
            model_key=catalogue.model_key,
            width=catalogue.width,
            num_products=num_products,
            num_without_vector=num_without,
            loading=loading,
            files=describe_files(folder),
        )
        write_manifest(folder, manifest, PRODUCTS)
    reporter.note(loading)
    return manifest
