"""Products of Akeneo's REST API: each value with its language and channel, English first."""

from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.column_map import guess_map
from windowshop.imports.formats.companion_files import akeneo_map
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.formats.table import record_of
from windowshop.imports.record import Record
from windowshop.imports.source import Source

_HEAD = ("identifier", "uuid", "enabled", "family", "categories", "parent")
Row = Mapping[str, Any]


def _recognise(source: Source) -> Found | None:
    if source.kind not in ("json", "jsonl"):
        return None
    is_akeneo = any(
        {"identifier", "family"} & {*row} and any(_is_value(v) for v in _values(row).values())
        for row in source.sample[:50]
    )
    return Found(0.97, ("values with locale, scope and data",)) if is_akeneo else None


def _values(row: Row) -> dict[str, Any]:
    """Return the values of a product by their attributes, also where its objects are flattened."""
    values = row.get("values")
    if isinstance(values, dict):
        return values
    return {n.removeprefix("values."): v for n, v in row.items() if n.startswith("values.")}


def _is_value(given: Any) -> bool:  # noqa: ANN401
    return isinstance(given, list) and bool(given) and isinstance(given[0], dict) and (
        "data" in given[0] and "locale" in given[0]
    )  # fmt: skip


def _read(source: Source, job: Job) -> Iterator[Record]:
    sample = [_flat(row) for row in source.sample]
    names = tuple(dict.fromkeys(name for row in sample for name in row))
    found = akeneo_map(guess_map(names, sample)[0])
    job.report.columns |= {name: str(target) for name, target in found.columns.items()}
    for number, row in source.rows(job.report):
        yield record_of(number, _flat(row), found)


def _flat(row: Row) -> dict[str, Any]:
    """Return a product with one value of each attribute."""
    flat: dict[str, Any] = {name: row[name] for name in _HEAD if row.get(name) is not None}
    for name, given in _values(row).items():
        if _is_value(given) and (value := _data(given)) is not None:
            flat[name] = value
    return flat


def _data(given: list[Row]) -> Any:  # noqa: ANN401
    """Return the data in English, else of the first language; of prices the first."""
    spoken = [one for one in given if str(one.get("locale") or "en").startswith("en")]
    chosen = (spoken or given)[0]
    links = chosen.get("_links")
    if isinstance(links, dict) and isinstance(links.get("download"), dict):
        return links["download"].get("href")
    data = chosen.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return data[0]
    if isinstance(data, dict) and "amount" in data and "unit" in data:
        return f"{data['amount']} {str(data['unit']).lower()}"
    return data


FORMAT = Format(title="Akeneo products of the API", recognise=_recognise, read=_read)
