"""Rows of Magento's product CSV, made of its other forms too: of Magento 1, and of its REST API.

Magento 1 (`_type`, `_store`) has several rows a product: what follows the row of a SKU are further
categories, images, variants of a configurable product, or texts of a store view. Its profiles
(`attribute_set`, `type`) have a row a product, with words for yes and no.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.formats.format import Found, by_anchors
from windowshop.imports.formats.magento_grid import grid_rows, recognise_grid
from windowshop.imports.report import ImportReport
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import Row
from windowshop.imports.values import plain_name

ONE = ("_type", "_attribute_set", "_category", "_store", "_product_websites", "_root_category",
       "_media_image", "_super_products_sku")  # fmt: skip
PROFILE = (
    "attribute_set",
    "type",
    "websites",
    "category_ids",
    "is_in_stock",
    "visibility",
    "store",
)
_API = frozenset(("sku", "type_id", "attribute_set_id", "custom_attributes", "status",
                  "extension_attributes", "media_gallery_entries", "product_links"))  # fmt: skip
_NEWER = {"_type": "product_type", "type_id": "product_type", "image": "base_image",
          "_attribute_set": "attribute_set_code", "_store": "store_view_code",
          "updated_at": "", "created_at": ""}  # fmt: skip
OWN = frozenset((
    "sku", "name", "description", "short_description", "price", "special_price", "qty",
    "is_in_stock", "manufacturer", "visibility", "weight", "base_image", "additional_images",
    "product_type", "product_online", "categories", "configurable_variations",
    "attribute_set_code", "store_view_code", "additional_attributes",
))  # fmt: skip
"""Columns of the newer form; what else Magento 1 has beside its own are attributes."""
_NO_FACT = re.compile(
    r"_|has_options|required_options|created_at|updated_at|options_container|page_layout|custom_|"
    r"meta_|url_|gift_|min_|max_|use_config|backorders|manage_stock|stock_|tax_|msrp|news_|enable_|"
    r"minimal|small_image|thumbnail|media_gallery|image|status|special_|low_stock|notify_|is_|"
    r"category_ids|swatch|store_id|price_|cost|links_|samples_|shipment_|sku_type|weight_type|"
    r"group|tier_price|recurring|qty_|enable_qty|id$|type_id|country_of_manufacture$|entity"
)


def recognise_forms(source: Source) -> Found | None:
    """Recognise the forms that are not the newer CSV."""
    if source.kind in ("csv", "xlsx"):
        names = [name for name in source.header if name.startswith("_")]
        if found := by_anchors(names, ONE, needed=("_type",)) if "sku" in source.header else None:
            return found
        if found := recognise_grid(source):
            return found
        if not {"sku", "attribute_set", "type", "name"} <= {*source.header}:
            return None
        return by_anchors(source.header, PROFILE)
    if source.kind in ("json", "jsonl"):
        keys = _API & set(source.header)
        if len(keys) >= 4 and "custom_attributes" in keys:
            return Found(0.95, (f"keys {', '.join(sorted(keys)[:4])}",))
    return None


def magento_rows(source: Source, report: ImportReport) -> Iterator[Row]:
    """Yield the rows of any form as those of the newer CSV; lists stand for its joined texts."""
    if source.kind in ("json", "jsonl"):
        skus = {row.get("id"): row.get("sku") for _, row in source.rows(report.quiet())}
        yield from ((number, _of_api(row, skus)) for number, row in source.rows(report))
    elif {plain_name(name) for name in source.header} >= {"type", "sku"} and (
        "_type" in source.header
    ):
        yield from _of_one(source, report)
    elif recognise_grid(source):
        yield from grid_rows(source, report)
    elif {"attribute_set", "type"} <= {*source.header}:
        yield from ((number, _of_profile(row)) for number, row in source.rows(report))
    else:
        yield from source.rows(report)


def _of_one(source: Source, report: ImportReport) -> Iterator[Row]:
    held: Row | None = None
    views: list[Row] = []
    for number, row in source.rows(report):
        if row.get("sku") and not row.get("_store"):
            if held is not None:
                yield from (held, *views)
            held, views = (number, _begun(row)), []
        elif row.get("_store"):
            sku = row.get("sku") or (held[1]["sku"] if held else "")
            named = {_NEWER.get(name, name): value for name, value in row.items()}
            views.append((number, {**named, "sku": sku}))
        if held is not None and not row.get("_store"):
            _take(held[1], row)
    if held is not None:
        yield from (held, *views)


def _of_profile(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a profile, whose store is `admin` for what all views share."""
    found = _begun({**row, "_type": row.get("type"), "_attribute_set": row.get("attribute_set")})
    store = str(row.get("store", ""))
    shown = {"enabled": "1", "disabled": "0"}
    return found | {
        "store_view_code": "" if store in ("admin", "default") else store,
        "product_online": shown.get(str(row.get("status", "")).lower(), found["product_online"]),
        "special_price": row.get("special_price"),
        "additional_images": row.get("gallery") or [],
        "additional_attributes": {
            name: value
            for name, value in found["additional_attributes"].items()
            if name not in ("store", "websites", "type", "attribute_set")
        },
    }


