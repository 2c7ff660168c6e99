import gzip
import json

import polars as pl
import pytest

from windowshop.errors import ConfigError
from windowshop.index import FeedConfig, write_feed

PRODUCTS = pl.DataFrame(
    {
        "product_id": ["a/1", "a2", "b", "c", "d"],
        "group_id": ["a", "a", None, None, None],
        "title": ["Red shoe", "Blue shoe", "Hat", None, "Scarf"],
        "description": ["Of leather", None, "Wool", "x", None],
        "link": [None, "https://shop.example/two", None, None, None],
        "price": [19.9, 20.0, 5.0, 1.0, None],
        "category": ["Shoes > Red", '["Shoes", "Sale"]', None, None, None],
        "attributes": ['{"color": "red", "heel": 3}', None, None, None, None],
        "image": ["images/1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"],
        "images": [None, '["2 b.jpg"]', None, None, None],
        "availability": ["in stock", "sold", None, None, None],
    }
)
CONFIG = FeedConfig(
    currency="EUR",
    link="https://shop.example/p/{product_id}",
    image_link="https://cdn.example/{image}",
    seller_name="Shop",
    country="DE",
)


@pytest.mark.parametrize("name", ["feed.jsonl", "feed.jsonl.gz"])
def test_a_feed_has_the_fields_of_the_specification(tmp_path, name):
    counts = write_feed(PRODUCTS, tmp_path / name, CONFIG)
    assert (counts.num_products, counts.lacking) == (3, {"title": 1, "price": 1})
    content = (tmp_path / name).read_bytes()
    text = gzip.decompress(content) if name.endswith(".gz") else content
    first, second, third = map(json.loads, text.splitlines())
    assert first == {
        "item_id": "a/1",
        "is_eligible_search": True,
        "is_eligible_checkout": False,
        "title": "Red shoe",
        "description": "Of leather",
        "url": "https://shop.example/p/a%2F1",
        "image_url": "https://cdn.example/images/1.jpg",
        "additional_image_urls": [],
        "price": "19.90 EUR",
        "availability": "in_stock",
        "product_category": "Shoes > Red",
        "group_id": "a",
        "listing_has_variations": True,
        "variant_dict": {"color": "red", "heel": "3"},
        "color": "red",
        "seller_name": "Shop",
        "target_countries": ["DE"],
        "store_country": "DE",
    }
    assert second["url"] == "https://shop.example/two"
    assert second["additional_image_urls"] == ["https://cdn.example/2%20b.jpg"]
    assert (second["product_category"], second["availability"]) == ("Shoes", "unknown")
    assert (third["group_id"], third["listing_has_variations"]) == ("b", False)


def test_addresses_of_images_come_first(tmp_path):
    urls = ["https://a.example/x.jpg", None, None, None, None]
    products = PRODUCTS.with_columns(image_url=pl.Series(urls))
    write_feed(products, tmp_path / "feed.jsonl", CONFIG)
    first = json.loads((tmp_path / "feed.jsonl").read_text().splitlines()[0])
    assert first["image_url"] == urls[0]


@pytest.mark.parametrize(
    "wrong", [{"currency": "euro"}, {"link": "x"}, {"image_link": "x"}, {"availability": "often"}]
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        FeedConfig(**wrong)
