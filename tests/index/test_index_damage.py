"""An index that is read beside its writer, or damaged."""

import json
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import polars as pl
import pytest
from support.indexes import ids_of, opened

from windowshop.encoders.graphs import ImageGraph, TextGraph
from windowshop.errors import DamagedError, StorageError
from windowshop.files import write_manifest
from windowshop.index.check import check_generation, check_generations
from windowshop.index.open import GENERATION, open_index
from windowshop.index.product_table import open_products


@pytest.fixture
def index(colours_index, tmp_path):
    return shutil.copytree(colours_index, tmp_path / "index")


def test_an_index_is_read_beside_its_writer(index, cli):
    with opened(index) as shop:
        shop.upsert(pl.DataFrame({"product_id": ["x"], "title": ["a lilac clog"]}))
        shop.delete(["p1"])
        before = files_of(index)
        with closing(open_index(index, read_only=True)) as reader:
            assert set(reader.collection.ids()) == set(shop.collection.ids())
            query = reader.encode_queries(["a lilac clog"], [None])
            assert reader.collection.search(query, 3) == shop.collection.search(query, 3)
            with pytest.raises(StorageError, match="read only"):
                reader.delete(["x"])
        told = cli("search", index, "lilac clog", "--json")
        assert json.loads(told.out)["results"][0]["product_id"] == "x"
        assert files_of(index) == before
    before = files_of(index)
    with closing(open_index(index, read_only=True)) as reader:
        assert "x" in reader.collection
    assert files_of(index) == before


def files_of(folder):
    """Content of every file, without the memory that readers of a database share."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in paths if not path.name.endswith("-shm")}


def test_a_second_writer_is_refused(index):
    with opened(index):
        code = "import sys; from windowshop.index import open_index; open_index(sys.argv[1])"
        done = subprocess.run(
            [sys.executable, "-c", code, str(index)], capture_output=True, text=True, check=False
        )
        assert "StorageError" in done.stderr
        assert "another process has it open to write" in done.stderr


def flip(path, offset=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if offset is None else offset] ^= 4
    path.write_bytes(content)


def checked(index):
    """Number of products of g1 that agree with its vectors; every check of the index says so."""
    with closing(open_products(index, read_only=True)) as products:
        count = check_generation(index / "generations" / "g1", products)
    assert not [text for check in check_generations(index) for text in check.damage]
    return count


DAMAGES = {
    "snapshot": lambda g: flip(g / "snapshot.json"),
    "columns": lambda g: flip(next(g.glob("products-*"))),
    "engine": lambda g: flip(g / "engine-1" / "fused.rows", 100),
    "no engine": lambda g: shutil.rmtree(g / "engine-1"),
    "no snapshot": lambda g: (g / "snapshot.json").unlink(),
    "vectors": lambda g: (g / "vectors.db").write_bytes(b"x" * 50_000),
    "no vectors": lambda g: (g / "vectors.db").unlink(),
    "everything": lambda g: [
        shutil.rmtree(g / "engine-1"),
        *(p.unlink() for p in g.glob("*.db")),
        (g / "snapshot.json").unlink(),
    ],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_derived_and_damaged_is_made_again(index, damage, read_only):
    with opened(index) as shop:
        shop.upsert(pl.DataFrame({"product_id": ["x"], "title": ["a lilac clog"]}))
        query = shop.encode_queries(["a lilac clog"], [None])
        expected = shop.collection.search(query, 99)[0]
    assert checked(index) == 13
    DAMAGES[damage](index / "generations" / "g1")
    if "no" not in damage or damage == "no vectors":
        with pytest.raises(DamagedError, match="made again|as it was written"):
            checked(index)
    with closing(open_index(index, read_only=read_only)) as shop:
        found = shop.collection.search(query, 99)[0]
        if not read_only:
            shop.collection.rebuild()
            again = shop.collection.search(query, 99)[0]
    for hits in (found,) if read_only else (found, again):
        assert ids_of(hits) == ids_of(expected)
        assert [h.score for h in hits] == pytest.approx([h.score for h in expected], abs=1e-3)
    if not read_only:
        assert checked(index) == 13


def test_a_damaged_product_is_told(index):
    path = index / "shop.db"
    content = path.read_bytes()
    assert content.count(b"blue shoe number 4") == 1
    path.write_bytes(content.replace(b"blue shoe number 4", b"blue shoe number 5"))
    with opened(index) as shop:
        assert shop.collection.count() == 12
        with pytest.raises(DamagedError, match="'p4' of table products is damaged"):
            shop.collection.rebuild()
    damage = [text for check in check_generations(index) for text in check.damage]
    assert any("'p4' of table products is damaged" in text for text in damage)


def test_vectors_are_made_again_of_the_features_that_the_cache_has(index, monkeypatch):
    generation, encoded = index / "generations" / "g1", []
    for encoder in (TextGraph, ImageGraph):

        def noted(self, items, real=encoder.encode):
            encoded.extend(items)
            return real(self, items)

        monkeypatch.setattr(encoder, "encode", noted)
    with opened(index) as shop:
        shop.upsert(pl.DataFrame({"product_id": ["x"], "title": ["a lilac clog"]}))
        query = shop.encode_queries(["a lilac clog"], [None])
        expected = shop.collection.search(query, 99)[0]
        manifest = shop.manifest
    found = []
    for cache in (manifest.cache, str(index / "no cache")):
        write_manifest(generation, replace(manifest, cache=cache), GENERATION)
        DAMAGES["everything"](generation)
        encoded.clear()
        with opened(index) as shop:
            hits = shop.collection.search(query, 99)[0]
        assert ids_of(hits) == ids_of(expected)
        assert [h.score for h in hits] == pytest.approx([h.score for h in expected], abs=1e-3)
        found.append(list(encoded))
    assert len(found[0]) == 1  # the text of what was written since
    assert "lilac" in found[0][0]
    assert len(found[1]) > 12
