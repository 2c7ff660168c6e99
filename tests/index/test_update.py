"""Nightly changes: what differs is written and encoded, what is gone is deleted, no more."""

import json
import os
import shutil
from contextlib import closing

import numpy as np
import polars as pl
import pytest
from support.browsing import served, until
from support.indexes import opened, shop_rows, write_colours
from support.shops import image_bytes

from windowshop.data import read_dataset
from windowshop.errors import ConfigError, DataError, StorageError
from windowshop.index import (
    Changes,
    apply_changes,
    build_index,
    find_changes,
    open_index,
    require_few_removed,
    rollback,
    update_index,
)
from windowshop.progress import SILENT
from windowshop.service import Service


@pytest.fixture
def indexed(colours_model, tmp_path):
    """An index of a data folder of its own, whose images are older than the build."""
    data = write_colours(tmp_path / "data", shop_rows())
    for path in data.rglob("*.png"):
        os.utime(path, (1, 1))
    index, cache = tmp_path / "index", tmp_path / "cache"
    build_index(colours_model, read_dataset(data), index, cache, SILENT)
    (index / "update.json").unlink(missing_ok=True)
    return data, index, cache


@pytest.fixture(autouse=True)
def old_files(monkeypatch):
    """A file's time of change cannot be set: that of its content counts alone here."""
    monkeypatch.setattr("windowshop.index.update._changed_at", lambda found: found.st_mtime)


def rewrite(data, rows):
    for path in data.glob("products.*"):
        path.unlink()
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(data / "products.parquet")
    return read_dataset(data)


def changed_rows():
    """One product changed, one new, one gone."""
    rows = shop_rows(13)
    rows[3]["price"] = 99.0
    rows[4]["title"] = "a green hat"
    return [row for row in rows if row["product_id"] != "p7"]


def changes_of(index, data):
    with opened(index) as shop:
        return find_changes(shop, read_dataset(data))


def test_nothing_changed_is_nothing_written(indexed):
    data, index, _ = indexed
    found = changes_of(index, data)
    assert (len(found.rows), found.gone, found.num_same) == (0, (), 12)


def test_an_updated_index_is_as_one_that_is_built_anew(indexed, colours_model, tmp_path):
    data, index, cache = indexed
    dataset = rewrite(data, changed_rows())
    with opened(index) as shop_index:
        found = find_changes(shop_index, dataset)
        assert sorted(found.rows["product_id"]) == ["p12", "p3", "p4"]
        assert (found.num_new, found.num_changed, found.num_images) == (1, 2, 0)
        assert (found.gone, found.num_same) == (("p7",), 9)
        update_index(shop_index, found)
    build_index(colours_model, dataset, tmp_path / "anew", cache, SILENT)
    with opened(index) as updated, opened(tmp_path / "anew") as anew:
        ids = sorted(anew.collection.ids())
        assert sorted(updated.collection.ids()) == ids
        tables = [side.collection.products(ids) for side in (updated, anew)]
        names = [name for name in tables[1].columns if not name.startswith("_")]
        assert tables[0].select(names).equals(tables[1].select(names))
        query = anew.encode_queries(["green hat"], [None])
        hits = [side.collection.search(query, 12)[0] for side in (updated, anew)]
        assert [hit.product_id for hit in hits[0]] == [hit.product_id for hit in hits[1]]
        scores = [[hit.score for hit in side] for side in hits]
        np.testing.assert_allclose(*scores, atol=2e-3)
    assert len(changes_of(index, data).rows) == 0
    assert changes_of(index, data).gone == ()


def test_an_image_that_changed_under_its_name_is_seen_once(indexed):
    data, index, _ = indexed
    (data / "6.png").write_bytes(image_bytes(99, size=(40, 40)))
    with opened(index) as shop_index:
        before = shop_index.collection.search(
            shop_index.encode_images([data / "6.png"]), 1, name="photo"
        )[0][0]
        found = find_changes(shop_index, read_dataset(data))
        assert found.rows["product_id"].to_list() == ["p6"]
        assert (found.num_images, found.num_changed) == (1, 1)
        os.utime(data / "6.png", (found.began - 60, found.began - 60))
        update_index(shop_index, found)
        after = shop_index.collection.search(
            shop_index.encode_images([data / "6.png"]), 1, name="photo"
        )[0][0]
    assert (after.product_id, round(after.score, 2)) == ("p6", 1.0)
    assert after.score > before.score
    assert len(changes_of(index, data).rows) == 0


