"""Products and prices in the shapes of the Universal Commerce Protocol (ucp.dev, 2026-08-25)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from babel.numbers import get_currency_precision

from windowshop.data import parse_attributes
from windowshop.service.http.responses import photo_url

Row = Mapping[str, Any]
"""Columns of a product."""
AVAILABLE = {"in_stock": True, "backorder": True, "preorder": True, "out_of_stock": False}
BARCODES = {"gtin": "GTIN", "ean": "EAN", "upc": "UPC", "isbn": "ISBN"}
OPTION_COLUMNS = ("color", "colour", "size", "material", "pattern")
"""Columns that may tell the variants of a product apart, beside its attributes."""
LINKS = ("link", "url", "product_url")


@dataclass(frozen=True, slots=True)
class Shaper:
    """Turns groups of a shop's rows into the protocol's products."""

    currency: str
    """ISO code of the prices of rows without one of their own; "" where the shop has not said."""
    base_url: str
    """Address of the service, for photos; "" leaves them out."""

    def product(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return a product with its variants, the first of which stands for it."""
        first = rows[0]
        options = options_of(rows)
        prices = sorted((self._price(row) for row in rows), key=lambda price: price["amount"])
        found = {
            "id": first["group_id"] or first["product_id"],
            "title": first["title"] or first["product_id"],
            "description": {"plain": first["description"] or first["title"] or ""},
            "url": link_of(first),
            "categories": [
                {"value": value, "taxonomy": "merchant"} for value in _texts(first.get("category"))
            ],
            "price_range": {"min": prices[0], "max": prices[-1]},
            "media": self._media(first),
            "options": [
                {"name": name, "values": [{"label": label} for label in labels]}
                for name, labels in options.items()
            ],
            "variants": [self.variant(row, options) for row in rows],
            "metadata": {"brand": first.get("brand"), **parse_attributes(first.get("attributes"))},
        }
        return _filled(found)

    def variant(self, row: Row, options: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return one variant with its own values of the product's options."""
        own = choices_of(row)
        chosen = [{"name": name, "label": own[name]} for name in options if name in own]
        title = " / ".join(choice["label"] for choice in chosen)
        found = {
            "id": row["product_id"],
            "sku": row.get("sku"),
            "barcodes": [
                {"type": kind, "value": str(row[name])}
                for name, kind in BARCODES.items()
                if row.get(name)
            ],
            "title": title or row["title"] or row["product_id"],
            "description": {"plain": row["description"] or row["title"] or ""},
            "url": link_of(row),
            "price": self._price(row),
            "availability": _availability(row),
            "options": chosen,
            "media": self._media(row),
        }
        return _filled(found)

    def currency_of(self, row: Row) -> str:
        """Return the ISO code of a row's price; "" where nobody has said."""
        return str(row.get("currency") or self.currency).upper()

    def _price(self, row: Row) -> dict[str, Any]:
        currency = self.currency_of(row)
        return {"amount": to_minor(row["price"], currency), "currency": currency}

    def _media(self, row: Row) -> list[dict[str, str]]:
        if not self.base_url or not row.get("image"):
            return []
        address = self.base_url.rstrip("/") + photo_url(row["product_id"])
        return [_filled({"type": "image", "url": address, "alt_text": row["title"]})]


def to_minor(amount: float, currency: str) -> int:
    """Return an amount in the currency's smallest unit: 12.5 EUR is 1250, 12 JPY is 12."""
    return round(amount * float(10 ** get_currency_precision(currency)))


def from_minor(amount: int, currency: str) -> float:
    """Return an amount of the smallest unit in the currency itself."""
    return float(amount / 10 ** get_currency_precision(currency))


def options_of(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the values of what all variants state and not all alike, in the order of the rows."""
    own = [choices_of(row) for row in rows]
    shared = [name for name in own[0] if all(name in choices for choices in own)]
    found = {name: list(dict.fromkeys(choices[name] for choices in own)) for name in shared}
    return {name: labels for name, labels in found.items() if len(labels) > 1}


def choices_of(row: Row) -> dict[str, str]:
    """Return a variant's attributes, and its columns of options, that are one value each."""
    columns = {name: row[name] for name in OPTION_COLUMNS if row.get(name) is not None}
    stated = {**parse_attributes(row.get("attributes")), **columns}
    plain = str | int | float
    return {name: str(value) for name, value in stated.items() if name and isinstance(value, plain)}


def is_available(row: Row) -> bool | None:
    """Return whether a variant can be bought; None where the shop does not say."""
    return AVAILABLE.get(_status(row))


def _availability(row: Row) -> dict[str, Any] | None:
    status = _status(row)
    return {"available": AVAILABLE[status], "status": status} if status in AVAILABLE else None


def _status(row: Row) -> str:
    return str(row.get("availability") or "").strip().lower().replace(" ", "_")


def link_of(row: Row) -> str | None:
    """Return the address of the product's page where the shop states one of the web."""
    stated = (str(row[name]) for name in LINKS if row.get(name))
    return next((link for link in stated if urlsplit(link).scheme in ("http", "https")), None)


def _texts(value: object) -> Iterator[str]:
    """Yield the texts of a column of texts or of lists."""
    for item in value if isinstance(value, list) else [value]:
        if item:
            yield str(item)


def _filled(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has a value, at the first level."""
    return {name: value for name, value in content.items() if value not in (None, [], {})}
