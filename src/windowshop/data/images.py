"""Image file -> RGB image under size limits, or the reason why there is none.

No bad image raises: a product with a broken one falls back to its text.
"""

import io
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageOps, UnidentifiedImageError

from windowshop.data.image_memory import DECODING
from windowshop.errors import SHORT, storage_error

ImageInput: TypeAlias = str | Path | bytes | Image.Image
"""A query's image: a path, a file's bytes, or a Pillow image."""

MAX_FILE_BYTES = 32 * 2**20
MAX_PIXELS = 60_000_000
"""Larger images are refused by their header, before a pixel is decoded."""
MIN_SIDE = 8
"""Pixels of the shorter side; smaller images are placeholders."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # Pillow opens MPO through JPEG
REDUCING_GAP = 2
"""Times the wanted side that an averaged image keeps, as `Image.thumbnail` does."""
MAX_AREA, MAX_KEPT_PIXELS = 16, 8_000_000
"""Most pixels of an image that was made smaller: of a square of the wanted side, and of any."""
BAND_PIXELS = 1_000_000
PIXEL_BYTES = 4
"""Bytes of a pixel in Pillow, of most modes."""
WEBP_COPIES = 4
"""Copies of a WebP image in memory while it is decoded: two of its library, two of Pillow."""
PROGRESSIVE_BYTES = 6
"""Bytes of a pixel's coefficients, all of which a progressive JPEG needs at once."""
DECODE_ERRORS = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, struct.error)
"""Errors of Pillow on damaged files of these formats, found by damaging files."""


@dataclass(frozen=True, slots=True)
class BrokenImage:
    """Reason why an image cannot be used: a short `kind` to count by, and details."""

    kind: str
    detail: str


def locate(root: Path, image: str) -> Path | BrokenImage:
    """Return the image's path below the data folder; a path that leads out is refused."""
    path = root / image
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a loop of links
        return BrokenImage("bad path", f"{image!r} is no path")
    if not inside:
        return BrokenImage("bad path", f"{image!r} leads out of the data folder")
    return path


def read_bytes(path: Path) -> bytes | BrokenImage:
    """Read a file's bytes, or return why they cannot be read.

    Raises StorageError where the system has no memory or open files left, which is not the file's
    fault.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            return BrokenImage("too large", f"{size} bytes, limit {MAX_FILE_BYTES}")
        return path.read_bytes()
    except FileNotFoundError:
        return BrokenImage("missing", "no such file")
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in SHORT:  # it may be readable later
            raise storage_error(path, error) from None
        return BrokenImage("unreadable", str(error))


def num_pixels(data: bytes) -> int:
    """Return how many pixels an image file says that it has; 0 where it is none."""
    try:
        width, height = Image.open(io.BytesIO(data), formats=FORMATS).size
    except (*DECODE_ERRORS, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return 0
    return int(width * height)


def decode(data: bytes, min_side: int = 0) -> Image.Image | BrokenImage:
    """Decode to an upright RGB image; transparency is laid on white, CMYK is converted.

    With `min_side`, a large image is made smaller while it is decoded. A JPEG is decoded at the
    smallest of its built-in scales whose short side still has `min_side` pixels, which is several
    times faster for camera images. Others are averaged down by a whole factor; their short side
    keeps twice `min_side`, so that scaling to that side gives the same image to the eye. An image
    many times as long as wide becomes smaller than that: its area is limited. All threads together
    decode within the memory of `DECODING`.
    """
    if not data:
        return BrokenImage("empty file", "0 bytes")
    try:
        return _decode(data, min_side)
    except UnidentifiedImageError:
        return BrokenImage("not an image", f"no {'/'.join(FORMATS)} header")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return BrokenImage("too large", f"over the limit of {MAX_PIXELS} pixels")
    except DECODE_ERRORS as error:
        return BrokenImage("truncated or corrupt", str(error) or type(error).__name__)


def _decode(data: bytes, min_side: int) -> Image.Image | BrokenImage:
    image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
        return BrokenImage("too large", f"{width}x{height} px, limit {MAX_PIXELS} pixels")
    if min(width, height) < MIN_SIDE:
        return BrokenImage("too small", f"{width}x{height} px, need {MIN_SIDE} each side")
    if min_side and image.format in ("JPEG", "MPO"):
        image.draft("RGB", (min_side, min_side))
    with DECODING.taken(_decode_bytes(image, width * height)):
        image.load()
        small = _reduced_rgb(image, _factor(image.size, min_side))
        small.info = image.info
        del image
    ImageOps.exif_transpose(small, in_place=True)
    small.info = {}
    return small


def _decode_bytes(image: Image.Image, num_pixels: int) -> int:
    """Estimate the bytes that decoding takes; `num_pixels` are those of the file."""
    width, height = image.size  # of the scale that a JPEG is decoded at
    own = PIXEL_BYTES * width * height
    if image.format in ("JPEG", "MPO"):
        return own + (PROGRESSIVE_BYTES * num_pixels if image.info.get("progressive") else 0)
    return own * (WEBP_COPIES if image.format == "WEBP" else 1)


def _factor(size: tuple[int, int], min_side: int) -> int:
    """Return the whole factor by which an image may be made smaller."""
    if not min_side:
        return 1
    most_pixels = min(MAX_KEPT_PIXELS, (MAX_AREA * min_side) * min_side)
    by_area = math.ceil(math.sqrt(size[0] * size[1] / most_pixels))
    return max(1, min(size) // (REDUCING_GAP * min_side), by_area)


def _reduced_rgb(image: Image.Image, factor: int) -> Image.Image:
    """Convert to RGB and average down, a band of rows after the other.

    So there is never a second copy of a large image.
    """
    width, height = image.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, BAND_PIXELS // (factor * width))
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if band.has_transparency_data:
            canvas = Image.new("RGBA", band.size, "white")
            canvas.alpha_composite(band.convert("RGBA"))
            band = canvas
        small.paste(band.convert("RGB").reduce(factor), (0, top // factor))
    return small


def broken_note(kind: str, count: int) -> str:
    """Return a sentence about product images that cannot be used."""
    return (
        f"Product images that cannot be used ({kind}): {count}. "
        "Products without another image are found by their text."
    )


def fit_square(image: Image.Image, side: int) -> Image.Image:
    """Scale the whole image into a square of `side` pixels, padded with white.

    A catalogue image fills its frame; a centre crop would cut off sleeves and shoes.
    """
    return ImageOps.pad(image, (side, side), Image.Resampling.BICUBIC, color="white")
