# ruff: noqa: E501
"""Tables as they are found: entities, totals, remarks, levels, groups, several sheets."""

import io
import json

import polars as pl
import pytest
from support.exports import csv_text, import_text
from support.workbooks import workbook

WEB = "https://x.example/"


def test_entities_that_divide_fields_are_joined(tmp_path):
    text = (
        "Art.-Nr.;Bezeichnung;VK-Preis;Bestand;Bild\n1;Hose & Hemd;49,90;0;b.jpg\n"
        "2;Tom &amp; Jerry &#169; Tasse;9,90;3;c.jpg\n3;Salz &amp; Pfeffer;1.009,90;3\n"
        "4;AT&T;5,00;1;d.jpg;mehr\n;Summe;1.074,70;;\n"
    )
    shop = import_text(tmp_path, "liste.csv", text)
    assert shop.column("title") == {
        "1": "Hose & Hemd", "2": "Tom & Jerry © Tasse", "3": "Salz & Pfeffer", "4": "AT&T",
    }  # fmt: skip
    assert shop.column("price") == {"1": 49.9, "2": 9.9, "3": 1009.9, "4": 5}
    assert shop.report.notes["joined-fields"].rows == [2, 3, 4]
    assert shop.report.notes["totals-row"].rows == [5]


def test_remarks_and_other_separators_above_the_header(tmp_path):
    text = (
        '# Required | id,"# Required | title, plain",# Optional | price\n'
        "id,title,price\nA,Red shoe,10.00 USD\nB,Blue shoe,11.00 USD\n"
    )
    shop = import_text(tmp_path, "catalog.csv", text)
    assert shop.column("price") == {"A": 10, "B": 11}
    text = "Liste, Stand 1. Mai, intern\nid;title;price\nA;Schuh, rot;1,50\nB;Schuh, blau;2,50\n"
    assert import_text(tmp_path, "liste.csv", text).column("title")["A"] == "Schuh, rot"


@pytest.mark.parametrize(
    "names",
    [
        ("main_category", "sub_category"),
        ("categoryid1", "categoryid2"),
        ("Category 1", "Category 2"),
    ],
)
def test_levels_of_a_category_are_one_path(tmp_path, names):
    rows = [{"id": f"p{i}", "name": f"Thing {i}", names[0]: "Home", names[1]: f"Cups {i % 2}"}
            for i in range(6)]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text(["id", "name", *names], *rows))
    assert shop.row("p1")["category"] == "Home > Cups 1"
    assert "category_levels: true" in (shop.folder / "map.yaml").read_text()


def test_a_count_of_ratings_is_no_id_and_two_price_columns_have_a_currency(tmp_path):
    header = ["name", "image", "no_of_ratings", "discount_price", "actual_price"]
    rows = [{"name": f"Lamp number {i}", "image": f"{WEB}{i}.jpg", "no_of_ratings": f"{i},255",
             "discount_price": f"₹{i},999", "actual_price": f"₹{i},9990"[:-1]}
            for i in range(2, 6)]  # fmt: skip
    shop = import_text(tmp_path, "amazon.csv", csv_text(header, *rows))
    assert shop.notes["no-id"] == 4
    assert set(shop.column("currency").values()) == {"INR"}


def test_codes_that_repeat_are_groups(tmp_path):
    rows = [{"article_id": f"{code}{i:03}", "product_code": code, "prod_name": "Strap top",
             "product_type_name": "Vest top", "colour": colour, "detail_desc": "Jersey"}
            for code in ("0108775", "0110065")
            for i, colour in enumerate(("Black", "White", "Red"))]  # fmt: skip
    shop = import_text(tmp_path, "articles.csv", csv_text([*rows[0]], *rows))
    assert shop.column("group_id")["0108775001"] == "0108775"
    row = shop.row("0110065002")
    assert (row["category"], row["description"], row["colour"]) == ("Vest top", "Jersey", "Red")


def test_variants_take_from_the_parent_that_a_column_names(tmp_path):
    header = ["Artikelnummer", "Vaterartikel", "Bezeichnung", "Preis EUR", "Marke", "Farbe", "Bild"]
    text = csv_text(
        header,
        {"Artikelnummer": "J-1", "Vaterartikel": "J", "Preis EUR": "12,00", "Farbe": "rot"},
        {"Artikelnummer": "J", "Bezeichnung": "Jacke", "Marke": "Muster", "Bild": f"{WEB}j.jpg",
         "Preis EUR": "10,00"},
        {"Artikelnummer": "J-2", "Vaterartikel": "J", "Farbe": "blau"},
        {"Artikelnummer": "H", "Bezeichnung": "Hose", "Preis EUR": "5,50"},
    )  # fmt: skip
    shop = import_text(tmp_path, "artikel.csv", text)
    assert shop.column("price") == {"J-1": 12, "J-2": 10, "H": 5.5}
    assert shop.column("title") == {"J-1": "Jacke", "J-2": "Jacke", "H": "Hose"}
    assert shop.column("group_id") == {"J-1": "J", "J-2": "J", "H": "H"}
    assert (shop.row("J-2")["brand"], shop.row("J-2")["image_url"]) == ("Muster", f"{WEB}j.jpg")
    assert (shop.row("J-2")["currency"], shop.row("J-2")["Farbe"]) == ("EUR", "blau")
    assert shop.notes["parent-passed-on"] == 1


