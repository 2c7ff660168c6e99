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


def test_salesforce(tmp_path):
    """Variants take from their master; categories are assigned behind the products."""
    text = """<?xml version="1.0" encoding="UTF-8"?>
<catalog xmlns="http://www.demandware.com/xml/impex/catalog/2006-10-31" catalog-id="apparel">
<category category-id="root"><display-name xml:lang="x-default">Root</display-name></category>
<category category-id="mens"><display-name xml:lang="x-default">Mens</display-name><parent>root</parent></category>
<category category-id="shirts"><display-name xml:lang="x-default">Shirts</display-name><parent>mens</parent></category>
<product product-id="M1"><display-name xml:lang="x-default">Oxford shirt</display-name>
<display-name xml:lang="de">Oxfordhemd</display-name><short-description xml:lang="x-default">Short</short-description>
<long-description xml:lang="x-default">&lt;p&gt;Long&lt;/p&gt;</long-description><images>
<image-group view-type="large"><image path="large/1.jpg"/><image path="large/2.jpg"/></image-group>
<image-group view-type="small"><image path="small/1.jpg"/></image-group></images><brand>Acme</brand>
<custom-attributes><custom-attribute attribute-id="material" xml:lang="x-default">Cotton</custom-attribute></custom-attributes>
<variations><variants><variant product-id="V1" default="true"/><variant product-id="V2"/></variants></variations></product>
<product product-id="V1"><upc>012345678905</upc><online-flag>true</online-flag><custom-attributes>
<custom-attribute attribute-id="color">Blue</custom-attribute></custom-attributes></product>
<product product-id="V2"><online-flag>false</online-flag></product>
<product product-id="S1"><display-name xml:lang="x-default">Belt</display-name><online-flag>true</online-flag></product>
<category-assignment category-id="mens" product-id="M1"/>
<category-assignment category-id="shirts" product-id="M1"><primary-flag>true</primary-flag></category-assignment>
</catalog>"""
    shop = import_text(tmp_path, "catalog.xml", text)
    assert shop.report.format == "Salesforce Commerce catalogue"
    assert shop.column("title") == {"V1": "Oxford shirt", "V2": "Oxford shirt", "S1": "Belt"}
    assert shop.column("group_id") == {"V1": "M1", "V2": "M1", "S1": "S1"}
    assert shop.column("published") == {"V1": True, "V2": False, "S1": True}
    row = shop.row("V1")
    assert (row["description"], row["brand"], row["gtin"]) == (
        "Short\nLong",
        "Acme",
        "012345678905",
    )
    assert (row["category"], row["image"], row["images"]) == (
        "Mens > Shirts",
        "large/1.jpg",
        ["large/2.jpg"],
    )
    assert json.loads(row["attributes"]) == {"color": "Blue", "material": "Cotton"}
    assert shop.notes["parent-passed-on"] == 1


def test_woocommerce_of_wordpress(tmp_path):
    """WXR: posts with meta values; images are posts too, variations name their parent's id."""

    def post(code, title, kind, rest, parent=0, status="publish"):
        return (f"<item><title>{title}</title><wp:post_id>{code}</wp:post_id><wp:status>{status}</wp:status>"
                f"<wp:post_parent>{parent}</wp:post_parent><wp:post_type>{kind}</wp:post_type>{rest}</item>")  # fmt: skip

    def meta(**values):
        return "".join(f"<wp:postmeta><wp:meta_key>{key}</wp:meta_key><wp:meta_value>{value}</wp:meta_value></wp:postmeta>"
                       for key, value in values.items())  # fmt: skip

    def term(domain, short, label):
        return f'<category domain="{domain}" nicename="{short}"><![CDATA[{label}]]></category>'

    text = "".join([
        '<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
        'xmlns:wp="http://wordpress.org/export/1.2/"><channel><title>Shop</title>',
        post(5, "photo", "attachment", f"<wp:attachment_url>{WEB}5.jpg</wp:attachment_url>", status="inherit"),
        post(10, "V-Neck", "product", "<content:encoded><![CDATA[<p>Soft</p>]]></content:encoded>"
             + term("product_type", "variable", "variable") + term("product_cat", "tees", "Tees")
             + term("pa_color", "red", "Red") + meta(_sku="VN", _thumbnail_id=5)),
        post(11, "V-Neck - Red", "product_variation", meta(_sku="VN-R", _regular_price=20, _sale_price=18,
             _stock_status="instock", attribute_pa_color="red"), parent=10),
        post(12, "Cap", "product", term("product_cat", "hats", "Hats") + meta(_regular_price=9,
             _stock_status="outofstock"), status="draft"),
        "</channel></rss>",
    ])  # fmt: skip
    shop = import_text(tmp_path, "woo.xml", text)
    assert shop.report.format == "WooCommerce in WordPress's export"
    assert shop.column("price") == {"VN-R": 20, "12": 9}
    row = shop.row("VN-R")
    assert (row["sale_price"], row["group_id"], row["category"]) == (18, "VN", "Tees")
    assert (row["image_url"], row["description"]) == (f"{WEB}5.jpg", "Soft")
    assert json.loads(row["attributes"]) == {"color": "Red"}
    assert shop.column("published") == {"VN-R": True, "12": False}
    assert shop.column("availability") == {"VN-R": "in_stock", "12": "out_of_stock"}
