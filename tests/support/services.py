"""A service in this process, or in one of its own on a free port of this machine."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request

from starlette.testclient import TestClient
from support.killing import CONTEXT, start_forking

from windowshop.search.answer import Answer, Result, Retrieved
from windowshop.service.app import create_app
from windowshop.service.config import ServiceConfig
from windowshop.service.generation_pool import GenerationPool

ERROR_FIELDS = {"code", "message", "where"}
SECRETS = {"front": "front-secret", "feed": "feed-secret", "boss": "boss-secret"}
SCOPES = {"front": ["search"], "feed": ["search", "write"], "boss": ["search", "write", "admin"]}


def write_keys(path):
    """A key file with the keys of SECRETS."""
    lines = ["keys:"]
    for name, secret in SECRETS.items():
        digest = hashlib.sha256(secret.encode()).hexdigest()
        lines += [f"- name: {name}", f"  sha256: {digest}", f"  scopes: {SCOPES[name]}"]
    path.write_text("\n".join(lines))
    return path


@contextlib.contextmanager
def serving(index, keys=None, also=(), address=("127.0.0.1", 5000), **settings):
    """A client of a service of an index in this process, ready to search."""
    config = ServiceConfig(**{"preload_model": False, **settings})
    app = create_app(GenerationPool(index, also), config, keys)
    with TestClient(app, base_url="http://localhost", client=address) as client:
        wait_until(lambda: client.get("/ready").status_code == 200, app.state.service)
        yield client


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code, error
    assert set(error) <= ERROR_FIELDS
    return error


def made_answer(search_id="0" * 32, products=("p1", "p2"), text="red shoe", total=2):
    results = tuple(
        Result(
            rank=i + 1,
            product_id=name,
            score=1.0,
            title=None,
            brand=None,
            price=float("nan"),
            currency=None,
            category=None,
            image="/srv/photos/1.png" if i else None,
            group_size=1,
            fields={"product_id": name, "_text_weight": 1.0, "image": "1.png", "images": "[]"},
        )
        for i, name in enumerate(products)
    )
    return Answer(
        search_id=search_id,
        generation="g1",
        text=text,
        where=None,
        corrected=None,
        recognised=(),
        relaxed=(),
        certainty=None,
        total=total,
        total_products=total,
        matching=total,
        facets=(),
        retrieved=Retrieved(channels={}, below_probability=0, below_share=0, beyond_max=0),
        text_weight=None,
        took_ms=1.0,
        timings_ms={"encode": 1.0},
        results=results,
    )


def wait_until(is_so, service=None, seconds=120):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not become so in time"
        if service is not None and service.failure is not None:
            raise service.failure
        time.sleep(0.02)


class Server:
    """`windowshop serve` in a process of its own, forked from one that has imported everything."""

    def __init__(self, index, *arguments, before=None, context=CONTEXT):
        """`before` is called in the process before it serves; "spawn" imports everything again."""
        start_forking()
        self._connections = []
        number = len(list(index.parent.glob("server-*.out")))
        self._out, self._log = (index.parent / f"server-{number}.{kind}" for kind in ("out", "log"))
        args = ["serve", str(index), "--port", "0", *map(str, arguments)]
        self.process = context.Process(target=_run, args=(args, self._out, self._log, before))
        self.process.start()
        wait_until(self._is_listening)
        self.url = self._out.read_text().strip()
        self.port = int(self.url.rpartition(":")[2])

    def _is_listening(self):
        assert self.process.is_alive(), self.logged()
        return self._out.exists() and self._out.read_text().endswith("\n")

    def logged(self):
        return self._log.read_text()

    def wait_ready(self, seconds=300):
        wait_until(self.is_ready, seconds=seconds)

    def is_ready(self):
        assert self.process.is_alive(), self.logged()
        try:
            return self.ask("GET", "/ready")[0] == 200
        except OSError:
            return False

    def ask(self, method, path, body=None, headers=None):
        """Status and JSON of a call; one that failed inside the service fails with its log."""
        data = None if body is None else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, content = error.code, error.read()
        assert status != 500, self.logged()
        return status, json.loads(content)

    def connect(self):
        """A plain connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        self._connections.append(connection)
        return connection

    def end(self, sig=signal.SIGTERM, seconds=120):
        """Send a signal; returns the exit code and what was logged."""
        os.kill(self.process.pid, sig)
        self.process.join(seconds)
        return self.process.exitcode, self.logged()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for connection in self._connections:
            connection.close()
        self.process.kill()
        self.process.join()


def let_a_text_hang():
    """Let a search for "hang" take a minute."""
    from windowshop.search import Searcher

    answer = Searcher.answer

    def slow(searcher, request):
        if request.text == "hang":
            time.sleep(60)
        return answer(searcher, request)

    Searcher.answer = slow


def _run(args, out, log, before):
    import torch

    from windowshop.cli.entry import main

    torch.set_num_threads(1)
    for path, stream in ((out, 1), (log, 2)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(file, stream)
    sys.argv = ["windowshop", *args]
    if before is not None:
        before()
    main()
