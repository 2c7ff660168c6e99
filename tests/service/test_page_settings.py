"""`page.yaml`: guessed, checked, read again when it changes, and told to the page."""

import os
import shutil
from dataclasses import replace

import pytest
import yaml
from support.browsing import answer, served, settled, until
from support.services import problem, serving

from windowshop.data.column_roles import ColumnRoles
from windowshop.errors import ConfigError
from windowshop.service.page.colours import PAPERS, accents, contrast
from windowshop.service.page.columns import facts_of
from windowshop.service.page.guess import guess_page, label_of
from windowshop.service.page.settings import PageSettings, SortOption
from windowshop.service.page.use import MIN_PICKS, FacetUse

ROWS = {
    "product_id": ["p1", "p2", "p3", "p4"],
    "title": ["Red shoe", "Blue shoe", "Red hat", "Green hat"],
    "category": ["Wear > Shoes", "Wear > Shoes", "Wear > Hats", "Wear > Hats"],
    "price": [10.0, 20.0, 30.0, 40.0],
    "compare_at_price": [12.0, None, None, 45.0],
    "currency": ["SEK", "SEK", "SEK", "EUR"],
    "colour": ["red", "blue", "red", "green"],
    "sizes": [["S", "M"], ["M"], None, ["L"]],
    "weight_kg": [1.0, 2.0, 3.0, 4.0],
    "sku": ["A-1", "A-2", "A-3", "A-4"],
    "updated_at": ["2024-01-01"] * 4,
    "link": [f"https://shop.example/{i}" for i in range(4)],
    "rating": [4.1, 3.9, 5.0, 2.2],
    "always": ["same"] * 4,
}


@pytest.fixture
def facts():
    import polars as pl

    return facts_of(pl.DataFrame(ROWS))


def test_a_page_is_guessed_from_the_columns(facts, tmp_path):
    (tmp_path / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    page = guess_page(tmp_path, facts, ["material", "internal_id"], ColumnRoles())
    assert (page.currency, page.list_price, page.sale_price) == ("SEK", "compare_at_price", "")
    assert page.facets == ("category", "price", "colour", "sizes", "weight_kg", "rating")
    assert [option.by for option in page.sorts] == ["price", "-price", "-rating"]
    assert page.shown == ("colour", "sizes", "weight_kg", "rating", "always")
    assert {"product_id", "sku", "updated_at", "link", "internal_id"} <= set(page.hidden)
    assert (page.product_link, page.logo) == ("{link}", "logo.svg")
    assert page.labels["weight_kg"] == "Weight (kg)"
    assert page.labels["material"] == "Material"


def test_declared_roles_decide_over_guesses(facts, tmp_path):
    roles = ColumnRoles({"colour": ["shown"], "always": ["facet"], "title": ["sort"]})
    page = guess_page(tmp_path, facts, [], roles)
    assert "colour" not in page.facets
    assert "always" not in page.facets  # nothing to choose
    both = ColumnRoles({"supplier": ["facet"], "sku": ["facet", "shown"]})
    page = guess_page(
        tmp_path, facts | {"supplier": replace(facts["colour"], name="supplier")}, [], both
    )
    assert "supplier" in page.facets
    assert "sku" in page.hidden  # `check --write-columns` declares every code as shown
    page = guess_page(tmp_path, facts, [], roles)
    assert [option.label for option in page.sorts][:2] == ["Title: A to Z", "Title: Z to A"]


def test_stock_and_further_prices_are_not_for_shoppers(tmp_path):
    import polars as pl

    rows = pl.DataFrame(
        {
            "price": [1.0, 2.0],
            "rrp": [1.5, 2.5],
            "msrp": [1.6, 2.6],
            "special_price": ["0.9", None],
            "stock_qty": [3, 4],
            "stock_status": ["in stock", "sold out"],
        }
    )
    page = guess_page(tmp_path, facts_of(rows), ["offer_price"], ColumnRoles())
    assert (page.list_price, page.sale_price) == ("msrp", "")
    assert page.hidden == ("stock_qty", "rrp", "special_price", "offer_price")
    assert page.shown == ("stock_status",)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("neck_type", "Neck type"),
        ("fabricType", "Fabric type"),
        ("USB_ports", "USB ports"),
        ("num_reviews", "Number of reviews"),
    ],
)
def test_columns_are_named_as_people_write(name, label):
    assert label_of(name) == label


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": " "}, "name is empty"),
        ({"accent": "green"}, "accent='green' must be a colour"),
        ({"currency": "Euro"}, "currency='Euro' must be an ISO code"),
        ({"locale": "deutsch"}, "locale='deutsch' is unknown"),
        ({"logo": "../secret.png"}, "must be the name of a file in the index folder"),
        ({"product_link": "javascript:alert(1)"}, "must begin with https://"),
        ({"facets": ("a", "a")}, "facets: 'a' stands there twice"),
    ],
)
def test_mistakes_of_a_page_are_named(fields, said):
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        PageSettings(**fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"facets": ("color",)}, "facets: products have no column 'color'. Did you mean 'colour'"),
        ({"sorts": (SortOption(by="-prize"),)}, "sorts: products have no column 'prize'"),
        ({"product_link": "/p/{handle}"}, "product_link: products have no column 'handle'"),
        ({"hidden": ("colours",)}, "hidden: products have no column 'colours'"),
    ],
)
def test_columns_that_are_not_there_are_named(facts, fields, said):
    with pytest.raises(ConfigError) as raised:
        PageSettings(**fields).require_columns(facts, ["material"])
    assert said in str(raised.value)


