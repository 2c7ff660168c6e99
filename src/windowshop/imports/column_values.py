"""Fields of columns whose names tell nothing, by their values."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from windowshop.imports.amounts import parse_money
from windowshop.imports.facts import is_bag
from windowshop.imports.values import is_web, plain_name, split_images

MIN_DISTINCT = 0.98
_AMOUNT = re.compile(r"\d{1,3}(?:[.,]\d{3})+|\d+[.,]\d+")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d")
_WORD = re.compile(r"[^\W\d_]{3}")
_NO_ID = frozenset((
    "price", "discount", "discounts", "percent", "percentage", "rating", "ratings", "reviews",
    "votes", "score", "rank", "stock", "quantity", "qty", "weight", "width", "height", "length",
    "depth", "year", "cost", "tax", "margin", "sales", "sold", "count", "views", "likes",
    "popularity", "rabatt", "bestand", "menge", "gewicht", "remise", "poids", "descuento",
    "peso", "sconto",
))  # fmt: skip
"""Words in the names of numbers that are no id."""
_NO_PRICE = frozenset((
    "cost", "costs", "wholesale", "tax", "shipping", "purchase", "ek", "weight", "width", "height",
    "length", "rating", "margin", "discount", "wsp", "trade", "dealer", "haendler", "einkauf",
))  # fmt: skip
"""Words in the names of amounts that are no price."""


_OTHER = {"price": _NO_PRICE, "product_id": _NO_ID, "title": frozenset(("meta", "seo"))}


def fill_by_values(
    columns: dict[str, str],
    taken: set[str],
    surest: dict[str, float],
    header: Sequence[str],
    values: Mapping[str, Sequence[Any]],
    num_rows: int,
) -> None:
    """Find what no name told: the id, the title, the price and the images."""
    free = [name for name in header if name not in columns]
    nested = {name for name in free if any(isinstance(v, dict) for v in values[name])}
    tests = {
        "images": _looks_images, "price": _looks_price, "product_id": _looks_id,
        "title": _looks_title, "category": _looks_category,
    }  # fmt: skip
    for target, looks in tests.items():
        if target in taken:
            continue
        scored = [
            (looks(_texts(values[name], target), num_rows), -i, name)
            for i, name in enumerate(free)
            if (target == "images" or name not in nested)
            and not _OTHER.get(target, frozenset()) & {*plain_name(name).split()}
            and (target not in ("title", "images") or not is_bag(name))
        ]
        best = max(scored, default=(0.0, 0, ""))
        if best[0] > 0.5:
            columns[best[2]] = target
            taken.add(target)
            surest[target] = 0.5 * best[0]
            free.remove(best[2])


def _texts(values: Sequence[Any], target: str) -> list[str]:
    """Return the values as texts; of lists of images the first ones."""
    if target == "images":
        return [images[0] for value in values if (images := split_images(value))]
    return [str(value) for value in values]


def _looks_images(texts: Sequence[str], num_rows: int) -> float:
    good = sum(
        bool(re.search(r"\.(?:jpe?g|png|webp|avif|gif)(?:\?|$)", text, re.I)) for text in texts
    )
    return 0.6 if good == len(texts) > 0.2 * num_rows else good / max(num_rows, 1)


def _looks_price(texts: Sequence[str], num_rows: int) -> float:
    good = sum(bool(re.search(r"[.,]\d\d\b|[€$£]|[A-Z]{3}$", text)) and len(text) < 16
               and parse_money(text) is not None for text in texts)  # fmt: skip
    return good / max(num_rows, 1)


def _looks_id(texts: Sequence[str], num_rows: int) -> float:
    good = [
        text for text in texts
        if len(text) <= 40 and " " not in text and not is_web(text) and not _AMOUNT.fullmatch(text)
    ]  # fmt: skip
    is_unique = len(set(good)) >= MIN_DISTINCT * len(good) and len(good) >= 0.95 * num_rows
    return 0.8 if is_unique and good else 0.0


def _looks_title(texts: Sequence[str], num_rows: int) -> float:
    good = [
        text for text in texts
        if 5 <= len(text) <= 200 and " " in text and not is_web(text) and _WORD.search(text)
        and not _TIME.match(text)
    ]  # fmt: skip
    if not good or len(good) < 0.6 * num_rows:
        return 0.0
    return min(1.0, len(set(good)) / len(good)) * len(good) / max(num_rows, 1)


def _looks_category(texts: Sequence[str], num_rows: int) -> float:
    return sum(text.count(" > ") > 0 for text in texts) / max(num_rows, 1)
