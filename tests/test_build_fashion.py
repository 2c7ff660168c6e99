"""The recipe of the fashion benchmark, on a made-up dump: facts, words, groups and judgements."""

import json
from dataclasses import replace

import build_fashion
import polars as pl
import pytest
from fashion_words import COMBINATIONS, facts_of, noun, query_text, without_looks
from PIL import Image

from windowshop.data import read_dataset

COLOURS = ("Red", "Navy Blue", "White")
PATTERNS = ("Solid", "Checked")
TYPES = ("Shirts", "Watches")
GENDERS = ("Men", "Women")
COPIES = 5


def style(number, article, gender, colour, pattern):
    return {
        "id": number,
        "productDisplayName": f"Acme {gender} {pattern} {colour} {article} {number % 40}",
        "brandName": "Acme" if number % 2 else "Brio",
        "price": 100 + number,
        "ageGroup": f"Adults-{gender}",
        "gender": gender,
        "baseColour": colour,
        "season": "Fall",
        "usage": "Casual",
        "articleAttributes": {"Pattern": pattern, "Fit": "Slim"},
        "masterCategory": {"typeName": "Apparel"},
        "subCategory": {"typeName": "Topwear"},
        "articleType": {"typeName": article},
        "productDescriptors": {"description": {"value": "<p>A <b>fine</b>\n&amp; soft one</p>"}},
    }


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """120 styles with an image each, the last two with the same image, and one without any."""
    folder = tmp_path_factory.mktemp("dump")
    for name in ("styles", "images"):
        (folder / name).mkdir()
    number = build_fashion.FIRST
    for _ in range(COPIES):
        for kind in TYPES:
            for gender in GENDERS:
                for colour in COLOURS:
                    for pattern in PATTERNS:
                        write_style(folder, style(number, kind, gender, colour, pattern), number)
                        number += 1
    image = (folder / "images" / f"{number - 1}.jpg").read_bytes()
    (folder / "images" / f"{number - 2}.jpg").write_bytes(image)
    write_style(folder, style(number, "Shirts", "Men", "Red", "Solid"), None)
    return folder


