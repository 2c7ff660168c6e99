"""`windowshop check` on folders and files that are nearly right."""

import json

import pytest
from support.exports import import_text
from support.shops import PRODUCTS, image_bytes, write_shop, write_table

from windowshop.data import lexical_texts, read_products
from windowshop.engines import count_terms
from windowshop.evaluation import BM25

HOUSE = "Artikelnummer;Bezeichnung;Preis\n007;Grüner Hut;1.299,00 EUR\n008;Roter Hut;5,00 EUR\n"


def findings(cli, folder):
    told = cli("check", folder, "--json")
    return told.code, {f["code"]: f for f in json.loads(told.out)["findings"]}


def test_a_folder_of_an_export_says_how_to_import_it(tmp_path, cli):
    (tmp_path / "artikel.csv").write_text(HOUSE)
    code, found = findings(cli, tmp_path)
    assert code == 1
    assert "'Artikelnummer' is product_id, 'Bezeichnung' is title" in found["to-import"]["found"]
    assert (
        f"windowshop import {tmp_path / 'artikel.csv'} --out SHOP" in found["to-import"]["remedy"]
    )
    assert "no-products" in found


def test_a_file_that_cannot_be_read_is_named(tmp_path, cli):
    (tmp_path / "articles.csv").write_bytes(b"%PDF-1.4")
    code, found = findings(cli, tmp_path)
    assert code == 1
    assert "is a PDF document" in found["not-imported"]["found"]


def test_a_file_shows_its_mapping(tmp_path, cli):
    (tmp_path / "artikel.csv").write_text(HOUSE)
    told = cli("check", tmp_path / "artikel.csv")
    assert told.code == 1
    assert '"Bezeichnung": title  # Grüner Hut | Roter Hut' in told.out
    assert "windowshop import" in told.out
    assert "OK" not in told.out


def test_columns_under_another_name(tmp_path, cli):
    rows = [{"sku": "1", "name": "Red shoe", "price": 5}, {"sku": "2", "name": "Mug", "price": 6}]
    (tmp_path / "shop").mkdir()
    write_table(tmp_path / "shop" / "products.jsonl", rows)
    code, found = findings(cli, tmp_path / "shop")
    assert code == 1
    assert "'sku' looks like product_id, 'name' looks like title" in found["another-name"]["found"]


def test_what_is_not_used_is_never_ok(tmp_path, cli):
    folder = write_shop(tmp_path / "shop", files={"notes.csv": b"a,b\n1,2\n"})
    code, found = findings(cli, folder)
    assert (code, found["file-not-taken"]["found"]) == (0, "notes.csv: seen, and not read.")
    assert "OK: no errors, no warnings" in cli("check", folder).out
    rows = [row | {"Preis": "5,00 EUR", "empty": ""} for row in PRODUCTS]
    write_table(folder / "products.jsonl", rows)
    code, found = findings(cli, folder)
    assert code == 0
    assert found["another-name"]["found"] == "'Preis' looks like price."
    assert found["useless-column"]["found"] == "'empty' is empty."
    told = cli("check", folder).out
    assert "Usable, but not all of it is used: 2 warnings" in told
    assert "OK" not in told


def test_images_that_are_web_addresses_are_no_ok(tmp_path, cli):
    text = "id,title,image\n" + "".join(
        f"{i},Shoe {i},https://x.example/{i}.jpg\n" for i in range(3)
    )
    shop = import_text(tmp_path, "t.csv", text)
    code, found = findings(cli, shop.folder)
    assert (code, found["image-not-fetched"]["count"]) == (0, 3)
    assert f"windowshop fetch-images {shop.folder}" in found["image-not-fetched"]["remedy"]
    assert "OK" not in cli("check", shop.folder).out


def test_columns_of_one_value_are_named_until_they_are_hidden(tmp_path, cli):
    rows = [row | {"product_id": f"{row['product_id']}-{i}", "image": None, "shop": "main"}
            for i in range(4) for row in PRODUCTS]  # fmt: skip
    folder = write_shop(tmp_path / "shop", {"products": rows, "queries": None, "qrels": None})
    assert "'shop' has one value" in findings(cli, folder)[1]["useless-column"]["found"]
    (folder / "columns.yaml").write_text("columns: {shop: {roles: [hidden]}}")
    _, found = findings(cli, folder)
    assert all("'shop'" not in finding["found"] for finding in found.values())


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_an_import_is_ok_and_its_products_are_found_by_words(tmp_path, cli, suffix):
    rows = [
        {"id": f"{i:03}", "title": f"{word} shoe", "price": i + 0.5, "image": f"{word}.png"}
        for i, word in enumerate(("red", "blue", "green"))
    ]
    source = tmp_path / "export"
    source.mkdir()
    for i, row in enumerate(rows):
        (source / row["image"]).write_bytes(image_bytes(i))
    write_table(source / f"t{suffix}", rows)
    assert cli("import", source / f"t{suffix}", "--out", tmp_path / "shop").code == 0
    told = cli("check", tmp_path / "shop")
    assert (told.code, "OK: 2 warnings" in told.out) == (0, True)  # no queries, no qrels

    products = read_products(tmp_path / "shop")
    assert products["image"].null_count() == 0
    counts = count_terms(lexical_texts(products, "en"))
    words = BM25(counts, products["product_id"].to_list())
    assert words.scores(["blue shoes"])[0].argmax() == 1
