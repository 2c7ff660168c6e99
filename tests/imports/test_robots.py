"""robots.txt of hosts, and stored images that nothing names any more."""

import json

from support.image_hosts import answer, config, jpeg, kinds, shop_of

from windowshop.imports import fetch_images, render_fetch

RULES = b"User-agent: *\nDisallow: /private/\nCrawl-delay: 0.01\n\nUser-agent: other\nDisallow: /\n"


def pages(robots):
    return {"/robots.txt": robots, "/a.jpg": answer(body=jpeg(1)),
            "/private/b.jpg": answer(body=jpeg(2)),
            "/leads.jpg": answer("302 Found", Location="/private/b.jpg")}  # fmt: skip


def test_what_robots_txt_forbids_is_not_asked_for(host, tmp_path):
    host.pages = pages(answer(body=RULES))
    urls = [host.url(path) for path in ("/a.jpg", "/private/b.jpg", "/leads.jpg")]
    report = fetch_images(shop_of(tmp_path / "shop", urls), config(robots=True))
    assert kinds(report) == {"forbidden by robots.txt": 2}
    assert report.num_fetched == 1
    assert (host.count("/robots.txt"), host.count("/private/b.jpg")) == (1, 0)
    own = fetch_images(shop_of(tmp_path / "own", urls), config())
    assert own.failures == ()
    assert host.count("/robots.txt") == 1


def test_an_absent_or_broken_robots_txt_allows_all(host, tmp_path):
    broken = [answer("404 Not Found"), answer("500 Oops"), answer(body=b"\xff\0<html>" * 99)]
    for place, robots in enumerate(broken):
        host.pages = pages(robots)
        shop = shop_of(tmp_path / f"shop{place}", [host.url("/private/b.jpg")])
        assert fetch_images(shop, config(robots=True)).num_fetched == 1


def test_the_import_command_passes_the_options_of_a_download(cli, host, tmp_path):
    host.pages = pages(answer(body=RULES))
    (tmp_path / "feed.csv").write_text(
        f"id,title,image\n1,Shoe,{host.url('/a.jpg')}\n2,Hat,{host.url('/private/b.jpg')}\n"
    )
    command = ["import", tmp_path / "feed.csv", "--out", tmp_path / "shop", "--fetch-images"]
    told = cli(*command, "--allow-private", "--rate", 500, "--user-agent", "me/1")
    assert told.code == 0, told.err
    assert "1 of 2 products have an image" in told.err
    told = cli(*command, "--allow-private", "--rate", 500, "--ignore-robots")
    assert "2 of 2 products have an image" in told.err
    assert {headers["user-agent"].split("/")[0] for _, headers in host.asked} == {
        "me",
        "windowshop",
    }


def test_images_that_no_product_names_are_counted_and_removed_when_told(host, tmp_path):
    host.pages = {f"/{i}.jpg": answer(body=jpeg(i)) for i in range(2)}
    urls = [host.url("/0.jpg"), host.url("/1.jpg")]
    shop = shop_of(tmp_path / "shop", urls)
    assert fetch_images(shop, config()).num_unused == 0
    (shop / "images" / "mine.jpg").write_bytes(b"mine")
    shop_of(tmp_path / "shop", urls[:1])
    report = fetch_images(shop, config())
    assert (report.num_unused, report.removed_unused) == (1, False)
    assert "--remove-unused" in render_fetch(report).renderables[0].plain
    assert len([*(shop / "images").glob("??/*.jpg")]) == 2
    report = fetch_images(shop, config(remove_unused=True))
    assert (report.num_unused, report.num_with_image) == (1, 1)
    assert len([*(shop / "images").glob("??/*.jpg")]) == 1
    assert (shop / "images" / "mine.jpg").exists()
    assert json.loads((shop / "images/report.json").read_text())["removed_unused"] is True
