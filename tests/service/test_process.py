"""`windowshop serve` as a process: signals, slow clients, exchanged models."""

import json
import os
import random
import shutil
import signal
import socket
import sys
import threading
import time

import polars as pl
import pytest
from support.services import SECRETS, Server, let_a_text_hang, serving, wait_until, write_keys

import windowshop.service
from windowshop.index.open import open_index
from windowshop.service.logs.feedback import read_log

pytestmark = pytest.mark.slow


@pytest.fixture
def index(colours_index, tmp_path):
    return shutil.copytree(colours_index, tmp_path / "index")


def refuses(server):
    """Whether a service takes no more connections."""
    try:
        server.connect().close()
    except ConnectionError:
        return True
    return False


def test_it_ends_when_told_with_every_request_answered(index):
    with Server(index) as server:
        server.wait_ready()
        told = server.ask("POST", "/search", {"text": "red shoe"})[1]
        event = {"search_id": told["search_id"], "product_id": "p0", "position": 1}
        assert server.ask("POST", "/feedback", event | {"event": "click"})[0] == 200
        slow = server.connect()
        body = json.dumps({"text": "red shoe", "limit": 1}).encode()
        slow.sendall(b"POST /search HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n")
        slow.sendall(b"Content-Type: ")
        slow.sendall(b"application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        slow.sendall(body[:5])
        assert slow.recv(100).startswith(b"HTTP/1.1 100")  # its body is being read
        os.kill(server.process.pid, signal.SIGTERM)
        wait_until(lambda: refuses(server))
        slow.sendall(body[5:])  # under way when the end was asked for
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
        begun = time.monotonic()
        code, logged = server.end()
        assert time.monotonic() - begun < 30
    assert (code, logged) == (0, "")
    searches, events = read_log(index)
    assert searches["text"].to_list() == ["red shoe", "red shoe"]
    assert events["event"].to_list() == ["click"]
    assert not list(index.glob("*-wal"))  # the database is closed


def test_a_search_that_hangs_does_not_keep_it_from_ending(index):
    with Server(index, before=let_a_text_hang) as server:
        server.wait_ready()
        client = server.connect()
        client.sendall(b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n")
        client.sendall(b"Content-Type: application/json\r\n\r\n" + b'{"text": "hang"}')
        time.sleep(0.5)
        begun = time.monotonic()
        assert server.end(seconds=59)[0] == 0
        assert time.monotonic() - begun < 55


def test_a_stream_ends_with_the_service_and_says_what_was_written(index):
    with Server(index) as server:
        server.wait_ready()
        stream = server.connect()
        stream.sendall(b"PUT /products HTTP/1.1\r\nHost: localhost\r\n")
        stream.sendall(b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
        received = b""
        for name in ("s1", "s2"):  # each result comes before the next line is sent
            line = json.dumps({"product_id": name, "title": "t"}).encode() + b"\n"
            stream.sendall(b"%x\r\n%s\r\n" % (len(line), line))
            while f'"{name}","status":"upserted"'.encode() not in received:
                received += stream.recv(10_000)
        code = server.end(signal.SIGINT)[0]
        while part := stream.recv(10_000):
            received += part
    assert code == 0
    assert b'"status":"stopped"' in received
    with serving(index) as client:
        assert client.get("/products/s2").status_code == 200


def test_a_server_whose_index_is_damaged_ends_and_says_so(index):
    (index / "generations" / "g1" / "model" / "export" / "query.onnx").write_bytes(b"x")
    with Server(index) as server:
        server.process.join(300)
        assert server.process.exitcode == 1
        assert "query.onnx" in server.logged()


def test_a_second_server_of_an_index_is_refused(index, tmp_path):
    keys = write_keys(tmp_path / "keys.yaml")
    with Server(index, "--keys", keys) as server:
        server.wait_ready()
        told = server.ask("POST", "/search", {}, {"X-API-Key": SECRETS["front"]})
        assert told[1]["total"] == 12
        with Server(index) as second:
            second.process.join(300)
            assert second.process.exitcode == 1
            assert "another process" in second.logged()
        assert server.ask("GET", "/ready")[0] == 200
        assert server.end()[0] == 0


def test_another_host_needs_keys(index, tmp_path, cli):
    told = cli("serve", index, "--host", "0.0.0.0")
    assert told.code == 1
    assert "Add --keys" in told.err
    keys = write_keys(tmp_path / "keys.yaml")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = cli("serve", index, "--port", port, "--keys", keys)
    assert told.code == 1
    assert "Choose another --port" in told.err
    assert cli("serve", tmp_path / "nowhere").code == 1
    keys.write_text("keys: [{name: a, sha256: abc, scopes: [search]}]")
    assert "64 digits" in cli("serve", index, "--keys", keys).err


def test_models_are_exchanged_under_load(build_colours, index):
    """Searches and writes go on through switches and rollbacks; none fails, no write is lost."""
    build_colours(index)  # g2, built and made current while nobody serves
    with serving(index, also=("g1",)) as client:
        stop = threading.Event()
        failures, written, generations = [], [], set()
        threads = [
            threading.Thread(target=search, args=(client, stop, failures, generations))
            for _ in range(3)
        ]
        threads.append(threading.Thread(target=put, args=(client, stop, failures, written)))
        for thread in threads:
            thread.start()
        for name in ("g1", "g2", "g1"):
            told = client.post("/admin/switch", json={"generation": name})
            assert told.json() == {"generation": name}
            before = len(written)
            wait_until(lambda before=before: len(written) > before)
        assert client.post("/admin/rollback").json() == {"generation": "g2"}
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert generations == {"g1", "g2"}
        body = {"where": 'title contains "kept"', "limit": 1000}
        found = client.post("/search", json=body).json()["results"]
        assert {result["product_id"] for result in found} == set(written)
        compared = client.post("/search", json={"generation": "g1", "limit": 1})
        assert compared.json()["generation"] == "g1"


def search(client, stop, failures, generations):
    while not stop.is_set():
        told = client.post("/search", json={"text": random.choice(["red shoe", "blue"])})
        if told.status_code != 200:
            failures.append(told.text)
        else:
            generations.add(told.json()["generation"])


def put(client, stop, failures, written):
    while not stop.is_set():
        row = {"product_id": f"w{len(written)}", "title": "kept"}
        told = client.put("/products", json={"products": [row]})
        if told.status_code != 200 or told.json()["num_failed"]:
            failures.append(told.text)
        else:
            written.append(row["product_id"])


def test_a_generation_built_by_another_process_is_followed(build_colours, index, monkeypatch):
    monkeypatch.setattr("windowshop.service.state.TICK_SECONDS", 0.05)
    with serving(index) as client:
        client.put("/products", json={"products": [{"product_id": "online", "title": "kept"}]})
        build_colours(index, data="later")
        wait_until(lambda: client.get("/info").json()["current"] == "g2")
        assert client.get("/products/p13").status_code == 200  # in the new data only
        assert client.get("/products/online").status_code == 404  # the data is the truth
        client.put("/products", json={"products": [{"product_id": "on2", "title": "kept"}]})
        assert client.post("/admin/rollback").json() == {"generation": "g1"}
        assert client.get("/products/on2").status_code == 200
        assert client.get("/products/online").status_code == 404
        assert client.get("/products/p13").status_code == 200
    with serving(index) as client:
        assert client.get("/info").json()["current"] == "g1"
        assert client.get("/products/on2").status_code == 200


def test_writes_of_an_older_generation_are_found_by_the_next_start(build_colours, index):
    build_colours(index)
    old = open_index(index, "g1")
    old.upsert(pl.DataFrame({"product_id": ["late"], "title": ["kept"]}))
    old.delete(["p0"])
    old.close()
    with serving(index) as client:
        assert client.get("/products/late").status_code == 200
        assert client.get("/products/p0").status_code == 404
        client.put("/products", json={"products": [{"product_id": "late", "title": "newer"}]})
    with serving(index) as client:  # not again over what came since
        assert client.get("/products/late").json()["title"] == "newer"


def test_a_missing_package_is_named(index, cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "windowshop.service.server", raising=False)
    monkeypatch.delitem(vars(windowshop.service), "serve", raising=False)
    told = cli("serve", index)
    assert told.code == 1
    assert "needs the package 'uvicorn'. Run pip install 'windowshop[serve]'" in told.err
