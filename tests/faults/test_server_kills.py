"""A service that is killed while many write: what was acknowledged is there once, and only that."""

import random
import shutil
import threading
from contextlib import contextmanager
from functools import partial

import pytest
from support.faults import num_tried, some, tried
from support.killing import die_before_change
from support.services import Server, wait_until
from support.shop_clients import Feed, Shopper, administer, check_feedback, titles

from windowshop.index.check import check_generations

pytestmark = pytest.mark.slow
SECONDS, CHANGES = 1.0, 400
"""Longest time, and most changes of files and statements of the database, before a kill."""
WHAT = "server under writes, events and grades"
LATEST = 10.0
"""Seconds after which a service that made fewer changes is killed."""


@contextmanager
def writing(server, feeds, shoppers, admin):
    """Let clients write to a service within the block, at whose end it has died."""
    stop = threading.Event()
    clients = [*feeds, *shoppers]
    threads = [threading.Thread(target=client.run, args=(server, stop)) for client in clients]
    if admin is not None:
        threads.append(threading.Thread(target=administer, args=(server, stop, admin)))
    for thread in threads:
        thread.start()
    yield
    server.process.kill()
    stop.set()
    for thread in threads:
        thread.join()


def check_start(server, feeds, shoppers):
    """Compare what a service has with what was acknowledged; returns titles of other products."""
    found = titles(server)
    for feed in feeds:
        feed.check(found)
    for shopper in shoppers:
        for event in sorted(shopper.acknowledged)[:2]:
            shopper.send(server, event)  # known after any number of kills
    return {name: title for name, title in found.items() if not name.startswith("f")}


def test_what_was_acknowledged_survives_kills(build_colours, colours_index, tmp_path):
    """Half of the kills during admin calls, half before a change of a file or of the database."""
    index, armed = shutil.copytree(colours_index, tmp_path / "index"), tmp_path / "armed"
    build_colours(index)
    rng = random.Random(2)
    feeds, shoppers = [Feed(0), Feed(1)], [Shopper(0), Shopper(1)]
    others = None
    for number in range(num_tried("kill", WHAT), some(4, 300)):
        admin = rng if number % 4 > 1 else None
        dies = None
        if number % 2 and others is not None:
            dies = partial(die_before_change, rng.randint(1, CHANGES), armed)
        with Server(index, before=dies) as server:
            server.wait_ready()
            found = check_start(server, feeds, shoppers)
            assert found == (others or found)
            armed.touch()
            with writing(server, feeds, shoppers, admin):
                if others is None:  # a busy machine may have answered none yet
                    wait_until(lambda: all(feed.num_acknowledged for feed in feeds))
                    wait_until(lambda: all(shopper.acknowledged for shopper in shoppers))
                others = found
                server.process.join(LATEST if dies else rng.uniform(0.05, SECONDS))
        armed.unlink()
        if number % some(1, 5) == 0:
            check_feedback(index, shoppers)
            assert [text for check in check_generations(index) for text in check.damage] == []
        for shopper in shoppers:
            shopper.forget()
        tried("kill", WHAT, admin=admin is not None)
    check_feedback(index, shoppers)
    with Server(index) as server:
        server.wait_ready()
        server.ask("POST", "/admin/compact")
        assert server.end()[0] == 0
    assert [path for path in index.rglob("*") if path.name.startswith(".")] == []
    for generation in (index / "generations").iterdir():
        assert len(list(generation.glob("engine-*"))) == 1
        assert len(list(generation.glob("products-*"))) == 1
