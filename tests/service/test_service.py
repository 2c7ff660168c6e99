"""The calls of the service, on an index of a small shop."""

import base64
import io
import json
import re
import shutil

import pytest
from PIL import Image
from support.indexes import IMAGES
from support.services import problem, serving, wait_until
from support.shops import image_bytes

from windowshop.service.config import ServiceConfig


@pytest.fixture(scope="module")
def index(colours_index, tmp_path_factory):
    return shutil.copytree(colours_index, tmp_path_factory.mktemp("served") / "index")


@pytest.fixture(scope="module")
def client(index):
    with serving(index) as client:
        yield client


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [result["product_id"] for result in answer.json()["results"]]


def test_a_search_gives_the_answer_of_the_searcher(client, index):
    body = {
        "text": "red shoe",
        "facets": ["brand", "price"],
        "picks": {"price": {"low": 1, "high": 9}, "brand": {"values": ["Nike"]}},
        "sort": [{"column": "price", "descending": True}],
        "limit": 2,
        "explain": True,
    }
    told = client.post("/search", json=body).json()
    assert [result["product_id"] for result in told["results"]] == ["p9", "p7"]
    assert (told["total"], told["generation"], told["text"]) == (4, "g1", "red shoe")
    brand, price = told["facets"]
    assert brand["values"] == [{"value": "Nike", "products": 4, "groups": 4, "picked": True}]
    assert (price["column"], price["low"], price["high"]) == ("price", 1.0, 11.0)
    first = told["results"][0]
    assert first["photo_url"] == "/products/p9/photo"
    assert first["fields"]["stock"] == 9
    assert {"channels", "probability", "boosted_by"} <= set(first["explanation"])
    assert "image" not in first
    assert "image" not in first["fields"]


BY_ADDRESS = [
    ({"q": "red shoe"}, {"text": "red shoe"}),
    ({}, {}),
    ({"q": "shoe", "where": "price > 1", "limit": 3, "offset": 2, "explain": True},
     {"text": "shoe", "where": "price > 1", "limit": 3, "offset": 2, "explain": True}),
    ({"sort": ["-price", "title"], "facets": ["brand", "category"], "fields": ["title"]},
     {"sort": [{"column": "price", "descending": True}, {"column": "title"}],
      "facets": ["brand", "category"], "fields": ["title"]}),
    ({"similar_to": "p3", "mode": "vectors", "collapse": True},
     {"similar_to": "p3", "mode": "vectors", "collapse": True}),
]  # fmt: skip


@pytest.mark.parametrize(("address", "body"), BY_ADDRESS)
def test_a_search_by_address_is_the_same_search(client, address, body):
    own = {"search_id", "took_ms", "timings_ms"}
    found = [client.get("/search", params=address), client.post("/search", json=body)]
    assert [answer.status_code for answer in found] == [200, 200], found[0].text
    told = [{k: v for k, v in answer.json().items() if k not in own} for answer in found]
    assert told[0] == told[1]
    assert told[0]["results"]


@pytest.mark.parametrize(("name", "ours"), [
    ("size", "limit"), ("hitsPerPage", "limit"), ("per_page", "limit"), ("limt", "limit"),
    ("page", "offset"), ("from", "offset"), ("filters", "where"), ("sort_by", "sort"),
    ("aggs", "facets"), ("_source", "fields"), ("Offset", "offset"),
])  # fmt: skip
def test_a_field_of_another_system_is_refused_with_ours(client, name, ours):
    for answer in (
        client.post("/search", json={name: 3}),
        client.get("/search", params={name: 3}),
        client.post("/search/image", files={"photo": b""}, data={"request": f'{{"{name}": 3}}'}),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["where"]) == (422, "bad_request", name)
        assert f"Did you mean {ours}?" in error["message"]


@pytest.mark.parametrize(("body", "shown"), [
    ({"sort": "-price"}, '{"sort": [{"column": "price", "descending": true}]}'),
    ({"sort": ["-price"]}, '{"sort": [{"column": "price", "descending": true}]}'),
    ({"picks": {"brand": ["Nike"]}}, '{"picks": {"brand": {"values": ["Nike"]}, '),
    ({"facets": "brand"}, '{"facets": ["brand"]}'),
    ({"where": {"brand": "Nike"}}, '{"where": "price < 50"}'),
])  # fmt: skip
def test_a_value_of_another_type_is_refused_with_an_example(client, body, shown):
    answer = client.post("/search", json=body)
    assert answer.status_code == 422
    assert f"For example: {shown}" in answer.json()["error"]["message"]


