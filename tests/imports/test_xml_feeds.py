# ruff: noqa: E501
"""Feeds in XML of price portals: YML, Heureka, Ceneo; facts, categories and languages in them."""

import json

from support.exports import import_text

WEB = "https://x.example/"


def images(shop, name):
    row = shop.row(name)
    return [row["image_url"], *(row.get("image_urls") or [])]


def test_yml_names_its_categories_by_id(tmp_path):
    """YML (yandex.ru/support/merchants): categories stand before the offers, by id and parent."""
    text = f"""<?xml version="1.0" encoding="windows-1251"?>
<!DOCTYPE yml_catalog SYSTEM "shops.dtd">
<yml_catalog date="2024-02-05 10:00"><shop><name>Магазин</name><company>ООО</company>
<currencies><currency id="RUR" rate="1"/></currencies>
<categories><category id="1">Одежда</category><category id="10" parentId="1">Футболки</category></categories>
<offers><offer id="9012" available="true" group_id="G1"><url>https://s.example/p</url><price>1890</price>
<oldprice>2100</oldprice><currencyId>RUR</currencyId><categoryId>10</categoryId><picture>{WEB}1.jpg</picture>
<picture>{WEB}2.jpg</picture><name>Футболка</name><vendor>Acme</vendor><description><![CDATA[<p>Мягкая</p>]]></description>
<barcode>4601546021298</barcode><param name="Вес" unit="г">480</param><param name="Цвет">Белый</param></offer>
<offer id="9013" available="false"><price>990.50</price><currencyId>RUR</currencyId><categoryId>1</categoryId>
<name>Брюки</name><param name="Цвет">Синий</param></offer></offers></shop></yml_catalog>"""
    shop = import_text(tmp_path, "yml.xml", text, encoding="cp1251")
    shirt = shop.row("9012")
    assert (shirt["title"], shirt["description"], shirt["brand"]) == ("Футболка", "Мягкая", "Acme")
    assert (shirt["category"], shirt["group_id"]) == ("Одежда > Футболки", "G1")
    assert (shirt["price"], shirt["list_price"], shirt["currency"]) == (1890, 2100, "RUB")
    assert images(shop, "9012") == [f"{WEB}1.jpg", f"{WEB}2.jpg"]
    assert json.loads(shirt["attributes"]) == {"Вес": "480 г", "Цвет": "Белый"}
    assert json.loads(shop.row("9013")["attributes"]) == {"Цвет": "Синий"}
    assert shop.column("availability") == {"9012": "in_stock", "9013": "out_of_stock"}


def test_heureka(tmp_path):
    """Heureka (sluzby.heureka.cz/napoveda/xml-feed): PARAM elements, CATEGORYTEXT with bars."""

    def item(code, colour, further=""):
        return f"""<SHOPITEM><ITEM_ID>{code}</ITEM_ID><PRODUCTNAME>Telefon {code}</PRODUCTNAME>
<DESCRIPTION>Dotykový</DESCRIPTION><URL>https://o.example/{code}</URL><IMGURL>{WEB}1.jpg</IMGURL>{further}
<PRICE_VAT>6 000,50</PRICE_VAT><PARAM><PARAM_NAME>Barva</PARAM_NAME><VAL>{colour}</VAL></PARAM>
<MANUFACTURER>NOKIA</MANUFACTURER><CATEGORYTEXT>Elektronika | Mobily</CATEGORYTEXT>
<EAN>6417182041488</EAN><ITEMGROUP_ID>EF789</ITEMGROUP_ID></SHOPITEM>"""

    more = f"<IMGURL_ALTERNATIVE>{WEB}2.jpg</IMGURL_ALTERNATIVE><IMGURL_ALTERNATIVE>{WEB}3.jpg</IMGURL_ALTERNATIVE>"
    shop = import_text(
        tmp_path, "h.xml", f"<SHOP>{item('A1', 'černá', more)}{item('A2', 'bílá')}</SHOP>"
    )
    row = shop.row("A1")
    assert (row["title"], row["price"], row["group_id"]) == ("Telefon A1", 6000.5, "EF789")
    assert (row["category"], row["brand"]) == ("Elektronika > Mobily", "NOKIA")
    assert images(shop, "A1") == [f"{WEB}1.jpg", f"{WEB}2.jpg", f"{WEB}3.jpg"]
    assert json.loads(shop.row("A2")["attributes"]) == {"Barva": "bílá"}


def test_texts_in_several_languages_and_amounts_with_a_currency(tmp_path):
    text = """<products><product id="7"><name xml:lang="de">Hut</name><name xml:lang="en">Hat</name>
<price currency="CHF">12.50</price><weight unit="kg">0.5</weight></product><product id="8">
<name xml:lang="de">Mütze</name><price currency="CHF">9</price></product></products>"""
    shop = import_text(tmp_path, "p.xml", text)
    assert shop.column("title") == {"7": "Hat", "8": "Mütze"}
    assert (shop.row("7")["price"], shop.row("7")["currency"]) == (12.5, "CHF")
    assert "0.5" in str(shop.row("7"))
