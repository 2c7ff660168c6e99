"""Requests that nobody should send: each gets its 4xx, and the service goes on."""

import base64
import io
import json
import shutil
import threading

import pytest
from PIL import Image
from support.services import SECRETS, Server, serving, wait_until, write_keys
from support.shops import HUGE_PNG, image_bytes

from windowshop.service.http.api_keys import load_keys
from windowshop.service.http.middleware import RequestMiddleware

MEGABYTE = 2**20
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture(scope="module")
def index(colours_index, tmp_path_factory):
    return shutil.copytree(colours_index, tmp_path_factory.mktemp("hostile") / "index")


@pytest.fixture(scope="module")
def service(index):
    with serving(index) as client:
        yield client


@pytest.fixture
def client(service):
    """The service, which must answer as before when a test is through."""
    yield service
    told = service.post("/search", json={"text": "red shoe", "mode": "words", "limit": 1})
    assert told.status_code == 200, told.text
    assert service.get("/ready").status_code == 200
    assert service.app.state.service.searching.num_pending == 0


def refused(answer, *statuses):
    assert answer.status_code in statuses, answer.text
    error = answer.json()["error"]
    assert error["message"]
    assert len(answer.content) < 2_000  # what was sent is not sent back
    return error["code"]


JSON = {"Content-Type": "application/json"}
BODIES = {
    "nothing": b"",
    "no JSON": b"red shoes",
    "half": b'{"text": "red',
    "a list": b"[]",
    "deep": b'{"picks": ' + b"[" * 200_000,
    "deep objects": b'{"picks":' * 50_000,
    "NaN": b'{"picks": {"price": {"low": NaN}}}',
    "infinite": b'{"picks": {"price": {"low": 1e999}}}',
    "a huge number": b'{"limit": ' + b"9" * 10_000 + b"}",
    "a huge picked number": b'{"picks": {"price": {"values": [' + b"9" * 400 + b"]}}}",
    "half a character": b'{"text": "\\ud800"}',
    "bytes": b'{"text": "\xff\xfe"}',
    "zero": b'{"limit": 0}',
    "too many": b'{"limit": 100000}',
    "far away": b'{"offset": 99999999999999999999}',
    "behind": b'{"offset": -1}',
    "1 MB of text": json.dumps({"text": "a" * (MEGABYTE - 100)}).encode(),
    "many facets": json.dumps({"facets": ["brand"] * 1000}).encode(),
    "a filter that never ends": json.dumps({"where": "not " * 200_000 + "a = 1"}).encode(),
    "a deep filter": json.dumps({"where": "not (" * 60 + "price = 1" + ")" * 60}).encode(),
    "SQL": json.dumps({"where": "price = 1; drop table products"}).encode(),
    "code": json.dumps({"where": "__import__('os').system('true')"}).encode(),
    "an unknown column": json.dumps({"where": "`x` = 1", "facets": ["x"]}).encode(),
    "our own column": json.dumps({"facets": ["_alive"]}).encode(),
    "a pick of another kind": json.dumps({"picks": {"price": {"values": ["x"]}}}).encode(),
    "a range of text": json.dumps({"picks": {"brand": {"low": 1}}}).encode(),
    "an unknown action": json.dumps({"choices": {"brand: Nike": "delete"}}).encode(),
    "a path as a generation": json.dumps({"generation": "../../etc"}).encode(),
    "both": json.dumps({"text": "a", "similar_to": "p0"}).encode(),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_search_is_refused(client, name):
    refused(client.post("/search", content=BODIES[name], headers=JSON), 400, 404, 422)


@pytest.mark.parametrize("call", [("PUT", "/products"), ("POST", "/feedback"), ("POST", "/search")])
def test_a_form_is_no_json(client, call):
    refused(client.request(*call, content=b"{}", headers={"Content-Type": "text/plain"}), 415)
    refused(client.request(*call, data={"a": "b"}), 415)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_not_read(client, chunked):
    sent = 0

    def body():
        nonlocal sent
        for _ in range(50):
            sent += MEGABYTE
            yield bytes(MEGABYTE)

    content = body() if chunked else bytes(50 * MEGABYTE)
    assert refused(client.post("/search", content=content, headers=JSON), 413) == "too_large"
    if chunked:  # the test client sends it as one; the server test below has the real thing
        assert sent == 50 * MEGABYTE
    form = {"photo": ("x.jpg", io.BytesIO(bytes(50 * MEGABYTE)))}
    refused(client.post("/search/image", files=form), 413)


def test_a_file_that_is_no_image_is_refused(client):
    cut = image_bytes(1, size=(64, 64), format="JPEG")[:-200]
    animated = io.BytesIO()
    frames = [Image.new("L", (4, 4), i) for i in range(3)]
    frames[0].save(animated, "GIF", save_all=True, append_images=frames[1:])
    for content in (b"", SVG, HTML, HUGE_PNG, cut, bytes(1000), animated.getvalue()):
        told = client.post("/search/image", files={"photo": ("x.png", content, "image/png")})
        assert refused(told, 400) == "bad_photo"
    refused(client.post("/search/image", files={"other": b"x"}), 422)
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    refused(client.post("/search/image", content=b"--y\r\nnothing", headers=broken), 400, 422)
    refused(client.post("/search/image", content=b"", headers=broken), 400, 422)
    no_boundary = {"Content-Type": "multipart/form-data"}
    refused(client.post("/search/image", content=b"x", headers=no_boundary), 400, 422)


@pytest.mark.parametrize("charset", ["punycode", "undefined", "utf-7"])
def test_a_form_in_a_strange_charset_is_refused(client, charset):
    kind = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
    field = b'--x\r\nContent-Disposition: form-data; name="request"\r\n\r\n%s\r\n'
    image = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\na\r\n--x--'
    for told in (b'{"text": "+2AA-"}', b'{"text": "a\xff-99999999"}'):
        form = field % told + image
        refused(client.post("/search/image", content=form, headers=kind), 400, 422)


def test_files_outside_the_shop_are_not_shown(client, index, tmp_path):
    (tmp_path / "secret.png").write_bytes(image_bytes(3, size=(20, 20)))
    paths = [str(tmp_path / "secret.png"), "../../secret.png", "upload:../manifest.json", "\0"]
    rows = [{"product_id": f"x{i}", "title": "t", "image": path} for i, path in enumerate(paths)]
    told = client.put("/products", json={"products": rows}).json()["results"]
    for i, result in enumerate(told):
        assert "problem" in result or result["status"] == "failed"
        assert client.get(f"/products/x{i}/photo").status_code == 404
    names = [row["product_id"] for row in rows]
    client.request("DELETE", "/products", json={"product_ids": names})
    for path in (
        "/products/..%2f..%2f..%2fetc%2fpasswd/photo",
        "/products/%00",
        "/products/%ff%fe/photo",
        "/static/..%2f..%2fkeys.py",
        "/static/%2e%2e/keys.py",
        "/static//etc/passwd",
    ):
        refused(client.get(path), 404)


def test_pictures_of_products_are_checked(client):
    for content in (SVG, HUGE_PNG):
        row = {"product_id": "z", "title": "t"}
        row["photo_base64"] = base64.b64encode(content).decode()
        told = client.put("/products", json={"products": [row]}).json()["results"][0]
        assert told["status"] == "upserted"
        assert "problem" in told
        assert client.get("/products/z/photo").status_code == 404
    client.request("DELETE", "/products", json={"product_ids": ["z"]})


def test_a_line_without_end_is_skipped_and_the_next_one_written(index, colours_index, tmp_path):
    own = shutil.copytree(colours_index, tmp_path / "index")
    lines = b'{"product_id": "' + b"x" * 5_000 + b'"}\n{"product_id": "y", "title": "t"}\n'
    with serving(own, line_bytes=1_000) as client:
        told = client.put(
            "/products", content=lines, headers={"Content-Type": "application/x-ndjson"}
        )
        first, second = [json.loads(line) for line in told.text.splitlines()]
        assert (first["line"], first["status"]) == (1, "failed")
        assert (second["line"], second["status"]) == (2, "upserted")


def test_too_many_at_once_are_told_to_come_back(colours_index, tmp_path, monkeypatch):
    own = shutil.copytree(colours_index, tmp_path / "index")
    going, count = threading.Event(), threading.Semaphore(0)
    with serving(own, search_threads=1, max_waiting=1) as client:
        service = client.app.state.service
        with service.pool.lease() as searcher:
            answer = searcher.answer

        def slow(request):
            count.release()
            going.wait(120)
            return answer(request)

        monkeypatch.setattr(searcher, "answer", slow)
        statuses = []

        def ask():
            statuses.append(client.post("/search", json={"text": "shoe"}).status_code)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        count.acquire(timeout=120)
        wait_until(lambda: service.searching.num_pending == 2)
        told = client.post("/search", json={"text": "shoe"})
        assert refused(told, 503) == "busy"
        assert told.headers["retry-after"] == "1"
        assert client.get("/health").status_code == 200
        going.set()
        for thread in threads:
            thread.join()
        assert statuses == [200, 200]
        assert client.post("/search", json={"text": "shoe"}).status_code == 200


def test_a_search_that_takes_too_long_is_given_up(colours_index, tmp_path, monkeypatch):
    own = shutil.copytree(colours_index, tmp_path / "index")
    going = threading.Event()
    with serving(own, search_seconds=0.1) as client:
        service = client.app.state.service
        with service.pool.lease() as searcher:
            monkeypatch.setattr(searcher, "answer", lambda request: going.wait(120))
        assert refused(client.post("/search", json={}), 503) == "too_slow"
        going.set()
        wait_until(lambda: service.searching.num_pending == 0)


def test_a_fault_of_ours_is_logged_under_the_id_that_is_told(
    colours_index, tmp_path, monkeypatch, caplog
):
    own = shutil.copytree(colours_index, tmp_path / "index")

    def broken(request):
        raise ZeroDivisionError("secret detail")

    with serving(own) as client:
        with client.app.state.service.pool.lease() as searcher:
            monkeypatch.setattr(searcher, "answer", broken)
        told = client.post("/search", json={})
        assert refused(told, 500) == "internal"
        assert "secret" not in told.text
        number = told.json()["error"]["message"].split("error ")[1].split(".")[0]
        assert f"error {number}" in caplog.text
        assert "ZeroDivisionError: secret detail" in caplog.text


def test_a_server_lets_an_endless_client_go(colours_index, tmp_path):
    """On a real connection: a body without end."""
    own = shutil.copytree(colours_index, tmp_path / "index")
    with Server(own) as server:
        server.wait_ready()
        endless = server.connect()
        endless.sendall(b"POST /search HTTP/1.1\r\nHost: localhost\r\n")
        endless.sendall(b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):  # noqa: PT012 (any of many sends may fail)
            for _ in range(2_000):
                endless.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        assert server.ask("GET", "/ready")[0] == 200
        assert server.ask("POST", "/search", {"text": "shoe"})[0] == 200


def test_only_so_many_large_bodies_are_held_at_once(colours_index, tmp_path):
    own = shutil.copytree(colours_index, tmp_path / "index")
    lines = {"Content-Type": "application/x-ndjson"}
    rows = [{"product_id": f"s{i}", "title": "x" * 100} for i in range(4)]
    large = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    with serving(own, json_bytes=300, body_bytes=2_000, body_seconds=1.0) as client:
        memory = body_memory(client.app)
        memory._taken["others"] = 2_000
        assert refused(client.put("/products", json={"products": rows}), 503) == "busy"
        told = client.put("/products", content=b" " * 400 + large, headers=lines)
        assert json.loads(told.text)["error"]["code"] == "busy"  # the results had begun
        small = {"products": rows[:1]}
        assert client.put("/products", json=small).json()["num_upserted"] == 1
        assert client.put("/products", content=large[:120], headers=lines).status_code == 200
        assert client.post("/search", json={}).status_code == 200
        assert client.get("/health").status_code == 200
        del memory._taken["others"]
        assert client.put("/products", json={"products": rows}).json()["num_upserted"] == 4
        told = client.put("/products", content=large, headers=lines)
        assert [json.loads(line)["status"] for line in told.text.splitlines()] == ["upserted"] * 4
        assert memory._taken.total() == 0


def body_memory(app):
    """The memory for large bodies of a running service."""
    part = app.middleware_stack
    while not isinstance(part, RequestMiddleware):
        part = part.app
    return part._memory


def test_one_client_with_many_requests_leaves_room_for_others(colours_index, tmp_path, monkeypatch):
    own = shutil.copytree(colours_index, tmp_path / "index")
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    going = threading.Event()
    key = {name: {"X-API-Key": secret} for name, secret in SECRETS.items()}
    with serving(own, keys, search_threads=1, max_waiting=2) as client:
        service = client.app.state.service
        with service.pool.lease() as searcher:
            answer = searcher.answer

        def slow(request):
            going.wait(120)
            return answer(request)

        monkeypatch.setattr(searcher, "answer", slow)
        statuses = {"front": [], "feed": []}

        def ask(name):
            told = client.post("/search", json={"text": "shoe"}, headers=key[name])
            statuses[name].append(told.status_code)

        threads = [threading.Thread(target=ask, args=["front"]) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: service.searching.num_pending == 3)
        other = threading.Thread(target=ask, args=["feed"])
        other.start()
        wait_until(lambda: statuses["front"] == [503])  # the latest of the three made room
        going.set()
        for thread in (*threads, other):
            thread.join()
        assert statuses == {"front": [503, 200, 200], "feed": [200]}
