"""Products over HTTP, while the disk of the service is full or its database is damaged.

What was acknowledged is there once, in its latest version, and nothing that was not sent.
"""

import random
import re
import shutil
from contextlib import closing

import pytest
from support.faults import small_disk, some, tried
from support.services import Server, serving, wait_until
from support.shop_clients import Feed, titles

from windowshop.index.check import check_generations
from windowshop.index.database import Database

pytestmark = pytest.mark.slow
MEGABYTE = 2**20


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
