import json

import polars as pl
import pytest

from windowshop.data.dataset import read_products
from windowshop.data.html_text import clean_texts, plain_text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Women&#39;s caf&eacute; apron", "Women's café apron"),
        ("H&amp;M", "H&M"), ("H&M", "H&M"), ("H&amp;amp;M", "H&M"), ("R&D; x", "R&D; x"),
        ("<p>Made of <strong>linen</strong>.</p><ul><li>Machine&nbsp;wash</li></ul>",
         " Made of linen.   Machine\xa0wash  "),
        ("a < b", "a < b"), ("<3 you", "<3 you"), ("x<y and z>w", "x<y and z>w"), ("a<b", "a<b"),
        ("lin<b>en</b>", "linen"), ("soft<b>Textured", "soft Textured"), ("a<br/>b", "a b"),
        ("<script>x<y</script>hi<style>p{}</style>", " hi "), ("a<!-- c --> b", "a  b"),
        ("&lt;p&gt;twice&lt;/p&gt;", " twice "), ("5 &lt; 6", "5 < 6"),
        ("<img alt='a>b'>q", " q"), ("it's <b it's", "it's <b it's"), ("<unknown>", "<unknown>"),
        ("a&nbsp b &copy 2020 &amp c", "a\xa0 b © 2020 & c"), ("x&copyright", "x&copyright"),
        ("<g-emoji class='a'>x</g-emoji>", "x"), ("<v:shape/>x", "x"), ("a<dialog>b", "a b"),
        ("<![CDATA[x]]>", " x "), ("&#x1F600;", "😀"), ("Salt&Copper", "Salt&Copper"),
    ],
)  # fmt: skip
def test_markup_goes_and_text_stays(text, plain):
    assert plain_text(text) == plain


@pytest.mark.parametrize(
    "part", ['<b "', "<!--", "<script ", "<script>", "&amp;", "<b ' \" >", "<"]
)
def test_hostile_texts_take_no_time(part):
    plain_text(part * 20_000)


def test_texts_of_products_are_cleaned_where_they_are_read(tmp_path):
    rows = [
        {
            "product_id": "<1>", "title": "Caf&eacute;", "brand": "H&amp;M", "image": "a&amp;b.jpg",
            "description": "<p>One</p>\n\n<p>two</p>", "tags": ["A &amp; B", "c"],
            "category": "Home &amp; Living > Beds", "link": "https://x/?a=1&amp;b",
            "attributes": {"fit": "<i>slim</i> &quot;fit&quot;", "n": 1},
        },
        {"product_id": "2", "title": "<b></b>", "brand": "Plain", "tags": None},
    ]  # fmt: skip
    (tmp_path / "products.jsonl").write_text("\n".join(map(json.dumps, rows)))
    first, second = read_products(tmp_path).to_dicts()
    assert (first["title"], first["brand"], first["description"]) == ("Café", "H&M", "One\ntwo")
    assert (first["tags"], first["category"]) == (["A & B", "c"], "Home & Living > Beds")
    assert json.loads(first["attributes"]) == {"fit": 'slim "fit"', "n": 1}
    assert (first["product_id"], first["image"]) == ("<1>", "a&amp;b.jpg")
    assert first["link"] == "https://x/?a=1&amp;b"
    assert second["title"] is None


def test_texts_without_markup_are_not_touched():
    products = pl.DataFrame({"title": ["a  b ", None], "attributes": ["{}", None]})
    assert clean_texts(products).equals(products)
