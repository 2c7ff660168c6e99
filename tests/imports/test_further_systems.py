# ruff: noqa: E501
"""Exports of further shop systems by their documented rules."""

import json

import pytest
from support.exports import csv_text, import_text

WEB = "https://x.example/"


def facts(shop, product_id):
    return json.loads(shop.row(product_id)["attributes"])


def images(shop, product_id):
    row = shop.row(product_id)
    return [row["image_url"], *row.get("image_urls", [])]


def test_wix(tmp_path):
    header = ["handleId", "fieldType", "name", "description", "productImageUrl", "collection", "sku",
              "price", "surcharge", "visible", "discountMode", "discountValue", "inventory",
              "productOptionName1", "productOptionType1", "productOptionDescription1",
              "productOptionName2", "productOptionType2", "productOptionDescription2",
              "additionalInfoTitle1", "additionalInfoDescription1", "brand"]  # fmt: skip
    text = csv_text(
        header,
        {"handleId": "p1", "fieldType": "Product", "name": "Tee", "description": "<p>Soft</p>",
         "productImageUrl": f"{WEB}1.jpg;2cd_mv2.jpg", "collection": "All;Shirts", "price": "20",
         "visible": "true", "discountMode": "PERCENT", "discountValue": "10", "inventory": "InStock",
         "productOptionName1": "Color", "productOptionDescription1": "#ff0000:Red;#0000ff:Blue",
         "productOptionName2": "Size", "productOptionDescription2": "S;M",
         "additionalInfoTitle1": "Care", "additionalInfoDescription1": "Wash", "brand": "Acme"},
        {"handleId": "p1", "fieldType": "Variant", "sku": "W-R-S", "surcharge": "0",
         "inventory": "5", "productOptionDescription1": "Red", "productOptionDescription2": "S"},
        {"handleId": "p1", "fieldType": "Variant", "surcharge": "2.5", "inventory": "OutOfStock",
         "productOptionDescription1": "Blue", "productOptionDescription2": "M"},
        {"handleId": "p2", "fieldType": "Product", "name": "Mug", "sku": "MUG", "price": "8",
         "visible": "false", "discountMode": "AMOUNT", "discountValue": "1", "inventory": "0",
         "productOptionName1": "Print", "productOptionDescription1": "Cat;Dog"},
    )  # fmt: skip
    shop = import_text(tmp_path, "catalog_products.csv", text)
    assert shop.report.format == "Wix CSV"
    assert shop.column("price") == {"W-R-S": 20, "p1:blue-m": 22.5, "MUG": 8}
    assert shop.column("sale_price") == {"W-R-S": 18, "p1:blue-m": 20.25, "MUG": 7}
    assert shop.column("group_id") == {"W-R-S": "p1", "p1:blue-m": "p1", "MUG": "p2"}
    assert facts(shop, "p1:blue-m") == {"Color": "Blue", "Size": "M", "Care": "Wash"}
    assert facts(shop, "MUG") == {"Print": ["Cat", "Dog"]}
    assert images(shop, "W-R-S") == [
        f"{WEB}1.jpg",
        "https://static.wixstatic.com/media/2cd_mv2.jpg",
    ]
    assert shop.row("W-R-S")["category_paths"] == ["All", "Shirts"]
    assert shop.column("availability") == {
        "W-R-S": "in_stock", "p1:blue-m": "out_of_stock", "MUG": "out_of_stock",
    }  # fmt: skip
    assert shop.column("published") == {"W-R-S": True, "p1:blue-m": True, "MUG": False}
    assert (shop.row("W-R-S")["brand"], shop.row("W-R-S")["description"]) == ("Acme", "Soft")
    assert shop.notes["parent-passed-on"] == 1


