# ruff: noqa: E501
"""Shapes and faults of exports as they lie about: errors for ids, feeds by hand, dumps by scripts."""

import json

import pytest
from support.exports import WEB, csv_text, facts, images, import_text

from windowshop.errors import DataError
from windowshop.imports.values import is_nothing, parse_availability


@pytest.mark.parametrize(
    "text", ["", "N/A", "-", "NULL", "#N/A", "#N/D", "#NV", "#REF!", "#¡VALOR!", "#NOME?", "#DIV/0!", "#Н/Д"]
)  # fmt: skip
def test_words_for_no_value(text):
    assert is_nothing(text)


@pytest.mark.parametrize("text", ["0", "#12", "A-1", "#red", "NA-7", "no"])
def test_values_that_look_like_none(text):
    assert not is_nothing(text)


def test_errors_of_a_spreadsheet_are_no_ids(tmp_path):
    rows = [{"code": f"C{i}", "name": f"Glass jar {i}", "price": f"{i}.5"} for i in range(1, 9)]
    rows += [{"code": "#N/D", "name": f"Tin {i}", "price": "3"} for i in range(3)]
    shop = import_text(tmp_path, "t.csv", csv_text([*rows[0]], *rows))
    assert len(shop.products) == 11
    assert shop.notes == {"no-id": 3}


def test_products_that_share_an_id_are_kept(tmp_path):
    rows = [
        {"code": f"C{i}", "name": f"Glass jar {i}", "packed": "each", "price": f"{i}.5"}
        for i in range(1, 20)
    ]
    rows += [
        {"code": "C1", "name": "Glass jar 1", "packed": "box of 12", "price": "14"},
        {"code": "C2", "name": "Wooden spoon", "packed": "each", "price": "4"},
        {"code": "C3", "name": "Glass jar 3", "packed": "each", "price": "3.5"},  # says it again
        {"code": "C1", "name": "Glass jar 1", "packed": "box of 12", "price": "14"},
    ]
    shop = import_text(tmp_path, "t.csv", csv_text([*rows[0]], *rows))
    assert shop.notes == {"shared-id": 2, "repeated-row": 2}
    assert shop.row("C1-2")["price"] == 14
    assert shop.column("group_id")["C1-2"] == "C1"  # the same product, packed otherwise
    assert shop.row("C2-2")["title"] == "Wooden spoon"
    assert shop.column("group_id")["C2-2"] == "C2-2"


def test_a_table_of_sales_keeps_a_product_once(tmp_path):
    rows = [
        {"stock code": f"C{i % 4}", "description": f"Glass jar {i % 4}", "unit price": f"{i}.5"}
        for i in range(40)
    ]
    shop = import_text(tmp_path, "t.csv", csv_text([*rows[0]], *rows))
    assert shop.column("price") == {"C0": 0.5, "C1": 1.5, "C2": 2.5, "C3": 3.5}


def test_a_feed_whose_prefix_has_no_namespace(tmp_path):
    item = (
        "<item><g:id>{0}</g:id><g:title>Jar {0}</g:title><g:price>{0}.00 USD</g:price>"
        "<link>{1}?a={0}&b=1</link><g:image_link>{1}{0}.jpg</g:image_link></item>"
    )
    body = "".join(item.format(i, WEB) for i in (1, 2))
    text = f'<?xml version="1.0"?>\n<!-- by hand & quickly <g:x> -->\n<rss version="2.0"><channel>{body}</channel></rss>'
    shop = import_text(tmp_path, "feed.xml", text)
    assert shop.report.format == "Google Merchant feed"
    assert shop.column("price") == {"1": 1, "2": 2}
    assert shop.row("2")["link"] == f"{WEB}?a=2&b=1"


