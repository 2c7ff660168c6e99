"""A small shop behind its real service, and a browser to look at its page with."""

import json
import shutil
import socket
import threading
import time
import urllib.request
from contextlib import contextmanager

import uvicorn
from support.indexes import QRELS, QUERIES
from support.shops import image_bytes, write_shop

from windowshop.data.dataset import read_dataset
from windowshop.index.build import IndexConfig, build_index
from windowshop.progress import SilentReporter
from windowshop.service.app import create_app
from windowshop.service.config import ServiceConfig
from windowshop.service.generation_pool import GenerationPool

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
COLOURS, KINDS, BRANDS = ("red", "blue", "green"), ("shoe", "shirt"), ("Nike", "Puma", "Acme")
ATTACK = '<x tabindex="1" autofocus onfocus="window.attacked=1"> img shoe'
"""A tag that is none of HTML's, which reading a catalogue leaves in a text."""
NUM_PRODUCTS = 130


def shop_rows():
    """Shoes and shirts of three colours and brands; p0 has a hostile title, p1 no image.

    The last ten are variants of five groups; brands differ from colours, so that facets cut.
    """
    rows = []
    for i in range(NUM_PRODUCTS):
        colour, kind, brand = COLOURS[i % 3], KINDS[i // 3 % 2], BRANDS[i // 6 % 3]
        rows.append(
            {
                "product_id": f"p{i}",
                "group_id": f"g{i % 5}" if i >= NUM_PRODUCTS - 10 else f"own{i}",
                "title": ATTACK if i == 0 else f"{brand} {colour} {kind} {i}",
                "description": f"A {colour} {kind}.\nMade by {brand}.",
                "brand": brand,
                "category": "Footwear > Shoes" if kind == "shoe" else "Clothing > Shirts",
                "price": 10.0 + i,
                "attributes": json.dumps({"colour": colour}),
                "image": None if i == 1 else f"{i % 4}.png",
                "on_sale": None if i == 2 else i % 5 == 0,
            }
        )
    return rows


def judged_table(count):
    """A table of judged queries of that shop: a product's title, then products of its kind."""
    lines = ["query,product_id,grade"]
    rows = shop_rows()
    for row in rows[1 : count + 1]:
        text = row["title"].lower()
        brand, colour, kind, _ = text.split()
        for other in rows[1:]:
            words = other["title"].lower().split()
            if other is row or words[:3] == [brand, colour, kind]:
                lines.append(f"{text},{other['product_id']},{3 if other is row else 1}")
    return "\n".join(lines)


def index_shop(model, folder):
    """An index of that shop, with two generations of it."""
    images = {f"{i}.png": image_bytes(i, size=(40, 40)) for i in range(4)}
    tables = {"products": shop_rows(), "queries": QUERIES, "qrels": QRELS}
    data = read_dataset(write_shop(folder / "data", tables, images))
    for _ in range(2):
        config = IndexConfig(engine="exact")
        build_index(model, data, folder / "index", folder / "cache", SilentReporter(), config)
    return folder / "index"


@contextmanager
def served(index, keys=None, also=("g1",), **settings):
    """The address at which the index is served meanwhile."""
    app = create_app(GenerationPool(index, also=also), ServiceConfig(**settings), keys)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started and app.state.service.pool.state == "ready")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def until(happened, seconds=20):
    """Wait for what another thread, or the page, is about to do."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def answer(address, **request):
    """Answer of the service itself."""
    body = json.dumps({"collapse": True, "limit": 24, **request}).encode()
    head = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{address}search", data=body, headers=head)
    with urllib.request.urlopen(asked) as response:
        return json.load(response)


def settled(page):
    """Wait until the results are drawn; the ids of the cards."""
    page.wait_for_selector("#cards:not([aria-busy]) .card[data-id], .empty")
    return page.eval_on_selector_all("#cards .card[data-id]", "all => all.map(x => x.dataset.id)")


def drawn(page, count):
    """Wait until so many cards are drawn; their ids."""
    until(lambda: page.locator("#cards:not([aria-busy]) .card[data-id]").count() == count)
    return settled(page)


def stop_timers(page):
    """Let nothing on the page happen by the passing of time, until it is loaded again.

    Cards then stay while an answer is awaited, and a grade is held back until it is released.
    """
    page.evaluate("window.setTimeout = () => 0")


def asked_for(page, held):
    """Wait until the page has sent a request that is held."""
    until(lambda: page.evaluate("true") and held)


def after(page, action, path="/search"):
    """The JSON body that the page sends when something is done, once its answer is drawn."""
    with page.expect_response(lambda got: got.url.endswith(path)) as got:
        action()
    settled(page)
    return got.value.request.post_data_json if path == "/search" else None


def ask(page, text):
    page.fill("#query", text)
    return after(page, lambda: page.press("#query", "Enter"))
