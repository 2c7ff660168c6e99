"""Search results -> one HTML page that stands alone: no script, no font, no file beside it.

Photos go in as small JPEG thumbnails decoded under the limits of `images`, never as the raw file.
Every text is escaped, since titles come from shops; the page's own policy forbids any request.
"""

import base64
import io
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from windowshop.data import BrokenImage, decode, read_bytes
from windowshop.errors import ConfigError

THUMBNAIL_SIDE = 320
"""Pixels of a thumbnail's longer side; a smaller photo is not enlarged."""
THUMBNAIL_QUALITY = 82


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One product as the page shows it; `image` is the path of its photo file."""

    product_id: str
    title: str
    brand: str | None
    price: float | None
    score: float
    image: Path | None
    note: str | None
    """A short remark under the title, such as why the product is here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultList:
    """One search: what was asked by text, photo and filter, and its products, best first."""

    query: str | None
    photo: Path | None
    where: str | None
    cards: tuple[Card, ...]
    took_ms: float | None


def render_page(lists: Sequence[ResultList], *, title: str) -> str:
    """The page's HTML; a photo that cannot be shown becomes a placeholder."""
    paths = {card.image for shown in lists for card in shown.cards}
    paths |= {shown.photo for shown in lists}
    thumbnails = {path: thumbnail(path) for path in paths if path is not None}
    return _template().render(lists=lists, title=title, thumbnails=thumbnails)


def write_page(path: Path, html: str) -> None:
    """Write the page whole or not at all: aside first, then renamed into place."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(html.encode("utf-8", errors="replace"))
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise ConfigError(
            f"{path}: the page cannot be written ({error.strerror}). Choose another file."
        ) from None


def thumbnail(path: Path, side: int = THUMBNAIL_SIDE) -> str | None:
    """A photo as a small JPEG in a `data:` address; None where it cannot be decoded."""
    data = read_bytes(path)
    if isinstance(data, BrokenImage):
        return None
    image = decode(data, min_side=side)
    if isinstance(image, BrokenImage):
        return None
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.info = {}  # Pillow would carry over the file's comment
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def page_environment(package: str) -> Environment:
    """Where the package's pages are made: every text escaped, a missing value an error."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _template() -> Template:
    environment = page_environment("windowshop.search")
    environment.filters["price"] = _price
    environment.filters["duration"] = _duration
    return environment.get_template("results.html")


def _price(price: float | None) -> str:
    """1299 -> "1,299", 12.5 -> "12.50"; the catalogue does not say which currency."""
    if price is None or not math.isfinite(price):
        return ""
    return f"{price:,.2f}".removesuffix(".00")


def _duration(took_ms: float) -> str:
    if took_ms < 1:
        return "under 1 ms"
    return f"{took_ms:.0f} ms" if took_ms < 1000 else f"{took_ms / 1000:.1f} s"
