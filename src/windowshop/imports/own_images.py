"""Images beside a source -> the data folder, as links to the same file where that is possible."""

import os
import shutil
from pathlib import Path

import polars as pl

from windowshop.data import BrokenImage, locate
from windowshop.files import link_file
from windowshop.imports.report import ImportReport


def link_images(images: Path, folder: Path) -> None:
    """Bring the images that stood in the source itself."""
    for path in images.rglob("*"):
        if path.is_file():
            link_file(path, folder / images.name / path.relative_to(images))


def take_images(folder: Path, root: Path, report: ImportReport) -> None:
    """Bring the images that products name from beside the source, under the same paths.

    One that is missing, or leads out of the source's folder, is reported; the product stays.
    """
    table = pl.scan_parquet(folder / "products.parquet")
    names = table.collect_schema().names()
    if "image" not in names:
        return
    columns = ["image", *(["images"] if "images" in names else [])]
    row = 0
    for frame in table.select(columns).collect_batches(chunk_size=10_000):
        for record in frame.iter_rows(named=True):
            row += 1
            for image in (record["image"], *(record.get("images") or ())):
                if image:
                    _take(folder, root, image, row, report)


def _take(folder: Path, root: Path, image: str, row: int, report: ImportReport) -> None:
    if not isinstance(locate(folder, image), BrokenImage) and (folder / image).exists():
        return
    found = locate(root, image)
    if isinstance(found, BrokenImage):
        report.add("image-outside", row, image)
        return
    if not found.is_file():
        report.add("missing-image", row, image)
        return
    place = folder / found.relative_to(root)
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(found.resolve(), place)
    except OSError:
        shutil.copy2(found, place)
    report.count("images")