def test_products_as_scripts_dump_them_from_woocommerce(tmp_path):
    header = ["id", "name", "sku", "type", "status", "price", "regular_price", "sale_price", "main_image",
              "all_images", "categories", "tags", "description", "permalink"]  # fmt: skip
    rows = [
        {"id": "7", "name": "Cap", "sku": "A7", "type": "variable", "status": "publish", "price": "2890",
         "main_image": f"{WEB}1.webp", "all_images": f"{WEB}1.webp; {WEB}2.webp", "categories": "Boys; New - Boys; Sets",
         "permalink": f"{WEB}cap"},
        {"id": "8", "name": "Coat", "sku": "A8", "type": "simple", "price": "3690", "regular_price": "3990",
         "sale_price": "3690", "main_image": f"{WEB}3.webp", "categories": "Bath &amp; Beauty; Soap"},
    ]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text(header, *rows))
    assert shop.report.format == "WooCommerce CSV"
    assert shop.row("A7")["category_paths"] == ["Boys", "New - Boys", "Sets"]
    assert images(shop, "A7") == [f"{WEB}1.webp", f"{WEB}2.webp"]
    assert (shop.row("A7")["price"], shop.row("A7")["link"]) == (2890, f"{WEB}cap")
    assert (shop.row("A8")["price"], shop.row("A8")["sale_price"]) == (3990, 3690)


def test_listings_of_etsy_in_italian(tmp_path):
    header = ["TITOLO", "DESCRIZIONE", "PREZZO", "CURRENCY_CODE", "QUANTITÀ", "TAG", "MATERIALI",
              *(f"IMMAGINE{i}" for i in range(1, 11)), "TIPO VARIANTE 1", "NOME VARIANTE 1", "VALORI VARIANTE 1",
              "TIPO VARIANTE 2", "NOME VARIANTE 2", "VALORI VARIANTE 2", "SKU"]  # fmt: skip
    row = {"TITOLO": "Blue vase", "PREZZO": "46", "CURRENCY_CODE": "EUR", "QUANTITÀ": "1", "TAG": "blue_vase,gift",
           "MATERIALI": "Ceramica", "IMMAGINE1": f"{WEB}1.jpg", "IMMAGINE10": f"{WEB}2.jpg",
           "NOME VARIANTE 1": "Dimensione", "VALORI VARIANTE 1": "S,M", "SKU": "32"}  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text(header, row, {**row, "SKU": "33"}))
    assert shop.report.format == "Etsy CSV"
    assert shop.row("32")["tags"] == ["blue vase", "gift"]
    assert facts(shop, "32") == {"Dimensione": ["S", "M"], "materials": "Ceramica"}
    assert images(shop, "32") == [f"{WEB}1.jpg", f"{WEB}2.jpg"]


def test_the_grid_of_magento(tmp_path):
    header = ["ID", "Thumbnail", "Name", "Type", "Attribute Set", "SKU", "Price", "Salable Quantity", "Visibility",
              "Status", "Websites", "Size", "Fabric", "Creation Date"]  # fmt: skip
    of_all = {
        "Attribute Set": "Default",
        "Price": "€64.99",
        "Status": "Enabled",
        "Websites": "Main",
        "Thumbnail": " -",
    }
    simple = of_all | {
        "Type": "Simple Product",
        "Visibility": "Not Visible Individually",
        "Fabric": " -",
    }
    rows = [
        simple | {"ID": "1", "Name": "Shirt-45", "SKU": "S-100-45", "Size": "45", "Salable Quantity": "Default Stock: 1, Other: 2"},
        simple | {"ID": "2", "Name": "Shirt-46", "SKU": "S-100-46", "Size": "46", "Salable Quantity": "Default Stock: 0"},
        of_all | {"ID": "3", "Name": "Shirt", "Type": "Configurable Product", "SKU": "S-100", "Fabric": "Cotton",
                  "Visibility": "Catalog, Search", "Thumbnail": f"{WEB}s.jpg"},
        simple | {"ID": "4", "Name": "Tie", "SKU": "T-1", "Status": "Disabled", "Salable Quantity": ""},
    ]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text(header, *rows))
    assert shop.column("group_id") == {"S-100-45": "S-100", "S-100-46": "S-100", "T-1": "T-1"}
    assert shop.column("availability") == {
        "S-100-45": "in_stock",
        "S-100-46": "out_of_stock",
        "T-1": None,
    }
    assert facts(shop, "S-100-45") == {"Size": 45, "Fabric": "Cotton"}
    assert shop.row("S-100-46")["image_url"] == f"{WEB}s.jpg"
    assert (shop.row("T-1")["published"], shop.row("T-1")["currency"]) == (False, "EUR")


