"""Local folder of a catalogue in PostgreSQL: its models and settings, read from there.

    FOLDER/manifest.json         as of an index
    FOLDER/store.json            where the products are; no password
    FOLDER/rules.yaml, synonyms.yaml
    FOLDER/generations/gN/       manifest, model and settings of a generation, fetched when opened
    FOLDER/shop.db               what the service of this folder logs: searches, events, grades

It holds nothing that cannot be fetched again but the log, so that any machine can serve.
"""

import hashlib
import json
import os
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from windowshop.errors import EngineError, IndexFolderError
from windowshop.files import DEFAULT_CACHE, new_folder, write_atomic
from windowshop.index.generations import LINK_FILE, Generations
from windowshop.index.postgres.connect import PUSH, Server
from windowshop.index.postgres.content import SHOP
from windowshop.index.postgres.schema import chosen, names_of

LINKS_FOLDER = "stores"
_addresses: dict[Path, str] = {}
"""Addresses that this process was given, with their passwords, by the resolved folder."""


def link_folder(address: str) -> Path:
    """Return the local folder of an address, which need not exist."""
    place = Server(address).place
    schema = hashlib.sha256(address.rpartition("@")[2].encode()).hexdigest()[:12]
    base = os.environ.get("WINDOWSHOP_STORES")
    root = Path(base) if base else DEFAULT_CACHE / LINKS_FOLDER
    return root / f"{place.rpartition('/')[2]}-{schema}"


def write_link(folder: Path, address: str) -> None:
    """Note in a folder where its products are, and in this process the address in full."""
    _addresses[folder.resolve()] = address
    content = json.dumps({"address": _without_password(address)})
    if _read(folder) != content:
        write_atomic(folder / LINK_FILE, lambda path: path.write_text(content))


def linked_server(folder: Path, *, pooled: bool = False) -> Server:
    """Return the server of a linked folder; raises IndexFolderError where its note is damaged."""
    address = _addresses.get(folder.resolve())
    if address is None:
        try:
            address = str(json.loads(_read(folder))["address"])
        except (ValueError, KeyError):
            raise IndexFolderError(
                f"{folder / LINK_FILE}: cannot be read. Open the catalogue by its address again."
            ) from None
    return Server(address, pooled=pooled)


class LinkedGenerations(Generations):
    """Generations of a catalogue in PostgreSQL."""

    def __init__(self, index: Path) -> None:
        super().__init__(index)
        self._server = linked_server(index)

    def names(self) -> list[str]:
        """Return the names of the generations that can be searched."""
        with self._server.reading() as reader:
            return names_of(reader.rows("SELECT name FROM windowshop_generations WHERE is_ready"))

    def switch(self, name: str) -> None:
        """Make a generation current; the current one becomes the previous.

        Raises EngineError where it lacks products that were written since.
        """
        with self._server.writing() as connection:
            current, seq = connection.execute(
                "SELECT current, seq FROM windowshop_catalogue FOR UPDATE"
            ).fetchone() or (None, 0)
            if name == current:
                return
            row = connection.execute(
                "SELECT seq FROM windowshop_generations WHERE name = %s AND is_ready", [name]
            ).fetchone()
            if row is None:
                raise EngineError(f"{self._server.place}: has no generation {name!r} to search.")
            if row[0] < seq:
                raise EngineError(
                    f"{self._server.place}: generation {name} lacks {seq - row[0]} writes that "
                    f"{current} has. {PUSH} an index of its model with these products."
                )
            connection.execute(
                "UPDATE windowshop_catalogue SET previous = current, current = %s", [name]
            )

    def drop(self, name: str) -> None:
        """Raise EngineError: the next push drops what is no longer needed."""
        raise EngineError(f"{self._server.place}: {name} is dropped by the push after the next.")

    def _chosen(self) -> tuple[str | None, str | None]:
        return chosen(self._server)


def fetch_generation(folder: Path, name: str, server: Server) -> Path:
    """Fetch what a generation is searched with, unless it is here; returns its folder.

    Raises IndexFolderError where the server has no such generation.
    """
    place = Generations(folder).path(name)
    with server.reading() as reader:
        rows = reader.rows(
            "SELECT source FROM windowshop_generations WHERE name = %s AND is_ready", [name]
        )
        if not rows:
            raise IndexFolderError(f"{server.place}: has no generation {name!r} to search.")
        source, note = str(rows[0][0]), place / ".source"
        if note.is_file() and note.read_text() == source:
            return place
        paths = reader.rows(
            "SELECT DISTINCT path FROM windowshop_files WHERE generation = %s", [name]
        )
        with new_folder(place) as made:
            for (path,) in paths:
                target = _inside(folder if path.startswith(SHOP) else made, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    part = 0
                    while rows := reader.rows(
                        "SELECT content FROM windowshop_files "
                        "WHERE generation = %s AND path = %s AND part = %s",
                        [name, path, part],
                    ):
                        file.write(rows[0][0])
                        part += 1
            (made / ".source").write_text(source)
    return place


def _inside(root: Path, path: str) -> Path:
    """Return the place of a file below a folder; raises IndexFolderError for one outside."""
    relative = Path(path.removeprefix(SHOP))
    if relative.is_absolute() or ".." in relative.parts:
        raise IndexFolderError(f"{path!r} is no name of a file of a generation. {PUSH} again.")
    return root / relative


def _without_password(address: str) -> str:
    named = {name: value for name, value in conninfo_to_dict(address).items() if name != "password"}
    return str(make_conninfo("", **named))


def _read(folder: Path) -> str:
    path = folder / LINK_FILE
    return path.read_text(encoding="utf-8") if path.is_file() else ""
