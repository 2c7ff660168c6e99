"""Product rows -> paths of their images, first `image`, then those of `images`."""

import numpy as np
import polars as pl

from windowshop.data.json_text import parse_json


def image_names_of(products: pl.DataFrame) -> tuple[list[str | None], np.ndarray]:
    """Return the image paths of all products, in row order, and the row of each.

    Every product has an entry for `image`, None where it names none.
    """
    images: list[str | None] = products["image"].to_list()
    if "images" not in products.columns or products["images"].null_count() == len(products):
        return images, np.arange(len(images))
    listed = [parse_images(value) for value in products["images"].to_list()]
    owner = np.repeat(np.arange(len(images)), [1 + len(more) for more in listed])
    every = [image for first, more in zip(images, listed, strict=True) for image in (first, *more)]
    return every, owner


def further_images(products: pl.DataFrame) -> pl.DataFrame:
    """Return the paths in `images` as `image`, each with the `row` of its product."""
    listed = [(i, p) for i, v in enumerate(products["images"]) for p in parse_images(v)]
    return pl.DataFrame(listed, schema={"row": pl.Int64, "image": pl.String}, orient="row")


def parse_images(value: str | list[str | None] | None) -> list[str]:
    """Return the paths of a list or of JSON text; text that is no JSON list is one path."""
    if isinstance(value, str):
        try:
            parsed = parse_json(value)
        except (ValueError, RecursionError):
            parsed = value
        value = parsed if isinstance(parsed, list) else [value]
    return [str(item) for item in value or () if item is not None and str(item).strip()]
