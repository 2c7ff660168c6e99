import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from windowshop.data.column_rules import read_rules
from windowshop.data.dataset import SPLITS, read_dataset, read_products
from windowshop.data.images import decode
from windowshop.demo.catalogue import DemoConfig, write_demo
from windowshop.demo.clicks import RESULTS_SHOWN, simulate_clicks
from windowshop.demo.drawing import PALETTE, PATTERNS, SHAPES, Look, contrasting, draw
from windowshop.demo.products import WORDINGS, Product, make_products
from windowshop.demo.queries import Query, grade_products, make_queries
from windowshop.errors import ConfigError, DataError

CONFIG = DemoConfig(num_products=120, seed=3, image_side=32)
TABLES = ("products", "queries", "qrels", "clicks")
MUG = Product(
    product_id="p1",
    group_id="g1",
    kind="mug",
    brand="Norvik",
    material="stoneware",
    price=9.95,
    colour="blue",
    pattern="striped",
    accent="white",
    size=None,
    is_sparse=True,
    is_cold=False,
    has_image=True,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "below" / "shop"
    write_demo(folder, CONFIG)
    return folder


@pytest.fixture(scope="module")
def dataset(folder):
    return read_dataset(folder)


def query(split="test", **facts):
    return Query("q1", "", split, "", "", facts)


def grade(asked, product):
    return grade_products([asked], [product]).item()


def test_the_folder_reads_back_as_a_data_set(folder, dataset):
    assert dataset.notes == ()
    assert len(dataset.products) == CONFIG.num_products
    assert all(len(dataset.split(name)) > 0 for name in SPLITS)
    assert dataset.queries["query"].is_unique().all()
    assert "simulated" in (folder / "README.md").read_text()
    assert [path.name for path in folder.parent.iterdir()] == ["shop"]


def test_equal_settings_give_equal_files(folder, tmp_path):
    write_demo(tmp_path / "again", CONFIG)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert names == sorted(
        path.relative_to(tmp_path / "again")
        for path in (tmp_path / "again").rglob("*")
        if path.is_file()
    )
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_another_seed_gives_another_shop(dataset):
    others = make_products(CONFIG.num_products, CONFIG.seed + 1)
    assert [other.brand for other in others] != dataset.products["brand"].to_list()


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"kind": "mug", "colour": "blue", "pattern": "striped"}, 3),
        ({"kind": "mug", "brand": "Norvik", "material": "stoneware"}, 3),
        ({"kind": "mug", "colour": "blue", "pattern": "dotted"}, 1),
        ({"kind": "mug", "colour": "white"}, 1),
        ({"kind": "vase", "colour": "blue", "pattern": "striped"}, 0),
        ({"kind": "mug", "colour": "red", "pattern": "dotted"}, 0),
        ({"kind": "mug", "colour": "blue", "pattern": "striped", "accent": "yellow"}, 1),
    ],
)
def test_grades_follow_from_the_true_facts(facts, expected):
    assert grade(query(**facts), MUG) == expected


def test_a_plain_product_matches_no_accent():
    plain = replace(MUG, pattern="plain", accent=None)
    asked = query(kind="mug", colour="blue", pattern="plain", accent="white")
    assert grade(asked, plain) == 1


def test_only_train_queries_leave_cold_products_out():
    cold = replace(MUG, is_cold=True)
    assert grade(query(split="train", kind="mug", colour="blue"), cold) == 0
    assert grade(query(split="dev", kind="mug", colour="blue"), cold) == 3


def test_grades_agree_with_the_attributes_that_are_told(dataset):
    told = dataset.products.filter(pl.col("attributes").is_not_null())
    colours = {
        row["product_id"]: json.loads(row["attributes"])["colour"] for row in told.to_dicts()
    }
    best = dataset.qrels.filter(grade=3).join(dataset.queries, on="query_id")
    asked = best.filter(axes="colour", split="test").select("query", "product_id").rows()
    checked = [(text, colours[product]) for text, product in asked if product in colours]
    assert checked
    assert all(colour in text.split() for text, colour in checked)


