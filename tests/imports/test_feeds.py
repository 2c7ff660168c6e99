# ruff: noqa: E501
"""Feeds by their documented rules: Google Merchant, OpenAI, schema.org, each with defects."""

import gzip
import json

import pytest
from support.exports import csv_text, import_path, import_text

from windowshop.errors import DataError
from windowshop.imports import import_shop

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel>
<title>A shop</title><link>https://x.example</link>
<item>
  <g:id>TV_1</g:id><title>LCD set</title><g:title>42" LCD set</g:title>
  <g:description>&lt;p&gt;Sharp &amp;amp; bright&lt;/p&gt;</g:description>
  <g:link>https://x.example/tv</g:link>
  <g:image_link>https://x.example/tv.jpg</g:image_link>
  <g:additional_image_link>https://x.example/tv2.jpg</g:additional_image_link>
  <g:additional_image_link>https://x.example/tv3.jpg</g:additional_image_link>
  <g:price>1299.00 USD</g:price><g:sale_price>999.00 USD</g:sale_price>
  <g:availability>in stock</g:availability><g:brand>Acme</g:brand>
  <g:gtin>04012345123456</g:gtin><g:condition>new</g:condition>
  <g:google_product_category>Electronics &gt; Video &gt; Televisions</g:google_product_category>
  <g:product_type>TVs &gt; LCD</g:product_type><g:product_type>Sale &gt; TVs</g:product_type>
  <g:shipping><g:country>US</g:country><g:price>14.95 USD</g:price></g:shipping>
  <g:product_detail><g:section_name>Display</g:section_name>
    <g:attribute_name>Resolution</g:attribute_name><g:attribute_value>4K</g:attribute_value>
  </g:product_detail>
</item>
<item>
  <g:id>S-red</g:id><g:title>Shirt</g:title><g:item_group_id>S</g:item_group_id>
  <g:color>Red</g:color><g:size>40</g:size><g:price>20.00 USD</g:price>
  <g:availability>out_of_stock</g:availability><g:image_link>https://x.example/s.jpg</g:image_link>
  <g:google_product_category>212</g:google_product_category>
</item>
<item>
  <g:id>S-blue</g:id><g:title>Shirt</g:title><g:item_group_id>S</g:item_group_id>
  <g:color>Blue</g:color><g:size>42</g:size><g:price>n/a</g:price>
  <g:availability>preorder</g:availability><g:image_link>https://x.example/s.jpg</g:image_link>
