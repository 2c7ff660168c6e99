# ruff: noqa: E501
"""Exports of shop systems by their documented rules, with defects."""

import json

import pytest
from support.exports import csv_text, import_text

from windowshop.imports.formats.magento import categories, pairs, variations
from windowshop.imports.formats.woocommerce import split_commas

SHOPIFY_NEW = [
    "Title", "URL handle", "Description", "Vendor", "Product category", "Type", "Tags",
    "Published on online store", "Status", "SKU", "Barcode", "Option1 name", "Option1 value",
    "Option2 name", "Option2 value", "Price", "Price / International", "Compare-at price",
    "Inventory tracker", "Inventory quantity", "Continue selling when out of stock",
    "Weight value (grams)", "Product image URL", "Image position", "Variant image URL",
    "Fabric (product.metafields.custom.fabric)", "SEO title",
]  # fmt: skip


def attributes(shop, product_id):
    return json.loads(shop.row(product_id)["attributes"])


def test_shopify_of_the_newer_headers(tmp_path):
    text = csv_text(
        SHOPIFY_NEW,
        {"Title": "Tee", "URL handle": "tee", "Description": "<b>Soft</b> tee", "Vendor": "Acme",
         "Product category": "Apparel > Clothing > Tops", "Type": "Basics", "Tags": "new, cotton",
         "Published on online store": "TRUE", "Status": "Active", "SKU": "T-S", "Option1 name": "Size",
         "Option1 value": "S", "Option2 name": "Color", "Option2 value": "Red", "Price": "19.90",
         "Price / International": "21.00", "Compare-at price": "25.00", "Inventory tracker": "shopify",
         "Inventory quantity": "0", "Continue selling when out of stock": "CONTINUE",
         "Weight value (grams)": "200", "Product image URL": "https://x.example/2.jpg",
         "Image position": "2", "Variant image URL": "https://x.example/red.jpg",
         "Fabric (product.metafields.custom.fabric)": "cotton", "SEO title": "x"},
        {"URL handle": "tee", "SKU": "T-M", "Option1 value": "M", "Option2 value": "Blue",
         "Price": "20.90", "Inventory quantity": "-1", "Continue selling when out of stock": "DENY",
         "Product image URL": "https://x.example/1.jpg", "Image position": "1"},
        {"URL handle": "tee", "Product image URL": "https://x.example/3.jpg", "Image position": "3"},
        {"Title": "Draft", "URL handle": "draft", "Status": "Draft", "Price": "5",
         "Option1 name": "Title", "Option1 value": "Default Title", "SKU": "T-M"},
        {"URL handle": "tee", "SKU": "T-L", "Option1 value": "L", "Option2 value": "Red",
         "Price": "21.90", "Inventory quantity": "4"},
    )  # fmt: skip
    shop = import_text(tmp_path, "products.csv", text, currency="eur")
    assert shop.report.format == "Shopify CSV"
    assert set(shop.column("title")) == {"T-S", "T-M", "tee:m-blue", "T-L"}
    small = shop.row("T-S")
    assert (small["price"], small["list_price"], small["currency"]) == (19.9, 25.0, "EUR")
    assert small["price_international"] == 21.0
    assert attributes(shop, "T-S") == {"Size": "S", "Color": "Red", "Fabric": "cotton"}
    assert attributes(shop, "T-L") == {"Size": "L", "Color": "Red", "Fabric": "cotton"}
    assert small["category_paths"] == ["Apparel > Clothing > Tops", "Basics"]
    assert small["tags"] == ["new", "cotton"]
    assert [small["image_url"], *small["image_urls"]] == [
        f"https://x.example/{name}.jpg" for name in ("red", "1", "2", "3")
    ]
    assert shop.row("tee:m-blue")["image_url"] == "https://x.example/1.jpg"
    found = shop.column("availability")
    assert (found["T-S"], found["tee:m-blue"], found["T-L"]) == (
        "backorder",
        "out_of_stock",
        "in_stock",
    )
    assert shop.column("group_id")["T-L"] == "tee"
    assert shop.column("title")["T-L"] == "Tee"
    assert [i for i, shown in shop.column("published").items() if not shown] == ["T-M"]
    assert shop.notes["image-row"] == 1
    assert shop.notes["renamed-variant"] == 1
    shown = import_text(tmp_path, "again.csv", text, published_only=True)
    assert set(shown.column("title")) == {"T-S", "T-M", "T-L"}


