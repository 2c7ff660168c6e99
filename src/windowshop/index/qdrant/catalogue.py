"""A catalogue in Qdrant: its generations and their files."""

import base64
from collections.abc import Iterator
from dataclasses import replace

from windowshop.errors import EngineError, IndexFolderError, StorageError
from windowshop.index.catalogue.restore import Derivation
from windowshop.index.qdrant.connect import MAJORITY, Server
from windowshop.index.qdrant.layout import (
    Generation,
    catalogue_of,
    current,
    generations,
    make_current,
    read_generation,
    write_generation,
)
from windowshop.index.qdrant.lease import writing
from windowshop.index.qdrant.push import file_id, push
from windowshop.index.qdrant.store import QdrantStore
from windowshop.index.remote import PUSH, Content, PushConfig, Pushed, RemoteCatalogue
from windowshop.progress import Reporter


class QdrantCatalogue(RemoteCatalogue):
    """Catalogue in the collections of a cluster (`windowshop.index.qdrant.layout`)."""

    def __init__(self, address: str) -> None:
        self._server = Server(address)
        self.place = self.address = self._server.place

    def names(self) -> list[str]:
        """Return the names of the generations that can be searched."""
        return [one.name for one in generations(self._server) if one.is_ready]

    def chosen(self) -> tuple[str | None, str | None]:
        """Return the current generation and the one before; raises IndexFolderError for none."""
        name = current(self._server)
        if name is not None:
            previous = read_generation(self._server, name).previous
            return name, previous or None
        with self._server.named():
            if not self._server.client.collection_exists(catalogue_of(self._server)):
                raise IndexFolderError(f"{self.place}: holds no catalogue. {PUSH}.")
        return None, None

    def switch(self, name: str) -> None:
        """Make a generation current; the current one becomes the previous.

        Raises EngineError where it lacks products that were written since.
        """
        now = current(self._server)
        if name == now:
            return
        wanted = next((one for one in generations(self._server) if one.name == name), None)
        if wanted is None or not wanted.is_ready or now is None:
            raise EngineError(f"{self.place}: has no generation {name!r} to search.")
        with writing(self._server, now) as lease:
            lacking = lease.generation.seq - wanted.seq
            if lacking > 0:
                raise EngineError(
                    f"{self.place}: generation {name} lacks {lacking} writes that {now} has. "
                    f"{PUSH} an index of its model with these products."
                )
            if write_generation(self._server, replace(wanted, previous=now)) is None:
                raise StorageError(f"{self.place}: {name} was changed meanwhile. Try again.")
            make_current(self._server, name)

    def source(self, name: str) -> str:
        """Return the hash of what a generation was made of; raises IndexFolderError for others."""
        return self._ready(name).source

    def files(self, name: str) -> list[str]:
        """Return the names of the files of a generation."""
        return list(self._ready(name).files)

    def parts(self, name: str, path: str) -> Iterator[bytes]:
        """Yield the content of a file of a generation."""
        for part in range(self._ready(name).files[path]):
            with self._server.named():
                found = self._server.client.retrieve(
                    catalogue_of(self._server), [file_id(name, path, part)], consistency=MAJORITY
                )
            if not found:
                raise IndexFolderError(f"{self.place}: {path} of {name} is gone. {PUSH} again.")
            yield base64.b64decode((found[0].payload or {})["content"])

    def push(self, content: Content, reporter: Reporter, config: PushConfig) -> Pushed:
        """Copy an index to a new generation and make it current."""
        return push(content, self._server, reporter, config)

    def store(self, name: str, derivation: Derivation) -> QdrantStore:
        """Open the products of a generation, for many threads."""
        return QdrantStore(self._server, name, derivation)

    def _ready(self, name: str) -> Generation:
        generation = read_generation(self._server, name)
        if not generation.is_ready:
            raise IndexFolderError(f"{self.place}: has no generation {name!r} to search.")
        return generation
