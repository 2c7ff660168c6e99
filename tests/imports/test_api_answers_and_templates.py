# ruff: noqa: E501
"""Answers of APIs, templates with remarks below their names, and images in other columns."""

import json

import polars as pl
from support.exports import WEB, csv_text, facts, images, import_path, import_text
from support.shops import image_bytes


def test_akeneo_of_the_api(tmp_path):
    """Each value has a language and a channel; English comes first, and the first of prices."""

    def value(data, locale=None, scope=None):
        return {"data": data, "locale": locale, "scope": scope}

    top = {"identifier": "top", "uuid": "u1", "enabled": True, "family": "tshirt", "categories": ["summer", "tees"], "parent": "model",
           "values": {"name": [value("Haut", "fr_FR"), value("Top", "en_US")], "description": [value("<p>Soft</p>", "en_US", "web")],
                      "price": [value([{"amount": "15.5", "currency": "EUR"}, {"amount": "15", "currency": "USD"}])],
                      "weight": [value({"amount": 120, "unit": "GRAM"})], "color": [value("black")],
                      "picture": [value("9/b/top.png") | {"_links": {"download": {"href": f"{WEB}top.png"}}}]}}  # fmt: skip
    cap = {"identifier": "cap", "uuid": "u2", "enabled": False, "family": "cap", "categories": [], "parent": None,
           "values": {"name": [value("Kappe", "de_DE")]}}  # fmt: skip
    shop = import_text(tmp_path, "products.jsonl", "\n".join(map(json.dumps, [top, cap])))
    assert shop.report.format == "Akeneo products of the API"
    assert shop.column("title") == {"top": "Top", "cap": "Kappe"}
    assert shop.column("published") == {"top": True, "cap": False}
    row = shop.row("top")
    assert (row["price"], row["currency"], row["group_id"]) == (15.5, "EUR", "model")
    assert (row["description"], row["category_paths"]) == ("Soft", ["summer", "tees"])
    assert (row["image_url"], row["color"]) == (f"{WEB}top.png", "black")


def test_commercetools_as_a_table(tmp_path):
    """Cents, the price of no country first; rows of variants have neither a type nor a name."""
    header = [
        "productType",
        "key",
        "variantId",
        "sku",
        "prices",
        "tax",
        "categories",
        "images",
        "name.en",
        "name.de",
        "slug.en",
        "color",
        "size",
    ]
    text = csv_text(
        header,
        {"productType": "main", "key": "p1", "variantId": "1", "sku": "A1", "prices": "DE-EUR 31900;EUR 29900|25900",
         "categories": "Sale;Women>Shoes", "images": f"{WEB}1.jpg;{WEB}2.jpg", "name.en": 'Sneakers "Lena"', "name.de": "Schuh",
         "slug.en": "lena", "color": "white", "size": "38"},
        {"variantId": "2", "sku": "A2", "prices": "JPY 29900", "images": f"{WEB}3.jpg", "color": "black", "size": "39"},
        {"productType": "main", "key": "p2", "variantId": "1", "sku": "B1", "prices": "EUR 1250", "name.en": "Bag"},
    )  # fmt: skip
    shop = import_text(tmp_path, "products.csv", text)
    assert shop.report.format == "commercetools CSV"
    assert shop.column("price") == {"A1": 299, "A2": 29900, "B1": 12.5}
    assert shop.column("sale_price") == {"A1": 259, "A2": None, "B1": None}
    assert shop.column("title") == {"A1": 'Sneakers "Lena"', "A2": 'Sneakers "Lena"', "B1": "Bag"}
    assert shop.column("group_id") == {"A1": "p1", "A2": "p1", "B1": "p2"}
    assert shop.row("A2")["category_paths"] == ["Sale", "Women > Shoes"]
    assert facts(shop, "A2") == {"color": "black", "size": "39"}
    assert images(shop, "A2")[0] == f"{WEB}3.jpg"


