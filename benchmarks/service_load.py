"""Many clients of all kinds at one service for some minutes: who is refused, and what memory does.

    python benchmarks/service_load.py INDEX DATA --json benchmarks/results/service_load.json
    python benchmarks/service_load.py INDEX DATA --seconds 120      # for a first look

A copy of the index is served on loopback, each client has a key of its own and begins as soon as
text searches are answered, while the model is still being loaded. Beside shoppers (texts, photos,
pages with a hundred thumbnails, clicks), feeds (single products, products with photos of camera
size, lines) and a person who grades, one client sends many bodies slowly and never ends them, and
one reads large answers slowly; these two are meant to be cut off, and are counted by themselves. A
refusal is a 429 or 503, a failure any other 5xx or a broken connection. Memory is looked at once a
second; it is compared after a fifth of the time, when all caches have been used.
"""

import argparse
import base64
import hashlib
import http.client
import io
import json
import random
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from kept_figures import write_figures
from PIL import Image
from service import Server, free_port
from service_memory import Memory

from windowshop.data import Dataset, read_dataset

JSON = "application/json"
PAGE, CONNECTIONS, LINES, SLOW_BODIES = 100, 6, 300, 40
REFUSED = (429, 503)


@dataclass
class Shop:
    """Texts and images that clients send, the port they send them to, and when they end."""

    port: int
    texts: list[str]
    photos: list[bytes]
    camera: bytes
    ends: float

    @property
    def is_open(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.ends


@dataclass
class Log:
    """Outcomes and times of all requests, by kind of client."""

    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    took_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refusals: Counter[str] = field(default_factory=Counter)


@dataclass
class Client:
    """A client with a key, on one connection that is kept."""

    kind: str
    key: str
    shop: Shop
    log: Log
    chance: random.Random

    def __post_init__(self) -> None:
        """Connect at the first request."""
        self._connection = http.client.HTTPConnection("127.0.0.1", self.shop.port, timeout=120)

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = JSON) -> bytes:
        """Make a request, and log how it went; returns the answer, empty where there is none."""
        begun = time.perf_counter()
        try:
            self._connection.request(
                method, path, body, {"Content-Type": kind, "X-API-Key": self.key}
            )
            response = self._connection.getresponse()
            answer, status = response.read(), response.status
        except (OSError, http.client.HTTPException):
            self._connection.close()
            answer, status = b"", 0
        self.log.took_ms[self.kind].append((time.perf_counter() - begun) * 1000)
        self.log.statuses[self.kind][status] += 1
        if status in REFUSED:
            self.log.refusals[f"{self.kind}: {json.loads(answer)['error']['message']}"] += 1
        return answer if status == 200 else b""

    def put(self, rows: list[dict[str, Any]]) -> None:
        """Write products."""
        self.ask("PUT", "/products", json.dumps({"products": rows}).encode())

    def search(self, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
        """Search; returns the answer, empty where it was refused."""
        answer = self.ask("POST", "/search", json.dumps(fields).encode())
        found: dict[str, Any] = json.loads(answer) if answer else {}
        return found

    def text(self) -> str:
        """A query."""
        return self.chance.choice(self.shop.texts)


def read_texts(client: Client) -> None:
    """Search by a text, and sometimes count facets."""
    client.search(text=client.text(), limit=20, facets=["brand", "price"])
    time.sleep(client.chance.uniform(0.2, 0.8))


def show_photos(client: Client) -> None:
    """Search by a photo."""
    head = '--x\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
    body = head.encode() + client.chance.choice(client.shop.photos) + b"\r\n--x--\r\n"
    client.ask("POST", "/search/image", body, "multipart/form-data; boundary=x")
    time.sleep(client.chance.uniform(0.5, 1.5))


def load_pages(client: Client) -> None:
    """Search, and load the thumbnails of all results over a few connections, as a browser does."""
    answer = client.search(text=client.text(), limit=PAGE)
    addresses = [r["photo_url"] for r in answer.get("results", ()) if r["photo_url"]]
    parts = [addresses[i::CONNECTIONS] for i in range(CONNECTIONS)]

    def load(part: list[str]) -> None:
        own = Client("thumbnails", client.key, client.shop, client.log, client.chance)
        for address in part:
            own.ask("GET", f"{address}?size={own.chance.choice((160, 320, 640))}")

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(load, parts))
    time.sleep(client.chance.uniform(1, 3))


