"""BigCommerce's product CSV, of both generations: a product, then its SKUs and rules.

The older one has `Item Type` (Product, SKU, Rule), with options in the name of a SKU
(`[S]Size=Small,[CS]Color=Red:#f00`); the newer one has `Item` (Product, Variant, Image) and
`Options` (`Type=Dropdown|Name=Size|Value=Small`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.formats.format import Format, Found, Job, Names, by_anchors, tell_columns
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import Row
from windowshop.imports.values import IN_STOCK, OUT_OF_STOCK, parse_boolean, plain_name

ALIASES = {
    "kind": "Item Type|Item",
    "id": "Product ID|ID",
    "name": "Product Name|Name",
    "sku": "Product Code/SKU|SKU|Product SKU|Code",
    "brand": "Brand Name|Brand",
    "price": "Price|Calculated Price",
    "sale_price": "Sale Price",
    "list_price": "Retail Price",
    "category": "Category|Categories|Category Details",
    "description": "Product Description|Description",
    "gtin": "Product UPC/EAN|UPC/EAN|GTIN|Global Trade Number",
    "gps_gtin": "GPS Global Trade Item Number",
    "gps_mpn": "GPS Manufacturer Part Number",
    "mpn": "Manufacturer Part Number|MPN|Bin Picking Number",
    "visible": "Product Visible?|Product Visible|Is Visible|Visible",
    "stock": "Current Stock Level|Current Stock|Stock Level",
    "tracking": "Track Inventory|Inventory Tracking",
    "weight": "Product Weight|Weight",
    "fields": "Product Custom Fields|Custom Fields",
    "options": "Options",
    "variant_image": "Variant Image URL",
    "image": "Image URL (Import)|Image URL|Images",
    "own_image": "Internal Image URL (Export)",
    "url": "Product URL",
}
_IMAGE = re.compile(r"^product image (?:url|file)\s*\d*$")
_OLD = (
    "Item Type",
    "Product Name",
    "Product Code/SKU",
    "Brand Name",
    "Product Visible?",
    "Category",
)
_NEW = (
    "Item",
    "SKU",
    "Options",
    "Inventory Tracking",
    "Retail Price",
    "Is Visible",
    "Custom Fields",
)
_WHOLE = ("Code", "Category Details", "Calculated Price", "Fixed Shipping Price", "Allow Purchases")
"""Columns of the export that has a row a product and no kinds of rows."""
_FIELDS = {
    "sku": "product_id", "id": "group_id", "name": "title", "brand": "brand", "price": "price",
    "sale_price": "sale_price", "list_price": "list_price", "category": "category",
    "description": "description", "gtin": "gtin", "gps_gtin": "gtin", "mpn": "mpn",
    "gps_mpn": "mpn", "visible": "published",
    "stock": "stock, availability", "fields": "attributes", "options": "attributes",
    "image": "image_url", "own_image": "image_url", "variant_image": "image_url",
}  # fmt: skip


def _recognise(source: Source) -> Found | None:
    if source.kind not in ("csv", "xlsx"):
        return None
    old = by_anchors(source.header, _OLD, needed=("Item Type", "Product Name"), least=3)
    new = by_anchors(source.header, _NEW, needed=("Item", "Name", "SKU"), least=4)
    whole = by_anchors(
        source.header, _WHOLE, needed=("Product ID", "Name", "Category Details"), least=3
    )
    return old or new or whole


def _read(source: Source, job: Job) -> Iterator[Record]:
    names = Names(source.header, ALIASES)
    tell_columns(job.report, names, _FIELDS)
    pictures = [name for name in source.header if _IMAGE.match(plain_name(name))]
    known = names.used | set(pictures)
    job.report.dropped_columns += [name for name in source.header if name not in known]
    group: list[Row] = []
    for number, row in source.rows(job.report):
        if _kind(row, names) == "product" and group:
            yield from _product(group, names, pictures, job)
            group = []
        group.append((number, row))
    if group:
        yield from _product(group, names, pictures, job)


def _kind(row: Mapping[str, Any], names: Names) -> str:
    if "kind" not in names.column:
        return "product"
    return str(names.get(row, "kind")).strip().lower()


def _product(rows: list[Row], names: Names, pictures: list[str], job: Job) -> Iterator[Record]:
    head = next((row for _, row in rows if _kind(row, names) == "product"), {})
    images = [head.get(name) for name in pictures]
    if "kind" not in names.column:
        images += re.findall(r"Product Image URL:\s*([^|,\s]+)", str(names.get(head, "image")))
    variants = []
    for number, row in rows:
        kind = _kind(row, names)
        if kind == "image":
            images.append(names.get(row, "image") or names.get(row, "own_image"))
            job.report.add("image-row", number, images[-1])
        elif kind in ("sku", "variant"):
            variants.append((number, row))
        elif kind == "rule":
            job.report.add("option-rule", number, names.get(row, "sku"))
    found = [image for image in images if image]
    if variants and head:
        job.report.add("parent-passed-on", rows[0][0], names.get(head, "name"))
    for number, row in variants or rows[:1]:
        yield _record(number, row, head, names, found)


def _record(
    number: int, row: Mapping[str, Any], head: Mapping[str, Any], names: Names, images: list[Any]
) -> Record:
    def value(own: str) -> Any:  # noqa: ANN401
        return names.get(row, own) or names.get(head, own)

    is_variant = row is not head
    own = names.get(row, "variant_image")
    parent = str(names.get(head, "id") or names.get(head, "sku"))
    record = Record(number, {})
    if is_variant:
        record.options = _options(row, names)
    price = str(names.get(row, "price")).strip()
    record.fields = {
        "product_id": names.get(row, "sku") or parent,
        "group_id": parent,
        "title": names.get(head, "name") or names.get(row, "name"),
        "description": value("description"),
        "brand": value("brand"),
        "category": _categories(str(value("category"))),
        "price": names.get(head, "price") if is_variant and price in ("", "0", "0.00") else price,
        "sale_price": _some(value("sale_price")),
        "list_price": _some(value("list_price")),
        "gtin": names.get(row, "gtin") or names.get(row, "gps_gtin"),
        "mpn": names.get(row, "mpn") or names.get(row, "gps_mpn"),
        "link": _link(value("url")),
        "images": [*([own] if own else []), *images],
        "availability": _availability(row, head, names),
    }
    record.attributes = dict(_facts(str(value("fields"))))
    if (visible := parse_boolean(names.get(head, "visible"))) is not None:
        record.columns["published"] = visible
    record.columns |= {"stock": names.get(row, "stock"), "weight": _some(value("weight"))}
    return record


def _some(value: Any) -> Any:  # noqa: ANN401
    return "" if str(value).strip() in ("0", "0.00", "0.0", "0.0000") else value


def _link(value: Any) -> str:  # noqa: ANN401
    return str(value) if str(value).startswith("http") else ""


def _options(row: Mapping[str, Any], names: Names) -> dict[str, str]:
    text = str(names.get(row, "options"))
    if "Name=" in text:
        found = re.findall(r"Name=(.*?)\|Value=(.*?)[;,]?\s*(?=Type=|$)", text)
        return {name.strip(): re.sub(r"\[.*?\]$", "", value).strip() for name, value in found}
    text = str(names.get(row, "name"))
    found = re.findall(r"(?:\[\w+\])?([^=\[\],]+)=(.*?)(?=,\s*\[\w+\]|,[^,=]+=|$)", text)
    return {name.strip(): value.split(":#")[0].strip() for name, value in found}


def _categories(text: str) -> list[str]:
    if text.startswith("Category ID:") or "Category Path:" in text:
        found = re.findall(r"Category Path:\s*([^|,;]+)", text)
    else:
        found = [part for part in text.split(";") if not part.strip().isdigit()]
    return [" > ".join(part.strip().split("/")) for part in found if part.strip()]


def _facts(text: str) -> list[tuple[str, str]]:
    split = (part.partition("=") for part in text.split(";"))
    return [(name.strip(), value.strip()) for name, sign, value in split if sign]


def _availability(row: Mapping[str, Any], head: Mapping[str, Any], names: Names) -> str:
    tracking = str(names.get(head, "tracking")).strip().lower()
    stock = str(names.get(row, "stock")).strip()
    if (tracking in ("none", "by none", "") and "kind" in names.column) or not stock.lstrip(
        "-"
    ).isdigit():
        return ""
    return IN_STOCK if int(stock) > 0 else OUT_OF_STOCK


FORMAT = Format(title="BigCommerce CSV", recognise=_recognise, read=_read)
