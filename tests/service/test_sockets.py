"""What a plain client that is refused reads from its socket: the answer, and then the end."""

import contextlib
import json
import shutil
import socket
import threading
import time

import pytest
import uvicorn
from support.services import wait_until

from windowshop.service.app import create_app
from windowshop.service.config import ServiceConfig
from windowshop.service.generation_pool import Shop
from windowshop.service.http.head_timeout import PatientProtocol

pytestmark = pytest.mark.slow

MEGABYTE = 2**20


@pytest.fixture
def connect(colours_index, tmp_path, monkeypatch):
    """Opens connections to a service whose limits are short."""
    monkeypatch.setattr("windowshop.service.http.head_timeout.HEAD_SECONDS", 0.4)
    index = shutil.copytree(colours_index, tmp_path / "index")
    app = create_app(Shop(index), ServiceConfig(preload_model=False))
    listener = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(app, http=PatientProtocol, log_config=None, ws="none", lifespan="on")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until(lambda: server.started and app.state.desk.shop.state == "ready")
    with contextlib.ExitStack() as opened:

        def connected():
            return opened.enter_context(socket.create_connection(listener.getsockname(), 10))

        yield connected
    server.should_exit = True
    thread.join()
    listener.close()


def told(connection):
    """Status and error of the answer, read until the other side closes."""
    received = b""
    while part := connection.recv(65_536):
        received += part
    head, _, content = received.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(content)["error"]["code"]


def test_a_head_that_does_not_end_is_answered_and_closed(connect):
    connection, begun = connect(), time.monotonic()
    connection.sendall(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(3):  # each byte comes in time, the head does not
        time.sleep(0.1)
        connection.sendall(b"a")
    assert told(connection) == (408, "too_slow")
    assert time.monotonic() - begun < 5


def test_a_client_that_goes_on_with_its_head_reads_the_answer_too(connect):
    connection = connect()
    connection.sendall(b"GET / HTTP/1.1\r\nX: ")
    time.sleep(0.6)
    for _ in range(5):
        connection.sendall(b"a" * 1_000)
        time.sleep(0.05)
    assert told(connection) == (408, "too_slow")


def test_a_client_that_says_nothing_is_let_go_without_an_answer(connect):
    connection = connect()
    assert connection.recv(100) == b""


def test_a_head_that_is_too_large_is_answered(connect):
    connection = connect()
    connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * (3 * 65_536))
    assert told(connection) == (431, "too_large")


def ask_health(connection):
    """Ask and read the whole answer, in however many pieces it comes."""
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    received = b""
    while not received.endswith(b'{"status":"alive"}'):
        part = connection.recv(65_536)
        assert part, f"closed after {received!r}"
        received += part
    assert received.startswith(b"HTTP/1.1 200")


def test_a_client_between_two_requests_is_not_answered(connect):
    connection = connect()
    ask_health(connection)
    time.sleep(0.6)  # longer than a head may take
    ask_health(connection)


@pytest.mark.parametrize("path", ["/search", "/search/image"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_answered_while_it_is_sent(connect, path, chunked):
    """The client reads only when it has sent all of it."""
    connection, size = connect(), 40 * MEGABYTE
    kind = "application/json" if path == "/search" else "multipart/form-data; boundary=x"
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{length}\r\n\r\n"
    connection.sendall(head.encode())
    form = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
    part = bytes(MEGABYTE) if path == "/search" else form.ljust(MEGABYTE, b"a")
    for number in range(size // MEGABYTE):
        content = part if number == 0 else part[:0].ljust(MEGABYTE, b"a")
        connection.sendall(b"%x\r\n%s\r\n" % (MEGABYTE, content) if chunked else content)
    assert told(connection) == (413, "too_large")


def test_a_refused_body_is_taken_for_a_bounded_time_and_size(connect, monkeypatch):
    monkeypatch.setattr("windowshop.service.http.limits.LINGER_SECONDS", 0.3)
    idle, begun = connect(), time.monotonic()
    head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    idle.sendall(head + b"Content-Length: 99999999\r\n\r\n")
    assert told(idle) == (413, "too_large")
    assert time.monotonic() - begun < 3
    monkeypatch.setattr("windowshop.service.http.limits.LINGER_SECONDS", 60)
    monkeypatch.setattr("windowshop.service.http.limits.LINGER_BYTES", 4 * MEGABYTE)
    endless = connect()
    endless.sendall(head + b"Content-Length: 99999999999\r\n\r\n")
    with pytest.raises(ConnectionError):  # noqa: PT012 (any of many sends may fail)
        for _ in range(500):
            endless.sendall(bytes(MEGABYTE))
