"""Zip archives and other compressions of exports."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile

import pytest
from support.exports import csv_text, import_path, import_text

from windowshop.errors import DataError
from windowshop.imports import archives, import_shop, table_map

ROWS = [{"id": str(i), "title": f"Red shoe {i}", "price": f"{i}.50"} for i in range(1, 4)]
TEXT = csv_text(["id", "title", "price", "image"], *ROWS)


def zipped(files, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressions_of_the_library(tmp_path, pack):
    shop = import_text(tmp_path, "feed.csv.packed", pack(TEXT.encode()))
    assert shop.column("price") == {"1": 1.5, "2": 2.5, "3": 3.5}
    assert " in " in shop.report.read_as["kind"]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python reads zstd")
def test_zstd_that_cannot_be_unpacked_is_named(tmp_path):
    (tmp_path / "feed.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd rest")
    with pytest.raises(DataError, match="Unpack it by `zstd -d feed.csv.zst`"):
        import_shop(tmp_path / "feed.csv.zst", tmp_path / "shop")


def test_a_zip_of_one_table_or_of_several(tmp_path):
    shop = import_text(
        tmp_path, "one.zip", zipped({"a/feed.csv": TEXT, "__MACOSX/._feed.csv": "x"})
    )
    assert shop.column("title")["2"] == "Red shoe 2"
    assert shop.report.source.endswith("one.zip")
    more = csv_text(["id", "title", "price", "image"],
                    {"id": "9", "title": "Hat", "price": "1", "image": "pics/hat.jpg"})  # fmt: skip
    files = {"feed_1.csv": TEXT, "feed_2.csv": more, "pics/hat.jpg": b"picture", "notes.txt": "hi"}
    (tmp_path / "several.zip").write_bytes(zipped(files))
    several = import_path(tmp_path / "several.zip", tmp_path / "shop2")
    assert set(several.column("title")) == {"1", "2", "3", "9"}
    assert (several.folder / "pics" / "hat.jpg").read_bytes() == b"picture"
    assert several.report.passed_over == [str(tmp_path / "several.zip" / "notes.txt")]
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"one.zip", "several.zip", "shop", "shop2"}
    assert table_map(tmp_path / "one.zip").columns.first("title") == "title"


def test_members_that_lead_out_of_the_archive_are_left(tmp_path):
    outside = {"../up.csv": TEXT, "/root.csv": TEXT, "..\\back.csv": TEXT, "feed.csv": TEXT}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.zip").write_bytes(zipped(outside))
    shop = import_path(tmp_path / "in" / "bad.zip", tmp_path / "in" / "shop")
    assert len(shop.products) == 3
    assert not [*tmp_path.glob("*.csv"), *(tmp_path / "in").glob("*.csv")]


def test_bombs_and_damage_are_named_and_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MIN_BYTES", 1000)
    bomb = zipped({"feed.csv": TEXT + "9,a,1,\n" * 100_000})
    good = zipped({"feed.csv": TEXT})
    damaged = bytearray(good)
    damaged[len(good) // 3] ^= 0xFF
    cases = {"bomb": bomb, "damaged": bytes(damaged), "empty": zipped({})}
    messages = {"bomb": "holds more than", "damaged": "damaged", "empty": "holds no file"}
    for name, content in cases.items():
        (tmp_path / f"{name}.zip").write_bytes(content)
        with pytest.raises(DataError, match=messages[name]):
            import_shop(tmp_path / f"{name}.zip", tmp_path / "shop")
    assert {path.suffix for path in tmp_path.iterdir()} == {".zip"}


def test_check_says_what_an_archive_holds(tmp_path, cli):
    (tmp_path / "feed.zip").write_bytes(zipped({"feed.csv": TEXT}))
    told = cli("check", tmp_path / "feed.zip")
    assert "windowshop import" in told.out.replace("\n", " ")
    assert "feed.zip" in told.out
    assert "'title' is title" in told.out.replace("\n", " ")
