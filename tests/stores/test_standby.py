"""A standby of the server answers, and takes the writes once it is promoted."""

import time
from contextlib import closing

import numpy as np
import polars as pl
import pytest
from stores.conftest import opened_store, server_store
from support.postgres import running

from windowshop.errors import StorageError

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")
OPTIONS = "options=-csearch_path%3Dshop"


@pytest.fixture(scope="module")
def primary():
    """A server of its own, as it does not come back."""
    with running() as server:
        if not server.can_be_killed:
            pytest.skip("the server of WINDOWSHOP_POSTGRES is not ours to kill")
        yield server


def put(store, name):
    table = pl.DataFrame({"product_id": [name], "title": ["a shoe"]})
    store.upsert(table, {"fused": np.ones((1, 4), dtype=np.float32)})


def found(store):
    hits = store.search(np.ones((1, 4), dtype=np.float32), 50)[0]
    return {hit.product_id for hit in hits}


def test_a_promoted_standby_has_every_acknowledged_write(primary):
    with closing(server_store(f"{primary.address}?{OPTIONS}", 4)) as store:
        put(store, "before")
    with primary.pg0.standby() as (port, promote):
        with psycopg.connect(primary.address, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        own = primary.address.replace(f":{primary.pg0.port}", f":{port}")
        both = f"{primary.address.removesuffix('/postgres')},127.0.0.1:{port}/postgres"
        address = f"{both}?{OPTIONS}&target_session_attrs=read-write"
        with (
            closing(opened_store(address, 4)) as store,
            closing(opened_store(f"{own}?{OPTIONS}", 4)) as reading,
        ):
            written = {"before"}
            for number in range(20):
                put(store, f"p{number}")
                written.add(f"p{number}")
            assert found(store) == found(reading) == written
            with pytest.raises(StorageError, match="is a standby, which takes no writes"):
                put(reading, "x")
            primary.kill()
            with pytest.raises(StorageError, match="127.0.0.1"):
                found(store)
            assert found(reading) == written
            began = time.monotonic()
            promote()
            assert found(store) == written
            put(store, "after")
            assert time.monotonic() - began < 30
            assert found(store) == written | {"after"}
            assert store.seq == 22
