"""The catalogue by the Universal Commerce Protocol, checked against the protocol's own models."""

import shutil

import pytest
from support.services import problem, serving
from ucp_sdk.models.schemas.common.types.error_response import ErrorResponse
from ucp_sdk.models.schemas.profile import BusinessSchema
from ucp_sdk.models.schemas.shopping.catalog_lookup import GetProductResponse, LookupResponse
from ucp_sdk.models.schemas.shopping.catalog_search import SearchResponse

from windowshop.data import read_dataset
from windowshop.errors import ConfigError
from windowshop.index import IndexConfig, build_index
from windowshop.progress import SilentReporter
from windowshop.service.agents.shapes import Shaper, from_minor, to_minor
from windowshop.service.config import ServiceConfig
from windowshop.service.filter_texts import quoted

SEARCH, LOOKUP, PRODUCT = (f"/ucp/catalog/{name}" for name in ("search", "lookup", "product"))


@pytest.fixture(scope="module")
def index(page_index, tmp_path_factory):
    return shutil.copytree(page_index, tmp_path_factory.mktemp("ucp") / "index")


@pytest.fixture(scope="module")
def client(index):
    with serving(index, currency="EUR") as client:
        yield client


def asked(client, path, model, **body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    model.model_validate_json(answer.content)
    return answer.json()


def test_the_profile_names_the_calls_and_where_they_are(client):
    told = client.get("/.well-known/ucp")
    BusinessSchema.model_validate_json(told.content)
    (service,) = told.json()["ucp"]["services"]["dev.ucp.shopping"]
    assert service["endpoint"] == "http://localhost/ucp"
    found = client.post(service["endpoint"] + "/catalog/search", json={"query": "shoe"})
    assert found.status_code == 200


def test_a_search_gives_products_with_prices_in_cents(client):
    found = asked(client, SEARCH, SearchResponse, query="nike red shoe")
    first = found["products"][0]
    assert len(found["products"]) == 10
    assert first["categories"] == [{"value": "Footwear > Shoes", "taxonomy": "merchant"}]
    row = client.get(f"/products/{first['variants'][0]['id']}").json()
    price = {"amount": round(row["price"] * 100), "currency": "EUR"}
    assert first["price_range"] == {"min": price, "max": price}
    assert first["variants"][0]["price"] == price
    (photo,) = first["media"]
    assert client.get(photo["url"]).headers["content-type"] == "image/jpeg"


def test_pages_follow_each_other_to_the_end(client):
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        paging = {"limit": 40} | ({"cursor": cursor} if cursor else {})
        found = asked(client, SEARCH, SearchResponse, pagination=paging)
        seen += [product["id"] for product in found["products"]]
        cursor = found["pagination"].get("cursor")
        assert found["pagination"]["has_next_page"] == bool(cursor)
        pages += 1
    assert pages == 4
    assert len(set(seen)) == len(seen) == found["pagination"]["total_count"] == 125


@pytest.mark.parametrize(("filters", "context", "kept"), [
    ({"price": {"min": 2000, "max": 2450}}, {"currency": "EUR"}, 5),
    ({"price": {"max": 2450}}, {}, 15),
    ({"categories": ["Footwear > Shoes"]}, {}, 63),
    ({"categories": ["Footwear", "Clothing"]}, {}, 125),
    ({"categories": ['x" or price > 0 or title = "x']}, {}, 0),
    ({"price": {"max": 2450}, "brand": ["Nike"]}, {"currency": "EUR", "address_country": "DE"}, 15),
])  # fmt: skip
def test_filters_narrow(client, filters, context, kept):
    found = asked(client, SEARCH, SearchResponse, filters=filters, context=context)
    assert abs(found["pagination"]["total_count"] - kept) <= 2
    for product in found["products"]:
        amount = product["variants"][0]["price"]["amount"]
        limits = filters.get("price", {})
        assert limits.get("min", 0) <= amount <= limits.get("max", 10**9)
    assert "messages" not in found


def test_prices_in_another_currency_are_not_filtered_and_said(client):
    found = asked(
        client, SEARCH, SearchResponse,
        filters={"price": {"max": 1}}, context={"currency": "USD"},
    )  # fmt: skip
    assert found["pagination"]["total_count"] == 125
    (message,) = found["messages"]
    assert (message["type"], message["code"]) == ("warning", "filter_ignored")
    assert "EUR" in message["content"]


@pytest.mark.parametrize(("currencies", "context", "most", "kept"), [
    (["EUR", "EUR"], "", 2000, {"c0"}),
    (["EUR", "EUR"], "eur", 2000, {"c0"}),
    (["EUR", "JPY"], "EUR", 4000, {"c0"}),
    (["EUR", "JPY"], "JPY", 40, {"c1"}),
    (["EUR", "JPY"], "", 2000, {"c0", "c1"}),
])  # fmt: skip
def test_prices_are_compared_in_the_currency_that_they_are_in(
    colours_model, tmp_path, currencies, context, most, kept
):
    data = tmp_path / "data"
    data.mkdir()
    stated = [f"c{i},Cup,{10 + 20 * i},{code}" for i, code in enumerate(currencies)]
    rows = ["product_id,title,price,currency", *stated]
    (data / "products.csv").write_text("\n".join(rows))
    shop, config = read_dataset(data), IndexConfig(engine="exact")
    build_index(
        colours_model, shop, tmp_path / "index", tmp_path / "cache", SilentReporter(), config
    )
    with serving(tmp_path / "index") as client:
        found = asked(
            client, SEARCH, SearchResponse,
            filters={"price": {"max": most}}, context={"currency": context} if context else {},
        )  # fmt: skip
    assert {product["id"] for product in found["products"]} == kept
    told = [one["content"] for one in found.get("messages", []) if one["code"] == "filter_ignored"]
    assert len(told) == (len(kept) > 1)
    assert all("EUR and JPY" in text for text in told)


def test_variants_come_together_with_what_tells_them_apart(client):
    found = asked(client, PRODUCT, GetProductResponse, id="g1")["product"]
    rows = [client.get(f"/products/{variant['id']}").json() for variant in found["variants"]]
    assert found["id"] == "g1"
    assert {row["group_id"] for row in rows} == {"g1"}
    (option,) = found["options"]
    assert option["name"] == "colour"
    assert len(option["values"]) == 2
    assert found["selected"] == found["variants"][0]["options"]
    assert [row["product_id"] for row in rows] == [found["variants"][0]["id"]]
    prices = found["price_range"]
    assert prices["min"]["amount"] < prices["max"]["amount"]


def test_choices_narrow_and_what_cannot_be_is_given_up(client):
    whole = asked(client, PRODUCT, GetProductResponse, id="g1")["product"]
    labels = [value["label"] for value in whole["options"][0]["values"]]
    for label in labels:
        chosen = [{"name": "colour", "label": label}]
        found = asked(client, PRODUCT, GetProductResponse, id="g1", selected=chosen)["product"]
        assert found["selected"] == chosen
        assert [variant["title"] for variant in found["variants"]] == [label]
    none = asked(
        client, PRODUCT, GetProductResponse, id="g1",
        selected=[{"name": "colour", "label": "gold"}, {"name": "size", "label": "M"}],
        preferences=["colour"],
    )["product"]  # fmt: skip
    assert none["selected"] == []
    assert len(none["variants"]) == 2
    own = asked(client, PRODUCT, GetProductResponse, id=whole["variants"][0]["id"],
                selected=[{"name": "colour", "label": "gold"}])["product"]  # fmt: skip
    assert own["selected"] == whole["selected"]  # a variant's id says it all


def test_a_lookup_says_which_id_meant_what(client):
    whole = asked(client, PRODUCT, GetProductResponse, id="g1")["product"]
    variant = whole["variants"][0]["id"]
    ids = ["g1", variant, "own3", "p4", "nothing", "p4"]
    found = asked(client, LOOKUP, LookupResponse, ids=ids)
    by_id = {product["id"]: product for product in found["products"]}
    assert set(by_id) == {"g1", "own3", "own4"}
    (shown,) = by_id["g1"]["variants"]
    assert shown["inputs"] == [
        {"id": "g1", "match": "featured"}, {"id": variant, "match": "exact"}
    ]  # fmt: skip
    assert by_id["own4"]["variants"][0]["inputs"] == [{"id": "p4", "match": "exact"}]
    assert found["messages"] == [{"type": "info", "code": "not_found", "content": "nothing"}]


def test_a_product_that_is_not_there_is_an_outcome(client):
    answer = client.post(PRODUCT, json={"id": "nothing"})
    assert answer.status_code == 200
    ErrorResponse.model_validate_json(answer.content)
    assert answer.json()["ucp"]["status"] == "error"


def test_what_was_read_otherwise_is_told(client):
    found = asked(client, SEARCH, SearchResponse, query="nkie shirtt")
    assert [m["code"] for m in found.get("messages", [])][:1] == ["corrected"]


@pytest.mark.parametrize(("path", "body"), [
    (LOOKUP, {"ids": []}), (LOOKUP, {"ids": ["p1"] * 101}), (LOOKUP, {}), (PRODUCT, {}),
    (SEARCH, {"pagination": {"limit": 0}}), (SEARCH, {"pagination": {"cursor": "x"}}),
    (SEARCH, {"filters": {"price": {"max": -1}}}),
])  # fmt: skip
def test_what_the_protocol_does_not_allow_is_refused(client, path, body):
    problem(client.post(path, json=body), 422, "bad_request")


def test_without_a_currency_no_product_has_a_price(page_index, tmp_path):
    with serving(shutil.copytree(page_index, tmp_path / "index")) as client:
        assert asked(client, LOOKUP, LookupResponse, ids=["p4"])["products"] == []
        told = problem(client.post(SEARCH, json={"query": "shoe"}), 400, "bad_search")
        assert "--currency" in told["message"]


@pytest.mark.parametrize(("amount", "currency", "minor"), [
    (12.5, "EUR", 1250), (12, "JPY", 12), (1.005, "KWD", 1005), (19.99, "USD", 1999), (0, "EUR", 0),
])  # fmt: skip
def test_amounts_are_of_the_smallest_unit(amount, currency, minor):
    assert to_minor(amount, currency) == minor
    assert from_minor(minor, currency) == pytest.approx(amount)


def test_a_row_of_its_own_currency_and_page():
    row = {
        "product_id": "a/b", "group_id": None, "title": "Coat", "description": None, "price": 9.5,
        "currency": "gbp", "link": "javascript:alert(1)", "image": "x.jpg", "gtin": "0123",
        "availability": "Out of stock", "attributes": '{"size": "M"}',
    }  # fmt: skip
    product = Shaper("EUR", "https://shop.example/").product([row])
    (variant,) = product["variants"]
    assert variant["price"] == {"amount": 950, "currency": "GBP"}
    assert variant["availability"] == {"available": False, "status": "out_of_stock"}
    assert variant["barcodes"] == [{"type": "GTIN", "value": "0123"}]
    assert product["media"][0]["url"] == "https://shop.example/products/a%2Fb/photo"
    assert "url" not in product
    assert "options" not in product
    assert Shaper("EUR", "").product([row | {"link": "https://x.example"}])["url"]


def test_texts_in_filters_stay_texts():
    assert quoted('a "b" \\') == '"a \\"b\\" \\\\"'


def test_the_currency_is_an_iso_code():
    with pytest.raises(ConfigError, match="ISO code"):
        ServiceConfig(currency="Euro")
