# ruff: noqa: E501
"""Answers of shop APIs whose products hold their variants, by the documents of each."""

import json

from support.exports import import_text

WEB = "https://x.example/"


def facts(shop, name):
    return json.loads(shop.row(name)["attributes"])


def test_commercetools(tmp_path):
    """Product projections: cents, texts by language, labels of enums, a master variant."""

    def price(cents, code="EUR"):
        return {
            "value": {
                "type": "centPrecision",
                "currencyCode": code,
                "centAmount": cents,
                "fractionDigits": 2,
            }
        }

    shirts = {"typeId": "category", "id": "c1", "obj": {"id": "c1", "name": {"en-US": "Shirts"}}}
    tee = {
        "id": "p-1", "name": {"de-DE": "Hemd", "en-US": "Tee"}, "description": {"en-US": "Soft"},
        "categories": [shirts], "masterVariant": {
            "id": 1, "sku": "TEE-1", "prices": [price(1999), price(2199, "USD")], "images": [{"url": f"{WEB}1.jpg"}],
            "attributes": [{"name": "color", "value": {"key": "red", "label": {"en-US": "Red"}}}, {"name": "size", "value": "S"}],
            "availability": {"isOnStock": True, "availableQuantity": 3}},
        "variants": [{"id": 2, "sku": "TEE-2", "prices": [price(2099)], "images": [{"url": f"{WEB}2.jpg"}],
                      "attributes": [{"name": "size", "value": "M"}], "availability": {"isOnStock": False}}],
    }  # fmt: skip
    cap = {"id": "p-2", "name": {"en-US": "Cap"}, "masterVariant": {"id": 1, "sku": "CAP", "prices": [price(900)]}, "variants": []}  # fmt: skip
    shop = import_text(tmp_path, "ct.json", json.dumps({"limit": 20, "results": [tee, cap]}))
    assert shop.column("price") == {"TEE-1": 19.99, "TEE-2": 20.99, "CAP": 9}
    assert shop.column("group_id") == {"TEE-1": "p-1", "TEE-2": "p-1", "CAP": "p-2"}
    assert shop.column("availability") == {
        "TEE-1": "in_stock",
        "TEE-2": "out_of_stock",
        "CAP": None,
    }
    row = shop.row("TEE-1")
    assert (row["title"], row["category"], row["currency"]) == ("Tee", "Shirts", "EUR")
    assert (row["image_url"], shop.row("TEE-2")["image_url"]) == (f"{WEB}1.jpg", f"{WEB}2.jpg")
    assert (facts(shop, "TEE-1"), facts(shop, "TEE-2")) == (
        {"color": "Red", "size": "S"},
        {"size": "M"},
    )


def test_medusa_names_options_by_the_product(tmp_path):
    tee = {"id": "prod_1", "title": "Medusa Tee", "handle": "tee", "status": "published", "thumbnail": f"{WEB}t.png",
           "images": [{"id": "i1", "url": f"{WEB}1.png"}], "options": [{"id": "o1", "title": "Size"}],
           "categories": [{"id": "c", "name": "Shirts"}], "tags": [{"value": "soft"}],
           "variants": [{"id": f"v{size}", "title": size, "sku": f"SHIRT-{size}",
                         "prices": [{"currency_code": "eur", "amount": 19.5}],
                         "options": [{"value": size, "option_id": "o1"}]} for size in "SM"]}  # fmt: skip
    cap = {"id": "prod_2", "title": "Cap", "status": "draft", "variants": [{"id": "v3", "title": "One", "sku": "CAP", "prices": []}]}  # fmt: skip
    shop = import_text(tmp_path, "m.json", json.dumps({"products": [tee, cap], "count": 2}))
    assert shop.column("price") == {"SHIRT-S": 19.5, "SHIRT-M": 19.5, "CAP": None}
    assert facts(shop, "SHIRT-M") == {"Size": "M"}
    row = shop.row("SHIRT-S")
    assert (row["category"], row["tags"], row["currency"]) == ("Shirts", ["soft"], "EUR")
    assert shop.column("published") == {"SHIRT-S": True, "SHIRT-M": True, "CAP": False}


