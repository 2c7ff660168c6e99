"""Sheets of a workbook -> records."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.errors import DataError, first_line, needs_extra
from windowshop.imports.csv_rows import unique_names
from windowshop.imports.report import ImportReport
from windowshop.imports.tree_rows import Row


def sheet_names(path: Path) -> list[str]:
    """Return the names of a workbook's sheets."""
    return list(_book(path).sheet_names)


def sheet_rows(path: Path, name: str) -> list[Row]:
    """Return the records of one sheet."""
    return [*_records(_loaded(_book(path), name))]


def largest_sheet(path: Path, report: ImportReport) -> Iterator[Row]:
    """Yield the records of the sheet with most cells; the others are reported."""
    book = _book(path)
    sheets = {name: _loaded(book, name) for name in book.sheet_names}
    cells = {
        name: sum(sheet.height - column.null_count() for column in sheet.iter_columns())
        for name, sheet in sheets.items() if sheet.height > 1
    }  # fmt: skip
    if not cells:
        raise DataError(f"{path}: no sheet has a header and rows. Export it again.")
    chosen = max(cells, key=lambda name: cells[name])
    for name in cells:
        if name != chosen:
            report.add("sheet-not-read", 1, name)
    yield from _records(sheets[chosen])


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
    """Yield the rows below the header, which may stand below a title."""
    rows = sheet.iter_rows()
    filled = [sum(cell is not None for cell in row) for row in sheet.head(50).iter_rows()]
    width = 0.4 * max(filled, default=0)
    header = next((row for row in rows if sum(bool(cell) for cell in row) >= width), ())
    names = unique_names([str(cell or "").strip() for cell in header])
    number = 0
    for row in rows:
        texts = ((name, str(cell).strip()) for name, cell in zip(names, row, strict=True) if cell)
        record: dict[str, object] = {name: text for name, text in texts if text}
        if record:
            number += 1
            yield number, record