def test_squarespace(tmp_path):
    header = ["Product ID [Non Editable]", "Variant ID [Non Editable]", "Product Type [Non Editable]",
              "Product Page", "Product URL", "Title", "Description", "SKU", "Option Name 1",
              "Option Value 1", "Option Name 2", "Option Value 2", "Price", "Sale Price", "On Sale",
              "Stock", "Categories", "Tags", "Visible", "Hosted Image URLs"]  # fmt: skip
    pid, vid = header[:2]
    text = csv_text(
        header,
        {pid: "p1", vid: "v1", "Product Page": "store", "Product URL": "tee", "Title": "Tee",
         "Description": "Soft", "SKU": "SQ1", "Option Name 1": "Color", "Option Value 1": "Red",
         "Option Name 2": "Size", "Option Value 2": "S", "Price": "20.00", "Sale Price": "15.00",
         "On Sale": "Yes", "Stock": "0", "Categories": "/clothing/tees, Sale", "Tags": "new, cotton",
         "Visible": "Yes", "Hosted Image URLs": f"{WEB}1.jpg {WEB}2.jpg"},
        {vid: "v2", "Option Value 1": "Red", "Option Value 2": "M", "Price": "22.00",
         "Sale Price": "0.00", "On Sale": "No", "Stock": "Unlimited"},
        {pid: "p2", vid: "v3", "Title": "Mug", "Product URL": "mug", "SKU": "SQ3", "Price": "8.00",
         "Sale Price": "0.00", "On Sale": "No", "Stock": "3", "Visible": "No"},
    )  # fmt: skip
    shop = import_text(tmp_path, "products.csv", text)
    assert shop.column("price") == {"SQ1": 20, "v2": 22, "SQ3": 8}
    assert shop.column("sale_price") == {"SQ1": 15, "v2": None, "SQ3": None}
    assert shop.column("title") == {"SQ1": "Tee", "v2": "Tee", "SQ3": "Mug"}
    assert shop.column("group_id") == {"SQ1": "p1", "v2": "p1", "SQ3": "p2"}
    assert facts(shop, "v2") == {"Color": "Red", "Size": "M"}
    assert images(shop, "v2") == [f"{WEB}1.jpg", f"{WEB}2.jpg"]
    assert shop.column("availability") == {
        "SQ1": "out_of_stock",
        "v2": "in_stock",
        "SQ3": "in_stock",
    }
    assert shop.row("v2")["category_paths"][-1] == "Sale"
    assert shop.row("SQ3")["published"] is False


def test_ecwid(tmp_path):
    header = ["type", "product_internal_id", "product_sku", "product_name", "product_price",
              "product_compare_to_price", "product_is_available", "product_quantity",
              "product_description", "product_media_main_image_url",
              "product_media_gallery_image_url_1", "product_category_1", "product_category_2",
              "product_option_name", "product_option_value", "product_variation_sku",
              "product_variation_price", "product_variation_quantity",
              "product_variation_option_{Size}", "product_brand", "product_attribute_Material"]  # fmt: skip
    same = {"product_internal_id": "1001", "product_sku": "E1"}
    text = csv_text(
        header,
        {"type": "product", **same, "product_name": "Tee", "product_price": "20",
         "product_compare_to_price": "25", "product_is_available": "true", "product_quantity": "5",
         "product_media_main_image_url": f"{WEB}1.jpg",
         "product_media_gallery_image_url_1": f"{WEB}2.jpg", "product_brand": "Acme",
         "product_category_1": "Clothing / Shirts", "product_category_2": "Sale",
         "product_attribute_Material": "Cotton"},
        {"type": "product_option", **same, "product_option_name": "Size", "product_option_value": "S"},
        {"type": "product_variation", **same, "product_variation_sku": "E1-S",
         "product_variation_price": "21", "product_variation_quantity": "2",
         "product_variation_option_{Size}": "S"},
        {"type": "product_variation", **same, "product_variation_quantity": "0",
         "product_variation_option_{Size}": "M"},
        {"type": "product", "product_internal_id": "1002", "product_sku": "E2", "product_name": "Mug",
         "product_price": "8", "product_is_available": "false"},
    )  # fmt: skip
    shop = import_text(tmp_path, "catalog.csv", text)
    assert shop.column("price") == {"E1-S": 21, "1001:m": 20, "E2": 8}
    assert facts(shop, "E1-S") == {"Size": "S", "Material": "Cotton"}
    assert shop.row("E1-S")["category_paths"] == ["Clothing > Shirts", "Sale"]
    assert images(shop, "E1-S") == [f"{WEB}1.jpg", f"{WEB}2.jpg"]
    assert (shop.row("E1-S")["list_price"], shop.row("E1-S")["brand"]) == (25, "Acme")
    assert shop.column("availability")["1001:m"] == "out_of_stock"
    assert shop.row("E2")["published"] is False
    assert (shop.notes["option-row"], shop.notes["parent-passed-on"]) == (1, 1)