def test_every_query_has_a_product_with_all_that_was_asked(dataset):
    best = dataset.qrels.filter(grade=3)["query_id"].unique()
    assert set(best) == set(dataset.queries["query_id"])
    assert set(dataset.qrels["grade"]) == {1.0, 3.0}


def test_no_combination_of_facts_is_asked_in_two_splits():
    queries = make_queries(make_products(CONFIG.num_products, CONFIG.seed), CONFIG.seed)
    splits = {}
    for asked in queries:
        splits.setdefault(frozenset(asked.facts.items()), set()).add(asked.split)
    assert len(splits) == len(queries)
    assert all(len(names) == 1 for names in splits.values())


def test_no_train_judgement_and_no_click_names_a_cold_product(folder, dataset):
    cold = dataset.products.filter("cold")["product_id"]
    assert 0.3 < len(cold) / CONFIG.num_products < 0.7
    train = dataset.qrels_of(dataset.split("train"))
    clicks = pl.read_parquet(folder / "clicks.parquet")
    assert not train["product_id"].is_in(cold.implode()).any()
    assert not clicks["product_id"].is_in(cold.implode()).any()
    assert dataset.qrels_of(dataset.split("test"))["product_id"].is_in(cold.implode()).any()


def test_groups_are_sparse_and_cold_as_a_whole(dataset):
    per_group = dataset.products.group_by("group_id").agg(
        pl.col("text_quality", "cold", "brand", "category").n_unique(), pl.len()
    )
    assert per_group["len"].max() > 1
    assert (per_group.select("text_quality", "cold", "brand", "category") == 1).to_numpy().all()


def test_sparse_texts_tell_neither_colour_nor_pattern(dataset):
    sparse = dataset.products.filter(text_quality="sparse")
    assert 0.3 < len(sparse) / CONFIG.num_products < 0.7
    assert sparse["description"].is_null().all()
    assert sparse["attributes"].is_null().all()
    told = {name for row in sparse["title"] for name in re.findall(r"[a-z]+", row.lower())}
    wordings = " ".join(word for name in PATTERNS for word in WORDINGS[name])
    assert not told & {*PALETTE, *PATTERNS, *re.findall(r"[a-z]{4,}", wordings)} - {"with"}


def test_full_texts_tell_what_the_image_shows(dataset):
    for row in dataset.products.filter(text_quality="full").to_dicts():
        facts = json.loads(row["attributes"])
        assert facts["colour"] in row["title"].lower()
        assert facts["pattern"] in row["title"].lower()
        assert 1 <= row["description"].count(".") <= 3


def test_every_image_decodes_and_no_two_are_equal(folder, dataset):
    named = dataset.products["image"].drop_nulls()
    images = [decode((folder / image).read_bytes()) for image in named]
    assert all(image.size == (CONFIG.image_side, CONFIG.image_side) for image in images)
    assert len({image.tobytes() for image in images}) == len(images)
    assert len(list((folder / "images").iterdir())) == len(images)
    without = dataset.products.filter(pl.col("image").is_null())
    assert 0 < len(without) < 0.1 * CONFIG.num_products
    assert without["description"].is_not_null().all()


def test_the_click_log_is_marked_and_ordered(folder, dataset):
    clicks = pl.read_parquet(folder / "clicks.parquet")
    assert clicks["simulated"].all()
    assert set(clicks["event"]) == {"impression", "click", "cart", "purchase"}
    assert clicks["timestamp"].is_sorted()
    assert clicks["position"].is_between(1, RESULTS_SHOWN).all()
    train = dataset.queries.filter(split="train")["query_id"]
    assert clicks["query_id"].is_in(train.implode()).all()
    key = ["session_id", "product_id", "position"]
    later = clicks.filter(pl.col("event") == "purchase").join(
        clicks.filter(pl.col("event") == "click"), on=key
    )
    assert len(later) == (clicks["event"] == "purchase").sum()
    assert (later["timestamp"] > later["timestamp_right"]).all()


