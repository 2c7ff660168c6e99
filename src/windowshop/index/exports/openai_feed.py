"""Products as a feed for OpenAI: a JSON object a line, by the field names of 2026.

What the specification requires and a catalogue lacks (an address, a price with a currency) comes
from the settings; rows that still lack it are left out and counted.
"""

import gzip
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import orjson
import polars as pl

from windowshop.data import parse_attributes, parse_images
from windowshop.errors import ConfigError
from windowshop.files import write_atomic

CURRENCY = re.compile(r"[A-Z]{3}")
AVAILABILITY = ("in_stock", "out_of_stock", "pre_order", "backorder", "unknown")
SAME = (
    "brand",
    "gtin",
    "mpn",
    "condition",
    "seller_name",
    "seller_url",
    "color",
    "size",
    "material",
)
"""Columns whose names and meanings are the feed's."""
MAX_TITLE, MAX_DESCRIPTION = 150, 5_000
"""Characters that the feed takes."""
REQUIRED = ("title", "url", "price", "image_url")


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedConfig:
    """Facts of a shop that its products table may lack."""

    currency: str = ""
    """ISO code, where the table has no column `currency`."""
    link: str = ""
    """Address of a product's page with {product_id} in it, where there is no column `link`."""
    image_link: str = ""
    """Address of an image with {image} in it, where there is no column `image_url`."""
    availability: str = "unknown"
    """Availability of products that name none."""
    seller_name: str = ""
    seller_url: str = ""
    country: str = ""
    """ISO code of the country that the shop sells in."""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.currency and not CURRENCY.fullmatch(self.currency):
            raise ConfigError(f"currency={self.currency!r} must be an ISO code, for example EUR.")
        for name, mark in (("link", "{product_id}"), ("image_link", "{image}")):
            value = getattr(self, name)
            if value and mark not in value:
                raise ConfigError(f"{name}={value!r} must have {mark} in it.")
        if self.availability not in AVAILABILITY:
            raise ConfigError(
                f"availability={self.availability!r} must be one of {', '.join(AVAILABILITY)}."
            )


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """Numbers of products in a feed, and of those left out by the field that they lack."""

    num_products: int
    lacking: dict[str, int]


def write_feed(products: pl.DataFrame, path: Path, config: FeedConfig) -> FeedCounts:
    """Write a feed as JSON lines, packed where the name ends in .gz."""
    lacking: Counter[str] = Counter()
    num = 0
    variants = Counter(products["group_id"].to_list()) if "group_id" in products.columns else {}

    def write(aside: Path) -> None:
        nonlocal num
        with _opened(aside, packed=path.suffix == ".gz") as file:
            for row in products.iter_rows(named=True):
                item = dict(_item(row, config, variants))
                absent = [name for name in REQUIRED if not item.get(name)]
                lacking.update(absent[:1])
                if not absent:
                    file.write(orjson.dumps(item) + b"\n")
                    num += 1

    write_atomic(path, write, "file")
    return FeedCounts(num, dict(lacking))


def _opened(path: Path, *, packed: bool) -> BinaryIO | gzip.GzipFile:
    """Open a file to write, packed without a time, so that the same products give the same file."""
    return gzip.GzipFile(path, "wb", mtime=0) if packed else path.open("wb")


def _item(
    row: Mapping[str, Any], config: FeedConfig, variants: Mapping[str, int]
) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a product that are there."""
    product, group = row["product_id"], row.get("group_id")
    yield "item_id", product
    yield "is_eligible_search", True
    yield "is_eligible_checkout", False
    if row.get("title"):
        yield "title", row["title"][:MAX_TITLE]
    yield "description", (row.get("description") or row.get("title") or "")[:MAX_DESCRIPTION]
    yield "url", row.get("link") or config.link.replace("{product_id}", quote(product, safe=""))
    images = _images(row, config)
    if images:
        yield "image_url", images[0]
        yield "additional_image_urls", images[1:]
    yield from _offer(row, config)
    if row.get("category"):
        yield "product_category", parse_images(row["category"])[0]
    yield "group_id", group or product
    yield "listing_has_variations", variants.get(group or product, 1) > 1
    options = parse_attributes(row.get("attributes"))
    texts = {name: value for name, value in options.items() if isinstance(value, str)}
    if texts:
        yield "variant_dict", texts
    for name in SAME:
        value = row.get(name) or texts.get(name)
        if isinstance(value, str):
            yield name, value


def _offer(row: Mapping[str, Any], config: FeedConfig) -> Iterator[tuple[str, Any]]:
    """Yield price, availability and seller."""
    currency = row.get("currency") or config.currency
    if row.get("price") is not None and currency:
        yield "price", f"{row['price']:.2f} {currency}"
    stated = str(row.get("availability") or "").strip().lower().replace(" ", "_")
    yield "availability", stated if stated in AVAILABILITY else config.availability
    for name, value in (("seller_name", config.seller_name), ("seller_url", config.seller_url)):
        if value:
            yield name, value
    if config.country:
        yield "target_countries", [config.country]
        yield "store_country", config.country


def _images(row: Mapping[str, Any], config: FeedConfig) -> list[str]:
    """Return the web addresses of a product's images."""
    named = [row.get("image_url"), *parse_images(row.get("image_urls"))]
    if not any(named) and config.image_link:
        files = [row.get("image"), *parse_images(row.get("images"))]
        named = [name and config.image_link.replace("{image}", quote(name)) for name in files]
    return [name for name in named if name]
