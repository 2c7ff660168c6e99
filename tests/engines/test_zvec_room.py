"""Room on the disk for zvec, whose mapped files would end the process where there is none."""

import os

import numpy as np
import polars as pl
import pytest
from support.faults import small_disk

from windowshop.engines import zvec_store
from windowshop.engines.base import EngineSpec, VectorSpec
from windowshop.engines.zvec_store import ZvecStore
from windowshop.errors import StorageError

WIDTH, MEGABYTE = 64, 2**20


def open_store(folder):
    vector = VectorSpec(width=WIDTH, storage="fp16")
    return ZvecStore(folder, EngineSpec(kind="zvec", vectors={"fused": vector}), vector, 0)


def put(store, start, count):
    x_BD = np.random.default_rng(start).normal(size=(count, WIDTH)).astype(np.float32)
    keys = np.arange(start, start + count)
    store.put(keys, x_BD, pl.DataFrame({"product_id": [str(key) for key in keys]}))


def test_no_mapped_file_has_holes(tmp_path):
    store = open_store(tmp_path / "zvec")
    for step in ("put", "optimise"):
        put(store, 0, 3000) if step == "put" else store.optimise()
        files = [path.stat() for path in (tmp_path / "zvec").rglob("*.proxima")]
        assert files
        assert all(found.st_blocks * 512 >= found.st_size for found in files)
    store.close()


def test_files_may_vanish_while_they_are_looked_at(tmp_path, monkeypatch):
    store, walk = open_store(tmp_path / "zvec"), os.walk
    monkeypatch.setattr(os, "walk", lambda top: [*walk(top), (str(top), [], ["gone.proxima"])])
    put(store, 0, 100)
    store.optimise()
    assert len(store.nearest(np.ones(WIDTH, np.float32), 5, None)) >= 5
    store.close()


def test_writes_are_refused_while_there_is_room_for_them(tmp_path, monkeypatch):
    monkeypatch.setattr(zvec_store, "RESERVE_BYTES", 8 * MEGABYTE)
    with small_disk(tmp_path / "disk", 48 * MEGABYTE):
        store = open_store(tmp_path / "disk" / "zvec")
        put(store, 0, 2000)
        with pytest.raises(StorageError, match=r"needed to write safely|No space left") as told:
            put(store, 2000, 200_000)
        assert told.value.is_full
        assert len(store.nearest(np.ones(WIDTH, np.float32), 5, None)) >= 5
        with pytest.raises(StorageError):
            store.optimise()
        store.close()
