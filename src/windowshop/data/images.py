"""Image file -> RGB image under size limits, or the reason why there is none.

No bad image raises: a product with a broken one falls back to its text.
"""

import io
import math
import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, features

from windowshop.data.image_memory import DECODING
from windowshop.data.image_paths import (
    WEB_ADDRESS,
    image_folders,
    in_another_case,
    spellings,
)
from windowshop.errors import SHORT, storage_error

ImageInput: TypeAlias = str | Path | bytes | Image.Image
"""A query's image: a path, a file's bytes, or a Pillow image."""

MAX_FILE_BYTES = 32 * 2**20
MAX_PIXELS = 60_000_000
"""Larger images are refused by their header, before a pixel is decoded."""
MIN_SIDE = 8
"""Pixels of the shorter side; smaller images are placeholders."""
FORMATS: tuple[str, ...] = (
    "JPEG",
    "PNG",
    "WEBP",
    "GIF",
    "BMP",
    "TIFF",
)  # Pillow opens MPO through JPEG
if features.check("avif"):
    FORMATS += ("AVIF",)
with suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()
    FORMATS += ("HEIF",)
SIGNATURES = {
    "HTML": rb"\s*<(?:!doctype html|html)",
    "SVG": rb"\s*(?:<\?xml[^>]*>)?\s*(?:<!--.*?-->\s*)?<svg",
    "PDF": rb"%PDF",
    "AVIF": rb".{4}ftypavi[fs]",
    "HEIC": rb".{4}ftyp(?:hei|hev|mif1|msf1)",
    "JPEG 2000": rb"\x00\x00\x00\x0cjP",
    "JPEG XL": rb"\xff\x0a|\x00\x00\x00\x0cJXL",
    "PSD": rb"8BPS",
    "ICO": rb"\x00\x00\x01\x00",
    "ZIP": rb"PK",
}
"""First bytes of formats that are no images here, to name them."""
MAX_LOST_ROWS, MAX_LOST = 18, 8
"""Most rows that the end of a JPEG may lack, and the share of the image (1/8)."""
_END, _MORE = b"\xff\xd9", b"\x55" * 64
"""Mark of a JPEG's end; bytes of an image, if it goes on."""
MAX_PADDED = 16
"""Most bytes at the end that a WebP or BMP file may lack."""
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
    """Return the image's path below the data folder, however an export writes it.

    Or below the folder that `columns.yaml` names for images. A path that leads out of both, by
    links too, is refused, and so is a web address.
    """
    if WEB_ADDRESS.match(image):
        return BrokenImage("web address", f"{image!r} is on the web")
    folders = image_folders(root)
    found = [_locate(folder, image, folders) for folder in folders]
    return next((path for path in found if isinstance(path, Path) and _is_file(path)), found[0])


def _locate(root: Path, image: str, folders: tuple[Path, ...]) -> Path | BrokenImage:
    as_written = _inside(root, image, folders)
    if isinstance(as_written, Path) and _is_file(as_written):
        return as_written
    names = list(spellings(image))
    cased = (in_another_case(root, name) for name in names)
    for name in (*names, *(str(path.relative_to(root)) for path in cased if path is not None)):
        place = _inside(root, name, folders)
        if isinstance(place, Path) and _is_file(place):
            return place
    return as_written


