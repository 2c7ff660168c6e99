"""Numbers, nesting and characters that JSON lacks: refused item by item, never a fault of ours."""

import json
import shutil

import pytest
from support.services import serving


@pytest.fixture(scope="module")
def client(colours_index, tmp_path_factory):
    index = shutil.copytree(colours_index, tmp_path_factory.mktemp("values") / "index")
    with serving(index) as client:
        yield client


JSON = {"Content-Type": "application/json"}
HUGE = ("18446744073709551616", "-99999999999999999999", "9" * 400, "9" * 5_000)
NUMBERS = (*HUGE, "NaN", "Infinity", "-Infinity", "1e999")
DEEP = ("[" * 300 + "]" * 300, "[" * 1_000 + "]" * 1_000, '{"a":' * 220 + "1" + "}" * 220)
HALVES = ('"\\ud800"', '["\\udfff"]', '{"\\ud800": 1}')


def written_as(product):
    """Write a product sent as JSON and as a line: a fault of ours fails the test."""

    def send(client):
        for content, kind in (
            ('{"products": [%s, {"product_id": "good", "title": "t"}]}', "application/json"),
            ('%s\n{"product_id": "good", "title": "t"}', "application/x-ndjson"),
        ):
            headers = {"Content-Type": kind}
            told = client.put("/products", content=content % product, headers=headers)
            if kind == "application/json" and told.status_code == 400:
                assert told.json()["error"]["code"] == "bad_json"  # it is none
                continue
            assert told.status_code == 200, told.text
            lines = told.text.splitlines() if "x-nd" in kind else []
            yield [json.loads(line) for line in lines] or told.json()["results"]
        client.request("DELETE", "/products", json={"product_ids": ["good", "x"]})

    return send


@pytest.mark.parametrize("value", [*NUMBERS, *DEEP, *HALVES])
def test_attributes_that_no_json_has_fail_alone(client, value):
    as_text = json.dumps(f'{{"a": {value}}}')
    for attributes in (f'{{"a": {value}}}', f'{{"a": [{{"b": {value}}}]}}', as_text):
        product = f'{{"product_id": "x", "title": "t", "attributes": {attributes}}}'
        for bad, good in written_as(product)(client):
            assert (bad["status"], good["status"]) == ("failed", "upserted")
            assert len(bad["error"]) < 1_000
            assert client.get("/products/x").status_code == 404


def test_attributes_of_64_bits_are_written(client):
    numbers = {"a": 2**63 - 1, "b": -(2**63), "c": 1e308}
    row = {"product_id": "x", "title": "t", "attributes": numbers}
    told = client.put("/products", json={"products": [row]}).json()
    assert told["num_upserted"] == 1
    assert client.get("/products/x").json()["attributes"] == numbers
    client.request("DELETE", "/products", json={"product_ids": ["x"]})


@pytest.mark.parametrize("value", [*NUMBERS, *DEEP, *HALVES])
@pytest.mark.parametrize("name", ["stock", "images", "title", "product_id", "brand", "unknown"])
def test_a_strange_value_of_a_field_fails_alone(client, name, value):
    told = {"product_id": '"x"', "title": '"t"', name: value}
    product = ", ".join(f'"{key}": {value}' for key, value in told.items())
    for bad, good in written_as(f"{{{product}}}")(client):
        assert (bad["status"], good["status"]) == ("failed", "upserted")


@pytest.mark.parametrize("value", [*NUMBERS, *DEEP, *HALVES])
def test_no_strange_value_of_a_call_is_our_fault(client, value):
    """Some may be asked for, such as a price below 2^64; none may break anything."""
    search_id = client.post("/search", json={"text": "red"}).json()["search_id"]
    feedback = {"search_id": f'"{search_id}"', "product_id": '"p0"', "position": "1"}
    judgement = {"query": '"red"', "product_id": '"p0"', "judge": '"j"', "grade": "1"}
    picked = (
        '{"price": {"values": [%s]}}',
        '{"brand": {"values": [%s]}}',
        '{"price": {"low": %s}}',
    )
    searches = [{"picks": pick % value} for pick in (*picked, '{"price": %s}', "%s")]
    searches += [{name: value} for name in ("text", "limit", "choices", "cap", "fields", "where")]
    searches.append({"where": json.dumps(f"price = {value}")})
    calls = [("POST", "/search", body) for body in searches]
    for method, path, good in (
        ("POST", "/feedback", feedback | {"event": '"click"'}),
        ("POST", "/judgements", judgement),
        ("POST", "/admin/switch", {"generation": "null"}),
    ):
        calls += [(method, path, good | {name: value}) for name in good]
    calls.append(("DELETE", "/products", {"product_ids": f"[{value}]"}))
    for method, path, body in calls:
        content = f"{{{', '.join(f'{json.dumps(k)}: {told}' for k, told in body.items())}}}"
        told = client.request(method, path, content=content, headers=JSON)
        assert told.status_code < 500, (method, path, content[:200], told.text)
        if path != "/search":
            assert told.status_code in (400, 404, 422), told.text
            assert len(told.content) < 2_000  # what was sent is not sent back
