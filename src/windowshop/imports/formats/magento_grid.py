"""Magento's grid of products, as the admin's pages export it, as rows of its product CSV.

It does not say which variants a configurable product has: they are those whose SKU goes on from
its SKU behind a hyphen or another sign.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.formats.format import Found
from windowshop.imports.report import ImportReport
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import Row
from windowshop.imports.values import is_nothing, plain_name

_NEEDED = frozenset(("sku", "name", "type", "attribute set", "visibility", "status"))
_OWN = {
    "sku": "sku", "name": "name", "price": "price", "visibility": "visibility",
    "thumbnail": "base_image", "manufacturer": "manufacturer", "special price": "special_price",
    "short description": "short_description", "description": "description", "weight": "weight",
}  # fmt: skip
_NO_FACT = re.compile(
    r"id|type|status|websites?|attribute set|.*quantity.*|.*\bqty|(?:creation|last updated|.* )date"
    r"|updated at|url key|tax class|.* (?:from|to)|country of manufacture"
)
_COUNT = re.compile(r"-?\d+(?:\.\d+)?(?=\s*(?:,|$))")


def recognise_grid(source: Source) -> Found | None:
    """Recognise a grid by its names, which have capitals and spaces."""
    plain = {plain_name(name) for name in source.header}
    if "Attribute Set" not in source.header or not plain >= _NEEDED:
        return None
    return Found(0.95, ("columns Attribute Set, Type, Visibility",))


def grid_rows(source: Source, report: ImportReport) -> Iterator[Row]:
    """Yield the rows of a grid as those of the product CSV."""
    skus: dict[str, str] = {}
    for _, row in source.rows(report.quiet()):
        told = _plain(row)
        skus[str(told.get("sku", ""))] = _type(told)
    parents = {sku for sku, kind in skus.items() if kind == "configurable"}
    children: dict[str, list[dict[str, str]]] = {}
    for sku in skus:
        if (above := _above(sku, parents)) and sku not in parents:
            children.setdefault(above, []).append({"sku": sku})
    for number, row in source.rows(report):
        yield number, _of_grid(row, children)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {plain_name(name): value for name, value in row.items()
            if not is_nothing(str(value).strip())}  # fmt: skip


def _type(told: Mapping[str, Any]) -> str:
    return str(told.get("type", "")).strip().lower().partition(" ")[0]


def _above(sku: str, parents: set[str]) -> str:
    """Return the longest SKU of a configurable product that a SKU goes on from."""
    ends = [hit.start() for hit in re.finditer(r"[-_./ ]", sku)]
    return next((sku[:end] for end in reversed(ends) if sku[:end] in parents), "")


def _of_grid(
    row: Mapping[str, Any], children: Mapping[str, list[dict[str, str]]]
) -> dict[str, Any]:
    told = _plain(row)
    found: dict[str, Any] = {new: told[old] for old, new in _OWN.items() if old in told}
    sku = str(told.get("sku", ""))
    found |= {
        "product_type": _type(told),
        "attribute_set_code": told.get("attribute set"),
        "product_online": {"enabled": "1", "disabled": "0"}.get(
            str(told.get("status", "")).lower(), ""
        ),
        "configurable_variations": children.get(sku, []),
        "additional_attributes": {
            name: value for name, value in row.items()
            if (plain := plain_name(name)) in told and plain not in _OWN
            and not _NO_FACT.fullmatch(plain)
        },
    }  # fmt: skip
    counted = next(
        (told[n] for n in ("salable quantity", "quantity per source", "quantity") if n in told), ""
    )
    if counts := [float(count) for count in _COUNT.findall(str(counted))]:
        found["qty"] = sum(counts)
        found["is_in_stock"] = "1" if sum(counts) > 0 else "0"
    return found
