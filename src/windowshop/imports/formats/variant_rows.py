"""Tables whose rows are products and their variants, read by a layout that each system declares.

A variant takes from its product what its own row leaves empty.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from windowshop.imports.formats.format import Format, Found, Job, Names, grouped, tell_columns
from windowshop.imports.record import Record
from windowshop.imports.report import ImportReport
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import Row
from windowshop.imports.values import (
    IN_STOCK,
    OUT_OF_STOCK,
    parse_availability,
    parse_boolean,
    plain_name,
    slug,
    split_images,
)

MIN_MARKS = 2
Role = Literal["product", "variant", "both", "image", "none"]
Texts = Mapping[str, Any]


def _no_facts(row: Texts, head: Texts) -> dict[str, Any]:
    return {}


def _no_further(rows: Sequence[Texts]) -> dict[str, Any]:
    return {}


def _same(record: Record, row: Texts, head: Texts, names: Names) -> None:
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Columns of one system's table, and how they are read."""

    title: str
    aliases: Mapping[str, str]
    """Columns by own names: those of Record's fields, and `kind`, `group`, `published`, `stock`."""
    needed: tuple[str, ...]
    """Columns that tell the system apart; all must be there."""
    places: tuple[str, ...] = ()
    """All columns in their order, by which a table is told that has them in another language."""
    marks: tuple[str, ...] = ()
    """Further columns, of which two must be there."""
    role: Callable[[Texts, Names], Role]
    key: Callable[[Texts, Names], str]
    """Name of the product that a row belongs to; "" where it is that of the row before."""
    options: Callable[[Texts, Texts], dict[str, Any]] = _no_facts
    """Options of a row and its product."""
    facts: Callable[[Texts, Texts], dict[str, Any]] = _no_facts
    categories: Callable[[str], Sequence[str]] = lambda text: [text]
    images: Callable[[Any], list[str]] = split_images
    more_images: str = ""
    """Pattern of plain names of columns with further images."""
    no_use: str = ""
    """Pattern of plain names of columns that say nothing to a search."""
    finish: Callable[[Record, Texts, Texts, Names], None] = _same
    """Change a record by what is this system's own."""
    gather: Callable[[Sequence[Texts]], dict[str, Any]] = _no_further
    """Facts of a product in its further rows."""


_TOLD = {
    "group": "group_id", "stock": "stock, availability", "images": "image_url",
    "variant_images": "image_url", "variant_id": "product_id where there is no SKU",
    "sku": "product_id",
}  # fmt: skip


def layout_format(layout: Layout) -> Format:
    """Return the format of a layout."""

    def recognise(source: Source) -> Found | None:
        if source.kind not in ("csv", "xlsx", "parquet"):
            return None
        plain = {plain_name(name) for name in _english(source, layout).header}
        if not {plain_name(name) for name in layout.needed} <= plain:
            return None
        marks = [name for name in layout.marks if plain_name(name) in plain]
        if layout.marks and len({plain_name(name) for name in marks}) < MIN_MARKS:
            return None
        if "title" not in Names(source.header, layout.aliases).column and not layout.needed:
            return None
        return Found(0.95, (f"columns {', '.join(layout.needed or marks[:4])}",))

    def read(source: Source, job: Job) -> Iterator[Record]:
        return _read(_english(source, layout), job, layout)

    return Format(title=layout.title, recognise=recognise, read=read)


class _Renamed:
    """Source whose columns have other names."""

    def __init__(self, source: Source, names: Mapping[str, str]) -> None:
        self._source, self._names = source, names
        self.header = tuple(names[name] for name in source.header)

    def rows(self, report: ImportReport) -> Iterator[Row]:
        """Yield each record by the other names."""
        for number, row in self._source.rows(report):
            yield number, {self._names[name]: value for name, value in row.items()}


def _english(source: Source, layout: Layout) -> Source | _Renamed:
    """Return a source by the names of a layout where its columns are those in another language."""
    header, places = source.header, layout.places
    if len(header) != len(places) or len({*header}) < len(header):
        return source
    same = sum(
        plain_name(own) == plain_name(name) for own, name in zip(header, places, strict=True)
    )
    is_other = MIN_MARKS <= same < len(places)
    return _Renamed(source, dict(zip(header, places, strict=True))) if is_other else source


def _read(source: Source | _Renamed, job: Job, layout: Layout) -> Iterator[Record]:
    names = Names(source.header, layout.aliases)
    told = {own: _TOLD.get(own, own) for own in names.column if own != "kind"}
    tell_columns(job.report, names, told)
    pictures, further = [], []
    for name in source.header:
        plain = plain_name(name)
        if name in names.used:
            continue
        if layout.more_images and re.fullmatch(layout.more_images, plain):
            pictures.append(name)
            job.report.columns[name] = "image_url"
        elif layout.no_use and re.match(layout.no_use, plain):
            job.report.dropped_columns.append(name)
        else:
            further.append(name)
    job.report.kept_columns += further
    last = [""]

    def key(row: Texts) -> str:
        last[0] = layout.key(row, names) or last[0]
        return last[0]

    for rows in grouped(source, job.report, key):
        yield from _product(rows, names, layout, (pictures, further), job)