def test_a_template_with_remarks_below_its_names(tmp_path):
    """TikTok Shop: names for people and what must be filled in are no products; variants share a name."""
    header = [
        "category",
        "brand",
        "product_name",
        "main_image",
        "image_2",
        "property_name_1",
        "property_value_1",
        "price",
        "quantity",
        "seller_sku",
    ]
    dress = {
        "category": "Womenswear/Dresses",
        "brand": "Acme",
        "product_name": "Summer dress",
        "main_image": f"{WEB}1.jpg",
        "image_2": f"{WEB}2.jpg",
        "property_name_1": "Color",
    }
    text = csv_text(
        header,
        {"category": "V3", "brand": "metric"},
        {"category": "Category", "brand": "Brand", "product_name": "Product name", "main_image": "Main image", "image_2": "Image 2",
         "property_name_1": "Variation name", "property_value_1": "Variation value", "price": "Retail price", "quantity": "Quantity", "seller_sku": "Seller SKU"},
        dict.fromkeys(header, "Mandatory") | {"image_2": "Optional"},
        dress | {"property_value_1": "Red", "price": "19.99", "quantity": "5", "seller_sku": "D-R"},
        dress | {"property_value_1": "Blue", "price": "21.99", "quantity": "0", "seller_sku": "D-B"},
        dress | {"product_name": "Hat", "property_value_1": "Blue", "price": "9.99", "quantity": "1", "seller_sku": "H-B"},
    )  # fmt: skip
    shop = import_text(tmp_path, "template.csv", text)
    assert shop.column("price") == {"D-R": 19.99, "D-B": 21.99, "H-B": 9.99}
    assert shop.column("group_id") == {"D-R": "D-R", "D-B": "D-R", "H-B": "H-B"}
    assert shop.column("availability") == {
        "D-R": "in_stock",
        "D-B": "out_of_stock",
        "H-B": "in_stock",
    }
    assert facts(shop, "D-B") == {"Color": "Blue"}
    assert images(shop, "D-R") == [f"{WEB}1.jpg", f"{WEB}2.jpg"]
    assert (shop.notes["remark-row"], shop.notes["grouped-by-title"], shop.notes["no-content"]) == (
        2,
        1,
        1,
    )


def test_rows_of_one_title_in_other_sizes_are_a_group(tmp_path):
    """The currency stands behind the name of the price; rows of like titles without options stay apart."""
    text = "Art. No.,Item,Size,Retail price EUR,UVP in EUR,Weitere Bilder\n" + "".join(
        f"{code},{title},{size},{price},{list_price},{WEB}{code}.jpg\n"
        for code, title, size, price, list_price in (
            ("001", "Coat", "M", "129.95", "150.00"), ("002", "Coat", "L", "129.95", "150.00"), ("003", "Coat", "", "9.50", ""),
            ("004", "Hat", "S", "19.00", ""), ("005", "Cap", "S", "19.00", ""),
        )
    )  # fmt: skip
    shop = import_text(tmp_path, "t.csv", text)
    assert shop.column("group_id") == {
        "001": "001",
        "002": "001",
        "003": "003",
        "004": "004",
        "005": "005",
    }
    assert shop.column("price")["002"] == 129.95
    assert shop.column("list_price")["001"] == 150
    assert shop.column("currency")["001"] == "EUR"
    assert shop.row("001")["image_url"] == f"{WEB}001.jpg"


def test_an_id_that_counts_variants_is_no_group(tmp_path):
    """Numbers 1 and 2 stand beside several titles each."""
    text = "id,sku,name,price\n1,A1,Shoe,2.5\n2,A2,Boot,3.5\n1,B1,Bag,4.5\n2,B2,Belt,5.5\n"
    shop = import_text(tmp_path, "t.csv", text)
    assert shop.column("group_id") == {name: name for name in ("A1", "A2", "B1", "B2")}


def test_magento_1_of_a_profile(tmp_path):
    header = ["store", "websites", "attribute_set", "type", "category_ids", "sku", "name", "price", "special_price", "status", "visibility",
              "description", "short_description", "image", "small_image", "qty", "is_in_stock", "manufacturer", "color"]  # fmt: skip
    base = {
        "store": "admin",
        "websites": "base",
        "attribute_set": "Default",
        "type": "simple",
        "category_ids": "4,5",
        "visibility": "Catalog, Search",
    }
    text = csv_text(
        header,
        base | {"sku": "M1", "name": "Chair", "price": "99.0000", "status": "Enabled", "description": "Nice", "short_description": "Short",
                "image": "/c/h/chair.jpg", "qty": "10.0000", "is_in_stock": "1", "manufacturer": "Acme", "color": "Red"},
        base | {"sku": "M2", "name": "Desk", "price": "199.0000", "special_price": "149.5000", "status": "Disabled", "image": "no_selection", "is_in_stock": "0"},
        base | {"sku": "M1", "store": "french", "name": "Chaise"},
    )  # fmt: skip
    shop = import_text(tmp_path, "export_all_products.csv", text)
    assert shop.report.format == "Magento CSV"
    assert shop.column("title") == {"M1": "Chair", "M2": "Desk"}
    assert shop.column("price") == {"M1": 99, "M2": 199}
    assert shop.column("sale_price") == {"M1": None, "M2": 149.5}
    assert shop.column("published") == {"M1": True, "M2": False}
    assert shop.column("availability") == {"M1": "in_stock", "M2": "out_of_stock"}
    row = shop.row("M1")
    assert (row["brand"], row["image"], row["description"]) == (
        "Acme",
        "c/h/chair.jpg",
        "Short\nNice",
    )
    assert facts(shop, "M1") == {"color": "Red"}
    assert shop.notes["store-view"] == 1


