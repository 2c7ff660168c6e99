# ruff: noqa: E501
"""BMEcat, and shapes of JSON, XML and tables that further systems give."""

import json

import pytest
from support.exports import WEB, facts, images, import_path, import_text

from windowshop.errors import DataError


def bmecat(article, prefix):
    """A catalogue of one screw, by the names of version 1.2 or 2005."""
    details = f"{prefix}_DETAILS"
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE BMECAT SYSTEM "bmecat.dtd"><BMECAT><HEADER><CATALOG><LANGUAGE>deu</LANGUAGE>
<CURRENCY>EUR</CURRENCY></CATALOG></HEADER><T_NEW_CATALOG><CATALOG_GROUP_SYSTEM>
<CATALOG_STRUCTURE type="root"><GROUP_ID>1</GROUP_ID><GROUP_NAME>Katalog</GROUP_NAME><PARENT_ID>0</PARENT_ID></CATALOG_STRUCTURE>
<CATALOG_STRUCTURE type="node"><GROUP_ID>2</GROUP_ID><GROUP_NAME>Eisenwaren</GROUP_NAME><PARENT_ID>1</PARENT_ID></CATALOG_STRUCTURE>
<CATALOG_STRUCTURE type="leaf"><GROUP_ID>3</GROUP_ID><GROUP_NAME>Schrauben</GROUP_NAME><PARENT_ID>2</PARENT_ID></CATALOG_STRUCTURE></CATALOG_GROUP_SYSTEM>
<{prefix} mode="new"><SUPPLIER_{article}>Q20</SUPPLIER_{article}><{details}><DESCRIPTION_SHORT>Schraube für Holz</DESCRIPTION_SHORT>
<DESCRIPTION_LONG>Verzinkt</DESCRIPTION_LONG><EAN>4006381333931</EAN><MANUFACTURER_NAME>Würth</MANUFACTURER_NAME><KEYWORD>M8</KEYWORD><KEYWORD>Holz</KEYWORD></{details}>
<{prefix}_FEATURES><FEATURE><FNAME>Material</FNAME><FVALUE>Stahl</FVALUE></FEATURE>
<FEATURE><FNAME>Länge</FNAME><FVALUE>20</FVALUE><FVALUE>30</FVALUE><FUNIT>mm</FUNIT></FEATURE></{prefix}_FEATURES>
<{prefix}_PRICE_DETAILS><{prefix}_PRICE price_type="net_list"><PRICE_AMOUNT>10.50</PRICE_AMOUNT></{prefix}_PRICE>
<{prefix}_PRICE price_type="nrp"><PRICE_AMOUNT>12.50</PRICE_AMOUNT></{prefix}_PRICE>
<{prefix}_PRICE price_type="nrp"><PRICE_AMOUNT>11.00</PRICE_AMOUNT><LOWER_BOUND>100</LOWER_BOUND></{prefix}_PRICE></{prefix}_PRICE_DETAILS>
<MIME_INFO><MIME><MIME_TYPE>image/jpeg</MIME_TYPE><MIME_SOURCE>{WEB}d.jpg</MIME_SOURCE><MIME_PURPOSE>detail</MIME_PURPOSE></MIME>
<MIME><MIME_TYPE>image/jpeg</MIME_TYPE><MIME_SOURCE>{WEB}n.jpg</MIME_SOURCE><MIME_PURPOSE>normal</MIME_PURPOSE></MIME>
<MIME><MIME_TYPE>application/pdf</MIME_TYPE><MIME_SOURCE>{WEB}q.pdf</MIME_SOURCE><MIME_PURPOSE>data_sheet</MIME_PURPOSE></MIME></MIME_INFO></{prefix}>
<{prefix} mode="delete"><SUPPLIER_{article}>Q21</SUPPLIER_{article}></{prefix}>
<{prefix}_TO_CATALOGGROUP_MAP><{"ART" if prefix == "ARTICLE" else "PROD"}_ID>Q20</{"ART" if prefix == "ARTICLE" else "PROD"}_ID>
<CATALOG_GROUP_ID>3</CATALOG_GROUP_ID></{prefix}_TO_CATALOGGROUP_MAP></T_NEW_CATALOG></BMECAT>"""


def test_bmecat(tmp_path):
    for article, prefix in (("AID", "ARTICLE"), ("PID", "PRODUCT")):
        shop = import_text(tmp_path, f"{prefix}.xml", bmecat(article, prefix), encoding="latin-1")
        assert shop.report.format == "BMEcat"
        row = shop.row("Q20")
        assert (row["title"], row["brand"], row["gtin"]) == (
            "Schraube für Holz",
            "Würth",
            "4006381333931",
        )
        assert (row["price"], row["currency"], row["category"]) == (
            12.5,
            "EUR",
            "Eisenwaren > Schrauben",
        )
        assert facts(shop, "Q20") == {"Material": "Stahl", "Länge": ["20 mm", "30 mm"]}
        assert (images(shop, "Q20"), row["tags"]) == (
            [f"{WEB}n.jpg", f"{WEB}d.jpg"],
            ["M8", "Holz"],
        )
        assert (len(shop.products), shop.notes["option-row"]) == (1, 1)


def test_graphql_of_magento(tmp_path):
    """Amounts are nested three deep; the product of a variant stands in it."""

    def price(regular):
        return {"minimum_price": {"regular_price": {"value": regular, "currency": "USD"}}}

    variants = [{"attributes": [{"code": "color", "label": color, "value_index": 1}, {"code": "size", "label": "L", "value_index": 2}],
                 "product": {"sku": f"VSW-{color}", "name": f"Sweater-{color}", "price_range": price(amount), "stock_status": state}}
                for color, amount, state in (("Peach", 48, "OUT_OF_STOCK"), ("Blue", 50, "IN_STOCK"))]  # fmt: skip
    items = [{"__typename": "ConfigurableProduct", "id": 1, "sku": "VSW", "name": "Sweater", "price_range": price(48),
              "media_gallery": [{"url": f"{WEB}1.jpg"}], "categories": [{"name": "Tops"}], "variants": variants},
             {"__typename": "SimpleProduct", "id": 2, "sku": "B1", "name": "Belt", "price_range": price(20), "stock_status": "IN_STOCK"}]  # fmt: skip
    shop = import_text(tmp_path, "m.json", json.dumps({"data": {"products": {"items": items}}}))
    assert shop.column("price") == {"VSW-Peach": 48, "VSW-Blue": 50, "B1": 20}
    assert shop.column("availability") == {
        "VSW-Peach": "out_of_stock",
        "VSW-Blue": "in_stock",
        "B1": "in_stock",
    }
    assert facts(shop, "VSW-Blue") == {"color": "Blue", "size": "L"}
    row = shop.row("VSW-Blue")
    assert (row["title"], row["currency"], row["category"]) == ("Sweater", "USD", "Tops")
    assert shop.row("VSW-Peach")["group_id"] == row["group_id"] != shop.row("B1")["group_id"]


def test_resources_of_json_api(tmp_path):
    """Fields stand in `attributes`, references to variants are none."""
    data = [{"id": "1", "type": "product", "attributes": {"name": "Tote", "price": "15.99", "currency": "USD", "in_stock": True},
             "relationships": {"variants": {"data": [{"id": "2", "type": "variant"}]}}},
            {"id": "5", "type": "product", "attributes": {"name": "Cap", "price": "9.00", "currency": "USD", "in_stock": False}}]  # fmt: skip
    shop = import_text(tmp_path, "s.json", json.dumps({"data": data, "meta": {"count": 2}}))
    assert shop.column("price") == {"1": 15.99, "5": 9}
    assert shop.column("availability") == {"1": "in_stock", "5": "out_of_stock"}


def test_shoptet(tmp_path):
    """Variants, images and categories in boxes; a product without variants has its code beside it."""
    text = f"""<?xml version="1.0" encoding="utf-8"?><SHOP><SHOPITEM id="1"><NAME>Tričko</NAME><MANUFACTURER>Acme</MANUFACTURER>
