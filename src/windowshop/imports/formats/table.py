"""Any table: its columns are guessed by names and values, or mapped by hand."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.column_map import ColumnMap, guess_map
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.normalise import id_text
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.values import plain_name, split_images, split_list

BAGS = frozenset((
    "attributes", "specs", "specifications", "properties", "features", "options", "custom fields",
    "custom attributes", "params", "parameters", "facts", "details", "metadata", "eigenschaften",
    "merkmale", "caracteristiques", "caracteristicas", "caratteristiche", "kenmerken", "parametry",
))  # fmt: skip
"""Columns that are themselves a set of attributes."""


_PARENT = re.compile(r"parent|vater|eltern|haupt|padre|pai$|nadrzed|rodzic|hoofd|configurable")
_OWN = frozenset(("product_id", "group_id", "sku", "gtin", "mpn", "availability"))
"""Fields that a variant does not take from its parent."""


def _recognise(source: Source) -> Found | None:
    if source.kind == "html" or not source.header:
        return None
    found, certainty = guess_map(source.header, source.sample)
    if found.lacks:
        return Found(0.05, (f"no column looks like {found.lacks}",))
    shown = [f"{name} is {target}" for name, target in found.columns.items()
             if target in ("product_id", "title", "price", "images")]  # fmt: skip
    return Found(min(0.6, 0.1 + 0.5 * certainty), tuple(shown[:4]))


def _read(source: Source, job: Job) -> Iterator[Record]:
    found = job.column_map or guess_map(source.header, source.sample)[0]
    job.reading.decimal = job.reading.decimal or found.decimal
    job.reading.currency = job.reading.currency or found.currency
    job.report.columns |= {name: str(target) for name, target in found.columns.items()}
    job.report.dropped_columns += [n for n, target in found.columns.items() if target == "drop"]
    job.report.kept_columns += [n for n, target in found.columns.items() if target == "keep"]
    parents = _parents(source, found, job)
    for number, row in source.rows(job.report):
        record = record_of(number, row, found)
        own = {id_text(record.fields.get(name)) for name in ("product_id", "sku")}
        above = id_text(record.fields.get("group_id"))
        if own & parents.keys() and (not above or above in own):
            job.report.add("parent-passed-on", number, record.fields.get("title"))
            continue
        if above in parents and above not in own:
            _inherit(record, record_of(number, parents[above], found))
        yield record


def _parents(source: Source, found: ColumnMap, job: Job) -> dict[str, dict[str, Any]]:
    """Return the rows that others name in a column of parents, by their ids."""
    group = found.first("group_id")
    if group is None or not _PARENT.search(plain_name(group)):
        return {}
    ids = [name for target in ("product_id", "sku") if (name := found.first(target))]
    asked: set[str] = set()
    for _, row in source.rows(job.report.quiet()):
        name = id_text(row.get(group))
        if name and name not in [id_text(row.get(column)) for column in ids]:
            asked.add(name)
    parents: dict[str, dict[str, Any]] = {}
    for _, row in source.rows(job.report.quiet()) if asked else ():
        for column in ids:
            if (name := id_text(row.get(column))) in asked:
                parents.setdefault(name, row)
    return parents


def _inherit(record: Record, parent: Record) -> None:
    """Give a variant what its own row leaves empty."""
    for name, value in parent.fields.items():
        if name not in _OWN and record.fields.get(name) in (None, "", [], {}):
            record.fields[name] = value
    record.attributes = {**parent.attributes, **record.attributes}
    record.columns = {**parent.columns, **record.columns}


def record_of(number: int, row: Mapping[str, Any], found: ColumnMap) -> Record:
    """Return the product of a row, by a mapping."""
    record = Record(number, {})
    fields = record.fields
    for name, value in row.items():
        target = found.columns.get(name, "keep")
        if target == "drop":
            continue
        if target == "keep":
            facts = facts_of(name, value)
            record.attributes |= facts
            if not facts:
                record.columns[name] = value
        elif target == "attribute":
            record.attributes[name] = value
        elif target == "images":
            fields["images"] = [*fields.get("images", ()), *split_images(value)]
        elif target == "category" and found.category_levels:
            fields["category"] = [" > ".join([*fields.get("category", ()), str(value).strip()])]
        elif target == "category":
            fields["category"] = [*fields.get("category", ()), *_categories(value, found)]
        elif target in ("description", "tags") and target in fields:
            fields[target] = [fields[target], value] if target == "description" else [
                *split_list(fields[target], ",;|"), *split_list(value, ",;|")]  # fmt: skip
        else:
            fields[target] = value
    return record


def facts_of(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return facts of an object, of its JSON, or of a list of names and values; else none."""
    plain = plain_name(name)
    is_bag = plain in BAGS or plain.removeprefix("product ") in BAGS
    if is_bag and isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except ValueError:
            value = _of_ruby(value)
    if is_bag and isinstance(value, dict) and len(value) == 1:
        inner = next(iter(value.values()))
        value = inner if isinstance(inner, list) else value
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        pairs = [_pair(item) for item in value]
        known = dict(pair for pair in pairs if pair is not None)
        return known if is_bag or None not in pairs else {}
    if not isinstance(value, dict):
        return {}
    return {key if is_bag else f"{name} {key}": item for key, item in value.items()}


def _of_ruby(text: str) -> Any:  # noqa: ANN401
    """Read a hash as Ruby prints it, `{"key"=>"value"}`; {} for any other text."""
    parts = re.split(r'("(?:[^"\\]|\\.)*")', text)
    signs = (part if part.startswith('"') else part.replace("=>", ":").replace("nil", "null")
             for part in parts)  # fmt: skip
    try:
        return json.loads("".join(signs))
    except ValueError:
        return {}


def _pair(item: Mapping[str, Any]) -> tuple[str, Any] | None:
    name = next(
        (item[n] for n in ("name", "attribute_code", "code", "key", "label") if n in item), ""
    )
    value = next((item[n] for n in ("value", "values", "option", "options") if n in item), None)
    return (str(name), value) if name and value is not None else None


def _categories(value: Any, found: ColumnMap) -> list[Any]:  # noqa: ANN401
    if not isinstance(value, str):
        return [value]
    texts = split_list(value, found.categories_separator) if found.categories_separator else [value]
    if found.category_separator:
        texts = [" > ".join(text.split(found.category_separator)) for text in texts]
    return [*texts]


FORMAT = Format(title="a table", recognise=_recognise, read=_read)