def test_what_a_format_cannot_read_is_read_as_a_table(tmp_path):
    header = ["id", "title", "link", "price", "availability", "image_link", "brand", "name"]
    rows = [{"id": f"{i}", "price": "3", "name": f"Jar {i}", "link": f"{WEB}{i}"} for i in range(3)]
    shop = import_text(tmp_path, "t.csv", csv_text(header, *rows))
    assert shop.report.format == "a table"
    with pytest.raises(DataError, match="Google"):
        import_text(tmp_path, "t.csv", csv_text(header, *rows), format="google", replace=True)


def test_facts_of_opencart_and_prestashop_in_a_cell(tmp_path):
    header = ["_SKU_", "_NAME_", "_CATEGORY_", "_PRICE_", "_ATTRIBUTES_", "features"]
    rows = [{"_SKU_": f"{i}", "_NAME_": f"Pump {i}", "_CATEGORY_": "Water|Pumps", "_PRICE_": "7.5",
             "_ATTRIBUTES_": "Facts|Depth, m|8\nFacts|Kind|surface\n",
             "features": "Glass::1:0_Battery:CTL:2:0_Size:46,8mm x 40mm:3:1"} for i in range(3)]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text(header, *rows))
    assert facts(shop, "1") == {
        "Depth, m": 8,
        "Kind": "surface",
        "Battery": "CTL",
        "Size": "46,8mm x 40mm",
    }
    assert shop.row("1")["category"] == "Water > Pumps"


def test_a_discount_is_no_id_and_features_are_no_title(tmp_path):
    header = ["model", "descripcion", "price", "discount", "caracteristicas", "meta titulo"]
    rows = [{"model": f"M{i}", "descripcion": f"Reloj digital {i}", "price": f"{i}.25", "discount": f"{i * 5}",
             "caracteristicas": f"Color: rojo {i}", "meta titulo": f"Compra reloj {i}"} for i in range(4)]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text(header, *rows))
    assert sorted(shop.products["title"]) == [f"Reloj digital {i}" for i in range(4)]
    assert shop.report.columns["discount"] == "keep"


def test_a_feed_of_hotline(tmp_path):
    text = (
        "<price><date>2024-01-02</date><categories><category><id>1</id><name>Chairs</name></category>"
        "<category><id>2</id><parentId>1</parentId><name>Bar</name></category></categories><items>"
        + "".join(
            f"<item><id>{i}</id><categoryId>2</categoryId><vendor>Hat</vendor><name>Chair {i}</name>"
            f"<image>{WEB}{i}.jpg,{WEB}b.jpg</image><priceRUAH>1681</priceRUAH><stock>+</stock></item>"
            for i in (1, 2)
        )
        + "</items></price>"
    )
    shop = import_text(tmp_path, "hotline.xml", text)
    row = shop.row("1")
    assert (row["category"], row["price"], row["currency"]) == ("Chairs > Bar", 1681, "UAH")
    assert (row["availability"], row["brand"]) == ("in_stock", "Hat")
    assert images(shop, "1") == [f"{WEB}1.jpg", f"{WEB}b.jpg"]