<CATEGORIES><CATEGORY id="5">Oblečení &gt; Trička</CATEGORY><DEFAULT_CATEGORY id="5">Oblečení &gt; Trička</DEFAULT_CATEGORY></CATEGORIES>
<IMAGES><IMAGE description="">{WEB}1.jpg</IMAGE><IMAGE>{WEB}2.jpg</IMAGE></IMAGES><VARIANTS>
<VARIANT id="11"><CODE>T-S</CODE><PRICE_VAT>299</PRICE_VAT><CURRENCY>CZK</CURRENCY><STOCK><AMOUNT>3</AMOUNT></STOCK>
<PARAMETERS><PARAMETER><NAME>Velikost</NAME><VALUE>S</VALUE></PARAMETER></PARAMETERS></VARIANT>
<VARIANT id="12"><CODE>T-M</CODE><PRICE_VAT>319</PRICE_VAT><CURRENCY>CZK</CURRENCY><STOCK><AMOUNT>0</AMOUNT></STOCK>
<PARAMETERS><PARAMETER><NAME>Velikost</NAME><VALUE>M</VALUE></PARAMETER></PARAMETERS></VARIANT></VARIANTS><VISIBILITY>visible</VISIBILITY></SHOPITEM>
<SHOPITEM id="2"><NAME>Čepice</NAME><CODE>C1</CODE><PRICE_VAT>199</PRICE_VAT><CURRENCY>CZK</CURRENCY><IMAGES><IMAGE>{WEB}3.jpg</IMAGE></IMAGES>
<VISIBILITY>hidden</VISIBILITY></SHOPITEM></SHOP>"""
    shop = import_text(tmp_path, "shoptet.xml", text)
    assert shop.column("price") == {"T-S": 299, "T-M": 319, "C1": 199}
    assert shop.column("published") == {"T-S": True, "T-M": True, "C1": False}
    assert shop.column("availability") == {"T-S": "in_stock", "T-M": "out_of_stock", "C1": None}
    assert (images(shop, "T-M"), images(shop, "C1")) == (
        [f"{WEB}1.jpg", f"{WEB}2.jpg"],
        [f"{WEB}3.jpg"],
    )
    assert shop.row("T-S")["category"] == "Oblečení > Trička"
    assert facts(shop, "T-M") == {"Velikost": "M"}


def test_records_that_name_their_kind(tmp_path):
    """Sanity's lines: categories are no products."""
    lines = [{"_id": "c1", "_type": "category", "title": "Shoes"}, {"_id": "p1", "_type": "product", "title": "Boot", "price": 99},
             {"_id": "p2", "_type": "product", "title": "Clog", "price": 49}]  # fmt: skip
    shop = import_text(tmp_path, "s.ndjson", "\n".join(map(json.dumps, lines)))
    assert shop.column("title") == {"p1": "Boot", "p2": "Clog"}
    assert shop.notes["other-kind"] == 1


