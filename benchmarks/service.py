"""Latency and throughput over HTTP: `windowshop serve` beside the stack that a user would pick.

    python benchmarks/service.py INDEX DATA --json benchmarks/results/service.json

The other stack (`benchmarks/service_peer.py`) encodes queries with the stock sentence-transformers
model in torch and searches the same engine, by vectors and words, and once more by vectors alone,
which is less than windowshop does, who counts three facets beside. All serve the same products on
loopback and are measured by turns: one client, then many, over queries that were not asked before
(so no cache answers), and windowshop once more over queries that were. Clients share the cores with
the servers. At last windowshop is killed (SIGKILL) while one client writes products one by one and
another searches: the time until it is ready again is taken, and every product that it said it had
is looked for.
"""

import argparse
import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, cycle, product
from pathlib import Path
from typing import Any

import numpy as np
from kept_figures import write_figures

from windowshop.data import read_dataset

WARM_UP = 30
ROUNDS = 9
START_S = 600
"""The other stack encodes every product as it starts."""
HEADERS = {"Content-Type": "application/json"}
FACETS = ("category", "brand", "price")
"""Counted by windowshop in each search; the other stack counts none."""


class Server:
    """A server in its own process, until `close`."""

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.port = port
        self._command = [*command, "--port", str(port)]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the server
        self.start()

    def start(self) -> float:
        """Start it; seconds until it is ready."""
        started = time.perf_counter()
        self._process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)
        while time.perf_counter() < started + START_S:
            if self._process.poll() is not None:
                self._log.seek(0)
                raise SystemExit(self._log.read().decode())
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/ready")
                if connection.getresponse().status == 200:
                    return time.perf_counter() - started
            except OSError:
                pass
            time.sleep(0.02)
        raise SystemExit(f"{self._command}: not ready in {START_S} s")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def kill(self) -> None:
        """End it at once."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End it in good order."""
        self._process.terminate()
        self._process.wait(timeout=30)


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.connect()
        assert self._connection.sock is not None
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def search(self, text: str) -> tuple[float, bool]:
        """Milliseconds until the answer was read, and whether it was one with results."""
        took_ms, status, answer = self._asked(
            "POST", "/search", {"text": text, "limit": 20, "facets": FACETS}
        )
        return took_ms, status == 200 and bool(answer["results"])

    def upsert(self, row: dict[str, Any]) -> bool:
        """Write one product; whether the server says that it has it."""
        _, status, answer = self._asked("PUT", "/products", {"products": [row]})
        return status == 200 and answer["num_upserted"] == 1

    def ids(self, where: str) -> list[str]:
        """The ids of at most 1,000 products that pass a filter."""
        _, _, answer = self._asked("POST", "/search", {"where": where, "limit": 1000})
        return [result["product_id"] for result in answer["results"]]

    def _asked(self, method: str, path: str, content: object) -> tuple[float, int, dict[str, Any]]:
        body = json.dumps(content)
        start = time.perf_counter()
        self._connection.request(method, path, body, HEADERS)
        response = self._connection.getresponse()
        answer = response.read()
        return (time.perf_counter() - start) * 1000, response.status, json.loads(answer)


def alone(port: int, texts: Sequence[str]) -> list[tuple[float, bool]]:
    """One client, one query after the other."""
    client = Client(port)
    return [client.search(text) for text in texts]


