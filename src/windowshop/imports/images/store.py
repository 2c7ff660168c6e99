"""Downloaded bytes -> a checked image of a useful size, stored once under its content's hash."""

import io
import os
import threading
import warnings
from pathlib import Path

import xxhash
from PIL import Image

from windowshop.data import BrokenImage, decode
from windowshop.files import write_atomic
from windowshop.imports.images.config import FetchFailure
from windowshop.imports.images.likeness import likeness_of

FOLDER = "images"
"""Folder of the stored images below the shop's."""
QUALITY = 90
MAX_KEPT_BYTES = 1_000_000
"""A larger JPEG is encoded again, whatever its size in pixels."""
LOCKS = tuple(threading.Lock() for _ in range(64))
"""Locks of the files being written, by hash."""


def store(shop: Path, data: bytes, max_side: int) -> tuple[str, bytes]:
    """Check an image, make it small and store it; returns its path below `shop` and its likeness.

    A JPEG that is small enough stays as it came; all else is encoded as one, upright and without
    notes. Raises FetchFailure for what is no usable image.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, on odd files
        image = decode(data, max_side)
    if isinstance(image, BrokenImage):
        raise FetchFailure(image.kind, image.detail)
    kept = data if _is_small_jpeg(data, max_side) else _encoded(image, max_side)
    digest = xxhash.xxh3_128_hexdigest(kept)
    name = f"{FOLDER}/{digest[:2]}/{digest}.jpg"
    with LOCKS[int(digest[:2], 16) % len(LOCKS)]:
        if not is_stored(shop, name, len(kept)):
            write_atomic(shop / name, lambda aside: aside.write_bytes(kept))
    return name, likeness_of(image)


def is_stored(shop: Path, name: str, num_bytes: int = 0) -> bool:
    """Return whether an image file is there, of the given length where one is given."""
    try:
        size = os.stat(shop / name).st_size
    except OSError:
        return False
    return size == num_bytes if num_bytes else size > 0


def _is_small_jpeg(data: bytes, max_side: int) -> bool:
    if len(data) > MAX_KEPT_BYTES or not data.startswith(b"\xff\xd8"):
        return False
    image = Image.open(io.BytesIO(data))
    return image.format == "JPEG" and image.mode == "RGB" and max(image.size) <= max_side


def _encoded(image: Image.Image, max_side: int) -> bytes:
    small = image.copy()
    small.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()