def test_texts_that_name_their_language(tmp_path):
    """Amazon's Berkeley Objects: English before the first; several in one language stay several."""

    def said(language, *texts):
        return [{"language_tag": language, "value": text} for text in texts]

    shoe = {"item_id": "B1", "item_name": [*said("nl_NL", "Schoen"), *said("en_GB", "Shoe")], "brand": said("nl_NL", "find."),
            "bullet_point": said("en_GB", "Soft", "Light"), "product_type": [{"value": "SHOES"}]}  # fmt: skip
    chair = {
        "item_id": "B2",
        "item_name": said("de_DE", "Stuhl"),
        "product_type": [{"value": "CHAIR"}],
    }
    shop = import_text(tmp_path, "l.json", "\n".join(map(json.dumps, [shoe, chair])))
    assert shop.column("title") == {"B1": "Shoe", "B2": "Stuhl"}
    row = shop.row("B1")
    assert (row["brand"], row["category"]) == ("find.", "SHOES")


def test_paths_that_end_in_the_value_of_an_object(tmp_path):
    """plentymarkets: a manufacturer's name is no title, an image's url no link; Salsify's names have its own before them."""
    text = (
        "Item.id;Variation.id;ItemDescription.name1;VariationRetailPrice.price;Category.name;ItemManufacturer.name;ItemImage.url\n"
        f"100;1000;Jacke;99,90;Herren;Acme;{WEB}1.jpg\n100;1001;Jacke;109,90;Herren;Acme;{WEB}2.jpg\n"
    )
    shop = import_text(tmp_path, "p.csv", text)
    assert shop.column("title") == {"1000": "Jacke", "1001": "Jacke"}
    assert shop.column("brand")["1000"] == "Acme"
    assert shop.column("image_url")["1001"] == f"{WEB}2.jpg"
    assert shop.column("group_id") == {"1000": "100", "1001": "100"}
    text = f"salsify:id,salsify:parent_id,Product Name,MSRP,Main Image,Color\nP1,,Jacket,129.00,{WEB}1.jpg,\nV1,P1,,129.00,,Red\nV2,P1,,139.00,,Blue\n"
    shop = import_text(tmp_path, "s.csv", text)
    assert shop.column("title") == {"V1": "Jacket", "V2": "Jacket"}
    assert shop.column("price") == {"V1": 129, "V2": 139}
    assert shop.column("group_id") == {"V1": "P1", "V2": "P1"}


