"""Product as a format reads it, before its values are read."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Record:
    """One product of a source; values are as the source writes them."""

    row: int
    """Row in the source; the first row of data is 1."""
    fields: dict[str, Any]
    """Values by the names of FIELDS."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of a variant, kept as texts."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Other facts."""
    columns: dict[str, Any] = field(default_factory=dict)
    """Further columns."""
    in_cents: bool = False
    """Whether prices that are whole numbers count cents."""
    sale_ends: str = ""
    """Last day of the sale price, or a span of time that ends with it."""
    fallback_id: str = ""
    """Id where another product has `product_id` too."""
    may_share_id: bool = False
    """Whether rows of other titles or prices with its id are products of their own."""


@dataclass(slots=True)
class JudgedQuery:
    """One query of a judged source."""

    query_id: str
    query: str
    split: str = ""
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Judgement:
    """Grade of a product for a query."""

    query_id: str
    product_id: str
    grade: int
    row: int = 0


FIELDS = (
    "product_id", "group_id", "title", "description", "brand", "category", "price", "currency",
    "sale_price", "list_price", "availability", "images", "link", "gtin", "mpn", "sku", "tags",
)  # fmt: skip
"""Fields that every format fills where it has them.

`category` is a path or a list of paths, `images` a list of addresses or paths, the first of which
is shown; `price`, `sale_price` and `list_price` may have a currency inside.
"""