SHOPIFY_JSON = {"products": [
    {"id": 1, "title": "Tee", "handle": "tee", "body_html": "<p>Soft</p>", "vendor": "Acme",
     "product_type": "Tops", "tags": ["new", "cotton"],
     "options": [{"name": "Size", "values": ["S", "M"]}, {"name": "Color", "values": ["Red"]}],
     "variants": [
         {"id": 11, "title": "S / Red", "option1": "S", "option2": "Red", "sku": "T-S",
          "price": "19.90", "compare_at_price": "25.00", "available": True, "grams": 200,
          "featured_image": {"src": "https://x.example/red.jpg"}},
         {"id": 12, "option1": "M", "option2": "Red", "sku": None, "price": "20.90",
          "available": False, "featured_image": None}],
     "images": [{"id": 5, "src": "https://x.example/1.jpg", "variant_ids": []},
                {"id": 6, "src": "https://x.example/m.jpg", "variant_ids": [12]}]},
    {"id": 2, "title": "Mug", "handle": "mug", "body_html": None, "vendor": "Acme",
     "product_type": "", "tags": "a, b", "options": [{"name": "Title"}],
     "variants": [{"id": 21, "option1": "Default Title", "price": "5.00", "available": True}],
     "images": []},
]}  # fmt: skip


@pytest.mark.parametrize("form", ["whole", "lines", "indented"])
def test_shopify_json(tmp_path, form):
    lines = "".join(json.dumps(product) + "\n" for product in SHOPIFY_JSON["products"])
    text = {"whole": json.dumps(SHOPIFY_JSON), "indented": json.dumps(SHOPIFY_JSON, indent=1)}
    shop = import_text(tmp_path, "products.json", text.get(form, lines))
    assert shop.report.format == "Shopify products.json"
    assert shop.column("price") == {"T-S": 19.9, "tee:m-red": 20.9, "mug": 5.0}
    assert attributes(shop, "tee:m-red") == {"Size": "M", "Color": "Red"}
    assert shop.row("T-S")["image_url"] == "https://x.example/red.jpg"
    assert shop.row("tee:m-red")["image_url"] == "https://x.example/m.jpg"
    assert shop.column("tags")["mug"] == ["a", "b"]
    assert shop.column("availability")["tee:m-red"] == "out_of_stock"
    assert shop.row("T-S")["category"] == "Tops"


def test_shopify_products_without_a_handle(tmp_path):
    """Each title is a product of its own; images that say there is none are none."""
    text = """Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src
,Lamp,Acme,Title,Default Title,L-1,"1.299,00",https://x.example/l.jpg
,Rug,Acme,Colour,Red,R-1,"49,90",n/a
,,,,Blue,R-2,"59,90",
"""
    shop = import_text(tmp_path, "products.csv", text)
    assert shop.column("title") == {"L-1": "Lamp", "R-1": "Rug", "R-2": "Rug"}
    assert shop.column("price") == {"L-1": 1299, "R-1": 49.9, "R-2": 59.9}
    assert shop.column("image_url")["R-1"] is None
    assert "missing-image" not in shop.notes
    assert shop.row("R-1")["group_id"] == shop.row("R-2")["group_id"] != "L-1"


