"""JSON of products with their variants nested in them, by any names."""

from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.column_map import ColumnMap, guess_map
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.formats.table import record_of
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.values import plain_name, slug

_VARIANTS = frozenset(("variants", "skus", "children", "variations", "product variants", "articles",
                       "items", "sizes", "options variants", "offers"))  # fmt: skip


def _place(source: Source) -> str:
    """Return the key under which products have lists of variants."""
    for name in source.header:
        if plain_name(name) not in _VARIANTS:
            continue
        lists = [
            row[name] for row in source.sample if isinstance(row.get(name), list) and row[name]
        ]
        objects = [item for items in lists for item in items if isinstance(item, dict)]
        keys = {plain_name(key) for item in objects for key in item}
        if objects and len(keys) > 1 and keys & {"sku", "id", "price", "ean", "gtin", "variant id"}:
            return name
    return ""


def _recognise(source: Source) -> Found | None:
    if source.kind not in ("json", "jsonl", "xml"):
        return None
    place = _place(source)
    if not place:
        return None
    found, certainty = guess_map(source.header, source.sample)
    if found.first("title") is None:
        return None
    return Found(min(0.75, 0.3 + 0.5 * certainty), (f"products with variants in {place!r}",))


def _maps(source: Source, place: str) -> tuple[ColumnMap, ColumnMap]:
    outer = [{k: v for k, v in row.items() if k != place} for row in source.sample]
    inner = [i for row in source.sample for i in row.get(place) or () if isinstance(i, dict)]
    names = tuple(dict.fromkeys(name for item in inner for name in item))
    header = tuple(name for name in source.header if name != place)
    return guess_map(header, outer)[0], guess_map(names, inner)[0]


def _read(source: Source, job: Job) -> Iterator[Record]:
    place = _place(source)
    outer, inner = _maps(source, place)
    job.reading.decimal = job.reading.decimal or outer.decimal or inner.decimal
    job.report.columns |= {name: str(target) for name, target in outer.columns.items()}
    job.report.columns |= {f"{place}.{name}": str(t) for name, t in inner.columns.items()}
    for number, row in source.rows(job.report):
        head = {name: value for name, value in row.items() if name != place}
        base = record_of(number, head, outer)
        parent = str(base.fields.get("product_id") or "")
        given = row.get(place)
        variants = (
            [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
        )
        if not variants:
            yield base
        for variant in variants:
            yield _joined(number, base, record_of(number, variant, inner), variant, parent)


def _joined(
    number: int, base: Record, own: Record, variant: Mapping[str, Any], parent: str
) -> Record:
    """Return a variant with what it leaves to its product; its further values are options."""
    record = Record(
        number, {**base.fields, **{k: v for k, v in own.fields.items() if v not in (None, "", [])}}
    )
    record.fields["title"] = base.fields.get("title") or own.fields.get("title")
    record.fields["group_id"] = parent
    texts = {n: v for n, v in own.columns.items() if isinstance(v, str)}
    record.options = {**{n: v for n, v in own.attributes.items() if isinstance(v, str)}, **texts}
    record.attributes = {
        **base.attributes,
        **{n: v for n, v in own.attributes.items() if n not in record.options},
    }
    record.columns = {**base.columns, **{n: v for n, v in own.columns.items() if n not in texts}}
    if own.fields.get("product_id") in (None, "") and len(variant):
        spelled = "-".join(slug(str(value)) for value in record.options.values())
        record.fields["product_id"] = f"{parent}:{spelled}" if spelled else parent
    record.fallback_id = f"{parent}:{own.fields.get('product_id', '')}"
    return record


FORMAT = Format(title="JSON of products with variants", recognise=_recognise, read=_read)