def test_numbered_images_large_ones_and_names_in_brackets(tmp_path):
    header = ["id", "name(en-gb)", "categories", "Price (tax excl.)", "Price (tax incl.)",
              "small image", "image1", "image2", "image3"]  # fmt: skip
    rows = [{"id": str(i), "name(en-gb)": f"Cup {i}", "categories": "20,24",
             "Price (tax excl.)": "10.00", "Price (tax incl.)": "12.00",
             "small image": f"{WEB}s.jpg", "image1": f"{WEB}{i}.jpg", "image3": f"{WEB}c.jpg"}
            for i in range(3)]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text(header, *rows))
    row = shop.row("1")
    assert (row["title"], row["price"]) == ("Cup 1", 12)
    assert [row["image_url"], *row["image_urls"]] == [f"{WEB}1.jpg", f"{WEB}c.jpg"]
    assert "category" not in row
    assert row["categories"] == "20,24"


def test_facts_as_ruby_prints_them(tmp_path):
    rows = [
        {"uniq_id": "c1", "product_name": "Shorts", "image": f'["{WEB}a.jpg", "{WEB}b.jpg"]',
         "product_category_tree": '["Clothing >> Shorts"]',
         "product_specifications": '{"product_specification"=>[{"key"=>"Fabric", "value"=>"Cotton"}, '
         '{"value"=>"x => nil"}]}'},
        {"uniq_id": "c2", "product_name": "Bellies",
         "product_specifications": '{"product_specification"=>nil}'},
    ]  # fmt: skip
    shop = import_text(tmp_path, "f.csv", csv_text([*rows[0]], *rows))
    row = shop.row("c1")
    assert json.loads(row["attributes"]) == {"Fabric": "Cotton"}
    assert (row["category"], row["image_urls"]) == ("Clothing > Shorts", [f"{WEB}b.jpg"])


def test_structs_in_parquet_are_flattened_where_titles_are_in_them(tmp_path):
    rows = [{"product": {"id": f"p{i}", "name": f"Tee {i}"}, "price": {"value": 1.5 * i, "currency": "EUR"},
             "images": [{"url": f"{WEB}{i}.jpg"}], "tags": ["a"]} for i in range(1, 4)]  # fmt: skip
    out = io.BytesIO()
    pl.DataFrame(rows).write_parquet(out)
    shop = import_text(tmp_path, "t.parquet", out.getvalue())
    assert shop.column("title") == {"p1": "Tee 1", "p2": "Tee 2", "p3": "Tee 3"}
    assert (shop.row("p2")["price"], shop.row("p2")["currency"]) == (3, "EUR")


def test_titles_in_several_languages_in_one_object(tmp_path):
    rows = [{"id": i, "name": {"de-DE": "Hut", "en-US": f"Hat {i}"}, "price": 5} for i in range(3)]
    shop = import_text(tmp_path, "t.json", json.dumps(rows))
    assert shop.column("title") == {"0": "Hat 0", "1": "Hat 1", "2": "Hat 2"}


def test_the_sheet_with_most_cells_is_read(tmp_path):
    rows = [["id", "title", "price"], ["1", "Red hat", 5], ["2", "Blue hat", 6], ["3", "Hat", 7]]
    book = workbook([["About this list"], ["Prices in EUR"]], rows)
    shop = import_text(tmp_path, "t.xlsx", book)
    assert shop.column("price") == {"1": 5, "2": 6, "3": 7}
    assert shop.report.notes["sheet-not-read"].examples == ["Sheet 1"]
    more = [["Winter"], ["id", "title", "price"], ["4", "Scarf", 9]]
    shop = import_text(tmp_path, "t.xlsx", workbook([["Prices in EUR"]], rows, more))
    assert shop.column("price") == {"1": 5, "2": 6, "3": 7, "4": 9}


def test_counts_and_words_of_a_table_say_what_can_be_bought(tmp_path):
    header = ["id", "name", "price", "quantity", "status", "retail_price"]
    rows = [["1", "Red hat", "5.00", "3", "publish", "8.00"], ["2", "Blue hat", "6.00", "0", "draft", "0"],
            ["3", "Hat", "7.00", "", "publish", "7.00"]]  # fmt: skip
    shop = import_text(
        tmp_path, "t.csv", csv_text(header, *(dict(zip(header, r, strict=True)) for r in rows))
    )
    assert shop.column("availability") == {"1": "in_stock", "2": "out_of_stock", "3": None}
    assert shop.column("published") == {"1": True, "2": False, "3": True}
    assert shop.column("list_price") == {"1": 8, "2": None, "3": None}
    assert shop.column("quantity")["1"] == 3


