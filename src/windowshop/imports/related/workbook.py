"""Sheets of a workbook as tables."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from windowshop.imports.report import ImportReport
from windowshop.imports.sheets import sheet_names, sheet_rows
from windowshop.imports.source import NUM_SAMPLE, Source
from windowshop.imports.tree_rows import Row


def workbook_tables(path: Path) -> list[Source]:
    """Return the sheets of a workbook that have rows."""
    found: list[Source] = [Sheet(path, name) for name in sheet_names(path)]
    return [sheet for sheet in found if sheet.sample]


class Sheet(Source):
    """One sheet of a workbook, as records."""

    def __init__(self, path: Path, sheet: str) -> None:
        super().__init__(path)
        self.kind = "xlsx"
        self._sheet = sheet

    @property
    def table_name(self) -> str:
        """Name of the sheet."""
        return self._sheet

    @cached_property
    def sample(self) -> list[dict[str, Any]]:
        """First records."""
        return [row for _, row in islice(self.rows(ImportReport(source="")), NUM_SAMPLE)]

    def rows(self, report: ImportReport) -> Iterator[Row]:
        """Yield each record with its number."""
        yield from sheet_rows(self.path, self._sheet)