def test_rare_attributes_may_be_named(facts):
    PageSettings(labels={"zzz unknown": "Rare"}).require_columns(facts, ["material"])


@pytest.mark.parametrize("accent", ["#ffff00", "#000000", "#ff00aa", "#ffffff"])
def test_any_accent_can_be_read(accent):
    for scheme, shades in accents(accent).items():
        for ground in (*PAPERS[scheme], shades["accent-tint"]):
            assert contrast(shades["accent"], ground) >= 4.5
        assert contrast(shades["accent"], shades["on-accent"]) >= 4.5


@pytest.fixture(scope="module")
def index(colours_index, tmp_path_factory):
    return shutil.copytree(colours_index, tmp_path_factory.mktemp("settings") / "index")


@pytest.fixture(scope="module")
def client(index):
    with serving(index) as client:
        yield client


def rewrite(index, **fields):
    """Change fields of the file, with another time."""
    path = index / "page.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | fields))
    os.utime(path, (len(fields), sum(map(len, map(str, fields.values())))))


def test_the_first_start_writes_the_file_and_changes_are_read(client, index):
    told = client.get("/page").json()
    assert yaml.safe_load((index / "page.yaml").read_text())["labels"] == told["labels"]
    assert {facet["column"] for facet in told["facets"]} >= {"colour", "price"}
    assert (told["problem"], told["num_products"]) == ("", 12)
    rewrite(index, name="Ada's", currency="CHF", locale="de-CH", facets=["price"])
    told = client.get("/page").json()
    assert (told["name"], told["currency"], told["locale"]) == ("Ada's", "CHF", "de-CH")
    assert told["facets"] == [{"column": "price", "label": "Price", "kind": "range"}]
    rewrite(index, facets=["colr"])
    told = client.get("/page").json()
    assert told["name"] == "Ada's"
    assert told["facets"][0]["column"] == "price"
    assert "page.yaml: facets: products have no column 'colr'" in told["problem"]
    assert str(index) not in told["problem"]
    (index / "page.yaml").write_text("name: [")
    assert "cannot be read as YAML" in client.get("/page").json()["problem"]
    (index / "page.yaml").unlink()
    assert client.get("/page").json()["problem"] == ""
    assert (index / "page.yaml").is_file()


