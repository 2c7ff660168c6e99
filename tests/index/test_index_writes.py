"""An index that is written online, and what becomes of the writes when it is built again."""

import json
import os
import shutil
from contextlib import closing
from dataclasses import replace

import polars as pl
import pytest
from support.indexes import IMAGES, ids_of, opened
from support.shops import image_bytes

from windowshop.data.dataset import read_dataset
from windowshop.data.images import BrokenImage, decode
from windowshop.errors import DataError
from windowshop.index import build
from windowshop.index.folder import (
    purge_deleted,
    remove_unfinished,
    remove_unnamed_images,
    rollback,
)
from windowshop.index.images import read_image, remove_uploads
from windowshop.index.product_table import open_products
from windowshop.model.retriever import load


@pytest.fixture
def index(colours_index, tmp_path):
    return shutil.copytree(colours_index, tmp_path / "index")


def test_a_write_is_found_in_both_spaces_and_fills_the_columns(index):
    sent = image_bytes(50, size=(40, 40))
    rows = pl.DataFrame(
        [
            {"product_id": "new", "title": "yellow coat", "price": "12.5"},
            {"product_id": "p1", "title": "blue shoe", "price": None},
        ]
    ).with_columns(
        attributes=pl.Series(
            ['{"colour": ["red", "blue"], "size": "L", "heel": "flat"}', '{"colour": 7}']
        )
    )
    with opened(index) as shop:
        report = shop.upsert(rows, {"new": sent})
        assert (report.num_upserted, report.problems) == (2, {})
        assert shop.collection.count() == 13
        new, p1 = shop.collection.products(["new", "p1"]).to_dicts()
        assert (new["colour"], new["size"], new["price"]) == ("red", ["L"], 12.5)
        assert (p1["colour"], p1["size"], p1["brand"], p1["stock"]) == ("7", None, None, None)
        assert (new["group_id"], "heel" in new) == ("new", False)
        assert json.loads(new["attributes"])["heel"] == "flat"
        found = shop.collection.search(shop.encode_images([sent]), 20, name="photo")[0]
        assert "p1" not in ids_of(found)  # replaced whole: its image is gone
        path = shop.image_path(new["image"])
        assert path.read_bytes() == sent
        assert path.parent == index / "photos"
        assert path.suffix == ".png"
        expected = shop.model.encode_rows(rows[:1], [[decode(sent)]]).fused
        assert shop.collection.search(expected, 1)[0][0].product_id == "new"
        assert shop.upsert(rows[:1], {"new": sent}).problems == {}
        assert len(list((index / "photos").iterdir())) == 1
        assert shop.delete(["new", "nobody"]) == 1
    with opened(index) as shop:
        assert shop.collection.count() == 12
        assert shop.collection.products(["p1"])["title"].to_list() == ["blue shoe"]


def test_broken_images_are_reported_and_the_product_kept(index, monkeypatch):
    monkeypatch.setattr("windowshop.index.images.MAX_FILE_BYTES", 100_000)
    rows = pl.DataFrame(
        {
            "product_id": ["a", "b", "c", "d"],
            "title": ["one", "two", "three", "four"],
            "image": [None, "0.png", "gone.png", "../../secret.png"],
            "images": [None, None, '["1.png", "0.png"]', None],
        }
    )
    with opened(index) as shop:
        report = shop.upsert(rows, {"a": b"no image", "b": bytes(100_001)})
        assert report.num_upserted == 4
        assert report.problems == {
            "a": "the image sent: not an image (no JPEG/PNG/WEBP/GIF/BMP/TIFF/AVIF header)",
            "b": "the image sent: too large (100001 bytes, limit 100000)",
            "c": "gone.png: missing (no such file)",
            "d": "../../secret.png: bad path ('../../secret.png' leads out of the data folder)",
        }
        images = shop.collection.products(["a", "b"])["image"].to_list()
        assert images == [None, "0.png"]
        found = shop.collection.search(shop.encode_images([IMAGES["0.png"]]), 99, name="photo")[0]
        assert {"a", "b", "c", "d"}.intersection(ids_of(found)) == {"b", "c"}
        texts = shop.collection.search(shop.encode_queries(["three"], [None]), 99)[0]
        assert {"a", "b", "c", "d"} <= set(ids_of(texts))
        assert not (index / "photos").exists()


