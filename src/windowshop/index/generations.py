"""Generations of an index side by side, one of them current, with rollback.

INDEX/shop.db               table `generations`: the current one and the one before it
INDEX/generations/NAME/     a collection (`windowshop.index.catalogue.collection`)
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from windowshop.errors import EngineError
from windowshop.index.catalogue.snapshot import SNAPSHOT_FILE
from windowshop.index.database import DATABASE_FILE, Database
from windowshop.index.product_table import GENERATIONS

GENERATIONS_FOLDER = "generations"
LINK_FILE = "store.json"
"""File of a folder that stands for a catalogue on a server."""


class Generations:
    """Collections of an index, one of them current."""

    def __init__(self, index: Path) -> None:
        self.index, self._folder = index, index / GENERATIONS_FOLDER

    @property
    def current(self) -> str | None:
        """Generation that is searched; None before the first switch."""
        return self._chosen()[0]

    @property
    def previous(self) -> str | None:
        """Generation that `rollback` makes current."""
        return self._chosen()[1]

    def names(self) -> list[str]:
        """Return the names of all generations, complete or not."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if path.is_dir())

    def path(self, name: str) -> Path:
        """Return the folder of a generation, which need not exist."""
        if not name.isidentifier():
            raise EngineError(f"{name!r} is no name for a generation. Use letters and digits.")
        return self._folder / name

    def switch(self, name: str) -> None:
        """Make a generation current; the current one becomes the previous."""
        if not (self.path(name) / SNAPSHOT_FILE).is_file():
            raise EngineError(
                f"{self.path(name)}: holds no complete collection. Build it and close it, then "
                "switch."
            )
        with closing(self._database()) as database, database.writing() as connection:
            choose(connection, name)

    def rollback(self) -> str:
        """Swap the current and the previous generation, and return the new current one."""
        previous = self.previous
        if previous is None or not self.path(previous).is_dir():
            raise EngineError(f"{self._folder}: there is no generation to go back to.")
        self.switch(previous)
        return previous

    def drop(self, name: str) -> None:
        """Delete a generation that is not current."""
        if name == self.current:
            raise EngineError(f"{name!r} is the current generation. Switch to another one first.")
        if name == self.previous:
            with closing(self._database()) as database, database.writing() as connection:
                connection.execute("DELETE FROM generations WHERE place = 'previous'")
        shutil.rmtree(self.path(name))

    def _chosen(self) -> tuple[str | None, str | None]:
        if not (self.index / DATABASE_FILE).exists():
            return None, None
        with (
            closing(Database(self.index, read_only=True)) as database,
            database.reading() as connection,
        ):
            return chosen(connection)

    def _database(self) -> Database:
        database = Database(self.index)
        database.declare(GENERATIONS)
        return database


def chosen(connection: sqlite3.Connection) -> tuple[str | None, str | None]:
    """Return the current generation and the one before it."""
    names = dict(connection.execute("SELECT place, name FROM generations").fetchall())
    return names.get("current"), names.get("previous")


def choose(connection: sqlite3.Connection, name: str) -> None:
    """Make a generation current, within a transaction; the current one becomes the previous."""
    current, _ = chosen(connection)
    if name == current:
        return
    put = (
        "INSERT INTO generations VALUES (?, ?) "
        "ON CONFLICT (place) DO UPDATE SET name = excluded.name"
    )
    if current is not None:
        connection.execute(put, ("previous", current))
    connection.execute(put, ("current", name))
