"""Products over HTTP, while the service is killed or its disk is full.

What was acknowledged is there once, in its latest version, and nothing that was not sent.
"""

import random
import re
import shutil
import threading
import time
from collections import defaultdict
from contextlib import closing, suppress
from http.client import HTTPException

import pytest
from support.faults import small_disk, some, tried
from support.services import Server, serving, wait_until

from windowshop.index.check import check_generations
from windowshop.index.database import Database

pytestmark = pytest.mark.slow
MEGABYTE = 2**20
REFUSED = (503, 507)


class Feed:
    """Writes products of its own, and keeps the titles that each may have now."""

    def __init__(self, number):
        self._rng = random.Random(number)
        self._ids = [f"f{number}-{i}" for i in range(12)]
        self._version = 0
        self.titles = defaultdict(lambda: [None])
        """By product: the latest that was acknowledged, and what was sent since; None for none."""
        self.num_acknowledged = self.num_refused = 0

    def run(self, server, stop):
        """Go on until the service is gone."""
        with suppress(OSError, ValueError, HTTPException):
            while not stop.is_set():
                self.write(server)

    def write(self, server):
        """Write or delete a few products."""
        names = self._rng.sample(self._ids, self._rng.randint(1, 4))
        self._version += 1
        title = None if self._rng.random() < 0.3 else f"thing {self._version}"
        for name in names:
            self.titles[name].append(title)
        if title is None:
            told = server.ask("DELETE", "/products", {"product_ids": names})
        else:
            rows = [{"product_id": name, "title": title, "price": self._version} for name in names]
            told = server.ask("PUT", "/products", {"products": rows})
        if told[0] == 200:
            self.num_acknowledged += 1
            self.titles |= {name: [title] for name in names}
        else:
            assert told[0] in REFUSED, told
            self.num_refused += 1

    def check(self, found):
        """Compare titles that are there with those that may be."""
        for name in self._ids:
            assert found.get(name) in self.titles[name], name
            self.titles[name] = [found.get(name)]


def titles(server):
    """Every product's title."""
    status, told = server.ask("POST", "/search", {"limit": 1000})
    assert status == 200, told
    found = [(result["product_id"], result["title"]) for result in told["results"]]
    assert len(found) == len(dict(found)) == told["total"]
    return dict(found)


def administer(server, stop, rng):
    """Look after the index, and change its generation."""
    calls = [("optimise", None), ("compact", None), ("rollback", None)]
    calls += [("switch", {"generation": name}) for name in ("g1", "g2")]
    with suppress(OSError, ValueError, HTTPException):
        while not stop.is_set():
            name, body = rng.choice(calls)
            server.ask("POST", f"/admin/{name}", body)


def test_acknowledged_writes_survive_kills(build_colours, colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    build_colours(index)
    rng, feeds = random.Random(2), [Feed(number) for number in range(3)]
    expected = None
    for number in range(some(4, 300)):
        with Server(index) as server:
            server.wait_ready()
            found = titles(server)
            for feed in feeds:
                feed.check(found)
            others = {name: title for name, title in found.items() if not name.startswith("f")}
            expected = expected or others
            assert others == expected
            stop = threading.Event()
            threads = [threading.Thread(target=feed.run, args=(server, stop)) for feed in feeds]
            if number % 2:
                threads.append(threading.Thread(target=administer, args=(server, stop, rng)))
            for thread in threads:
                thread.start()
            time.sleep(rng.uniform(0.05, 1.5))
            if number == 0:  # a busy machine may have answered none yet
                wait_until(lambda: all(feed.num_acknowledged for feed in feeds))
            server.process.kill()
            tried("kill", "server under product writes", admin=bool(number % 2))
            stop.set()
            for thread in threads:
                thread.join()
        if number % some(2, 10) == 0:
            assert [text for check in check_generations(index) for text in check.damage] == []
    assert all(feed.num_acknowledged for feed in feeds)
    with Server(index) as server:
        server.wait_ready()
        server.ask("POST", "/admin/compact")
        assert server.end()[0] == 0
    assert [path for path in index.rglob("*") if path.name.startswith(".")] == []
    for generation in (index / "generations").iterdir():
        assert len(list(generation.glob("engine-*"))) == 1
        assert len(list(generation.glob("products-*"))) == 1


@pytest.mark.parametrize("engine", ["exact", "flat"])
def test_a_disk_that_fills_up_at_any_write_refuses_and_recovers(build_colours, tmp_path, engine):
    """The room that is left is another one each time, down to none."""
    whole = tmp_path / "whole"
    build_colours(whole, engine=engine)
    rng, feed = random.Random(3), Feed(0)
    with small_disk(tmp_path / "disk", 64 * MEGABYTE) as resize:
        index = shutil.copytree(whole, tmp_path / "disk" / "index")
        with Server(index) as server:
            server.wait_ready()
            feed.write(server)
            for number in range(some(6, 200)):
                used = shutil.disk_usage(tmp_path / "disk").used
                assert resize(used + 4096 * int(rng.expovariate(1 / 40))) == 0
                before = feed.num_refused
                for _ in range(300):
                    feed.write(server)
                    if feed.num_refused > before + 2:
                        break
                    if rng.random() < 0.05:
                        server.ask("POST", f"/admin/{rng.choice(('optimise', 'compact'))}")
                feed.check(titles(server))
                assert resize(64 * MEGABYTE) == 0
                wait_until(lambda: server.ask("GET", "/ready")[1].get("refused") == {})
                tried("full disk", f"server with engine {engine} under product writes")
                before = feed.num_acknowledged
                feed.write(server)
                assert feed.num_acknowledged == before + 1
                if number % some(3, 20) == 0:
                    server.ask("POST", "/admin/optimise")
                    feed.check(titles(server))
            assert feed.num_refused
            assert server.end()[0] == 0
        with Server(index) as server:
            server.wait_ready()
            feed.check(titles(server))
            assert server.end()[0] == 0
        assert [text for check in check_generations(index) for text in check.damage] == []


def test_what_a_power_loss_cost_is_counted(colours_index, tmp_path, monkeypatch):
    index = shutil.copytree(colours_index, tmp_path / "index")
    monkeypatch.setattr("windowshop.index.database._boot", lambda: b"an earlier start")
    with closing(Database(index)) as database, database.reading() as connection:
        (number,) = connection.execute("SELECT number FROM _transactions").fetchone()
        database._note(number + 2)
    monkeypatch.undo()
    with serving(index) as client:
        wait_until(lambda: "windowshop_lost_transactions 2.0" in client.get("/metrics").text)


def test_damaged_products_are_told_and_not_written_over(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    path = index / "shop.db"
    path.write_bytes(path.read_bytes().replace(b"blue shoe number 4", b"blue shoe number 5"))
    with serving(index) as client:
        wait_until(lambda: "writes" in client.get("/ready").json()["refused"])
        assert "damaged" in client.get("/ready").json()["refused"]["writes"]
        body = {"products": [{"product_id": "x", "title": "t"}]}
        found = client.post("/search", json={"text": "shoe"}).json()
        assert found["results"]  # searches go on with what they had, and so does feedback
        shown = {"search_id": found["search_id"], "product_id": "p0", "position": 1}
        assert client.post("/feedback", json=shown | {"event": "click"}).status_code == 200
        assert client.get("/products/p4").json()["product_id"] == "p4"
        told = client.put("/products", json=body)
        assert (told.status_code, told.json()["error"]["code"]) == (503, "damaged")
        message = told.json()["error"]["message"]
        assert re.match(r"shop\.db: the row 'p4' .* Restore .* start it again", message)
        assert str(index) not in told.text
