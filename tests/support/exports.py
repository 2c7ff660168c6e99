"""Exports of other systems: files that tests write, and real ones where they are at hand."""

import csv
import io
import json
import os
from pathlib import Path

import polars as pl
import pytest

from windowshop.imports import ImportOptions, import_shop

ROOT = Path(__file__).parents[2]
WEB = "https://x.example/"
REAL = Path(os.environ.get("WINDOWSHOP_DATA") or ROOT.parent / "shared" / "data") / "exports"


def real_export(name):
    """A real export; a test that needs one is skipped where it is absent."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{path} is not at hand; name the folder of real data in WINDOWSHOP_DATA")
    return path


def csv_text(header, *rows, separator=","):
    """A csv of rows by their fields; a missing one is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, header, delimiter=separator, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


class Imported:
    """Outcome of an import, to look at."""

    def __init__(self, folder, report):
        self.folder, self.report = folder, report
        path = folder / "products.parquet"
        self.products = pl.read_parquet(path) if path.exists() else pl.DataFrame()
        self.notes = {kind: note.count for kind, note in report.notes.items()}

    def row(self, product_id):
        """The product of an id, without its empty fields."""
        (found,) = self.products.filter(product_id=product_id).iter_rows(named=True)
        return {name: value for name, value in found.items() if value is not None}

    def column(self, name):
        """One column by product id."""
        return dict(self.products.select("product_id", name).iter_rows())


def import_text(folder, name, text, *, encoding="utf-8", **options):
    """Import a file of this text or these bytes."""
    content = text if isinstance(text, bytes) else text.encode(encoding)
    (folder / name).write_bytes(content)
    return import_path(folder / name, folder / "shop", **options)


def import_path(source, out, **options):
    return Imported(out, import_shop(source, out, ImportOptions(**options)))


def facts(shop, name):
    """Attributes of a product."""
    return json.loads(shop.row(name).get("attributes", "{}"))


def images(shop, name):
    """Addresses of a product's images, in order."""
    row = shop.row(name)
    return [row["image_url"], *(row.get("image_urls") or [])]