def test_facets_that_are_used_more_stand_first(index, tmp_path):
    copy = shutil.copytree(index, tmp_path / "index")
    (copy / "page.yaml").unlink(missing_ok=True)

    def facets(client):
        return [facet["column"] for facet in client.get("/page").json()["facets"]]

    with serving(copy) as client:
        before = facets(client)
        last = before[-1]
        body = {"picks": {last: {"low": 0} if last == "stock" else {"values": []}}}
        for _ in range(MIN_PICKS):
            assert facets(client) == before
            assert client.post("/search", json=body).status_code == 200
        assert facets(client) == [last, *before[:-1]]
        client.post("/search", json=body | {"offset": 1})
        client.post("/search", json=body | {"log": False})
    assert FacetUse(copy).ordered(before)[0] == last
    assert yaml.safe_load((copy / "facet_use.json").read_text()) == {last: MIN_PICKS}
    with serving(copy) as client:
        assert facets(client)[0] == last
        rewrite(copy, facet_order="listed")
        assert facets(client) == before


def test_what_the_page_hides_is_not_suggested(index, tmp_path):
    copy = shutil.copytree(index, tmp_path / "index")
    (copy / "page.yaml").unlink(missing_ok=True)

    def kinds(client):
        told = client.get("/suggest?q=re").json()["suggestions"]
        return {item["kind"] for item in told if item["text"] == "red"}

    with serving(copy) as client:
        assert "value" in kinds(client)
        client.get("/page")
    rewrite(copy, facets=["price"], hidden=["colour"])
    with serving(copy) as client:
        assert "value" not in kinds(client)


def test_a_damaged_count_of_picks_is_begun_again(tmp_path):
    (tmp_path / "facet_use.json").write_text('{"a": "many"}')
    assert FacetUse(tmp_path).ordered(["b", "a"]) == ["b", "a"]


def test_picks_that_cannot_be_written_are_kept_until_they_can(tmp_path):
    folder = tmp_path / "index"
    folder.write_text("no folder")
    use = FacetUse(folder)
    use.picked(["b"] * MIN_PICKS)
    use.save(by_now=True)
    folder.unlink()
    use.save(by_now=True)
    assert FacetUse(folder).ordered(["a", "b"]) == ["b", "a"]


def test_a_logo_is_sent(client, index):
    problem(client.get("/page/logo"), 404, "no_logo")
    (index / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    rewrite(index, logo="logo.svg")
    address = client.get("/page").json()["logo"]
    sent = client.get(f"/{address}")
    assert (sent.status_code, sent.headers["content-type"]) == (200, "image/svg+xml")
    assert "default-src 'self'" in sent.headers["content-security-policy"]
    rewrite(index, logo="")


def test_a_file_that_is_wrong_at_the_start_is_said_and_the_page_is_guessed(index, tmp_path):
    copy = shutil.copytree(index, tmp_path / "index")
    (copy / "page.yaml").write_text("nmae: Shop")
    with serving(copy) as client:
        told = client.get("/page").json()
    assert "'nmae' is unknown; settings here: name, logo" in told["problem"]
    assert {facet["column"] for facet in told["facets"]} >= {"colour", "price"}
    assert (copy / "page.yaml").read_text() == "nmae: Shop"


def test_shoppers_see_the_shops_names_and_money(open_page, page_index, tmp_path):
    index = shutil.copytree(page_index, tmp_path / "index")
    with served(index) as address:
        until((index / "page.yaml").is_file)
        rewrite(
            index, name="Ada's", currency="EUR", locale="de", accent="#aa3355",
            facets=["colour", "price"], labels={"colour": "Farbe"}, hidden=["group_id"],
            product_link="https://shop.example/{product_id}",
        )  # fmt: skip
        page = open_page("?q=red+shoe", address)
        settled(page)
        assert page.inner_text("#home") == "Ada's"
        assert page.title() == "red shoe – Ada's"
        assert page.locator(".facet h3").all_text_contents() == ["Farbe", "Price"]
        first = answer(address, text="red shoe")["results"][0]
        shown = page.locator("#cards .price").first.inner_text()
        assert shown == f"{first['price']:.0f}\xa0€"
        page.locator("#cards .title a").first.click()
        page.wait_for_selector("#detail .facts")
        assert "Farbe" in page.inner_text("#detail .facts")
        assert "group" not in page.inner_text("#detail .facts").lower()
        link = page.locator("#detail .button.strong").get_attribute("href")
        assert link == f"https://shop.example/{first['product_id']}"
        accent = page.evaluate(
            "getComputedStyle(document.documentElement).getPropertyValue('--accent')"
        )
        assert accent == "#aa3355"
        page.context.close()
