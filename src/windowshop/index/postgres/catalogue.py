"""A catalogue in PostgreSQL: its generations and their files."""

from collections.abc import Iterator

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from windowshop.errors import EngineError, IndexFolderError
from windowshop.index.catalogue.restore import Derivation
from windowshop.index.postgres.connect import Server
from windowshop.index.postgres.push import push
from windowshop.index.postgres.schema import chosen
from windowshop.index.postgres.store import PostgresStore
from windowshop.index.remote import (
    PUSH,
    Content,
    PushConfig,
    Pushed,
    RemoteCatalogue,
    names_in_order,
)
from windowshop.progress import Reporter

SECRETS = frozenset(
    option.keyword.decode()
    for option in Conninfo.get_defaults()
    if option.dispchar == b"*" or option.keyword.startswith((b"scram_", b"oauth_client_secret"))
)
"""Parts of an address that are secret, as this version of libpq has them."""


class PostgresCatalogue(RemoteCatalogue):
    """Catalogue in the tables of a database (`windowshop.index.postgres.schema`)."""

    def __init__(self, address: str) -> None:
        self._given, self._server = address, Server(address)
        self.place = self._server.place
        named = conninfo_to_dict(address)
        for name in SECRETS.intersection(named):
            named.pop(name)
        self.address = str(make_conninfo("", **named))

    def names(self) -> list[str]:
        """Return the names of the generations that can be searched."""
        with self._server.reading() as reader:
            rows = reader.rows("SELECT name FROM windowshop_generations WHERE is_ready")
        return names_in_order([name for (name,) in rows])

    def chosen(self) -> tuple[str | None, str | None]:
        """Return the current generation and the one before."""
        return chosen(self._server)

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
                raise EngineError(f"{self.place}: has no generation {name!r} to search.")
            if row[0] < seq:
                raise EngineError(
                    f"{self.place}: generation {name} lacks {seq - row[0]} writes that "
                    f"{current} has. {PUSH} an index of its model with these products."
                )
            connection.execute(
                "UPDATE windowshop_catalogue SET previous = current, current = %s", [name]
            )

    def source(self, name: str) -> str:
        """Return the hash of what a generation was made of; raises IndexFolderError for others."""
        with self._server.reading() as reader:
            rows = reader.rows(
                "SELECT source FROM windowshop_generations WHERE name = %s AND is_ready", [name]
            )
        if not rows:
            raise IndexFolderError(f"{self.place}: has no generation {name!r} to search.")
        return str(rows[0][0])

    def files(self, name: str) -> list[str]:
        """Return the names of the files of a generation."""
        with self._server.reading() as reader:
            rows = reader.rows(
                "SELECT DISTINCT path FROM windowshop_files WHERE generation = %s", [name]
            )
        return [path for (path,) in rows]

    def parts(self, name: str, path: str) -> Iterator[bytes]:
        """Yield the content of a file of a generation."""
        part = 0
        with self._server.reading() as reader:
            while rows := reader.rows(
                "SELECT content FROM windowshop_files "
                "WHERE generation = %s AND path = %s AND part = %s",
                [name, path, part],
            ):
                yield rows[0][0]
                part += 1

    def push(self, content: Content, reporter: Reporter, config: PushConfig) -> Pushed:
        """Copy an index to a new generation and make it current."""
        return push(content, self._server, reporter, config)

    def store(self, name: str, derivation: Derivation) -> PostgresStore:
        """Open the products of a generation, for many threads."""
        server = Server(self._given, pooled=True)
        try:
            return PostgresStore(server, name, derivation)
        except BaseException:
            server.close()
            raise
