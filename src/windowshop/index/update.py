"""A shop's new catalogue against its index: what changed is written, what is gone is deleted.

Rows are compared as the database has them. A product whose row is the same is written again where
an image file of it was changed since the last update, or since the build.
"""

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from windowshop.data import Dataset, parse_images
from windowshop.errors import ConfigError, DataError
from windowshop.files import read_sealed, write_sealed
from windowshop.index.open import OpenIndex
from windowshop.index.product_table import ProductTable, open_products
from windowshop.index.rows import plain, to_texts
from windowshop.progress import SILENT, Reporter

UPDATE_FILE = "update.json"
"""When the images were last looked at."""
COMPARED_ROWS, WRITTEN_ROWS = 20_000, 250
SLACK_SECONDS = 2.0
"""Steps of a file system's clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """Difference between a data folder and an index."""

    rows: pl.DataFrame
    """Products that are new, or whose row or image files changed."""
    gone: tuple[str, ...]
    """Ids of products that the data has no more."""
    num_new: int
    num_images: int
    """Products of `rows` that have changed image files alone."""
    num_same: int
    began: float
    """Seconds since 1970 when the comparison began."""

    @property
    def num_changed(self) -> int:
        """Number of products that the index has otherwise."""
        return len(self.rows) - self.num_new


def find_changes(index: OpenIndex, dataset: Dataset, reporter: Reporter = SILENT) -> Changes:
    """Compare every product of a data folder with the index's.

    Raises ConfigError where the index has its images elsewhere.
    """
    root = Path(index.manifest.data_root)
    if root.resolve() != dataset.root.resolve():
        raise ConfigError(
            f"{index.folder}: its images lie in {root}, not in {dataset.root}. Update it from "
            "there, or build it again from here."
        )
    began, since = time.time(), last_look(index)
    parts, num_new, num_images = [], 0, 0
    products = dataset.products
    with (
        closing(open_products(index.folder, read_only=True)) as table,
        reporter.bar("Compare products", len(products)) as advance,
    ):
        for start in range(0, len(products), COMPARED_ROWS):
            rows = products[start : start + COMPARED_ROWS]
            is_new, differs = _compared(table, rows)
            looks_new = [
                not new and not other and _is_newer(root, image, images, since)
                for new, other, image, images in zip(
                    is_new, differs, rows["image"], rows["images"], strict=True
                )
            ]
            written = [any(told) for told in zip(is_new, differs, looks_new, strict=True)]
            parts.append(rows.filter(written))
            num_new, num_images = num_new + sum(is_new), num_images + sum(looks_new)
            advance(len(rows), "")
    found = pl.concat(parts) if parts else products
    kept = set(products["product_id"])
    return Changes(
        rows=found,
        gone=tuple(name for name in index.collection.ids() if name not in kept),
        num_new=num_new,
        num_images=num_images,
        num_same=len(products) - len(found),
        began=began,
    )


def require_few_removed(changes: Changes, max_removed: float) -> None:
    """Raise DataError where a larger share of the index's products would be deleted."""
    held = changes.num_same + changes.num_changed + len(changes.gone)
    share = len(changes.gone) / max(held, 1)
    if share > max_removed:
        raise DataError(
            f"{len(changes.gone)} of {held} products are not in the data any more, {share:.0%}: "
            f"more than {max_removed:.0%} are not deleted at once, since a feed may be cut off. "
            "Look at the data, or allow it with --max-removed 1. Nothing was changed."
        )


def update_index(index: OpenIndex, changes: Changes, reporter: Reporter = SILENT) -> dict[str, str]:
    """Write the changes to an open index; returns problems of images by product.

    Searches find each batch at once. A kill leaves batches written whole, and another update does
    the rest.
    """
    problems: dict[str, str] = {}

    def write(rows: pl.DataFrame) -> None:
        problems.update(index.upsert(rows).problems)

    apply_changes(changes, write, index.delete, reporter)
    note_look(index, changes)
    return problems


def apply_changes(
    changes: Changes,
    write: Callable[[pl.DataFrame], None],
    delete: Callable[[list[str]], object],
    reporter: Reporter = SILENT,
) -> None:
    """Write and delete in batches."""
    total = len(changes.rows) + len(changes.gone)
    with reporter.bar("Write changes", total) as advance:
        for rows in changes.rows.iter_slices(WRITTEN_ROWS):
            write(rows)
            advance(len(rows), "")
        for start in range(0, len(changes.gone), WRITTEN_ROWS):
            names = [*changes.gone[start : start + WRITTEN_ROWS]]
            delete(names)
            advance(len(names), "")


def last_look(index: OpenIndex) -> float:
    """Return when the images of an index were last looked at, in seconds since 1970."""
    try:
        looked = float(read_sealed(index.folder / UPDATE_FILE)["began"])
    except (OSError, ValueError, TypeError, KeyError):
        looked = 0.0  # then those since the build are looked at again
    return max(looked, index.manifest.began)


def note_look(index: OpenIndex, changes: Changes) -> None:
    """Write down when the images were looked at."""
    write_sealed(index.folder / UPDATE_FILE, {"began": changes.began})


def _compared(table: ProductTable, rows: pl.DataFrame) -> tuple[list[bool], list[bool]]:
    """Return which rows the index has not, and which it has otherwise."""
    ids = rows["product_id"].to_list()
    held = table.held(ids)
    texts = to_texts(table.fit(plain(rows)))
    known = [held[name][1] if name in held else None for name in ids]
    return (
        [text is None for text in known],
        [text is not None and text != new for text, new in zip(known, texts, strict=True)],
    )


def _is_newer(root: Path, image: str | None, images: str | None, since: float) -> bool:
    """Return whether an image file was written, or put in its place, since then."""
    for name in (image, *parse_images(images)):
        if not name:
            continue
        try:
            found = (root / name).stat()
        except (OSError, ValueError):
            continue  # a missing one is told by `check`
        if _changed_at(found) > since - SLACK_SECONDS:
            return True
    return False


def _changed_at(found: os.stat_result) -> float:
    """Return when a file got its content, or its place."""
    return max(found.st_mtime, found.st_ctime)
