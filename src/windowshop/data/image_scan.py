"""Image files that tables name -> a content hash of each, or why it cannot be used."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import polars as pl
import xxhash

from windowshop.data.images import MIN_SIDE, BrokenImage, decode, locate, read_bytes
from windowshop.progress import Reporter

NUM_THREADS = 4
CHUNK = 128
IMAGE_SCHEMA = {
    "image": pl.String(),
    "image_hash": pl.UInt64(),
    "image_kind": pl.String(),
    "image_detail": pl.String(),
}
"""`image_hash` is of the file's content; of a broken image it is null, and the last two say why."""


def scan_images(root: Path, columns: Sequence[pl.Series], reporter: Reporter) -> pl.DataFrame:
    """Decode each image that the columns name; returns one row of IMAGE_SCHEMA a path."""
    paths = pl.concat(columns).drop_nulls().unique(maintain_order=True)
    parts = [pl.DataFrame(schema=IMAGE_SCHEMA)]
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(NUM_THREADS) as pool,
        reporter.bar("Check images", len(paths)) as advance,
    ):
        warnings.simplefilter("ignore")  # what Pillow warns of is in the result
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK].to_list()
            images = list(pool.map(partial(_scan, root), chunk))
            parts.append(pl.DataFrame(images, schema=IMAGE_SCHEMA, orient="row"))
            advance(len(chunk), "")
    return pl.concat(parts)


def _scan(root: Path, image: str) -> tuple[str, int | None, str | None, str | None]:
    """Return a row of IMAGE_SCHEMA."""
    path = locate(root, image)
    data = path if isinstance(path, BrokenImage) else read_bytes(path)
    decoded = data if isinstance(data, BrokenImage) else decode(data, MIN_SIDE)
    if isinstance(decoded, BrokenImage):
        return image, None, decoded.kind, decoded.detail
    assert isinstance(data, bytes)
    return image, xxhash.xxh3_64_intdigest(data), None, None
