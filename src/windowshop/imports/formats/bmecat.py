"""BMEcat 1.2 and 2005: articles with their features, prices, images and groups of a catalogue."""

from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.normalise import text_of
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import listed, xml_items

_PRICES = ("net_customer", "gros_list", "nrp", "net_list")
"""Types of prices, that of shoppers first."""
_IMAGES = ("normal", "detail", "others", "thumbnail", "")
_TOLD = {
    "SUPPLIER_AID": "product_id", "DESCRIPTION_SHORT": "title", "DESCRIPTION_LONG": "description",
    "MANUFACTURER_NAME": "brand", "MANUFACTURER_AID": "mpn", "EAN": "gtin",
    "PRICE_AMOUNT": "price", "FEATURE": "attributes", "MIME_SOURCE": "images",
    "CATALOG_GROUP_ID": "category", "KEYWORD": "tags",
}  # fmt: skip
Part = Mapping[str, Any]


def _recognise(source: Source) -> Found | None:
    is_catalogue = source.kind == "xml" and "<BMECAT" in source.text(1 << 12)
    return Found(0.97, ("element BMECAT",)) if is_catalogue else None


def _parts(row: Part, *names: str) -> list[Part]:
    """Return the objects at the end of a path of elements."""
    found: list[Part] = [row]
    for name in names:
        found = [i for part in found for i in listed(part.get(name)) if isinstance(i, dict)]
    return found


def _groups(source: Source) -> dict[str, list[str]]:
    """Return the paths of the groups of each article."""
    names: dict[str, tuple[str, str]] = {}
    for _, row in xml_items(source.path, "CATALOG_STRUCTURE"):
        if row.get("type") != "root":
            name = text_of(row.get("GROUP_NAME"))
            names[str(row.get("GROUP_ID"))] = name, str(row.get("PARENT_ID", ""))
    found: dict[str, list[str]] = {}
    for tag, key in (("ARTICLE_TO_CATALOGGROUP_MAP", "ART_ID"),
                     ("PRODUCT_TO_CATALOGGROUP_MAP", "PROD_ID")):  # fmt: skip
        for _, row in xml_items(source.path, tag):
            path = _path(str(row.get("CATALOG_GROUP_ID", "")), names)
            found.setdefault(str(row.get(key, "")), []).append(path)
    return found


def _path(group: str, names: Mapping[str, tuple[str, str]]) -> str:
    steps: list[str] = []
    while group in names and len(steps) < len(names):
        label, group = names[group]
        steps.append(label)
    return " > ".join(reversed(steps))


def _read(source: Source, job: Job) -> Iterator[Record]:
    job.report.columns |= _TOLD
    head: Part = next((row for _, row in xml_items(source.path, "CATALOG")), {})
    groups = _groups(source)
    prefix = "PRODUCT" if "<PRODUCT" in source.text(1 << 20) else "ARTICLE"  # since 2005
    for number, row in xml_items(source.path, prefix):
        name = str(row.get("SUPPLIER_AID") or row.get("SUPPLIER_PID") or "")
        if row.get("mode") == "delete":
            job.report.add("option-row", number, name)
            continue
        yield _record(number, row, prefix, groups.get(name, []), str(head.get("CURRENCY", "")))


def _record(number: int, row: Part, prefix: str, paths: list[str], currency: str) -> Record:
    """Return the product of an article, whose parts begin with `prefix`."""
    details: Part = next(iter(_parts(row, f"{prefix}_DETAILS")), {})
    price = _price(row, prefix)
    record = Record(number, {})
    record.fields = {
        "product_id": row.get("SUPPLIER_AID") or row.get("SUPPLIER_PID"),
        "title": details.get("DESCRIPTION_SHORT"),
        "description": details.get("DESCRIPTION_LONG"),
        "brand": details.get("MANUFACTURER_NAME"),
        "mpn": details.get("MANUFACTURER_AID") or details.get("MANUFACTURER_PID"),
        "gtin": details.get("EAN") or details.get("INTERNATIONAL_PID"),
        "category": paths,
        "price": price.get("PRICE_AMOUNT"),
        "currency": price.get("PRICE_CURRENCY") or currency,
        "tags": [text_of(word) for word in listed(details.get("KEYWORD"))],
        "images": _images(row),
    }
    for feature in _parts(row, f"{prefix}_FEATURES", "FEATURE"):
        name, unit = text_of(feature.get("FNAME")), text_of(feature.get("FUNIT"))
        values = [text_of(value) for value in listed(feature.get("FVALUE"))]
        values = [f"{value} {unit}" if unit else value for value in values if value]
        if name and values:
            record.attributes[name] = values[0] if len(values) == 1 else values
    return record


def _price(row: Part, prefix: str) -> Part:
    """Return the price of one piece that comes first in the order of types."""
    found = [part for part in _parts(row, f"{prefix}_PRICE_DETAILS", f"{prefix}_PRICE")
             if text_of(part.get("LOWER_BOUND")) in ("", "0", "1")]  # fmt: skip
    found.sort(key=lambda part: _PRICES.index(str(part.get("price_type")))
               if part.get("price_type") in _PRICES else len(_PRICES))  # fmt: skip
    return found[0] if found else {}


def _images(row: Part) -> list[str]:
    """Return the images, the usual view first; data sheets and thumbnails are none."""
    boxes = ("MIME_INFO", "PRODUCT_MIME_INFO")
    parts = (part for box in boxes for part in _parts(row, box, "MIME"))
    found = [
        p for p in parts if str(p.get("MIME_TYPE", "image")).startswith(("image", "jp", "png"))
    ]
    shown = [part for part in found if part.get("MIME_PURPOSE", "") in _IMAGES] or found
    shown.sort(key=lambda part: _IMAGES.index(str(part.get("MIME_PURPOSE", ""))))
    return [text_of(part.get("MIME_SOURCE")) for part in shown if part.get("MIME_SOURCE")]


FORMAT = Format(title="BMEcat", recognise=_recognise, read=_read)
