"""Rows of several tables in a temporary database on disk, so that memory stays small."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from windowshop.imports.values import id_text

EMPTY = frozenset(("", "\\N", "NULL", "null", "(null)"))
BATCH = 2000
MAX_COLUMNS = 1000
Texts = dict[str, str]


class TableStore:
    """Tables of texts; the database has no name, so it goes with the process."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._columns: list[tuple[str, ...]] = []
        self._indexed: set[tuple[int, int]] = set()

    def add(self, header: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
        """Keep the rows of a table, and return its number; empty values are left out."""
        table, names = len(self._columns), tuple(header)[:MAX_COLUMNS]
        self._columns.append(names)
        columns = ", ".join(f"c{place} TEXT" for place in range(len(names)))
        self._database.execute(f"CREATE TABLE t{table} (n INTEGER PRIMARY KEY, {columns})")
        marks = ", ".join("?" * (len(names) + 1))
        insert = f"INSERT INTO t{table} VALUES ({marks})"
        batch: list[tuple[Any, ...]] = []
        for number, row in enumerate(rows, start=1):
            batch.append((number, *(_text(row.get(name)) for name in names)))
            if len(batch) >= BATCH:
                self._database.executemany(insert, batch)
                batch.clear()
        self._database.executemany(insert, batch)
        self._database.commit()
        return table

    def rows(self, table: int) -> Iterator[tuple[int, Texts]]:
        """Yield all rows with their numbers, in their order."""
        for number, *values in self._database.execute(f"SELECT * FROM t{table} ORDER BY n"):
            yield number, self._row(table, values)

    def find(self, table: int, column: str, value: str) -> list[Texts]:
        """Return the rows of a value, in their order."""
        place = self._index(table, column)
        query = f"SELECT * FROM t{table} WHERE c{place} = ? ORDER BY n"
        found = self._database.execute(query, (value,)).fetchall()
        return [self._row(table, values) for _, *values in found]

    def count(self, table: int) -> int:
        """Return the number of rows."""
        return int(self._database.execute(f"SELECT count(*) FROM t{table}").fetchone()[0])

    def unnamed(self, table: int, column: str, other: int, key: str) -> Iterator[tuple[int, Texts]]:
        """Yield the rows whose value is no key of the other, with their numbers."""
        place, at = self._index(table, column), self._index(other, key)
        query = (
            f"SELECT * FROM t{table} AS own WHERE NOT EXISTS "
            f"(SELECT 1 FROM t{other} WHERE c{at} = own.c{place}) ORDER BY n"
        )
        for number, *values in self._database.execute(query):
            yield number, self._row(table, values)

    def contained(self, table: int, column: str, other: int, key: str) -> tuple[int, int]:
        """Return how many different values a column has, and how many are keys of the other."""
        place, at = self._index(table, column), self._index(other, key)
        query = (
            f"SELECT count(*), sum(EXISTS (SELECT 1 FROM t{other} WHERE c{at} = v)) FROM "
            f"(SELECT DISTINCT c{place} AS v FROM t{table} WHERE c{place} <> '0')"
        )
        number, found = self._database.execute(query).fetchone()
        return int(number), int(found or 0)

    def _index(self, table: int, column: str) -> int:
        place = self._columns[table].index(column)
        if (table, place) not in self._indexed:
            self._database.execute(f"CREATE INDEX i{table}_{place} ON t{table} (c{place})")
            self._indexed.add((table, place))
        return place

    def _row(self, table: int, values: Sequence[str | None]) -> Texts:
        pairs = zip(self._columns[table], values, strict=True)
        return {name: value for name, value in pairs if value is not None}


def _text(value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    text = id_text(value) if not isinstance(value, bytes) else ""
    return None if text in EMPTY else text
