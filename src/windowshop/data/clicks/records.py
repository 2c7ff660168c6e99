"""Files of a log as records: JSON of every shape, csv and parquet, gzipped or not."""

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from windowshop.data.csv_dialect import read_csv
from windowshop.errors import DataError, first_line

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
SUFFIXES = (*JSON_SUFFIXES, *TABLE_SUFFIXES)
Record = dict[str, Any]
_BULK = frozenset({"index", "create", "update", "delete"})
_NESTED = ("_source", "hits", "events", "rows", "data", "queries")
"""Keys of an object that holds the records: answers of search engines, and wrappers."""


def log_files(source: Path) -> list[Path]:
    """Return the files of a log, a file itself or those of a folder; raises DataError for none."""
    found = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    known = [path for path in found if _suffix(path) in SUFFIXES]
    if not known:
        names = ", ".join(path.name for path in found[:5]) or "nothing"
        raise DataError(
            f"{source}: no log found, but {names}. A log is a file, or a folder of files, that "
            f"ends in one of {', '.join(SUFFIXES)}, gzipped (.gz) or not."
        )
    return known


def is_json(path: Path) -> bool:
    """Return whether a file holds JSON, by its name."""
    return _suffix(path) in JSON_SUFFIXES


def read_frame(path: Path) -> pl.DataFrame:
    """Read a csv, tsv or parquet file of a log."""
    if path.suffix == ".gz":
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / path.stem
            with gzip.open(path, "rb") as packed, plain.open("wb") as file:
                _unpack(packed, file, path)
            return read_frame(plain)
    try:
        return pl.read_parquet(path) if path.suffix == ".parquet" else read_csv(path)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = first_line(error)
        raise DataError(f"{path}: cannot be read as a table: {reason}.") from None


def _unpack(packed: Any, file: Any, path: Path) -> None:  # noqa: ANN401
    try:
        shutil.copyfileobj(packed, file)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}). Send the file again.") from None


def read_records(path: Path) -> Iterator[Record]:
    """Yield the objects of a JSON file: lines, a bulk request, a list, or an engine's answer."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        try:
            yield from _lines(file, path)
        except (OSError, EOFError) as error:
            raise DataError(f"{path}: cannot be read ({error}). Send the file again.") from None


def _lines(file: Any, path: Path) -> Iterator[Record]:  # noqa: ANN401
    for number, line in enumerate(file, 1):
        text = line.lstrip(b"\xef\xbb\xbf").strip()
        if not text:
            continue
        try:
            record = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            if number > 1:
                raise DataError(
                    f"{path}: line {number} is no JSON ({error}). Write one object a line."
                ) from None
            yield from _objects(_whole(line + file.read(), path))
            return
        if isinstance(record, dict) and len(record) == 1 and _BULK.issuperset(record):
            continue
        yield from _objects(record)


def _whole(content: bytes, path: Path) -> Any:  # noqa: ANN401
    try:
        return orjson.loads(content.lstrip(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise DataError(
            f"{path}: is no JSON ({error}). Write a list, or one object a line."
        ) from None


def _objects(value: object) -> Iterator[Record]:
    """Yield the records in a parsed value, out of wrappers."""
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)
    elif isinstance(value, dict):
        inner = [value[key] for key in _NESTED if isinstance(value.get(key), dict | list)]
        wraps = inner and not ("event_name" in value or "action_name" in value)
        if wraps:
            for item in inner:
                yield from _objects(item)
        else:
            yield value


def parsed_object(value: object) -> Record:
    """Return an object that may stand in its field as JSON text; {} for anything else."""
    if isinstance(value, str) and value:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def parsed_list(value: object) -> list[Any]:
    """Return a list that may stand in its field as JSON text; [] for anything else."""
    if isinstance(value, str) and value:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return []
    return value if isinstance(value, list) else []


def _suffix(path: Path) -> str:
    return path.with_suffix("").suffix.lower() if path.suffix == ".gz" else path.suffix.lower()


def read_any_table(path: Path) -> pl.DataFrame:
    """Read a table of csv, tsv, parquet or JSON, gzipped or not; csv values are text."""
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    if not is_json(path):
        return read_frame(path)
    return pl.DataFrame(list(read_records(path)), infer_schema_length=None)