def test_steps_of_a_breadcrumb_and_options_by_their_groups(tmp_path):
    """Shopware's API: the parent passes on what its variant has not; a cover holds its address two deep."""
    shirt = {"id": "a1", "parentId": None, "productNumber": "SW1", "name": "Shirt", "active": True, "stock": 5, "cover": {"media": {"url": f"{WEB}1.jpg"}},
             "price": [{"currencyId": "b7", "net": 16.8, "gross": 19.99}], "categories": [{"name": "Tops", "breadcrumb": ["Home", "Tops"]}]}  # fmt: skip
    red = {"id": "a2", "parentId": "a1", "productNumber": "SW1.1", "name": None, "active": True, "stock": 0, "price": [{"net": 1, "gross": 21.99}],
           "options": [{"name": "Red", "group": {"name": "Colour"}}]}  # fmt: skip
    shop = import_text(tmp_path, "s.json", json.dumps({"total": 2, "data": [shirt, red]}))
    row = shop.row("a2")
    assert (row["title"], row["price"], row["group_id"]) == ("Shirt", 21.99, "a1")
    assert (row["category"], row["image_url"], row["availability"]) == (
        "Home > Tops",
        f"{WEB}1.jpg",
        "out_of_stock",
    )
    assert facts(shop, "a2") == {"Colour": "Red"}


def test_levels_of_categories_in_objects(tmp_path):
    """Algolia: the deepest level is the path; a shop's own list of names from the top is one too."""
    tv = {"objectID": "1", "name": "Stick", "price": 39.99, "categories": ["TV", "Players"],
          "hierarchicalCategories": {"lvl0": "TV", "lvl1": "TV > Players"}}  # fmt: skip
    cap = {
        "objectID": "2",
        "name": "Cap",
        "price": 9,
        "categories": ["Caps"],
        "hierarchicalCategories": {"lvl0": "Caps"},
    }
    shop = import_text(tmp_path, "a.json", json.dumps([tv, cap]))
    assert shop.column("category") == {"1": "TV > Players", "2": "Caps"}
    items = [{"sku": i, "name": f"Thing {i}", "category": [{"id": "a", "name": "Home"}, {"id": f"b{i % 9}", "name": f"Shelf {i % 9}"}]}
             for i in range(30)]  # fmt: skip
    shop = import_text(tmp_path, "b.json", json.dumps(items))
    assert shop.column("category")["4"] == "Home > Shelf 4"


