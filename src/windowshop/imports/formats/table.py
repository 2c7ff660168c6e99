"""Any table: its columns are guessed by names and values, or mapped by hand."""

from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.column_map import ColumnMap, guess_map
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.values import split_images, split_list


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
            if isinstance(value, dict):
                record.attributes |= {f"{name} {key}": item for key, item in value.items()}
            else:
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


def _categories(value: Any, found: ColumnMap) -> list[Any]:  # noqa: ANN401
    if not isinstance(value, str):
        return [value]
    texts = split_list(value, found.categories_separator) if found.categories_separator else [value]
    if found.category_separator:
        texts = [" > ".join(text.split(found.category_separator)) for text in texts]
    return [*texts]


FORMAT = Format(title="a table", recognise=_recognise, read=_read)
