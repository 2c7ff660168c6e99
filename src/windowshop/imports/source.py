"""A file of another system, as a stream of records, whatever it is written in."""

import codecs
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from windowshop.errors import DataError, first_line
from windowshop.imports.csv_rows import HEAD_CHARS, CsvShape, csv_rows, csv_shape
from windowshop.imports.encodings import (
    PACKED_SUFFIXES,
    detect_encoding,
    open_bytes,
    open_text,
    packed_by,
)
from windowshop.imports.impex_rows import is_script
from windowshop.imports.markup_sheets import SPREADSHEET, html_sheet, xml_sheet
from windowshop.imports.nested import (
    flattened,
    has_titles,
    is_of_products,
    items_of,
    page_place,
    sort_key,
)
from windowshop.imports.remark_rows import without_remarks
from windowshop.imports.report import ImportReport
from windowshop.imports.sheets import MAX_PREAMBLE, largest_sheet, sheet_records
from windowshop.imports.tree_rows import Row, json_items, json_lines, json_place, xml_items

Kind = Literal[
    "csv",
    "jsonl",
    "json",
    "xml",
    "html",
    "xlsx",
    "xml-sheet",
    "parquet",
    "arrow",
    "impex",
    "database",
    "tables",
]
NUM_SAMPLE = 500
NUM_PAGES = 20
CHUNK_ROWS = 5000
MAX_LINE = 1 << 25
_SHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
_BINARY: dict[bytes, Kind] = {
    b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow",
    b"SQLite format 3": "database",
}  # fmt: skip
_OTHERS = {
    b"PK": "a zip archive", b"\xff\xd8": "a JPEG image", b"\x89PNG": "a PNG image",
    b"%PDF": "a PDF document", b"GIF8": "a GIF image", b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
}  # fmt: skip


_CUT = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
"""Errors of a compressed file that is cut or damaged."""
_NO_TEXT = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
MIN_NULS = 0.02
"""Share of NULs in UTF-16, whose spaces and digits have one each."""
MAX_NO_TEXT = 0.02
"""Share of control characters, above which a file is no text."""


def _is_text(head: bytes) -> bool:
    """Return whether a file named as a workbook is text, as tools of the web write some."""
    return bool(head) and (_is_utf16(head) or not re.search(rb"[\0-\x08\x0e-\x1a]", head))


def _is_utf16(head: bytes) -> bool:
    """Return whether every second byte is that of a letter's upper half."""
    upper, lower = sorted((head[::2].count(0), head[1::2].count(0)), reverse=True)
    has_mark = head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return has_mark or (lower == 0 and upper > MIN_NULS * len(head))


def bare_suffix(path: Path) -> str:
    """Return the ending of a name in lower case, without that of a compression."""
    name = path.name.lower()
    for packed in PACKED_SUFFIXES:
        name = name.removesuffix(packed)
    return Path(name).suffix


