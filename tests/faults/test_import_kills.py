"""Imports that are killed, interrupted or find damaged parts: they end as one that was not."""

import gzip
import json
import os
import shutil
import signal

import polars as pl
import pytest
from support.exports import csv_text
from support.faults import damages, files_of, some, tried
from support.killing import Run, kills, run_command

from windowshop.cli.entry import STOPPED
from windowshop.errors import DataError, StorageError
from windowshop.imports import ImportOptions, import_shop, normalise, writing
from windowshop.progress import SilentReporter

AGAIN = some(2, 4)
"""Kills from one that is followed by another, in what goes on, to the next such."""
PART_ROWS = 20


def _facts(number):
    """One product; some repeat another, have no id, HTML, bad prices or letters decoded twice."""
    name = number - 25 if number in (41, 67) else number
    return {
        "id": "" if number % 31 == 7 else f"A{name:03}" if number != 70 else "A001",
        "title": f"Café coat {name}" if number % 9 else f"CafÃ© <b>coat</b> {name}",
        "description": f"<p>Soft &amp; warm {name}.</p>",
        "price": "ask" if number % 17 == 3 else f"{name}.50 EUR",
        "link": f"https://x.example/{name}",
        "image_link": f"https://x.example/{name}.jpg",
        "availability": "in stock" if name % 2 else "out of stock",
        "brand": f"Brand {name % 5}",
        **({"season": "winter"} if number > 50 else {}),
        **({"weave": "twill", "care": "30 °C"} if number in (33, 88) else {}),
    }


def _csv(folder):
    """A Shopify export, products of three variants each, which parts cut."""
    rows = []
    for handle in range(30):
        first = {"Title": f"Coat {handle}", "Vendor": "Acme", "Body (HTML)": "<p>Soft</p>"}
        for size in "SML":
            row = {"Handle": f"coat-{handle}", "Option1 Name": "Size", "Option1 Value": size}
            sku = "" if handle % 7 == 0 else f"C{handle % 25}-{size}"
            row |= {"Variant SKU": sku, "Variant Price": f"{handle}.00"}
            rows.append(row | first | {"Image Src": f"https://x.example/{handle}-{size}.jpg"})
            first = {}
        rows.append({"Handle": f"coat-{handle}", "Image Src": f"https://x.example/{handle}.jpg"})
    header = ["Handle", "Title", "Vendor", "Body (HTML)", "Option1 Name", "Option1 Value",
              "Variant SKU", "Variant Price", "Image Src"]  # fmt: skip
    path = folder / "products.csv"
    path.write_text(csv_text(header, *rows), encoding="utf-8")
    return path


def _jsonl(folder):
    path = folder / "products.jsonl"
    lines = [json.dumps(_facts(i)) for i in range(90)]
    path.write_text("\n".join([*lines[:30], '{"id": ', *lines[30:]]) + "\n", encoding="utf-8")
    return path


def _xml(folder):
    items = []
    for i in range(90):
        facts = {n: v.replace("&", "&amp;").replace("<", "&lt;") for n, v in _facts(i).items()}
        items.append("".join(f"<g:{n}>{v}</g:{n}>" for n, v in facts.items()))
    path = folder / "feed.xml"
    body = "".join(f"<item>{item}</item>" for item in items)
    path.write_text(
        '<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>'
        f"{body}</channel></rss>",
        encoding="utf-8",
    )
    return path


SOURCES = {"csv": _csv, "jsonl": _jsonl, "xml": _xml}


def run_import(source, out):
    """Run `windowshop import` in this process, with small parts."""
    writing.PART_ROWS = PART_ROWS
    run_command(["import", str(source), "--out", str(out)])


class Notes(SilentReporter):
    """Keeps what is told."""

    def __init__(self):
        self.told = []

    def note(self, text):
        self.told.append(text)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(writing, "PART_ROWS", PART_ROWS)


@pytest.fixture
def num_read(monkeypatch):
    """Records whose values were read, one entry each."""
    read, real = [], normalise.Normaliser.row

    def row(self, record):
        read.append(record.row)
        return real(self, record)

    monkeypatch.setattr(normalise.Normaliser, "row", row)
    return read


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files_of(folder)}


