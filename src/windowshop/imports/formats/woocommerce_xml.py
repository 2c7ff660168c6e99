"""WooCommerce's products in WordPress's own export (WXR): posts, their meta values and terms."""

from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import listed, xml_items
from windowshop.imports.values import BACKORDER, IN_STOCK, OUT_OF_STOCK, parse_published

_STATES = {"instock": IN_STOCK, "outofstock": OUT_OF_STOCK, "onbackorder": BACKORDER}
Row = Mapping[str, Any]


def _recognise(source: Source) -> Found | None:
    if source.kind != "xml" or "wordpress.org/export" not in source.text(1 << 12):
        return None
    kinds = {str(row.get("post_type")) for row in source.sample}
    if not kinds & {"product", "product_variation"}:
        return None
    return Found(0.97, ("WordPress's export with posts of type product",))


def _meta(row: Row) -> dict[str, str]:
    """Return the meta values of a post by their keys."""
    pairs = [item for item in listed(row.get("postmeta")) if isinstance(item, dict)]
    return {str(item.get("meta_key")): str(item.get("meta_value", "")) for item in pairs}


def _terms(row: Row) -> list[tuple[str, str, str]]:
    """Return the terms of a post: the taxonomy, the name and the short name of each."""
    items = [item for item in listed(row.get("category")) if isinstance(item, dict)]
    return [(str(i.get("domain")), str(i.get("value", "")), str(i.get("nicename"))) for i in items]


def _read(source: Source, job: Job) -> Iterator[Record]:
    job.report.columns |= {
        "title": "title", "encoded": "description", "_sku": "product_id", "link": "link",
        "_regular_price": "price", "_sale_price": "sale_price", "_stock_status": "availability",
        "product_cat": "category", "product_tag": "tags", "post_parent": "group_id",
        "_thumbnail_id, _product_image_gallery": "image_url", "pa_*": "attributes",
    }  # fmt: skip
    images: dict[str, str] = {}
    asked: set[str] = set()
    for _, row in xml_items(source.path, "item"):
        if row.get("attachment_url"):
            images[str(row.get("post_id"))] = str(row["attachment_url"])
        if row.get("post_type") == "product_variation":
            asked.add(str(row.get("post_parent")))
    parents = {
        str(row.get("post_id")): row for _, row in xml_items(source.path, "item")
        if row.get("post_type") == "product" and str(row.get("post_id")) in asked
    }  # fmt: skip
    for number, row in xml_items(source.path, "item"):
        kind, name = row.get("post_type"), str(row.get("post_id"))
        if kind == "product_variation":
            above = parents.get(str(row.get("post_parent")), {})
            if not above:
                job.report.add("orphan-variant", number, f"{row.get('title')}: {name}")
            yield _record(number, row, above, images)
        elif kind == "product" and name in parents:
            job.report.add("parent-passed-on", number, row.get("title"))
        elif kind == "product":
            yield _record(number, row, {}, images)


def _record(number: int, row: Row, parent: Row, images: Mapping[str, str]) -> Record:
    meta, above = _meta(row), _meta(parent)
    terms = [*_terms(row), *_terms(parent)]
    ids = [m.get("_thumbnail_id", "") for m in (meta, above)]
    ids += [part for m in (meta, above) for part in m.get("_product_image_gallery", "").split(",")]
    name = str(row.get("post_id"))
    record = Record(number, {}, fallback_id=name)
    record.fields = {
        "product_id": meta.get("_sku") or name,
        "group_id": above.get("_sku") or str(parent.get("post_id", "")),
        "title": row.get("title") or parent.get("title"),
        "description": [*listed(row.get("encoded"))] or [*listed(parent.get("encoded"))],
        "brand": [label for domain, label, _ in terms if domain == "product_brand"],
        "category": [label for domain, label, _ in terms if domain == "product_cat"],
        "tags": [label for domain, label, _ in terms if domain == "product_tag"],
        "price": meta.get("_regular_price") or meta.get("_price"),
        "sale_price": meta.get("_sale_price"),
        "availability": _STATES.get(meta.get("_stock_status", ""), ""),
        "images": [images[place.strip()] for place in ids if place.strip() in images],
        "link": row.get("link") or parent.get("link"),
        "gtin": meta.get("_global_unique_id", ""),
    }
    labels = {(domain, short): label for domain, label, short in terms}
    for key, value in meta.items():
        if key.startswith("attribute_") and value:
            domain = key.removeprefix("attribute_")
            record.options[domain.removeprefix("pa_")] = labels.get((domain, value), value)
    for domain in dict.fromkeys(domain for domain, _, _ in terms if domain.startswith("pa_")):
        values = [label for own, label, _ in terms if own == domain]
        record.attributes[domain.removeprefix("pa_")] = values
    shown = parse_published(row.get("status", ""))
    if shown is not None:
        record.columns["published"] = shown and parse_published(parent.get("status")) is not False
    if meta.get("_stock"):
        record.columns["stock"] = meta["_stock"]
    return record


FORMAT = Format(title="WooCommerce in WordPress's export", recognise=_recognise, read=_read)
