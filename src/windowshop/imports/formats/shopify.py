"""Shopify's product CSV, of both generations of headers.

Rows of one handle are its variants and further images; only the first has title and texts.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.formats.format import (
    Format,
    Found,
    Job,
    Names,
    by_anchors,
    grouped,
    tell_columns,
)
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import Row
from windowshop.imports.values import (
    BACKORDER,
    IN_STOCK,
    OUT_OF_STOCK,
    parse_boolean,
    plain_name,
    slug,
)

ALIASES = {
    "handle": "Handle|URL handle",
    "title": "Title",
    "description": "Body (HTML)|Description|Body HTML",
    "brand": "Vendor",
    "product_category": "Product Category|Standard Product Type|Standardized Product Type",
    "type": "Type|Custom Product Type|Product type",
    "tags": "Tags",
    "published": "Published|Published on online store",
    "status": "Status",
    "sku": "Variant SKU|SKU",
    "barcode": "Variant Barcode|Barcode",
    "price": "Variant Price|Price",
    "list_price": "Variant Compare At Price|Compare-at price|Compare at price",
    "tracker": "Variant Inventory Tracker|Inventory tracker",
    "quantity": "Variant Inventory Qty|Inventory quantity",
    "policy": "Variant Inventory Policy|Continue selling when out of stock",
    "grams": "Variant Grams|Weight value (grams)",
    "image": "Image Src|Product image URL|Image URL",
    "image_position": "Image Position",
    "variant_image": "Variant Image|Variant image URL",
    "google_category": "Google Shopping / Google Product Category",
    "mpn": "Google Shopping / MPN",
    "gender": "Google Shopping / Gender",
    "age_group": "Google Shopping / Age Group",
    "condition": "Google Shopping / Condition",
    "gift_card": "Gift Card",
    "id": "ID|Product ID",
    "variant_id": "Variant ID",
}
"""The format's own names, and those of columns, older ones first."""
_OLD = ("Handle", "Title", "Body (HTML)", "Vendor", "Option1 Name", "Variant Price", "Image Src")
_NEW = (
    "URL handle", "Title", "Description", "Vendor", "Option1 name", "Price", "Product image URL",
    "Inventory quantity",
)  # fmt: skip
_NO_USE = re.compile(
    r"variant (?:fulfillment|requires|taxable|tax|weight unit|inventory)|requires shipping|"
    r"tax code|charge tax|cost per item|fulfillment service|image (?:alt|position)|seo |"
    r"weight unit|included |option\d? linked|unit price|inventory|google shopping adwords|"
    r"command|published (?:at|scope)|template suffix|continue selling|weight value|row|top row|"
    r".*command$|variant (?:generate|hs code|country|position|weight|cost)|created at|updated at|"
    r"total inventory|metafield title tag|metafield description tag|image (?:width|height|type)",
)
_METAFIELD = re.compile(
    r"^(.*?)\s*\(product\.metafields\.([\w.-]+)\)$|^(?:Variant )?Metafield:\s*([\w.-]+)", re.I
)
_MARKET = re.compile(r"^(price|compare[ -]?at price|included) / (.+)$", re.I)
_FIELDS = {
    "handle": "group_id", "title": "title", "description": "description", "brand": "brand",
    "product_category": "category", "type": "category", "tags": "tags", "published": "published",
    "sku": "product_id", "barcode": "gtin", "price": "price", "list_price": "list_price",
    "quantity": "stock, availability", "grams": "weight_g", "image": "image_url",
    "variant_image": "image_url", "mpn": "mpn",
}  # fmt: skip


def _recognise(source: Source) -> Found | None:
    if source.kind not in ("csv", "xlsx", "parquet"):
        return None
    old = by_anchors(source.header, _OLD, needed=("Handle",), least=3)
    new = by_anchors(source.header, _NEW, needed=("URL handle",), least=3)
    if old is not None and not {"variant price", "option1 name", "variant sku", "image src"} & {
        plain_name(name) for name in source.header
    }:
        old = None
    return max(filter(None, (old, new)), key=lambda found: found.certainty, default=None)


def _read(source: Source, job: Job) -> Iterator[Record]:
    names = Names(source.header, ALIASES)
    tell_columns(job.report, names, _FIELDS)
    further = _further(source.header, names, job)
    last = [""]

    def key(row: Mapping[str, Any]) -> str:
        """Return the handle, without one the title, without both that of the row before."""
        last[0] = str(names.get(row, "handle") or names.get(row, "title") or last[0])
        return last[0]

    for rows in grouped(source, job.report, key):
        yield from _product(rows, names, further, job)


def _further(header: tuple[str, ...], names: Names, job: Job) -> dict[str, tuple[str, str]]:
    """Return what further columns are, "attribute" or "column", with the name of each."""
    found = {}
    for column in header:
        if column in names.used or re.match(r"option\d (?:name|value)$", plain_name(column)):
            continue
        if _NO_USE.match(plain_name(column)):
            job.report.dropped_columns.append(column)
            continue
        field = _METAFIELD.match(column)
        if market := _MARKET.match(column):
            if market[1].lower() == "included":
                continue
            found[column] = ("column", slug(f"{market[1]} {market[2]}").replace("-", "_"))
        elif field is not None:
            name = (field[1] or field[3] or field[2]).strip()
            found[column] = ("attribute", name.removeprefix("custom."))
        else:
            found[column] = ("column", column.removeprefix("Google Shopping / "))
    job.report.kept_columns += [name for kind, name in found.values() if kind == "column"]
    return found