class Source:
    """One file to read records from."""

    hints: Mapping[str, str] = {}
    """Fields of columns that are known by more than their names and values."""
    joins: Mapping[str, str] | None = None
    """Columns that name rows of other tables, and their keys there; None of one table."""
    join_texts: tuple[str, ...] = ()
    """Joins as a report has them, with how sure they are."""

    def __init__(self, path: Path, *, separator: str = "", encoding: str = "") -> None:
        self.path = path
        self._separator, self._encoding = separator, encoding
        if not path.is_file():
            found = "a folder" if path.is_dir() else "nothing"
            raise DataError(f"{path}: found {found}, need a file.")
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty. Export it again.")

    @property
    def suffix(self) -> str:
        """Ending of the name, without that of a compression."""
        return bare_suffix(self.path)

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """Files that are read."""
        return (self.path,)

    @property
    def table_name(self) -> str:
        """Name of the table that the file holds."""
        name = self.path.name
        for packed in PACKED_SUFFIXES:
            name = name.removesuffix(packed)
        return Path(name).stem

    @cached_property
    def kind(self) -> Kind:
        """Kind of file, by its bytes, and by its name where they do not tell."""
        try:
            with open_bytes(self.path) as file:
                head = file.read(1 << 16)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise _damaged(self.path, error) from None
        if (packed := self._binary(head)) is not None:
            return packed
        text = head.decode("utf-8", errors="replace").replace("\0", "").lstrip("\ufeff \t\r\n")
        if text[:1] == "<":
            if SPREADSHEET in text:
                is_page = re.match(r"<html", text, re.IGNORECASE)
                return "html" if is_page else "xml-sheet"
            is_page = re.match(r"<(?:!doctype html|html|table|meta)", text, re.IGNORECASE)
            return "html" if is_page or "application/ld+json" in text.lower() else "xml"
        if text[:1] == "{":
            return "jsonl" if self._has_lines() else "json"
        if text[:1] == "[":
            return "json"
        return "impex" if is_script(text) else "csv"

    def _binary(self, head: bytes) -> Kind | None:
        """Return the kind of a file that is no text; raises DataError where it is no export."""
        for start, kind in _BINARY.items():
            if head.startswith(start):
                return kind
        if self.suffix in _SHEETS and not _is_text(head):
            return "xlsx"
        for start, what in _OTHERS.items():
            if head.startswith(start):
                raise DataError(f"{self.path}: is {what}, not an export. Unpack or export it.")
        if not _is_utf16(head) and len(_NO_TEXT.findall(head)) > MAX_NO_TEXT * len(head):
            raise DataError(f"{self.path}: holds bytes that are no text. Export it as csv or JSON.")
        return None

    def _has_lines(self) -> bool:
        """Return whether the first two lines are an object each."""
        with open_bytes(self.path) as file:
            lines = [line for _ in range(4) if (line := file.readline(MAX_LINE).strip())]
        return len(lines) > 1 and all(map(_is_object, lines[:2]))

    @cached_property
    def encoding(self) -> str:
        """Encoding of the text."""
        return self._encoding or detect_encoding(self.path)

    @cached_property
    def shape(self) -> CsvShape:
        """Shape of a table in text."""
        with open_text(self.path, self.encoding) as file:
            return csv_shape(self.path, file.read(HEAD_CHARS), self._separator)

    @cached_property
    def place(self) -> str:
        """Where a JSON document has its records; "" where it is one itself."""
        return json_place(self.path)

    @cached_property
    def is_flat(self) -> bool:
        """Whether titles stand at the top of records; else what is nested in them is flattened."""
        if self.kind not in ("json", "jsonl", "xml", "parquet", "arrow"):
            return True
        return has_titles(self._first_records)

    @cached_property
    def page(self) -> str:
        """Where each record of JSON is a page that holds a list of products; "" where it is one."""
        if self.kind not in ("json", "jsonl"):
            return ""
        return page_place(self._first[:NUM_PAGES])

    @cached_property
    def _first(self) -> list[dict[str, Any]]:
        """First rows as they stand, which may be pages, or of several kinds."""
        rows = islice(self._rows(ImportReport(source="")), NUM_SAMPLE)
        return [row for _, row in rows]

    @cached_property
    def _first_records(self) -> list[dict[str, Any]]:
        """First records, with what is nested in them."""
        rows = islice(self._records(ImportReport(source="")), NUM_SAMPLE)
        return [row for _, row in rows]

    @cached_property
    def sample(self) -> list[dict[str, Any]]:
        """First records."""
        try:
            found = self._first_records
            return found if self.is_flat else [flattened(row) for row in found]
        except _CUT as error:
            raise _damaged(self.path, error) from None

    @cached_property
    def header(self) -> tuple[str, ...]:
        """Names of the fields, as they come."""
        if self.kind == "csv":
            return self.shape.header
        return tuple(dict.fromkeys(name for record in self.sample for name in record))

    @cached_property
    def num_rows(self) -> int:
        """Number of rows, about: by the size and the first rows."""
        if self.kind == "parquet":
            import polars as pl

            return int(pl.scan_parquet(self.path).select(pl.len()).collect().item())
        rows = len(self.sample)
        if rows < NUM_SAMPLE or self.kind not in ("csv", "jsonl"):
            return rows
        with open_bytes(self.path) as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))

    @property
    def read_as(self) -> dict[str, str]:
        """How the file is read, for a report."""
        packed = packed_by(self.path)
        found = {"kind": self.kind + (f" in {packed}" if packed else "")}
        if self.kind == "csv":
            found |= {"encoding": self.encoding, "separator": repr(self.shape.signs.separator)}
        elif self.kind == "json":
            found["records at"] = self.place or "the top"
        return found

    def rows(self, report: ImportReport) -> Iterator[Row]:
        """Yield each record with its number; the first is 1. What cannot be read is reported."""
        try:
            if self.is_flat:
                yield from self._records(report)
            else:
                yield from ((number, flattened(row)) for number, row in self._records(report))
        except _CUT as error:
            raise _damaged(self.path, error) from None

    @cached_property
    def sort(self) -> str:
        """Key by which records of JSON tell products from others (`_type`); "" where none does."""
        if self.kind not in ("json", "jsonl"):
            return ""
        return sort_key(self._first)

    def _records(self, report: ImportReport) -> Iterator[Row]:
        if self.sort:
            for number, row in self._rows(report):
                if is_of_products(row.get(self.sort)):
                    yield number, row
                else:
                    report.add("other-kind", number, row.get(self.sort))
            return
        if not self.page:
            yield from self._rows(report)
            return
        pages = (items_of(page, self.page) for _, page in self._rows(report))
        yield from enumerate((item for items in pages for item in items), start=1)

    def _rows(self, report: ImportReport) -> Iterator[Row]:
        match self.kind:
            case "csv":
                yield from without_remarks(self._csv_rows(report), report)
            case "jsonl":
                yield from json_lines(self.path, self.encoding, report)
            case "json":
                yield from json_items(self.path, self.place)
            case "xml":
                yield from xml_items(self.path)
            case "xlsx" | "html" | "xml-sheet":
                yield from without_remarks(self._sheet_rows(report), report)
            case "parquet":
                yield from _parquet_rows(self.path)
            case "arrow":
                yield from _arrow_rows(self.path)
            case "impex" | "database" | "tables":
                return

    def _sheet_rows(self, report: ImportReport) -> Iterator[Row]:
        if self.kind == "xlsx":
            return largest_sheet(self.path, report)
        is_page = self.kind == "html"
        cells = html_sheet(self.text()) if is_page else xml_sheet(self.path)
        return sheet_records(cells, cells[:MAX_PREAMBLE])

    def _csv_rows(self, report: ImportReport) -> Iterator[Row]:
        mixed: list[str] = []
        with open_text(self.path, self.encoding, mixed.append) as file:
            for number, record in csv_rows(file, self.path, self.shape, report):
                if mixed:
                    report.add("mixed-encoding", number, " ".join(mixed))
                    mixed.clear()
                yield number, record

    def text(self, limit: int = 1 << 26) -> str:
        """Return the text of a page."""
        with open_text(self.path, self.encoding) as file:
            return file.read(limit)


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: the file is cut or damaged ({error}). Fetch or export it again.")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.removeprefix(codecs.BOM_UTF8).rstrip(b",")), dict)
    except (ValueError, RecursionError):
        return False


def _parquet_rows(path: Path) -> Iterator[Row]:
    import polars as pl

    number = 0
    try:
        for frame in pl.scan_parquet(path).collect_batches(chunk_size=CHUNK_ROWS):
            for record in frame.iter_rows(named=True):
                number += 1
                yield number, {n: v for n, v in record.items() if v is not None and v != ""}
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = first_line(error)
        raise DataError(f"{path}: cannot be read as parquet: {reason}. Export it again.") from None


def _arrow_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of an Arrow file, or of a stream as datasets are saved."""
    import polars as pl

    with path.open("rb") as file:
        is_file = file.read(6) == b"ARROW1"
    try:
        frame = pl.read_ipc(path) if is_file else pl.read_ipc_stream(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = first_line(error)
        raise DataError(f"{path}: cannot be read as Arrow: {reason}. Save it again.") from None
    for number, record in enumerate(frame.iter_rows(named=True), start=1):
        yield number, {n: v for n, v in record.items() if v is not None and v != ""}
