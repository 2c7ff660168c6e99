"""Format of a file or a folder of another system, and how sure it is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from windowshop.errors import DataError, MissingExtraError
from windowshop.imports.column_map import JOINED, map_of
from windowshop.imports.formats.format import FolderFormat, Format, Found
from windowshop.imports.related.database import database_tables
from windowshop.imports.related.find import related_source
from windowshop.imports.related.source import RelatedSource
from windowshop.imports.related.workbook import workbook_tables
from windowshop.imports.source import Source, bare_suffix
from windowshop.registry import FOLDER_FORMATS, FORMATS

DATA_SUFFIXES = frozenset(
    [
        ".csv",
        ".tsv",
        ".txt",
        ".tab",
        ".psv",
        ".json",
        ".jsonl",
        ".ndjson",
        ".xml",
        ".rss",
        ".atom",
        ".html",
        ".htm",
        ".xlsx",
        ".xlsm",
        ".xls",
        ".xlsb",
        ".ods",
        ".parquet",
        ".arrow",
        ".qrels",
        ".impex",
        ".db",
        ".sqlite",
        ".sqlite3",
    ]
)
TABLE, JUDGED = "table", "judged"
PRODUCT_FIELDS = frozenset(("product_id", "title", "description", "brand", "category", "price",
                            "images", "gtin", "availability", "group_id"))  # fmt: skip
"""Fields by which a table of products is told from others of a folder."""
MIN_OWN = 0.9
"""Certainty from which on a file is one of a system's own, not a table of a database."""
Asked: TypeAlias = tuple[str, Mapping[str, str] | None]
"""Table of products and joins that a mapping names."""
AMBIGUOUS = 0.15
"""Difference of certainty below which two formats are both named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recognised:
    """A source with its format."""

    path: Path
    format: str
    """Name in the registry."""
    title: str
    found: Found
    sources: tuple[Source, ...] = ()
    """Files to read one after another; none where the format reads the folder."""
    others: tuple[str, ...] = ()
    """Other formats that it might be."""
    passed_over: tuple[Path, ...] = ()
    """Files of the folder that are not read."""


def recognise_source(
    path: Path,
    *,
    format: str = "",
    separator: str = "",
    encoding: str = "",
    table: str = "",
    joins: Mapping[str, str] | None = None,
) -> Recognised:
    """Find the format of a file, or of the files of a folder; `format` names it.

    `table` and `joins` are those of a mapping of several tables. Raises DataError where it is
    none, ConfigError for an unknown name.
    """
    asked = (table, joins)
    if format and format not in (*FORMATS, *FOLDER_FORMATS):
        FORMATS.require(format)
    if path.is_dir():
        return _folder(path, format, separator, encoding, asked)
    if not path.exists():
        raise DataError(f"{path}: found nothing, need a file or a folder of exports.")
    return _file(Source(path, separator=separator, encoding=encoding), format, asked)


def _file(source: Source, format: str, asked: Asked = ("", None)) -> Recognised:
    if source.kind == "database":
        return _database(source, asked)
    if format == TABLE and (joined := _sheets(source, asked)) is not None:
        return joined
    if format:
        chosen: Format = FORMATS[format]
        return Recognised(path=source.path, format=format, title=chosen.title, sources=(source,),
                          found=Found(1.0, ("as told",)))  # fmt: skip
    hits = sorted(_hits(source), key=lambda hit: -hit[2].certainty)
    if not hits:
        raise DataError(
            f"{source.path}: holds no records that can be read ({source.kind}). Name its format "
            f"with --format: {', '.join(FORMATS)}."
        )
    name, title, found = hits[0]
    if name == TABLE and (joined := _sheets(source, asked)) is not None:
        return joined
    near = [t for _, t, other in hits[1:] if found.certainty - other.certainty < AMBIGUOUS]
    return Recognised(
        path=source.path,
        format=name,
        title=title,
        found=found,
        sources=(source,),
        others=tuple(near),
    )


def _database(source: Source, asked: Asked) -> Recognised:
    """Recognise the tables of a database as one, else that of products."""
    tables = database_tables(source.path)
    hits = [_as_table(table) for table in tables]
    if not hits:
        raise DataError(f"{source.path}: the database has no table with rows. Copy it again.")
    joined = related_source(source.path, tables, table=asked[0], joins=asked[1])
    return _joined(joined, ()) if joined is not None else max(hits, key=_products_weight)


def _sheets(source: Source, asked: Asked) -> Recognised | None:
    """Recognise the sheets of a workbook as one table; None where they are not joined."""
    if source.kind != "xlsx":
        return None
    sheets = workbook_tables(source.path)
    joined = related_source(source.path, sheets, table=asked[0], joins=asked[1])
    return _joined(joined, ()) if joined is not None else None


def _as_table(source: Source) -> Recognised:
    found = FORMATS[TABLE].recognise(source) or Found(0.0, ())
    return Recognised(path=source.path, format=TABLE, title=FORMATS[TABLE].title, found=found,
                      sources=(source,))  # fmt: skip


def _joined(source: RelatedSource, files: Iterable[Path]) -> Recognised:
    """Return joined tables with how sure the least sure join is."""
    joins = source.plan.joins
    reasons = tuple(f"{' = '.join(join.place)}" for join in joins[:4])
    certainty = min(JOINED, *(join.certainty for join in joins), 1.0)
    return Recognised(
        path=source.path, format=TABLE, title="tables joined by their keys",
        found=Found(certainty, reasons), sources=(source,),
        passed_over=tuple(path for path in files if path not in source.paths),
    )  # fmt: skip


def _hits(source: Source) -> list[tuple[str, str, Found]]:
    found = []
    for name in FORMATS:
        each: Format = FORMATS[name]
        hit = each.recognise(source)
        if hit is not None:
            found.append((name, each.title, hit))
    return found


def data_files(folder: Path) -> list[Path]:
    """Return the files of a folder that may hold records, by their names."""
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and bare_suffix(path) in DATA_SUFFIXES:
            found.append(path)
    return found


def _folder(folder: Path, format: str, separator: str, encoding: str, asked: Asked) -> Recognised:
    files = data_files(folder)
    if not files:
        raise DataError(
            f"{folder}: holds no file to import. Put an export there: csv, tsv, xlsx, json, jsonl, "
            "xml or parquet."
        )
    if not format or format in FOLDER_FORMATS:
        for name in FOLDER_FORMATS if not format else (format,):
            each: FolderFormat = FOLDER_FORMATS[name]
            found = each.recognise(folder)
            if found is None and format:
                raise DataError(f"{folder}: lacks the files of {each.title}.")
            if found is not None:
                read = set(each.files(folder))
                left = tuple(path for path in files if read and path not in read)
                return Recognised(
                    path=folder, format=name, title=each.title, found=found, passed_over=left
                )
    return _same_files(folder, files, format, (separator, encoding), asked)


def _products_weight(hit: Recognised) -> tuple[int, bool]:
    """Return how much a table looks like one of products, not of brands or of categories."""
    source = hit.sources[0]
    columns = map_of(source)[0].columns
    fields = {target for target in columns.values() if target in PRODUCT_FIELDS}
    return len(fields), "product" in source.path.stem.lower()


def _same_files(
    folder: Path, files: Sequence[Path], format: str, read: tuple[str, str], asked: Asked
) -> Recognised:
    """Take tables that belong together, else the files of the surest format, in their order."""
    separator, encoding = read
    hits: list[Recognised] = []
    failed: list[DataError | MissingExtraError] = []
    for path in files:
        try:
            hits.append(_file(Source(path, separator=separator, encoding=encoding), format))
        except (DataError, MissingExtraError) as error:
            failed.append(error)
    if not hits:
        raise failed[0]
    tables = [hit.sources[0] for hit in hits if _is_plain(hit)]
    if format in ("", TABLE) and not any(map(_has_judged_products, hits)):
        joined = related_source(folder, tables, table=asked[0], joins=asked[1])
        if joined is not None:
            return _joined(joined, files)
    surest = max(hits, key=lambda hit: hit.found.certainty)
    if surest.format == TABLE:
        surest = max((hit for hit in hits if hit.format == TABLE), key=_products_weight)
    same = [hit for hit in hits if hit.format == surest.format]
    if surest.format == TABLE:
        header = set(surest.sources[0].header)
        same = [hit for hit in same if set(hit.sources[0].header) == header]
    taken = {hit.path for hit in same}
    return Recognised(
        path=folder, format=surest.format, title=surest.title, found=surest.found,
        sources=tuple(hit.sources[0] for hit in same), others=surest.others,
        passed_over=tuple(path for path in files if path not in taken),
    )  # fmt: skip


def _has_judged_products(hit: Recognised) -> bool:
    """Return whether a file has judged queries and what the products are called."""
    return hit.format == JUDGED and map_of(hit.sources[0])[0].first("title") is not None


def _is_plain(hit: Recognised) -> bool:
    """Return whether a file may be a table of a database: flat rows of no system's own."""
    source = hit.sources[0]
    is_flat = source.kind in ("csv", "xlsx", "parquet", "arrow", "json", "jsonl")
    return is_flat and (hit.format == TABLE or hit.found.certainty < MIN_OWN)