def test_names_and_values_in_numbered_columns_are_options(tmp_path):
    header = [
        "sku",
        "item name",
        "price",
        "Option Name 1",
        "Option Value 1",
        "attribute2_name",
        "attribute2_value",
    ]
    rows = [["a", "Tee red", "5.50", "Size", "S", "Fit", "slim"], ["b", "Tee blue", "5.50", "Size", "M", "", ""]]  # fmt: skip
    shop = import_text(
        tmp_path, "t.csv", csv_text(header, *(dict(zip(header, r, strict=True)) for r in rows))
    )
    assert json.loads(shop.row("a")["attributes"]) == {"Size": "S", "Fit": "slim"}
    assert json.loads(shop.row("b")["attributes"]) == {"Size": "M"}


def test_the_first_language_and_currency_of_columns_is_read(tmp_path):
    """Akeneo's export: `name-en_US`, `description-en_US-ecommerce`, `price-EUR`."""
    header = ["sku", "enabled", "parent", "name-en_US", "name-de_DE", "description-en_US-ecommerce",
              "price-EUR", "price-USD", "main_image"]  # fmt: skip
    rows = [["1", "1", "m", "Jacket", "Jacke", "Warm", "799.00", "899.00", "files/1/a.jpg"],
            ["2", "0", "m", "Hat", "Hut", "", "12.50", "", ""]]  # fmt: skip
    shop = import_text(
        tmp_path, "t.csv", csv_text(header, *(dict(zip(header, r, strict=True)) for r in rows))
    )
    row = shop.row("1")
    assert (row["title"], row["description"], row["group_id"]) == ("Jacket", "Warm", "m")
    assert (row["price"], row["currency"], row["image"]) == (799, "EUR", "files/1/a.jpg")
    assert shop.column("published") == {"1": True, "2": False}


def test_a_table_of_affiliates(tmp_path):
    """Columns of CJ: the shop's own address is no product's, `RETAIL_PRICE` is a higher price."""
    text = (
        "PROGRAM_URL|NAME|SKU|CURRENCY|SALE_PRICE|PRICE|RETAIL_PRICE|BUY_URL|IMAGE_URL|IN_STOCK\n"
        f"https://s.example|Desk lamp|L-1|USD|19.99|24.99|29.99|https://b.example/1|{WEB}1.jpg|yes\n"
        f"https://s.example|Floor lamp|L-2|USD|0.00|54.99||https://b.example/2|{WEB}2.jpg|no\n"
    )
    shop = import_text(tmp_path, "cj.txt", text)
    row = shop.row("L-1")
    assert (row["price"], row["sale_price"], row["list_price"]) == (24.99, 19.99, 29.99)
    assert (row["link"], row["image_url"]) == ("https://b.example/1", f"{WEB}1.jpg")
    assert shop.column("sale_price")["L-2"] is None


def test_crowns_of_several_countries_are_told(tmp_path):
    text = "id;titel;pris\n1;Lampa;1 299,00 kr\n2;Bord;99,50 kr\n"
    shop = import_text(tmp_path, "t.csv", text)
    assert shop.column("price") == {"1": 1299, "2": 99.5}
    assert shop.notes["shared-sign"] == 2
    assert import_text(tmp_path, "t.csv", text, currency="SEK").column("currency")["1"] == "SEK"


def test_a_feed_of_rakuten_has_no_header(tmp_path):
    """Fields by their place, between a line HDR and one TRL."""
    text = (
        "HDR|12345|Shop|2024-01-01/00:00:00\n"
        f"100|Blue Dress|D-1|Apparel|Dresses|https://b.example/1|{WEB}1.jpg||Short|Long|||19.99|29.99|||Acme||N|dress||M|||"
        "in stock|012345678905||USD\n"
        f"101|Red Dress|D-2|Apparel|Dresses|https://b.example/2|{WEB}2.jpg||Short|Long||||39.99|||Acme||N||||||out of stock|||USD\n"
        "TRL|2\n"
    )
    shop = import_text(tmp_path, "12345.txt", text)
    assert shop.column("price") == {"100": 29.99, "101": 39.99}
    row = shop.row("100")
    assert (row["title"], row["sale_price"], row["currency"]) == ("Blue Dress", 19.99, "USD")
    assert (row["image_url"], row["gtin"]) == (f"{WEB}1.jpg", "012345678905")
    assert shop.column("availability") == {"100": "in_stock", "101": "out_of_stock"}


def test_a_script_of_several_tables_joins_them(tmp_path):
    """ImpEx of SAP Commerce: rows of a second table are no products of the first."""
    text = (
        "INSERT_UPDATE Product;code[unique=true];name[lang=en]\n;1;Tool\n;2;Bandana\n\n"
        "INSERT_UPDATE PriceRow;productId[unique=true];price\n;1;12.5\n"
    )
    shop = import_text(tmp_path, "products.csv", text)
    assert shop.column("title") == {"1": "Tool", "2": "Bandana"}
    assert shop.column("price") == {"1": 12.5, "2": None}
