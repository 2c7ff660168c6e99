"""The commands that download images."""

import json

import polars as pl
from support.image_hosts import answer, jpeg, shop_of


def test_the_command_reports_and_goes_by_its_options(cli, host, tmp_path):
    host.pages = {f"/{i}.jpg": answer(body=jpeg(i)) for i in range(2)}
    urls = [*(host.url(path) for path in host.pages), host.url("/gone.jpg")]
    shop = shop_of(tmp_path / "shop", urls)
    told = cli("fetch-images", shop, "--allow-private", "--rate", 500, "--user-agent", "me/1")
    assert (told.code, told.err.count("Traceback")) == (0, 0)
    assert "2 of 3 products have an image" in told.out
    assert "status 404" in told.out
    assert {headers["user-agent"] for _, headers in host.asked} == {"me/1"}
    told = cli("fetch-images", shop, "--allow-private", "--rate", 500, "--json")
    assert json.loads(told.out)["num_known"] == 2


def test_private_addresses_need_the_option(cli, host, tmp_path):
    shop = shop_of(tmp_path / "shop", [host.url("/a.jpg")])
    told = cli("fetch-images", shop)
    assert told.code == 0
    assert "private address" in told.out
    assert host.asked == []


def test_a_wrong_name_is_an_error(cli, host, tmp_path):
    shop = shop_of(tmp_path / "shop", [host.url("/a.jpg")])
    told = cli("fetch-images", shop, "--user-agent", "a\nb")
    assert (told.code, told.err.count("user_agent")) == (1, 1)


def test_an_import_may_fetch_images_at_once(cli, host, tmp_path):
    address = host.url("/a.jpg")
    (tmp_path / "feed.csv").write_text(f"id,title,image\n1,Red shoe,{address}\n2,Hat,{address}\n")
    told = cli("import", tmp_path / "feed.csv", "--out", tmp_path / "shop", "--fetch-images")
    assert told.code == 0, told.err
    assert "private address" in told.err
    assert "2 products" in told.out
    products = pl.read_parquet(tmp_path / "shop/products.parquet")
    assert products["image_url"].to_list() == [address, address]
    (tmp_path / "bare.csv").write_text("id,title\n1,Red shoe\n2,Hat\n")
    told = cli("import", tmp_path / "bare.csv", "--out", tmp_path / "bare", "--fetch-images")
    assert told.code == 0
    assert "no web address of an image" in told.err
