"""Stores of every kind, empty or filled with a shop of all types of columns."""

from contextlib import closing

import pytest
from support import postgres as postgres_servers
from support import qdrant as qdrant_servers

from windowshop.engines.base import EngineSpec, VectorSpec
from windowshop.index.catalogue.collection import Collection
from windowshop.index.catalogue.restore import Derivation
from windowshop.registry import ENGINES

KINDS = ("exact", "zvec", "postgres", "qdrant", "qdrant-engine")
SERVERS = KINDS[2:]
"""Engine `flat` rounds queries, and so orders near ties in its own way: see tests/engines."""


@pytest.fixture(scope="session")
def postgres():
    with postgres_servers.running() as server:
        yield server


@pytest.fixture(scope="session")
def qdrant():
    with qdrant_servers.running() as server:
        yield server


@pytest.fixture(scope="session")
def qdrant_engine():
    with qdrant_servers.engine() as server:
        yield server


def spec_of(kind, width, **settings):
    kind = "exact" if kind in SERVERS else kind
    storage = ENGINES[kind].storages[0]
    vectors = {name: VectorSpec(width=width, storage=storage) for name in ("fused", "photo")}
    return EngineSpec(kind=kind, vectors=vectors, **settings)


def server_store(address, width, name="g1", **settings):
    """An empty generation of a catalogue on a server, made current."""
    from windowshop.index.postgres.connect import Server
    from windowshop.index.postgres.schema import (
        GENERATION_ROW,
        create_generation,
        create_indexes,
        create_tables,
        generation_of,
    )
    from windowshop.index.rows import type_of

    server, spec = Server(address, pooled=True), spec_of("postgres", width, **settings)
    with server.writing() as connection:
        create_tables(connection)
        create_generation(connection, name, "", {"product_id": type_of("String")}, spec, 3)
        row = connection.execute(GENERATION_ROW + "WHERE name = %s", [name]).fetchone()
        create_indexes(connection, generation_of(row, name, server), spec)
        connection.execute("UPDATE windowshop_generations SET is_ready = true")
        connection.execute("UPDATE windowshop_catalogue SET current = %s", [name])
    return opened_store(address, width, name, **settings)


def opened_store(address, width, name="g1", **settings):
    from windowshop.index.postgres.connect import Server
    from windowshop.index.postgres.store import PostgresStore

    derivation = Derivation(spec=spec_of("postgres", width, **settings))
    return PostgresStore(Server(address, pooled=True), name, derivation)


def cluster_store(address, width, spec=None, **settings):
    """An empty generation of a catalogue in a cluster, made current."""
    from dataclasses import replace

    from windowshop.index.qdrant.catalogue import QdrantCatalogue
    from windowshop.index.qdrant.connect import Server
    from windowshop.index.qdrant.layout import (
        Generation,
        create_catalogue,
        create_generation,
        make_current,
        write_generation,
    )
    from windowshop.index.remote import PushConfig
    from windowshop.index.rows import type_of

    server, spec = Server(address), spec or spec_of("qdrant", width, **settings)
    generation = Generation(name="g1", source="", types={"product_id": type_of("String")})
    create_catalogue(server, PushConfig())
    create_generation(server, generation, spec, PushConfig())
    assert write_generation(server, replace(generation, is_ready=True))
    make_current(server, "g1")
    return QdrantCatalogue(address).store("g1", Derivation(spec=spec))


@pytest.fixture
def make_store(request):
    """Makes an empty store of a kind: `make_store(kind)(folder, width)`."""

    def of_kind(kind, **settings):
        def make(folder, width):
            if kind.startswith("qdrant"):
                address = request.getfixturevalue(kind.replace("-", "_")).catalogue()
                return cluster_store(address, width, **settings)
            if kind != "postgres":
                return Collection(folder, spec_of(kind, width, **settings))
            # Else few rows are scanned in place of the graph.
            scans = "-cenable_seqscan=off -cenable_sort=off" if settings else ""
            address = request.getfixturevalue("postgres").catalogue(scans)
            return server_store(address, width, **settings)

        return make

    return of_kind


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def store(kind, make_store, tmp_path):
    with closing(make_store(kind)(tmp_path / "store", 4)) as made:
        yield made