def _product(
    rows: list[Row], names: Names, layout: Layout, columns: tuple[list[str], list[str]], job: Job
) -> Iterator[Record]:
    parts = [(row, layout.role(row[1], names)) for row in rows]
    head = next((row for (_, row), role in parts if role in ("product", "both")), {})
    variants = [row for row, role in parts if role in ("variant", "both")]
    images: list[str] = []
    for (number, row), role in parts:
        if role in ("product", "both", "image"):
            images += _pictures(row, names, layout, columns[0])
        if role == "image":
            job.report.add("image-row", number, names.get(row, "images"))
        elif role == "none":
            job.report.add("option-row", number, names.get(row, "title") or names.get(row, "kind"))
        elif role == "product" and variants:
            job.report.add("parent-passed-on", number, names.get(row, "title"))
    chosen = variants or [row for row, role in parts if role == "product"]
    further = layout.gather([row for _, row in rows])
    for number, row in chosen:
        record = _record(number, row, head, names, layout, (images, *columns), len(chosen) == 1)
        record.attributes |= further
        yield record


def _pictures(row: Texts, names: Names, layout: Layout, columns: list[str]) -> list[str]:
    given = [names.get(row, "images"), *(row.get(name) for name in columns)]
    return [image for value in given if value for image in layout.images(value)]


def _record(
    number: int,
    row: Texts,
    head: Texts,
    names: Names,
    layout: Layout,
    columns: tuple[list[str], list[str], list[str]],
    is_alone: bool,
) -> Record:
    def value(own: str) -> Any:  # noqa: ANN401
        return names.get(row, own) or names.get(head, own)

    images, pictures, further = columns
    record = Record(number, {})
    record.options = layout.options(row, head)
    group = str(
        names.get(head, "group") or names.get(row, "group") or names.get(head, "sku")
        or names.get(row, "sku")
    )  # fmt: skip
    spelled = "-".join(slug(str(item)) for item in record.options.values())
    own_id = names.get(row, "variant_id") or (f"{group}:{spelled}" if not is_alone else group)
    own = [*layout.images(names.get(row, "variant_images"))]
    if row is not head:
        own += _pictures(row, names, layout, pictures)
    record.fields = {
        name: value(name)
        for name in ("title", "brand", "currency", "tags", "link", "price",
                     "sale_price", "list_price")
    }  # fmt: skip
    record.fields |= {
        "description": [text for name in ("short", "description") if (text := value(name))],
        "product_id": names.get(row, "sku") or own_id,
        "group_id": group,
        "category": [c for c in layout.categories(str(value("category") or "")) if c],
        "images": list(dict.fromkeys([*own, *images])),
        "availability": availability(names.get(row, "stock")),
        "sku": names.get(row, "sku"),
        **{name: names.get(row, name) for name in ("gtin", "mpn")},
    }
    record.fallback_id = str(own_id)
    record.attributes = layout.facts(row, head)
    if (shown := parse_boolean(value("published"))) is not None:
        record.columns["published"] = shown
    if str(names.get(row, "stock")).strip().lstrip("-").isdigit():
        record.columns["stock"] = names.get(row, "stock")
    for name in further:
        if (found := row.get(name) or head.get(name)) not in (None, ""):
            record.columns[name] = found
    layout.finish(record, row, head, names)
    return record


def availability(stock: Any) -> str:  # noqa: ANN401
    """Return whether a stock can be bought from: a count, or words."""
    text = str(stock).strip()
    if text.lower() == "unlimited":
        return IN_STOCK
    try:
        return IN_STOCK if float(text) > 0 else OUT_OF_STOCK
    except ValueError:
        return parse_availability(text) or ""


def numbered(row: Texts, name: str, value: str) -> list[tuple[str, str]]:
    """Return the names and values of numbered columns, by patterns of their plain names.

    The number is the patterns' group 1; a value without a name is left out.
    """
    found: dict[str, list[str]] = {}
    for column, text in row.items():
        plain = plain_name(column)
        for place, pattern in enumerate((name, value)):
            if (hit := re.fullmatch(pattern, plain)) is not None:
                found.setdefault(hit[1], ["", ""])[place] = str(text).strip()
    return [(pair[0], pair[1]) for pair in found.values() if pair[0] and pair[1]]


def both(row: Texts, names: Names) -> Role:
    """Return that a row is a product and a variant."""
    return "both"


def first_of(*columns: str) -> Any:  # noqa: ANN401
    """Return a key of the first of a layout's columns that a row has."""

    def key(row: Texts, names: Names) -> str:
        return str(next((found for own in columns if (found := names.get(row, own))), ""))

    return key


def options_of(row: Texts, head: Texts, name: str, value: str) -> dict[str, Any]:
    """Return options in numbered columns, whose names the product's row alone may have."""
    names = {hit[1]: str(text) for column, text in {**head, **row}.items()
             if text and (hit := re.fullmatch(name, plain_name(column)))}  # fmt: skip
    values = {hit[1]: str(text) for column, text in row.items()
              if text and (hit := re.fullmatch(value, plain_name(column)))}  # fmt: skip
    return {names.get(place, f"Option {place}"): text for place, text in values.items()}
