"""An index whose products have lists: read, filtered, recognised, written online, copied."""

import json
import shutil
from contextlib import closing

import polars as pl
import pytest
from support.indexes import opened, shop_rows, write_colours
from support.services import serving

from windowshop.data.filter_grammar import parse_filter
from windowshop.index.open import open_index
from windowshop.search.request import FacetValues, SearchRequest
from windowshop.search.results.rules import Rule, Rules
from windowshop.search.searcher import Searcher

TAGS = [["Boho", "Linen"], ["linen"], ["Vintage"], None]


def rows_with(as_text):
    """The small shop with tags and widths, as lists or as their JSON text."""
    rows = []
    for i, row in enumerate(shop_rows()):
        lists = {"tags": TAGS[i % 4], "widths": [36 + i, 60 - i], "none": None}
        rows.append(row | {k: v and (json.dumps(v) if as_text else v) for k, v in lists.items()})
    return rows


@pytest.fixture(scope="module")
def listed(colours, build_colours, tmp_path_factory):
    """An index of that shop; to be copied before anything is written."""
    write_colours(colours / "listed", rows_with(as_text=False))
    out = tmp_path_factory.mktemp("listed") / "index"
    build_colours(out, "listed", engine="flat", chunk_rows=5)
    return out


@pytest.fixture
def index(listed, tmp_path):
    return shutil.copytree(listed, tmp_path / "index")


def ask(searcher, **request):
    answer = searcher.answer(SearchRequest(limit=20, **request))
    return answer, sorted(result.product_id for result in answer.results)


def test_lists_filter_facet_pick_and_boost(listed):
    rules = Rules(rules=(Rule(name="old", where='tags = "vintage"', boost=100),))
    with closing(Searcher(open_index(listed), rules=rules)) as searcher:
        assert ask(searcher, where='tags = "linen"')[1] == ["p0", "p1", "p4", "p5", "p8", "p9"]
        assert ask(searcher, where='tags != "linen"')[1] == ["p10", "p2", "p6"]
        assert ask(searcher, where="widths between 45 and 46")[1] == ["p10", "p9"]
        assert ask(searcher, facet_filters={"tags": FacetValues(("Boho",))})[1] == [
            "p0",
            "p4",
            "p8",
        ]
        (tags,) = ask(searcher, facets=("tags",))[0].facets
        assert [(v.value, v.products) for v in tags.values] == [
            ("Linen", 6),
            ("Boho", 3),
            ("Vintage", 3),
        ]
        assert tags.missing == 3
        buried = searcher.answer(SearchRequest(text="shoe", mode="words", limit=3))
        assert {result.product_id for result in buried.results} == {"p2", "p6", "p10"}


def test_an_item_in_a_query_is_recognised(listed):
    with closing(Searcher(open_index(listed))) as searcher:
        request = {"text": "boho shoe", "choices": {"tags: Boho": "filter"}}
        answer, found = ask(searcher, **request)
        (item,) = [item for item in answer.recognised if item.name.startswith("tags")]
        assert (item.name, item.action) == ("tags: Boho", "filter")
        # Products without tags stay: a quarter has none.
        assert set(found) <= {f"p{i}" for i in range(12) if i % 4 in (0, 3)}
        assert {"p0", "p4", "p8"} <= set(found)


def test_products_are_sent_with_lists(index):
    with serving(index) as client:
        rows = [
            {"product_id": "a", "tags": ["New", " ", None], "widths": 50, "none": ["x"]},
            {"product_id": "b", "tags": "Boho", "widths": [50, 51.0], "none": "y"},
            {"product_id": "c", "tags": '["Linen", 38]', "widths": ["52"]},
            {"product_id": "d", "tags": [], "widths": None},
            {"product_id": "e", "tags": [["New"]]},
            {"product_id": "f", "tags": {"a": 1}},
            {"product_id": "g", "widths": [50.5]},
            {"product_id": "h", "widths": ["wide"]},
            {"product_id": "i", "stock": [1]},
        ]
        rows = [{"title": "Thing", **row} for row in rows]
        told = client.put("/products", json={"products": rows}).json()
        states = {r["product_id"]: r["status"] for r in told["results"]}
        assert [name for name, status in states.items() if status == "upserted"] == list("abcd")
        errors = {r["product_id"]: r.get("error", "") for r in told["results"]}
        assert (
            errors["e"]
            == "tags: a text, number, true, false or null, or a list of them, is needed."
        )
        assert errors["f"] == errors["e"]
        assert "'widths' is of type List(Float64), the catalogue has List(Int64)" in errors["g"]
        assert "'widths' is of type List(String)" in errors["h"]
        assert errors["i"] == "stock: a text, number, true, false or null is needed."
        kept = {name: client.get(f"/products/{name}").json() for name in "abcd"}
        assert [kept[name]["tags"] for name in "abcd"] == [["New"], ["Boho"], ["Linen", "38"], None]
        assert [kept[name]["widths"] for name in "abcd"] == [[50], [50, 51], [52], None]
        assert [kept[name]["none"] for name in "abcd"] == [["x"], ["y"], None, None]
        again = {
            k: v for k, v in kept["a"].items() if k in ("product_id", "title", "tags", "widths")
        }
        assert client.put("/products", json={"products": [again]}).json()["num_upserted"] == 1
        where = 'tags in ("new", "boho") and widths >= 50'
        found = client.post("/search", json={"where": where, "facets": ["tags"]}).json()
        assert {r["product_id"]: r["fields"]["tags"] for r in found["results"]}["a"] == ["New"]
        line = json.dumps({"product_id": "s", "title": "t", "tags": ["Streamed"]})
        streamed = client.put(
            "/products", content=line, headers={"Content-Type": "application/x-ndjson"}
        )
        assert json.loads(streamed.text)["status"] == "upserted"
        assert client.get("/products/s").json()["tags"] == ["Streamed"]
    with opened(index) as shop:
        assert shop.collection.count(parse_filter('tags = "streamed" or tags = "new"')) == 2


def test_writes_pass_between_lists_and_the_text_of_an_older_index(colours, build_colours, tmp_path):
    write_colours(colours / "texts", rows_with(as_text=True))
    write_colours(colours / "listed", rows_with(as_text=False))
    out = tmp_path / "index"
    build_colours(out, "texts")
    build_colours(out, "listed")
    with opened(out, "g1") as old, opened(out, "g2") as new:
        row = pl.DataFrame({"product_id": ["p0"], "title": ["x"]})
        old.upsert(row.with_columns(tags=pl.lit('["Boho", "New"]')))
        new.collection.catch_up()
        assert new.collection.products(["p0"])["tags"].to_list() == [["Boho", "New"]]
        new.upsert(row.with_columns(tags=pl.Series([["Boho", "New"]])))
        old.collection.catch_up()
        assert old.collection.products(["p0"])["tags"].to_list() == ['["Boho", "New"]']