def test_bigcommerce_and_zalando(tmp_path):
    """Ids of categories are no names; a variant without a price costs what its product does."""
    linen = {"id": 77, "name": "Fog Linen", "sku": "SLC", "price": 49, "sale_price": 45, "retail_price": 60, "categories": [18, 23],
             "images": [{"id": 1, "url_standard": f"{WEB}std.jpg", "url_zoom": f"{WEB}zoom.jpg"}],
             "variants": [{"id": 1, "sku": "R", "price": None, "option_values": [{"label": "Red", "option_display_name": "Color"}]},
                          {"id": 2, "sku": "B", "price": 51, "option_values": [{"label": "Blue", "option_display_name": "Color"}]}]}  # fmt: skip
    shop = import_text(tmp_path, "bc.json", json.dumps({"data": [linen], "meta": {}}))
    assert shop.column("price") == {"R": 49, "B": 51}
    assert (facts(shop, "R"), shop.row("R")["image_url"]) == ({"Color": "Red"}, f"{WEB}zoom.jpg")
    assert "category" not in shop.row("R")
    shoe = {"id": "AD1", "modelId": "AD", "name": "Sneaker", "brand": {"key": "A", "name": "Adidas"},
            "attributes": [{"name": "Sole", "values": ["Rubber"]}],
            "units": [{"id": "AD1-41", "size": "41", "price": {"currency": "EUR", "value": 84.95},
                       "originalPrice": {"currency": "EUR", "value": 99.95}, "available": True},
                      {"id": "AD1-42", "size": "42", "price": {"currency": "EUR", "value": 84.95}, "available": False}],
            "media": {"images": [{"orderNumber": 1, "thumbnailHdUrl": f"{WEB}t.jpg", "largeUrl": f"{WEB}l.jpg"}]}}  # fmt: skip
    shop = import_text(tmp_path, "z.json", json.dumps({"content": [shoe], "totalElements": 1}))
    assert shop.column("availability") == {"AD1-41": "in_stock", "AD1-42": "out_of_stock"}
    row = shop.row("AD1-41")
    assert (row["brand"], row["list_price"], row["image_url"]) == ("Adidas", 99.95, f"{WEB}l.jpg")
    assert facts(shop, "AD1-42") == {"size": "42", "Sole": "Rubber"}


def test_sizes_in_xml(tmp_path):
    """IOF of IdoSell: names, prices and sizes are nested elements; one size alone is a size too."""

    def product(code, name, sizes):
        return f"""<product id="{code}"><producer id="1" name="Acme"/><category id="12" name="Odzież/Kurtki"/>
<description><name xml:lang="pol"><![CDATA[{name}]]></name><long_desc xml:lang="pol"><![CDATA[<p>ciepła</p>]]></long_desc>
</description><price gross="199.00" net="161.79"/><sizes>{sizes}</sizes><images><large><image url="{WEB}1.jpg"/>
<image url="{WEB}2.jpg"/></large></images><parameters><parameter name="Kolor"><value name="czarny"/></parameter></parameters></product>"""

    def size(code, price, count):
        return f'<size id="3" name="{code[-1]}" code="{code}"><stock id="1" quantity="{count}"/><price gross="{price}" net="1"/></size>'

    text = product("76", "Kurtka", size("76-S", "199.00", 3) + size("76-M", "209.00", 0))
    text = f"<offer><products>{text}{product('77', 'Czapka', size('77-U', '49.00', 2))}</products></offer>"
    shop = import_text(tmp_path, "iof.xml", text)
    assert shop.column("price") == {"76-S": 199, "76-M": 209, "77-U": 49}
    assert shop.column("title") == {"76-S": "Kurtka", "76-M": "Kurtka", "77-U": "Czapka"}
    assert shop.column("group_id") == {"76-S": "76", "76-M": "76", "77-U": "77"}
    row = shop.row("76-S")
    assert (row["brand"], row["category"], row["description"]) == (
        "Acme",
        "Odzież > Kurtki",
        "ciepła",
    )
    assert [row["image_url"], *row["image_urls"]] == [f"{WEB}1.jpg", f"{WEB}2.jpg"]
    assert shop.column("availability")["76-M"] == "out_of_stock"