def test_amounts_of_woocommerce_for_its_blocks(tmp_path):
    prices = {
        "price": "4200",
        "regular_price": "4500",
        "currency_code": "GBP",
        "currency_minor_unit": 2,
    }
    hoodie = {
        "id": 34,
        "name": "Hoodie",
        "sku": "h",
        "prices": prices,
        "is_in_stock": True,
        "images": [{"id": 1, "src": f"{WEB}h.jpg"}],
    }
    row = import_text(tmp_path, "w.json", json.dumps([hoodie, hoodie | {"id": 35}])).row("34")
    assert (row["price"], row["currency"], row["availability"]) == (45, "GBP", "in_stock")


def test_variants_by_their_names(tmp_path):
    shop = {"p1": {"name": "Tee", "variants": {"S": {"sku": "T-S", "price": 10}, "M": {"sku": "T-M", "price": 12}}},
            "p2": {"name": "Cap", "variants": {"One": {"sku": "C", "price": 5}}}}  # fmt: skip
    found = import_text(tmp_path, "v.json", json.dumps(shop))
    assert found.column("price") == {"T-S": 10, "T-M": 12, "C": 5}
    assert facts(found, "T-M") == {"variant": "M"}


def test_fixtures_of_django(tmp_path):
    """Saleor: models refer to each other by their keys, in any order."""

    def record(model, key, **fields):
        return {"model": model, "pk": key, "fields": fields}

    records = [
        record("product.productvariantchannellisting", 1, variant=202, channel=1, currency="USD", price_amount="5.000"),
        record("product.productvariantchannellisting", 2, variant=203, channel=1, currency="USD", price_amount="7.000"),
        record("product.productvariantchannellisting", 3, variant=202, channel=2, currency="PLN", price_amount="20.000"),
        record("product.category", 1, name="Drinks", parent=None), record("product.category", 2, name="Juices", parent=1),
        record("product.product", 72, name="Apple Juice", category=2, slug="apple", weight="1.0", metadata={},
               description={"blocks": [{"data": {"text": "Fell straight"}, "type": "paragraph"}]}),
        record("product.product", 73, name="Mug", category=None),
        record("product.productvariant", 202, sku="4322", name="1l", product=72), record("product.productvariant", 203, sku="4323", name="2l", product=72),
        record("product.productmedia", 1, product=72, image="products/a.png"), record("warehouse.stock", 1, product_variant=202, quantity=5),
        record("warehouse.stock", 2, product_variant=202, quantity=2), record("warehouse.stock", 3, product_variant=203, quantity=0),
        record("channel.channel", 1, name="Web", currency_code="USD"),
    ]  # fmt: skip
    shop = import_text(tmp_path, "populatedb_data.json", json.dumps(records))
    assert shop.report.format == "Django fixture"
    assert shop.column("price") == {"4322": 5, "4323": 7, "73": None}
    assert shop.column("group_id") == {"4322": "72", "4323": "72", "73": "73"}
    assert shop.column("stock") == {"4322": 7, "4323": 0, "73": None}
    assert shop.column("availability") == {"4322": "in_stock", "4323": "out_of_stock", "73": None}
    row = shop.row("4322")
    assert (row["title"], row["category"], row["currency"]) == (
        "Apple Juice",
        "Drinks > Juices",
        "USD",
    )
    assert (row["description"], row["image"], facts(shop, "4322")) == (
        "Fell straight",
        "products/a.png",
        {"variant": "1l"},
    )