def test_the_text_has_its_name_in_body_and_address(client):
    told = client.post("/search", json={"q": "shoe"}).json()["error"]["message"]
    assert "Did you mean text?" in told
    assert "Did you mean q?" in client.get("/search?query=shoe").json()["error"]["message"]
    told = client.get("/search?zzzz=1").json()["error"]["message"]
    assert told == "There is no field 'zzzz'. See /openapi.json for all of them."


@pytest.mark.parametrize(("path", "is_compressed"), [
    ("/search?limit=12", True), ("/openapi.json", True), ("/static/js/state.js", True),
    ("/health", False), ("/products/p4/photo?size=1600", False),
])  # fmt: skip
def test_large_answers_are_compressed_for_who_takes_it(client, path, is_compressed):
    told = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert told.status_code == 200
    assert (told.headers.get("Content-Encoding") == "gzip") == is_compressed
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    if not path.startswith("/search"):
        assert told.content == plain.content


def test_no_path_of_a_file_leaves_the_service(client, index, colours):
    every = client.post("/search", json={"limit": 20, "explain": True})
    assert len(ids(every)) == 12
    texts = every.text + client.get("/info").text + client.get("/products/p0").text
    for path in (str(index), str(colours), ".png", "upload:"):
        assert path not in texts


def test_the_products_own_page(client):
    told = client.get("/products/p0").json()
    assert (told["title"], told["photo_url"]) == ("red shoe number 0", "/products/p0/photo")
    assert client.get("/products/p2").json()["photo_url"] is None
    problem(client.get("/products/nobody"), 404, "unknown_product")


def test_similar_products_by_either_call(client):
    found = ids(client.get("/products/p0/similar", params={"limit": 3, "where": "price > 1"}))
    assert len(found) == 3
    assert "p0" not in found
    body = {"similar_to": "p0", "limit": 3, "where": "price > 1"}
    assert ids(client.post("/search", json=body)) == found
    problem(client.get("/products/nobody/similar"), 404, "unknown_product")
    problem(client.post("/search", json={"similar_to": "nobody"}), 404, "unknown_product")


def test_a_search_by_image_and_by_both(client):
    files = {"photo": ("0.png", IMAGES["0.png"], "image/png")}
    by_image = client.post("/search/image", files=files)
    assert ids(by_image)[0] == "p0"
    told = {"request": json.dumps({"text": "shoe", "limit": 1, "facets": ["colour"]})}
    both = client.post("/search/image", files=files, data=told)
    assert ids(both)
    assert both.json()["text"] == "shoe"
    assert both.json()["facets"][0]["column"] == "colour"
    problem(client.post("/search/image", data={"request": "{}"}), 415, "no_form")
    unknown = client.post("/search/image", files=files | {"second": b"x"})
    assert unknown.status_code == 400  # one file only
    bad = client.post("/search/image", files=files, data={"request": '{"limit": 0}'})
    assert problem(bad, 422, "bad_request")["where"] == "limit"


def test_facets_and_info_describe_the_catalogue(client):
    told = client.get("/facets?column=colour&column=price&where=stock < 6").json()
    colour, price = told["facets"]
    assert {value["value"]: value["products"] for value in colour["values"]} == {
        "red": 2,
        "blue": 2,
        "green": 1,
    }
    assert (price["high"], told["matching"]) == (4.0, 6)
    info = client.get("/info").json()
    assert (info["name"], info["current"], info["scopes"]) == (
        "index",
        "g1",
        ["search", "write", "admin"],
    )
    assert info["generations"][0]["num_products"] == 12
    assert {"name": "size", "type": "list", "roles": None} in info["columns"]
    assert {"name": "price", "type": "number", "roles": None} in info["columns"]
    assert info["kinds_of_query"] == ["text", "photo"]
    assert info["settings"]["text"]["channels"]


