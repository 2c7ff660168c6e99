"""The photo files that tables name -> a hash of each that can be used, a reason for each other."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
import xxhash

from windowshop.data.images import BrokenImage, decode, locate, read_bytes
from windowshop.progress import Reporter

NUM_THREADS = 4
CHUNK = 128
PHOTO_SCHEMA = {
    "image": pl.String(),
    "photo_hash": pl.UInt64(),
    "photo_kind": pl.String(),
    "photo_detail": pl.String(),
}
"""`photo_hash` is of the file's content, null where the photo is broken; then the last two say why
(images.BrokenImage)."""


@dataclass(frozen=True, slots=True)
class _Photo:
    image: str
    photo_hash: int | None = None
    photo_kind: str | None = None
    photo_detail: str | None = None


def scan_photos(root: Path, columns: Sequence[pl.Series], reporter: Reporter) -> pl.DataFrame:
    """Read and wholly decode each photo that the columns name; one row of PHOTO_SCHEMA a path."""
    paths = pl.concat(columns).drop_nulls().unique(maintain_order=True)
    parts = [pl.DataFrame(schema=PHOTO_SCHEMA)]
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(NUM_THREADS) as pool,
        reporter.bar("Check photos", len(paths)) as advance,
    ):
        warnings.simplefilter("ignore")  # Pillow warns of what the result tells anyway
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK].to_list()
            photos = list(pool.map(partial(_scan, root), chunk))
            parts.append(pl.DataFrame(photos, schema=PHOTO_SCHEMA))
            advance(len(chunk), "")
    return pl.concat(parts)


def _scan(root: Path, image: str) -> _Photo:
    path = locate(root, image)
    data = path if isinstance(path, BrokenImage) else read_bytes(path)
    if isinstance(data, BrokenImage):
        return _Photo(image, photo_kind=data.kind, photo_detail=data.detail)
    photo = decode(data)
    if isinstance(photo, BrokenImage):
        return _Photo(image, photo_kind=photo.kind, photo_detail=photo.detail)
    return _Photo(image, photo_hash=xxhash.xxh3_64_intdigest(data))
