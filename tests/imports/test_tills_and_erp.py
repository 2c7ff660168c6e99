# ruff: noqa: E501
"""Tables of Square, Lightspeed and Odoo, and Magento's older forms, by their documented columns."""

import json

from support.exports import csv_text, import_text

WEB = "https://x.example/"


def facts(shop, name):
    return json.loads(shop.row(name)["attributes"])


def test_square(tmp_path):
    """A row a variation; categories have ids behind them, stocks stand by place."""
    header = ["Reference Handle", "Token", "Item Name", "Variation Name", "SKU", "Description", "Categories",
              "Archived", "Price", "Online Sale Price", "Option Name 1", "Option Value 1",
              "Current Quantity Main St", "Current Quantity Mall", "New Quantity Main St", "Tax - VAT (20%)"]  # fmt: skip
    candle = {"Reference Handle": "#candle", "Item Name": "Candle", "Description": "Soy wax",
              "Categories": "Home (ABC123), Gifts (DEF456)", "Archived": "N", "Option Name 1": "Size"}  # fmt: skip
    text = csv_text(
        header,
        candle | {"Token": "T1", "SKU": "C-S", "Variation Name": "Small", "Price": "12.00", "Option Value 1": "Small",
                  "Current Quantity Main St": "0", "Current Quantity Mall": "2"},
        candle | {"Token": "T2", "SKU": "C-L", "Variation Name": "Large", "Price": "£1,018.00",
                  "Online Sale Price": "900.00", "Option Value 1": "Large", "Current Quantity Main St": "0"},
        {"Token": "T3", "Item Name": "Mug", "Variation Name": "Regular", "Archived": "Y", "Price": "variable"},
    )  # fmt: skip
    shop = import_text(tmp_path, "catalog.csv", text, encoding="utf-8-sig")
    assert shop.report.format == "Square CSV"
    assert shop.column("price") == {"C-S": 12, "C-L": 1018, "T3": None}
    assert shop.column("group_id") == {"C-S": "#candle", "C-L": "#candle", "T3": "T3"}
    assert shop.column("stock") == {"C-S": 2, "C-L": 0, "T3": None}
    assert shop.column("availability") == {"C-S": "in_stock", "C-L": "out_of_stock", "T3": None}
    assert shop.column("published") == {"C-S": True, "C-L": True, "T3": False}
    assert shop.row("C-S")["category_paths"] == ["Home", "Gifts"]
    assert (facts(shop, "C-L"), shop.row("C-L")["sale_price"]) == ({"Size": "Large"}, 900)
    assert shop.notes["bad-price"] == 1


def test_lightspeed_retail(tmp_path):
    header = ["System ID", "UPC", "Custom SKU", "Item", "Price", "MSRP", "Default Cost", "Brand", "Category",
              "Subcategory 1", "Qty.", "Image", "Matrix Description", "Color"]  # fmt: skip
    text = csv_text(
        header,
        {"System ID": "2100001", "UPC": "012345678905", "Custom SKU": "TS-R", "Item": "Tee Red", "Price": "$19.99",
         "MSRP": "$25.00", "Default Cost": "$8.00", "Brand": "Acme", "Category": "Clothing", "Subcategory 1": "Shirts",
         "Qty.": "5", "Image": f"{WEB}1.jpg", "Matrix Description": "Tee", "Color": "Red"},
        {"System ID": "2100002", "Item": "Mug", "Price": "$9.99", "MSRP": "$0.00", "Category": "Home", "Qty.": "0"},
    )  # fmt: skip
    shop = import_text(tmp_path, "items.csv", text)
    assert shop.column("title") == {"TS-R": "Tee Red", "2100002": "Mug"}
    assert shop.column("category") == {"TS-R": "Clothing > Shirts", "2100002": "Home"}
    assert shop.column("list_price") == {"TS-R": 25, "2100002": None}
    row = shop.row("TS-R")
    assert (row["price"], row["currency"], row["gtin"]) == (19.99, "USD", "012345678905")
    assert (row["group_id"], facts(shop, "TS-R")) == ("Tee", {"Color": "Red"})


