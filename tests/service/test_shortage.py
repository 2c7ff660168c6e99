"""No room, no memory, too many open files: searches go on, writes are refused, nothing is left."""

import base64
import errno
import os
import resource
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.services import Server, problem, serving
from support.shops import image_bytes

from windowshop.data import images
from windowshop.index.open import OpenIndex
from windowshop.service import condition
from windowshop.service.thumbnails import Thumbnails

PHOTO = base64.b64encode(image_bytes(5, size=(40, 40))).decode()


@pytest.fixture
def index(colours_index, tmp_path):
    return shutil.copytree(colours_index, tmp_path / "index")


@contextmanager
def no_open_files():
    """Let this process open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptor, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def put(client, name, **fields):
    return client.put("/products", json={"products": [{"product_id": name, **fields}]})


def photos_of(index):
    folder = index / "photos"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def still_answers(client):
    told = client.post("/search", json={"text": "red shoe", "log": False})
    assert told.status_code == 200, told.text
    assert told.json()["results"]


def test_a_photo_that_finds_no_room_is_refused_and_leaves_nothing(index, monkeypatch):
    write_bytes = Path.write_bytes

    def full(path, content):
        write_bytes(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with serving(index) as client:
        before = photos_of(index)
        assert put(client, "new", title="old title").status_code == 200
        monkeypatch.setattr(Path, "write_bytes", full)
        problem(put(client, "new", title="t", photo_base64=PHOTO), 507, "disk_full")
        assert photos_of(index) == before
        assert client.get("/products/new").json()["title"] == "old title"
        still_answers(client)
        monkeypatch.undo()
        assert put(client, "new", title="t", photo_base64=PHOTO).json()["num_upserted"] == 1
        assert client.get("/products/new/photo").status_code == 200


def test_products_before_the_shortage_keep_their_results(index, monkeypatch):
    upsert = OpenIndex.upsert

    def once(self, products, images=None):
        monkeypatch.setattr(OpenIndex, "upsert", full)
        return upsert(self, products, images)

    def full(self, products, images=None):
        raise OSError(errno.ENOSPC, "No space left on device")

    rows = [{"product_id": f"n{i}", "title": "t"} for i in range(3)]
    with serving(index, batch_products=1) as client:
        monkeypatch.setattr(OpenIndex, "upsert", once)
        told = client.put("/products", json={"products": rows}).json()
        assert [r["status"] for r in told["results"]] == ["upserted", "failed", "failed"]
        assert [r["product_id"] for r in told["results"]] == ["n0", "n1", "n2"]
        assert "full" in told["results"][1]["error"]
        assert (told["num_upserted"], told["num_failed"]) == (1, 2)


def test_without_open_files_searches_go_on_and_writes_are_refused(index):
    with serving(index) as client:
        assert put(client, "seen", title="t", photo_base64=PHOTO).status_code == 200
        with no_open_files():
            still_answers(client)
            problem(client.get("/products/seen/photo?size=77"), 503, "not_available")
            row = {"title": "t", "image": "0.png"}
            problem(put(client, "new", **row), 503, "not_available")
            told = client.get("/ready")
            assert told.status_code == 200
            assert told.json()["refused"] == {"writes": "Too many open files"}
        assert client.get("/products/new").status_code == 404
        assert client.get("/products/seen/photo?size=77").status_code == 200
        assert put(client, "new", **row).json()["num_upserted"] == 1
        assert client.get("/products/new/photo").status_code == 200  # with its image
        assert client.get("/ready").json() == {"status": "ready", "refused": {}}


def few_files():
    """Leave the process few open files; in a server before it serves."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


def test_a_server_with_too_many_connections_answers_those_it_has_and_recovers(index):
    search = b'{"text": "shoe", "mode": "words", "limit": 1}'
    ask = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    ask += b"Content-Length: %d\r\n\r\n%b" % (len(search), search)
    with Server(index, before=few_files) as server:
        server.wait_ready()
        kept = server.connect()
        kept.sendall(ask)
        assert kept.recv(100).startswith(b"HTTP/1.1 200")
        kept.settimeout(0.5)
        with suppress(TimeoutError):  # all of the answer is read
            while kept.recv(2**16):
                pass
        kept.settimeout(30)
        crowd = [server.connect() for _ in range(120)]
        kept.sendall(ask)
        assert kept.recv(100).startswith(b"HTTP/1.1 200")
        for connection in crowd:
            connection.close()
        server.wait_ready()
        row = {"product_id": "new", "title": "t", "photo_base64": PHOTO}
        assert server.ask("PUT", "/products", {"products": [row]})[1]["num_upserted"] == 1


def test_an_image_without_memory_is_refused_and_the_next_one_taken(index, monkeypatch):
    def no_memory(image, factor):
        raise MemoryError

    with serving(index) as client:
        monkeypatch.setattr(images, "_reduced_rgb", no_memory)
        problem(put(client, "new", title="t", photo_base64=PHOTO), 503, "no_memory")
        form = {"photo": ("x.png", image_bytes(5, size=(40, 40)))}
        problem(client.post("/search/image", files=form), 503, "no_memory")
        assert client.get("/products/new").status_code == 404
        still_answers(client)
        monkeypatch.undo()
        assert put(client, "new", title="t", photo_base64=PHOTO).json()["num_upserted"] == 1


def test_ready_tells_what_is_refused_and_when_searches_fail(index, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with serving(index) as client:
        assert client.get("/ready").json() == {"status": "ready", "refused": {}}
        monkeypatch.setattr(condition, "TemporaryFile", full)
        told = client.get("/ready")
        assert told.status_code == 200  # searches are answered
        assert told.json()["refused"] == {"writes": "No space left on device"}
        monkeypatch.setattr(client.app.state.service._logs, "_damage", "/srv/index.db: damaged")
        refused = client.get("/ready").json()["refused"]
        assert set(refused) == {"writes", "feedback"}
        assert "srv" not in refused["feedback"]
        with client.app.state.service.pool.lease() as searcher:
            monkeypatch.setattr(searcher, "answer", lambda request: 1 / 0)
        assert "Searches fail" in problem(client.get("/ready"), 503, "not_ready")["message"]
        monkeypatch.undo()
        assert client.get("/ready").json()["refused"] == {}


def test_a_search_by_image_waits_while_the_model_is_loaded(index, monkeypatch):
    load, going = OpenIndex._load, threading.Event()

    def slow(self):
        going.wait(120)
        return load(self)

    monkeypatch.setattr(OpenIndex, "_load", slow)
    with serving(index, search_seconds=2.0) as client, ThreadPoolExecutor(4) as pool:
        form = {"photo": ("x.png", image_bytes(5, size=(40, 40)))}
        asked = [pool.submit(client.post, "/search/image", files=form) for _ in range(4)]
        still_answers(client)
        timer = threading.Timer(3.0, going.set)  # longer than a search may take
        timer.start()
        assert [answer.result().status_code for answer in asked] == [200] * 4


def test_hundreds_of_images_at_once_wait_for_their_turn(index, monkeypatch):
    get, going = Thumbnails.get, threading.Event()

    def slow(self, *given):
        going.wait(120)
        return get(self, *given)

    monkeypatch.setattr(Thumbnails, "get", slow)
    with serving(index) as client, ThreadPoolExecutor(300) as pool:
        showing = client.app.state.service.showing
        asked = [pool.submit(client.get, f"/products/p0/photo?size={16 + i}") for i in range(300)]
        while showing.num_pending < 300:
            assert not any(answer.done() for answer in asked)
        going.set()
        assert {answer.result().status_code for answer in asked} == {200}
