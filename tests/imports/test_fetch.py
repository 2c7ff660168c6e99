import gzip
import io
import json
import time

import polars as pl
import pytest
from PIL import Image
from support.image_hosts import answer, config, free_port, jpeg, kinds, shop_of
from support.shops import HUGE_PNG, image_bytes

from windowshop.data import MAX_FILE_BYTES, check_dataset, read_products
from windowshop.errors import ConfigError, DataError, StorageError
from windowshop.imports import fetch_images, render_fetch


def test_images_come_into_the_shop(host, tmp_path):
    host.pages = {f"/{i}.jpg": answer(body=jpeg(i)) for i in range(4)}
    urls = [host.url(f"/{i}.jpg") for i in range(3)]
    shop = shop_of(tmp_path / "shop", urls, image_urls=[[host.url("/3.jpg")], None, []])
    report = fetch_images(shop, config())
    assert (report.num_fetched, report.num_with_image, report.failures) == (4, 3, ())
    products = read_products(shop)
    for i, name in enumerate(products["image"]):
        assert (shop / name).read_bytes() == jpeg(i)
    assert products["images"].null_count() == 2
    assert products["image_url"].to_list() == urls
    assert check_dataset(shop).ok
    assert "3 of 3 products have an image" in render_fetch(report).renderables[0].plain
    assert json.loads((shop / "images/report.json").read_text())["num_fetched"] == 4
    assert host.asked[0][1]["user-agent"].startswith("windowshop/")


def test_a_table_of_another_format_is_kept_beside(host, tmp_path):
    host.pages = {"/a%20b.png": answer(body=image_bytes(1))}
    (tmp_path / "products.csv").write_text(
        'product_id;title;image;price\n007;"A &amp; c";' + host.url("/a b.png") + ";3,50\n"
    )
    fetch_images(tmp_path, config())
    assert (tmp_path / "products.csv.before").is_file()
    product = read_products(tmp_path).row(0, named=True)
    assert (product["product_id"], product["price"], product["title"]) == ("007", 3.5, "A & c")
    assert product["image"].startswith("images/")
    assert product["image_url"] == host.url("/a b.png")