</item>
<item><g:title>No id</g:title><g:price>5.00 USD</g:price></item>
</channel></rss>
"""


def test_a_google_feed_in_xml(tmp_path):
    shop = import_text(tmp_path, "feed.xml", RSS)
    assert (shop.report.format, len(shop.products)) == ("Google Merchant feed", 4)
    tv = shop.row("TV_1")
    assert (tv["title"], tv["description"]) == ('42" LCD set', "Sharp & bright")
    assert (tv["price"], tv["sale_price"], tv["currency"]) == (1299, 999, "USD")
    assert tv["category_paths"] == ["TVs > LCD", "Sale > TVs"]
    assert tv["image_urls"] == ["https://x.example/tv2.jpg", "https://x.example/tv3.jpg"]
    assert (tv["gtin"], tv["availability"]) == ("04012345123456", "in_stock")
    assert json.loads(tv["attributes"]) == {"Resolution": "4K"}
    assert shop.row("S-red")["google_product_category"] == "212"
    assert shop.column("group_id")["S-red"] == shop.column("group_id")["S-blue"] == "S"
    assert json.loads(shop.row("S-red")["attributes"]) == {"color": "Red", "size": "40"}
    assert "category" not in shop.row("S-red")
    assert shop.column("availability")["S-blue"] == "preorder"
    assert shop.notes == {"html": 1, "no-id": 1, "no-price": 1}


ATOM = """<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
<title>A shop</title>
<entry><g:id>1</g:id><title>Red mug</title><link href="https://x.example/1"/>
<summary>A mug.</summary><g:image_link>https://x.example/1.jpg</g:image_link>
<g:price>EUR 7,50</g:price><g:availability>in_stock</g:availability></entry>
<entry><g:id>2</g:id><title>Blue mug</title><link href="https://x.example/2"/>
<summary>B mug.</summary><g:image_link>https://x.example/2.jpg</g:image_link>
<g:price>EUR 1.007,50</g:price><g:availability>in_stock</g:availability></entry></feed>
"""


def test_a_google_feed_in_atom(tmp_path):
    shop = import_text(tmp_path, "feed.atom", ATOM)
    assert shop.column("price") == {"1": 7.5, "2": 1007.5}
    assert shop.row("1")["link"] == "https://x.example/1"


@pytest.mark.parametrize("space", [" ", "_"])
def test_a_google_feed_as_a_table(tmp_path, space):
    header = ["id", "title", "description", "link", "image link", "additional image link", "price",
              "availability", "brand", "product type", "item group id", "color", "product detail",
              "custom label 0"]  # fmt: skip
    names = [name.replace(" ", space) for name in header]
    row = dict(zip(names, [
        "00042", "Red mug", "A mug", "https://x.example/42", "https://x.example/42.jpg",
        "https://x.example/43.jpg,https://x.example/44.jpg", "79.99 USD", "in_stock", "Acme",
        "Home > Kitchen, Gifts > Mugs", "m", "red", "General:Volume:0.3 l", "top",
    ], strict=True))  # fmt: skip
    shop = import_text(tmp_path, "feed.txt", csv_text(names, row, separator="\t"))
    assert shop.report.format == "Google Merchant feed"
    mug = shop.row("00042")
    assert mug["category_paths"] == ["Home > Kitchen", "Gifts > Mugs"]
    assert mug["image_urls"] == ["https://x.example/43.jpg", "https://x.example/44.jpg"]
    assert json.loads(mug["attributes"]) == {"color": "red", "Volume": "0.3 l"}
    assert (mug["price"], mug["currency"], mug["group_id"]) == (79.99, "USD", "m")
    assert mug["custom_label_0"] == "top"


def test_entities_that_grow_are_refused(tmp_path):
    bomb = '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><r><item><id>&b;</id></item></r>'
    (tmp_path / "f.xml").write_text(bomb)
    with pytest.raises(DataError, match="is no sound XML"):
        import_shop(tmp_path / "f.xml", tmp_path / "shop")


NEW = {
    "is_eligible_search": "true", "is_eligible_checkout": "false", "item_id": "SKU12345",
    "title": "Trail shoe", "description": "Waterproof.", "url": "https://x.example/shoe",
    "brand": "Acme", "image_url": "https://x.example/shoe.jpg",
    "additional_image_urls": "https://x.example/a.jpg,https://x.example/b.jpg",
    "price": "79.99 USD", "sale_price": "59.99 USD", "availability": "in_stock",
    "product_category": "Apparel & Accessories > Shoes", "group_id": "SHOE",
    "variant_dict": '{"color": "Blue", "size": "10"}', "seller_name": "Shop",
    "return_policy": "https://x.example/returns", "target_countries": "US", "popularity_score": "4.7",
}  # fmt: skip
RENAMED = {
    "is_eligible_search": "enable_search", "is_eligible_checkout": "enable_checkout",
    "item_id": "id", "url": "link", "image_url": "image_link", "group_id": "item_group_id",
    "additional_image_urls": "additional_image_link",
}  # fmt: skip
OLD = {RENAMED.get(name, name): value for name, value in NEW.items()}


@pytest.mark.parametrize("row", [NEW, OLD], ids=["new", "old"])
@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "csv", "tsv", "csv.gz"])
def test_an_openai_feed_of_both_generations(tmp_path, row, form):
    other = row | {("item_id" if "item_id" in row else "id"): "SKU2", "price": "", "sale_price": "",
                   "variant_dict": '{"color": "Red", "size": "11"}',
                   "availability": "pre_order"}  # fmt: skip
    if "json" in form:
        rows = [row | {"variant_dict": json.loads(row["variant_dict"])}, other]
        text = "".join(json.dumps(item) + "\n" for item in rows)
    else:
        text = csv_text(list(row), row, other, separator="\t" if "tsv" in form else ",")
    content = gzip.compress(text.encode()) if form.endswith("gz") else text.encode()
    shop = import_text(tmp_path, f"feed.{form}", content)
    assert shop.report.format == "OpenAI product feed"
    shoe = shop.row("SKU12345")
    assert (shoe["price"], shoe["sale_price"], shoe["currency"]) == (79.99, 59.99, "USD")
    assert shoe["category"] == "Apparel & Accessories > Shoes"
    assert json.loads(shoe["attributes"]) == {"color": "Blue", "size": "10"}
    assert shoe["image_urls"] == ["https://x.example/a.jpg", "https://x.example/b.jpg"]
    assert shoe["group_id"] == "SHOE"
    assert shop.column("availability") == {"SKU12345": "in_stock", "SKU2": "preorder"}
    assert shop.column("price")["SKU2"] is None
    assert "seller_name" in shop.report.dropped_columns
    assert shop.row("SKU12345")["popularity_score"] == 4.7


PAGE = """<!doctype html><html><head>
<script type="application/ld+json">{"@context": "https://schema.org", "@type": "BreadcrumbList",
"itemListElement": [{"@type": "ListItem", "position": 1, "name": "Home"},
{"@type": "ListItem", "position": 2, "item": {"@id": "/men", "name": "Men"}},
{"@type": "ListItem", "position": 3, "name": "Shirts"},
{"@type": "ListItem", "position": 4, "name": "Oxford shirt"}]}</script>
<script type='application/ld+json'>
{"@context": "https://schema.org/", "@graph": [{"@type": ["Product"], "name": "Oxford shirt",
"sku": "OX-1", "image": ["https://x.example/ox.jpg", {"@type": "ImageObject", "url": "//x.example/2.jpg"}],
"description": "Soft &amp; blue", "brand": {"@type": "Brand", "name": "Acme"}, "gtin13": "4006381333931",
"offers": {"@type": "Offer", "price": "49.90", "priceCurrency": "EUR",
"availability": "https://schema.org/InStock"}, "color": "Blue",
"additionalProperty": [{"@type": "PropertyValue", "name": "Fit", "value": "slim"}],
"isRelatedTo": {"@type": "Product", "name": "Another shirt"}}]}</script>
<script type="application/ld+json">{broken</script></head><body></body></html>"""
GROUP = {
    "@context": "https://schema.org/", "@type": "ProductGroup", "name": "Wool coat",
    "productGroupID": "44E01", "brand": {"@type": "Brand", "name": "Good brand"},
    "description": "A coat.", "variesBy": ["https://schema.org/size"], "category": ["A > B", "C"],
    "hasVariant": [
        {"@type": "Product", "sku": "44E01-M", "size": "small", "image": "https://x.example/g.jpg",
         "name": "Wool coat small", "offers": [
             {"@type": "Offer", "price": 39.99, "priceCurrency": "USD", "availability": "InStock"},
             {"@type": "Offer", "price": 45, "priceCurrency": "USD"}]},
        {"@type": "Product", "sku": "44E01-X", "size": "xl", "offers": {
            "@type": "AggregateOffer", "lowPrice": "49.99", "priceCurrency": "USD",
            "availability": "https://schema.org/BackOrder"}},
    ],
}  # fmt: skip


def test_schema_org_of_pages(tmp_path):
    source = tmp_path / "pages"
    source.mkdir()
    (source / "a.html").write_text(PAGE)
    (source / "b.html").write_text(PAGE.replace("OX-1", "OX-2").replace("49.90", "1.049,90"))
    shop = import_path(source, tmp_path / "shop")
    assert shop.report.format == "schema.org JSON-LD"
    assert len(shop.products) == 2
    shirt = shop.row("OX-1")
    assert (shirt["title"], shirt["brand"], shirt["category"]) == (
        "Oxford shirt",
        "Acme",
        "Men > Shirts",
    )
    assert (shirt["price"], shirt["currency"], shirt["availability"]) == (49.9, "EUR", "in_stock")
    assert shirt["image_url"] == "https://x.example/ox.jpg"
    assert shirt["image_urls"] == ["https://x.example/2.jpg"]
    assert (shirt["description"], shirt["gtin"]) == ("Soft & blue", "4006381333931")
    assert json.loads(shirt["attributes"]) == {"color": "Blue", "Fit": "slim"}
    assert shop.column("price")["OX-2"] == 1049.9
    assert shop.notes["bad-block"] == 2


@pytest.mark.parametrize("wrapped", [False, True])
def test_schema_org_of_a_group_in_json(tmp_path, wrapped):
    content = json.dumps([GROUP] if wrapped else GROUP)
    shop = import_text(tmp_path, "group.json", content)
    assert shop.column("group_id") == {"44E01-M": "44E01", "44E01-X": "44E01"}
    assert shop.column("price") == {"44E01-M": 39.99, "44E01-X": 49.99}
    assert shop.column("title") == {"44E01-M": "Wool coat small", "44E01-X": "Wool coat"}
    assert shop.column("brand")["44E01-X"] == "Good brand"
    assert shop.row("44E01-X")["category_paths"] == ["A > B", "C"]
    assert shop.column("availability") == {"44E01-M": "in_stock", "44E01-X": "backorder"}
    assert json.loads(shop.column("attributes")["44E01-X"]) == {"size": "xl"}
