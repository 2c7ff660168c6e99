"""Tables of an SQLite database."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from windowshop.errors import DataError
from windowshop.imports.report import ImportReport
from windowshop.imports.source import NUM_SAMPLE, Source
from windowshop.imports.tree_rows import Row


def _opened(path: Path) -> sqlite3.Connection:
    """Open a database to read, with the changes that stand beside it in a log of writes."""
    fixed = "" if _log(path).exists() else "&immutable=1"
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{fixed}", uri=True)
    database.text_factory = lambda text: text.decode("utf-8", errors="replace")
    return database


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def database_tables(path: Path) -> list[Source]:
    """Return the tables and views of a database; raises DataError where it cannot be read."""
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
    try:
        with closing(_opened(path)) as database:
            names = [name for (name,) in database.execute(query) if name[:7] != "sqlite_"]
    except sqlite3.DatabaseError as error:
        raise DataError(f"{path}: the database cannot be read ({error}). Copy it again.") from None
    found: list[Source] = [DatabaseTable(path, name) for name in names]
    return [table for table in found if table.sample]


class DatabaseTable(Source):
    """One table of a database, as records."""

    def __init__(self, path: Path, table: str) -> None:
        super().__init__(path)
        self.kind = "database"
        self._table = table

    @property
    def table_name(self) -> str:
        """Name of the table."""
        return self._table

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """Files that are read: the database, and its log of writes where there is one."""
        return (self.path, *filter(Path.exists, [_log(self.path)]))

    @cached_property
    def sample(self) -> list[dict[str, Any]]:
        """First records."""
        return [row for _, row in islice(self.rows(ImportReport(source="")), NUM_SAMPLE)]

    @property
    def read_as(self) -> dict[str, str]:
        """How the table is read, for a report."""
        return {"kind": f"table {self._table} of an SQLite database"}

    def rows(self, report: ImportReport) -> Iterator[Row]:
        """Yield each record with its number; binary values are left out."""
        name = self._table.replace('"', '""')
        with closing(_opened(self.path)) as database:
            cursor = database.execute(f'SELECT * FROM "{name}"')
            columns = [column[0] for column in cursor.description]
            for number, values in enumerate(cursor, start=1):
                pairs = zip(columns, values, strict=True)
                yield (
                    number,
                    {n: v for n, v in pairs if v not in (None, "") and not isinstance(v, bytes)},
                )
