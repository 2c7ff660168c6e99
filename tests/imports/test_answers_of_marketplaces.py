# ruff: noqa: E501
"""Answers of marketplaces' APIs, feeds of further portals, and tables of data sets."""

import json

import pytest
from support.exports import WEB, csv_text, facts, images, import_text

from windowshop.imports.amounts import Money, parse_money
from windowshop.imports.values import split_images


def test_items_of_ebay(tmp_path):
    items = [
        {
            "itemId": f"v1|{i}|0", "title": f"Drone {i}",
            "categories": [{"categoryId": "1", "categoryName": "Drones"}, {"categoryId": "2", "categoryName": "Cameras"}],
            "image": {"imageUrl": f"{WEB}{i}.jpg"}, "additionalImages": [{"imageUrl": f"{WEB}b.jpg"}],
            "price": {"value": "59.60", "currency": "USD"}, "itemWebUrl": f"{WEB}itm/{i}",
            "marketingPrice": {"originalPrice": {"value": "119.20", "currency": "USD"}, "discountPercentage": "50"},
        }
        for i in (1, 2)
    ]  # fmt: skip
    shop = import_text(tmp_path, "t.json", json.dumps({"total": 2, "itemSummaries": items}))
    row = shop.row("v1|1|0")
    assert row["category_paths"] == ["Drones", "Cameras"]
    assert images(shop, "v1|1|0") == [f"{WEB}1.jpg", f"{WEB}b.jpg"]
    assert (row["price"], row["list_price"], row["currency"]) == (59.6, 119.2, "USD")


def test_listings_of_etsys_api(tmp_path):
    pictures = [
        {
            "rank": 1,
            "url_75x75": f"{WEB}75.jpg",
            "url_fullxfull": f"{WEB}full.jpg",
            "url_570xN": f"{WEB}570.jpg",
        }
    ]
    items = [{"listing_id": i, "title": f"Mug {i}", "state": state, "quantity": i, "images": pictures,
              "price": {"amount": 1999, "divisor": 100, "currency_code": "USD"}} for i, state in ((1, "active"), (2, "inactive"))]  # fmt: skip
    shop = import_text(tmp_path, "t.json", json.dumps({"count": 2, "results": items}))
    assert shop.column("price") == {"1": 19.99, "2": 19.99}
    assert shop.column("published") == {"1": True, "2": False}
    assert shop.row("1")["image_url"] == f"{WEB}full.jpg"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"amount": 500, "divisor": 1, "currency_code": "JPY"}, Money(500, "JPY")),
        ({"cityprice": ["456000", "457000"]}, Money(456000)),
        ({"cityprice": "9000"}, Money(9000)),
        ({"originalPrice": {"value": "3", "currency": "EUR"}}, Money(3, "EUR")),
    ],
)  # fmt: skip
def test_amounts_in_objects(value, expected):
    assert parse_money(value) == expected


def test_the_largest_image_of_an_object():
    assert split_images(
        {"w200": f"{WEB}a.jpg", "w800": f"{WEB}b.jpg", "thumb_1000": f"{WEB}c.jpg"}
    ) == [f"{WEB}b.jpg"]
    assert split_images({"id": 3, "note": "no address"}) == []


def test_facts_of_mercado_libre_and_codes_in_meta(tmp_path):
    items = [{"id": f"M{i}", "title": f"Phone {i}", "price": 10 + i, "currency_id": "ARS",
              "attributes": [{"id": "BRAND", "name": "Marca", "value_id": "2", "value_name": "Acme"},
                             {"id": "COLOR", "name": "Color", "value_name": "Negro"}],
              "meta": {"barcode": "4006381333931"}} for i in (1, 2)]  # fmt: skip
    shop = import_text(tmp_path, "t.json", json.dumps({"results": items}))
    assert (shop.row("M1")["brand"], shop.row("M1")["gtin"]) == ("Acme", "4006381333931")
    assert facts(shop, "M1")["Color"] == "Negro"


