"""Collections of a catalogue in Qdrant.

    NAME               alias of the generation that is searched
    NAME_gN            points of a generation's products: their number is the key; vectors by name
    NAME_windowshop    a point a generation, with its columns and counts, and its files in parts

The point of a product holds, beside its vectors:

    id, group          product id, and id of its group of variants
    born, died         number of the change that added it, and of the one that replaced or deleted
                       it; a search of change S sees what was born by S and has not died by S
    r                  values by place of the column, as JSON keeps them
    f                  the forms of each column that filters compare
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
from qdrant_client import models

from windowshop.data import CATEGORY
from windowshop.engines import EngineSpec
from windowshop.errors import IndexFolderError
from windowshop.index.catalogue.remote_store import RemoteColumn
from windowshop.index.qdrant.connect import MAJORITY, STRONG, Server
from windowshop.index.remote import PUSH, PushConfig
from windowshop.index.rows import type_name, type_of

FORMAT = "windowshop-qdrant/1"
TEXT, DAY, MOMENT, NUMBER, WHOLE, TRUTH = "text", "day", "moment", "number", "whole", "truth"
MOST_VALUES = 10_000
"""Columns of texts with more different ones are not indexed, nor compared for order."""
INDEXED = {"id": "keyword", "group": "keyword", "born": "integer", "died": "integer"}
CODES = ("int8", "4bit")
"""Storages for which Qdrant searches codes in memory, and scores again by vectors on disk."""


@dataclass(frozen=True, slots=True)
class Column(RemoteColumn):
    """A column of the products, and the fields of a point that filters compare."""

    @property
    def value(self) -> str:
        """Field of the values."""
        return f"r.c{self.place}"

    @property
    def field(self) -> str:
        """Field that filters compare; it is there where the column has a value."""
        return f"f.c{self.place}"

    @property
    def day(self) -> str:
        """Field of the days of dates and moments, as numbers."""
        return f"f.d{self.place}"

    @property
    def path(self) -> str:
        """Field of the category: all paths where a product has several."""
        return f"f.p{self.place}"

    @property
    def item(self) -> str | None:
        """Kind of a value; None where filters only ask whether there is one."""
        dtype = self.single
        if dtype == pl.Date:
            return DAY
        if isinstance(dtype, pl.Datetime):
            return TEXT if self.is_list else MOMENT
        if dtype == pl.String:
            return TEXT
        if dtype.is_float():
            return NUMBER
        if dtype.is_integer():
            return WHOLE
        return TRUTH if dtype == pl.Boolean else None

    @property
    def indexes(self) -> dict[str, str]:
        """Payload indexes of its fields, by kind."""
        kinds = {TEXT: "keyword", DAY: "keyword", MOMENT: "integer", NUMBER: "float"}
        kind = (kinds | {WHOLE: "integer", TRUTH: "bool"}).get(self.item or "")
        found = {} if kind is None else {self.field: kind}
        if self.item in (DAY, MOMENT):
            found[self.day] = "integer"
        if self.name == CATEGORY and self.item == TEXT:
            found[self.path] = "keyword"
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """Point of a generation; each change of it raises its version."""

    name: str
    source: str
    types: dict[str, pl.DataType]
    indexed: tuple[str, ...] = ()
    """Columns that have payload indexes."""
    is_ready: bool = False
    num_keys: int = 0
    num_living: int = 0
    seq: int = 0
    """Number of the last change of products that searches see."""
    pushed_seq: int = 0
    """Number of the last change when it was pushed."""
    files: dict[str, int] = field(default_factory=dict)
    """Numbers of parts of its files."""
    previous: str = ""
    """Generation that was current before it."""
    writer: str = ""
    """Mark of the process that writes products now (`windowshop.index.qdrant.lease`)."""
    version: int = 0

    @property
    def number(self) -> int:
        """Number of the generation, and of its point."""
        return int(self.name[1:])

    def payload(self) -> dict[str, Any]:
        """Return the point's content."""
        content = {name: getattr(self, name) for name in self.__slots__ if name != "types"}
        types = [[name, type_name(dtype)] for name, dtype in self.types.items()]
        content["indexed"] = list(self.indexed)
        return content | {"format": FORMAT, "kind": "generation", "columns": json.dumps(types)}


def catalogue_of(server: Server) -> str:
    """Return the collection of generations and files."""
    return f"{server.name}_windowshop"


def points_of(server: Server, name: str) -> str:
    """Return the collection of a generation's products."""
    return f"{server.name}_{name}"


def condition(key: str, value: str | int) -> models.FieldCondition:
    """Return the test that a field has a value."""
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def generations(server: Server) -> list[Generation]:
    """Return all generations, complete or not, in their order."""
    where = models.Filter(must=[condition("kind", "generation")])
    with server.named():
        found, _ = server.client.scroll(
            catalogue_of(server), scroll_filter=where, limit=1_000, consistency=MAJORITY
        )
    held = [_generation(point.payload or {}, server) for point in found]
    return sorted(held, key=lambda one: one.number)