def test_a_failure_drops_no_product_and_is_named(host, tmp_path):
    def endless(headers, send):
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".replace(b"100", b"9" * 12))
        while not host.stopped.is_set():
            send(b"x" * 2**20)

    def dripping(headers, send):
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
        while not host.stopped.wait(0.05):
            send(b"x")

    def silent(headers, send):
        host.stopped.wait(10)

    half = jpeg(1, (640, 480))
    bomb = gzip.compress(b"\0" * (MAX_FILE_BYTES + 2**20))
    host.pages = {
        "/page": answer(body=b"<!doctype html><p>no such image", Content_Type="image/jpeg"),
        "/named-text": answer(body=jpeg(5), Content_Type="text/plain"),
        "/half": answer(body=half[: len(half) // 2]),
        "/short": answer(body=half[: len(half) // 2], length=len(half)),
        "/long": answer(body=half, length=len(half) // 2),
        "/huge": answer(body=HUGE_PNG),
        "/tiny": answer(body=image_bytes(size=(1, 1))),
        "/bomb": answer(body=bomb, Content_Encoding="gzip"),
        "/brotli": answer(body=b"x", Content_Encoding="br"),
        "/zipped": answer(body=gzip.compress(jpeg(6)), Content_Encoding="gzip"),
        "/endless": endless,
        "/dripping": dripping,
        "/silent": silent,
        "/empty": answer(),
        "/no-content": answer("204 No Content"),
        "/forbidden": answer("403 Forbidden"),
        "/nowhere": answer("302 Found", Location="ftp://example.com/a.jpg"),
        "/loop": answer("302 Found", Location="/loop"),
        "/garbage": b"not HTTP at all\r\n\r\n",
        "/good": answer(body=jpeg(7)),
    }
    urls = [*(host.url(path) for path in host.pages), host.url("/missing")]
    urls += ["ftp://example.com/a.jpg", "http://", "http://nosuchhost.invalid/a.jpg"]
    urls += [f"http://127.0.0.1:{free_port()}/closed.jpg", "//[::bad/a.jpg"]
    shop = shop_of(tmp_path / "shop", urls)
    report = fetch_images(shop, config(attempts=1, max_failures=100, connections=8))
    assert kinds(report) == {
        "not an image": 1,
        "truncated or corrupt": 2,
        "no connection": 3,
        "too large": 3,
        "too small": 1,
        "unknown encoding": 1,
        "too slow": 2,
        "empty file": 1,
        "status 204": 1,
        "status 403": 1,
        "status 404": 1,
        "bad address": 4,
        "too many redirects": 1,
        "no such host": 1,
    }
    products = read_products(shop)
    assert len(products) == len(urls)
    assert products["image"].is_not_null().sum() == report.num_with_image == 3


def test_redirects_are_followed_to_a_limit(host, tmp_path):
    host.pages = {f"/{i}": answer("301 Moved", Location=f"/{i + 1}") for i in range(6)}
    host.pages["/6"] = answer(body=jpeg())
    shop = shop_of(tmp_path / "shop", [host.url("/0"), host.url("/1")])
    report = fetch_images(shop, config())
    assert kinds(report) == {"too many redirects": 1}
    assert report.num_with_image == 1


def test_a_host_that_asks_for_time_gets_it(host, tmp_path):
    busy = answer("429 Too Many Requests", Retry_After="1")
    host.pages = {"/a": [busy, answer(body=jpeg())], "/b": answer(body=jpeg(1))}
    shop = shop_of(tmp_path / "shop", [host.url("/a"), host.url("/b")])
    started = time.monotonic()
    report = fetch_images(shop, config(connections=1))
    assert (report.num_fetched, host.count("/a")) == (2, 2)
    assert time.monotonic() - started >= 1


def test_a_host_that_asks_for_too_much_time_is_left(host, tmp_path):
    host.pages = {
        f"/{i}": answer("429 Too Many Requests", Retry_After="Wed, 21 Oct 2099 07:28:00 GMT")
        for i in range(5)
    }
    shop = shop_of(tmp_path / "shop", [host.url(path) for path in host.pages])
    assert kinds(fetch_images(shop, config(connections=1))) == {"asked to wait": 5}
    assert len(host.asked) == 1


def test_what_passes_is_asked_again_and_what_stays_is_not(host, tmp_path):
    host.pages = {
        "/a": [answer("500 Oops"), answer("503 Busy"), answer(body=jpeg())],
        "/b": answer("404 Not Found"),
        "/c": answer("502 Bad Gateway"),
    }
    shop = shop_of(tmp_path / "shop", [host.url(path) for path in host.pages])
    report = fetch_images(shop, config())
    assert kinds(report) == {"status 404": 1, "status 502": 1}
    assert [host.count(path) for path in host.pages] == [3, 1, 3]


def test_a_host_that_is_down_is_not_asked_for_ever(host, tmp_path):
    port = free_port()
    urls = [f"http://127.0.0.1:{port}/{i}.jpg" for i in range(40)]
    shop = shop_of(tmp_path / "shop", urls)
    report = fetch_images(shop, config(attempts=1, max_failures=5, connections=1))
    assert kinds(report) == {"host is down": 35, "no connection": 5}


def test_connections_and_requests_are_limited(host, tmp_path):
    def slow(headers, send):
        time.sleep(0.05)
        return answer(body=jpeg())

    host.pages = {f"/{i}": slow for i in range(12)}
    shop = shop_of(tmp_path / "shop", [host.url(path) for path in host.pages])
    started = time.monotonic()
    fetch_images(shop, config(connections=2, rate=20.0))
    assert time.monotonic() - started >= 11 / 20
    assert host.most_open == 2


def test_a_known_image_is_not_sent_again(host, tmp_path):
    def conditional(headers, send):
        known = headers.get("if-none-match") == '"v1"'
        known &= headers.get("if-modified-since") == "Mon, 01 Jan 2024 00:00:00 GMT"
        if known:
            return answer("304 Not Modified", ETag='"v1"')
        return answer(body=jpeg(), ETag='"v1"', Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")

    host.pages = {"/a": conditional}
    shop = shop_of(tmp_path / "shop", [host.url("/a")])
    fetch_images(shop, config())
    image = read_products(shop)["image"][0]
    assert fetch_images(shop, config()).num_known == 1
    assert host.count("/a") == 1
    assert fetch_images(shop, config(max_age_hours=0)).num_unchanged == 1
    assert read_products(shop)["image"][0] == image
    (shop / image).unlink()
    assert fetch_images(shop, config()).num_fetched == 1
    assert (shop / image).is_file()


def test_a_changed_image_replaces_the_old_one_and_a_dead_link_keeps_it(host, tmp_path):
    host.pages = {"/a": answer(body=jpeg(1)), "/b": answer(body=jpeg(2))}
    shop = shop_of(tmp_path / "shop", [host.url("/a"), host.url("/b")])
    fetch_images(shop, config())
    before = read_products(shop)["image"].to_list()
    host.pages = {"/a": answer(body=jpeg(3))}
    report = fetch_images(shop, config(max_age_hours=0))
    changed, kept = read_products(shop).rows(named=True)
    assert (shop / changed["image"]).read_bytes() == jpeg(3)
    assert (kept["image"], changed["images"]) == (before[1], None)
    assert kinds(report) == {"status 404": 1}


def test_large_images_are_made_small_and_turned_upright(host, tmp_path):
    wide = Image.new("RGB", (3000, 1500), "red")
    wide.paste("blue", (0, 0, 1500, 1500))
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    wide.save(buffer, "JPEG", exif=exif)
    see_through = io.BytesIO()
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(see_through, "PNG")
    host.pages = {"/a": answer(body=buffer.getvalue()), "/b": answer(body=see_through.getvalue())}
    shop = shop_of(tmp_path / "shop", [host.url("/a"), host.url("/b")])
    report = fetch_images(shop, config(max_side=256))
    with Image.open(shop / read_products(shop)["image"][0]) as image:
        image.load()
    assert (image.size, image.format, dict(image.getexif())) == ((128, 256), "JPEG", {})
    assert {f.kind: f.count for f in report.placeholders} == {"flat picture": 1}
    assert read_products(shop)["image"].null_count() == 1


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/x.jpg", "http://localhost:{port}/x.jpg"]
)
def test_private_addresses_are_refused(host, tmp_path, target):
    host.pages = {"/x.jpg": answer(body=jpeg())}
    url = target.format(port=host.server_address[1])
    shop = shop_of(tmp_path / "shop", [url])
    assert kinds(fetch_images(shop, config(allow_private=False))) == {"private address": 1}
    assert host.asked == []


def test_a_table_without_addresses_and_wrong_settings_are_named(tmp_path):
    frame = pl.DataFrame({"product_id": ["1"], "title": ["A"], "image": ["a.jpg"]})
    frame.write_parquet(tmp_path / "products.parquet")
    with pytest.raises(DataError, match="image_url"):
        fetch_images(tmp_path)
    for wrong in ({"rate": 0}, {"max_side": 10}, {"max_bits": 16}, {"user_agent": "a\r\nX: b"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            config(**wrong)


def test_a_damaged_record_file_is_named(host, tmp_path):
    shop = shop_of(tmp_path / "shop", [host.url("/a")])
    (shop / "images").mkdir()
    (shop / "images/fetched.db").write_bytes(b"no database" * 1000)
    with pytest.raises(DataError, match="asked for again"):
        fetch_images(shop, config())


def test_two_runs_do_not_mix(host, tmp_path):
    shop = shop_of(tmp_path / "shop", [host.url("/a")])

    def other_run(headers, send):
        with pytest.raises(StorageError, match="another process"):
            fetch_images(shop, config())
        return answer(body=jpeg())

    host.pages = {"/a": other_run}
    assert fetch_images(shop, config(seconds=60.0, silent_seconds=60.0)).num_fetched == 1
