"""A server that gets no more memory, open files or room: it answers, refuses, and recovers."""

import base64
import io
import os
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.faults import small_disk
from support.services import Server
from support.shops import image_bytes

pytestmark = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="limits of another process can be set on Linux only"
)
MEGABYTE = 2**20
SMALL = base64.b64encode(image_bytes(5, size=(40, 40))).decode()


@pytest.fixture
def index(colours_index, tmp_path):
    return shutil.copytree(colours_index, tmp_path / "index")


@pytest.fixture
def server(index):
    with Server(index) as server:
        server.wait_ready()
        assert put(server, "first", SMALL)[0] == 200  # the model is loaded
        yield server


def put(server, name, photo):
    row = {"product_id": name, "title": "t", "photo_base64": photo}
    status, told = server.ask("PUT", "/products", {"products": [row]})
    return status, told


def searches(server):
    status, told = server.ask("POST", "/search", {"text": "red shoe"})
    return status == 200 and bool(told["results"])


@contextmanager
def limited(server, kind, most):
    """Limit the server's process, and lift the limit again."""
    pid = server.process.pid
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


def virtual_bytes(server):
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmSize"))


def test_a_photo_too_large_for_the_memory_is_refused_and_taken_later(server):
    buffer = io.BytesIO()
    Image.new("RGB", (7_000, 7_000), "red").save(buffer, "PNG")
    photo = base64.b64encode(buffer.getvalue()).decode()
    with limited(server, resource.RLIMIT_AS, virtual_bytes(server) + 120 * MEGABYTE):
        status, told = put(server, "large", photo)
        assert (status, told["error"]["code"]) == (503, "no_memory")
        assert searches(server)
        assert server.ask("GET", "/products/large")[0] == 404
    status, told = put(server, "large", photo)
    assert (status, told["num_upserted"]) == (200, 1)
    assert "problem" not in told["results"][0]


def test_without_open_files_searches_go_on_and_writes_come_back(server):
    used = max(int(name) for name in os.listdir(f"/proc/{server.process.pid}/fd"))
    assert searches(server)
    with limited(server, resource.RLIMIT_NOFILE, used + 4):  # some are for connections
        crowd = [server.connect() for _ in range(8)]
    for connection in crowd:
        connection.close()
    server.wait_ready()
    assert searches(server)
    assert put(server, "later", SMALL)[1]["num_upserted"] == 1
    assert server.ask("GET", "/ready")[1] == {"status": "ready", "refused": {}}


def test_a_full_disk_for_photos_refuses_writes_until_there_is_room(index):
    chance = np.random.default_rng(0)

    def photo():
        buffer = io.BytesIO()
        noise_HW3 = chance.integers(0, 255, (350, 350, 3), np.uint8)
        Image.fromarray(noise_HW3).save(buffer, "PNG")
        return base64.b64encode(buffer.getvalue()).decode()

    photos = index / "photos"
    with small_disk(photos, 2 * MEGABYTE) as resize, Server(index) as server:
        server.wait_ready()
        answers = [put(server, f"p{i}", photo()) for i in range(100, 108)]
        statuses = [status for status, _ in answers]
        first = statuses.index(507)
        assert first > 0
        assert statuses == [200] * first + [507] * (8 - first)
        assert answers[-1][1]["error"]["code"] == "disk_full"
        assert len(list(photos.iterdir())) == first  # nothing half written
        assert searches(server)
        assert "writes" in server.ask("GET", "/ready")[1]["refused"]
        for i in range(100, 108):
            assert (server.ask("GET", f"/products/p{i}")[0] == 200) == (i < 100 + first)
        assert resize(64 * MEGABYTE) == 0
        assert put(server, "later", photo())[1]["num_upserted"] == 1
        assert server.ask("GET", "/ready")[1]["refused"] == {}
