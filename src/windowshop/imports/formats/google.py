"""Google Merchant product feeds: RSS or Atom with `g:` elements, and tables of the same names.

Names may have spaces or underscores; repeated elements are lists.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from windowshop.imports.formats.format import Format, Found, Job, by_anchors
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.values import is_web, parse_published, plain_name

_ANCHORS = (
    "image link", "availability", "google product category", "item group id", "condition", "gtin",
    "mpn", "brand", "product type", "additional image link", "link", "price", "description",
)  # fmt: skip
_FIELDS = {
    "id": "product_id", "sku id": "product_id", "item group id": "group_id", "title": "title",
    "brand": "brand", "structured title": "title", "description": "description", "price": "price",
    "structured description": "description", "sale price": "sale_price",
    "availability": "availability", "link": "link", "gtin": "gtin", "mpn": "mpn",
}  # fmt: skip
_OPTIONS = ("color", "size", "material", "pattern", "gender", "age group", "size type",
            "size system")  # fmt: skip
_TAG = re.compile(r"(?:product|internal) (?:tags?|labels?)(?: \d+)?$")
_VIDEO = re.compile(r"video \d+ ")


@lru_cache(maxsize=1 << 10)
def _is_tag(name: str) -> bool:
    return _TAG.match(name) is not None


_NO_USE = frozenset((
    "shipping", "tax", "identifier exists", "adult", "ads redirect", "mobile link",
    "canonical link",
    "shipping label", "tax category", "shipping weight", "shipping length", "shipping width",
    "shipping height", "excluded destination", "included destination", "transit time label",
    "min handling time", "max handling time", "ads labels", "ads grouping", "promotion id",
    "cost of goods sold", "pause", "installment", "subscription cost", "loyalty points", "updated",
    "loyalty program", "guid", "pub date", "lifestyle image link", "virtual model link",
    "external seller id", "checkout link template", "consumer notice", "certification",
))  # fmt: skip


NAMES = frozenset((
    *_FIELDS, *_OPTIONS, *_NO_USE, "image link", "additional image link", "product type",
    "product detail", "product highlight", "google product category", "condition",
    "sale price effective date", "custom label 0", "custom label 1", "custom label 2",
    "custom label 3", "custom label 4", "multipack", "is bundle", "energy efficiency class",
    "availability date", "expiration date", "unit pricing measure", "unit pricing base measure",
))  # fmt: skip
"""Names of attributes, of which supplements have some."""


def _recognise(source: Source) -> Found | None:
    if source.kind in ("html", "json"):
        return None
    names = {plain_name(name) for name in source.header}
    if source.kind == "xml":
        found = by_anchors(names, _ANCHORS, needed=("id", "title"), least=3)
        return found and Found(max(found.certainty, 0.9), ("an XML feed", *found.reasons))
    if names & {"is eligible search", "enable search", "seller name", "body html"}:
        return None
    own = "id" if "id" in names else "sku id"  # as TikTok's template has it
    return by_anchors(names, _ANCHORS, needed=(own, "title", "image link"), least=4)


def _read(source: Source, job: Job) -> Iterator[Record]:
    for name in source.header:
        plain = plain_name(name)
        if plain in _NO_USE:
            job.report.dropped_columns.append(name)
        elif plain in _FIELDS:
            job.report.columns[name] = _FIELDS[plain]
    is_table = source.kind in ("csv", "xlsx")
    for number, row in source.rows(job.report):
        yield product({plain_name(name): value for name, value in row.items()}, number, is_table)


def product(row: Mapping[str, Any], number: int, is_table: bool) -> Record:
    """Return the product of a row by plain names."""
    record = Record(number, {})
    for name, target in _FIELDS.items():
        if row.get(name) not in (None, ""):
            record.fields.setdefault(target, _content(row[name]))
    images = [
        *_list(row.get("image link"), is_table),
        *_list(row.get("additional image link"), is_table),
    ]
    record.fields["images"] = images
    types = _paths(row.get("product type"))
    google = _paths(row.get("google product category"))
    named = [path for path in google if not path.strip().isdigit()]
    record.fields["category"] = types or named
    for name in _OPTIONS:
        if row.get(name) not in (None, ""):
            record.options[name.replace(" ", "_")] = row[name]
    record.sale_ends = str(row.get("sale price effective date") or "")
    record.attributes = dict(_details(row.get("product detail")))
    if highlights := _list(row.get("product highlight"), is_table):
        record.attributes["highlights"] = highlights
    record.fields["tags"] = [row[name] for name in row if _is_tag(name)]
    shown = [parse_published(row[name]) for name in ("status", "visibility") if row.get(name)]
    if any(state is not None for state in shown):
        record.columns["published"] = False not in shown
    known = {*_FIELDS, *_OPTIONS, *_NO_USE, "image link", "additional image link", "product type",
             "product detail", "product highlight"}  # fmt: skip
    for name, value in row.items():
        if name not in known and not _is_tag(name) and not _VIDEO.match(name):
            record.columns[name.replace(" ", "_")] = value
    return record


def _content(value: Any) -> Any:  # noqa: ANN401
    """Return the text of a structured title or description."""
    return value.get("content", value) if isinstance(value, dict) else value


def _list(value: Any, is_table: bool) -> list[Any]:  # noqa: ANN401
    if value in (None, ""):
        return []
    if isinstance(value, list):
        return value
    if is_table and isinstance(value, str) and "," in value:
        parts = [part.strip() for part in value.split(",")]
        if all(map(is_web, parts)) or not is_web(value):
            return [part for part in parts if part]
    return [value]


def _paths(value: Any) -> list[str]:  # noqa: ANN401
    """Return the paths of a product type; in a table several may follow with commas."""
    found = []
    for text in value if isinstance(value, list) else [value]:
        if not text:
            continue
        parts = str(text).split(",")
        many = len(parts) > 1 and all(">" in part for part in parts)
        found += parts if many else [str(text)]
    return found


def _details(value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Yield names and values of details: of elements, or `Section:Name:Value` in a table."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            named = {plain_name(name): text for name, text in item.items()}
            if named.get("attribute name") and named.get("attribute value") is not None:
                yield str(named["attribute name"]), named["attribute value"]
        elif isinstance(item, str):
            for text in item.split(","):
                parts = [part.strip() for part in text.split(":")]
                if len(parts) >= 2 and parts[-2]:
                    yield parts[-2], parts[-1]


FORMAT = Format(title="Google Merchant feed", recognise=_recognise, read=_read)
