"""Catalogues on servers: the protocol of one, and the local folder that stands for it.

    FOLDER/manifest.json         as of an index
    FOLDER/store.json            where the products are; no password
    FOLDER/rules.yaml, synonyms.yaml, page.yaml and its logo
    FOLDER/generations/gN/       manifest, model and settings of a generation, fetched when opened
    FOLDER/shop.db               what the service of this folder logs: searches, events, grades

It holds nothing that cannot be fetched again but the log, so that any machine can serve.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock

from windowshop.engines import EngineSpec
from windowshop.errors import (
    ConfigError,
    EngineError,
    IndexFolderError,
    needs_extra,
    plain_address,
)
from windowshop.files import DEFAULT_CACHE, new_folder, write_atomic
from windowshop.index.catalogue.protocols import Living, VectorSearch
from windowshop.index.catalogue.restore import Derivation
from windowshop.index.catalogue.store import Store
from windowshop.index.generations import LINK_FILE, Generations
from windowshop.progress import Reporter
from windowshop.registry import STORES

PUSH = "Run `windowshop push INDEX --to` it"
SHOP = "shop/"
"""Beginning of the names of files that lie beside the generations."""
PAGE_FILE = "page.yaml"
SHOP_FILES = ("rules.yaml", "synonyms.yaml", PAGE_FILE)
LINKS_FOLDER = "stores"
_addresses: dict[Path, str] = {}
"""Addresses that this process was given, with their passwords, by the resolved folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """State of an index that is pushed."""

    living: Living
    engine: VectorSearch
    spec: EngineSpec
    files: Mapping[str, Path]
    """Files that searches and writes need, by their names on the server."""
    seq: int
    """Number of the last change of the products."""
    source: str
    """Hash of all of it."""

    def vectors(self, keys: np.ndarray) -> dict[str, np.ndarray]:
        """Return the vectors of products by name."""
        return {name: self.engine.vectors(keys, name) for name in self.spec.vectors}


@dataclass(frozen=True, kw_only=True, slots=True)
class PushConfig:
    """Settings of a push; each server reads those that it has."""

    partitions: int = 8
    """Parts of the table of a new generation (PostgreSQL)."""
    shards: int = 1
    """Parts of a new generation, which the nodes share (Qdrant)."""
    replicas: int = 1
    """Copies of each part, on as many nodes (Qdrant)."""
    replace_writes: bool = False
    """Whether products that were written there since the push before are dropped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """Result of a push."""

    generation: str
    num_products: int
    num_found: int
    """Products that a push before had copied already."""


class RemoteCatalogue(Protocol):
    """A catalogue on a server: its generations, and what each is searched with."""

    place: str
    """The address without user, password and options."""
    address: str
    """The address without password."""

    def __init__(self, address: str) -> None:
        """Read an address; connects when it is used. Raises ConfigError for an unreadable one."""
        ...

    def names(self) -> list[str]:
        """Return the names of the generations that can be searched."""
        ...

    def chosen(self) -> tuple[str | None, str | None]:
        """Return the current generation and the one before."""
        ...

    def switch(self, name: str) -> None:
        """Make a generation current; raises EngineError where it lacks writes."""
        ...

    def source(self, name: str) -> str:
        """Return the hash of what a generation was made of; raises IndexFolderError for others."""
        ...

    def files(self, name: str) -> list[str]:
        """Return the names of the files of a generation."""
        ...

    def parts(self, name: str, path: str) -> Iterator[bytes]:
        """Yield the content of a file of a generation."""
        ...

    def push(self, content: Content, reporter: Reporter, config: PushConfig) -> Pushed:
        """Copy an index to a new generation and make it current."""
        ...

    def store(self, name: str, derivation: Derivation) -> Store:
        """Open the products of a generation, for many threads."""
        ...


def is_address(text: str) -> bool:
    """Return whether a text is the address of a server, not a path."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme in STORES


def require_address(text: str, option: str = "") -> None:
    """Raise ConfigError for what is no address of a server; `option` stands before it."""
    if not is_address(text):
        raise ConfigError(
            f"{option}{plain_address(text)}: is no address of a server. Write "
            "postgresql://USER@HOST:PORT/DATABASE or qdrant://HOST:PORT/NAME."
        )