def test_shopify_json_of_one_product(tmp_path):
    variants = [{"id": 11, "title": "Default Title", "option1": "Default Title", "price": "19.90"}]
    product = {"id": 1, "title": "Tee", "body_html": None, "vendor": "Acme", "product_type": "",
               "handle": "tee", "tags": "a, b", "variants": variants, "status": "draft",
               "options": [{"name": "Title"}], "images": [{"src": "https://x.example/t.jpg"}]}  # fmt: skip
    for content in ({"product": product}, product):
        shop = import_text(tmp_path, "product.json", json.dumps(content))
        assert shop.report.format == "Shopify products.json"
        assert (shop.column("title"), shop.column("price")) == ({"tee": "Tee"}, {"tee": 19.9})


WOO = ["ID", "Type", "SKU", "Name", "Published", "Visibility in catalog", "Short description",
       "Description", "In stock?", "Stock", "Weight (kg)", "Sale price", "Regular price",
       "Categories", "Tags", "Images", "Parent", "Attribute 1 name", "Attribute 1 value(s)",
       "Attribute 1 visible", "Attribute 1 global", "Meta: _secret", "Meta: material"]  # fmt: skip


def test_woocommerce(tmp_path):
    text = csv_text(
        WOO,
        {"ID": "12", "Type": "variation", "Name": "Hat - Red", "Published": "1", "Parent": "id:10",
         "Regular price": "1.099,50", "Sale price": "999,00", "In stock?": "1", "Stock": "3",
         "Attribute 1 name": "Colour", "Attribute 1 value(s)": r"Red\, dark"},
        {"ID": "10", "Type": "variable", "SKU": "", "Name": "Hat", "Published": "1",
         "Description": "<p>Warm</p>", "Short description": "A hat",
         "Categories": r"Clothing > Hats, Gifts > For him, Clothing, Hats\, caps", "Tags": "a, b",
         "Images": "https://x.example/1.jpg, https://x.example/2.jpg",
         "Attribute 1 name": "Colour", "Attribute 1 value(s)": r"Red\, dark, Blue"},
        {"ID": "13", "Type": "variation", "SKU": "H-any", "Name": "Hat - any", "Published": "1",
         "Parent": "id:10", "Regular price": "12,00", "In stock?": "backorder",
         "Images": "https://x.example/3,4.jpg, https://x.example/5.jpg"},
        {"ID": "14", "Type": "variation", "SKU": "lost", "Name": "Lost", "Parent": "gone"},
        {"ID": "15", "Type": "simple, virtual", "SKU": "s", "Name": "Card", "Published": "0",
         "Regular price": "5", "In stock?": "0", "Weight (kg)": "0.5", "Meta: material": "paper"},
    )  # fmt: skip
    shop = import_text(tmp_path, "wc.csv", text)
    assert shop.report.format == "WooCommerce CSV"
    assert set(shop.column("title")) == {"12", "H-any", "lost", "s"}
    red = shop.row("12")
    assert (red["price"], red["sale_price"]) == (1099.5, 999.0)
    assert attributes(shop, "12") == {"Colour": "Red, dark"}
    assert attributes(shop, "H-any") == {"Colour": ["Red, dark", "Blue"]}
    assert red["category_paths"] == ["Clothing > Hats", "Gifts > For him", "Hats, caps"]
    assert red["description"] == "A hat\nWarm"
    assert red["image_url"] == "https://x.example/1.jpg"
    assert shop.row("H-any")["image_url"] == "https://x.example/3,4.jpg"
    assert shop.column("group_id") == {"12": "10", "H-any": "10", "lost": "gone", "s": "s"}
    assert shop.column("availability")["H-any"] == "backorder"
    assert shop.row("s")["published"] is False
    assert shop.row("s")["material"] == "paper"
    assert "Meta: _secret" in shop.report.dropped_columns
    assert (shop.notes["orphan-variant"], shop.notes["parent-passed-on"]) == (1, 1)


