"""A data folder's products, laid aside while they are encoded and merged in one transaction.

GENERATION/stage.db     a row a product, gone after the merge; a killed build's goes with its
                        generation
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from windowshop.errors import DataError
from windowshop.index.generations import choose
from windowshop.index.product_table import (
    ProductTable,
    latest_seq,
    new_versions,
    read_types,
    write_types,
)
from windowshop.index.rows import from_texts, to_texts
from windowshop.index.transactions import named_errors, transaction

STAGE_FILE = "stage.db"
PUT_CHANGED = """
INSERT INTO products (product_id, seq, version, deleted, row)
SELECT s.product_id, :base + row_number() OVER (ORDER BY s.place), s.version, 0, s.row
FROM stage.rows s LEFT JOIN products p ON p.product_id = s.product_id
WHERE s.row IS NOT NULL AND (p.seq IS NULL OR p.seq <= :begin)
ON CONFLICT (product_id) DO UPDATE SET seq = excluded.seq, version = excluded.version,
    deleted = 0, row = excluded.row
"""
DELETE_ABSENT = """
UPDATE products SET seq = gone.seq, deleted = 1, row = NULL
FROM (
    SELECT p.product_id, :base + row_number() OVER (ORDER BY p.seq) AS seq FROM products p
    WHERE p.deleted = 0 AND p.seq <= :begin
    AND NOT EXISTS (SELECT 1 FROM stage.rows s WHERE s.product_id = p.product_id)
) AS gone
WHERE products.product_id = gone.product_id
"""


class Staging:
    """Products of a data folder on their way into an index, which may be written meanwhile."""

    def __init__(self, folder: Path, products: ProductTable) -> None:
        """Note the changes so far: what is changed from now on wins over the data.

        Raises DamagedError, as `merge` does, where products or an index of them are damaged: both
        find by id what the index has.
        """
        products.check()
        self._path, self._products = folder / STAGE_FILE, products
        self.begin = products.seq
        """Number of the latest change when the build began."""
        self._types: Mapping[str, pl.DataType] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(
            "CREATE TABLE rows (place INTEGER PRIMARY KEY, product_id TEXT UNIQUE, "
            "version INTEGER, row TEXT)"
        )

    def add(self, rows: pl.DataFrame) -> list[int]:
        """Lay rows aside, of plain types; returns the versions that their records have.

        One that the index has already, as it is, keeps its version.
        """
        ids, texts = rows["product_id"].to_list(), to_texts(rows)
        held = self._products.held(ids)
        versions, staged = list(new_versions(len(rows))), []
        for i, (name, text) in enumerate(zip(ids, texts, strict=True)):
            version, known = held.get(name, (0, None))
            if known == text:
                versions[i] = version
            staged.append((name, versions[i], None if known == text else text))
        with named_errors(self._path), transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO rows (product_id, version, row) VALUES (?, ?, ?)", staged
            )
        self._types = dict(rows.schema)
        return versions

    def merge(self, generation: str) -> None:
        """Bring all rows into the index, delete others, and make a generation current, as one.

        Products that were changed since the beginning stay as they are. Raises DataError where one
        of them has a value that does not fit the type that its column has in the data.
        """
        self._connection.close()
        self._products.check()
        database = self._products.database
        with database.attached(self._path, "stage"), database.writing() as connection:
            self._merge_types(connection)
            for statement in (PUT_CHANGED, DELETE_ABSENT):
                connection.execute(statement, {"base": latest_seq(connection), "begin": self.begin})
            choose(connection, generation)
        self._path.unlink()

    def close(self) -> None:
        """Release the file; it stays, as a part of its generation."""
        self._connection.close()

    def _merge_types(self, connection: sqlite3.Connection) -> None:
        held = read_types(connection)
        types = held | {
            name: dtype
            for name, dtype in self._types.items()
            if name not in held or dtype != pl.Null
        }
        written = connection.execute(
            "SELECT product_id, row FROM products WHERE seq > ? AND deleted = 0", (self.begin,)
        ).fetchall()
        for name, text in written if types != held else ():
            try:
                from_texts([text], types)
            except (TypeError, ValueError, pl.exceptions.PolarsError):
                raise DataError(
                    f"Product {name!r} was written during the build, with a value that does not "
                    "fit its column's type in the data. Give the data's column the type that the "
                    "index has, or write the product again with the other, and build again."
                ) from None
        write_types(connection, held, types)
