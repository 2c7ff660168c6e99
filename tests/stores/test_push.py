"""An index is pushed to a server, and searched, served and written there."""

import importlib
import json
import shutil
import threading
from contextlib import closing

import numpy as np
import polars as pl
import pytest
from stores.test_contract import plain, same
from support.indexes import opened
from support.services import problem, serving, wait_until

from windowshop.data.filter_grammar import parse_filter
from windowshop.errors import (
    ConfigError,
    DataError,
    EngineError,
    IndexFolderError,
    StorageError,
)
from windowshop.index import PushConfig, index_folder, open_generations, push_index
from windowshop.search.request import SearchRequest, Sort
from windowshop.search.searcher import open_searcher

REQUESTS = (
    {"text": "red shoe", "explain": True, "facets": ("brand", "colour", "price"), "limit": 12},
    {"text": "nike shoe under 8", "facets": ("brand",)},
    {"text": "blue shoe", "where": "price > 2", "sort": (Sort("price", descending=True),)},
    {"where": 'colour = "red"', "facets": ("size",)},
    {"text": "p7"},
    {"similar_to": "p1"},
)


@pytest.fixture(params=["postgres", "qdrant_engine"])
def server(request):
    return request.param


@pytest.fixture
def address(server, request, tmp_path, monkeypatch):
    monkeypatch.setenv("WINDOWSHOP_STORES", str(tmp_path / "stores"))
    return request.getfixturevalue(server).catalogue()


only_postgres = pytest.mark.parametrize("server", ["postgres"])


@pytest.fixture
def index(colours_index, tmp_path):
    return shutil.copytree(colours_index, tmp_path / "index")


def test_answers_are_those_of_the_index(address, index):
    pushed = push_index(index, address)
    assert (pushed.generation, pushed.num_products, pushed.num_found) == ("g1", 12, 0)
    with (
        closing(open_searcher(index, read_only=True)) as expected,
        closing(open_searcher(address)) as found,
    ):
        for request in REQUESTS:
            asked = SearchRequest(**request)
            same(plain(expected.answer(asked)), plain(found.answer(asked)), str(request))
        product = dict(expected.product("p3"))
        product.pop("_version")
        assert found.product("p3") == product
        assert found.product("p99") is None
        found.warm()
    again = push_index(index, address)
    assert (again.generation, again.num_found) == ("g1", 12)


def test_commands_take_the_address(address, index, cli):
    told = cli("push", index, "--to", address)
    assert told.out == "12 products, generation g1, 0 of them copied before\n", told.err
    asked = ("red shoe", "--where", "price < 9", "--json")
    expected, found = (json.loads(cli("search", place, *asked).out) for place in (index, address))
    assert [r["product_id"] for r in found["results"]] == [
        r["product_id"] for r in expected["results"]
    ]
    assert found["total"] == expected["total"]
    told = cli("push", index, "--to", "nowhere")
    assert "--to nowhere: is no address" in told.err
    for wrong in ("mysql://user:secret@host/a", "mysql://host/a?password=secret"):
        for told in (cli("push", index, "--to", wrong), cli("search", wrong, "red")):
            assert "is no address of a server" in told.err
            assert "secret" not in told.err


def test_the_page_and_its_logo_come_along(address, index, tmp_path):
    copy = shutil.copytree(index, tmp_path / "shop")
    (copy / "page.yaml").write_text("name: Ada's\nlogo: sign.svg\n")
    (copy / "sign.svg").write_text("<svg/>")
    (copy / "other.svg").write_text("<svg/>")
    push_index(copy, address)
    folder = index_folder(address)
    with opened(folder):
        assert (folder / "page.yaml").read_text() == "name: Ada's\nlogo: sign.svg\n"
        assert (folder / "sign.svg").is_file()
        assert not (folder / "other.svg").exists()
    with serving(folder) as client:
        told = client.get("/page").json()
        assert told["name"] == "Ada's"
        assert client.get(f"/{told['logo']}").text == "<svg/>"


def test_a_page_without_settings_is_named_for_the_catalogue(address, index):
    push_index(index, address)
    folder = index_folder(address)
    with serving(folder) as client:
        name = client.get("/page").json()["name"]
    assert name
    assert folder.name.rpartition("-")[2] not in name


@only_postgres
def test_a_server_that_is_not_there_is_named(address, cli):
    told = cli("search", "postgresql://127.0.0.1:1/none?connect_timeout=1", "red")
    assert told.code == 1
    assert "postgresql://127.0.0.1:1/none: connection" in told.err
    told = cli("search", "postgresql://what?ever=1", "red")
    assert "The address of PostgreSQL cannot be read: postgresql://what. Write" in told.err