def test_woocommerce_with_german_headers(tmp_path):
    header = ["ID", "Typ", "Artikelnummer", "Name", "Veröffentlicht", "Vorrätig?", "Angebotspreis",
              "Regulärer Preis", "Kategorien", "Bilder", "Übergeordnetes Produkt",
              "Attribut 1 Name", "Attribut 1 Wert(e)"]  # fmt: skip
    text = csv_text(
        header,
        {"ID": "1", "Typ": "variable", "Artikelnummer": "K", "Name": "Kleid", "Kategorien": "Damen",
         "Attribut 1 Name": "Größe", "Attribut 1 Wert(e)": "36, 38"},
        {"ID": "2", "Typ": "variation", "Artikelnummer": "K-36", "Name": "Kleid 36",
         "Vorrätig?": "1", "Regulärer Preis": "49,90", "Übergeordnetes Produkt": "K",
         "Attribut 1 Name": "Größe", "Attribut 1 Wert(e)": "36"},
    )  # fmt: skip
    shop = import_text(tmp_path, "wc.csv", text)
    assert shop.report.format == "WooCommerce CSV"
    assert shop.column("price") == {"K-36": 49.9}
    assert attributes(shop, "K-36") == {"Größe": "36"}
    assert (shop.row("K-36")["group_id"], shop.row("K-36")["category"]) == ("K", "Damen")


def test_commas_that_are_part_of_a_name():
    assert split_commas(r"A\, B, C") == ["A, B", "C"]


MAGENTO = ["sku", "store_view_code", "attribute_set_code", "product_type", "categories",
           "product_websites", "name", "description", "short_description", "price", "special_price",
           "url_key", "base_image", "additional_images", "visibility", "product_online", "qty",
           "is_in_stock", "additional_attributes", "configurable_variations"]  # fmt: skip


def test_magento(tmp_path):
    text = csv_text(
        MAGENTO,
        {"sku": "MH01", "product_type": "configurable", "name": "Hoodie", "price": "52.00",
         "categories": "Default Category/Men/Tops,Default Category/Collections/Eco, Friendly",
         "description": "<p>Warm</p>", "base_image": "/m/h/mh01.jpg", "attribute_set_code": "Top",
         "additional_attributes": "material=Cotton|Fleece,pattern=Solid",
         "configurable_variations": "sku=MH01-XS-Black,size=XS,color=Black|"
                                    "sku=MH01-S-Red,size=S,color=Red, dark|bright"},
        {"sku": "MH01-XS-Black", "product_type": "simple", "name": "Hoodie-XS-Black",
         "price": "52.0000", "special_price": "40.0000", "is_in_stock": "1", "qty": "10.0000",
         "product_online": "1", "additional_attributes": "color=Black,size=XS,manufacturer=Acme"},
        {"sku": "MH01-S-Red", "product_type": "simple", "name": "Hoodie-S-Red", "price": "1099.0000",
         "is_in_stock": "0", "product_online": "2"},
        {"sku": "MH01-S-Red", "store_view_code": "de", "name": "Kapuzenpulli", "product_type": "simple"},
        {"sku": "24-MB01", "product_type": "simple", "name": "Bag", "price": "34.00",
         "categories": r"Default Category/Gear/Bags,Default Category/A\/B",
         "additional_images": "/m/b/1.jpg,/m/b/2.jpg", "base_image": "/m/b/0.jpg",
         "additional_attributes": '"color=Red, blue","eco_collection=Yes"'},
    )  # fmt: skip
    shop = import_text(tmp_path, "catalog.csv", text)
    assert shop.report.format == "Magento CSV"
    assert shop.column("price") == {"MH01-XS-Black": 52, "MH01-S-Red": 1099, "24-MB01": 34}
    black = shop.row("MH01-XS-Black")
    assert (black["group_id"], black["sale_price"], black["brand"]) == ("MH01", 40, "Acme")
    assert attributes(shop, "MH01-XS-Black") == {
        "size": "XS", "color": "Black", "material": ["Cotton", "Fleece"], "pattern": "Solid",
    }  # fmt: skip
    assert attributes(shop, "MH01-S-Red")["color"] == "Red, dark|bright"
    assert black["category_paths"] == ["Men > Tops", "Collections > Eco, Friendly"]
    assert black["image"] == "m/h/mh01.jpg"
    assert shop.row("24-MB01")["category_paths"] == ["Gear > Bags", "A/B"]
    assert attributes(shop, "24-MB01") == {"color": "Red, blue", "eco_collection": "Yes"}
    assert shop.row("24-MB01")["images"] == ["m/b/1.jpg", "m/b/2.jpg"]
    assert shop.column("availability")["MH01-S-Red"] == "out_of_stock"
    assert shop.column("title")["MH01-S-Red"] == "Hoodie-S-Red"
    assert (shop.notes["store-view"], shop.notes["parent-passed-on"]) == (1, 1)


