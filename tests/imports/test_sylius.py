# ruff: noqa: E501
"""Sylius: the CSV of its import and export plugin, answers of its API, alone and together."""

import json

from support.exports import WEB, facts, import_path, import_text

API = "/api/v2/admin/"


def test_csv_with_variants_and_locales(tmp_path):
    """A parent is a variant itself where it has options; a price is in cents, a locale a row."""
    text = """Code,Parent_Code,Channels,Locale,Enabled,Name,Description,Short_description,Meta_keywords,Main_taxon,Taxons,Product_Option_color,Price,material
1000,,shop,en_US,1,Cap,<p>Nice cap</p>,Cap,,clothes/caps,clothes/caps|sale,red,8400,Wool
1001,1000,shop,en_US,1,,,,,,,blue,18050,
2000,,shop,en_US,0,Mug,,,,mugs,mugs,,950,
2000,,shop,de_DE,0,Becher,,,,mugs,mugs,,950,
"""
    shop = import_text(tmp_path, "products.csv", text)
    assert shop.report.format == "Sylius CSV"
    assert shop.column("price") == {"1000": 84, "1001": 180.5, "2000": 9.5}
    assert shop.notes["cents"] == 3
    assert shop.column("group_id") == {"1000": "1000", "1001": "1000", "2000": "2000"}
    assert shop.column("title") == {"1000": "Cap", "1001": "Cap", "2000": "Mug"}
    assert shop.row("1001")["category_paths"] == ["clothes > caps", "sale"]
    assert facts(shop, "1001") == {"color": "blue"}
    assert shop.row("1000")["material"] == "Wool"
    assert shop.column("published")["2000"] is False
    assert shop.notes["store-view"] == 1


MUG = {
    "@id": f"{API}products/MUG", "@type": "Product", "id": 7, "code": "MUG", "enabled": True,
    "options": [f"{API}product-options/MUG_COLOR"],
    "variants": [f"{API}product-variants/MUG_BLUE", f"{API}product-variants/MUG_RED"],
    "mainTaxon": f"{API}taxons/MUGS", "productTaxons": [f"{API}product-taxons/1"],
    "attributes": [
        {"attribute": f"{API}product-attributes/MATERIAL", "value": "Ceramika", "localeCode": "pl_PL"},
        {"attribute": f"{API}product-attributes/MATERIAL", "value": "Ceramic", "localeCode": "en_US"},
    ],
    "images": [{"@type": "ProductImage", "type": "main", "path": f"{WEB}mug.jpg"}],
    "translations": {"pl_PL": {"name": "Kubek"},
                     "en_US": {"name": "Mug", "description": "This is a mug", "shortDescription": "Short"}},
}  # fmt: skip
CAP = {"@type": "Product", "id": 8, "code": "CAP", "enabled": False, "variants": [], "mainTaxon": None,
       "productTaxons": [], "images": [], "translations": {"en_US": {"name": "Cap"}},
       "defaultVariantData": {"price": 1500, "originalPrice": 2000, "inStock": True}}  # fmt: skip


def variant(code, color, price, on_hand):
    return {"@type": "ProductVariant", "code": code, "product": f"{API}products/MUG",
            "optionValues": [f"{API}product-option-values/mug_color_{color}"], "onHand": on_hand,
            "channelPricings": {"WEB": {"channelCode": "WEB", "price": price, "originalPrice": None}},
            "translations": {"en_US": {"name": color}}}  # fmt: skip


def answer(*items):
    return json.dumps(
        {"@context": "/api/v2/contexts/X", "@type": "hydra:Collection", "hydra:member": items}
    )


def test_api_answers_of_a_folder(tmp_path):
    """Products, their variants and taxons refer to each other by address."""
    folder = tmp_path / "sylius"
    folder.mkdir()
    (folder / "products.json").write_text(answer(MUG, CAP))
    (folder / "variants.json").write_text(answer(
        variant("MUG_BLUE", "blue", 1999, 3), variant("MUG_RED", "red", 2100, 0)))  # fmt: skip
    (folder / "taxons.json").write_text(answer(
        {"@type": "Taxon", "code": "MUGS", "parent": f"{API}taxons/HOME", "translations": {"en_US": {"name": "Mugs"}}},
        {"@type": "Taxon", "code": "HOME", "parent": None, "translations": {"en_US": {"name": "Household"}}},
    ))  # fmt: skip
    shop = import_path(folder, tmp_path / "shop")
    assert shop.report.format == "Sylius API"
    assert shop.column("price") == {"MUG_BLUE": 19.99, "MUG_RED": 21, "CAP": 15}
    assert shop.column("list_price")["CAP"] == 20
    assert shop.column("availability") == {
        "MUG_BLUE": "in_stock",
        "MUG_RED": "out_of_stock",
        "CAP": "in_stock",
    }
    assert shop.column("group_id") == {"MUG_BLUE": "MUG", "MUG_RED": "MUG", "CAP": "CAP"}
    row = shop.row("MUG_RED")
    assert (row["title"], row["category"], row["description"]) == (
        "Mug",
        "Household > Mugs",
        "Short\nThis is a mug",
    )
    assert facts(shop, "MUG_RED") == {"MUG_COLOR": "red", "MATERIAL": "Ceramic"}
    assert shop.column("published") == {"MUG_BLUE": True, "MUG_RED": True, "CAP": False}


def test_api_variants_with_their_product(tmp_path):
    tee = {"code": "TEE", "name": "Basic tee", "images": [{"path": f"{WEB}t.jpg"}]}
    items = [{"code": f"TEE-{size}", "product": tee, "inStock": size == "S", "price": 2000,
              "optionValues": [{"code": f"size_{size}", "value": size, "option": {"code": "size", "name": "Size"}}]}
             for size in "SM"]  # fmt: skip
    shop = import_text(tmp_path, "variants.json", json.dumps(items))
    assert shop.report.format == "Sylius API"
    assert shop.column("title") == {"TEE-S": "Basic tee", "TEE-M": "Basic tee"}
    assert facts(shop, "TEE-M") == {"Size": "M"}
    assert shop.column("availability") == {"TEE-S": "in_stock", "TEE-M": "out_of_stock"}
    assert shop.row("TEE-S")["image_url"] == f"{WEB}t.jpg"
    lone = import_text(tmp_path, "variants.json", answer(variant("MUG_BLUE", "blue", 1999, 3)))
    assert (lone.notes["orphan-variant"], lone.row("MUG_BLUE")["group_id"]) == (1, "MUG")
