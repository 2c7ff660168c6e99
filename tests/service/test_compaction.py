"""Compactions by a service: no write is lost by one, and old images go."""

import base64
import logging
import os
import shutil

import pytest
from support.services import problem, serving
from support.shops import image_bytes


@pytest.fixture
def index(colours_index, tmp_path):
    return shutil.copytree(colours_index, tmp_path / "index")


def titles(client):
    """Every product's title."""
    results = client.post("/search", json={"limit": 1000}).json()["results"]
    return {result["product_id"]: result["title"] for result in results}


def test_compactions_do_not_keep_a_rollback_from_any_write(build_colours, index):
    """Forth and back over compactions, and over restarts too."""
    build_colours(index, "later")  # g2: without p0, with p12 and p13
    put = {"products": [{"product_id": name, "title": f"first {name}"} for name in "abc"]}
    with serving(index) as client:
        data = titles(client)
        client.put("/products", json=put)
        client.request("DELETE", "/products", json={"product_ids": ["a", "p1", "p13"]})
        client.post("/admin/compact")
        client.put("/products", json={"products": [{"product_id": "b", "title": "second b"}]})
        client.post("/admin/compact")
        found = {name: title for name, title in data.items() if name not in ("p1", "p13")}
        found |= {"b": "second b", "c": "first c"}
        assert titles(client) == found
    with serving(index) as client:
        assert client.post("/admin/rollback").json() == {"generation": "g1"}
        assert titles(client) == found
        client.post("/admin/compact")
        client.request("DELETE", "/products", json={"product_ids": ["c"]})
        client.put("/products", json={"products": [{"product_id": "d", "title": "first d"}]})
        for _ in range(2):
            client.post("/admin/compact")
    del found["c"]
    found["d"] = "first d"
    with serving(index) as client:
        assert client.post("/admin/switch", json={"generation": "g2"}).status_code == 200
        assert titles(client) == found
        client.post("/admin/compact")
        assert client.post("/admin/rollback").json() == {"generation": "g1"}
        assert titles(client) == found


def test_nothing_is_compacted_during_a_build(build_colours, index, monkeypatch):
    with serving(index) as client:
        told = []

        def meanwhile(table):
            told.append(client.post("/admin/compact"))
            return ()

        monkeypatch.setattr("windowshop.index.build.attribute_columns", meanwhile)
        build_colours(index)
        error = problem(told[0], 409, "cannot_compact")
        assert "another process is building it" in error["message"]
        assert client.post("/admin/compact").status_code == 200


def test_compactions_remove_the_images_that_nobody_names(build_colours, index, caplog):
    caplog.set_level(logging.INFO, "windowshop.service.generation_pool")
    build_colours(index)

    def put(client, seed):
        content = base64.b64encode(image_bytes(seed, size=(40, 40))).decode()
        row = {"product_id": "new", "title": "a shoe", "photo_base64": content}
        assert client.put("/products", json={"products": [row]}).json()["num_upserted"] == 1

    def compact(client):
        for path in (index / "photos").iterdir():
            os.utime(path, (1, 1))
        return client.post("/admin/compact").json()["num_removed_photos"]

    with serving(index) as client:
        for seed in (50, 51, 52):
            put(client, seed)
        assert client.post("/admin/compact").json()["num_removed_photos"] == 0  # young
        assert compact(client) == 2
        assert client.get("/products/new/photo").status_code == 200
        assert client.post("/admin/rollback").json() == {"generation": "g1"}
        put(client, 53)
        assert compact(client) == 1
        assert "removed 2 images" in caplog.text
        assert client.get("/products/new/photo").status_code == 200
    assert len(list((index / "photos").iterdir())) == 1