def test_shopware(tmp_path):
    header = ["id", "parent_id", "product_number", "active", "stock", "name", "description",
              "price_net", "price_gross", "tax_rate", "cover_media_url", "manufacturer_name",
              "categories", "options"]  # fmt: skip
    text = csv_text(
        header,
        {"id": "b" * 32, "parent_id": "a" * 32, "product_number": "SW1.1", "active": "1",
         "stock": "10", "cover_media_url": f"{WEB}red.jpg", "options": "Farbe: Rot|Größe: M"},
        {"id": "a" * 32, "product_number": "SW1", "active": "1", "stock": "50", "name": "Jacke",
         "description": "<p>warm</p>", "price_net": "10.92", "price_gross": "13", "tax_rate": "19",
         "cover_media_url": f"{WEB}j.jpg", "manufacturer_name": "Muster",
         "categories": "Bekleidung|Herren"},
        {"id": "c" * 32, "parent_id": "a" * 32, "product_number": "SW1.2", "active": "0",
         "stock": "0", "price_gross": "20"},
        {"id": "d" * 32, "product_number": "SW2", "active": "1", "stock": "5", "name": "Hose",
         "price_net": "8.4", "price_gross": "10", "tax_rate": "19"},
        separator=";",
    )  # fmt: skip
    shop = import_text(tmp_path, "shopware.csv", text)
    assert shop.report.format == "Shopware CSV"
    assert shop.column("price") == {"SW1.1": 13, "SW1.2": 20, "SW2": 10}
    assert shop.column("title") == {"SW1.1": "Jacke", "SW1.2": "Jacke", "SW2": "Hose"}
    assert shop.column("group_id") == {"SW1.1": "SW1", "SW1.2": "SW1", "SW2": "SW2"}
    assert images(shop, "SW1.1") == [f"{WEB}red.jpg", f"{WEB}j.jpg"]
    assert facts(shop, "SW1.1") == {"Farbe": "Rot", "Größe": "M"}
    assert shop.row("SW1.2")["category_paths"] == ["Bekleidung", "Herren"]
    assert shop.column("published") == {"SW1.1": True, "SW1.2": False, "SW2": True}


def test_prestashop(tmp_path):
    header = ["Product ID", "Active (0/1)", "Name *", "Categories (x,y,z...)", "Price tax excluded",
              "Manufacturer", "Reference #", "EAN13", "Quantity", "Summary", "Description",
              "Tags (x,y,z...)", "Image URLs (x,y,z...)", "Feature(Name:Value:Position)",
              "Meta title"]  # fmt: skip
    text = csv_text(
        header,
        {"Product ID": "1", "Active (0/1)": "1", "Name *": "iPod", "Price tax excluded": "49",
         "Categories (x,y,z...)": "Home,Electronics,iPods", "Manufacturer": "Apple",
         "Reference #": "RF-1", "EAN13": "5603465431000", "Quantity": "25", "Description": "<p>Long</p>",
         "Tags (x,y,z...)": "apple,ipod", "Image URLs (x,y,z...)": f"{WEB}a.jpg,{WEB}b.jpg",
         "Feature(Name:Value:Position)": "Color:White:1,Storage:16GB:2"},
        {"Product ID": "2", "Active (0/1)": "0", "Name *": "Case", "Price tax excluded": "6,05",
         "Quantity": "0"},
        separator=";",
    )  # fmt: skip
    shop = import_text(tmp_path, "products_import.csv", text)
    assert shop.column("price") == {"RF-1": 49, "2": 6.05}
    assert shop.row("RF-1")["category_paths"] == ["Electronics", "iPods"]
    assert facts(shop, "RF-1") == {"Color": "White", "Storage": "16GB"}
    assert images(shop, "RF-1") == [f"{WEB}a.jpg", f"{WEB}b.jpg"]
    assert (shop.row("RF-1")["brand"], shop.row("RF-1")["gtin"]) == ("Apple", "5603465431000")
    assert shop.column("published") == {"RF-1": True, "2": False}
    assert shop.column("availability") == {"RF-1": "in_stock", "2": "out_of_stock"}