def test_another_column_says_what_can_be_bought(tmp_path):
    rows = [
        {"id": f"{i}", "title": f"Saw\n   {i}", "availability": "1-3", "instock": "YN"[i % 2]}
        for i in range(4)
    ]
    shop = import_text(tmp_path, "t.csv", csv_text([*rows[0]], *rows))
    assert shop.column("availability") == {
        "0": "in_stock",
        "1": "out_of_stock",
        "2": "in_stock",
        "3": "out_of_stock",
    }
    assert shop.row("1")["title"] == "Saw 1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Delivery 1 to 3 days", "in_stock"), ("1-3 Werktage", "in_stock"), ("Lieferzeit 2 bis 4 Tage", "in_stock"),
        ("4 - 10 days", "in_stock"), ("sous 3 jours", "in_stock"), ("2 weeks", "backorder"), ("30 dni", "backorder"),
        ("1 έως 3 ημέρες", "in_stock"), ("1-3", None), ("soon", None),
    ],
)  # fmt: skip
def test_times_of_delivery(text, expected):
    assert parse_availability(text) == expected


def test_names_of_images_of_wix_are_addresses_in_any_table(tmp_path):
    name = "c2714b_6fc0215980b54f07b720aca8c4d8cf1d~mv2"
    rows = [
        {
            "id": f"p{i}",
            "title": f"Bow {i}",
            "price": "25",
            "image_link": f"{name}.jpeg;{name}_d_3_4_s_2.jpg",
        }
        for i in range(3)
    ]
    shop = import_text(tmp_path, "t.csv", csv_text([*rows[0]], *rows))
    media = "https://static.wixstatic.com/media/"
    assert images(shop, "p1") == [f"{media}{name}.jpeg", f"{media}{name}_d_3_4_s_2.jpg"]


def test_addresses_whose_slashes_are_escaped(tmp_path):
    item = (
        "<item><id>1</id><title>Copper kettle</title><price>19.90 EUR</price><link>{0}k</link>"
        "<image_link>{0}a.jpg</image_link><additional_image_link>{0}b.jpg</additional_image_link></item>"
    )
    other = "<item><id>2</id><title>Pan</title><price>9 EUR</price><image_link>{0}p.jpg</image_link></item>"
    escaped = WEB.replace("/", "\\/")
    text = f"<items>{item.format(escaped)}{other.format(WEB)}</items>"
    shop = import_text(tmp_path, "feed.xml", text)
    assert images(shop, "1") == [f"{WEB}a.jpg", f"{WEB}b.jpg"]
    assert shop.row("1")["link"] == f"{WEB}k"
    assert "missing-image" not in shop.report.notes


def test_images_and_currency_that_facts_alone_tell(tmp_path):
    rows = []
    for i in (1, 2):
        told = {"image": f"{WEB}{i}.png", "currency": "EUR", "brand": "Oldmaker", "players": i + 1}
        rows.append(
            {
                "id": str(i),
                "title": f"Game {i} of old",
                "price": f"{i}.50",
                "metadata": json.dumps(told),
            }
        )
    shop = import_text(tmp_path, "games.csv", csv_text([*rows[0]], *rows))
    row = shop.row("2")
    assert images(shop, "2") == [f"{WEB}2.png"]
    assert (row["price"], row["currency"], row["brand"]) == (2.5, "EUR", "Oldmaker")
    assert facts(shop, "2")["players"] == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_text_that_is_named_as_a_workbook(tmp_path, encoding):
    text = "id,title,price\n1,Pán,3\n2,Pot,4\n"
    shop = import_text(tmp_path, "export.xls", text.encode(encoding))
    assert shop.row("1")["title"] == "Pán"
    assert shop.report.counts["products"] == 2


def test_times_of_events_are_no_titles(tmp_path):
    rows = [
        {
            "event_time": f"2026-01-01 00:00:0{i} UTC",
            "event_type": "view",
            "product_id": f"p{i}",
            "price": "9.5",
        }
        for i in range(1, 5)
    ]
    with pytest.raises(DataError):
        import_text(tmp_path, "events.csv", csv_text([*rows[0]], *rows))