def test_a_damaged_upload_is_not_used_and_sending_it_again_mends_it(index, cli):
    """A bit of a pixel that is another one, with which the image can be decoded."""
    sent = image_bytes(7, size=(40, 40), format="BMP")
    rows = pl.DataFrame({"product_id": ["new"], "title": ["a shoe"]})
    with opened(index) as shop:
        shop.upsert(rows, {"new": sent})
        name = shop.collection.products(["new"])["image"][0]
        path = shop.image_path(name)
        path.write_bytes(sent[:-1] + bytes([sent[-1] ^ 64]))
        again = rows.with_columns(image=pl.lit(name))
        problem = {"new": f"{name}: damaged (it is not what was sent)"}
        assert shop.upsert(again).problems == problem
        told = cli("check", index)
        assert told.code == 1
        assert f"{path}: is damaged (it is not what was sent). Send the products" in told.out
        assert read_image(name, path) == BrokenImage("damaged", "it is not what was sent")
        assert shop.upsert(rows, {"new": sent}).problems == {}
        assert path.read_bytes() == sent
        assert shop.upsert(again).problems == {}
        path.unlink()
        assert f"{path}: is missing (no such file). Send" in cli("check", index).out


def test_a_image_that_a_product_names_again_counts_once(index):
    images = ['["0.png", "0.png", "1.png"]', '["1.png"]']
    rows = pl.DataFrame({"product_id": ["a", "b"], "image": ["0.png", "0.png"], "images": images})
    with opened(index) as shop:
        shop.upsert(rows)
        found = shop.collection.search(shop.encode_images([IMAGES["1.png"]]), 99, name="photo")[0]
        scores = {hit.product_id: hit.score for hit in found}
        assert scores["a"] == pytest.approx(scores["b"], abs=1e-4)
        assert abs(scores["a"] - scores["p0"]) > 1e-3  # and both images do


@pytest.mark.parametrize(
    ("rows", "images", "message"),
    [
        ([{"title": "no id"}], {}, "product_id is empty"),
        ([{"product_id": "a"}, {"product_id": "a"}], {}, "stands in an earlier row"),
        ([{"product_id": "a", "price": "dear"}], {}, "column 'price' must hold numbers"),
        ([{"product_id": "a"}], {"b": b""}, "An image is of 'b', which is no product"),
        ([{"product_id": "a", "stock": "many"}], {}, "'stock' is of type String"),
    ],
)
def test_a_write_that_does_not_fit_changes_nothing(index, rows, images, message):
    with opened(index) as shop:
        with pytest.raises(DataError, match=message):
            shop.upsert(pl.DataFrame(rows), images)
        assert shop.collection.count() == 12
        assert shop.upsert(pl.DataFrame(rows[:0], schema={"product_id": pl.String})).problems == {}


def test_images_are_found_below_the_two_folders_only(index, colours, tmp_path):
    root = colours / "data"
    (tmp_path / "secret.png").write_bytes(image_bytes(1))
    (index / "photos").mkdir()
    (index / "photos" / "kept.png").write_bytes(image_bytes(1))
    links = {
        root / "out.png": tmp_path / "secret.png",
        index / "photos" / "out.png": tmp_path / "secret.png",
        root / "in.png": root / "0.png",
        root / "loop.png": root / "loop.png",
    }
    for link, target in links.items():
        link.symlink_to(target)
    try:
        with opened(index) as shop:
            found = {
                name: shop.image_path(name)
                for name in ("0.png", "in.png", str(root / "0.png"), "upload:kept.png")
            }
            assert found == {
                "0.png": root / "0.png",
                "in.png": root / "0.png",
                str(root / "0.png"): root / "0.png",
                "upload:kept.png": index / "photos" / "kept.png",
            }
            refused = [None, "", ".", "gone.png", "out.png", "loop.png", "\0", "x" * 5000]
            refused += [
                f"../{tmp_path.name}/secret.png",
                str(tmp_path / "secret.png"),
                "/etc/passwd",
            ]
            refused += [
                "upload:",
                "upload:out.png",
                "upload:../manifest.json",
                "upload:/etc/passwd",
            ]
            assert [name for name in refused if shop.image_path(name) is not None] == []
    finally:
        for link in links:
            link.unlink()