def _product(
    rows: list[Row], names: Names, further: Mapping[str, tuple[str, str]], job: Job
) -> Iterator[Record]:
    head = next((row for _, row in rows if names.get(row, "title")), rows[0][1])
    images = _images(rows, names)
    options = [_option_names(head, rows, place) for place in (1, 2, 3)]
    variants = [(number, row) for number, row in rows if _is_variant(row, names)]
    for number, row in rows:
        if not _is_variant(row, names):
            job.report.add("image-row", number, names.get(row, "image"))
    if not variants:
        variants = rows[:1]
    handle = str(names.get(head, "handle"))
    if not handle and len(variants) > 1:
        handle = slug(str(names.get(head, "title")))  # as Shopify makes it
    for number, row in variants:
        record = Record(number, {})
        record.options = _options(row, options)
        record.fields = _fields(head, row, names, images)
        own = "-".join(slug(str(value)) for value in record.options.values())
        spelled = f"{handle}:{own}" if own and len(variants) > 1 else handle
        record.fields["product_id"] = names.get(row, "sku") or spelled
        record.fields["group_id"] = handle
        record.fallback_id = spelled
        record.columns = _columns(head, row, names)
        for column, (kind, name) in further.items():
            value = row.get(column, head.get(column))
            if value not in (None, ""):
                (record.attributes if kind == "attribute" else record.columns)[name] = (
                    _split_metafield(value) if kind == "attribute" else value
                )
        yield record


def _split_metafield(value: Any) -> Any:  # noqa: ANN401
    text = str(value)
    return [part.strip() for part in text.split(";")] if "; " in text and len(text) < 200 else value


def _images(rows: list[Row], names: Names) -> list[str]:
    """Return the product's images in the order of their positions."""
    found: list[tuple[float, int, str]] = []
    for place, (_, row) in enumerate(rows):
        if image := names.get(row, "image"):
            position = str(names.get(row, "image_position"))
            found.append((float(position) if position.isdigit() else place + 1, place, str(image)))
    return list(dict.fromkeys(image for _, _, image in sorted(found)))


def _is_variant(row: Mapping[str, Any], names: Names) -> bool:
    """Return whether a row is a variant, and not a further image alone."""
    if names.get(row, "title") or names.get(row, "price") or names.get(row, "sku"):
        return True
    return any(_option(row, place, "value") for place in (1, 2, 3))


def _option(row: Mapping[str, Any], place: int, what: str) -> str:
    return str(
        row.get(f"Option{place} {what.title()}") or row.get(f"Option{place} {what}") or ""
    ).strip()


def _option_names(head: Mapping[str, Any], rows: list[Row], place: int) -> str:
    named = _option(head, place, "name")
    return named or next((n for _, row in rows if (n := _option(row, place, "name"))), "")


def _options(row: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    found = {}
    for place, name in enumerate(names, start=1):
        value = _option(row, place, "value")
        if value and value.lower() != "default title":
            found[name or f"Option {place}"] = value
    return found


def _fields(
    head: Mapping[str, Any], row: Mapping[str, Any], names: Names, images: list[str]
) -> dict[str, Any]:
    own = str(names.get(row, "variant_image"))
    first = [own] if own else []
    paths = [names.get(head, name) for name in ("product_category", "type")]
    google = str(names.get(head, "google_category"))
    paths += [google] if google and not google.isdigit() and not paths[0] else []
    leaves = {str(path).split(">")[-1].strip().lower() for path in paths[:1] if path}
    return {
        "title": names.get(head, "title"),
        "description": names.get(head, "description"),
        "brand": names.get(head, "brand"),
        "category": [
            p for i, p in enumerate(paths) if p and (not i or str(p).lower() not in leaves)
        ],
        "tags": names.get(head, "tags"),
        "price": names.get(row, "price"),
        "list_price": names.get(row, "list_price"),
        "gtin": names.get(row, "barcode"),
        "mpn": names.get(row, "mpn"),
        "sku": names.get(row, "sku"),
        "availability": _availability(row, names),
        "images": [*first, *(image for image in images if image != own)],
    }


def _availability(row: Mapping[str, Any], names: Names) -> str:
    """Return whether a variant can be bought: untracked, in stock, or sold beyond it."""
    quantity = str(names.get(row, "quantity")).strip()
    if not re.fullmatch(r"-?\d+(?:\.0+)?", quantity):
        return ""
    if float(quantity) > 0:
        return IN_STOCK
    policy = str(names.get(row, "policy")).strip().lower()
    if policy == "continue" or parse_boolean(policy):
        return BACKORDER
    return OUT_OF_STOCK


def _columns(head: Mapping[str, Any], row: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Return further columns: what is published, stock, weight and the like."""
    columns: dict[str, Any] = {}
    shown = parse_boolean(names.get(head, "published"))
    status = str(names.get(head, "status")).strip().lower()
    if status in ("draft", "archived", "unlisted"):
        shown = False
    if shown is not None or status:
        columns["published"] = shown is not False
    if status:
        columns["status"] = status
    quantity = names.get(row, "quantity")
    if quantity not in ("", None):
        columns["stock"] = quantity
    if str(names.get(row, "grams")).strip() not in ("", "0", "0.0"):
        columns["weight_g"] = names.get(row, "grams")
    for own in ("gender", "age_group", "condition"):
        if value := names.get(row, own) or names.get(head, own):
            columns[own] = value
    if parse_boolean(names.get(head, "gift_card")):
        columns["gift_card"] = True
    return columns


FORMAT = Format(title="Shopify CSV", recognise=_recognise, read=_read)
