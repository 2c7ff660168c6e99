"""Image file -> RGB image under size limits, or the reason why there is none.

Nothing here raises for a bad image: a product with a broken one falls back to its text.
"""

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageOps, UnidentifiedImageError

ImageInput: TypeAlias = str | Path | bytes | Image.Image
"""A query's image: a path, a file's bytes, or a Pillow image."""

MAX_FILE_BYTES = 32 * 2**20
MAX_PIXELS = 60_000_000
"""Larger images are refused by their header, before a pixel is decoded."""
MIN_SIDE = 8
"""Pixels of the shorter side; smaller images are placeholders."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # Pillow opens MPO through JPEG
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
    """Read a file's bytes, or return why they cannot be read."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            return BrokenImage("too large", f"{size} bytes, limit {MAX_FILE_BYTES}")
        return path.read_bytes()
    except FileNotFoundError:
        return BrokenImage("missing", "no such file")
    except (OSError, ValueError) as error:
        return BrokenImage("unreadable", str(error))


def decode(data: bytes, min_side: int = 0) -> Image.Image | BrokenImage:
    """Decode to an upright RGB image; transparency is laid on white, CMYK is converted.

    With `min_side`, a JPEG is decoded at the smallest of its built-in scales whose short side
    still has `min_side` pixels, which is several times faster for camera images.
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
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(canvas, image.convert("RGBA"))
    return image.convert("RGB")


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
