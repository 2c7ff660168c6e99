"""Columns of a product that a result shows unless a request names others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from windowshop.data import without_attributes
from windowshop.index import GenerationManifest

ALWAYS = frozenset(["product_id"])
CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class ShownColumns:
    """Columns that are left out, and the column of the currency, which stands by the price."""

    left_out: frozenset[str]
    attributes: frozenset[str]
    """Names that are left out of `attributes`."""
    currency: str

    @classmethod
    def of(cls, manifest: GenerationManifest) -> "ShownColumns":
        """Return what the roles of an index say."""
        rules, roles = manifest.column_rules, manifest.column_roles
        left_out = roles.lacking("shown") | (roles.named("currency") - {CURRENCY})
        return cls(left_out - ALWAYS, rules.column_roles.lacking("shown"), roles.currency)

    def of_row(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values of a product that are shown, its currency as `currency`."""
        if not self.left_out and not self.attributes:
            return row
        kept = {name: value for name, value in row.items() if name not in self.left_out}
        if self.currency != CURRENCY and self.currency in row:
            kept[CURRENCY] = row[self.currency]
        if self.attributes and isinstance(text := kept.get("attributes"), str):
            kept["attributes"] = without_attributes(text, self.attributes)
        return kept