def test_texts_beside_addresses_of_images_are_titles(tmp_path):
    lines = "\n".join(
        json.dumps({"image_url": f"{WEB}{i}.jpg", "text": f"Photo of hat {i}"}) for i in range(3)
    )
    shop = import_text(tmp_path, "c.jsonl", lines)
    assert shop.products["title"].to_list() == [
        "Photo of hat 0",
        "Photo of hat 1",
        "Photo of hat 2",
    ]


def test_the_table_of_products_among_others(tmp_path):
    """Tables of brands and categories have ids and names too."""
    (tmp_path / "dump").mkdir()
    for name, text in (("brands", "id,name\n5,Acme\n"), ("items", "id,name,category_id,brand,price\n1,Hat,10,Acme,9.5\n2,Cap,11,Acme,4.5\n"),
                       ("taxonomy", "id,name,parent_id\n9,All,\n10,Hats,9\n")):  # fmt: skip
        (tmp_path / "dump" / f"{name}.csv").write_text(text)
    shop = import_path(tmp_path / "dump", tmp_path / "shop")
    assert shop.column("title") == {"1": "Hat", "2": "Cap"}
    assert [path.rpartition("/")[2] for path in shop.report.passed_over] == [
        "brands.csv",
        "taxonomy.csv",
    ]


def test_levels_by_their_order_and_lengths_that_are_no_texts(tmp_path):
    text = "product_id,product_name,primary_category,secondary_category,tertiary_category,price_usd\nP1,Set,Fragrance,Gifts,Sets,35.0\nP2,Eau,Fragrance,Women,Perfume,195.0\n"
    shop = import_text(tmp_path, "s.csv", text)
    assert shop.column("category") == {
        "P1": "Fragrance > Gifts > Sets",
        "P2": "Fragrance > Women > Perfume",
    }
    text = "product_id,product_category_name,product_name_lenght,product_description_lenght\na1,perfumaria,40,287\na2,artes,44,276\n"
    with pytest.raises(DataError, match="no column is known to hold title"):
        import_text(tmp_path, "o.csv", text)


def test_names_of_marketplaces(tmp_path):
    """Trendyol and Rakuten: names in Turkish and Japanese, with brackets behind them."""
    text = (
        "Barkod;Model Kodu;Marka;Para Birimi;Ürün Adı;Piyasa Satış Fiyatı (KDV Dahil);Trendyol'da Satılacak Fiyat (KDV Dahil);Ürün Stok Adedi;Stok Kodu;Görsel 1;Beden\n"
        f"8690000000001;M1;Acme;TRY;Elbise;1.299,90;999,90;5;SK-1;{WEB}1.jpg;M\n8690000000002;M1;Acme;TRY;Elbise;1.299,90;989,90;0;SK-2;{WEB}2.jpg;L\n"
    )
    shop = import_text(tmp_path, "t.csv", text)
    assert shop.column("price") == {"SK-1": 999.9, "SK-2": 989.9}
    assert shop.column("list_price")["SK-1"] == 1299.9
    assert shop.column("group_id") == {"SK-1": "M1", "SK-2": "M1"}
    assert shop.column("availability") == {"SK-1": "in_stock", "SK-2": "out_of_stock"}
    assert shop.row("SK-2")["image_url"] == f"{WEB}2.jpg"
    text = f'商品管理番号（商品URL）,商品名,販売価格,在庫数,商品画像パス1,商品説明文\nitem-1,赤いシャツ,"2,980円",5,{WEB}1.jpg,綿\nitem-2,帽子,980円,0,{WEB}2.jpg,\n'
    shop = import_text(tmp_path, "r.csv", text, encoding="cp932")
    assert shop.column("title") == {"item-1": "赤いシャツ", "item-2": "帽子"}
    assert shop.column("price") == {"item-1": 2980, "item-2": 980}
    assert (shop.row("item-1")["image_url"], shop.row("item-1")["description"]) == (
        f"{WEB}1.jpg",
        "綿",
    )
    assert shop.row("item-2")["availability"] == "out_of_stock"


