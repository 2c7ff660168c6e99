"""Every example of a request in the API's description is sent; that of an answer is compared."""

import json
import shutil

import pytest
from support.services import serving
from support.shops import image_bytes

from windowshop.service.http.responses import SearchAnswer

WRITES = {("PUT", "/products"), ("DELETE", "/products")}
CALLS = {
    ("POST", "/search"),
    ("POST", "/search/image"),
    ("POST", "/feedback"),
    ("POST", "/judgements"),
    ("POST", "/admin/switch"),
    ("POST", "/ucp/catalog/search"),
    ("POST", "/ucp/catalog/lookup"),
    ("POST", "/ucp/catalog/product"),
    ("POST", "/1/indexes/*/queries"),
    ("POST", "/1/indexes/{index}/query"),
    ("POST", "/1/indexes/{index}/facets/{facet}/query"),
    ("POST", "/1/events"),
    ("POST", "/events"),
    *WRITES,
}


@pytest.fixture(scope="module")
def client(colours_index, tmp_path_factory):
    index = shutil.copytree(colours_index, tmp_path_factory.mktemp("examples") / "index")
    with serving(index, currency="EUR") as client:
        yield client


@pytest.fixture(scope="module")
def described(client):
    return client.get("/openapi.json").json()


def resolved(described, schema):
    name = schema.get("$ref", "").rpartition("/")[2]
    return described["components"]["schemas"][name] if name else schema


def bodies(described):
    """(method, path, content type, example) of every request body that shops send.

    Calls of the workbench need what others of them left, and are sent in `bench`.
    """
    for path, calls in described["paths"].items():
        if path.startswith("/workbench/"):
            continue
        for method, call in calls.items():
            for kind, body in call.get("requestBody", {}).get("content", {}).items():
                schema = resolved(described, body["schema"])
                examples = [body["example"]] if "example" in body else schema.get("examples", [])
                if kind == "multipart/form-data":
                    examples = schema["properties"]["request"]["examples"]
                assert examples, f"{method} {path} {kind} has no example"
                for example in examples:
                    yield method.upper(), path, kind, example


def shows_one(described, schema):
    """Whether a schema, or one that it refers to, has an example."""
    inner = resolved(described, schema)
    if {"example", "examples"} & inner.keys():
        return True
    return any(shows_one(described, part) for part in inner.get("properties", {}).values())


def test_calls_of_the_workbench_have_examples(described):
    for path, calls in described["paths"].items():
        for method, call in calls.items() if path.startswith("/workbench/") else ():
            for body in call.get("requestBody", {}).get("content", {}).values():
                assert shows_one(described, body["schema"]), f"{method} {path}"


def test_every_example_of_a_request_is_answered(client, described):
    found = list(bodies(described))
    assert {(method, path) for method, path, _, _ in found} == CALLS
    kinds = [(method, path) for method, path, kind, _ in found if "x-ndjson" in kind]
    assert set(kinds) == WRITES
    for method, path, kind, example in found:
        if kind == "multipart/form-data":
            files = {"photo": ("x.png", image_bytes(1, size=(40, 40)), "image/png")}
            told = client.post(path, files=files, data={"request": example})
        else:
            if path == "/feedback":  # a search of this service
                search_id = client.post("/search", json={"text": "red"}).json()["search_id"]
                assert len(example["search_id"]) == len(search_id)
                example = example | {"search_id": search_id}
            content = example if isinstance(example, str) else json.dumps(example)
            path = path.format(index="shop", facet="brand")
            told = client.request(method, path, content=content, headers={"Content-Type": kind})
        assert told.status_code == 200, (method, path, kind, told.text)
        assert "failed" not in [line.get("status") for line in results_of(told, kind)]


def results_of(told, kind):
    if "x-ndjson" in kind:
        return [json.loads(line) for line in told.text.splitlines()]
    return told.json().get("results", [])


def test_the_example_of_an_answer_has_the_form_of_one(client, described):
    (example,) = described["components"]["schemas"]["SearchAnswer"]["examples"]
    example["results"][0]["explanation"] = None  # a description holds no null
    example["certainty"]["unmet"] = None
    SearchAnswer.model_validate(example, strict=True)
    told = client.post("/search", json={"text": "red shoe by nike", "limit": 3}).json()
    assert example.keys() == told.keys()
    assert example["retrieved"].keys() == told["retrieved"].keys()
    assert example["timings_ms"].keys() == told["timings_ms"].keys()
    assert example["results"][0].keys() == told["results"][0].keys()
    assert told["recognised"]
    assert example["recognised"][0].keys() == told["recognised"][0].keys()