def test_lightspeed_ecom(tmp_path):
    """Texts have their language before the name; a variant is named by its options."""
    header = ["Internal_ID", "Internal_Variant_ID", "Visible", "NL_Title_Short", "NL_Title_Long",
              "NL_Description_Long", "NL_Variant_Title", "Brand", "Price", "Price_Old", "Stock_Level", "SKU",
              "NL_Category_1", "NL_Category_2", "Images"]  # fmt: skip
    bike = {"Internal_ID": "1", "Visible": "Y", "NL_Title_Short": "Fiets", "Brand": "Gazelle",
            "NL_Category_1": "Fietsen", "NL_Category_2": "Stad"}  # fmt: skip
    text = csv_text(
        header,
        bike | {"Internal_Variant_ID": "11", "NL_Variant_Title": "Kleur: Rood, Maat: 53", "Price": "1.299,00",
                "Price_Old": "1.499,00", "Stock_Level": "3", "SKU": "F-R", "Images": f"{WEB}1.jpg,{WEB}2.jpg"},
        bike | {"Internal_Variant_ID": "12", "NL_Variant_Title": "Blauw", "Price": "1.199,00"},
        separator=";",
    )  # fmt: skip
    shop = import_text(tmp_path, "ls.csv", text)
    assert shop.column("price") == {"F-R": 1299, "12": 1199}
    assert shop.column("title") == {"F-R": "Fiets", "12": "Fiets"}
    assert shop.column("group_id") == {"F-R": "1", "12": "1"}
    assert facts(shop, "F-R") == {"Kleur": "Rood", "Maat": 53} or facts(shop, "F-R") == {
        "Kleur": "Rood", "Maat": "53",
    }  # fmt: skip
    row = shop.row("F-R")
    assert (row["category"], row["list_price"]) == ("Fietsen > Stad", 1499)
    assert [row["image_url"], *row["image_urls"]] == [f"{WEB}1.jpg", f"{WEB}2.jpg"]


def test_odoo_templates_and_variants(tmp_path):
    """Further attributes of a template stand in rows of their own."""
    header = ["id", "name", "default_code", "list_price", "standard_price", "categ_id",
              "attribute_line_ids/attribute_id", "attribute_line_ids/value_ids"]  # fmt: skip
    text = csv_text(
        header,
        {"id": "t_1", "name": "Office Chair", "default_code": "FURN_1", "list_price": "147.00", "standard_price": "100",
         "categ_id": "All / Office", "attribute_line_ids/attribute_id": "Color",
         "attribute_line_ids/value_ids": "Red,Blue"},
        {"attribute_line_ids/attribute_id": "Legs", "attribute_line_ids/value_ids": "Steel"},
        {"id": "t_2", "name": "Desk", "list_price": "1299.50", "categ_id": "All / Office"},
    )  # fmt: skip
    shop = import_text(tmp_path, "product.template.csv", text)
    assert shop.column("price") == {"FURN_1": 147, "t_2": 1299.5}
    assert facts(shop, "FURN_1") == {"Color": ["Red", "Blue"], "Legs": "Steel"}
    assert shop.row("FURN_1")["category"] == "All > Office"
    header = ["External ID", "Internal Reference", "Name", "Sales Price", "Cost", "Product Category",
              "Quantity On Hand", "Product Template/External ID", "Variant Values"]  # fmt: skip
    rows = [{"External ID": f"p_{c}", "Internal Reference": f"D-{c}", "Name": "Desk", "Sales Price": "750.0",
             "Cost": "500.0", "Product Category": "All / Furniture", "Quantity On Hand": q,
             "Product Template/External ID": "t_4", "Variant Values": f"Color: {c},Legs: Steel"}
            for c, q in (("Red", "3.0"), ("Blue", "0.0"))]  # fmt: skip
    shop = import_text(tmp_path, "variants.csv", csv_text(header, *rows))
    assert shop.column("price") == {"D-Red": 750, "D-Blue": 750}
    assert set(shop.column("group_id").values()) == {"t_4"}
    assert facts(shop, "D-Blue") == {"Color": "Blue", "Legs": "Steel"}
    assert shop.column("availability") == {"D-Red": "in_stock", "D-Blue": "out_of_stock"}