def click(client: Client) -> None:
    """Search, then click on a result."""
    answer = client.search(text=client.text(), limit=5)
    for result in answer.get("results", ())[:1]:
        event = {"search_id": answer["search_id"], "product_id": result["product_id"]}
        body = event | {"position": result["rank"], "event": "click"}
        client.ask("POST", "/feedback", json.dumps(body).encode())
    time.sleep(client.chance.uniform(0.2, 0.8))


def grade(client: Client) -> None:
    """Grade a result."""
    text = client.text()
    for result in client.search(text=text, limit=1).get("results", ()):
        body = {"query": text, "product_id": result["product_id"], "grade": 2, "judge": "ann"}
        client.ask("POST", "/judgements", json.dumps(body).encode())
    time.sleep(client.chance.uniform(0.5, 1.5))


def write_products(client: Client) -> None:
    """Write one product, delete another."""
    name = f"{client.key[:6]} {client.chance.randrange(200)}"
    client.put([{"product_id": name, "title": client.text(), "price": 9.5}])
    gone = {"product_ids": [f"{client.key[:6]} {client.chance.randrange(200)}"]}
    client.ask("DELETE", "/products", json.dumps(gone).encode())
    time.sleep(client.chance.uniform(0.2, 0.8))


def write_photos(client: Client) -> None:
    """Write products with photos as they come from a camera."""
    photo = base64.b64encode(client.shop.camera).decode()
    named = ({"product_id": f"{client.key[:6]} photo {i}", "title": "a"} for i in range(3))
    client.put([row | {"photo_base64": photo} for row in named])
    time.sleep(client.chance.uniform(2, 4))


def feed_lines(client: Client) -> None:
    """Send products as lines."""
    rows = [
        {"product_id": f"{client.key[:6]} line {i}", "title": client.text(), "price": i / 10}
        for i in range(LINES)
    ]
    body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    client.ask("PUT", "/products?only_failed=true", body, "application/x-ndjson")
    time.sleep(client.chance.uniform(3, 6))


def send_slowly(client: Client) -> None:
    """Begin many large bodies, and send them a little at a time until they are refused."""
    head = (
        f"PUT /products HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {client.key}\r\n"
        f"Content-Type: {JSON}\r\nContent-Length: 30000000\r\n\r\n"
    )
    bodies = []
    for _ in range(SLOW_BODIES):
        body = socket.create_connection(("127.0.0.1", client.shop.port), timeout=30)
        body.sendall(head.encode() + b" " * 2**16)
        bodies.append(body)
    while bodies and client.shop.is_open:
        time.sleep(1)
        bodies = [body for body in bodies if _goes_on(body, client)]
    for body in bodies:
        body.close()


def _goes_on(body: socket.socket, client: Client) -> bool:
    """Send a little more; whether the server still takes it."""
    body.setblocking(False)
    try:
        answer = body.recv(100)
    except BlockingIOError:
        answer = None
    except OSError:
        answer = b""
    if answer is None:
        body.settimeout(0.01)
        with suppress(OSError):  # the buffers are full: it is not read
            body.sendall(b" " * 1000)
        return True
    client.log.statuses[client.kind][int(answer.split()[1]) if answer else 0] += 1
    body.close()
    return False


