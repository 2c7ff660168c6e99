"""Sheets of a workbook -> records."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from windowshop.errors import DataError, first_line, needs_extra
from windowshop.imports.csv_rows import unique_names
from windowshop.imports.report import ImportReport
from windowshop.imports.tree_rows import Row

MAX_PREAMBLE = 50
"""Rows among which the header stands."""
Cells: TypeAlias = Sequence[str | None]


def sheet_names(path: Path) -> list[str]:
    """Return the names of a workbook's sheets."""
    return list(_book(path).sheet_names)


def sheet_rows(path: Path, name: str) -> Iterator[Row]:
    """Yield the records of one sheet."""
    yield from _records(_loaded(_book(path), name))


def largest_sheet(path: Path, report: ImportReport) -> Iterator[Row]:
    """Yield the records of the sheet with most cells, and of others with its header.

    Further sheets are reported.
    """
    book = _book(path)
    sheets = {name: _loaded(book, name) for name in book.sheet_names}
    cells = {
        name: sum(sheet.height - column.null_count() for column in sheet.iter_columns())
        for name, sheet in sheets.items() if sheet.height > 1
    }  # fmt: skip
    if not cells:
        raise DataError(f"{path}: no sheet has a header and rows. Export it again.")
    names = {name: _names(sheets[name].head(MAX_PREAMBLE).rows()) for name in cells}
    chosen = max(cells, key=lambda name: cells[name])
    same = [name for name in cells if names[name] == names[chosen]]
    for name in [name for name in cells if name not in same]:
        report.add("sheet-not-read", 1, name)
    rows = (row for name in same for _, row in _records(sheets[name]))
    yield from enumerate(rows, start=1)


def _book(path: Path) -> Any:  # noqa: ANN401
    with needs_extra("import"):
        import fastexcel
    try:
        return fastexcel.read_excel(str(path))
    except fastexcel.FastExcelError as error:
        reason = first_line(error)
        raise DataError(f"{path}: cannot be read as a workbook: {reason}. Save it again.") from None


def _loaded(book: Any, name: str) -> pl.DataFrame:  # noqa: ANN401
    sheet: pl.DataFrame = book.load_sheet(name, header_row=None, dtypes="string").to_polars()
    return sheet


def _records(sheet: pl.DataFrame) -> Iterator[Row]:
    return sheet_records(sheet.iter_rows(), sheet.head(MAX_PREAMBLE).rows())


def sheet_records(rows: Iterable[Cells], head: Sequence[Cells]) -> Iterator[Row]:
    """Yield the rows below the header, which stands in the head and may stand below a title."""
    names = _names(head)
    number, place = 0, _header_place(head)
    for row in islice(rows, place + 1, None):
        texts = ((name, str(cell).strip()) for name, cell in zip(names, row, strict=False) if cell)
        record: dict[str, object] = {name: text for name, text in texts if text}
        if record:
            number += 1
            yield number, record


def _header_place(head: Sequence[Cells]) -> int:
    """Return the first row that is about as wide as any."""
    width = 0.4 * max((sum(map(bool, row)) for row in head), default=0)
    return next((place for place, row in enumerate(head) if sum(map(bool, row)) >= width), 0)


def _names(head: Sequence[Cells]) -> tuple[str, ...]:
    names = [str(cell or "").strip() for cell in head[_header_place(head)]] if head else []
    return unique_names(names)