def test_magento_1(tmp_path):
    """Rows without a SKU go on with the product above: categories, images, variants, store views."""
    header = ["sku", "_store", "_attribute_set", "_type", "_category", "_root_category", "_product_websites",
              "color", "name", "price", "special_price", "description", "image", "status", "qty", "is_in_stock",
              "manufacturer", "_super_products_sku", "_super_attribute_code", "_super_attribute_option",
              "_media_image", "_media_is_disabled"]  # fmt: skip
    text = csv_text(
        header,
        {"sku": "T-S", "_attribute_set": "Clothing", "_type": "simple", "_category": "Men/Shirts", "color": "Blue",
         "name": "Tank S", "price": "60.0000", "special_price": "50.0000", "image": "/w/1.jpg", "status": "1",
         "qty": "25.0000", "is_in_stock": "1", "manufacturer": "Acme", "_media_image": "/w/1.jpg"},
        {"_category": "Sale", "_media_image": "/w/2.jpg"},
        {"_store": "german", "name": "Hemd S"},
        {"_media_image": "/w/3.jpg", "_media_is_disabled": "1"},
        {"sku": "T", "_type": "configurable", "_category": "Men", "name": "Tank", "description": "Great",
         "status": "1", "_super_products_sku": "T-S", "_super_attribute_code": "size", "_super_attribute_option": "S"},
        {"sku": "cup", "_type": "simple", "_category": "Home/Cups", "name": "Cup", "price": "5.00", "status": "2",
         "image": "no_selection", "is_in_stock": "0"},
    )  # fmt: skip
    shop = import_text(tmp_path, "products.csv", text)
    assert shop.report.format == "Magento CSV"
    assert shop.column("group_id") == {"T-S": "T", "cup": "cup"}
    row = shop.row("T-S")
    assert (row["price"], row["sale_price"], row["brand"]) == (60, 50, "Acme")
    assert (row["category_paths"], row["description"]) == (["Men > Shirts", "Sale"], "Great")
    assert [row["image"], *row["images"]] == ["w/1.jpg", "w/2.jpg"]
    assert facts(shop, "T-S") == {"size": "S", "color": "Blue"}
    assert shop.column("published") == {"T-S": True, "cup": False}
    assert shop.column("availability") == {"T-S": "in_stock", "cup": "out_of_stock"}
    assert (shop.notes["store-view"], shop.notes["parent-passed-on"]) == (1, 1)
    german = import_text(tmp_path, "products.csv", text, store_view="german")
    assert german.column("title") == {"T-S": "Hemd S", "cup": "Cup"}


def test_magento_rest(tmp_path):
    items = [
        {"id": 1, "sku": "B1", "name": "Bag", "attribute_set_id": 15, "price": 34, "status": 1, "type_id": "simple",
         "extension_attributes": {"stock_item": {"qty": 100, "is_in_stock": True}},
         "media_gallery_entries": [{"file": "/b.jpg", "position": 2}, {"file": "/a.jpg", "position": 1}],
         "custom_attributes": [{"attribute_code": "description", "value": "<p>Sporty</p>"},
                               {"attribute_code": "special_price", "value": "29.0000"},
                               {"attribute_code": "image", "value": "/a.jpg"}]},
        {"id": 2, "sku": "B", "name": "Bags", "price": 0, "status": 2, "type_id": "configurable",
         "extension_attributes": {"configurable_product_links": [1]},
         "custom_attributes": [{"attribute_code": "manufacturer", "value": "Acme"}]},
    ]  # fmt: skip
    shop = import_text(tmp_path, "items.json", json.dumps({"items": items, "total_count": 2}))
    row = shop.row("B1")
    assert (row["price"], row["sale_price"], row["group_id"]) == (34, 29, "B")
    assert (row["description"], row["image"], row["images"]) == ("Sporty", "a.jpg", ["b.jpg"])
    assert (row["availability"], row["published"], len(shop.products)) == ("in_stock", True, 1)


