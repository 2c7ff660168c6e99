"""Tables of an index's database, with checksums of rows and triggers that keep their totals."""

from collections.abc import Iterator
from dataclasses import dataclass

import xxhash


@dataclass(frozen=True, slots=True)
class Table:
    """Table of the database; `Database.declare` adds a checksum to its columns."""

    name: str
    columns: tuple[str, ...]
    """Definitions of columns, each beginning with the column's name."""
    constraints: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    """Columns in parentheses, and which rows where not all, one an index."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.split()[0] for column in self.columns)


def row_checksum(*values: str | bytes | float | None) -> int:
    """Return the checksum of a row's values, 63 bits."""
    plain, parts = list(values), []
    if bytes in map(type, values):
        parts = [value for value in values if isinstance(value, bytes)]
        plain = [len(value) if isinstance(value, bytes) else value for value in values]
    text = repr(plain).encode("utf-8", "surrogatepass")
    return xxhash.xxh3_64_intdigest(b"".join((text, *parts))) >> 1


def definitions(table: Table) -> Iterator[str]:
    """Yield statements that make a table, its indexes, and the triggers that keep its totals."""
    checksum = (
        f"checksum INTEGER GENERATED ALWAYS AS (row_checksum({', '.join(table.names)})) STORED"
    )
    parts = ", ".join((*table.columns, checksum, *table.constraints))
    yield f"CREATE TABLE IF NOT EXISTS {table.name} ({parts})"
    for place, columns in enumerate(table.indexes):
        yield f"CREATE INDEX IF NOT EXISTS {table.name}_{place} ON {table.name} {columns}"
    yield f"INSERT INTO _totals VALUES ('{table.name}', 0, 0) ON CONFLICT DO NOTHING"
    both = _exclusive_or("old.checksum", "new.checksum")
    for event, num, changed in (
        ("INSERT", "num + 1", "new.checksum"),
        ("DELETE", "num - 1", "old.checksum"),
        ("UPDATE", "num", f"({both})"),
    ):
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {table.name}_{event} AFTER {event} ON {table.name} "
            f"BEGIN UPDATE _totals SET num = {num}, digest = {_exclusive_or('digest', changed)} "
            f"WHERE name = '{table.name}'; END"
        )


def _exclusive_or(one: str, other: str) -> str:
    """Return the SQL of an exclusive or, which SQLite has no sign for."""
    return f"({one} | {other}) - ({one} & {other})"