def together(port: int, texts: Iterator[str], clients: int, seconds: float) -> dict[str, float]:
    """Many clients for some seconds, each one query after the other."""
    lock, end = threading.Lock(), time.perf_counter() + seconds
    answers: list[tuple[float, bool]] = []

    def work() -> None:
        client = Client(port)
        while time.perf_counter() < end:
            with lock:
                text = next(texts)
            answers.append(client.search(text))

    threads = [threading.Thread(target=work) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    per_second = len(answers) / (time.perf_counter() - started)
    return {"requests_per_second": round(per_second, 1), **summary(answers)}


def killed_while_writing(server: Server, texts: Sequence[str], seconds: float) -> dict[str, Any]:
    """Kill it under writes and searches; how it comes back, and with what."""
    written: list[str] = []

    def upsert(client: Client, number: int) -> None:
        row = {"product_id": f"written {number}", "title": texts[number % len(texts)]}
        if client.upsert(row):
            written.append(row["product_id"])

    def write() -> None:
        client = Client(server.port)
        with suppress(OSError, http.client.HTTPException):  # killed
            for number in count(1):
                upsert(client, number)

    def search() -> None:
        client = Client(server.port)
        with suppress(OSError, http.client.HTTPException):
            for text in cycle(texts):
                client.search(text)

    upsert(Client(server.port), 0)  # the first one waits until the model is loaded
    threads = [threading.Thread(target=work) for work in (write, search)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.kill()
    for thread in threads:
        thread.join()
    ready_s = server.start()
    client = Client(server.port)
    found: list[str] = []
    for start in range(0, len(written), 100):
        names = ", ".join(f'"{name}"' for name in written[start : start + 100])
        found += client.ids(f"product_id in ({names})")
    return {
        "ready_s": round(ready_s, 2),
        "written": len(written),
        "lost": len(set(written) - set(found)),
        "twice": len(found) - len(set(found)),
    }


def summary(answers: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Median, 99th percentile and number of failures."""
    p50, p99 = np.percentile([took_ms for took_ms, _ in answers], [50, 99])
    return {
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
        "requests": len(answers),
        "failed": sum(not good for _, good in answers),
    }


def measure(
    servers: dict[str, Server], texts: list[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Figures of each server, by turns."""
    fresh = {name: iter(never_asked(texts)) for name in servers}
    for name, server in servers.items():
        alone(server.port, [next(fresh[name]) for _ in range(WARM_UP)])
    single: dict[str, list[tuple[float, bool]]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, server in servers.items():
            part = [next(fresh[name]) for _ in range(options.queries // ROUNDS)]
            single[name] += alone(server.port, part)
    figures: dict[str, Any] = {
        name: {"one_client": summary(answers)} for name, answers in single.items()
    }
    for name, server in servers.items():
        figures[name]["many_clients"] = together(
            server.port, fresh[name], options.clients, options.seconds
        )
    ours = servers["windowshop"].port
    asked = texts[: options.queries]
    alone(ours, asked)
    figures["windowshop"]["one_client_asked_before"] = summary(alone(ours, asked))
    return figures


def never_asked(texts: list[str]) -> Iterator[str]:
    """The queries, then two joined: real words, and no text twice."""
    yield from texts
    yield from (f"{first} {second}" for first, second in product(texts, reversed(texts)))


@contextmanager
def running(options: argparse.Namespace) -> Iterator[dict[str, Server]]:
    """All servers, ended at last."""
    peer = Path(__file__).with_name("service_peer.py")
    commands = {
        "windowshop": [sys.executable, "-m", "windowshop", "serve", str(options.index)],
        "stock": [sys.executable, str(peer), str(options.data)],
        "stock_vectors_alone": [sys.executable, str(peer), str(options.data), "--vectors-alone"],
    }
    with ExitStack() as stack:
        servers = {}
        for name, command in commands.items():
            servers[name] = Server(command, free_port())
            stack.callback(servers[name].close)
        yield servers


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--queries", type=int, default=450)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    dataset = read_dataset(options.data)
    texts = dataset.queries["query"].drop_nulls().unique(maintain_order=True).to_list()
    with running(options) as servers:
        figures = measure(servers, texts, options)
        ours_ms = figures["windowshop"]["one_client"]["p50_ms"]
        figures["p50_to_windowshop"] = {
            name: round(figures[name]["one_client"]["p50_ms"] / ours_ms, 2)
            for name in servers
            if name != "windowshop"
        }
        ours = servers["windowshop"]
        figures["windowshop"]["killed"] = killed_while_writing(ours, texts, options.seconds)
    figures["products"] = len(dataset.products)
    figures["clients"] = options.clients
    figures["facets"] = FACETS
    write_figures(figures, options.json, dataset)


if __name__ == "__main__":
    main()
