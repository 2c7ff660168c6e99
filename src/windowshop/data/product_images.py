"""Product rows -> the photos that each names, first `image`, then those of `images`."""

import numpy as np
import polars as pl

from windowshop.data.json_text import parse_json


def product_photos(products: pl.DataFrame) -> tuple[list[str | None], np.ndarray]:
    """Every photo of every product, in row order, and the row that each is of.

    A product has an entry for its `image` in any case, None where it names none.
    """
    photos: list[str | None] = products["image"].to_list()
    if "images" not in products.columns or products["images"].null_count() == len(products):
        return photos, np.arange(len(photos))
    listed = [parse_images(value) for value in products["images"].to_list()]
    owner = np.repeat(np.arange(len(photos)), [1 + len(more) for more in listed])
    every = [photo for first, more in zip(photos, listed, strict=True) for photo in (first, *more)]
    return every, owner


def further_photos(products: pl.DataFrame) -> pl.DataFrame:
    """The photos in `images`: `row` of the product in the table, and `image`."""
    listed = [(i, p) for i, v in enumerate(products["images"]) for p in parse_images(v)]
    return pl.DataFrame(listed, schema={"row": pl.Int64, "image": pl.String}, orient="row")


def parse_images(value: str | list[str | None] | None) -> list[str]:
    """The paths in a list or in JSON text; text that is no JSON list is one path."""
    if isinstance(value, str):
        try:
            parsed = parse_json(value)
        except (ValueError, RecursionError):
            parsed = value
        value = parsed if isinstance(parsed, list) else [value]
    return [str(item) for item in value or () if item is not None and str(item).strip()]