def test_a_stopped_push_goes_on(server, address, index, monkeypatch):
    kind = server.partition("_")[0]
    push = importlib.import_module(f"windowshop.index.{kind}.push")  # which needs the driver
    name = "copy_rows" if server == "postgres" else "write_points"
    monkeypatch.setattr(push, "PART_ROWS", 5)
    copied, copy = [], getattr(push, name)

    def stop_at_third(*args):
        copied.append(args)
        if len(copied) == 3:
            raise KeyboardInterrupt
        copy(*args)

    monkeypatch.setattr(push, name, stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        push_index(index, address)
    with pytest.raises(IndexFolderError, match="no generation to search"):
        open_searcher(address)
    pushed = push_index(index, address)
    assert (pushed.generation, pushed.num_found) == ("g1", 10)
    with closing(open_searcher(address)) as searcher:
        assert searcher.index.collection.count() == 12
        assert len(searcher.index.collection.ids()) == 12


def test_nothing_was_pushed_is_named(address):
    with pytest.raises(IndexFolderError, match="holds no catalogue"):
        open_searcher(address)


def test_a_push_of_changes_is_switched_to_and_back(address, index):
    push_index(index, address)
    with opened(index) as opened_index:
        opened_index.delete(["p4"])
        seq = opened_index.collection.seq
    with closing(open_searcher(address)) as before:
        assert push_index(index, address).generation == "g2"
        assert before.answer(SearchRequest()).total == 12  # its generation is still there
        with pytest.raises(StorageError, match="writes go to generation g2, and g1 was opened"):
            before.index.delete(["p1"])
    generations = open_generations(index_folder(address))
    assert (generations.current, generations.previous) == ("g2", "g1")
    with closing(open_searcher(address)) as after:
        assert after.answer(SearchRequest()).total == 11
        assert after.index.collection.seq == seq
    with pytest.raises(EngineError, match="generation g1 lacks 1 writes that g2 has"):
        generations.rollback()


def test_writes_are_not_lost_to_a_push(address, index):
    push_index(index, address)
    with closing(open_searcher(address)) as searcher:
        seq = searcher.index.collection.seq
        rows = pl.DataFrame({"product_id": ["n1"], "title": ["green shoe with wings"]})
        assert searcher.index.upsert(rows).num_upserted == 1
        assert searcher.index.collection.seq == seq + 1
        found = searcher.answer(SearchRequest(text="wings", limit=3))
        assert found.results[0].product_id == "n1"
        with pytest.raises(DataError, match="Images that come with products are not kept"):
            searcher.index.upsert(rows, {"n1": b"image"})
    with pytest.raises(StorageError, match="has 1 writes since the last push"):
        push_index(index, address)
    pushed = push_index(index, address, config=PushConfig(replace_writes=True))
    assert pushed.generation == "g2"
    with closing(open_searcher(address)) as searcher:
        assert searcher.product("n1") is None


def test_a_written_product_is_as_one_that_an_index_got(address, index):
    push_index(index, address)
    rows = pl.DataFrame(
        {
            "product_id": ["n1", "p1"],
            "title": ["green velvet shoe", "yellow shoe"],
            "price": [7.5, None],
            "attributes": ['{"colour": "green", "size": ["S", "L"]}', None],
            "image": ["3.png", "1.png"],
        }
    )
    with closing(open_searcher(index)) as expected, closing(open_searcher(address)) as found:
        expected.index.upsert(rows)
        found.index.upsert(rows)
        for request in (*REQUESTS, {"text": "velvet"}, {"text": "yellow shoe"}):
            asked = SearchRequest(**request)
            same(plain(expected.answer(asked)), plain(found.answer(asked)), str(request))
        one, two = (s.index.collection.products(["n1", "p1"]) for s in (expected, found))
        assert two.select(one.drop("_version").columns).equals(one.drop("_version"))


def test_services_share_a_catalogue(address, index, tmp_path, monkeypatch):
    push_index(index, address)
    with serving(index_folder(address)) as one:
        monkeypatch.setenv("WINDOWSHOP_STORES", str(tmp_path / "other machine"))
        with serving(index_folder(address)) as two:
            body = {"product_id": "n1", "title": "shoe with wings", "price": 3.5}
            told = one.put("/products", json={"products": [body]})
            assert told.status_code == 200, told.text
            for client in (one, two):
                found = client.post("/search", json={"text": "wings", "facets": ["brand"]})
                assert found.json()["results"][0]["product_id"] == "n1"
                assert found.json()["matching"] == 13
            assert two.request("DELETE", "/products", json={"product_ids": ["n1"]}).is_success
            found = one.post("/search", json={"text": "wings"}).json()
            assert "n1" not in [result["product_id"] for result in found["results"]]
            push_index(index, address, config=PushConfig(replace_writes=True))
            wait_until(lambda: two.get("/info").json().get("current") == "g2")
            assert two.post("/search", json={"text": "red shoe"}).json()["matching"] == 12


@only_postgres
def test_a_killed_server_is_told_and_loses_no_write(postgres, address, index):
    if not postgres.can_be_killed:
        pytest.skip("the server of WINDOWSHOP_POSTGRES is not ours to kill")
    push_index(index, address)
    with serving(index_folder(address)) as client:
        for number in range(5):
            body = {"product_id": f"n{number}", "title": "shoe with wings"}
            assert client.put("/products", json={"products": [body]}).status_code == 200
        postgres.kill()
        for _ in range(2):
            answer = client.post("/search", json={"text": "red shoe"})
            error = problem(answer, 503, "not_available")
            assert "cannot be read or written now" in error["message"]
        refused = client.put("/products", json={"products": [{"product_id": "x", "title": "x"}]})
        assert refused.status_code == 503
        assert client.get("/ready").status_code == 503
        postgres.start()
        answer = client.post("/search", json={"where": 'title contains "wings"'})
        assert answer.status_code == 200, answer.text
        assert answer.json()["total"] == 5
        assert client.get("/ready").status_code == 200


def test_a_graph_finds_what_the_scan_finds(make_store, tmp_path):
    rng = np.random.default_rng(0)
    x_NW = rng.normal(size=(2_000, 8)).astype(np.float32)
    table = pl.DataFrame(
        {"product_id": [f"p{i}" for i in range(2_000)], "price": [float(i) for i in range(2_000)]}
    )
    with (
        closing(make_store("exact")(tmp_path / "exact", 8)) as exact,
        closing(make_store("postgres", scan_rows=0)(tmp_path / "graph", 8)) as graph,
    ):
        for store in (exact, graph):
            store.upsert(table, {"fused": x_NW})
        for text in (None, "price < 100"):
            where = parse_filter(text) if text else None
            expected, found = (store.search(x_NW[:20] + 0.1, 20, where) for store in (exact, graph))
            shared = [
                len({h.product_id for h in one} & {h.product_id for h in two})
                for one, two in zip(expected, found, strict=True)
            ]
            assert sum(shared) >= 0.97 * 20 * 20


def test_what_the_server_cannot_keep_is_named(make_store, tmp_path):
    with closing(make_store("postgres")(tmp_path / "store", 4)) as store:
        with pytest.raises(DataError, match=r"'p1': a value has the character U\+0000"):
            store.upsert(pl.DataFrame({"product_id": ["p1"], "title": ["a\0b"]}), {})
        huge = pl.DataFrame({"product_id": ["p1"], "n": [2**63]}, schema_overrides={"n": pl.UInt64})
        with pytest.raises(DataError, match="has a number beyond"):
            store.upsert(huge, {})
        with pytest.raises(EngineError, match="There are no 'other' vectors"):
            store.search(np.ones((1, 4), dtype=np.float32), 3, None, "other")
        assert store.count() == 0
        assert "a\0" not in store
        assert store.delete(["a\0"]) == 0


@only_postgres
def test_addresses_and_folders_are_told_apart(address, tmp_path):
    wrong_ones = ("[x", "u:secret@[x", "u:%secret@h/a", "h/a?password=s=secret")
    for wrong in wrong_ones:
        with pytest.raises(ConfigError, match="cannot be read") as raised:
            index_folder(f"postgresql://{wrong}")
        assert "secret" not in str(raised.value)
    assert index_folder(str(tmp_path)) == tmp_path
    folder = index_folder(address)
    assert "postgres:postgres" not in (folder / "store.json").read_text()
    folder = index_folder("postgresql://u:secret@h/a?sslpassword=secret&sslkey=k")
    assert "secret" not in (folder / "store.json").read_text()


def test_a_generation_is_fetched_once_by_all_who_open_it(tmp_path):
    from windowshop.index.remote import fetch_generation

    class Slow:
        """A server that gives a file in parts, and starts the other reader after the first."""

        num_fetched = 0

        def source(self, name):
            return "hash"

        def files(self, name):
            self.num_fetched += 1
            return ["a", "b/c"]

        def parts(self, name, path):
            yield path.encode()
            if path == "a":
                other.start()
                other.join(0.2)  # which waits, and does not clear what is here
                assert other.is_alive()
            yield b"!"

    server = Slow()
    other = threading.Thread(target=fetch_generation, args=(tmp_path, "g1", server))
    place = fetch_generation(tmp_path, "g1", server)
    other.join()
    assert [(place / name).read_bytes() for name in ("a", "b/c")] == [b"a!", b"b/c!"]
    assert server.num_fetched == 1