def stopped(source, out, monkeypatch, num_parts=3):
    """Interrupt an import after some parts."""
    real = writing.ProductWriter.keep

    def keep(self, *given):
        real(self, *given)
        if len(self._files) == num_parts:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(writing.ProductWriter, "keep", keep)
        with pytest.raises(KeyboardInterrupt):
            import_shop(source, out)
    parts = out.with_name(f".{out.name}.import")
    assert [path.name for path in sorted(parts.glob("part-*"))] == [
        f"part-{i:05}" for i in range(num_parts)
    ]
    return parts


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_an_import_that_dies_goes_on_to_the_same_files(kind, tmp_path):
    """Over an earlier import where it is one of XML: its files are replaced one by one."""
    source, place = SOURCES[kind](tmp_path), tmp_path / "place"
    out, earlier = place / "shop", tmp_path / "earlier"
    import_shop(source, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", earlier)
    (earlier / "products.parquet").write_bytes(b"of another day")
    whole = contents(tmp_path / "whole")
    before = contents(earlier) if kind == "xml" else {}

    def prepare():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if before:
            shutil.copytree(earlier, out)

    given = (f"import of {kind}", place, prepare, run_import, source, out)
    for number, moment in enumerate(kills(*given, count=some(5, 70))):
        assert before or not out.exists() or contents(out) == whole, moment
        for name in {*before} & {*whole}:
            assert (out / name).read_bytes() in (before[name], whole[name]), (moment, name)
        if number % AGAIN == 0:  # once more, within what goes on
            Run(run_import, source, out).end(seconds=0.05)
        import_shop(source, out)
        assert contents(out) == whole, moment
        assert [path.name for path in place.iterdir()] == ["shop"], moment


@pytest.mark.slow
def test_an_interrupted_import_goes_on(tmp_path, num_read):
    source, out = _xml(tmp_path), tmp_path / "shop"
    whole = Run(run_import, source, tmp_path / "whole")
    assert whole.end()
    run = Run(run_import, source, out, moments=[whole.num_changes // 2])
    for _ in run.moments():
        os.kill(run.process.pid, signal.SIGINT)
    assert run.process.exitcode == STOPPED
    assert not out.exists()
    import_shop(source, out)
    assert 0 < len(num_read) <= 90 - PART_ROWS
    assert contents(out) == contents(tmp_path / "whole")


def test_what_is_written_is_not_read_again(tmp_path, monkeypatch, num_read):
    source = _jsonl(tmp_path)
    import_shop(source, tmp_path / "whole")
    stopped(source, tmp_path / "shop", monkeypatch)
    num_before = len(num_read) - 90
    notes = Notes()
    import_shop(source, tmp_path / "shop", reporter=notes)
    assert len(num_read) == 2 * 90
    assert num_before > 3 * PART_ROWS
    assert notes.told == ["Goes on with the import that was stopped, after 60 products."]
    assert contents(tmp_path / "shop") == contents(tmp_path / "whole")


@pytest.mark.parametrize("change", ["content", "option", "mapping", "path"])
def test_another_source_or_option_starts_afresh_and_says_so(
    change, tmp_path, monkeypatch, num_read
):
    source, options = _jsonl(tmp_path), ImportOptions()
    stopped(source, tmp_path / "shop", monkeypatch)
    if change == "content":
        source.write_text(source.read_text("utf-8").replace("warm 3.", "cosy 3."), "utf-8")
    elif change == "option":
        options = ImportOptions(currency="USD")
    elif change == "mapping":
        (tmp_path / "map.yaml").write_text(
            "format: table\ncolumns:\n  id: product_id\n  title: title\n"
        )
        options = ImportOptions(map=tmp_path / "map.yaml")
    else:
        source = source.rename(tmp_path / "other.jsonl")
    num_read.clear()
    notes = Notes()
    import_shop(source, tmp_path / "shop", options, reporter=notes)
    assert len(num_read) == 90
    assert [text.split(":")[0] for text in notes.told] == ["Starts afresh"]
    import_shop(source, tmp_path / "whole", options)
    assert contents(tmp_path / "shop") == contents(tmp_path / "whole")


def test_a_damaged_part_is_named_and_made_again(tmp_path, monkeypatch, num_read):
    source = _jsonl(tmp_path)
    import_shop(source, tmp_path / "whole")
    parts = stopped(source, tmp_path / "shop", monkeypatch)
    shutil.copytree(parts, tmp_path / "kept")
    for name, content in contents(parts / "part-00001").items():
        for damage, changed in damages(content, some(2, 40)):
            if changed is not None and changed.strip() == content.strip():
                continue  # without the line end behind its JSON a manifest says the same
            shutil.rmtree(parts, ignore_errors=True)
            shutil.copytree(tmp_path / "kept", parts)
            path = parts / "part-00001" / name
            path.unlink() if changed is None else path.write_bytes(changed)
            num_read.clear()
            notes = Notes()
            import_shop(source, tmp_path / "shop", reporter=notes)
            assert len(notes.told) == 2, damage
            assert str(path) in notes.told[0] or str(path.parent) in notes.told[0]
            assert "after 20 products" in notes.told[1]
            assert 90 - 2 * PART_ROWS < len(num_read) <= 90 - PART_ROWS
            assert contents(tmp_path / "shop") == contents(tmp_path / "whole")
            tried("damage", "part of an import", outcome="named")
            shutil.rmtree(tmp_path / "shop")


def test_a_second_import_to_the_same_folder_is_refused(tmp_path):
    source, out = _jsonl(tmp_path), tmp_path / "shop"

    class Second(SilentReporter):
        def bar(self, name, total):
            with pytest.raises(StorageError, match="another import writes it"):
                import_shop(source, out)
            return super().bar(name, total)

    import_shop(source, out, reporter=Second())
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name, "shop"]


def test_a_source_that_cannot_be_read_to_its_end_leaves_nothing(tmp_path):
    rows = "".join(f"P{i},Coat {i}\n" for i in range(50))
    packed = gzip.compress(("id,title\n" + rows + "x" * 200_000).encode())
    source = tmp_path / "feed.csv.gz"
    source.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"feed.csv.gz"):
        import_shop(source, tmp_path / "shop")
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_images_in_the_source_come_along_after_a_stop(tmp_path, monkeypatch):
    source = tmp_path / "photos.parquet"
    rows = [{"title": f"Coat {i}", "image": {"bytes": b"\xff\xd8\xff" + bytes([i]) * 50}}
            for i in range(90)]  # fmt: skip
    pl.DataFrame(rows).write_parquet(source)
    import_shop(source, tmp_path / "whole")
    parts = stopped(source, tmp_path / "shop", monkeypatch)
    first = next(path for path in sorted(parts.glob("images/*/*")))
    first.write_bytes(b"")  # what a power loss may leave
    import_shop(source, tmp_path / "shop")
    assert contents(tmp_path / "shop") == contents(tmp_path / "whole")
    assert len(list((tmp_path / "shop" / "images").glob("*/*.jpg"))) == 90