def written(index):
    """Every product's title, and the image's content where it has one."""
    rows = index.collection.products(index.collection.ids()).to_dicts()
    images = {row["product_id"]: index.image_path(row["image"]) for row in rows}
    return {
        row["product_id"]: (row["title"], images[row["product_id"]].read_bytes())
        for row in rows
        if images[row["product_id"]] is not None
    }


def during(monkeypatch, task):
    """Run a task in the middle of a build, after the data was read."""
    provide = build.gate_columns

    def meanwhile(parts):
        task()
        return provide(parts)

    monkeypatch.setattr(build, "gate_columns", meanwhile)


def test_what_is_written_during_a_build_wins(index, build_colours, monkeypatch):
    """Products changed, added and deleted meanwhile; the rest is as the data has it."""
    own = image_bytes(60, size=(40, 40))
    with opened(index) as old:
        old.upsert(pl.DataFrame({"product_id": ["early", "p3"], "title": ["gone", "gone too"]}))

        def write():
            rows = {"product_id": ["late", "p1"], "title": ["since then", "kept"]}
            old.upsert(pl.DataFrame(rows), {"late": own})
            old.delete(["p2", "p13"])

        during(monkeypatch, write)
        build_colours(index, "later")
        with opened(index) as new:
            assert new.generation == "g2"
            ids = {f"p{i}" for i in range(1, 14)} - {"p2"} | {"late"}
            assert set(new.collection.ids()) == ids
            assert written(new)["late"] == ("since then", own)
            titles = new.collection.products(["p1", "p3"])["title"].to_list()
            assert titles == ["kept", "red shoe number 3"]
            (hit, *_) = new.collection.search(new.encode_images([own]), 1, name="photo")[0]
            assert hit.product_id == "late"
            assert old.collection.is_behind
            old.collection.catch_up()
            assert set(old.collection.ids()) == ids


def test_a_build_of_the_same_data_changes_no_product(index, build_colours, monkeypatch):
    with opened(index) as old:
        before = old.collection.seq
        during(monkeypatch, lambda: None)
        build_colours(index)
        assert old.collection.seq == before
        assert not old.collection.is_behind
    with opened(index) as new:
        assert new.collection.count() == 12
        monkeypatch.setattr(type(new), "_encode", None)  # nothing is left to encode
        new.collection.rebuild()
        assert new.collection.count() == 12


def test_a_build_may_change_types_of_columns(index, colours):
    later = read_dataset(colours / "later")
    dated = later.products.with_columns(stock=pl.col("stock").cast(pl.String) + " left")
    with opened(index) as old:
        model = load(colours / "model")
        build.build_index(
            model,
            replace(later, products=dated),
            index,
            colours / "cache",
            config=build.IndexConfig(engine="exact"),
        )
        with opened(index) as new:
            assert new.collection.products(["p1"])["stock"].to_list() == ["1 left"]
        old.collection.catch_up()
        assert old.collection.products(["p1"])["stock"].to_list() == ["1 left"]
        assert old.collection.count() == 13


def test_a_rollback_keeps_every_write(index, build_colours, cli):
    build_colours(index, "later")
    with opened(index) as new:
        new.upsert(pl.DataFrame({"product_id": ["p0", "x"], "title": ["changed", "added"]}))
        new.delete(["p3"])
    assert cli("revert-index", index).out.endswith("generation g1 is current\n")
    with opened(index) as old:
        assert old.generation == "g1"
        assert set(old.collection.ids()) == {f"p{i}" for i in range(14)} - {"p3"} | {"x"}
        assert old.collection.products(["p0"])["title"].to_list() == ["changed"]
        query = old.encode_queries(["added"], [None])
        assert "x" in ids_of(old.collection.search(query, 99)[0])
        old.delete(["x"])
    rollback(index)
    with opened(index) as new:
        assert "x" not in new.collection


