"""schema.org's Product and ProductGroup in JSON-LD: of HTML pages, or of JSON by itself."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import json_ld_blocks, objects_of
from windowshop.imports.values import OUT_OF_STOCK, parse_availability, split_images

_PRODUCTS = ("Product", "IndividualProduct", "ProductModel", "SomeProducts", "Vehicle", "Book")
_OPTIONS = ("color", "size", "material", "pattern", "suggestedGender", "suggestedAge")
_FACTS = ("width", "height", "depth", "weight", "model", "award", "itemCondition", "releaseDate")
_GTINS = ("gtin13", "gtin", "gtin12", "gtin14", "gtin8")
_IDS = ("sku", "productID", "gtin13", "gtin", "gtin12", "gtin14", "gtin8", "mpn", "@id", "url")
_RELATED = ("isRelatedTo", "isSimilarTo", "isAccessoryOrSparePartFor")
_HOME = ("home", "start", "startseite", "accueil", "inicio")
_LAST_COMMA = re.compile(r",\s*([}\]])")
Object = Mapping[str, Any]


def kinds(item: Object) -> list[str]:
    """Return the types of an object, without their address."""
    given = item.get("@type", [])
    listed = given if isinstance(given, list) else [given]
    return [str(kind).rpartition("/")[2].rpartition(":")[2] for kind in listed]


def _is_product(item: Object) -> bool:
    return bool({*_PRODUCTS, "ProductGroup"} & {*kinds(item)})


def _recognise(source: Source) -> Found | None:
    if source.kind == "html":
        found = any(_is_product(item) for item in _page_objects(source, None))
        return Found(0.95, ("a page with a Product in JSON-LD",)) if found else None
    if source.kind not in ("json", "jsonl"):
        return None
    if any(_is_product(item) for row in source.sample[:50] for item in objects_of(row)):
        return Found(0.95, ("@type Product",))
    return None


def _page_objects(source: Source, job: Job | None) -> Iterator[Object]:
    """Yield all objects of the JSON-LD blocks of a page."""
    for place, block in enumerate(json_ld_blocks(source.text()), start=1):
        try:
            yield from objects_of(_parsed(block))
        except (ValueError, RecursionError):
            if job is not None:
                job.report.add("bad-block", place, f"{source.path.name}: {block[:60]}")


def _parsed(block: str) -> Any:  # noqa: ANN401
    """Read a block of JSON, also one with commas before its closing brackets."""
    try:
        return json.loads(block, strict=False)
    except ValueError:
        return json.loads(_LAST_COMMA.sub(r"\1", block), strict=False)


def _read(source: Source, job: Job) -> Iterator[Record]:
    job.report.columns |= {
        "name": "title", "description": "description", "brand": "brand", "category": "category",
        "offers": "price, currency, availability", "image": "image_url", "url": "link",
        "hasVariant": "products, group_id", "additionalProperty": "attributes",
    }  # fmt: skip
    if source.kind == "html":
        yield from _products([*_page_objects(source, job)], 1)
        return
    for number, row in source.rows(job.report):
        yield from _products([*objects_of(row)], number)


def _products(items: list[Object], number: int) -> Iterator[Record]:
    """Yield the products of one page or record; variants once, with what their group has."""
    by_id = {
        item["@id"]: item for item in items if isinstance(item.get("@id"), str) and len(item) > 1
    }
    path = _breadcrumb(items)
    done: set[int] = set()
    inside: set[int] = set()
    for item in items:
        if "ProductGroup" in kinds(item):
            variants = [_whole(v, by_id) for v in _listed(item.get("hasVariant"))]
            for variant in variants:
                done.add(id(variant))
                yield _record(number, variant, item, path)
            if not variants:
                yield _record(number, item, {}, path)
    for item in items:
        inside |= {id(_whole(o, by_id)) for key in _RELATED for o in _listed(item.get(key))}
    for item in items:
        is_plain = bool({*_PRODUCTS} & {*kinds(item)}) and "ProductGroup" not in kinds(item)
        if is_plain and id(item) not in done | inside and (item.get("name") or item.get("offers")):
            parents = [_whole(g, by_id) for g in _listed(item.get("isVariantOf"))]
            yield _record(number, item, parents[0] if parents else {}, path)


def _listed(value: Any) -> list[Object]:  # noqa: ANN401
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _whole(item: Object, by_id: Mapping[str, Object]) -> Object:
    """Return the object that a reference names."""
    name = item.get("@id")
    return by_id.get(name, item) if isinstance(name, str) and len(item) <= 2 else item


def _breadcrumb(items: list[Object]) -> str:
    """Return the path of a page's breadcrumbs, without the shop's home and the product itself."""
    for item in items:
        if "BreadcrumbList" not in kinds(item):
            continue
        steps = sorted(_listed(item.get("itemListElement")), key=lambda s: str(s.get("position")))
        inner = [s["item"] if isinstance(s.get("item"), dict) else {} for s in steps]
        names = [s.get("name") or i.get("name") for s, i in zip(steps, inner, strict=True)]
        texts = [str(name).strip() for name in names if name]
        if texts and texts[0].lower() in _HOME:
            texts = texts[1:]
        return " > ".join(texts[:-1])
    return ""


def _record(number: int, item: Object, group: Object, path: str) -> Record:
    def value(name: str) -> Any:  # noqa: ANN401
        return item.get(name) if item.get(name) not in (None, "", []) else group.get(name)

    record = Record(number, {})
    offer = _offer(value("offers"))
    own_id = next(
        (item[n] for n in _IDS if isinstance(item.get(n), str | int) and item[n] != ""), ""
    )
    record.fields = {
        "product_id": own_id or offer.get("sku", ""),
        "group_id": group.get("productGroupID") or group.get("sku") or group.get("@id")
        or item.get("inProductGroupWithID") or "",
        "title": value("name"),
        "description": value("description"),
        "brand": value("brand") or value("manufacturer"),
        "category": value("category") or path,
        "price": offer.get("price"),
        "list_price": offer.get("list_price"),
        "currency": offer.get("currency", ""),
        "availability": offer.get("availability"),
        "images": [*split_images(item.get("image")), *split_images(group.get("image"))],
        "link": value("url") or offer.get("url"),
        "gtin": next((item[name] for name in _GTINS if item.get(name)), ""),
        "mpn": item.get("mpn"),
        "sku": item.get("sku"),
        "tags": value("keywords"),
    }  # fmt: skip
    record.options = {name: value(name) for name in _OPTIONS if isinstance(value(name), str | list)}
    for name in _FACTS:
        if value(name):
            record.attributes[name] = value(name)
    for fact in (
        *_listed(group.get("additionalProperty")),
        *_listed(item.get("additionalProperty")),
    ):
        if fact.get("name"):
            unit = fact.get("unitText") or fact.get("unitCode") or ""
            record.attributes[str(fact["name"])] = (
                f"{fact.get('value')} {unit}" if unit else fact.get("value")
            )
    rating = value("aggregateRating")
    if isinstance(rating, dict):
        record.columns["rating"] = rating.get("ratingValue")
        record.columns["num_ratings"] = rating.get("reviewCount") or rating.get("ratingCount")
    return record


def _offer(value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return price, currency and availability of offers: the cheapest that can be bought."""
    found: list[dict[str, Any]] = []
    for offer in _listed(value):
        prices = _listed(offer.get("priceSpecification"))
        spec = next(
            (s for s in prices if "price" in s and "ListPrice" not in str(s.get("priceType"))), {}
        )
        listed = next((s for s in prices if "ListPrice" in str(s.get("priceType"))
                       or "StrikethroughPrice" in str(s.get("priceType"))), {})  # fmt: skip
        price = offer.get("price", offer.get("lowPrice", spec.get("price")))
        if price is None and offer.get("offers"):
            found.append(_offer(offer["offers"]))
            continue
        found.append(
            {
                "price": price,
                "list_price": listed.get("price"),
                "currency": offer.get("priceCurrency") or spec.get("priceCurrency") or "",
                "availability": offer.get("availability"),
                "url": offer.get("url"),
                "sku": offer.get("sku"),
            }
        )
    return min(found, key=lambda offer: (_is_out(offer), _amount(offer)), default={})


def _is_out(offer: Mapping[str, Any]) -> bool:
    return parse_availability(offer.get("availability") or "") == OUT_OF_STOCK


def _amount(offer: Mapping[str, Any]) -> float:
    try:
        return float(str(offer.get("price")).replace(",", "."))
    except ValueError:
        return float("inf")


FORMAT = Format(title="schema.org JSON-LD", recognise=_recognise, read=_read)