def test_clicks_prefer_good_grades_first_places_and_images_that_show_it():
    shop = [
        replace(MUG, product_id=f"p{number}", has_image=number % 2 == 0, colour=colour)
        for number, colour in enumerate(["blue"] * 500 + ["red"] * 500)
    ]
    asked = [query(split="train", kind="mug", colour="blue")]
    grades = grade_products(asked, shop)
    clicks = simulate_clicks(asked, shop, grades, seed=0)
    facts = pl.DataFrame(
        {
            "product_id": [product.product_id for product in shop],
            "grade": grades[0],
            "has_image": [product.has_image for product in shop],
        }
    )
    table = clicks.join(facts, on="product_id").with_columns(is_first=pl.col("position") <= 3)

    def rate(**where):
        events = table.filter(**where)["event"]
        return (events == "click").sum() / (events == "impression").sum()

    assert rate(grade=3) > 1.5 * rate(grade=1)
    assert rate(is_first=True) > 1.5 * rate(is_first=False)
    assert rate(has_image=True) > 1.5 * rate(has_image=False)


def test_an_existing_folder_is_left_alone(folder):
    before = sorted(folder.rglob("*"))
    with pytest.raises(DataError, match="already exists. Delete it"):
        write_demo(folder, CONFIG)
    assert sorted(folder.rglob("*")) == before


def test_nothing_is_left_of_a_write_that_failed(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("windowshop.demo.catalogue.draw", fail)
    with pytest.raises(OSError, match="disk full"):
        write_demo(tmp_path / "shop", CONFIG)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [{"num_products": 99}, {"seed": -1}, {"image_side": 4096}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))}={next(iter(bad.values()))}"):
        DemoConfig(**bad)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("colour", ["red", "black", "blue"])
def test_a_plain_image_shows_its_colour_and_no_other(kind, colour):
    image = draw(Look(kind, colour, "plain", None), 64, np.random.default_rng(0))
    pixels = np.asarray(image.crop((16, 16, 48, 48)), dtype=float).reshape(-1, 1, 3)
    distances = np.linalg.norm(pixels - np.array(list(PALETTE.values())), axis=2)
    shares = np.bincount(distances.argmin(axis=1), minlength=len(PALETTE)) / len(pixels)
    shown = dict(zip(PALETTE, shares, strict=True))
    del shown["white"]  # the ground
    assert max(shown, key=shown.get) == colour
    assert shown[colour] > 0.2


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "plain"])
def test_a_pattern_shows_both_colours_and_more_of_the_main_one(pattern):
    look = Look("cushion", "black", pattern, "white")
    image = draw(look, 96, np.random.default_rng(0)).convert("L")
    share_dark = (np.asarray(image.crop((28, 28, 68, 68))) < 100).mean()
    share_light = (np.asarray(image.crop((28, 28, 68, 68))) > 190).mean()
    assert share_light > 0.08
    assert share_dark > 1.2 * share_light


@pytest.mark.parametrize("colour", PALETTE)
def test_every_colour_has_several_that_stand_out_on_it(colour):
    assert len(contrasting(colour)) >= 3
    assert colour not in contrasting(colour)


def test_the_same_look_is_drawn_differently_each_time():
    rng = np.random.default_rng(0)
    look = Look("vase", "green", "floral", "white")
    first, second = draw(look, 48, rng), draw(look, 48, rng)
    assert isinstance(first, Image.Image)
    assert first.tobytes() != second.tobytes()


def test_columns_of_slices_are_for_evaluation_alone(folder):
    rules = read_rules(folder).columns
    assert {name: rule.roles for name, rule in rules.items()} == {
        "text_quality": ("slice",),
        "cold": ("slice",),
        "currency": ("currency",),
        "list_price": ("shown",),
    }
    assert {"text_quality", "cold"} <= set(read_products(folder).columns)


def test_prices_have_a_currency_and_some_were_higher(dataset):
    products = dataset.products
    assert set(products["currency"]) == {"EUR"}
    reduced = products.drop_nulls("list_price")
    assert 0.05 < len(reduced) / len(products) < 0.4
    assert (reduced["list_price"] > reduced["price"]).all()
    per_group = products.group_by("group_id").agg(pl.col("list_price").n_unique())
    assert (per_group["list_price"] == 1).all()
