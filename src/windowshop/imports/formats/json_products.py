"""Products with their variants nested in them, in JSON or XML, by any names."""

from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.column_map import ColumnMap, guess_map
from windowshop.imports.facts import named_options
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.formats.table import record_of
from windowshop.imports.names import field_of
from windowshop.imports.nested import flattened
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.values import plain_name, slug

_VARIANTS = frozenset(("variants", "skus", "children", "variations", "product variants", "articles",
                       "items", "sizes", "options variants", "offers", "units", "varianten",
                       "child products", "child skus", "simples", "variantes",
                       "combinations"))  # fmt: skip
_CODES = frozenset(("sku", "id", "price", "ean", "gtin", "variant id", "code", "prices"))
_OF_VARIANTS = frozenset(("product_id", "sku", "price", "gtin"))
_MAIN = frozenset(("master variant", "main variant"))
"""Keys of one variant that stands before the others."""
_OPTIONS = ("options", "option values", "selected options", "attributes", "variation attributes",
            "variant options", "product options")  # fmt: skip


def _lists(row: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a list, also of the only one in an object, as XML has it."""
    value = row.get(name)
    if value is None:  # one alone, whose values stand beside the others
        alone = {k.removeprefix(f"{name}."): v for k, v in row.items() if k.startswith(f"{name}.")}
        return [alone] if alone else []
    if isinstance(value, dict) and len(value) == 1:  # of XML
        inner = next(iter(value.values()))
        value = inner if isinstance(inner, list) else [inner]
    if isinstance(value, dict) and value and all(isinstance(i, dict) for i in value.values()):
        return [{"variant": key, **item} for key, item in value.items()]
    return [i for i in value if isinstance(i, dict)] if isinstance(value, list) else []


def _place(source: Source) -> str:
    """Return the key under which products have lists of variants."""
    for name in source.header:
        if not _VARIANTS & {plain_name(part) for part in name.split(".")}:
            continue
        objects = [item for row in source.sample for item in _lists(row, name)]
        keys = {plain_name(key.rpartition(".")[2]) for item in objects for key in flattened(item)}
        named = {told[0] for key in keys if (told := field_of(key)) is not None}
        if objects and len(keys) > 1 and (keys & _CODES or named & _OF_VARIANTS):
            return name
    return ""


def _recognise(source: Source) -> Found | None:
    if source.kind not in ("json", "jsonl", "xml", "parquet", "arrow"):
        return None
    place = _place(source)
    if not place:
        return None
    found, certainty = guess_map(source.header, source.sample)
    if found.first("title") is None:
        return None
    return Found(min(0.75, 0.3 + 0.5 * certainty), (f"products with variants in {place!r}",))


def _main(header: Iterator[str] | tuple[str, ...]) -> str:
    return next((name for name in header if plain_name(name) in _MAIN), "")


def _variants(row: Mapping[str, Any], place: str, main: str) -> list[dict[str, Any]]:
    """Return the variants of a product, their objects as columns (`stock.quantity`)."""
    first = [row[main]] if isinstance(row.get(main), dict) else []
    told = [flattened(item) for item in (*first, *_lists(row, place))]
    return [{n: v for n, v in item.items() if not n.startswith("__")} for item in told]


def _maps(source: Source, place: str, main: str) -> tuple[ColumnMap, ColumnMap]:
    outer = [{k: v for k, v in row.items() if k not in (place, main)} for row in source.sample]
    inner = [item for row in source.sample for item in _variants(row, place, main)]
    names = tuple(dict.fromkeys(name for item in inner for name in item))
    header = tuple(name for name in source.header if name not in (place, main))
    found = guess_map(names, inner)[0]
    named = (name for name in names
             if plain_name(name.rpartition(".")[2]) in ("sku", "code", "variant code"))  # fmt: skip
    if (sku := found.first("sku") or next(named, None)) is not None:  # a variant is named by it
        for name, target in found.columns.items():
            if target == "product_id":
                found.columns[name] = "drop"
        found.columns[sku] = "product_id"
    return guess_map(header, outer)[0], found


def _read(source: Source, job: Job) -> Iterator[Record]:
    place, main = _place(source), _main(source.header)
    outer, inner = _maps(source, place, main)
    job.reading.decimal = job.reading.decimal or outer.decimal or inner.decimal
    job.report.columns |= {name: str(target) for name, target in outer.columns.items()}
    job.report.columns |= {f"{place}.{name}": str(t) for name, t in inner.columns.items()}
    counts = {name for name, target in inner.columns.items() if target == "stock"}
    for number, row in source.rows(job.report):
        head = {
            name: value
            for name, value in row.items()
            if name not in (place, main) and not name.startswith(f"{place}.")
        }
        options = next((row[n] for n in row if plain_name(n) == "options"), None)
        base = record_of(number, head, outer)
        parent = str(base.fields.get("product_id") or "")
        variants = _variants(row, place, main)
        if not variants:
            if code := next((head[n] for n in head if plain_name(n) in ("sku", "code")), None):
                base.fields["product_id"] = code
            yield base
        for variant in variants:
            chosen = _take_options(variant, options)
            own = record_of(number, variant, inner)
            own.options = chosen
            for name in counts & own.columns.keys():  # no option, though a text
                own.columns[name] = _number(own.columns[name])
            yield _joined(number, base, own, variant, (parent, place.split(".")[0]))


def _number(value: Any) -> Any:  # noqa: ANN401
    """Return a text that is a number as one."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _take_options(variant: dict[str, Any], product_options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Take the lists of options out of a variant, and return them by their names."""
    found: dict[str, Any] = {}
    for name in [name for name in variant if plain_name(name) in _OPTIONS]:
        named = named_options(variant[name], product_options)
        if named:
            found |= named
            del variant[name]
    return found


def _joined(
    number: int, base: Record, own: Record, variant: Mapping[str, Any], above: tuple[str, str]
) -> Record:
    """Return a variant with what it leaves to its product; its further values are options."""
    parent, place = above
    record = Record(
        number, {**base.fields, **{k: v for k, v in own.fields.items() if v not in (None, "", [])}}
    )
    title, own_title = base.fields.get("title"), own.fields.get("title")
    record.in_cents = (own if own.fields.get("price") else base).in_cents
    record.fields["title"] = title or own_title
    record.fields["group_id"] = parent
    texts = {n: v for n, v in own.columns.items() if isinstance(v, str)}
    record.options = own.options | {
        **{n: v for n, v in own.attributes.items() if isinstance(v, str)}, **texts
    }  # fmt: skip
    if title and own_title and own_title != title and not own.options and not texts:
        record.options[place.removesuffix("s")] = own_title
    record.attributes = {
        **{n: v for n, v in base.attributes.items() if n not in record.options},
        **{n: v for n, v in own.attributes.items() if n not in record.options},
    }
    record.columns = {**base.columns, **{n: v for n, v in own.columns.items() if n not in texts}}
    if own.fields.get("product_id") in (None, "") and len(variant):
        spelled = "-".join(slug(str(value)) for value in record.options.values())
        record.fields["product_id"] = f"{parent}:{spelled}" if spelled else parent
    record.fallback_id = f"{parent}:{own.fields.get('product_id', '')}"
    return record


FORMAT = Format(title="JSON of products with variants", recognise=_recognise, read=_read)