def read_slowly(client: Client) -> None:
    """Ask for large answers, and read a little a second."""
    ask = json.dumps({"limit": 1000}).encode()
    head = (
        f"POST /search HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {client.key}\r\n"
        f"Content-Type: {JSON}\r\nContent-Length: {len(ask)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", client.shop.port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall((head.encode() + ask) * 20)
        until = time.monotonic() + 40
        status = 0
        while client.shop.is_open and time.monotonic() < until:
            try:
                part = connection.recv(1000)
            except OSError:
                break
            if not part:
                break
            status = status or int(part.split()[1])
            time.sleep(1)
    client.log.statuses[client.kind][status] += 1


KINDS: dict[str, tuple[int, Callable[[Client], None]]] = {
    "texts": (7, read_texts),
    "photos": (3, show_photos),
    "pages": (3, load_pages),
    "clicks": (2, click),
    "grades": (1, grade),
    "products": (3, write_products),
    "products with photos": (2, write_photos),
    "lines": (1, feed_lines),
    "slow bodies": (1, send_slowly),
    "slow reading": (1, read_slowly),
}
"""How many clients there are of a kind, and what each does again and again."""
HOSTILE = ("slow bodies", "slow reading")


def run(shop: Shop, keys: list[str], log: Log) -> None:
    """Let all clients work until the time is over."""

    def work(client: Client, act: Callable[[Client], None]) -> None:
        while shop.is_open:
            act(client)

    left, threads = iter(keys), []
    for kind, (count, act) in KINDS.items():
        for number in range(count):
            client = Client(kind, next(left), shop, log, random.Random(f"{kind} {number}"))
            threads.append(threading.Thread(target=work, args=(client, act)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def summary(log: Log) -> dict[str, Any]:
    """Figures of all requests, and of each kind of client."""
    kinds: dict[str, Any] = {}
    for kind, statuses in log.statuses.items():
        refused = sum(statuses[status] for status in REFUSED)
        failed = sum(n for status, n in statuses.items() if status not in REFUSED)
        failed -= sum(n for status, n in statuses.items() if 200 <= status < 500)
        kinds[kind] = {"requests": statuses.total(), "refused": refused, "failed": failed}
        if kind in HOSTILE:
            kinds[kind]["statuses"] = {str(status): n for status, n in sorted(statuses.items())}
            continue
        p50, p99 = np.percentile(log.took_ms[kind], [50, 99])
        kinds[kind] |= {"p50_ms": round(float(p50)), "p99_ms": round(float(p99))}
    fair = [figures for kind, figures in kinds.items() if kind not in HOSTILE]
    requests, refused, failed = (
        sum(figures[name] for figures in fair) for name in ("requests", "refused", "failed")
    )
    return {
        "requests": requests,
        "failed": failed,
        "refused": refused,
        "refused_share": round(refused / requests, 4),
        "refusals": dict(log.refusals.most_common(10)),
        "kinds": kinds,
    }


def measure(server: Server, shop: Shop, keys: list[str], seconds: float) -> dict[str, Any]:
    """Run all clients; figures of their requests and of the server's memory."""
    log, memory, samples = Log(), Memory(server.pid), list[float]()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1):
            samples.append(memory.now())

    watcher = threading.Thread(target=watch)
    watcher.start()
    shop.ends = time.monotonic() + seconds
    run(shop, keys, log)
    ended.set()
    watcher.join()
    fifth = len(samples) // 5
    early, late = (
        float(np.median(part)) for part in (samples[fifth : 2 * fifth], samples[-fifth:])
    )
    return {
        **summary(log),
        "memory": {
            "second_fifth_mb": round(early),
            "last_fifth_mb": round(late),
            "growth": round(late / early - 1, 3),
            "peak_mb": round(max(samples)),
            "minutes_mb": [
                round(float(np.median(samples[i : i + 60]))) for i in range(0, len(samples), 60)
            ],
        },
    }


def write_keys(path: Path, count: int) -> list[str]:
    """Write a key file; returns its keys."""
    keys = [secrets.token_hex(12) for _ in range(count)]
    lines = ["keys:"]
    for number, key in enumerate(keys):
        digest = hashlib.sha256(key.encode()).hexdigest()
        lines += [f"- name: client {number}", f"  sha256: {digest}", "  scopes: [search, write]"]
    path.write_text("\n".join(lines) + "\n")
    return keys


def make_shop(dataset: Dataset, port: int) -> Shop:
    """Texts and photos to send."""
    texts = dataset.queries["query"].drop_nulls().unique(maintain_order=True).to_list()
    named = dataset.products.filter(pl.col("image").is_not_null())["image"].to_list()[:200]
    photos = [path.read_bytes() for name in named if (path := dataset.root / name).is_file()]
    buffer = io.BytesIO()
    noise_HW3 = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    Image.fromarray(noise_HW3).resize((4000, 3000)).save(buffer, "JPEG", quality=80)
    return Shop(port, texts, photos, buffer.getvalue(), 0.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    dataset = read_dataset(options.data)
    num_clients = sum(count for count, _ in KINDS.values())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        index = shutil.copytree(options.index, folder / "index")
        keys = write_keys(folder / "keys.yaml", num_clients)
        command = [sys.executable, "-m", "windowshop", "serve", str(index)]
        command += ["--keys", str(folder / "keys.yaml"), "--rate", "100000/second"]
        server = Server(command, free_port())
        try:
            figures = measure(server, make_shop(dataset, server.port), keys, options.seconds)
        finally:
            server.close()
    figures = {"seconds": options.seconds, "clients": num_clients, **figures}
    write_figures(figures, options.json, dataset)


if __name__ == "__main__":
    main()
