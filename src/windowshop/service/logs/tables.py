"""Tables of searches, events and grades in the database of an index.

Rows are ordered by a counter, `number`, since a clock can be set back.
"""

import threading
from pathlib import Path

from windowshop.errors import DamagedError
from windowshop.index import DATABASE_FILE, MARK_FILE, Database, Table

SEARCHES = Table(
    "searches",
    (
        "number INTEGER PRIMARY KEY",
        "search_id TEXT NOT NULL",
        "time REAL NOT NULL",
        "text TEXT",
        "photo INTEGER NOT NULL",
        "similar_to TEXT",
        "by_relevance INTEGER NOT NULL",
        "filter_text TEXT",
        "generation TEXT NOT NULL",
        "offset INTEGER NOT NULL",
        "follow_up INTEGER NOT NULL",
        "total INTEGER NOT NULL",
        "product_ids TEXT NOT NULL",
    ),
    ("UNIQUE (search_id)",),
)
"""One row a search with a page of results; `time` in seconds since 1970, `product_ids` a JSON list
from the place after `offset` on."""
EVENTS = Table(
    "events",
    (
        "number INTEGER PRIMARY KEY",
        "search_id TEXT NOT NULL",
        "product_id TEXT NOT NULL",
        "position INTEGER NOT NULL",
        "event TEXT NOT NULL",
        "time REAL NOT NULL",
    ),
    ("UNIQUE (search_id, product_id, position, event)",),
)
"""One row an event under a search of `searches`."""
GRADES = Table(
    "grades",
    (
        "number INTEGER PRIMARY KEY",
        "query_key TEXT NOT NULL",
        "product_id TEXT NOT NULL",
        "judge TEXT NOT NULL",
        "query TEXT NOT NULL",
        "grade INTEGER",
        "time REAL NOT NULL",
    ),
    ("UNIQUE (query_key, product_id, judge)",),
)
"""Latest grade of each query, product and judge: nobody reads earlier ones, and one that is sent
twice makes no second row. Null is a grade that was taken away."""
TABLES = (SEARCHES, EVENTS, GRADES)


def insert_next(table: Table, on_conflict: str) -> str:
    """Return the statement that inserts a row, without its number, under the next number."""
    marks = ", ?" * (len(table.names) - 1)
    return (
        f"INSERT INTO {table.name} ({', '.join(table.names)}) "
        f"VALUES ((SELECT coalesce(max(number), 0) + 1 FROM {table.name}){marks}) {on_conflict}"
    )


class LogDatabase:
    """Database of an index with TABLES, opened at the first use and again where that fails."""

    def __init__(self, index: Path) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._damage: str | None = None
        self.last_before = 0
        """Number of the latest search before this opening."""

    def __call__(self) -> Database:
        """Return the open database.

        Raises StorageError where it cannot be opened now, and DamagedError where `check` found
        damage.
        """
        with self._lock:
            if self._damage is not None:
                raise DamagedError(self._damage)
            if self._database is None:
                database = Database(self._index)
                try:
                    database.declare(*TABLES)
                    self.last_before = _last_search(database)
                except BaseException:
                    database.close()
                    raise
                self._database = database
            return self._database

    def check(self) -> None:
        """Read the tables; after a DamagedError nothing is read from them or written to them."""
        database = self()
        try:
            database.check(*TABLES)
        except DamagedError as error:
            self._damage = str(error)
            raise

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None


def read_tables(index: Path, *tables: Table) -> list[list[tuple[object, ...]]]:
    """Return all rows of tables in one state; a service may have the index open.

    An index that was never served has no such tables, and no rows.
    """
    if not (index / DATABASE_FILE).exists() and not (index / MARK_FILE).exists():
        return [[] for _ in tables]
    database = Database(index, read_only=True)
    try:
        with database.reading() as connection:
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if found.isdisjoint(table.name for table in TABLES):
                return [[] for _ in tables]
            return [database.rows(table) for table in tables]
    finally:
        database.close()


def _last_search(database: Database) -> int:
    with database.reading() as connection:
        (number,) = connection.execute("SELECT coalesce(max(number), 0) FROM searches").fetchone()
    return int(number)