def read_generation(server: Server, name: str) -> Generation:
    """Read a generation; raises IndexFolderError where there is none."""
    with server.named():
        found = server.client.retrieve(catalogue_of(server), [int(name[1:])], consistency=MAJORITY)
    if not found:
        raise IndexFolderError(
            f"{server.place}: has no generation {name!r}; it was replaced. Open the current one."
        )
    return _generation(found[0].payload or {}, server)


def write_generation(server: Server, generation: Generation) -> Generation | None:
    """Write a generation that was read before; returns it, or None where it has changed since."""
    new = replace(generation, version=generation.version + 1)
    as_read = models.Filter(must=[condition("version", generation.version)])
    with server.named():
        server.client.upsert(
            catalogue_of(server),
            [models.PointStruct(id=new.number, vector={}, payload=new.payload())],
            update_filter=as_read,
            ordering=STRONG,
        )
    found = read_generation(server, generation.name)
    return new if found == new else None


def current(server: Server) -> str | None:
    """Return the generation that the alias names; None where there is no alias."""
    with server.named():
        aliases = server.client.get_aliases().aliases
    for alias in aliases:
        if alias.alias_name == server.name:
            return str(alias.collection_name).removeprefix(f"{server.name}_")
    return None


def make_current(server: Server, name: str) -> None:
    """Point the alias to a generation, in one step."""
    wanted = models.CreateAlias(collection_name=points_of(server, name), alias_name=server.name)
    with server.named():
        held = [a.alias_name for a in server.client.get_aliases().aliases]
        changes: list[models.CreateAliasOperation | models.DeleteAliasOperation] = []
        if server.name in held:
            dropped = models.DeleteAlias(alias_name=server.name)
            changes.append(models.DeleteAliasOperation(delete_alias=dropped))
        changes.append(models.CreateAliasOperation(create_alias=wanted))
        server.client.update_collection_aliases(changes)


def create_catalogue(server: Server, config: PushConfig) -> None:
    """Create the collection of generations and files, unless it is there."""
    with server.named():
        if not server.client.collection_exists(catalogue_of(server)):
            server.client.create_collection(
                catalogue_of(server), vectors_config={}, **_copies(1, config.replicas)
            )
            for name in ("kind", "generation"):
                server.client.create_payload_index(
                    catalogue_of(server), name, models.PayloadSchemaType.KEYWORD
                )
            server.client.create_payload_index(
                catalogue_of(server), "version", models.PayloadSchemaType.INTEGER
            )


def create_generation(
    server: Server, generation: Generation, spec: EngineSpec, config: PushConfig
) -> None:
    """Create the point and the empty collection of a generation; graphs are built later."""
    vectors = {
        name: models.VectorParams(
            size=held.width,
            distance=models.Distance.COSINE,
            on_disk=held.storage in CODES,
            quantization_config=_codes() if held.storage in CODES else None,
        )
        for name, held in spec.vectors.items()
    }
    points = points_of(server, generation.name)
    with server.named():
        server.client.delete_collection(points)
        server.client.create_collection(
            points,
            vectors_config=vectors,
            hnsw_config=models.HnswConfigDiff(m=spec.links, ef_construct=spec.build_candidates),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0),
            **_copies(config.shards, config.replicas),
        )
        for name, kind in INDEXED.items():
            server.client.create_payload_index(points, name, models.PayloadSchemaType(kind))
    create_indexes(server, generation, generation.indexed)
    with server.named():
        server.client.upsert(
            catalogue_of(server),
            [models.PointStruct(id=generation.number, vector={}, payload=generation.payload())],
            ordering=STRONG,
        )


def create_indexes(server: Server, generation: Generation, names: tuple[str, ...]) -> None:
    """Index the fields of columns."""
    columns = Column.of_types(generation.types)
    with server.named():
        for name in names:
            for key, kind in columns[name].indexes.items():
                server.client.create_payload_index(
                    points_of(server, generation.name), key, models.PayloadSchemaType(kind)
                )


def drop_generation(server: Server, name: str) -> None:
    """Drop the products and the files of a generation, its own point last."""
    with server.named():
        server.client.delete_collection(points_of(server, name))
    delete_files(server, name)
    with server.named():
        server.client.delete(
            catalogue_of(server), models.PointIdsList(points=[int(name[1:])]), ordering=STRONG
        )


def delete_files(server: Server, name: str) -> None:
    """Drop the files of a generation."""
    where = models.Filter(must=[condition("generation", name)])
    with server.named():
        server.client.delete(
            catalogue_of(server), models.FilterSelector(filter=where), ordering=STRONG
        )


def _codes() -> models.ScalarQuantization:
    return models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    )


def _copies(shards: int, replicas: int) -> dict[str, Any]:
    return {
        "shard_number": shards,
        "replication_factor": replicas,
        "write_consistency_factor": replicas // 2 + 1,
    }


def _generation(payload: dict[str, Any], server: Server) -> Generation:
    content = dict(payload)
    found, _ = content.pop("format", "none"), content.pop("kind", None)
    if found != FORMAT:
        raise IndexFolderError(
            f"{server.place}: its catalogue is of format {found}, and this is {FORMAT}. {PUSH} "
            "with one version of windowshop."
        )
    types = {name: type_of(text) for name, text in json.loads(content.pop("columns"))}
    content["indexed"] = tuple(content["indexed"])
    return Generation(types=types, **content)