def write_style(folder, content, shade):
    (folder / "styles" / f"{content['id']}.json").write_text(json.dumps({"data": content}))
    if shade is not None:
        size = (600, 800) if shade == build_fashion.FIRST else (24, 32)
        place = shade - build_fashion.FIRST
        colour = (place % 12 * 20, place // 12 * 20, 0)
        Image.new("RGB", size, colour).save(folder / "images" / f"{content['id']}.jpg")


@pytest.fixture(scope="module")
def catalogue(dump):
    return build_fashion.read_catalogue(dump)


@pytest.fixture(scope="module")
def benchmark(catalogue):
    return build_fashion.build(catalogue)


def test_the_dump_is_read_by_its_own_names(catalogue):
    assert len(catalogue.products) == 120  # the one without an image is left out
    first = catalogue.products[0]
    assert (first.product_id, first.title) == ("10000", "Acme Men Solid Red Shirts 0")
    assert (first.brand, first.price) == ("Brio", 10100)
    assert first.category == "Apparel > Topwear > Shirts"
    assert first.description == "A fine & soft one"
    assert first.attributes["article_type"] == "Shirts"
    assert first.attributes["article_attributes"] == {"Pattern": "Solid", "Fit": "Slim"}
    assert first.image_path == "images/10000.jpg"


def test_products_of_one_image_or_one_title_and_brand_are_a_group(catalogue):
    groups = build_fashion.duplicate_groups(catalogue)
    assert groups["10119"] == groups["10118"]
    assert len(set(groups.values())) == 119
    first, second, third = catalogue.products[:3]
    again = replace(first, product_id="b")
    unbranded = [replace(first, product_id=name, brand=None) for name in "cd"]
    other = build_fashion.Catalogue([first, second, third, again, *unbranded], [["10001", "b"]])
    expected = {"10000": "10000", "10001": "10000", "b": "10000", "10002": "10002"}
    assert build_fashion.duplicate_groups(other) == expected | {"c": "c", "d": "d"}


@pytest.mark.parametrize(
    ("attributes", "wearers", "axes"),
    [
        (
            {
                "age_group": "Kids-Girls",
                "gender": "Girls",
                "base_colour": "Navy Blue",
                "usage": "Sports",
                "article_attributes": {
                    "Pattern": "Odd",
                    "Print or Pattern Type": "Tartan Checks",
                    "Sleeve Length": "No Sleeves",
                    "Neck": "V-Neck",
                    "Fabric": "Silk",
                    "Material": "Pure Cotton",
                },
            },
            {"girls"},
            {
                **{"colour": "navy blue", "pattern": "checked", "sleeve": "sleeveless"},
                **{"neck": "v-neck", "fabric": "cotton", "usage": "sports", "brand": "Acme"},
            },
        ),
        ({"age_group": "Kids-Unisex"}, {"boys", "girls"}, {"brand": "Acme"}),
        ({"gender": "Unisex", "base_colour": ""}, {"men", "women"}, {"brand": "Acme"}),
        ({"gender": "Men", "article_attributes": None}, {"men"}, {"brand": "Acme"}),
    ],
)
def test_facts_are_those_that_the_catalogue_says(attributes, wearers, axes):
    facts = facts_of({"article_type": "Tshirts", **attributes}, "Acme")
    assert (facts.kind, facts.wearers) == ("tshirts", wearers)
    assert {axis: value for axis, value in facts.axes.items() if value} == axes
    assert set(facts.axes) == {axis for axes in COMBINATIONS for axis in axes}


@pytest.mark.parametrize(
    ("title", "left"),
    [
        ("Acme Men Round Neck Red Printed T-shirt", "Acme Men T-shirt"),
        ("Acme Half-Sleeve Navy Blue Shirt -", "Acme Shirt"),
        ("Checked, Red", "Checked,"),
    ],
)
def test_a_sparse_title_lacks_what_an_image_shows(title, left):
    assert without_looks(title, {"red", "blue"}) == left


@pytest.mark.parametrize(
    ("kind", "singular"),
    [
        ("shirts", "shirt"), ("tshirts", "t-shirt"), ("watches", "watch"), ("dresses", "dress"),
        ("accessories", "accessory"), ("sports shoes", "sports shoes"), ("perfume", "perfume"),
    ],
)  # fmt: skip
def test_a_type_is_said_of_one_product(kind, singular):
    assert noun(kind) == singular


def test_a_wish_is_said_in_one_of_several_ways():
    wish = ("shirts", "men", ("brand", "colour", "neck"), ("Acme", "red", "round neck"))
    assert query_text(wish, 0.1) == "mens acme red round neck shirt"
    assert query_text(wish, 0.4) == "acme red round neck shirt for men"
    assert query_text(wish, 0.7) == "men acme red shirt round neck"
    assert query_text(wish, 0.9) == "acme red shirt round neck men"


def test_equal_sources_give_equal_tables(dump, benchmark):
    again = build_fashion.build(build_fashion.read_catalogue(dump))
    for name in ("products", "queries", "qrels"):
        assert getattr(again, name).equals(getattr(benchmark, name))


def test_a_table_made_of_the_dump_gives_the_same_benchmark(catalogue, benchmark, tmp_path):
    rows = [
        {name: getattr(product, name) for name in build_fashion.Product.__dataclass_fields__}
        for product in catalogue.products
    ]
    rows = [{**row, "attributes": json.dumps(row["attributes"])} for row in rows]
    pl.DataFrame(rows).write_parquet(tmp_path / "products.parquet")
    duplicates = {"dup_image_groups": catalogue.same_image}
    (tmp_path / "duplicate_images.json").write_text(json.dumps(duplicates))
    found = build_fashion.build(build_fashion.read_catalogue(tmp_path))
    assert found.qrels.equals(benchmark.qrels)
    assert found.products.equals(benchmark.products)


def test_half_of_the_groups_have_sparse_texts(benchmark):
    sparse = benchmark.products.filter(text_quality="sparse")
    full = benchmark.products.filter(text_quality="full")
    assert 30 < len(sparse) < 90
    assert sparse["description"].null_count() == sparse["attributes"].null_count() == len(sparse)
    assert not sparse["title"].str.contains("Red|Blue|White|Solid|Checked").any()
    assert full["title"].str.contains("Red|Blue|White").all()
    shown = json.loads(full["attributes"][0])
    assert {"Fit", "Pattern", "colour", "gender", "season", "usage"} == set(shown)


def test_grades_count_the_facts_that_are_met(catalogue, benchmark):
    """By the slow way: every product against every query, from the words of its style."""
    cold = set(benchmark.products.filter("cold")["product_id"])
    said = {
        p.product_id: {
            "colour": p.attributes["base_colour"].lower(),
            "pattern": p.attributes["article_attributes"]["Pattern"].lower(),
            "brand": p.brand.lower(),
        }
        for p in catalogue.products
    }
    found = {(q, p): g for q, p, g in benchmark.qrels.iter_rows()}
    expected = {}
    for query_id, text, split, _, axes in benchmark.queries.iter_rows():
        for product in catalogue.products:
            values = [said[product.product_id][axis] for axis in axes.split("+")]
            met = sum(f" {value} " in f" {text} " for value in values)
            grade = 3 if met == len(values) else int(len(values) > 1 and met == len(values) - 1)
            same = noun(product.attributes["article_type"].lower()) in text.split()
            worn = ("women" in text) == (product.attributes["gender"] == "Women")
            hidden = split == "train" and product.product_id in cold
            if grade and same and worn and not hidden:
                expected[query_id, product.product_id] = grade
    assert found == expected
    assert set(found.values()) == {1, 3}
    assert benchmark.queries["query"].is_unique().all()


def test_the_kept_split_is_written_apart_and_images_are_small(dump, benchmark, tmp_path):
    out, kept = tmp_path / "fashion", tmp_path / "kept"
    build_fashion.main([str(dump), "--out", str(out), "--kept", str(kept)])
    dataset = read_dataset(out)
    assert set(dataset.queries["split"]) == {"train", "dev", "test"}
    assert set(pl.read_parquet(kept / "queries.parquet")["split"]) == {"kept"}
    assert not (kept / "products.parquet").exists()
    counts = [len(pl.read_parquet(f / "qrels.parquet")) for f in (out, kept)]
    assert sum(counts) == len(benchmark.qrels)
    with Image.open(out / "images" / "10000.jpg") as image:
        assert image.size == (224, 224)
        assert image.getpixel((0, 100)) == (255, 255, 255)
    small = "images/10001.jpg"
    assert (out / small).read_bytes() == (dump / small).read_bytes()