def remote_catalogue(address: str) -> RemoteCatalogue:
    """Return the catalogue of an address.

    Raises ConfigError for an address that cannot be read, and MissingExtraError where the packages
    for it are missing.
    """
    scheme = address.partition("://")[0]
    with needs_extra("postgres" if scheme.startswith("postgres") else "qdrant"):
        catalogue: RemoteCatalogue = STORES[scheme](address)
    return catalogue


def link_folder(catalogue: RemoteCatalogue) -> Path:
    """Return the local folder of a catalogue, which need not exist."""
    hashed = hashlib.sha256(catalogue.address.encode()).hexdigest()[:12]
    base = os.environ.get("WINDOWSHOP_STORES")
    root = Path(base) if base else DEFAULT_CACHE / LINKS_FOLDER
    return root / f"{catalogue.place.rpartition('/')[2]}-{hashed}"


def write_link(folder: Path, address: str, catalogue: RemoteCatalogue) -> None:
    """Note in a folder where its products are, and in this process the address in full."""
    _addresses[folder.resolve()] = address
    content = json.dumps({"address": catalogue.address})
    if _read(folder) != content:
        write_atomic(folder / LINK_FILE, lambda path: path.write_text(content))


def linked_catalogue(folder: Path) -> RemoteCatalogue:
    """Return the catalogue of a linked folder; raises IndexFolderError where its note is damaged.

    Further errors are those of `remote_catalogue`.
    """
    address = _addresses.get(folder.resolve())
    if address is None:
        try:
            address = str(json.loads(_read(folder))["address"])
        except (ValueError, KeyError, TypeError):
            raise IndexFolderError(
                f"{folder / LINK_FILE}: cannot be read. Open the catalogue by its address again."
            ) from None
    return remote_catalogue(address)


class LinkedGenerations(Generations):
    """Generations of a catalogue on a server."""

    def __init__(self, index: Path) -> None:
        super().__init__(index)
        self._catalogue = linked_catalogue(index)

    def names(self) -> list[str]:
        """Return the names of the generations that can be searched."""
        return self._catalogue.names()

    def switch(self, name: str) -> None:
        """Make a generation current; the current one becomes the previous.

        Raises EngineError where it lacks products that were written since.
        """
        self._catalogue.switch(name)

    def drop(self, name: str) -> None:
        """Raise EngineError: the next push drops what is no longer needed."""
        raise EngineError(f"{self._catalogue.place}: {name} is dropped by the push after the next.")

    def _chosen(self) -> tuple[str | None, str | None]:
        return self._catalogue.chosen()


def fetch_generation(folder: Path, name: str, catalogue: RemoteCatalogue) -> Path:
    """Fetch what a generation is searched with, unless it is here; returns its folder.

    Raises IndexFolderError where the server has no such generation.
    """
    place = Generations(folder).path(name)
    source, note = catalogue.source(name), place / ".source"
    if note.is_file() and note.read_text() == source:
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f".{name}.lock")):  # of several processes, one fetches it
        if not (note.is_file() and note.read_text() == source):
            _fetch(folder, place, name, catalogue, source)
    return place


def _fetch(folder: Path, place: Path, name: str, catalogue: RemoteCatalogue, source: str) -> None:
    with new_folder(place) as made:
        for path in catalogue.files(name):
            target = _inside(folder if path.startswith(SHOP) else made, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for part in catalogue.parts(name, path):
                    file.write(part)
        (made / ".source").write_text(source)


def names_in_order(names: Iterator[str] | list[str]) -> list[str]:
    """Return the names of generations in their order: g2 before g10."""
    return sorted(names, key=lambda name: (len(name), name))


def file_parts(file: Path, size: int) -> Iterator[bytes]:
    """Yield the content of a file in parts of some bytes; one of an empty file."""
    with file.open("rb") as opened:
        part = opened.read(size)
        yield part
        while part := opened.read(size):
            yield part


def _inside(root: Path, path: str) -> Path:
    """Return the place of a file below a folder; raises IndexFolderError for one outside."""
    relative = Path(path.removeprefix(SHOP))
    if relative.is_absolute() or ".." in relative.parts:
        raise IndexFolderError(f"{path!r} is no name of a file of a generation. {PUSH} again.")
    return root / relative


def _read(folder: Path) -> str:
    path = folder / LINK_FILE
    return path.read_text(encoding="utf-8") if path.is_file() else ""
