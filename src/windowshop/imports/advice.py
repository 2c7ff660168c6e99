"""Findings about a data folder that `check` alone cannot make: what would make it right.

Files that were seen and not taken, exports that can be imported, columns under another name, images
that are still web addresses, columns that say nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from windowshop.data import (
    COLUMNS_FILE,
    PRODUCT_SCHEMA,
    Finding,
    Report,
    find_table,
    finding_of,
    read_rules,
)
from windowshop.errors import ConfigError, DataError, MissingExtraError
from windowshop.imports.column_map import map_of
from windowshop.imports.names import field_of
from windowshop.imports.recognise import TABLE, Recognised, data_files, recognise_source
from windowshop.imports.run import MAP_FILE, REPORT_FILE
from windowshop.imports.source import Source
from windowshop.registry import READERS

TABLES = ("products", "queries", "qrels")
OWN = frozenset(f"{name}{suffix}" for name in TABLES for suffix in READERS) | {
    COLUMNS_FILE, MAP_FILE, REPORT_FILE,
}  # fmt: skip
MAX_FILES = 10
MIN_CERTAINTY = 0.6
MIN_ROWS = 10
"""Products from which on a column of one value is named."""
COLUMN_OF = {"images": "image"}
ADVISED = ("product_id", "title", "description", "brand", "category", "price", "images", "group_id")


def advise(report: Report) -> Report:
    """Add the findings to the report of a data folder."""
    folder = report.root
    found = [*_file_findings(folder)]
    try:
        path = find_table(folder, "products")
        if path is not None and path.stat().st_size:
            found += _column_findings(path)
            found += _value_findings(folder, path)
    except (DataError, ConfigError, MissingExtraError, pl.exceptions.PolarsError, OSError):
        pass  # the check has named it
    return replace(report, findings=(*report.findings, *found))


def _file_findings(folder: Path) -> Iterator[Finding]:
    """Yield the exports in a folder, and other files that were not taken."""
    has_products = any((folder / f"products{suffix}").exists() for suffix in READERS)
    left = [path for path in data_files(folder) if path.name not in OWN]
    joined = _joined(folder) if left and not _has_ids(folder) else None
    if joined is not None:
        yield import_finding(joined, folder, "folder")
        return
    for path in left[: 0 if has_products else MAX_FILES]:
        try:
            yield import_finding(recognise_source(path), path, str(path.relative_to(folder)))
        except (DataError, MissingExtraError) as error:
            yield finding_of("not-imported", str(path.relative_to(folder)), str(error))
    if has_products and left:
        names = ", ".join(str(path.relative_to(folder)) for path in left[:MAX_FILES])
        more = f" and {len(left) - MAX_FILES} more" if len(left) > MAX_FILES else ""
        yield finding_of("file-not-taken", "folder", f"{names}{more}: seen, and not read.")


def _has_ids(folder: Path) -> bool:
    """Return whether a folder has products by their ids, as a data folder has."""
    try:
        path = find_table(folder, "products")
        return path is not None and "product_id" in Source(path).header
    except (DataError, ConfigError, MissingExtraError):
        return True  # the check has named it


def _joined(folder: Path) -> Recognised | None:
    """Return the tables of a folder as one, where they refer to each other."""
    try:
        found = recognise_source(folder)
    except (DataError, MissingExtraError):
        return None
    return found if found.sources and found.sources[0].joins else None


def import_finding(found: Recognised, path: Path, name: str = "") -> Finding:
    """Return the finding that a file can be imported, with its mapping where it is a table.

    `name` is what it is called in the report, "" for the file's own.
    """
    name = name or path.name
    text = f"{found.title}, {found.found.certainty:.0%} sure ({', '.join(found.found.reasons)})."
    if found.format == TABLE:
        source = found.sources[0]
        columns = map_of(source)[0].columns
        named = [f"{name!r} is {target}" for name, target in columns.items() if target != "keep"]
        text += f" Columns: {', '.join(named) or 'none is known'}."
    finding = finding_of("to-import", name, text)
    return replace(finding, remedy=f"Run windowshop import {path} --out SHOP.")


def _column_findings(path: Path) -> Iterator[Finding]:
    """Yield the mapping of columns that look like a field that the table lacks."""
    source = Source(path)
    mapping = map_of(source)[0].columns
    names = {name.lower() for name in source.header}
    found = []
    for name, target in mapping.items():
        own = COLUMN_OF.get(target, target)
        is_known = name.lower() in PRODUCT_SCHEMA or name.lower() in ("image_url", "image_urls")
        if target not in ADVISED or own in names or is_known:
            continue
        told = field_of(name)
        if told is not None and told[1] >= MIN_CERTAINTY and not (
            target == "images" and "image_url" in names
        ):  # fmt: skip
            found.append(f"{name!r} looks like {own}")
    if found:
        finding = finding_of("another-name", path.name, f"{', '.join(found)}.")
        remedy = f"Rename them, or run windowshop import {path} --out SHOP, which reads them."
        yield replace(finding, remedy=remedy)


def _value_findings(folder: Path, path: Path) -> Iterator[Finding]:
    """Yield images that are web addresses, and columns that say nothing."""
    frame = _frame(path)
    hidden = set(read_rules(folder).named("hidden"))
    if "image_url" in frame.columns:
        names = [name for name in ("image", "images") if name in frame.columns]
        is_local = pl.any_horizontal(pl.lit(False), *(pl.col(name).is_not_null() for name in names))
        waiting = frame.select(pl.col("image_url").is_not_null() & ~is_local).to_series()
        if waiting.any():
            text = f"{waiting.sum():,} of {len(frame):,} rows: the image is a web address alone."
            finding = finding_of("image-not-fetched", path.name, text, waiting)
            yield replace(finding, remedy=f"Run windowshop fetch-images {folder}.")
    useless: dict[str, list[str]] = {"is empty": [], "has one value in all rows": []}
    for name in frame.columns:
        if name in hidden or name in ("currency", "product_id", "group_id"):
            continue
        column = frame[name]
        if column.null_count() == len(column):
            useless["is empty"].append(name)
        elif name not in PRODUCT_SCHEMA and len(column) >= MIN_ROWS and _is_constant(column):
            useless["has one value in all rows"].append(name)
    yield from _useless(path.name, useless)


def _useless(file: str, columns: Mapping[str, list[str]]) -> Iterator[Finding]:
    for what, names in columns.items():
        if names:
            shown = ", ".join(map(repr, names[:MAX_FILES]))
            yield finding_of("useless-column", file, f"{shown} {what}.")


def _is_constant(column: pl.Series) -> bool:
    return column.null_count() == 0 and bool(column.n_unique() == 1)


def _frame(path: Path) -> pl.DataFrame:
    """Read the products as the file has them."""
    frame: pl.DataFrame = READERS[path.suffix](path)
    texts = [pl.col(n) for n, dtype in frame.schema.items() if dtype == pl.String]
    return frame.with_columns([pl.when(text.str.strip_chars() != "").then(text) for text in texts])