def test_thumbnails_are_small_jpegs_that_are_not_sent_twice(client):
    answer = client.get("/products/p4/photo?size=16")
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (16, 16)
    etag = answer.headers["etag"]
    again = client.get("/products/p4/photo?size=16", headers={"If-None-Match": f'"x", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    for told in (answer, again):
        assert told.headers["cache-control"] == "private, max-age=3600"
        assert told.headers["etag"] == etag
    large = client.get("/products/p4/photo?size=1600")
    assert Image.open(io.BytesIO(large.content)).size == (40, 40)  # never enlarged
    assert large.headers["etag"] != etag
    assert client.get("/products/p4/photo?size=16").content == answer.content
    for size in (15, 1601):
        problem(client.get(f"/products/p4/photo?size={size}"), 422, "bad_request")
    for name in ("p2", "p3"):  # none, and one that is gone
        problem(client.get(f"/products/{name}/photo"), 404, "no_photo")


def test_any_id_has_its_own_address(client):
    names = ["a/b", "a/b/photo", "..", "ü %2F?#", "photo"]
    rows = [{"product_id": name, "title": f"odd {i}"} for i, name in enumerate(names)]
    rows[0]["photo_base64"] = base64.b64encode(image_bytes(5, size=(20, 20))).decode()
    assert client.put("/products", json={"products": rows}).json()["num_upserted"] == len(names)
    found = client.post("/search", json={"where": 'title contains "odd"'}).json()["results"]
    urls = {result["product_id"]: result["photo_url"] for result in found}
    assert set(urls) == set(names)
    assert urls["a/b"] == "/products/a%2Fb/photo"
    assert client.get(urls["a/b"]).status_code == 200
    assert client.get("/products/a%2Fb%2Fphoto").json()["title"] == "odd 1"
    assert client.get("/products/%C3%BC%20%252F%3F%23").json()["title"] == "odd 3"
    assert client.request("DELETE", "/products", json={"product_ids": names}).json() == {
        "num_deleted": len(names),
        "results": [{"product_id": name, "status": "deleted"} for name in names],
    }


def test_products_are_written_and_each_failure_is_its_own(client):
    sent = base64.b64encode(image_bytes(9, size=(24, 24))).decode()
    rows = [
        {"product_id": "n1", "title": "golden boot", "attributes": {"colour": "gold"}, "stock": 3},
        {"product_id": "n2", "title": "x", "nonsense": 1},
        {"product_id": "n3", "title": "silver boot", "photo_base64": sent, "price": 7},
        {"title": "no id"},
        {"product_id": "n1", "title": "golden boot again", "attributes": '{"colour": "gold"}'},
        {"product_id": "n4", "title": "broken", "photo_base64": "AAAA"},
        {"product_id": "n5", "price": "cheap"},
        {"product_id": "n6", "title": "t", "stock": "many"},
        {"product_id": "n7", "title": "t", "attributes": "[1]"},
        {"product_id": "n8", "title": "t", "photo_base64": "?"},
        "no product",
    ]
    told = client.put("/products", json={"products": rows}).json()
    states = [(result["product_id"], result["status"]) for result in told["results"]]
    assert states == [
        ("n1", "upserted"),
        ("n2", "failed"),
        ("n3", "upserted"),
        (None, "failed"),
        ("n1", "upserted"),
        ("n4", "upserted"),
        ("n5", "failed"),
        ("n6", "failed"),
        ("n7", "failed"),
        ("n8", "failed"),
        (None, "failed"),
    ]
    assert (told["num_upserted"], told["num_failed"]) == (4, 7)
    errors = [result.get("error", "") for result in told["results"]]
    for place, part in ((1, "'nonsense'"), (3, "product_id"), (6, "price"), (7, "stock")):
        assert part in errors[place]
    assert "not an image" in told["results"][5]["problem"]
    assert client.get("/products/n1").json()["title"] == "golden boot again"
    assert client.get("/products/n1").json()["colour"] == "gold"
    assert client.get("/products/n3/photo").status_code == 200
    by_words = {"text": "golden boot", "mode": "words", "limit": 1}
    assert ids(client.post("/search", json=by_words)) == ["n1"]
    names = ["n1", "n3", "n4", "n5"]
    gone = client.request("DELETE", "/products", json={"product_ids": names}).json()
    assert gone["num_deleted"] == 3
    assert gone["results"][3] == {"product_id": "n5", "status": "absent"}
    problem(client.get("/products/n1"), 404, "unknown_product")


def test_products_are_written_line_by_line(client):
    lines = [json.dumps({"product_id": f"s{i % 5}", "title": f"line {i}"}) for i in range(150)]
    lines[3:3] = ["", "{no json", "[]"]
    told = client.put(
        "/products",
        content="\r\n".join(lines).encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )
    results = [json.loads(line) for line in told.text.splitlines()]
    assert [result["line"] for result in results] == [*range(1, 4), *range(5, 154)]
    assert [result["line"] for result in results if result["status"] == "failed"] == [5, 6]
    assert client.get("/products/s4").json()["title"] == "line 149"
    quiet = client.put(
        "/products?only_failed=true",
        content=b'{"product_id": "s0", "title": "x"}\nnothing\n',
        headers={"Content-Type": "application/x-ndjson"},
    )
    failed, counts = [json.loads(line) for line in quiet.text.splitlines()]
    assert (failed["line"], failed["status"]) == (2, "failed")
    assert counts == {"num_upserted": 1, "num_failed": 1}
    client.request("DELETE", "/products", json={"product_ids": [f"s{i}" for i in range(5)]})


def test_feedback_is_noted_once_under_a_search_that_was(client):
    told = client.post("/search", json={"text": "green shoe", "limit": 3}).json()
    event = {
        "search_id": told["search_id"],
        "product_id": told["results"][1]["product_id"],
        "position": 2,
        "event": "click",
    }
    assert client.post("/feedback", json=event).json() == {"status": "noted"}
    assert client.post("/feedback", json=event).json() == {"status": "known"}
    assert client.post("/feedback", json=event | {"event": "cart"}).json() == {"status": "noted"}
    unknown = event | {"search_id": "0" * 32}
    problem(client.post("/feedback", json=unknown), 404, "unknown_search")
    problem(client.post("/feedback", json=event | {"event": "stare"}), 422, "bad_request")


def test_judgements_are_kept_the_latest_of_each_judge(client):
    for judge, grade in (("ann", 3), ("bob", 0), ("ann", 1)):
        row = {"query": "Red  Shoe", "product_id": "p0", "grade": grade, "judge": judge}
        assert client.post("/judgements", json=row).status_code == 200
    client.post("/judgements", json={"query": "red shoe", "product_id": "p1", "grade": 2})
    told = client.get("/judgements", params={"query": "red shoe"}).json()
    assert told["judgements"] == [
        {"product_id": "p0", "grade": 1},  # the mean of 1 and 0, a half rounded up
        {"product_id": "p1", "grade": 2},
    ]
    row = {"query": "x", "product_id": "p0", "grade": 4}
    problem(client.post("/judgements", json=row), 422, "bad_request")


def test_suggestions_come_from_the_catalogue(client):
    told = client.get("/suggest?q=NI").json()["suggestions"]
    assert told == [{"text": "Nike", "kind": "brand", "count": 5}]
    kinds = [item["kind"] for item in client.get("/suggest?q=blue").json()["suggestions"]]
    assert kinds[0] == "value"
    assert set(kinds[1:]) == {"title"}


def test_the_last_word_is_completed_and_nothing_typed_is_helped(client):
    def suggested(text):
        told = client.get("/suggest", params={"q": text}).json()["suggestions"]
        return [(found["text"], found["kind"]) for found in told]

    assert ("zzz red", "value") in suggested("zzz re")
    assert suggested("zzz zzz") == []
    assert {kind for _, kind in suggested("")} <= {"query", "category"}


def test_the_metrics_count(client):
    client.post("/search", json={"text": "shoe", "where": 'brand = "nobody"'})
    told = client.get("/metrics").text
    assert 'windowshop_requests_total{route="/search",status="200"}' in told
    assert 'windowshop_search_stage_seconds_count{stage="encode"}' in told
    assert 'windowshop_generation_info{model_key="' in told
    assert "windowshop_products 12.0" in told
    zero = next(line for line in told.splitlines() if line.startswith("windowshop_zero_results_t"))
    assert float(zero.split()[1]) >= 1


def test_a_search_that_fails_says_what_to_do(client):
    told = client.post("/search", json={"where": "price <"})
    assert problem(told, 400, "bad_filter")["where"] == "where"
    problem(client.post("/search", json={"where": "nothing = 1"}), 400, "bad_filter")
    problem(client.post("/search", json={"facets": ["nothing"]}), 400, "bad_search")
    problem(client.post("/search", json={"sort": [{"column": "nothing"}]}), 400, "bad_search")
    problem(client.post("/search", json={"mode": "words"}), 400, "bad_search")
    problem(client.post("/search", json={"generation": "g9"}), 404, "unknown_generation")
    assert (
        problem(client.post("/search", json={"txet": "x"}), 422, "bad_request")["where"] == "txet"
    )
    problem(client.get("/nowhere"), 404, "not_found")
    problem(client.delete("/search"), 405, "wrong_method")
    problem(client.post("/admin/rollback"), 409, "no_previous")
    problem(client.post("/admin/switch", json={"generation": "g7"}), 404, "unknown_generation")


def test_upkeep_changes_no_result(client):
    before = ids(client.post("/search", json={"text": "blue shoe"}))
    assert client.post("/admin/optimise").json() == {"status": "done"}
    assert client.post("/admin/compact").json() == {"status": "done", "num_removed_photos": 0}
    assert client.post("/admin/switch", json={}).json() == {"generation": "g1"}
    assert ids(client.post("/search", json={"text": "blue shoe"})) == before


def test_searches_become_suggestions_and_survive_a_restart(colours_index, tmp_path, monkeypatch):
    monkeypatch.setattr("windowshop.service.suggestions.QUERIES_SECONDS", 0.0)
    index = shutil.copytree(colours_index, tmp_path / "index")
    query = {"text": "Red shoe number", "kind": "query", "count": 2}

    def suggested(client):
        return client.get("/suggest?q=red").json()["suggestions"][0]

    with serving(index) as client:
        told = [client.post("/search", json={"text": "Red shoe number"}) for _ in range(2)]
        wait_until(lambda: suggested(client) == query | {"text": "red shoe number"})
        search_id = told[0].json()["search_id"]
    with serving(index) as client:
        wait_until(lambda: suggested(client)["kind"] == "query")
        assert suggested(client)["count"] == 2
        event = {"search_id": search_id, "product_id": "p0", "position": 1, "event": "click"}
        assert client.post("/feedback", json=event).json() == {"status": "noted"}


def test_a_service_that_cannot_open_its_index_says_why(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    (index / "generations" / "g1" / "generation.json").unlink()
    with pytest.raises(Exception, match=r"found no generation\.json"), serving(index):
        pass


def test_the_configuration_is_checked():
    with pytest.raises(Exception, match="search_threads"):
        ServiceConfig(search_threads=0)
    with pytest.raises(Exception, match="name each origin"):
        ServiceConfig(origins=("*",))


def test_the_page_comes_with_its_rules(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    names = re.findall(r'(?:src|href)="/?(static/[^"]+)"', page.text)
    assert names
    for name in names:
        assert client.get(f"/{name}").status_code == 200, name


def test_the_calls_are_described_on_a_page_without_a_network(client):
    page = client.get("/docs")
    assert page.status_code == 200
    files = {*re.findall(r'(?:src|href)="([^"#]+)"', page.text), "static/js/docs/trial.js"}
    assert {"openapi.json", "static/js/docs/docs.js", "static/css/docs.css"} < files
    assert not [file for file in files if "//" in file]
    for file in files:
        assert client.get(f"/{file}").status_code == 200, file


@pytest.mark.parametrize("path", ["/", "/workbench", "/static/js/app.js", "/static/icon.svg"])
def test_files_of_the_page_are_asked_for_again_and_sent_when_they_changed(client, path):
    first = client.get(path)
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    for known in (
        {"If-None-Match": first.headers["etag"]},
        {"If-Modified-Since": first.headers["last-modified"]},
    ):
        again = client.get(path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["cache-control"] == "no-cache"
        assert again.headers["etag"] == first.headers["etag"]
    other = client.get(path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)
    problem(client.get("/static/js/none.js"), 404, "not_found")
