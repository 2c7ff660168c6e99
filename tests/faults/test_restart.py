"""Restarts of a killed service with many products, each a new process that imports everything."""

import multiprocessing
import time

import pytest
from support.faults import some, tried
from support.indexes import shop_rows, write_colours
from support.killing import CONTEXT
from support.services import Server

from windowshop.data.dataset import read_dataset
from windowshop.index.build import build_index
from windowshop.progress import SilentReporter

pytestmark = pytest.mark.slow
SPAWN = multiprocessing.get_context("spawn")
NUM_PRODUCTS, NUM_KILLS = some(200, 10_000), some(1, 15)


def test_a_killed_service_is_soon_ready_again(colours_model, tmp_path):
    rows = shop_rows(12) + [{"product_id": f"n{i}", "title": f"thing {i}", "price": i / 7,
                             "image": None} for i in range(NUM_PRODUCTS - 12)]  # fmt: skip
    write_colours(tmp_path / "data", rows)
    index, dataset = tmp_path / "index", read_dataset(tmp_path / "data")
    build_index(colours_model, dataset, index, tmp_path / "cache", SilentReporter())
    num_written, expected = 0, NUM_PRODUCTS
    for number in range(NUM_KILLS + 1):
        begun = time.monotonic()
        with Server(index, context=SPAWN if number else CONTEXT) as server:
            server.wait_ready()
            if number:
                tried("restart", "service", seconds=time.monotonic() - begun, products=expected)
            assert server.ask("POST", "/search", {"limit": 1})[1]["total"] == expected
            end = time.monotonic() + 2
            while time.monotonic() < end or not num_written:
                row = {"product_id": f"w{num_written}", "title": "thing"}
                assert server.ask("PUT", "/products", {"products": [row]})[0] == 200
                num_written += 1
            expected = NUM_PRODUCTS + num_written
            server.process.kill()
