"""Shopify's `products.json`: products with variants, options, images and tags."""

from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.values import IN_STOCK, OUT_OF_STOCK, slug

_KNOWN = frozenset((
    "id", "title", "handle", "body_html", "vendor", "product_type", "tags", "variants", "images",
    "options", "image", "created_at", "updated_at", "published_at", "published_scope", "status",
    "template_suffix", "admin_graphql_api_id",
))  # fmt: skip


def _recognise(source: Source) -> Found | None:
    if source.kind not in ("json", "jsonl"):
        return None
    marks = {"handle", "body_html", "product_type", "vendor", "options"} & set(source.header)
    has_variants = any(isinstance(row.get("variants"), list) for row in source.sample)
    if len(marks) < 3 or not has_variants:
        return None
    return Found(0.97, (f"keys {', '.join(sorted(marks))}, variants",))


def _read(source: Source, job: Job) -> Iterator[Record]:
    job.report.columns |= {
        "title": "title", "body_html": "description", "vendor": "brand", "product_type": "category",
        "tags": "tags", "handle": "group_id", "variants": "products", "images": "image_url",
    }  # fmt: skip
    for number, row in source.rows(job.report):
        variants = [item for item in row.get("variants") or [{}] if isinstance(item, dict)]  # type: ignore[attr-defined]
        for variant in variants:
            yield _variant(number, row, variant, is_alone=len(variants) == 1)


def _variant(
    number: int, row: Mapping[str, Any], variant: Mapping[str, Any], *, is_alone: bool
) -> Record:
    names = [
        option.get("name") if isinstance(option, dict) else option
        for option in row.get("options") or ()
    ]
    record = Record(number, {})
    for place in (1, 2, 3):
        value = variant.get(f"option{place}")
        name = names[place - 1] if place <= len(names) else f"Option {place}"
        if value and value != "Default Title":
            record.options[str(name)] = value
    handle = str(row.get("handle") or row.get("id") or "")
    own = "-".join(slug(str(value)) for value in record.options.values())
    spelled = handle if is_alone else f"{handle}:{own}"
    record.fields = {
        "product_id": variant.get("sku") or spelled,
        "group_id": handle,
        "title": row.get("title"),
        "description": row.get("body_html"),
        "brand": row.get("vendor"),
        "category": row.get("product_type"),
        "tags": row.get("tags"),
        "price": variant.get("price"),
        "list_price": variant.get("compare_at_price"),
        "gtin": variant.get("barcode"),
        "sku": variant.get("sku"),
        "availability": _availability(variant),
        "images": _images(row, variant),
    }
    record.fallback_id = spelled
    if variant.get("grams"):
        record.columns["weight_g"] = variant["grams"]
    if row.get("status") in ("draft", "archived"):
        record.columns["published"] = False
    for name, value in row.items():
        if name not in _KNOWN:
            record.columns[name] = value
    return record


def _availability(variant: Mapping[str, Any]) -> str:
    if "available" in variant:
        return IN_STOCK if variant["available"] else OUT_OF_STOCK
    quantity = variant.get("inventory_quantity")
    return "" if not isinstance(quantity, int) else IN_STOCK if quantity > 0 else OUT_OF_STOCK


def _images(row: Mapping[str, Any], variant: Mapping[str, Any]) -> list[Any]:
    """Return the variant's image, then the product's, without those of other variants."""
    featured = variant.get("featured_image") or {}
    images = [image for image in row.get("images") or () if isinstance(image, dict)]
    own = [i for i in images if variant.get("id") in (i.get("variant_ids") or ())]
    own += [i for i in images if i.get("id") and i.get("id") == variant.get("image_id")]
    shared = [image for image in images if not image.get("variant_ids")]
    first = [featured] if featured.get("src") else []
    found = [image.get("src") for image in (*first, *own, *(shared or images))]
    return [src for src in dict.fromkeys(found) if src]


FORMAT = Format(title="Shopify products.json", recognise=_recognise, read=_read)