def test_variants_nested_in_parquet(tmp_path):
    pl.DataFrame({
        "product_id": ["a", "b"], "title": ["Tee", "Cap"], "images": [[f"{WEB}1.jpg"], [f"{WEB}2.jpg"]],
        "variants": [[{"sku": "a1", "price": 2.5, "size": "S"}, {"sku": "a2", "price": 3.5, "size": "M"}],
                     [{"sku": "b1", "price": 9.0, "size": "L"}]],
    }).write_parquet(tmp_path / "p.parquet")  # fmt: skip
    shop = import_path(tmp_path / "p.parquet", tmp_path / "shop")
    assert shop.column("price") == {"a1": 2.5, "a2": 3.5, "b1": 9}
    assert shop.column("group_id") == {"a1": "a", "a2": "a", "b1": "b"}
    assert (facts(shop, "a2"), shop.row("a2")["image_url"]) == ({"size": "M"}, f"{WEB}1.jpg")


def test_images_in_a_table_of_judgements_become_files(tmp_path):
    """Marqo-GS as the hub has it: the image of a product stands beside its query and score."""
    pl.DataFrame({
        "query": ["hat", "cap"], "product_id": ["p1", "p1"], "position": [1, 2], "title": ["Hat", "Hat"], "score_linear": [100, 50],
        "image": [{"bytes": image_bytes(9), "path": "i.png"}] * 2,
    }).write_parquet(tmp_path / "m.parquet")  # fmt: skip
    shop = import_path(tmp_path / "m.parquet", tmp_path / "shop")
    assert shop.report.counts["products"] == 1
    assert (tmp_path / "shop" / shop.row("p1")["image"]).read_bytes() == image_bytes(9)
    assert pl.read_parquet(tmp_path / "shop" / "qrels.parquet")["product_id"].to_list() == [
        "p1",
        "p1",
    ]


def test_images_in_base_64_are_no_paths(tmp_path):
    text = f"id,name,image_1920\n1,Desk,iVBORw0KGgoAAAANSUhEUgAA\n2,Lamp,{WEB}2.png\n3,Rug,{WEB}3.png\n"
    shop = import_text(tmp_path, "o.csv", text)
    assert shop.column("image_url") == {"1": None, "2": f"{WEB}2.png", "3": f"{WEB}3.png"}
    assert (shop.notes["bad-image"], "image" in shop.products.columns) == (1, False)


def test_prices_with_tax_come_before_those_without(tmp_path):
    """PrestaShop's list in French, whose status and images have their own names."""
    text = (
        'ID produit;Image;Nom;Référence;"Prix (HT)";"Prix (TTC)";Quantité;État\n'
        f'1;{WEB}1.jpg;T-shirt;demo_1;"23,90 €";"28,68 €";2400;1\n2;{WEB}2.jpg;Pull;demo_3;"1 235,90 €";"1 483,08 €";0;0\n'
    )
    shop = import_text(tmp_path, "p.csv", text, encoding="utf-8-sig")
    assert shop.column("price") == {"1": 28.68, "2": 1483.08}
    assert shop.column("published") == {"1": True, "2": False}


def test_the_cheapest_offer_that_can_be_bought(tmp_path):
    offers = [{"@type": "Offer", "price": price, "priceCurrency": "GBP", "availability": f"https://schema.org/{state}"}
              for price, state in ((49.5, "InStock"), (45, "OutOfStock"), (47, "InStock"))]  # fmt: skip
    lamp = {
        "@context": "https://schema.org",
        "@type": "Product",
        "sku": "L",
        "name": "Lamp",
        "offers": offers,
    }
    row = import_text(tmp_path, "l.json", json.dumps(lamp)).row("L")
    assert (row["price"], row["availability"]) == (47, "in_stock")


def test_the_image_of_an_option_of_ebay(tmp_path):
    header = [
        "Action(SiteID=US|Currency=USD)",
        "CustomLabel",
        "Title",
        "Relationship",
        "RelationshipDetails",
        "PicURL",
        "StartPrice",
        "Quantity",
    ]
    text = csv_text(
        header,
        {"Action(SiteID=US|Currency=USD)": "Add", "CustomLabel": "S", "Title": "Shirt", "PicURL": f"{WEB}1.jpg"},
        {"CustomLabel": "S-R", "Relationship": "Variation", "RelationshipDetails": "Color=Red", "PicURL": f"Red={WEB}r.jpg", "StartPrice": "12.99", "Quantity": "4"},
    )  # fmt: skip
    assert images(import_text(tmp_path, "e.csv", text), "S-R") == [f"{WEB}r.jpg", f"{WEB}1.jpg"]
