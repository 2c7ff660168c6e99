import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from support.shops import HUGE_PNG, image_bytes

from windowshop.data import images, read_products
from windowshop.data.images import FORMATS as IMAGE_FORMATS
from windowshop.data.images import (
    MAX_AREA,
    MAX_FILE_BYTES,
    BrokenImage,
    decode,
    fit_square,
    locate,
    read_bytes,
)
from windowshop.errors import ConfigError

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO"]


CLEAR_REFS = Path("/proc/self/clear_refs")


def memory_mb():
    """Resident memory and its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return {name: int(found[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")}


def encoded(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_becomes_rgb(format):
    image = decode(image_bytes(format=format, size=(20, 12)))
    assert (image.mode, image.size) == ("RGB", (20, 12))


@pytest.mark.parametrize(
    ("mode", "format"),
    [("CMYK", "JPEG"), ("L", "JPEG"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("CMYK", "TIFF")],
)
def test_every_mode_becomes_rgb(mode, format):
    image = decode(image_bytes(mode=mode, format=format))
    assert (image.mode, image.size) == ("RGB", (16, 16))


def test_cmyk_keeps_its_colour():
    red = Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK")
    pixel = decode(encoded(red, "JPEG", quality=95)).getpixel((8, 8))
    assert np.allclose(pixel, (200, 30, 30), atol=8)


@pytest.mark.parametrize("bits", ["I;16", "F", "F255"])
def test_deep_images_are_scaled_and_not_clipped(bits):
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    if bits == "I;16":
        data = encoded(Image.fromarray((ramp * 65535).astype(np.uint16)), "PNG")
    else:
        data = encoded(Image.fromarray(ramp * (255 if bits == "F255" else 1)), "TIFF")
    shown = np.asarray(decode(data))[:, :, 0]
    assert np.abs(shown.astype(float) - ramp * 255).max() <= 1


def test_colour_profiles_are_converted_as_browsers_do():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = srgb.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    for old, new in ((b"rXYZ", b"????"), (b"bXYZ", b"rXYZ"), (b"????", b"bXYZ")):
        profile = profile.replace(old, new)  # its red is sRGB's blue
    red = Image.new("RGB", (16, 16), (200, 30, 30))
    plain = decode(encoded(red, "PNG")).getpixel((8, 8))
    shown = decode(encoded(red, "PNG", icc_profile=profile)).getpixel((8, 8))
    assert np.allclose(shown, (30, 30, 200), atol=3)
    for other in (red.convert("RGBA"), red.convert("P", palette=Image.Palette.ADAPTIVE)):
        turned = decode(encoded(other, "PNG", icc_profile=profile)).getpixel((8, 8))
        assert np.allclose(turned, (30, 30, 200), atol=3)
    assert decode(encoded(red, "PNG", icc_profile=srgb)).getpixel((8, 8)) == plain
    assert decode(encoded(red, "PNG", icc_profile=b"no profile")).getpixel((8, 8)) == plain


@pytest.mark.skipif("AVIF" not in IMAGE_FORMATS, reason="this Pillow has no AVIF")
def test_avif_is_read():
    red = Image.new("RGB", (32, 32), (200, 30, 30))
    assert np.allclose(decode(encoded(red, "AVIF")).getpixel((8, 8)), (200, 30, 30), atol=8)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_last_byte_is_used(progressive):
    noise = np.random.default_rng(0).integers(0, 255, (400, 300, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), "JPEG", progressive=progressive)
    shown = decode(whole)
    assert np.array_equal(decode(whole[:-1]), shown)
    assert np.array_equal(decode(whole[:-2]), shown)
    if not progressive:
        assert np.array_equal(np.asarray(decode(whole[:-50]))[:380], np.asarray(shown)[:380])
    assert decode(whole[: len(whole) // 2]).kind == "truncated or corrupt"


@pytest.mark.parametrize("size", [(16, 12), (64, 48)])
def test_a_small_jpeg_without_its_end_is_used(size):
    whole = encoded(Image.new("RGB", size, (200, 30, 30)), "JPEG")
    assert np.array_equal(decode(whole[:-2]), decode(whole))


@pytest.mark.parametrize("format", ["WEBP", "BMP"])
def test_a_file_without_its_last_byte_is_used(format):
    whole = image_bytes(format=format, size=(40, 40))
    assert decode(whole[:-1]).size == (40, 40)
    assert isinstance(decode(whole[: len(whole) // 3]), BrokenImage)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<!DOCTYPE html><html>", "HTML"), (b'<?xml version="1.0"?><svg ', "SVG"),
        (b"%PDF-1.7", "PDF"), (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
    ],
)  # fmt: skip
def test_other_formats_are_named(data, name):
    assert decode(data).detail == f"found {name}"


@pytest.mark.parametrize(
    "written",
    [
        "images/plain.jpg", "images\\plain.jpg", "/images/plain.jpg", "./images/plain.jpg",
        " images/plain.jpg ", "images/plain.jpg?v=2", "images/PLAIN.JPG", "Images/plain.jpg#x",
        "file://{root}/images/plain.jpg", "file:///images/plain.jpg", "{root}/images/plain.jpg",
        "C:\\images\\plain.jpg", "images/red shirt.jpg", "images/red%20shirt.jpg",
        "images/caf\u00e9.jpg", "images/cafe\u0301.jpg", "images/caf%C3%A9.jpg", "images/50%.jpg",
        "images/caf%E9.jpg", "images/red+shirt.jpg", "'images/plain.jpg'",
        "\ufeffimages/plain.jpg\u200b",
        "C:\\shop\\images\\plain.jpg", "/var/www/media/images/plain.jpg", "plain.jpg",
        "images/plain.jpg|images/red shirt.jpg", "images/plain.jpg, images/other.jpg",
        "images/a&amp;b.jpg", "images/it&#39;s.jpg",
    ],
)  # fmt: skip
def test_paths_are_read_as_exports_write_them(tmp_path, written):
    (tmp_path / "images").mkdir()
    for name in ("plain.jpg", "red shirt.jpg", "cafe\u0301.jpg", "50%.jpg", "a&b.jpg", "it's.jpg"):
        (tmp_path / "images" / name).write_bytes(b"x")
    assert locate(tmp_path, written.format(root=tmp_path)).read_bytes() == b"x"


def test_a_path_that_leads_out_is_refused_however_it_is_written(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"x")
    root = tmp_path / "data"
    root.mkdir()
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    for written in (
        "../secret.jpg", "..\\secret.jpg", "%2e%2e/secret.jpg", "..%2fsecret.jpg", "link.jpg",
        "LINK.jpg", f"file://{tmp_path}/secret.jpg", f"{tmp_path}/secret.jpg", "x/../../secret.jpg",
    ):  # fmt: skip
        found = locate(root, written)
        assert isinstance(found, BrokenImage) or not found.exists(), written
    assert locate(root, "https://cdn.example/a.jpg").kind == "web address"


def test_transparency_is_laid_on_white():
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    assert decode(encoded(clear)).getpixel((3, 3)) == (255, 255, 255)


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif)
    assert decode(turned).size == (20, 40)


def test_min_side_bounds_the_decoded_jpeg():
    large = image_bytes(size=(800, 1600), format="JPEG")
    assert decode(large, min_side=100).size == (100, 200)
    assert decode(large, min_side=101).size == (200, 400)
    assert decode(large).size == (800, 1600)


def test_min_side_bounds_images_without_scales_of_their_own():
    tall = image_bytes(size=(800, 1600))
    assert decode(tall, min_side=100).size == (200, 400)  # twice the side is kept
    assert decode(tall, min_side=300).size == (800, 1600)
    assert decode(tall).size == (800, 1600)
    assert decode(image_bytes(size=(805, 401)), min_side=100).size == (403, 201)


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_min_side_bounds_the_area_of_a_long_strip(format):
    strip = decode(image_bytes(size=(8, 60_000), format=format), min_side=32)
    assert strip.width * strip.height <= 2 * MAX_AREA * 32**2
    assert fit_square(strip, 32).size == (32, 32)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "I;16"])
def test_an_image_that_is_made_smaller_looks_the_same(mode, monkeypatch):
    monkeypatch.setattr(images, "BAND_PIXELS", 4_000)  # many bands
    x_1W, y_H1 = np.linspace(0, 255, 400), np.linspace(0, 255, 240)[:, None]
    ramp_HW3 = np.stack(np.broadcast_arrays(x_1W, y_H1, 255 - x_1W), axis=2).astype(np.uint8)
    image = Image.fromarray(ramp_HW3)
    if mode == "I;16":
        image = Image.fromarray(ramp_HW3[..., 0].astype(np.uint16))
    elif "A" in mode:
        image.putalpha(Image.fromarray(ramp_HW3[..., 1]))
        image = image.convert(mode)
    else:
        image = image.convert(mode)
    content = encoded(image)
    small, whole = (np.asarray(fit_square(decode(content, s), 40)).astype(int) for s in (40, 0))
    assert decode(content, 40).size == (134, 80)
    assert abs(small - whole).mean() < 3


def test_a_small_image_is_turned_and_keeps_no_notes():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(Image.new("RGB", (400, 200)), "PNG", exif=exif)
    image = decode(content, min_side=50)
    assert (image.size, image.info) == ((100, 200), {})


@pytest.mark.skipif(not CLEAR_REFS.exists(), reason="the peak of memory is known on Linux only")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_large_image_is_in_memory_once_and_then_given_back(mode):
    content = encoded(Image.new(mode, (4_000, 4_000)))
    decode(content, 64)
    CLEAR_REFS.write_text("5")  # the peak is that from now on
    before = memory_mb()
    decode(content, 64)
    after = memory_mb()
    assert after["VmHWM"] - before["VmRSS"] < 1.4 * 64
    assert after["VmRSS"] - before["VmRSS"] < 16


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty file"),
        (b"text in a file named .jpg", "not an image"),
        (b"<html>404</html>" * 100, "not an image"),
        (image_bytes()[:-100], "truncated or corrupt"),
        (image_bytes(format="JPEG", size=(64, 64))[:-500], "truncated or corrupt"),
        (image_bytes(size=(1, 1)), "too small"),
        (image_bytes(size=(400, 7)), "too small"),
        (HUGE_PNG, "too large"),
    ],
)
def test_broken_images_have_a_kind(data, kind):
    image = decode(data)
    assert isinstance(image, BrokenImage)
    assert image.kind == kind
    assert image.detail


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some damage
@pytest.mark.parametrize("format", FORMATS)
def test_damage_never_raises(format):
    chance = random.Random(format)
    whole = image_bytes(format=format)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 2, 5])):
            data[chance.randrange(min(len(data), chance.choice([40, 150, len(data)])))] = (
                chance.randrange(256)
            )
        image = decode(bytes(data[: chance.randrange(1, 2 * len(data))]), chance.choice([0, 8]))
        assert isinstance(image, Image.Image | BrokenImage)


def test_locate_stays_in_the_folder(tmp_path):
    assert locate(tmp_path, "images/č 1.jpg") == tmp_path / "images/č 1.jpg"
    assert locate(tmp_path, "a/../b.jpg") == tmp_path / "a/../b.jpg"


@pytest.mark.parametrize("image", ["../x.jpg", "a/../../x.jpg", "/etc/passwd", "a\0.jpg"])
def test_locate_refuses_other_paths(tmp_path, image):
    assert locate(tmp_path, image).kind == "bad path"


def test_locate_refuses_links_that_lead_out(tmp_path):
    shop = tmp_path / "shop"
    shop.mkdir()
    (tmp_path / "secret.jpg").write_bytes(image_bytes())
    (shop / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    assert locate(shop, "link.jpg").kind == "bad path"


def test_a_loop_of_links_is_broken(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    path = locate(tmp_path, "a")  # only some Python versions notice here
    assert isinstance(path if isinstance(path, BrokenImage) else read_bytes(path), BrokenImage)


def test_read_bytes(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"123")
    assert read_bytes(tmp_path / "a.jpg") == b"123"
    assert read_bytes(tmp_path / "b.jpg").kind == "missing"
    assert read_bytes(tmp_path).kind == "unreadable"
    assert read_bytes(tmp_path / ("x" * 5000)).kind == "unreadable"


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert read_bytes(tmp_path / "huge.jpg").kind == "too large"


def test_fit_square_keeps_the_whole_image():
    square = fit_square(Image.new("RGB", (40, 20), "black"), 64)
    assert square.size == (64, 64)
    assert square.getpixel((32, 32)) == (0, 0, 0)
    assert square.getpixel((32, 4)) == (255, 255, 255)


def test_images_elsewhere_are_found_where_they_are_told(tmp_path):
    root, elsewhere, secret = tmp_path / "shop", tmp_path / "disk", tmp_path / "secret"
    for folder in (root, elsewhere / "a", secret):
        folder.mkdir(parents=True)
    (elsewhere / "a" / "1.jpg").write_bytes(b"image")
    (secret / "2.jpg").write_bytes(b"image")
    (root / "link.jpg").symlink_to(elsewhere / "a" / "1.jpg")
    (elsewhere / "out.jpg").symlink_to(secret / "2.jpg")
    assert locate(root, "link.jpg").kind == "bad path"
    assert not locate(root, "a/1.jpg").is_file()
    (root / "columns.yaml").write_text(f"images: {elsewhere}\n")
    assert locate(root, "a/1.jpg").read_bytes() == b"image"
    assert locate(root, "A\\1.JPG").read_bytes() == b"image"
    assert locate(root, "link.jpg").read_bytes() == b"image"
    for path in ("out.jpg", "../secret/2.jpg", str(secret / "2.jpg")):
        found = locate(root, path)
        assert not isinstance(found, Path) or not found.is_file()
    (root / "columns.yaml").write_text("images: ../disk\nlanguage: en\n")
    assert locate(root, "a/1.jpg").read_bytes() == b"image"


def test_a_folder_of_images_that_is_none_is_named(tmp_path):
    (tmp_path / "products.csv").write_text("product_id,title\n1,a\n")
    (tmp_path / "columns.yaml").write_text("images: gone\n")
    with pytest.raises(ConfigError, match="images: gone is no folder"):
        read_products(tmp_path)
