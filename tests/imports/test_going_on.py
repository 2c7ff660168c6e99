"""A download that is killed goes on where it was."""

import multiprocessing
import os
import signal
import time

import pytest
from support.image_hosts import answer, config, jpeg, shop_of

from windowshop.data import read_products
from windowshop.errors import StorageError
from windowshop.imports import fetch_images
from windowshop.imports.images import fetch

CONTEXT = multiprocessing.get_context("forkserver")


def _fetch(shop):
    fetch_images(shop, config(connections=1, rate=20.0))


@pytest.mark.slow
def test_what_was_fetched_is_not_fetched_again(host, tmp_path):
    host.pages = {f"/{i}": answer(body=jpeg(i)) for i in range(60)}
    host.pages["/3"] = answer("404 Not Found")
    shop = shop_of(tmp_path / "shop", [host.url(path) for path in host.pages])
    child = CONTEXT.Process(target=_fetch, args=(shop,))
    child.start()
    while len(host.asked) < 30 and child.is_alive():
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    num_before = len(host.asked)
    assert read_products(shop)["image"].null_count() == 60
    report = fetch_images(shop, config())
    assert report.num_known >= num_before // 3  # commits are half a second apart
    assert len(host.asked) == num_before + 60 - report.num_known - (host.count("/3") == 1)
    assert report.num_with_image == 59
    assert not list((shop / "images").glob("*/.*"))
    fetch_images(shop, config(max_age_hours=0))
    assert host.count("/3") >= 2  # a new run asks again for what failed


def test_a_kill_before_the_table_is_written_loses_nothing(host, tmp_path, monkeypatch):
    host.pages = {"/a": answer(body=jpeg())}
    shop = shop_of(tmp_path / "shop", [host.url("/a")])
    with monkeypatch.context() as patched:
        patched.setattr("windowshop.imports.images.fetch.write_images", _stopped)
        with pytest.raises(KeyboardInterrupt):
            fetch_images(shop, config())
    assert fetch_images(shop, config(max_age_hours=0)).num_known == 1
    assert host.count("/a") == 1
    assert read_products(shop)["image"].null_count() == 0


def test_a_full_disk_is_named_and_what_came_before_stays(host, tmp_path, monkeypatch):
    host.pages = {f"/{i}": answer(body=jpeg(i)) for i in range(5)}
    shop = shop_of(tmp_path / "shop", [host.url(path) for path in host.pages])
    real = fetch.store

    def filling(shop, data, max_side):
        if data == jpeg(3):
            raise StorageError("the disk is full")
        return real(shop, data, max_side)

    with monkeypatch.context() as patched:
        patched.setattr(fetch, "store", filling)
        with pytest.raises(StorageError, match="the disk is full"):
            fetch_images(shop, config(connections=1))
    report = fetch_images(shop, config())
    assert (report.num_known, report.num_fetched) == (3, 2)


def _stopped(*args):
    raise KeyboardInterrupt
