"""Tables of a catalogue in PostgreSQL.

    windowshop_catalogue     one row: the generation that is searched, the one before it, and the
                             number of the last change of products
    windowshop_generations   a row a generation: its columns, and how many keys it has given out
    windowshop_files         model and settings of each generation, in parts
    windowshop_gN            products of a generation: key, values as JSON, the form of each column
                             that filters compare, and vectors as halfvec; partitioned by a hash

They lie in the first schema of the connection's search path, so that
`?options=-csearch_path%3Dshop` in an address keeps several catalogues apart.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql

from windowshop.engines import EngineSpec
from windowshop.errors import IndexFolderError
from windowshop.index.catalogue.remote_store import RemoteColumn
from windowshop.index.postgres.connect import WITH_PUBLIC, Reader, Row, Server
from windowshop.index.remote import PUSH
from windowshop.index.rows import type_name, type_of

FORMAT = "windowshop-postgres/1"
TABLES = (
    "CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public",
    """CREATE TABLE IF NOT EXISTS windowshop_catalogue (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        format text NOT NULL, current text, previous text,
        seq bigint NOT NULL DEFAULT 0, pushed_seq bigint NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS windowshop_generations (
        name text PRIMARY KEY, source text NOT NULL, is_ready boolean NOT NULL DEFAULT false,
        columns jsonb NOT NULL, loaded bigint NOT NULL DEFAULT 0,
        next_key bigint NOT NULL DEFAULT 0, living bigint NOT NULL DEFAULT 0,
        seq bigint NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS windowshop_files (
        generation text NOT NULL REFERENCES windowshop_generations ON DELETE CASCADE,
        path text NOT NULL, part integer NOT NULL, content bytea NOT NULL,
        PRIMARY KEY (generation, path, part))""",
)
PLAIN_WIDTH = 2_500
"""Numbers of all vectors of a product up to which they lie in its row, where scans read them."""
DOUBLE, WHOLE, TEXT, TRUTH, MOMENT = "float8", "int8", "text", "bool", "timestamp"


@dataclass(frozen=True, slots=True)
class Column(RemoteColumn):
    """A column of the products, and the one of the table that filters compare."""

    @property
    def sql(self) -> str:
        """Name in the table."""
        return f"c{self.place}"

    @property
    def item(self) -> str | None:
        """Type of a value in the table; None where filters only ask whether there is one."""
        dtype = self.single
        if dtype in (pl.String, pl.Date):
            return TEXT
        if isinstance(dtype, pl.Datetime):
            return TEXT if self.is_list else MOMENT
        if dtype.is_float():
            return DOUBLE
        if dtype.is_integer():
            return WHOLE
        return TRUTH if dtype == pl.Boolean else None

    @property
    def declared(self) -> str:
        """Type in the table."""
        collation = ' COLLATE "C"' if self.item == TEXT else ""
        return f"{self.item or TRUTH}{'[]' if self.is_list and self.item else ''}{collation}"


def columns_json(types: Mapping[str, pl.DataType]) -> str:
    """Return names and types as they are kept."""
    return json.dumps([[name, type_name(dtype)] for name, dtype in types.items()])


@dataclass(frozen=True, slots=True)
class Generation:
    """Row of a generation."""

    name: str
    types: dict[str, pl.DataType]
    num_keys: int
    num_living: int
    seq: int

    @property
    def table(self) -> str:
        """Name of the table of its products."""
        return f"windowshop_{self.name}"


GENERATION_ROW = "SELECT columns::text, next_key, living, seq FROM windowshop_generations "


def generation_of(row: Row | None, name: str, server: Server) -> Generation:
    """Return a generation of its row; raises IndexFolderError where there is none."""
    if row is None:
        raise IndexFolderError(
            f"{server.place}: has no generation {name!r}; it was replaced. Open the current one."
        )
    types = {column: type_of(text) for column, text in json.loads(row[0])}
    return Generation(name, types, *row[1:])


def read_generation(reader: Reader, name: str, server: Server) -> Generation:
    """Read the row of a generation that can be searched; raises IndexFolderError for others."""
    rows = reader.rows(GENERATION_ROW + "WHERE name = %s AND is_ready", [name])
    return generation_of(rows[0] if rows else None, name, server)


def chosen(server: Server) -> tuple[str | None, str | None]:
    """Return the current generation and the one before; raises IndexFolderError without tables."""
    with server.reading() as reader:
        rows = reader.rows("SELECT format, current, previous FROM windowshop_catalogue")
    if not rows:
        return None, None
    found, current, previous = rows[0]
    if found != FORMAT:
        raise IndexFolderError(
            f"{server.place}: its catalogue is of format {found}, and this is {FORMAT}. {PUSH} "
            "with one version of windowshop."
        )
    return current, previous


def create_tables(connection: psycopg.Connection[Row]) -> None:
    """Create what is missing of the tables that all generations share."""
    (path,) = connection.execute("SHOW search_path").fetchone() or ("",)
    first = path.split(",")[0].strip(' "')
    if first not in ("$user", "public", ""):
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(first)))
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO windowshop_catalogue (format) VALUES (%s) ON CONFLICT DO NOTHING", [FORMAT]
    )
    connection.execute(WITH_PUBLIC)


def create_generation(
    connection: psycopg.Connection[Row],
    name: str,
    source: str,
    types: Mapping[str, pl.DataType],
    spec: EngineSpec,
    num_partitions: int,
) -> None:
    """Create the row and the empty tables of a generation; `source` says what it is made of."""
    table = f"windowshop_{name}"
    connection.execute(
        "INSERT INTO windowshop_generations (name, source, columns) VALUES (%s, %s, %s)",
        [name, source, columns_json(types)],
    )
    own = [f"{column.sql} {column.declared}" for column in Column.of_types(types).values()]
    vectors = [f"v_{vector} halfvec({held.width})" for vector, held in spec.vectors.items()]
    listed = ", ".join([*own, *vectors])
    connection.execute(
        f'CREATE TABLE {table} (product_id text COLLATE "C" PRIMARY KEY, key bigint NOT NULL, '
        f"group_id text, row jsonb NOT NULL{', ' if listed else ''}{listed}) "
        "PARTITION BY HASH (product_id)"
    )
    for part in range(num_partitions):
        connection.execute(
            f"CREATE TABLE {table}_{part} PARTITION OF {table} "
            f"FOR VALUES WITH (MODULUS {num_partitions}, REMAINDER {part})"
        )
        if sum(held.width for held in spec.vectors.values()) <= PLAIN_WIDTH:
            for vector in spec.vectors:
                connection.execute(
                    f"ALTER TABLE {table}_{part} ALTER COLUMN v_{vector} SET STORAGE PLAIN"
                )
    connection.execute(f"CREATE INDEX {table}_key ON {table} (key)")
    connection.execute(f"CREATE INDEX {table}_group ON {table} USING hash (group_id)")


def create_indexes(
    connection: psycopg.Connection[Row], generation: Generation, spec: EngineSpec
) -> None:
    """Index what searches filter by, and the vectors, once the products are there."""
    columns = Column.of_types(generation.types)
    for name in (*spec.number_columns, *spec.text_columns):
        column = columns.get(name)
        if column is None or column.item is None or column.is_list:
            continue
        kind = "hash" if column.item == TEXT else "btree"
        connection.execute(
            f"CREATE INDEX IF NOT EXISTS {generation.table}_{column.sql} ON {generation.table} "
            f"USING {kind} ({column.sql})"
        )
    for vector in spec.vectors:
        connection.execute(
            f"CREATE INDEX IF NOT EXISTS {generation.table}_v_{vector} ON {generation.table} "
            f"USING hnsw (v_{vector} halfvec_cosine_ops) "
            f"WITH (m = {spec.links}, ef_construction = {spec.build_candidates})"
        )


def add_columns(
    connection: psycopg.Connection[Row],
    generation: Generation,
    types: Mapping[str, pl.DataType],
) -> None:
    """Add the columns that a write brings, or that get a type with it."""
    before, after = Column.of_types(generation.types), Column.of_types(types)
    for name, column in after.items():
        held = before.get(name)
        if held is None:
            action = f"ADD COLUMN {column.sql} {column.declared}"
        elif held.declared != column.declared:  # it had no type, and so no values
            action = f"DROP COLUMN {column.sql}, ADD COLUMN {column.sql} {column.declared}"
        else:
            continue
        connection.execute(f"ALTER TABLE {generation.table} {action}")
    connection.execute(
        "UPDATE windowshop_generations SET columns = %s WHERE name = %s",
        [columns_json(types), generation.name],
    )


def drop_generation(connection: psycopg.Connection[Row], name: str) -> None:
    """Drop the tables and the files of a generation."""
    connection.execute(f"DROP TABLE IF EXISTS windowshop_{name}")
    connection.execute("DELETE FROM windowshop_generations WHERE name = %s", [name])
