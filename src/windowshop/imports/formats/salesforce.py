"""Catalogue of Salesforce Commerce Cloud in XML: masters and their variants, categories, images.

Prices stand in price books, which are other files (salesforce_files).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from windowshop.imports.facts import pair_of
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.normalise import text_of
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.spilled import Spilled
from windowshop.imports.tree_rows import listed, xml_items
from windowshop.imports.values import parse_boolean

NAMESPACE = "demandware.com/xml/impex/catalog"
_FACTS = (
    "manufacturer-name",
    "manufacturer-sku",
    "unit-measure",
    "tax-class-id",
    "store-tax-class",
)
_KEPT = ("unit", "min-order-quantity", "classification-category")
Row = Mapping[str, Any]


def _recognise(source: Source) -> Found | None:
    if source.kind != "xml" or NAMESPACE not in source.text(1 << 12):
        return None
    return Found(0.97, (f"namespace {NAMESPACE}",))


def _within(row: Row, *names: str) -> list[Any]:
    """Return what stands at the end of a path of elements, as a list."""
    found: list[Any] = [row]
    for name in names:
        found = [
            part for item in found if isinstance(item, dict) for part in listed(item.get(name))
        ]
    return found


def _all(sources: Sequence[Source], tag: str) -> Iterator[tuple[int, Row]]:
    """Yield the elements of a name of all files, which may have none."""
    for source in sources:
        yield from xml_items(source.path, tag)


def _masters(sources: Sequence[Source]) -> tuple[Mapping[str, Row], Mapping[str, str]]:
    """Return the masters by their ids, and the master of each variant."""
    masters: Spilled[Row] = Spilled()
    of_variant: dict[str, str] = {}
    for _, row in _all(sources, "product"):
        name = str(row.get("product-id", ""))
        for variant in _within(row, "variations", "variants", "variant"):
            if isinstance(variant, dict) and variant.get("product-id"):
                masters[name] = row
                of_variant[str(variant["product-id"])] = name
    return masters, of_variant


def _paths(sources: Sequence[Source]) -> Mapping[str, list[str]]:
    """Return the paths of categories of each product, the primary one first."""
    names: dict[str, tuple[str, str]] = {}
    for _, row in _all(sources, "category"):
        label = text_of(row.get("display-name")) or str(row.get("category-id", ""))
        names[str(row.get("category-id", ""))] = label, str(row.get("parent", ""))
    found: Spilled[list[str]] = Spilled()
    for _, row in _all(sources, "category-assignment"):
        path = _path(str(row.get("category-id", "")), names)
        paths = found.setdefault(str(row.get("product-id", "")), [])
        is_first = parse_boolean(row.get("primary-flag", "")) is True
        paths.insert(0 if is_first else len(paths), path)
    return found


def _path(name: str, names: Mapping[str, tuple[str, str]]) -> str:
    steps: list[str] = []
    seen: set[str] = set()
    while name and name != "root" and name not in seen:
        seen.add(name)
        label, name = names.get(name, (name, ""))
        steps.append(label)
    return " > ".join(reversed(steps))


def read_catalogs(sources: Sequence[Source], job: Job) -> Iterator[Record]:
    """Yield the products of catalogues that belong to each other."""
    job.report.columns |= {
        "product-id": "product_id", "display-name": "title", "brand": "brand", "upc": "gtin",
        "short-description, long-description": "description", "image-group": "images",
        "variations": "group_id", "custom-attributes": "attributes", "online-flag": "published",
    }  # fmt: skip
    masters, of_variant = _masters(sources)
    paths = _paths(sources)
    present = {str(row.get("product-id")) for _, row in _all(sources, "product")}
    sold = {of_variant[name] for name in present & of_variant.keys()}
    for number, row in _all(sources, "product"):
        name = str(row.get("product-id", ""))
        if name in sold:
            job.report.add("parent-passed-on", number, text_of(row.get("display-name")))
            continue
        master = of_variant.get(name, "")
        yield _record(number, row, masters.get(master, {}), paths.get(name) or paths.get(master))


def _record(number: int, row: Row, master: Row, paths: list[str] | None) -> Record:
    def value(name: str) -> Any:  # noqa: ANN401
        return row.get(name) or master.get(name)

    record = Record(number, {})
    own, common = _facts(row), _facts(master)
    record.options = own if master else {}
    record.attributes = {**common, **own}
    record.attributes |= {name: value(name) for name in _FACTS if value(name)}
    texts = [text_of(value(name)) for name in ("short-description", "long-description")]
    record.fields = {
        "product_id": row.get("product-id"),
        "group_id": master.get("product-id", ""),
        "title": value("display-name"),
        "description": [text for text in texts if text],
        "brand": value("brand") or value("manufacturer-name"),
        "category": paths or [],
        "images": _images(row) or _images(master),
        "gtin": row.get("upc") or row.get("ean") or "",
        "mpn": row.get("manufacturer-sku") or "",
    }
    shown = parse_boolean(row.get("online-flag", ""))
    if shown is not None:
        record.columns["published"] = shown
    record.columns |= {name: value(name) for name in _KEPT if value(name)}
    return record


def _facts(row: Row) -> dict[str, Any]:
    pairs = [pair_of(item) for item in _within(row, "custom-attributes", "custom-attribute")
             if isinstance(item, dict)]  # fmt: skip
    return {pair[0]: text_of(pair[1]) for pair in pairs if pair is not None}


def _images(row: Row) -> list[str]:
    """Return the paths of the first group of images, which is the largest view."""
    groups = [g for g in _within(row, "images", "image-group") if isinstance(g, dict)]
    large = [g for g in groups if g.get("view-type") in ("hi-res", "large")] or groups
    first = large[0].get("view-type") if large else ""
    return [str(image["path"]) for group in large if group.get("view-type") == first
            for image in listed(group.get("image"))
            if isinstance(image, dict) and image.get("path")]  # fmt: skip


FORMAT = Format(
    title="Salesforce Commerce catalogue",
    recognise=_recognise,
    read=lambda source, job: read_catalogs([source], job),
)
