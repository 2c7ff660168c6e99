"""Any table: its columns are guessed by names and values, or mapped by hand."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.column_map import ColumnMap, guess_map
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.values import plain_name, split_images, split_list

BAGS = frozenset((
    "attributes", "specs", "specifications", "properties", "features", "options", "custom fields",
    "custom attributes", "params", "parameters", "facts", "details", "metadata", "eigenschaften",
    "merkmale", "caracteristiques", "caracteristicas", "caratteristiche", "kenmerken", "parametry",
))  # fmt: skip
"""Columns that are themselves a set of attributes."""


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
    for number, row in source.rows(job.report):
        yield record_of(number, row, found)


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
    is_bag = plain_name(name) in BAGS
    if is_bag and isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        pairs = [_pair(item) for item in value]
        return {} if None in pairs else dict(pair for pair in pairs if pair is not None)
    if not isinstance(value, dict):
        return {}
    return {key if is_bag else f"{name} {key}": item for key, item in value.items()}


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