def test_a_line_of_names_alone_is_named(tmp_path):
    with pytest.raises(DataError, match="has a header and no rows"):
        import_text(tmp_path, "n.csv", "id,title,price\n")


def test_a_date_is_no_title(tmp_path):
    """Invoices: short descriptions are the titles; rows of a product that was sold again are dropped."""
    text = "InvoiceNo,StockCode,Description,InvoiceDate,UnitPrice\n1,85A,WHITE HEART,12/1/2010 8:26,2.55\n1,71B,WHITE LANTERN,12/1/2010 8:28,3.39\n2,85A,WHITE HEART,12/2/2010 9:00,2.55\n"
    shop = import_text(tmp_path, "u.csv", text)
    assert shop.column("title") == {"85A": "WHITE HEART", "71B": "WHITE LANTERN"}
    assert shop.notes["repeated-id"] == 1


def test_objects_in_several_languages(tmp_path):
    """The English one is read, else the first, in JSON and in XML."""
    items = [
        {"id": 1, "translations": [{"languageCode": "de", "name": "Stuhl"}, {"languageCode": "en", "name": "Chair", "description": "Nice"}]},
        {"id": 2, "translations": [{"languageCode": "de", "name": "Tisch", "description": "Gut"}]},
    ]  # fmt: skip
    shop = import_text(tmp_path, "a.json", json.dumps(items))
    assert shop.column("title") == {"1": "Chair", "2": "Tisch"}
    assert shop.column("description") == {"1": "Nice", "2": "Gut"}
    text = """<?xml version="1.0"?><Catalogue xmlns="http://x.example/ns"><Article no="A1"><Price>5</Price><Texts><Text lang="fr"><Title>Chaise</Title></Text>
<Text lang="en"><Title>Chair</Title></Text></Texts></Article><Article no="A2"><Price>6</Price><Texts><Text lang="fr"><Title>Table</Title></Text></Texts></Article></Catalogue>"""
    shop = import_text(tmp_path, "a.xml", text)
    assert shop.column("title") == {"A1": "Chair", "A2": "Table"}


def test_variants_of_a_greek_portal_and_amounts_of_stripe(tmp_path):
    text = f"""<?xml version="1.0" encoding="UTF-8"?><shop><products><product><id>322</id><name>Παπούτσι</name><image>{WEB}1.jpg</image>
<additionalimage>{WEB}1b.jpg</additionalimage><price_with_vat>1.049,90</price_with_vat><variations><variation><variationid>322-41</variationid>
<size>41</size><quantity>2</quantity><price_with_vat>49,90</price_with_vat></variation><variation><variationid>322-42</variationid><size>42</size>
<quantity>0</quantity><price_with_vat>52,90</price_with_vat></variation></variations></product>
<product><id>323</id><name>Τσάντα</name><price_with_vat>20,00</price_with_vat></product></products></shop>"""
    shop = import_text(tmp_path, "skroutz.xml", text)
    assert shop.column("price") == {"322-41": 49.9, "322-42": 52.9, "323": 20}
    assert images(shop, "322-41") == [f"{WEB}1.jpg", f"{WEB}1b.jpg"]
    price = {"id": "price_1", "object": "price", "unit_amount": 1250}
    items = [{"id": "prod_1", "object": "product", "name": "Mug", "default_price": price | {"currency": "eur"}},
             {"id": "prod_2", "object": "product", "name": "Cup", "default_price": price | {"currency": "jpy"}}]  # fmt: skip
    shop = import_text(tmp_path, "products.json", json.dumps({"object": "list", "data": items}))
    assert shop.column("price") == {"prod_1": 12.5, "prod_2": 1250}
    assert shop.column("currency") == {"prod_1": "EUR", "prod_2": "JPY"}