def _begun(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a SKU, to which rows after it add."""
    found = {_NEWER.get(name, name): value for name, value in row.items()}
    found = {name: value for name, value in found.items() if name in OWN}
    found |= {"categories": [], "additional_images": [], "configurable_variations": []}
    found["product_online"] = {"1": "1", "2": "0"}.get(str(row.get("status", "")), "")
    found["additional_attributes"] = {
        name: value for name, value in row.items()
        if name not in OWN and not _NO_FACT.match(name)
    }  # fmt: skip
    return found


def _take(product: dict[str, Any], row: Mapping[str, Any]) -> None:
    """Add to a product what one of its rows has: a category, an image, a variant."""
    if row.get("_category"):
        product["categories"].append(" > ".join(str(row["_category"]).split("/")))
    if row.get("_media_image") and str(row.get("_media_is_disabled", "0")) != "1":
        product["additional_images"].append(str(row["_media_image"]))
    if sku := row.get("_super_products_sku"):
        listed = product["configurable_variations"]
        chosen = next((item for item in listed if item["sku"] == sku), None)
        if chosen is None:
            listed.append(chosen := {"sku": str(sku)})
        if row.get("_super_attribute_code"):
            chosen[str(row["_super_attribute_code"])] = str(row.get("_super_attribute_option", ""))


def _of_api(row: Mapping[str, Any], skus: Mapping[Any, Any]) -> dict[str, Any]:
    facts = {str(item.get("attribute_code")): item.get("value")
             for item in row.get("custom_attributes") or () if isinstance(item, dict)}  # fmt: skip
    further = row.get("extension_attributes")
    further = further if isinstance(further, dict) else {}
    stock = further.get("stock_item")
    stock = stock if isinstance(stock, dict) else {}
    entries = [e for e in row.get("media_gallery_entries") or () if isinstance(e, dict)]
    entries.sort(key=lambda entry: entry.get("position") or 0)
    values = {**row, **facts, **stock}
    found = {name: values[name] for name in OWN & values.keys()}
    return found | {
        "product_type": row.get("type_id"),
        "base_image": facts.get("image"),
        "additional_images": [
            entry["file"] for entry in entries if entry.get("file") and not entry.get("disabled")
        ],
        "product_online": {1: "1", 2: "0"}.get(row.get("status"), ""),  # type: ignore[arg-type]
        "additional_attributes": {
            name: value for name, value in facts.items()
            if name not in OWN and not _NO_FACT.match(name)
        },
        "configurable_variations": [
            {"sku": str(skus[link])} for link in further.get("configurable_product_links") or ()
            if skus.get(link)
        ],
    }  # fmt: skip