def test_separators_of_magento_in_values():
    assert pairs("a=1,b=x, y,c=p|q") == [("a", "1"), ("b", "x, y"), ("c", "p|q")]
    assert pairs('a="x, y",b="p|q",c="r"|"s",d=27"') == [
        ("a", "x, y"), ("b", "p|q"), ("c", "r|s"), ("d", '27"'),
    ]  # fmt: skip
    assert variations("sku=A,size=1|2|sku=B,size=3") == [
        {"sku": "A", "size": "1|2"},
        {"sku": "B", "size": "3"},
    ]
    assert categories(r"Root/A \/ B/C|Root/D") == ["Root > A / B > C", "Root > D"]
    assert categories("Root/A,Root/B, C") == ["Root > A", "Root > B, C"]


OLD_BIG = ["Item Type", "Product ID", "Product Name", "Product Code/SKU", "Brand Name",
           "Product Description", "Price", "Retail Price", "Sale Price", "Product Visible?",
           "Track Inventory", "Current Stock Level", "Category", "Product Image URL - 1",
           "Product Image URL - 2", "Product Custom Fields", "Product UPC/EAN"]  # fmt: skip


def test_bigcommerce_of_the_older_headers(tmp_path):
    text = csv_text(
        OLD_BIG,
        {"Item Type": "Product", "Product ID": "77", "Product Name": "Towel", "Brand Name": "Acme",
         "Product Description": "<p>Soft</p>", "Price": "10.00", "Retail Price": "12.00",
         "Sale Price": "0.00", "Product Visible?": "Y", "Track Inventory": "by option",
         "Category": "Bath/Towels;Sale", "Product Image URL - 1": "https://x.example/1.jpg",
         "Product Image URL - 2": "https://x.example/2.jpg", "Product Custom Fields": "Made in=EU;Wash=40"},
        {"Item Type": "  SKU", "Product ID": "1", "Product Name": "[RT]Size=Small,[CS]Color=Red:#ff0000",
         "Product Code/SKU": "TW-S-R", "Current Stock Level": "4"},
        {"Item Type": "  SKU", "Product ID": "2", "Product Name": "[RT]Size=Large,[CS]Color=Red:#ff0000",
         "Product Code/SKU": "TW-L-R", "Price": "15.00", "Current Stock Level": "0"},
        {"Item Type": "  Rule", "Product ID": "3", "Product Code/SKU": "TW-L-R", "Price": "[ADD]5"},
        {"Item Type": "Product", "Product ID": "78", "Product Name": "Soap", "Product Code/SKU": "SO",
         "Price": "3.00", "Product Visible?": "N", "Category": "Bath", "Product UPC/EAN": "0123"},
    )  # fmt: skip
    shop = import_text(tmp_path, "big.csv", text)
    assert shop.report.format == "BigCommerce CSV"
    assert shop.column("price") == {"TW-S-R": 10, "TW-L-R": 15, "SO": 3}
    small = shop.row("TW-S-R")
    assert (small["group_id"], small["title"], small["list_price"]) == ("77", "Towel", 12)
    assert attributes(shop, "TW-S-R") == {
        "Size": "Small", "Color": "Red", "Made in": "EU", "Wash": 40,
    }  # fmt: skip
    assert small["category_paths"] == ["Bath > Towels", "Sale"]
    assert small["image_urls"] == ["https://x.example/2.jpg"]
    assert shop.column("availability") == {
        "TW-S-R": "in_stock",
        "TW-L-R": "out_of_stock",
        "SO": None,
    }
    assert shop.row("SO")["published"] is False
    assert (shop.notes["option-rule"], shop.notes["parent-passed-on"]) == (1, 1)


