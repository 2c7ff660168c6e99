r"""Magento's (Adobe Commerce) product CSV.

Rows with a `store_view_code` say a product again, in another language for example; what they
leave empty is that of the base row. `additional_attributes` is
`a=b,c=d|e`, `configurable_variations` is `sku=A,color=Red|sku=B,color=Blue`; commas and bars may be
part of values, so each is split only before a name.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from windowshop.errors import ConfigError
from windowshop.imports.formats.format import Format, Found, Job, by_anchors
from windowshop.imports.formats.magento_rows import magento_rows, recognise_forms
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.values import IN_STOCK, OUT_OF_STOCK, parse_boolean

_ANCHORS = (
    "attribute_set_code", "product_type", "product_websites", "categories", "visibility", "url_key",
    "base_image", "additional_attributes", "configurable_variations", "tax_class_name",
    "store_view_code", "product_online",
)  # fmt: skip
_KEPT = ("weight", "special_price_from_date", "special_price_to_date", "new_from_date")
_USED = {
    "sku": "product_id", "name": "title", "description": "description",
    "short_description": "description", "price": "price", "special_price": "sale_price",
    "categories": "category", "base_image": "image", "additional_images": "images",
    "additional_attributes": "attributes", "configurable_variations": "group_id, attributes",
    "qty": "stock", "is_in_stock": "availability", "product_online": "published",
    "manufacturer": "brand", "visibility": "visibility", "product_type": "type",
}  # fmt: skip
_PAIR = re.compile(r",(?=[A-Za-z][\w ]*=)")
_ROOTS = ("default category", "root catalog")
_BRANDS = ("manufacturer", "brand")


def _recognise(source: Source) -> Found | None:
    if (found := recognise_forms(source)) is not None:
        return found
    if source.kind not in ("csv", "xlsx"):
        return None
    return by_anchors(source.header, _ANCHORS, needed=("sku", "name", "product_type"), least=3)


def _read(source: Source, job: Job) -> Iterator[Record]:
    job.report.columns |= {n: t for n, t in _USED.items() if n in source.header}
    job.report.dropped_columns += [n for n in source.header if n not in _USED and n not in _KEPT]
    base, options, children = _first_pass(source, job)
    chosen_view = job.reading.store_view
    views = _views(source, job) if chosen_view else {}
    for number, row in magento_rows(source, job.report):
        sku = str(row.get("sku", ""))
        view = str(row.get("store_view_code", ""))
        if view == chosen_view and view and sku in base:
            job.report.add("store-view-taken", number, f"{sku} {view}")
        elif view and (sku in base or (chosen_view and view != chosen_view)):
            job.report.add("store-view", number, f"{sku} {view}")
        elif row.get("product_type") == "configurable" and children.get(sku):
            job.report.add("parent-passed-on", number, sku)
        else:
            parent, chosen = options.get(sku, ({}, {}))
            above = str(parent.get("sku", ""))
            yield _record(
                number, row | views.get(sku, {}), {**parent, **views.get(above, {})}, chosen
            )


def _views(source: Source, job: Job) -> dict[str, dict[str, Any]]:
    """Return what the chosen store view says of each SKU; an unknown view raises ConfigError."""
    found: dict[str, dict[str, Any]] = {}
    known: set[str] = set()
    own = ("sku", "store_view_code", "product_type", "configurable_variations", "categories")
    for _, row in magento_rows(source, job.report.quiet()):
        view = str(row.get("store_view_code", ""))
        known.add(view)
        if view == job.reading.store_view:
            texts = {name: value for name, value in row.items() if name not in own}
            found.setdefault(str(row.get("sku", "")), {}).update(texts)
    if not found:
        raise ConfigError(
            f"{source.path}: has no store view {job.reading.store_view!r}; found "
            f"{', '.join(sorted(known - {''})) or 'none'}. Name one of them."
        )
    return found


Options = dict[str, tuple[Mapping[str, Any], dict[str, str]]]


def _first_pass(source: Source, job: Job) -> tuple[set[str], Options, dict[str, int]]:
    """Read the SKUs of base rows, the parent and options of variants, and variants a parent has."""
    base: set[str] = set()
    options: Options = {}
    for _, row in magento_rows(source, job.report.quiet()):
        if row.get("store_view_code"):
            continue
        base.add(str(row.get("sku", "")))
        for chosen in variations(row.get("configurable_variations") or ""):
            options[chosen.pop("sku", "")] = row, chosen
    options.pop("", None)
    children: dict[str, int] = {}
    for sku, (parent, _) in options.items():
        if sku in base:
            name = str(parent.get("sku"))
            children[name] = children.get(name, 0) + 1
    return base, options, children


def variations(text: Any) -> list[dict[str, str]]:  # noqa: ANN401
    """Return the variants of a configurable product, each with its `sku` and options."""
    if isinstance(text, list):
        return [dict(item) for item in text]
    parts = re.split(r"\|(?=\s*sku=)", text) if text.strip() else []
    return [dict(pairs(part)) for part in parts]


def pairs(text: Any) -> list[tuple[str, Any]]:  # noqa: ANN401
    """Return names and values of `a=b,c=d`, also where each stands in quotes, or of an object."""
    if isinstance(text, dict):
        return [*text.items()]
    text = text.strip()
    quoted = text.startswith('"')
    items = next(csv.reader(StringIO(text)), []) if quoted else _PAIR.split(text)
    split = (item.partition("=") for item in items)
    return [(name.strip(), _bare(value)) for name, sign, value in split if sign and name.strip()]


def _bare(value: str) -> str:
    """Return a value without the quotes that an export may put around each (`size="S"`)."""
    value = value.strip()
    is_enclosed = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1].replace('""', '"').replace('"|"', "|") if is_enclosed else value


def categories(text: Any) -> list[str]:  # noqa: ANN401
    """Return paths of `Default Category/Gear/Bags,Default Category/New`, without their root."""
    if isinstance(text, list):
        return text
    if not text.strip():
        return []
    root = re.split(r"(?<!\\)[/,|]", text)[0].strip()
    found = []
    for path in re.split(rf"[,|]\s*(?={re.escape(root)}(?:[/,|]|$))", text):
        parts = [part.replace("\\/", "/").strip() for part in re.split(r"(?<!\\)/", path)]
        if parts[0].lower() in _ROOTS:
            parts = parts[1:]
        if parts:
            found.append(" > ".join(parts))
    return found


def _record(
    number: int, row: Mapping[str, Any], parent: Mapping[str, Any], chosen: Mapping[str, str]
) -> Record:
    def value(name: str) -> Any:  # noqa: ANN401
        return row.get(name) or parent.get(name)

    record = Record(number, {})
    facts = dict(pairs(parent.get("additional_attributes") or ""))
    facts |= dict(pairs(row.get("additional_attributes") or ""))
    brand = next((facts[n] for n in _BRANDS if facts.get(n)), value("manufacturer"))
    record.options = dict(chosen)
    record.sale_ends = str(row.get("special_price_to_date") or "")
    record.attributes = {
        name: text.split("|") if isinstance(text, str) and "|" in text else text
        for name, text in facts.items()
        if name not in chosen and name not in _BRANDS
    }
    given = value("additional_images") or ""
    images = [value("base_image"), *(given if isinstance(given, list) else str(given).split(","))]
    record.fields = {
        "product_id": row.get("sku"),
        "group_id": parent.get("sku"),
        "title": value("name"),
        "description": [text for n in ("short_description", "description") if (text := value(n))],
        "brand": brand,
        "category": categories(value("categories") or ""),
        "price": value("price"),
        "sale_price": row.get("special_price"),
        "availability": _availability(row),
        "images": [
            path.strip().lstrip("/")
            for path in images
            if path and path.strip() not in ("", "no_selection")
        ],
    }
    for name in _KEPT:
        if row.get(name) not in (None, ""):
            record.columns[name] = row[name]
    record.columns |= {
        "type": row.get("product_type"), "stock": row.get("qty"),
        "visibility": row.get("visibility"),
    }  # fmt: skip
    if (online := parse_boolean(row.get("product_online", ""))) is not None:
        record.columns["published"] = online or row.get("product_online") == "1"
    return record


def _availability(row: Mapping[str, Any]) -> str:
    said = parse_boolean(row.get("is_in_stock", ""))
    return "" if said is None else IN_STOCK if said else OUT_OF_STOCK


FORMAT = Format(title="Magento CSV", recognise=_recognise, read=_read)