def test_etsy(tmp_path):
    header = ["TITLE", "DESCRIPTION", "PRICE", "CURRENCY_CODE", "QUANTITY", "TAGS", "MATERIALS",
              *(f"IMAGE{i}" for i in range(1, 11)), "VARIATION 1 TYPE", "VARIATION 1 NAME",
              "VARIATION 1 VALUES", "SKU"]  # fmt: skip
    text = csv_text(
        header,
        {"TITLE": "Silver ring", "DESCRIPTION": "Handmade &quot;ring&quot;", "PRICE": "25.00",
         "CURRENCY_CODE": "USD", "QUANTITY": "5", "TAGS": "ring,silver_ring", "MATERIALS": "silver,stone",
         "IMAGE1": f"{WEB}1.jpg", "IMAGE2": f"{WEB}2.jpg", "VARIATION 1 NAME": "Ring size",
         "VARIATION 1 VALUES": "6,7,8", "SKU": "R6,R7,R8"},
        {"TITLE": "Gold ring", "PRICE": "125.00", "CURRENCY_CODE": "USD", "QUANTITY": "0",
         "MATERIALS": "gold", "IMAGE1": f"{WEB}g.jpg"},
    )  # fmt: skip
    shop = import_text(tmp_path, "EtsyListingsDownload.csv", text)
    assert len(shop.products) == 2
    assert facts(shop, "R6") == {"Ring size": [6, 7, 8], "materials": ["silver", "stone"]} or facts(
        shop, "R6"
    ) == {"Ring size": ["6", "7", "8"], "materials": ["silver", "stone"]}
    ring = shop.row("R6")
    assert (ring["price"], ring["currency"], ring["tags"]) == (25, "USD", ["ring", "silver ring"])
    assert images(shop, "R6") == [f"{WEB}1.jpg", f"{WEB}2.jpg"]
    assert sorted(shop.column("availability").values()) == ["in_stock", "out_of_stock"]
    assert shop.notes["no-id"] == 1


