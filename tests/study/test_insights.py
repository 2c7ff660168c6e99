import base64
import io

import pytest
from PIL import Image

from windowshop.study.report.insights import EXAMPLE_SIDE, thumbnail


def embedded(address):
    head, data = address.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return base64.b64decode(data, validate=True)


def test_thumbnails_are_small_jpegs_without_metadata(tmp_path):
    exif = Image.Exif()
    exif[0x013B] = "somebody"
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (1000, 500), "teal").save(path, comment=b"a secret", exif=exif)
    data = embedded(thumbnail(path))
    assert Image.open(io.BytesIO(data)).size == (EXAMPLE_SIDE, EXAMPLE_SIDE // 2)
    assert b"secret" not in data
    assert b"somebody" not in data


def test_small_images_are_not_enlarged(tmp_path):
    path = tmp_path / "small.png"
    Image.new("RGBA", (40, 60), (255, 0, 0, 0)).save(path)
    image = Image.open(io.BytesIO(embedded(thumbnail(path))))
    assert image.size == (40, 60)
    assert image.getpixel((20, 30)) == (255, 255, 255)


@pytest.mark.parametrize("content", [b"", b"<svg onload='alert(1)'/>", b"\xff\xd8\xff\xe0broken"])
def test_broken_and_missing_images_have_no_thumbnail(tmp_path, content):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    assert thumbnail(path) is None
    assert thumbnail(tmp_path / "missing.jpg") is None
