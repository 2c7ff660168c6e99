# ruff: noqa: E501
"""Any table: separators, encodings, names in several languages, the mapping file, defects."""

import gzip
import json

import polars as pl
import pytest
from support.exports import csv_text, import_path, import_text
from support.workbooks import workbook

from windowshop.data import check_dataset, read_products
from windowshop.errors import ConfigError, DataError
from windowshop.imports import ImportOptions, import_shop
from windowshop.imports.column_map import guess_map

GERMAN = """Artikelnr;Bezeichnung;Langtext;Marke;Warengruppe;VK;Bild;Farbe;Lagernd;Seit
00123;Grüner Mantel;"<p>Warm &amp; zart";Müller;Damen > Mäntel;1.299,00 EUR;a.jpg;grün;ja;31.12.2023
00124;Rote Mütze;Schön;Müller;Damen > Mützen;19,99 EUR;b.jpg;rot;nein;01.05.2024
00125;Blaue Hose;Weit;Großmann;Herren > Hosen;59,00 EUR;c.jpg;blau;ja;02.06.2024
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
def test_a_german_table_in_any_encoding(tmp_path, encoding):
    shop = import_text(tmp_path, "artikel.csv", GERMAN, encoding=encoding)
    coat = shop.row("00123")
    assert coat["title"] == "Grüner Mantel"
    assert coat["description"] == "Warm & zart"
    assert (coat["price"], coat["currency"]) == (1299.0, "EUR")
    assert (coat["brand"], coat["category"]) == ("Müller", "Damen > Mäntel")
    assert (coat["image"], coat["Farbe"], coat["Lagernd"]) == ("a.jpg", "grün", True)
    assert str(coat["Seit"]) == "2023-12-31"
    assert shop.notes == {"html": 1, "missing-image": 3}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("sku,nom,description,marque,catégorie,prix", "fr"),
        ("referencia,nombre,descripción,marca,categoría,precio", "es"),
        ("codice,nome,descrizione,marca,categoria,prezzo", "it"),
        ("artikelcode,naam,omschrijving,merk,categorie,prijs", "nl"),
        ("código,nome,descrição,marca,categoria,preço", "pt"),
        ("kod,nazwa,opis,marka,kategoria,cena", "pl"),
        ("artikelnummer,namn,beskrivning,märke,kategori,pris", "sv"),
        ("productCode,productName,longDescription,brandName,categoryPath,unitPrice", "en"),
        ("ID,Title,Body,Manufacturer,Department,Selling Price", "en"),
    ],
)
def test_names_of_columns_in_several_languages(tmp_path, header, language):
    rows = (
        '\nA1,"Robe, rouge",x y,Acme,A > B,"12,50 €"\nA2,Robe bleue,x z,Acme,A > C,"1.300,00 €"\n'
    )
    shop = import_text(tmp_path, "t.csv", header + rows)
    row = shop.row("A1")
    assert (row["title"], row["description"], row["brand"]) == ("Robe, rouge", "x y", "Acme")
    assert (row["category"], row["price"], row["currency"]) == ("A > B", 12.5, "EUR")
    assert shop.row("A2")["price"] == 1300


@pytest.mark.parametrize("separator", [";", "\t", "|", ",", "^"])
def test_separators(tmp_path, separator):
    rows = [["id", "title", "price"], ["1", "Red shoe", "5.00"], ["2", "Blue shoe", "7.50"]]
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    shop = import_text(tmp_path, "t.txt", text)
    assert shop.column("price") == {"1": 5.0, "2": 7.5}


def test_quotes_inch_signs_and_line_ends(tmp_path):
    text = 'id,title,price\r1,27" monitor,5\r2,"a ""b"", c",6\r3,"two\nlines",7\r'
    shop = import_text(tmp_path, "t.csv", text)
    assert shop.column("title") == {"1": '27" monitor', "2": 'a "b", c', "3": "two lines"}
    escaped = import_text(tmp_path, "e.csv", 'id,title,price\n1,"27\\" monitor, new",5\n2,b,6\n')
    assert escaped.row("1")["title"] == '27" monitor, new'


def test_other_forms_of_a_table(tmp_path):
    rows = [
        {"id": "007", "title": "Red shoe", "price": 5.5, "sizes": ["S", "M"]},
        {"id": "008", "title": "Blue shoe", "price": 7.0, "sizes": ["L"]},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    forms = {
        "t.jsonl": lines.encode(),
        "t.jsonl.gz": gzip.compress(lines.encode()),
        "t.json": json.dumps(rows).encode(),
        "nested.json": json.dumps({"data": {"products": rows, "total": 2}}).encode(),
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
    for name in (*forms, "t.parquet"):
        shop = import_path(tmp_path / name, tmp_path / f"shop-{name}")
        assert shop.column("price") == {"007": 5.5, "008": 7.0}, name
        assert shop.row("007")["sizes"] == ["S", "M"], name


def test_defects_are_told_with_their_rows(tmp_path):
    text = csv_text(
        ["sku", "name", "price", "image", "colour", "nothing"],
        {"sku": "1", "name": "Red shoe", "price": "5.00", "image": "http://x.example/1.jpg"},
        {"sku": "", "name": "No id", "price": "on request"},
        {"sku": "1", "name": "Red shoe", "price": "5.00", "image": "http://x.example/1.jpg"},
        {"sku": "1", "name": "Another shoe", "price": "6.00"},
        {"sku": "5", "price": "1.00"},
        {"sku": "6", "name": "cafÃ© chair", "price": "2.00", "colour": "red"},
    )
    shop = import_text(tmp_path, "t.csv", text)
    assert shop.notes == {
        "no-id": 1,
        "bad-price": 1,
        "no-price": 1,
        "repeated-row": 1,
        "repeated-id": 1,
        "no-content": 1,
        "mended-text": 1,
    }
    assert shop.report.notes["no-id"].rows == [2]
    assert shop.report.notes["repeated-id"].rows == [4]
    assert shop.report.empty_columns == ["nothing"]
    assert shop.row("6")["title"] == "café chair"
    assert len(shop.products) == 3
    written = json.loads((shop.folder / "import_report.json").read_text())
    assert {note["kind"] for note in written["notes"]} == set(shop.notes)


def test_rows_of_another_encoding_and_of_too_many_fields(tmp_path):
    good = "".join(f"{i},Grün {i}\n" for i in range(2, 20)).encode()
    content = b"id,title\n1,Gr\xfcn\n" + good + b"20,a,b,c\n21,a,b,c,d,e,f\n"
    shop = import_text(tmp_path, "t.csv", content)
    assert shop.row("1")["title"] == "Grün"
    assert shop.notes["mixed-encoding"] == 1
    assert shop.row("20")["title"] == "a,b,c"
    assert (shop.notes["joined-fields"], shop.notes["too-many-fields"]) == (1, 1)
    assert shop.report.notes["too-many-fields"].rows == [21]


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        ("cp1251", "Красное платье"),
        ("cp1250", "Čierna čiapka žltá šál"),
        ("cp932", "赤いドレスです"),
        ("cp1253", "Κόκκινο φόρεμα"),
    ],
)
def test_other_code_pages(tmp_path, encoding, word):
    rows = "".join(f"{i},{word} {i}\n" for i in range(40))
    shop = import_text(tmp_path, "t.csv", f"id,title\n{rows}", encoding=encoding)
    assert shop.row("7")["title"] == f"{word} 7"


def test_a_mapping_is_written_corrected_and_read(tmp_path, cli):
    text = "a,b,c\nX-1,12,rot\nX-2,13,blau\n"
    (tmp_path / "t.csv").write_text(text)
    told = cli("import", tmp_path / "t.csv", "--out", tmp_path / "shop")
    assert told.code == 1
    assert "no column is known to hold title" in told.err
    assert not (tmp_path / "shop").exists()
    path = tmp_path / "shop.map.yaml"
    assert '"c": keep  # rot | blau' in path.read_text()
    path.write_text(path.read_text().replace('"c": keep', '"c": title').replace(
        '"b": keep', '"b": price'))  # fmt: skip
    told = cli("import", tmp_path / "t.csv", "--out", tmp_path / "shop", "--map", path)
    assert told.code == 0, told.err
    products = pl.read_parquet(tmp_path / "shop" / "products.parquet")
    assert products.select("product_id", "title", "price").rows() == [
        ("X-1", "rot", 12.0),
        ("X-2", "blau", 13.0),
    ]


def test_the_mapping_can_be_asked_for(tmp_path, cli):
    (tmp_path / "t.csv").write_text(GERMAN)
    told = cli("import", tmp_path / "t.csv", "--write-map", tmp_path / "map.yaml")
    assert told.code == 0, told.err
    text = (tmp_path / "map.yaml").read_text()
    assert '"Bezeichnung": title  # Grüner Mantel | Rote Mütze | Blaue Hose' in text
    assert 'decimal: ","' in text
    told = cli(
        "import", tmp_path / "t.csv", "--out", tmp_path / "s", "--map", tmp_path / "map.yaml"
    )
    assert told.code == 0, told.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: {x: title}", "has no column 'x'"),
        ("columns: {id: titel}", "found 'titel', need one of product_id"),
        ("columns: {id: title, name: title}", "id, name are all title"),
        ("column: {id: title}", "'column' is unknown"),
        ("format: shopyfy", "'shopyfy' is unknown"),
    ],
)
def test_a_wrong_mapping_is_named(tmp_path, text, message):
    (tmp_path / "t.csv").write_text("id,name\n1,Red\n")
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        import_shop(tmp_path / "t.csv", tmp_path / "shop", ImportOptions(map=tmp_path / "map.yaml"))


def test_what_names_do_not_tell_values_do():
    header = ["c1", "c2", "c3", "c4", "c5"]
    sample = [
        {"c1": f"{1000 + i}", "c2": f"A very red shoe {i}", "c3": f"{i}9,90 €",
         "c4": f"https://x.example/{i}.jpg", "c5": "Shoes > Red"}
        for i in range(20)
    ]  # fmt: skip
    found, certainty = guess_map(header, sample)
    assert list(found.columns.values()) == ["product_id", "title", "price", "images", "category"]
    assert 0 < certainty < 0.6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04....", "is a zip archive"),
        (gzip.compress(b"id,title\n" + b"1,a\n" * 5000, mtime=0)[:40], "cut or damaged"),
        (b'{"products": [{"id": 1, "title": "a"}, {"id": 2', "is no JSON after record 1"),
        (b"<rss><channel><item><id>1</id><title>a</title></item><item>", "is no sound XML"),
        (b'id,title,price\n1,"open\n' + b"2,a,3\n" * 300, "quote that opens a field is not closed"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG image"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_left(tmp_path, content, message):
    (tmp_path / "t.dat").write_bytes(content)
    with pytest.raises(DataError, match=message):
        import_shop(tmp_path / "t.dat", tmp_path / "shop")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.dat"]


def test_a_folder_of_other_files_is_not_replaced(tmp_path):
    (tmp_path / "t.csv").write_text("id,title\n1,Red\n")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "products.csv").write_text("product_id,title\n9,Mine\n")
    with pytest.raises(DataError, match="holds files that no import made"):
        import_shop(tmp_path / "t.csv", tmp_path / "shop")
    shop = import_path(tmp_path / "t.csv", tmp_path / "shop", replace=True)
    assert shop.column("title") == {"1": "Red"}
    assert read_products(tmp_path / "shop")["title"].to_list() == ["Red"]


def test_a_second_import_keeps_images_and_a_corrected_file(tmp_path):
    shop = import_text(tmp_path, "t.csv", "id,title\n1,Red\n")
    (shop.folder / "mine.jpg").write_bytes(b"image")
    columns = shop.folder / "columns.yaml"
    columns.write_text(columns.read_text().replace("language: ", "language: de  # "))
    again = import_text(tmp_path, "t.csv", "id,title\n1,Red\n2,Blue\n")
    assert len(again.products) == 2
    assert (again.folder / "mine.jpg").exists()
    assert "language: de" in columns.read_text()


def test_images_beside_the_source_come_along(tmp_path):
    source = tmp_path / "export"
    (source / "pics").mkdir(parents=True)
    (source / "pics" / "a.jpg").write_bytes(b"image a")
    (source / "t.csv").write_text(
        "id,title,image\n1,Red,pics/a.jpg\n2,Blue,pics/b.jpg\n3,Up,../x.jpg\n"
    )
    shop = import_path(source / "t.csv", tmp_path / "shop")
    assert (shop.folder / "pics" / "a.jpg").read_bytes() == b"image a"
    assert shop.notes == {"missing-image": 1, "image-outside": 1}
    assert shop.report.counts["images"] == 1


def test_an_interrupted_import_leaves_nothing(tmp_path, monkeypatch):
    from windowshop.imports import writing

    (tmp_path / "t.csv").write_text("id,title\n1,Red\n")

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing.ProductWriter, "finish", stop)
    with pytest.raises(KeyboardInterrupt):
        import_shop(tmp_path / "t.csv", tmp_path / "shop")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_an_import_is_a_sound_data_folder(tmp_path):
    shop = import_text(tmp_path, "artikel.csv", GERMAN.replace(";Bild;", ";Notiz;"))
    report = check_dataset(shop.folder)
    assert report.ok
    assert read_products(shop.folder)["Lagernd"].to_list() == [True, False, True]


def test_a_workbook_with_a_title_above_its_header(tmp_path):
    rows = [
        ["Artikel & Preise"],
        [],
        ["Artikelnummer", "Bezeichnung", "Preis", "Farbe"],
        [4711, "Roter Hut", 19.9, "rot"],
        ["0042", "Blauer Hut", 5, None],
    ]
    shop = import_text(tmp_path, "artikel.xlsx", workbook(rows))
    assert shop.column("title") == {"4711": "Roter Hut", "0042": "Blauer Hut"}
    assert shop.column("price") == {"4711": 19.9, "0042": 5.0}
    assert shop.row("4711")["Farbe"] == "rot"


def test_a_data_folder_in_csv_comes_back_as_it_was(tmp_path):
    text = csv_text(
        ["product_id", "group_id", "title", "category", "price", "attributes", "image", "sizes"],
        {"product_id": "a1", "group_id": "a", "title": "Red coat", "category": "A > B", "price": "5",
         "attributes": '{"colour": "red", "warm": true}', "image": "i/1.jpg", "sizes": '["S", "M"]'},
        {"product_id": "a2", "group_id": "a", "title": "Blue coat", "category": "A > B", "price": "6",
         "attributes": '{"colour": "blue"}', "image": "i/2.jpg", "sizes": '["L"]'},
    )  # fmt: skip
    shop = import_text(tmp_path, "products.csv", text)
    coat = shop.row("a1")
    assert json.loads(coat["attributes"]) == {"colour": "red", "warm": True}
    assert (coat["group_id"], coat["image"], coat["sizes"]) == ("a", "i/1.jpg", ["S", "M"])
