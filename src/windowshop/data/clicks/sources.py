"""A log of any known format -> events of one form, and what was recognised.

Formats: UBI 1.3, GA4's BigQuery export, Snowplow enriched events, plain tables. The format is seen
by the first record of each file, not by its name.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.data.clicks.events import EVENT_SCHEMA, event_table
from windowshop.data.clicks.ga4 import ga4_rows, is_ga4
from windowshop.data.clicks.plain import plain_events
from windowshop.data.clicks.records import Record, is_json, log_files, read_frame, read_records
from windowshop.data.clicks.snowplow import is_line, is_snowplow, line_record, snowplow_rows
from windowshop.data.clicks.ubi import is_ubi, ubi_rows
from windowshop.errors import DataError, first_line

SEEN_RECORDS = 20
"""Records of a file by which its format is recognised."""
CHUNK_RECORDS = 200_000
Rows = Callable[[Record], Iterator[tuple[Any, ...]]]
FORMATS: dict[str, tuple[Callable[[Record], bool], Rows]] = {
    "UBI": (is_ubi, ubi_rows),
    "GA4": (is_ga4, ga4_rows),
    "Snowplow": (is_snowplow, snowplow_rows),
}


@dataclass(frozen=True, slots=True)
class EventLog:
    """Events of one log, in the order of its files."""

    events: pl.DataFrame
    """EVENT_SCHEMA."""
    formats: dict[str, str]
    """File -> format."""
    ignored: int
    """Records that are about something else than searches and products."""


def read_events(source: Path) -> EventLog:
    """Read a log file, or all those of a folder; raises DataError where there is nothing to use."""
    parts, formats, ignored = [], {}, 0
    for path in log_files(source):
        name, events, num_ignored = _read(path)
        parts.append(events)
        formats[path.name] = name
        ignored += num_ignored
    events = pl.concat(parts)
    if events.is_empty():
        raise DataError(
            f"{source}: no search, impression, click, cart or purchase found in "
            f"{len(formats)} file(s). UBI, GA4 and Snowplow exports and plain tables are read."
        )
    return EventLog(events, formats, ignored)


def _read(path: Path) -> tuple[str, pl.DataFrame, int]:
    if is_json(path):
        return _from_records(path, read_records(path))
    if path.suffix != ".parquet" and ".gz" not in path.suffixes:
        with path.open(encoding="utf-8", errors="replace") as file:
            if is_line(file.readline()):
                file.seek(0)
                return _from_records(path, map(line_record, file))
    frame = read_frame(path)
    first = frame.head(SEEN_RECORDS).to_dicts()
    if any(test(record) for test, _ in FORMATS.values() for record in map(_nested, first)):
        return _from_records(path, map(_nested, frame.iter_rows(named=True)))
    events, ignored = plain_events(frame, path.name)
    return "plain table", events, ignored


def _from_records(path: Path, records: Iterator[Record]) -> tuple[str, pl.DataFrame, int]:
    first = list(islice(records, SEEN_RECORDS))
    seen = Counter(name for record in first for name, (test, _) in FORMATS.items() if test(record))
    records = chain(first, records)
    if not seen:
        return _plain_records(path, records)
    ((name, _),) = seen.most_common(1)
    test, rows_of = FORMATS[name]
    parts, ignored = [event_table([])], 0
    while chunk := list(islice(records, CHUNK_RECORDS)):
        rows: list[tuple[Any, ...]] = []
        for record in chunk:
            found = list(rows_of(record)) if test(record) else []
            ignored += not found
            rows += found
        parts.append(event_table(rows))
    return name, pl.concat(parts), ignored


def _plain_records(path: Path, records: Iterator[Record]) -> tuple[str, pl.DataFrame, int]:
    table = list(records)
    if not table:
        return "nothing", pl.DataFrame(schema=EVENT_SCHEMA), 0
    try:
        frame = pl.DataFrame(table, infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        reason = first_line(error)
        raise DataError(f"{path}: its records are no table ({reason}).") from None
    events, ignored = plain_events(frame, path.name)
    return "plain table", events, ignored


def _nested(record: Record) -> Record:
    """Turn columns named `a.b` into objects, as csv exports of nested events have them."""
    found: Record = {}
    for name, value in record.items():
        place, *inner = name.split(".")
        if not inner or isinstance(found.get(place), str):
            found.setdefault(name, value)
            continue
        target = found.setdefault(place, {})
        for part in inner[:-1]:
            target = target.setdefault(part, {}) if isinstance(target, dict) else {}
        if isinstance(target, dict):
            target[inner[-1]] = value
    return found
