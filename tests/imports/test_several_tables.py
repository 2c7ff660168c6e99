# ruff: noqa: E501
"""Exports in several tables: PrestaShop's combinations, Akeneo's models, OpenCart's workbook."""

import io
import json
import zipfile

from support.exports import csv_text, import_text
from support.workbooks import workbook

from windowshop.imports import import_shop

WEB = "https://x.example/"


def import_files(folder, **files):
    """Import tables of a folder, as one zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.csv", text)
    return import_text(folder, "export.zip", out.getvalue())


def facts(shop, name):
    return json.loads(shop.row(name)["attributes"])


def images(shop, name):
    row = shop.row(name)
    return [row["image_url"], *(row.get("image_urls") or [])]


def test_prestashop_combinations(tmp_path):
    """By PrestaShop's sample files: an impact on the price, positions behind names and values."""
    header = ["Product ID", "Active (0/1)", "Name *", "Categories (x,y,z...)", "Price tax excluded", "Reference #",
              "Quantity", "Image URLs (x,y,z...)"]  # fmt: skip
    products = csv_text(
        header,
        {"Product ID": "1", "Active (0/1)": "1", "Name *": "Player", "Categories (x,y,z...)": "Music",
         "Price tax excluded": "100", "Reference #": "P-1", "Quantity": "9", "Image URLs (x,y,z...)": f"{WEB}p.jpg"},
        {"Product ID": "2", "Active (0/1)": "1", "Name *": "Case", "Price tax excluded": "6,05", "Quantity": "0"},
        separator=";",
    )  # fmt: skip
    combinations = (
        "Product ID*;Attribute (Name:Type:Position)*;Value (Value:Position)*;Reference;EAN13;Impact on price;Quantity;Image URLs (x,y,z...)\n"
        f"1;Color:color:0, Disk space:select:1;Blue:0, 16GB:1;P-B;0000080446392;40;10;{WEB}b.jpg\n"
        "1;Color:color:0, Disk space:select:1;Red:0, 1:2 TB:1;;;0;0;\n"
        "7;Color:color:0;Red:0;P-7;;0;1;\n"
    )
    shop = import_files(tmp_path, products_import=products, combinations_import=combinations)
    assert shop.report.format == "PrestaShop products and combinations"
    assert shop.column("price") == {"P-B": 140, "1:red-1-2-tb": 100, "2": 6.05}
    assert shop.column("group_id") == {"P-B": "1", "1:red-1-2-tb": "1", "2": "2"}
    assert facts(shop, "P-B") == {"Color": "Blue", "Disk space": "16GB"}
    assert facts(shop, "1:red-1-2-tb")["Disk space"] == "1:2 TB"
    assert images(shop, "P-B") == [f"{WEB}b.jpg", f"{WEB}p.jpg"]
    assert (shop.row("P-B")["gtin"], shop.row("P-B")["category"]) == ("0000080446392", "Music")
    assert shop.column("availability") == {"P-B": "in_stock", "1:red-1-2-tb": "out_of_stock", "2": "out_of_stock"}  # fmt: skip
    assert (shop.notes["parent-passed-on"], shop.notes["orphan-variant"]) == (1, 1)


def test_akeneo_models(tmp_path):
    """Products leave to their models, and these to theirs, what is common."""
    products = """sku;categories;enabled;family;parent;groups;ean;size;name-en_US
b-s;;1;clothing;braided-blue;;111;s;
b-m;;0;clothing;braided-blue;;112;m;
cap;caps;1;acc;;;113;;Cap
"""
    models = """code;family_variant;parent;categories;color;name-en_US;description-en_US-ecommerce;price-EUR;image
braided-blue;color_size;braided;;blue;;;;files/b.jpg
braided;color_size;;hats,sale;;Braided hat;Nice hat;20.00;
"""
    shop = import_files(tmp_path, products=products, product_models=models)
    assert shop.report.format == "Akeneo products and product models"
    assert shop.column("title") == {"b-s": "Braided hat", "b-m": "Braided hat", "cap": "Cap"}
    assert shop.column("group_id") == {"b-s": "braided", "b-m": "braided", "cap": "cap"}
    assert shop.column("published") == {"b-s": True, "b-m": False, "cap": True}
    row = shop.row("b-s")
    assert (row["price"], row["currency"], row["description"]) == (20, "EUR", "Nice hat")
    assert (row["category_paths"], row["color"], row["size"]) == (["hats", "sale"], "blue", "s")
    assert row["image"] == "files/b.jpg"
    alone = import_text(tmp_path, "products.csv", products)
    assert (alone.report.format, alone.notes["orphan-variant"]) == ("Akeneo products", 2)


def test_opencart_workbook(tmp_path):
    sheets = {
        "Products": [["product_id", "name(en-gb)", "categories", "model", "image_name", "price", "quantity", "status"],
                     ["42", "Cinema", "20,28", "P15", "demo/a.jpg", 100, 9, "true"],
                     ["30", "Camera", "20", "P3", "demo/c.jpg", 80, 0, "false"]],
        "AdditionalImages": [["product_id", "image", "sort_order"], ["42", "demo/a3.jpg", 2], ["42", "demo/a2.jpg", 1]],
        "Specials": [["product_id", "priority", "price", "date_end"], ["42", 1, 90, "0000-00-00"], ["30", 1, 70, "2011-01-01"]],
        "ProductOptionValues": [["product_id", "option", "option_value"], ["42", "Size", "Small"], ["42", "Size", "Large"]],
        "ProductAttributes": [["product_id", "attribute", "text(en-gb)"], ["42", "Clockspeed", "100mhz"]],
        "Rewards": [["product_id", "points"], ["42", 400]],
        "Categories": [["category_id", "parent_id", "name(en-gb)"], ["20", "0", "Desktops"], ["28", "25", "Monitors"],
                       ["25", "0", "Parts"]],
    }  # fmt: skip
    book = workbook(*sheets.values())
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            for i, sheet in enumerate(sheets, start=1):
                text = text.replace(f'name="Sheet {i}"', f'name="{sheet}"')
            new.writestr(name, text)
    shop = import_text(tmp_path, "products.xlsx", out.getvalue())
    assert shop.report.format == "OpenCart workbook"
    row = shop.row("42")
    assert (row["price"], row["sale_price"], row["title"]) == (100, 90, "Cinema")
    assert row["category_paths"] == ["Desktops", "Parts > Monitors"]
    assert [row["image"], *row["images"]] == ["demo/a.jpg", "demo/a2.jpg", "demo/a3.jpg"]
    assert facts(shop, "42") == {"Size": ["Small", "Large"], "Clockspeed": "100mhz"}
    assert shop.column("published") == {"42": True, "30": False}
    assert shop.column("sale_price")["30"] is None
    assert (shop.notes["dated-offer"], shop.notes["sheet-not-read"]) == (1, 1)


def test_a_folder_names_the_files_that_are_not_read(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "products.csv").write_text(
        "sku;categories;enabled;family;parent;name\na;x;1;f;m;\nb;x;1;f;;B\n"
    )
    (folder / "models.csv").write_text("code;family_variant;parent;name\nm;v;;Mug\n")
    (folder / "notes.csv").write_text("note;day\nfirst;1\n")
    report = import_shop(folder, tmp_path / "shop")
    assert report.counts == {"products": 2, "groups": 2}
    assert report.passed_over == [str(folder / "notes.csv")]