def _inside(root: Path, image: str, folders: tuple[Path, ...]) -> Path | BrokenImage:
    path = root / image
    try:
        whole = path.resolve()
        inside = any(whole.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a loop of links
        return BrokenImage("bad path", f"{image!r} is no path")
    if not inside:
        return BrokenImage("bad path", f"{image!r} leads out of the data folder")
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


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
    """Decode to an upright sRGB image as a browser shows it; transparency is laid on white.

    Colour profiles and CMYK are converted, 16 bits and floats scaled; the last rows of a JPEG may
    be missing.

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
        return BrokenImage("not an image", _format_found(data))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return BrokenImage("too large", f"over the limit of {MAX_PIXELS} pixels")
    except DECODE_ERRORS as error:
        return BrokenImage("truncated or corrupt", str(error) or type(error).__name__)


def _decode(data: bytes, min_side: int) -> Image.Image | BrokenImage:
    data = _padded(data)
    image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
        return BrokenImage("too large", f"{width}x{height} px, limit {MAX_PIXELS} pixels")
    if min(width, height) < MIN_SIDE:
        return BrokenImage("too small", f"{width}x{height} px, need {MIN_SIDE} each side")
    if min_side and image.format in ("JPEG", "MPO"):
        image.draft("RGB", (min_side, min_side))
    with DECODING.taken(_decode_bytes(image, width * height)):
        image = _loaded(image, data, min_side)
        small = _reduced_rgb(image, _factor(image.size, min_side))
        small.info = image.info
        del image
    ImageOps.exif_transpose(small, in_place=True)
    small.info = {}
    return small


def _loaded(image: Image.Image, data: bytes, min_side: int) -> Image.Image:
    """Load an image; of a JPEG, the end may be missing, as browsers allow."""
    try:
        image.load()
        return image
    except OSError:
        if image.format not in ("JPEG", "MPO"):
            raise
        mended = _ended(data, min_side)
        if not _lacks_its_end(image, mended, data, min_side):
            raise
        return mended


def _ended(data: bytes, min_side: int) -> Image.Image:
    """Load a cut JPEG with the mark of its end."""
    image: Image.Image = Image.open(io.BytesIO(data + _END), formats=FORMATS)
    if min_side:
        image.draft("RGB", (min_side, min_side))
    image.load()
    return image


def _lacks_its_end(image: Image.Image, mended: Image.Image, data: bytes, min_side: int) -> bool:
    """Return whether a cut JPEG lacks no more than its last rows.

    Where bytes behind it change nothing, it lacks the mark of its end alone.
    """
    if data.endswith(b"\xff") or mended.tobytes() == _ended(data + _MORE, min_side).tobytes():
        return True
    try:
        box = image.im.getbbox()
    except AssertionError:  # nothing was decoded
        return False
    lost = image.height - (box[3] if box else 0)
    return lost <= min(MAX_LOST_ROWS, image.height // MAX_LOST)


def _padded(data: bytes) -> bytes:
    """Return a WebP or BMP file that lacks its last bytes with zeros for them."""
    size = 0
    if data[:4] == b"RIFF":
        size = int.from_bytes(data[4:8], "little") + 8
    elif data[:2] == b"BM":
        size = int.from_bytes(data[2:6], "little")
    lacking = size - len(data)
    return data + bytes(lacking) if 0 < lacking <= MAX_PADDED else data


def _format_found(data: bytes) -> str:
    """Describe the format of a file that is no image here."""
    named = [n for n, start in SIGNATURES.items() if re.match(start, data[:500], re.I | re.S)]
    return f"found {named[0]}" if named else f"no {'/'.join(FORMATS)} header"


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
    to_srgb = _transform_of(image)
    highest = _highest(image)
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, BAND_PIXELS // (factor * width))
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if highest:
            band = _eight_bits(band, highest)
        if to_srgb is not None:
            band = _in_srgb(band, to_srgb)
        if band.has_transparency_data:
            canvas = Image.new("RGBA", band.size, "white")
            canvas.alpha_composite(band.convert("RGBA"))
            band = canvas
        small.paste(band.convert("RGB").reduce(factor), (0, top // factor))
    return small


def _in_srgb(band: Image.Image, to_srgb: ImageCms.ImageCmsTransform) -> Image.Image:
    """Convert colours to sRGB, transparency kept."""
    if band.mode == "P":
        band = band.convert("RGBA" if band.has_transparency_data else "RGB")
    alpha = band.getchannel("A") if band.mode == "RGBA" else None
    plain = band.convert("RGB") if alpha is not None else band
    if plain.mode != to_srgb.input_mode:
        return band
    plain = ImageCms.applyTransform(plain, to_srgb) or plain
    if alpha is not None:
        plain.putalpha(alpha)
    return plain


def _transform_of(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """Return the transform from an image's colour profile to sRGB; None without need of one."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "P", "CMYK"):
        return None
    mode = image.mode if image.mode == "CMYK" else "RGB"
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(own):
            return None
        return ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # browsers ignore it too
        return None


def _highest(image: Image.Image) -> float:
    """Return the value that is white in an image of 16 bits or of floats; 0 for another."""
    if not image.mode.startswith(("I", "F")):
        return 0
    values = np.asarray(image, dtype=np.float32)
    top = float(np.nanmax(values)) if values.size else 0.0
    if image.mode.startswith("I"):
        return 65535.0 if top > 255 else 255.0
    return 1.0 if top <= 1 else max(255.0, top)


def _eight_bits(band: Image.Image, highest: float) -> Image.Image:
    values = np.nan_to_num(np.asarray(band, dtype=np.float32)) * (255 / highest)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


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
