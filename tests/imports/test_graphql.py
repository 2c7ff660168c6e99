# ruff: noqa: E501
"""Shopify's GraphQL: bulk operations and answers; envelopes of other interfaces."""

import json

from support.exports import import_text

WEB = "https://x.example/"
TEE = {
    "id": "gid://shopify/Product/1", "title": "Tee", "handle": "tee", "vendor": "Acme",
    "descriptionHtml": "<p>Soft</p>", "productType": "Shirts", "tags": ["a", "b"], "status": "ACTIVE",
    "category": {"fullName": "Apparel > Clothing > Shirts"},
    "priceRangeV2": {"minVariantPrice": {"amount": "10.0", "currencyCode": "EUR"}},
}  # fmt: skip
MUG = {"id": "gid://shopify/Product/2", "title": "Mug", "handle": "mug", "vendor": "Acme",
       "productType": "", "tags": [], "status": "DRAFT", "descriptionHtml": ""}  # fmt: skip
SMALL = {"id": "gid://shopify/ProductVariant/11", "sku": "T-S", "price": "10.00",
         "compareAtPrice": "12.00", "inventoryQuantity": 3, "barcode": "0123",
         "selectedOptions": [{"name": "Size", "value": "S"}],
         "image": {"url": f"{WEB}s.jpg"}}  # fmt: skip
MEDIUM = {"id": "gid://shopify/ProductVariant/12", "sku": "", "price": "11.00",
          "inventoryQuantity": 0, "availableForSale": False,
          "selectedOptions": [{"name": "Size", "value": "M"}]}  # fmt: skip
ALONE = {"id": "gid://shopify/ProductVariant/21", "sku": "M", "price": "5.00",
         "selectedOptions": [{"name": "Title", "value": "Default Title"}]}  # fmt: skip
LINES = [
    TEE,
    SMALL | {"__parentId": TEE["id"]},
    {"id": "gid://shopify/Metafield/8", "key": "fit", "value": "slim", "__parentId": SMALL["id"]},
    MEDIUM | {"__parentId": TEE["id"]},
    {"id": "gid://shopify/MediaImage/5", "image": {"url": f"{WEB}1.jpg"}, "__parentId": TEE["id"]},
    {"id": "gid://shopify/Metafield/9", "key": "fabric", "value": "wool", "__parentId": TEE["id"]},
    MUG,
    ALONE | {"__parentId": MUG["id"]},
    {"id": "gid://shopify/Collection/3", "__parentId": MUG["id"]},
]


def judge(shop):
    assert shop.report.format == "Shopify GraphQL"
    assert shop.column("price") == {"T-S": 10, "tee:m": 11, "M": 5}
    assert shop.column("group_id") == {"T-S": "tee", "tee:m": "tee", "M": "mug"}
    assert shop.column("availability")["T-S"] == "in_stock"
    assert shop.column("availability")["tee:m"] == "out_of_stock"
    small = shop.row("T-S")
    assert [small["image_url"], *small["image_urls"]] == [f"{WEB}s.jpg", f"{WEB}1.jpg"]
    assert shop.row("tee:m")["image_url"] == f"{WEB}1.jpg"
    assert (small["list_price"], small["currency"], small["gtin"]) == (12, "EUR", "0123")
    assert (small["brand"], small["description"], small["tags"]) == ("Acme", "Soft", ["a", "b"])
    assert small["category"] == "Apparel > Clothing > Shirts"
    assert shop.column("published") == {"T-S": True, "tee:m": True, "M": False}


def test_a_bulk_file_in_any_order(tmp_path):
    lines = [json.dumps(line) + "\n" for line in LINES]
    shop = import_text(tmp_path, "bulk.jsonl", "".join(lines))
    judge(shop)
    assert json.loads(shop.row("T-S")["attributes"]) == {
        "Size": "S", "fabric": "wool", "fit": "slim",
    }  # fmt: skip
    assert json.loads(shop.row("tee:m")["attributes"]) == {"Size": "M", "fabric": "wool"}
    assert shop.notes["nested-value"] == 1
    apart = [lines[place] for place in (0, 6, 1, 7, 2, 8, 3, 4, 5)]
    judge(import_text(tmp_path, "apart.jsonl", "".join(apart)))


def test_an_answer_with_edges_and_nodes(tmp_path):
    def edges(*items):
        return {"edges": [{"cursor": "x", "node": item} for item in items]}

    tee = TEE | {"variants": edges(SMALL, MEDIUM), "images": {"nodes": [{"url": f"{WEB}1.jpg"}]}}
    mug = MUG | {"variants": {"nodes": [ALONE]}, "images": edges()}
    answer = {"data": {"products": edges(tee, mug)}, "extensions": {"cost": {"x": 1}}}
    judge(import_text(tmp_path, "answer.json", json.dumps(answer)))
    judge(import_text(tmp_path, "lines.jsonl", json.dumps(tee) + "\n" + json.dumps(mug) + "\n"))


def test_hits_of_a_search_engine(tmp_path):
    rows = [{"_index": "p", "_id": f"i{i}", "_score": 1.0, "_source": {"name": f"Red shoe {i}", "price": i}}
            for i in range(1, 4)]  # fmt: skip
    shop = import_text(tmp_path, "hits.json", json.dumps({"took": 1, "hits": {"hits": rows}}))
    assert shop.column("price") == {"i1": 1, "i2": 2, "i3": 3}
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert import_text(tmp_path, "dump.jsonl", lines).column("title")["i2"] == "Red shoe 2"


def test_fields_that_are_nested_in_objects(tmp_path):
    rows = [
        {"_id": {"$oid": f"50{i}"}, "info": {"title": f"Tee {i}", "brand": "Acme"},
         "pricing": {"price": {"amount": i, "currency": "EUR"}},
         "media": [{"type": "image", "url": f"{WEB}{i}.jpg"}], "attributes": {"color": "red"}}
        for i in range(1, 4)
    ]  # fmt: skip
    shop = import_text(tmp_path, "dump.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert shop.column("title") == {"501": "Tee 1", "502": "Tee 2", "503": "Tee 3"}
    row = shop.row("502")
    assert (row["brand"], row["price"], row["currency"]) == ("Acme", 2, "EUR")
    assert (row["image_url"], json.loads(row["attributes"])) == (f"{WEB}2.jpg", {"color": "red"})