def test_a_feed_that_was_cut_off_deletes_nothing(indexed):
    data, index, _ = indexed
    rewrite(data, shop_rows()[:4])
    found = changes_of(index, data)
    with pytest.raises(DataError, match="8 of 12 products are not in the data any more, 67%"):
        require_few_removed(found, 0.2)
    require_few_removed(found, 1)
    assert len(changes_of(index, data).gone) == 8


def test_an_update_that_dies_is_finished_by_the_next(indexed):
    data, index, _ = indexed
    dataset = rewrite(data, changed_rows())
    with opened(index) as shop_index:
        found = find_changes(shop_index, dataset)

        def die(rows):
            shop_index.upsert(rows[:1])
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            apply_changes(found, die, shop_index.delete)
        left = find_changes(shop_index, dataset)
        assert (len(left.rows), left.gone) == (len(found.rows) - 1, ("p7",))
        update_index(shop_index, left)
        assert len(find_changes(shop_index, dataset).rows) == 0


def test_the_generation_before_follows(indexed, colours_model):
    data, index, cache = indexed
    build_index(colours_model, read_dataset(data), index, cache, SILENT)
    dataset = rewrite(data, changed_rows())
    with opened(index) as shop_index:
        update_index(shop_index, find_changes(shop_index, dataset))
    rollback(index)
    with opened(index) as shop_index:
        assert shop_index.collection.products(["p3"])["price"].to_list() == [99.0]
        assert "p7" not in shop_index.collection


def test_a_running_service_is_sent_the_changes(indexed):
    data, index, _ = indexed
    dataset = rewrite(data, changed_rows())
    with served(index, also=()) as address:
        with pytest.raises(StorageError, match="another process has it open"), opened(index):
            pass
        service = Service(address.rstrip("/"))
        with opened_to_read(index) as shop_index:
            found = find_changes(shop_index, dataset)
            apply_changes(found, service.write, service.delete)
        until(lambda: len(changes_read(index, data).rows) == 0)
        assert changes_read(index, data).gone == ()


def opened_to_read(index):
    return closing(open_index(index, read_only=True))


def changes_read(index, data):
    with opened_to_read(index) as shop:
        return find_changes(shop, read_dataset(data))


def test_images_that_lie_elsewhere_are_refused(indexed, tmp_path):
    data, index, _ = indexed
    other = shutil.copytree(data, tmp_path / "other")
    with opened(index) as shop_index, pytest.raises(ConfigError, match="images lie in"):
        find_changes(shop_index, read_dataset(other))


def test_a_service_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("windowshop.service.sending.WAIT_SECONDS", 0)
    with pytest.raises(StorageError, match="no answer"):
        Service("http://127.0.0.1:9").delete(["p1"])
    with pytest.raises(ConfigError, match="no address of a service"):
        Service("file:///etc/passwd")


def test_the_command_tells_and_does(indexed, cli):
    data, index, _ = indexed
    rewrite(data, changed_rows())
    told = cli("update", index, data, "--dry-run")
    assert told.code == 0, told.err
    counts = "1 new, 2 changed (0 in their images alone), 1 gone, 9 as they were"
    assert counts in told.out
    assert counts in cli("update", index, data).out
    assert "0 new, 0 changed" in cli("update", index, data).out
    rewrite(data, changed_rows()[:5])
    told = cli("update", index, data)
    assert told.code == 1
    assert "--max-removed" in told.err
    assert json.loads((index / "update.json").read_text())["began"] > 0


def test_changes_are_counted():
    found = Changes(rows=pl.DataFrame({"product_id": ["a", "b"]}), gone=("c",), num_new=1,
                    num_images=0, num_same=5, began=0.0)  # fmt: skip
    assert found.num_changed == 1
    require_few_removed(found, 0.15)
