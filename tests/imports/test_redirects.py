"""Redirects to private addresses, with a host that counts as public."""

import pytest
from support.image_hosts import answer, config, jpeg, kinds, shop_of

from windowshop.imports import fetch_images
from windowshop.imports.images import addresses


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:{port}/secret",
        "http://[::1]:{port}/secret",
        "http://[::ffff:127.0.0.2]:{port}/secret",
        "http://2130706434:{port}/secret",
        "//127.0.0.2:{port}/secret",
    ],
)
def test_a_redirect_to_a_private_address_is_refused(host, tmp_path, monkeypatch, target):
    real = addresses.is_public
    monkeypatch.setattr(addresses, "is_public", lambda a: a == "127.0.0.1" or real(a))
    location = target.format(port=host.server_address[1])
    if "localhost" in target:  # which is the public host of this test
        monkeypatch.setattr(addresses, "is_public", lambda a: len(host.asked) == 0 or real(a))
    host.pages = {"/a": answer("302 Found", Location=location), "/secret": answer(body=jpeg())}
    shop = shop_of(tmp_path / "shop", [host.url("/a")])
    report = fetch_images(shop, config(allow_private=False, attempts=1))
    assert kinds(report) == {"private address": 1}
    assert host.count("/secret") == 0