def test_ebay(tmp_path):
    """File Exchange: the names have signs, variations follow their listing."""
    action = "*Action(SiteID=US|Country=US|Currency=USD|Version=1193|CC=UTF-8)"
    header = [action, "CustomLabel", "*Category", "*Title", "PicURL", "*Description", "*StartPrice", "*Quantity",
              "*ConditionID", "Relationship", "RelationshipDetails", "C:Brand"]  # fmt: skip
    text = "Info,Version=1.0.0,Template=fx_category_template_EBAY_US\n" + csv_text(
        header,
        {action: "Add", "CustomLabel": "TEE", "*Title": "Cotton tee", "PicURL": f"{WEB}1.jpg|{WEB}2.jpg",
         "*Description": "<p>Soft</p>", "RelationshipDetails": "Size=S;M", "C:Brand": "Acme", "*Category": "11450"},
        {"CustomLabel": "TEE-S", "*StartPrice": "12.50", "*Quantity": "3", "Relationship": "Variation",
         "RelationshipDetails": "Size=S"},
        {"CustomLabel": "TEE-M", "*StartPrice": "13.50", "*Quantity": "0", "Relationship": "Variation",
         "RelationshipDetails": "Size=M"},
        {action: "Add", "CustomLabel": "MUG", "*Title": "Mug", "*StartPrice": "8.00", "*Quantity": "2"},
    )  # fmt: skip
    shop = import_text(tmp_path, "ebay.csv", text)
    assert shop.column("price") == {"TEE-S": 12.5, "TEE-M": 13.5, "MUG": 8}
    assert shop.column("group_id") == {"TEE-S": "TEE", "TEE-M": "TEE", "MUG": "MUG"}
    row = shop.row("TEE-S")
    assert (row["title"], row["brand"], row["currency"]) == ("Cotton tee", "Acme", "USD")
    assert [row["image_url"], *row["image_urls"]] == [f"{WEB}1.jpg", f"{WEB}2.jpg"]
    assert facts(shop, "TEE-M")["Size"] == "M"
    assert shop.column("availability")["TEE-M"] == "out_of_stock"


def test_odoo_by_display_names(tmp_path):
    """Labels of an export that is not to be imported again; each value in a row of its own."""
    text = """Internal Reference,Name,Product Type,Barcode,Sales Price,Cost,Product Category/Display Name,Product Attributes / Attribute / Display Name,Product Attributes / Values / Display Name
FURN_1,Office Chair,Goods,601647855631,147.00,100,All / Office,Color,Red
,,,,,,,,Blue
,,,,,,,Legs,Steel
FURN_2,Desk,Goods,,"1,299.50",,All / Office,,
"""
    shop = import_text(tmp_path, "products.csv", text)
    assert shop.report.format == "Odoo CSV"
    assert shop.column("price") == {"FURN_1": 147, "FURN_2": 1299.5}
    assert facts(shop, "FURN_1") == {"Color": ["Red", "Blue"], "Legs": "Steel"}
    assert shop.row("FURN_1")["category"] == "All > Office"
    variants = """Display Name,Internal Reference,Name,Sales Price,Product Category,Quantity On Hand,Attribute Values
"[D-W] Desk (White, Steel)",D-W,Desk,750.0,All / Furniture,3.0,"Color: White, Legs: Steel"
"[D-B] Desk (Black, Steel)",D-B,Desk,780.0,All / Furniture,0.0,"Color: Black, Legs: Steel"
[L-1] Lamp,L-1,Lamp,20.0,All / Light,1.0,
"""
    shop = import_text(tmp_path, "variants.csv", variants)
    assert shop.column("group_id") == {"D-W": "Desk", "D-B": "Desk", "L-1": "L-1"}
    assert facts(shop, "D-B") == {"Color": "Black", "Legs": "Steel"}
    french = """Référence interne,Nom,Prix de vente,Coût,Catégorie de produit,Attributs du produit/Attribut,Attributs du produit/Valeurs
C1,Chaise,"147,00",90,Tous / Mobilier,Couleur,"Rouge,Bleu"
,,,,,Pieds,Acier
C2,Table,"1 250,50",800,Tous / Mobilier,,
"""
    shop = import_text(tmp_path, "produits.csv", french)
    assert shop.column("price") == {"C1": 147, "C2": 1250.5}
    assert facts(shop, "C1") == {"Couleur": ["Rouge", "Bleu"], "Pieds": "Acier"}
    assert shop.column("category") == {"C1": "Tous > Mobilier", "C2": "Tous > Mobilier"}
