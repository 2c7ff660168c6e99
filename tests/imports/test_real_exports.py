"""Real exports, imported whole: counts and values read off the files by hand."""

import json

from support.exports import import_path, real_export

from windowshop.data import read_products


def options(imported):
    """Options by product id, of those that have some."""
    column = imported.column("attributes")
    return {name: json.loads(text) for name, text in column.items() if text is not None}


def test_shopify_clothes(tmp_path):
    shop = import_path(real_export("shopify/apparel.csv"), tmp_path / "shop")
    assert shop.report.format == "Shopify CSV"
    assert shop.report.certainty > 0.9
    assert (len(shop.products), shop.products["group_id"].n_unique()) == (22, 20)
    assert options(shop) == {
        f"classic-varsity-top:{size.lower()}": {"Size": size}
        for size in ("Small", "Medium", "Large")
    }
    prices = shop.column("price")
    assert sum(prices.values()) == 1295
    assert prices["classic-varsity-top:large"] == 60
    jacket = shop.row("navy-sport-jacket")
    assert (jacket["title"], jacket["brand"]) == ("Navy Sports Jacket", "partners-demo")
    assert (jacket["tags"], jacket["availability"]) == (["men"], "in_stock")
    images = shop.column("image_url")
    assert None not in images.values()
    assert len({images[f"classic-varsity-top:{size}"] for size in ("small", "medium")}) == 1


def test_shopify_home(tmp_path):
    shop = import_path(real_export("shopify/home-and-garden.csv"), tmp_path / "shop")
    assert (len(shop.products), shop.products["group_id"].n_unique()) == (21, 20)
    assert shop.column("category")["grey-sofa"] == "Indoor"
    assert list(shop.column("category").values()).count("Outdoor") == 8
    assert options(shop) == {
        "clay-plant-pot:regular": {"Size": "Regular"},
        "clay-plant-pot:large": {"Size": "Large"},
    }
    regular, large = (shop.row(f"clay-plant-pot:{size}") for size in ("regular", "large"))
    assert (regular["price"], large["price"]) == (9.99, 15.99)
    assert regular["description"] == "Classic blown clay pot for plants"
    assert regular["image_url"].endswith("single-sprout-in-a-pot_925x.jpg")
    assert [url.rpartition("/")[2] for url in regular["image_urls"]] == [
        "pot-with-a-single-sprout_925x.jpg"
    ]
    sofa = shop.row("cream-sofa")
    assert (sofa["price"], sofa["list_price"], sofa["tags"]) == (500, 750, ["Couch", "Wood"])
    assert {name for name, what in shop.column("availability").items() if what != "in_stock"} == {
        "pink-armchair",
        "wooden-outdoor-slats",
    }
    assert shop.notes["html"] == 21


def test_woocommerce(tmp_path):
    shop = import_path(real_export("woocommerce/sample_products.csv"), tmp_path / "shop")
    assert shop.report.format == "WooCommerce CSV"
    assert (len(shop.products), shop.products["group_id"].n_unique()) == (22, 15)
    assert shop.notes["parent-passed-on"] == 2
    found = options(shop)
    assert found["cc-hoodie-red"] == {"Color": "Red", "Logo": "No"}
    assert found["cc-hoodie-green-logo"] == {"Color": "Green", "Logo": "Yes"}
    assert found["cc-t-shirt-blue"] == {"Color": "Blue", "Size": ["Large", "Medium", "Small"]}
    assert found["cc-beanie"] == {"Color": "Red"}
    groups = shop.column("group_id")
    assert sum(group == "cc-hoodie" for group in groups.values()) == 6
    assert sum(group == "cc-tee" for group in groups.values()) == 3
    red = shop.row("cc-hoodie-red")
    assert (red["price"], red["sale_price"], red["category"]) == (45, 42, "Clothing > Hoodies")
    assert red["image_url"].endswith("hoodie-no-pocket-red.png")
    prices = shop.column("price")
    assert {name for name, price in prices.items() if price is None} == {"cc-logo-collection"}
    assert sum(price for price in prices.values() if price is not None) == 729
    assert len(shop.row("cc-logo-collection")["image_urls"]) == 3
    assert shop.row("cc-album")["category"] == "Music"


def test_what_was_imported_is_read(tmp_path):
    for name in ("shopify/home-and-garden.csv", "woocommerce/sample_products.csv"):
        folder = tmp_path / name.partition("/")[0]
        shop = import_path(real_export(name), folder)
        assert len(read_products(folder)) == len(shop.products)
