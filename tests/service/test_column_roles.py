"""Roles of `columns.yaml`, from the data folder to the service and online writes."""

import shutil

import pytest
from support.browsing import served, settled
from support.services import serving
from support.shops import write_shop

from windowshop.data.dataset import read_dataset
from windowshop.index.build import IndexConfig, build_index
from windowshop.progress import SilentReporter

RULES = """\
columns:
  title: {roles: [shown, sort]}
  brand: {roles: [filter, shown]}
  price: {roles: [facet, sort, shown]}
  money: {roles: [currency]}
  supplier: {roles: [filter, facet]}
  cost: {roles: [hidden]}
  margin: {roles: [hidden]}
  shelf: {roles: [filter]}
  weight_kg: {type: number, roles: [filter, facet, shown]}
  part: {type: text, roles: [identifier]}
  batch: {roles: [slice]}
"""


def products(count=24):
    return [
        {
            "product_id": f"p{i}",
            "title": f"{('Red', 'Blue')[i % 2]} shoe {i}",
            "brand": ("Nike", "Puma")[i % 2],
            "price": 10.0 + i,
            "money": "EUR",
            "supplier": ("Smith", "Jones")[i % 2],
            "cost": 5.0 + i,
            "part": f"{i}",
            "batch": ("early", "late")[i % 2],
            "attributes": {"weight_kg": str(i), "shelf": "cellar", "margin": "9", "colour": "red"},
        }
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def roles_index(tmp_path_factory, colours_model):
    folder = tmp_path_factory.mktemp("roles")
    data = write_shop(folder / "data", {"products": products(), "queries": None, "qrels": None})
    (data / "columns.yaml").write_text(RULES)
    config = IndexConfig(engine="exact")
    build_index(
        colours_model, read_dataset(data), folder / "i", folder / "cache", SilentReporter(), config
    )
    return folder / "i"


@pytest.fixture(scope="module")
def client(roles_index, tmp_path_factory):
    index = tmp_path_factory.mktemp("served") / "i"
    with serving(shutil.copytree(roles_index, index)) as client:
        yield client


def search(client, **body):
    answer = client.post("/search", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_info_says_what_columns_are_declared_for(client):
    columns = {column["name"]: column for column in client.get("/info").json()["columns"]}
    assert columns["title"]["roles"] == ["shown", "sort"]
    assert columns["supplier"]["roles"] == ["filter", "facet"]
    assert columns["colour"]["roles"] is columns["money"]["roles"] is columns["part"]["roles"]
    assert columns["colour"]["roles"] is None
    assert columns["weight_kg"] == {
        "name": "weight_kg",
        "type": "number",
        "roles": ["filter", "facet", "shown"],
    }
    assert not {"cost", "margin"} & columns.keys()


def test_results_show_what_is_declared_as_shown_or_asked_for(client):
    (result,) = search(client, text="p3", limit=1, mode="words")["results"]
    assert (result["price"], result["currency"]) == (13.0, "EUR")
    fields = result["fields"]
    assert fields.keys() >= {"title", "brand", "price", "weight_kg", "colour", "part"}
    assert not {"supplier", "cost", "margin", "shelf", "batch"} & fields.keys()
    assert fields["attributes"] == {"weight_kg": 3, "colour": "red"}
    one = client.get("/products/p3").json()
    assert not {"supplier", "cost", "shelf", "money"} & one.keys()
    assert one["currency"] == "EUR"
    assert one["attributes"] == fields["attributes"]
    (asked,) = search(client, text="p3", limit=1, mode="words", fields=["supplier"])["results"]
    assert asked["fields"] == {"supplier": "Jones"}


def test_agents_see_what_is_shown_with_its_currency(client):
    found = client.post("/ucp/catalog/lookup", json={"ids": ["p3"]}).json()
    (product,) = found["products"]
    assert product["variants"][0]["price"] == {"amount": 1300, "currency": "EUR"}
    assert product["metadata"].keys() == {"brand", "weight_kg", "colour"}


def test_hidden_columns_are_not_there(client):
    for asked in ({"facets": ["cost"]}, {"fields": ["cost"]}, {"sort": [{"column": "margin"}]}):
        answer = client.post("/search", json=asked)
        assert answer.status_code == 400
        assert "There is no column" in answer.json()["error"]["message"]
    answer = client.post("/search", json={"where": "cost < 6"})
    assert answer.status_code == 400


def test_queries_name_values_of_columns_that_filter(client):
    found = search(client, text="nike smith cellar early")
    names = [part["name"] for part in found["recognised"]]
    assert names == ["brand: Nike", "supplier: Smith", "shelf: cellar"]
    assert search(client, text="shoes under 15")["recognised"] == []  # price is no filter
    assert search(client, text="9 kg")["recognised"][0]["name"] == "weight_kg: 9"


def test_a_declared_identifier_is_found_first(client):
    answer = search(client, text="17")
    assert answer["recognised"][0]["kind"] == "identifier"
    assert answer["results"][0]["product_id"] == "p17"


def test_what_is_not_shown_is_not_suggested(client):
    def suggested(text):
        return [s["text"] for s in client.get(f"/suggest?q={text}").json()["suggestions"]]

    assert "Nike" in suggested("nik")
    assert suggested("smi") == suggested("cella") == []


def test_online_writes_follow_the_declarations(client):
    row = products(40)[39] | {"margin": 3}
    row["attributes"]["weight_kg"] = "7.5"
    answer = client.put("/products", json={"products": [row]}).json()
    assert answer["num_upserted"] == 1, answer
    (result,) = search(client, where="weight_kg = 7.5")["results"]
    assert result["product_id"] == "p39"
    assert "margin" not in result["fields"]["attributes"]
    wrong = row | {"product_id": "p40", "attributes": {"weight_kg": "heavy"}}
    (failed,) = client.put("/products", json={"products": [wrong]}).json()["results"]
    assert failed["status"] == "failed"
    assert "attribute 'weight_kg' is declared as number" in failed["error"]


def test_the_page_offers_what_is_declared(open_page, roles_index):
    with served(roles_index) as address:
        page = open_page("?q=shoe&mode=words", address)
        settled(page)
        columns = page.eval_on_selector_all(".facet", "all => all.map(x => x.dataset.column)")
        assert {"price", "supplier", "weight_kg"} <= set(columns)
        assert not {"brand", "shelf", "money", "batch", "part"} & set(columns)
        sorts = page.locator("#sort option").all_text_contents()
        assert sorts == [
            "Best match",
            "Title: A to Z",
            "Title: Z to A",
            "Price: low to high",
            "Price: high to low",
        ]
        card = page.locator("#cards .card").first
        assert card.locator(".price").inner_text().startswith("€")
        card.locator(".title a").click()
        page.wait_for_selector("#detail .facts")
        facts = page.inner_text("#detail .facts").lower()
        assert "weight (kg)" in facts
        assert not [name for name in ("supplier", "shelf", "money", "cellar") if name in facts]
        assert page.locator("#detail .price").first.inner_text().startswith("€")
