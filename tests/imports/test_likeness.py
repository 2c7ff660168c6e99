import time

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw
from support.image_hosts import answer, config, shop_of

from windowshop.data import read_products
from windowshop.imports import fetch_images, render_fetch
from windowshop.imports.images.likeness import Likenesses, alike_groups, likeness_of
from windowshop.imports.images.placeholders import is_named_so, titles_unlike


def likenesses(hashes, flat=()):
    num = len(hashes)
    is_flat = np.isin(np.arange(num), flat)
    codes = np.array(hashes, dtype=np.uint64)
    return Likenesses(codes, is_flat, np.zeros((num, 768), np.uint8))


def flipped(code, *bits):
    for bit in bits:
        code ^= 1 << int(bit)
    return code


@pytest.mark.parametrize("max_bits", [0, 1, 4, 9])
def test_groups_are_those_of_comparing_with_every_leader(max_bits):
    rng = np.random.default_rng(max_bits)
    base = [int(code) for code in rng.integers(0, 2**64, 60, dtype=np.uint64)]
    near = [flipped(c, *rng.choice(64, rng.integers(0, 12), replace=False)) for c in base * 4]
    codes = base + [int(c) for c in near]
    wanted = {}
    for i, code in enumerate(codes):
        like = [j for j in wanted if (codes[j] ^ code).bit_count() <= max_bits]
        wanted.setdefault(like[0] if like else i, []).append(i)
    found = alike_groups(likenesses(codes), max_bits)
    assert sorted(found) == [group for group in wanted.values() if len(group) > 1]
    assert len(found) > 10


def test_a_group_is_like_its_first_and_flat_images_are_in_none():
    code = 0x123456789ABCDEF0
    chain = [flipped(code, *range(i)) for i in (0, 2, 4, 6)]
    assert alike_groups(likenesses(chain), 2) == [[0, 1], [2, 3]]
    assert alike_groups(likenesses([code] * 3, flat=[1]), 2) == [[0, 2]]
    assert alike_groups(likenesses([]), 2) == []


def test_pictures_of_another_colour_are_not_alike():
    codes = likenesses([7, 7])
    codes.picture_NV[1] = 100
    assert alike_groups(codes, 4) == []


def test_a_hundred_thousand_images_take_seconds():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2**63, 100_000)
    codes[::10] = codes[0]  # ten thousand are the same
    codes[1::10] &= 0xFFFF  # and as many share most bands
    started = time.monotonic()
    groups = alike_groups(likenesses(codes), 4)
    assert max(map(len, groups)) >= 10_000
    assert time.monotonic() - started < 60


def drawn(seed, size=(200, 260), shade=0):
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = rng.integers(0, 150), rng.integers(0, 200)
        colour = tuple(int(c) for c in np.clip(rng.integers(0, 200, 3) + shade, 0, 255))
        draw.ellipse((x, y, x + rng.integers(20, 90), y + rng.integers(20, 90)), fill=colour)
    return image


def saved(image, format="JPEG", **options):
    import io

    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def test_sizes_and_encodings_of_one_picture_are_alike_and_others_are_not():
    image = drawn(1)
    stored = [likeness_of(i) for i in (image, image.resize((100, 130)), drawn(2), drawn(3))]
    assert alike_groups(Likenesses.read(stored), 4) == [[0, 1]]


TITLES = ["Oak table", "Garden hose 20 m", "Blue wool scarf", "Espresso machine", "Running shoes"]


def test_placeholders_are_found_and_not_used(host, tmp_path):
    none = drawn(9)
    same = answer(body=saved(none))
    host.pages = {f"/same-{i}.jpg": same for i in range(4)}
    host.pages["/small.jpg"] = answer(body=saved(none.resize((120, 156)), "PNG"))
    host.pages["/no-image.jpg"] = answer(body=saved(drawn(8)))
    host.pages["/grey.jpg"] = answer(body=saved(Image.new("RGB", (50, 50), "grey")))
    host.pages["/own.jpg"] = answer(body=saved(drawn(7)))
    titles = [*TITLES, "Desk lamp", "Wine glass", "Oak chair"]
    shop = shop_of(tmp_path / "shop", [host.url(path) for path in host.pages])
    table = pl.read_parquet(shop / "products.parquet").with_columns(title=pl.Series(titles))
    table.write_parquet(shop / "products.parquet")
    report = fetch_images(shop, config())
    assert {f.kind: f.count for f in report.placeholders} == {
        "same picture for unlike products": 5,
        "named so": 1,
        "flat picture": 1,
    }
    assert read_products(shop)["image"].is_not_null().to_list() == [False] * 7 + [True]
    assert len(render_fetch(report).renderables) == 2


def test_sizes_of_a_product_share_their_picture_rightly(host, tmp_path):
    host.pages = {"/ring.jpg": answer(body=saved(drawn(1)))}
    shop = shop_of(tmp_path / "shop", [host.url("/ring.jpg")] * 8)
    table = pl.read_parquet(shop / "products.parquet")
    table = table.with_columns(title=pl.format("Silver ring with stone, size {}", "product_id"))
    table.write_parquet(shop / "products.parquet")
    report = fetch_images(shop, config())
    assert (report.placeholders, report.num_with_image) == ((), 8)
    assert (report.num_alike, report.num_grouped) == (1, 0)
    assert report.alike == (tuple(f"p{i}" for i in range(8)),)
    assert fetch_images(shop, config(group_near_duplicates=True)).num_grouped == 7
    assert read_products(shop)["group_id"].to_list() == ["p0"] * 8


def test_unlike_titles_are_not_grouped(host, tmp_path):
    host.pages = {
        "/a": answer(body=saved(drawn(1))),
        "/b": answer(body=saved(drawn(1), quality=60)),
    }
    shop = shop_of(tmp_path / "shop", [host.url("/a"), host.url("/b")])
    table = pl.read_parquet(shop / "products.parquet")
    table = table.with_columns(title=pl.Series(["Corner sofa", "Woollen blanket"]))
    table.write_parquet(shop / "products.parquet")
    report = fetch_images(shop, config(group_near_duplicates=True))
    assert (report.num_alike, report.num_grouped) == (1, 0)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://a.com/no_image.gif", True),
        ("https://a.com/img/NoPhoto-600x600.jpg?x=1", True),
        ("https://a.com/woocommerce-placeholder.png", True),
        ("https://a.com/image%20coming%20soon.jpg", True),
        ("https://a.com/kein-bild.jpg", True),
        ("https://a.com/piano-image.jpg", False),
        ("https://a.com/no-image-shop/red-shoe.jpg", False),
        ("https://a.com/casino-picture.jpg", False),
    ],
)
def test_names_of_placeholders(url, named):
    assert is_named_so(url) is named


def test_titles_of_variants_are_alike():
    assert titles_unlike(TITLES)
    assert not titles_unlike([f"Trail shoe, black, {size}" for size in range(38, 46)])
    assert not titles_unlike(["", ""])