def test_bigcommerce_of_the_newer_headers(tmp_path):
    header = ["Item", "ID", "Name", "Type", "SKU", "Options", "Inventory Tracking", "Current Stock",
              "Price", "Retail Price", "Sale Price", "Categories", "Description", "Custom Fields",
              "Is Visible", "Image URL (Import)", "Internal Image URL (Export)", "Variant Image URL",
              "GPS Global Trade Item Number"]  # fmt: skip
    text = csv_text(
        header,
        {"Item": "Product", "ID": "5", "Name": "Cap", "Type": "physical", "Price": "9",
         "Categories": "23;24", "Description": "A cap", "Is Visible": "TRUE",
         "Inventory Tracking": "variant"},
        {"Item": "Variant", "ID": "6", "SKU": "C-R", "Current Stock": "2",
         "GPS Global Trade Item Number": "04012345123456",
         "Options": "Type=Swatch|Name=Color|Value=Red[#f00]Type=Dropdown|Name=Size|Value=S"},
        {"Item": "Image", "ID": "7", "Image URL (Import)": "https://x.example/c.jpg"},
        {"Item": "Image", "ID": "8", "Internal Image URL (Export)": "https://x.example/d.jpg"},
    )  # fmt: skip
    shop = import_text(tmp_path, "big.csv", text)
    assert attributes(shop, "C-R") == {"Color": "Red", "Size": "S"}
    assert shop.row("C-R")["gtin"] == "04012345123456"
    cap = shop.row("C-R")
    assert (cap["price"], cap["group_id"], cap["image_url"]) == (9, "5", "https://x.example/c.jpg")
    assert cap["image_urls"] == ["https://x.example/d.jpg"]


def test_json_of_products_with_variants(tmp_path):
    products = {"result": {"items": [
        {"id": 7, "name": "Lamp", "brand": {"name": "Acme"}, "categories": [{"name": "Light"}],
         "photos": [{"url": "https://x.example/1.jpg"}], "specs": {"watt": 60, "dimmable": True},
         "variants": [{"sku": "L-1", "price": {"amount": 19.5, "currency": "EUR"}, "colour": "red"},
                      {"sku": "L-2", "price": {"amount": 21, "currency": "EUR"}, "colour": "blue"}]},
        {"id": 8, "name": "Bulb", "brand": {"name": "Acme"}, "categories": [{"name": "Light"}],
         "variants": [{"sku": "B-1", "price": {"amount": 2, "currency": "EUR"}, "colour": "white"}]},
    ]}}  # fmt: skip
    shop = import_text(tmp_path, "api.json", json.dumps(products))
    assert shop.column("price") == {"L-1": 19.5, "L-2": 21, "B-1": 2}
    lamp = shop.row("L-1")
    assert (lamp["title"], lamp["brand"], lamp["category"]) == ("Lamp", "Acme", "Light")
    assert (lamp["group_id"], lamp["currency"]) == ("7", "EUR")
    assert attributes(shop, "L-1") == {"colour": "red", "watt": 60, "dimmable": True}
    assert lamp["image_url"] == "https://x.example/1.jpg"