AMAZON = {
    "sku": "item_sku", "title": "item_name", "brand": "brand_name", "price": "standard_price",
    "quantity": "quantity", "image": "main_image_url", "more": "other_image_url1",
    "child": "parent_child", "parent": "parent_sku", "text": "product_description",
    "point": "bullet_point1", "second": "bullet_point2", "color": "color_name", "size": "size_name",
    "kind": "item_type", "delete": "update_delete", "code": "external_product_id",
}  # fmt: skip
NEWER = AMAZON | {
    "sku": "contribution_sku#1.value", "title": "item_name[marketplace_id=A][language_tag=en_US]#1.value",
    "brand": "brand[marketplace_id=A]#1.value", "point": "bullet_point[language_tag=en_US]#1.value",
    "second": "bullet_point[language_tag=en_US]#2.value", "color": "color[marketplace_id=A]#1.value",
    "size": "size[marketplace_id=A]#1.value", "text": "product_description[marketplace_id=A]#1.value",
    "delete": "::record_action",
}  # fmt: skip
ROWS = [
    {"sku": "TEE", "title": "Café tee", "brand": "Acme", "child": "Parent", "image": f"{WEB}p.jpg",
     "kind": "shirts", "text": "Soft"},
    {"sku": "TEE-R", "title": "Café tee red", "brand": "Acme", "child": "Child", "parent": "TEE",
     "price": "19.99", "quantity": "5", "image": f"{WEB}r.jpg", "more": f"{WEB}r2.jpg",
     "color": "Red", "size": "S", "point": "Soft", "second": "Warm", "code": "0012345678905"},
    {"sku": "TEE-B", "title": "Café tee blue", "child": "Child", "parent": "TEE", "price": "21.99",
     "quantity": "0", "color": "Blue", "size": "M"},
    {"sku": "OLD", "title": "Old", "delete": "Delete"},
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("names", [AMAZON, NEWER], ids=["older", "newer"])
def test_amazon_flat_file(tmp_path, encoding, names):
    """The first lines are for Amazon; the last of them has the names of attributes."""
    labels = "\t".join(name.title() for name in names)
    top = "TemplateType=fptcustom\tVersion=2024.0101\tThe top 3 rows are for Amazon.com use only.\n"
    rows = [{names[key]: value for key, value in row.items()} for row in ROWS]
    text = top + labels + "\n" + csv_text([*names.values()], *rows, separator="\t")
    shop = import_text(tmp_path, "flat.txt", text, encoding=encoding)
    assert shop.report.format == "Amazon flat file"
    assert shop.column("price") == {"TEE-R": 19.99, "TEE-B": 21.99}
    assert shop.column("title") == {"TEE-R": "Café tee red", "TEE-B": "Café tee blue"}
    assert shop.column("group_id") == {"TEE-R": "TEE", "TEE-B": "TEE"}
    assert facts(shop, "TEE-R") == {"color": "Red", "size": "S", "features": ["Soft", "Warm"]}
    assert images(shop, "TEE-R") == [f"{WEB}r.jpg", f"{WEB}r2.jpg", f"{WEB}p.jpg"]
    assert (shop.row("TEE-B")["brand"], shop.row("TEE-B")["description"]) == ("Acme", "Soft")
    assert (shop.row("TEE-B")["category"], shop.row("TEE-R")["gtin"]) == ("shirts", "0012345678905")
    assert shop.column("availability") == {"TEE-R": "in_stock", "TEE-B": "out_of_stock"}
    assert (shop.notes["parent-passed-on"], shop.notes["option-row"]) == (1, 1)


WOO = {
    "fr": ["ID", "Type", "UGS", "Nom", "Publié", "Mis en avant ?", "Visibilité dans le catalogue",
           "Description courte", "Description", "Date de début de promo", "Date de fin de promo",
           "État de la TVA", "Classe de TVA", "En stock ?", "Stock", "Montant de stock faible",
           "Autoriser les commandes ?", "Vendre individuellement ?", "Poids (kg)", "Longueur (cm)",
           "Largeur (cm)", "Hauteur (cm)", "Avis clients ?", "Note de commande", "Tarif promo",
           "Tarif régulier", "Catégories", "Étiquettes", "Classe d’expédition", "Images",
           "Nom de l’attribut 1", "Valeur(s) de l’attribut 1 ", "Attribut 1 visible"],
    "de": ["ID", "Typ", "Artikelnummer", "Name", "Veröffentlicht", "Ist hervorgehoben?",
           "Sichtbarkeit im Katalog", "Kurzbeschreibung", "Beschreibung", "Angebot beginnt",
           "Angebot endet", "Steuerstatus", "Steuerklasse", "Vorrätig?", "Lager", "Geringe Menge",
           "Lieferrückstände?", "Nur einzeln?", "Gewicht (kg)", "Länge (cm)", "Breite (cm)",
           "Höhe (cm)", "Rezensionen?", "Hinweis", "Angebotspreis", "Regulärer Preis", "Kategorien",
           "Schlagwörter", "Versandklasse", "Bilder", "Name des Attributs 1", "Attributwert(e) 1",
           "Attribut 1 sichtbar"],
    "of no known language": [
        "ID", "Tüüp", "Tootekood", "Nimetus", "Avaldatud", "Esile", "Nähtavus", "Lühike", "Kirjeldus",
        "Algus", "Lõpp", "Maks", "Klass", "Laos?", "Laoseis", "Vähe", "Järeltellimus", "Üksikult",
        "Kaal (kg)", "Pikkus", "Laius", "Kõrgus", "Arvustused", "Märkus", "Soodushind", "Tavahind",
        "Kategooriad", "Sildid", "Tarneklass", "Pildid", "Atribut 1 nimi", "Atribut 1 arvo",
        "Atribut 1 visible"],
}  # fmt: skip


@pytest.mark.parametrize("language", WOO)
def test_woocommerce_in_other_languages(tmp_path, language):
    """Values of types are never translated, and the columns always stand in one order."""
    header = [*WOO[language], "Parent"] if language == "fr" else WOO[language]
    if language == "of no known language":
        header = [name if name not in ("Tüüp", "Tootekood") else {"Tüüp": "Type", "Tootekood": "SKU"}[name]
                  for name in header]  # fmt: skip
        header = [{"Nimetus": "Name", "Avaldatud": "Published"}.get(name, name) for name in header]
    hat = dict.fromkeys(header, "")
    hat |= dict(zip(header, ["1", "simple", "H", "Hat", "1"], strict=False))
    for place, value in {8: "Warm", 13: "1", 14: "3", 24: "9,90", 25: "1.012,50", 26: "Caps > Hats",
                         27: "a, b", 29: f"{WEB}1.jpg, {WEB}2.jpg", 30: "Colour", 31: "Red, Blue",
                         32: "1"}.items():  # fmt: skip
        hat[header[place]] = value
    cap = hat | {
        header[0]: "2",
        header[2]: "C",
        header[3]: "Cap",
        header[25]: "5,00",
        header[13]: "0",
    }
    shop = import_text(tmp_path, "wc.csv", csv_text(header, hat, cap))
    assert shop.report.format == "WooCommerce CSV"
    assert shop.column("price") == {"H": 1012.5, "C": 5}
    row = shop.row("H")
    assert (row["title"], row["description"], row["sale_price"]) == ("Hat", "Warm", 9.9)
    assert (row["category"], row["tags"]) == ("Caps > Hats", ["a", "b"])
    assert images(shop, "H") == [f"{WEB}1.jpg", f"{WEB}2.jpg"]
    assert facts(shop, "H") == {"Colour": ["Red", "Blue"]}
    assert shop.column("availability") == {"H": "in_stock", "C": "out_of_stock"}


def test_a_store_view_of_magento_is_chosen(tmp_path, cli):
    header = ["sku", "store_view_code", "attribute_set_code", "product_type", "categories", "name",
              "price", "description", "url_key", "base_image", "product_online"]  # fmt: skip
    text = csv_text(
        header,
        {"sku": "A", "attribute_set_code": "Default", "product_type": "simple", "name": "Bag",
         "price": "34.00", "description": "Nice", "categories": "Default Category/Gear"},
        {"sku": "A", "store_view_code": "de", "product_type": "simple", "name": "Tasche"},
        {"sku": "A", "store_view_code": "fr", "product_type": "simple", "name": "Sac", "price": "39"},
        {"sku": "B", "product_type": "simple", "name": "Cup", "price": "3"},
    )  # fmt: skip
    base = import_text(tmp_path, "m.csv", text)
    assert base.column("title") == {"A": "Bag", "B": "Cup"}
    assert base.notes["store-view"] == 2
    french = import_text(tmp_path, "m.csv", text, store_view="fr")
    assert french.column("title") == {"A": "Sac", "B": "Cup"}
    assert french.column("price") == {"A": 39, "B": 3}
    assert (french.row("A")["description"], french.row("A")["category"]) == ("Nice", "Gear")
    assert (french.notes["store-view"], french.notes["store-view-taken"]) == (1, 1)
    told = cli("import", tmp_path / "m.csv", "--out", tmp_path / "s", "--store-view", "it")
    assert told.code == 1
    assert "has no store view 'it'; found de, fr" in told.err


def test_woocommerce_of_webtoffee(tmp_path):
    text = f"""ID,post_title,post_name,post_status,post_content,post_excerpt,post_parent,sku,parent_sku,stock_status,stock,regular_price,sale_price,images,tax:product_type,tax:product_cat,tax:product_tag,tax:product_brand,attribute:pa_color,attribute_data:pa_color,attribute:Size,meta:_yoast
10,Hoodie,hoodie,publish,<p>Warm</p>,Short,0,H,,instock,,,,"{WEB}h.jpg ! alt : Hoodie ! title : h.jpg ! desc :  ! caption :  | {WEB}h2.jpg ! alt :  ! title : h2.jpg",variable,Clothing > Hoodies|Sale,warm|soft,Acme,Blue|Red,0:1|1,S|M,
11,Hoodie - Blue S,hoodie-blue,publish,,,10,H-B,H,instock,3,45,42,{WEB}hb.jpg,variation,,,,Blue,,S,
12,Hoodie - Red M,hoodie-red,publish,,,10,H-R,H,outofstock,0,45,,,variation,,,,Red,,M,
13,Cap,cap,draft,,Nice,0,CAP,,instock,5,16.00,,{WEB}c.jpg ! alt : ,simple,Clothing > Caps,,,Green|Grey,,,
"""
    shop = import_text(tmp_path, "product_export.csv", text)
    assert shop.report.format == "WooCommerce CSV of WebToffee"
    assert shop.column("price") == {"H-B": 45, "H-R": 45, "CAP": 16}
    assert shop.column("group_id") == {"H-B": "H", "H-R": "H", "CAP": "CAP"}
    assert facts(shop, "H-R") == {"color": "Red", "Size": "M"}
    assert facts(shop, "CAP") == {"color": ["Green", "Grey"]}
    row = shop.row("H-B")
    assert (row["sale_price"], row["brand"], row["tags"]) == (42, "Acme", ["warm", "soft"])
    assert row["category_paths"] == ["Clothing > Hoodies", "Sale"]
    assert row["description"] == "Short\nWarm"
    assert images(shop, "H-R") == [f"{WEB}h.jpg", f"{WEB}h2.jpg"]
    assert shop.column("availability")["H-R"] == "out_of_stock"
    assert shop.column("published") == {"H-B": True, "H-R": True, "CAP": False}