def test_images_that_nobody_names_are_removed(index, build_colours):
    """Named by a product, by none; and what a write has just put."""
    folder = index / "photos"

    def put(shop, name, seed, **further):
        row = pl.DataFrame({"product_id": [name], "title": ["a shoe"], **further})
        sent = {name: image_bytes(seed, size=(40, 40))} if seed else None
        shop.upsert(row, sent)
        return (shop.collection.products([name])["image"][0] or "").removeprefix("upload:")

    def age(*names):
        for name in names or [path.name for path in folder.iterdir()]:
            os.utime(folder / name, (1, 1))

    with opened(index) as shop, closing(open_products(index)) as products:
        assert remove_unnamed_images(index, products) == 0  # no image was ever sent
        replaced, gone, further = (put(shop, f"n{i}", 70 + i) for i in range(3))
        shop.delete(["n1"])
        kept = put(shop, "n0", 80)
        put(shop, "n3", 0, images=[json.dumps(["extra.png", f"upload:./{further}"])])
        shop.delete(["n2"])
        assert remove_unnamed_images(index, products) == 0  # young
        age()
        young = folder / "young.png"
        young.write_bytes(b"a write in progress has put it")
        assert remove_unnamed_images(index, products) == 2
        assert {path.name for path in folder.iterdir()} == {kept, further, "young.png"}
        assert {replaced, gone}.isdisjoint({kept, further})


def test_deleted_products_are_forgotten_once_every_generation_is_past_them(index, build_colours):
    build_colours(index)
    with opened(index) as shop, closing(open_products(index)) as products:
        shop.delete(["p1", "p2"])
        shop.collection.save_snapshot()
        assert purge_deleted(index, products) == 0  # g1 has not seen it
        with opened(index, "g1") as old:
            assert "p1" not in old.collection
        assert purge_deleted(index, products) == 1  # the latest change stays
        shop.upsert(pl.DataFrame({"product_id": ["p1"], "title": ["back"]}))
        shop.collection.compact()
        assert len(shop.collection._store.versions()) == 11
    with opened(index) as shop:
        assert shop.collection.count() == 11


def test_tables_that_a_kill_left_go_where_nobody_writes(index, build_colours):
    build_colours(index)
    left = [path / ".products-x.parquet.writing" for path in (index / "generations").iterdir()]
    for path in left:
        path.write_bytes(b"half")
    with opened(index):
        remove_unfinished(index)
        assert sorted(path.parent.name for path in left if path.exists()) == ["g2"]
    remove_unfinished(index)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("by", ["content", "name"])
def test_a_write_that_names_an_old_image_keeps_it(index, by):
    """Between the look for names and the removal, whichever comes first."""
    sent = image_bytes(90, size=(40, 40))
    with opened(index) as shop:
        shop.upsert(pl.DataFrame({"product_id": ["a"], "title": ["a"]}), {"a": sent})
        (image,) = shop.collection.products(["a"])["image"]
        path = shop.image_path(image)
        shop.delete(["a"])
        os.utime(path, (1, 1))
        row = pl.DataFrame({"product_id": ["b"], "title": ["b"]})

        def write_meanwhile(*args):
            again = row if by == "content" else row.with_columns(image=pl.lit(image))
            report = shop.upsert(again, {"b": sent} if by == "content" else None)
            assert report.problems == {}
            return remove_uploads(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("windowshop.index.folder.remove_uploads", write_meanwhile)
            assert remove_unnamed_images(index, shop.collection._products) == 0
        assert path.read_bytes() == sent
        shop.delete(["b"])
        os.utime(path, (1, 1))
        assert remove_unnamed_images(index, shop.collection._products) == 1
        shop.upsert(row, {"b": sent})  # it comes again
        assert path.read_bytes() == sent