def test_a_price_list_of_kaspi(tmp_path):
    def offer(i, *places):
        told = "".join(
            f'<availability available="{said}" storeId="PP{n}" stockCount="1"/>'
            for n, said in enumerate(places)
        )
        return (
            f'<offer sku="{i}"><model>Gold ring {i}</model><brand>acme</brand><availabilities>{told}</availabilities>'
            f'<cityprices><cityprice cityId="51">{i}000</cityprice></cityprices></offer>'
        )

    body = offer(1, "yes") + offer(2, "no", "yes") + offer(3, "no")
    text = f'<kaspi_catalog xmlns="kaspiShopping"><company>C</company><offers>{body}</offers></kaspi_catalog>'
    shop = import_text(tmp_path, "k.xml", text)
    assert shop.column("title") == {"1": "Gold ring 1", "2": "Gold ring 2", "3": "Gold ring 3"}
    assert shop.column("price") == {"1": 1000, "2": 2000, "3": 3000}
    assert [*shop.column("availability").values()] == ["in_stock", "in_stock", "out_of_stock"]
    assert "sku" not in shop.row("1")


def test_products_without_a_title_have_the_beginning_of_their_text(tmp_path):
    items = "".join(
        f"<urun><urunkodu>V{i}</urunkodu><fiyat>{i}</fiyat><resim>{WEB}{i}.jpg</resim>"
        f"<aciklama>Shaver {i} for men. {'Very good. ' * 30}</aciklama></urun>"
        for i in (1, 2)
    )
    shop = import_text(tmp_path, "t.xml", f"<document>{items}</document>")
    assert shop.column("title") == {"V1": "Shaver 1 for men.", "V2": "Shaver 2 for men."}
    assert shop.notes["title-of-text"] == 2


def test_categories_that_stand_in_other_company_are_lists(tmp_path):
    given = ["Boys, Sets", "Boys, Caps", "Caps", "Sets, Girls", "Kitchen, Garden & Pets"]
    rows = [
        {"id": f"{i}", "title": f"Thing {i}", "categories": text} for i, text in enumerate(given)
    ]
    shop = import_text(tmp_path, "t.csv", csv_text([*rows[0]], *rows))
    assert shop.row("0")["category_paths"] == ["Boys", "Sets"]
    names = ["Kitchen, Garden & Pets", "Food, Drink", "Toys, Games", "Books"]
    rows = [
        {"id": f"{i}", "title": f"Thing {i}", "categories": text} for i, text in enumerate(names)
    ]
    shop = import_text(tmp_path, "t.csv", csv_text([*rows[0]], *rows))
    assert [*shop.column("category").values()] == names


def test_a_table_of_pandas_with_lists_and_what_is_sold_out(tmp_path):
    rows = [{"": f"{i}", "product_id": f"P{i}", "name": f"Scent {i}", "brands": "Acme", "out_of_stock": f"{i % 2}",
             "highlights": f"['Warm', 'No. {i}']"} for i in range(4)]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text([*rows[0]], *rows))
    assert "column 1" not in shop.products.columns
    assert shop.row("P1")["highlights"] == ["Warm", "No. 1"]
    assert shop.row("P1")["brand"] == "Acme"
    assert [*shop.column("availability").values()] == ["in_stock", "out_of_stock"] * 2


def test_codes_of_woocommerce_in_columns_of_their_own(tmp_path):
    header = ["ID", "Type", "SKU", "GTIN, UPC, EAN, or ISBN", "Name", "Published", "Regular price", "Categories",
              "Images", "Parent", "GTIN13 / EAN", "MPN"]  # fmt: skip
    rows = [{"ID": "2", "Type": "simple", "SKU": "A", "Name": "Cap", "Published": "1", "Regular price": "3",
             "GTIN13 / EAN": "4006381333931", "MPN": "AB-1"},
            {"ID": "3", "Type": "simple", "SKU": "B", "Name": "Hat", "Published": "1", "Regular price": "4"}]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text(header, *rows))
    assert (shop.row("A")["gtin"], shop.row("A")["mpn"]) == ("4006381333931", "AB-1")
