"""Shopify's GraphQL: answers with edges and nodes, and bulk operations.

A bulk file has a line an object; a variant, an image or a metafield names its product in
`__parentId`, a metafield of a variant the variant.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from windowshop.imports.formats.format import Format, Found, Job, grouped
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import Row
from windowshop.imports.values import (
    BACKORDER,
    IN_STOCK,
    OUT_OF_STOCK,
    hash_of,
    parse_availability,
    slug,
    split_images,
)

Object = Mapping[str, Any]
PARENT = "__parentId"
_MARKS = ("descriptionHtml", "bodyHtml", "productType", "vendor", "handle", "variants", "options",
          "featuredImage", "priceRangeV2", "featuredMedia")  # fmt: skip
_KNOWN = frozenset((
    *_MARKS, "id", "title", "description", "tags", "status", "images", "media", "metafields",
    "metafield", "category", "productCategory", "createdAt", "updatedAt", "publishedAt", "cursor",
    "priceRange", "collections", "onlineStoreUrl", "seo", "templateSuffix", "legacyResourceId",
    "standardizedProductType", "__typename", "totalInventory", "compareAtPriceRange",
))  # fmt: skip


def _recognise(source: Source) -> Found | None:
    if source.kind not in ("json", "jsonl"):
        return None
    marks = [name for name in _MARKS if name in source.header]
    if PARENT in source.header and any(_kind(row) == "ProductVariant" for row in source.sample):
        return Found(0.98, (f"lines with {PARENT}",))
    has_ids = any("gid://shopify/Product/" in str(row.get("id")) for row in source.sample)
    has_edges = any(isinstance(row.get("variants"), dict) for row in source.sample)
    if len(marks) < 3 or not (has_ids or has_edges):
        return None
    return Found(0.97, (f"keys {', '.join(marks[:4])}, edges and nodes",))


def _read(source: Source, job: Job) -> Iterator[Record]:
    job.report.columns |= {
        "title": "title", "descriptionHtml": "description", "vendor": "brand",
        "productType": "category", "category": "category", "tags": "tags", "handle": "group_id",
        "variants": "products", "images": "image_url", "media": "image_url",
        "metafields": "attributes",
    }  # fmt: skip
    if PARENT not in source.header:
        for number, row in source.rows(job.report):
            yield from _variants([(number, item) for item in nodes(row.get("variants"))],
                                 (number, row), nodes(row.get("images")) + nodes(row.get("media")),
                                 nodes(row.get("metafields")), {}, job)  # fmt: skip
        return
    above = {
        hash_of(str(row["id"])): str(row[PARENT])
        for _, row in source.rows(job.report.quiet())
        if PARENT in row and "id" in row
    }

    def product_of(row: Object) -> str:
        name = str(row.get(PARENT) or row.get("id"))
        while (parent := above.get(hash_of(name))) is not None and parent != name:
            name = parent
        return name

    for rows in grouped(source, job.report, product_of):
        yield from _bulk(rows, job)


def _bulk(rows: list[Row], job: Job) -> Iterator[Record]:
    """Yield the products of the lines of one product, in any order."""
    head = next((row for row in rows if PARENT not in row[1]), None)
    variants = [row for row in rows if PARENT in row[1] and _kind(row[1]) == "ProductVariant"]
    if head is None:
        for number, row in variants:
            job.report.add("orphan-variant", number, row.get("sku") or row.get("id"))
        head = rows[0]
    images = [row for _, row in rows if _kind(row) == "Image"]
    own_id = head[1].get("id")
    facts: dict[str, list[Object]] = {}
    for number, row in rows:
        if _kind(row) == "Metafield":
            facts.setdefault(str(row.get(PARENT)), []).append(row)
        elif PARENT in row and not _kind(row):
            job.report.add("nested-value", number, row.get("id") or str(row))
    yield from _variants(variants, head, images, facts.get(str(own_id), []), facts, job)


def _kind(row: Object) -> str:
    """Return what an object is: Product, ProductVariant, Image, Metafield, or "" for others."""
    name = str(row.get("__typename") or str(row.get("id")).removeprefix("gid://shopify/"))
    kind = name.split("/")[0]
    if kind in ("Product", "ProductVariant", "Metafield"):
        return kind
    if kind in ("ProductImage", "MediaImage", "Image", "ImageSource") or _images([row]):
        return "Image"
    if {"key", "value"} <= row.keys():
        return "Metafield"
    return "ProductVariant" if {"selectedOptions", "sku", "price"} & row.keys() else ""


def nodes(value: Any) -> list[Object]:  # noqa: ANN401
    """Return the objects of a list, of `edges` with a `node` each, or of `nodes`."""
    if isinstance(value, dict):
        value = value.get("nodes") or [
            edge.get("node") for edge in value.get("edges") or () if isinstance(edge, dict)
        ]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _images(items: Sequence[Object]) -> list[str]:
    """Return the addresses of images and of media with one."""
    found = []
    for item in items:
        inner = item.get("image") or (item.get("preview") or {}).get("image") or item
        address = next(
            (inner[n] for n in ("url", "originalSrc", "src", "transformedSrc")
             if isinstance(inner, dict) and inner.get(n)), ""
        )  # fmt: skip
        found += split_images(address)
    return found


def _variants(
    variants: list[tuple[int, Any]],
    head: tuple[int, Any],
    images: Sequence[Object],
    metafields: Sequence[Object],
    facts: Mapping[str, Sequence[Object]],
    job: Job,
) -> Iterator[Record]:
    number, product = head
    further = {n: v for n, v in product.items() if n not in _KNOWN and n != PARENT}
    pictures = _images([i for i in (product.get("featuredImage"), product.get("featuredMedia"))
                        if isinstance(i, dict)])  # fmt: skip
    pictures += _images(images)
    for place, variant in variants or [(number, {})]:
        record = Record(place, {})
        for option in variant.get("selectedOptions") or ():
            if option.get("value") not in ("Default Title", None, ""):
                record.options[str(option.get("name"))] = option["value"]
        own_facts = [
            *metafields,
            *facts.get(str(variant.get("id")), nodes(variant.get("metafields"))),
        ]
        record.attributes = {str(fact.get("key")): fact.get("value") for fact in own_facts}
        record.fields = _fields(product, variant, pictures)
        handle = str(product.get("handle") or product.get("id") or "")
        own = "-".join(slug(str(value)) for value in record.options.values())
        spelled = f"{handle}:{own}" if own and len(variants) > 1 else handle
        record.fields["product_id"] = variant.get("sku") or spelled
        record.fields["group_id"] = handle
        record.fallback_id = spelled
        record.columns = _columns(product, variant) | further
        yield record


def _fields(product: Object, variant: Object, pictures: list[str]) -> dict[str, Any]:
    taxonomy = product.get("category") or product.get("productCategory") or {}
    inner = taxonomy.get("productTaxonomyNode") or taxonomy if isinstance(taxonomy, dict) else {}
    full = inner.get("fullName") or inner.get("name") or ""
    kind = product.get("productType")
    prices = product.get("priceRangeV2") or product.get("priceRange") or {}
    shown = prices.get("minVariantPrice") if isinstance(prices, dict) else None
    own = _images([i for i in (variant.get("image"), *nodes(variant.get("media")))
                   if isinstance(i, dict)])  # fmt: skip
    quantity = variant.get("inventoryQuantity")
    available = variant.get("availableForSale")
    state = "" if quantity is None else (
        IN_STOCK if int(quantity) > 0
        else BACKORDER if str(variant.get("inventoryPolicy")).upper() == "CONTINUE"
        else OUT_OF_STOCK
    )  # fmt: skip
    return {
        "title": product.get("title"),
        "description": product.get("descriptionHtml") or product.get("bodyHtml")
        or product.get("description"),
        "brand": product.get("vendor"),
        "category": [c for c in (full, kind) if c and (c is full or c != full.split(" > ")[-1])],
        "tags": product.get("tags"),
        "price": variant.get("price") or shown,
        "currency": (shown or {}).get("currencyCode", ""),
        "list_price": variant.get("compareAtPrice"),
        "gtin": variant.get("barcode"),
        "sku": variant.get("sku"),
        "availability": state if available is None else parse_availability(available),
        "images": list(dict.fromkeys([*own, *pictures])),
        "link": product.get("onlineStoreUrl"),
    }  # fmt: skip


def _columns(product: Object, variant: Object) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if status := str(product.get("status") or "").lower():
        columns |= {"status": status, "published": status == "active"}
    if variant.get("inventoryQuantity") is not None:
        columns["stock"] = variant["inventoryQuantity"]
    return columns


FORMAT = Format(title="Shopify GraphQL", recognise=_recognise, read=_read)
