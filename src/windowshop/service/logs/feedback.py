"""Log of searches, shown products and clicks, in files that a kill leaves whole.

    FEEDBACK/log-00000007.jsonl            searches and events as they came, the latest
    FEEDBACK/searches-00000006.parquet     SEARCH_SCHEMA, one row a search with a page of results
    FEEDBACK/events-00000006.parquet       EVENT_SCHEMA, one row an event

A line is written before the answer leaves. Now and then the log becomes two parquet files of its
number and a new one begins.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from windowshop.files import append_whole, write_atomic
from windowshop.search import Answer, SearchRequest
from windowshop.service.http.errors import ServiceError
from windowshop.service.http.requests import FeedbackBody

FEEDBACK_FOLDER = "feedback"
"""Folder inside an index folder."""
SEARCH_SCHEMA: dict[str, pl.DataType] = {
    "search_id": pl.String(),
    "time": pl.Float64(),
    "text": pl.String(),
    "photo": pl.Boolean(),
    "similar_to": pl.String(),
    "by_relevance": pl.Boolean(),
    "where": pl.String(),
    "generation": pl.String(),
    "offset": pl.Int64(),
    "follow_up": pl.Boolean(),
    "total": pl.Int64(),
    "product_ids": pl.List(pl.String),
}
"""`time` in seconds since 1970; `product_ids` from the place after `offset` on."""
EVENT_SCHEMA: dict[str, pl.DataType] = {
    "search_id": pl.String(),
    "time": pl.Float64(),
    "product_id": pl.String(),
    "position": pl.Int64(),
    "event": pl.String(),
}
COUNTED = ("text", "total", "offset", "follow_up")
"""Columns from which searched texts are counted."""
MAX_SHOWN = 100
"""Most products of a page that are logged."""
KNOWN_SEARCHES, KNOWN_EVENTS = 50_000, 50_000
"""Latest searches that take events, and latest events that are known when they come again."""
RECENT_SEARCHES = 200_000
"""Latest searches that suggestions are made of."""
FOLD_LINES, FOLD_SECONDS = 5_000, 300.0
DIGITS = 8


class FeedbackLog:
    """Feedback log of a folder; one process, many threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock, self._folding = threading.Lock(), threading.Lock()
        self._searches: OrderedDict[str, None] = OrderedDict()
        self._events: OrderedDict[tuple[str, str, int, str], None] = OrderedDict()
        left = sorted(folder.glob("log-*.jsonl"))
        for path in left:
            _fold(path)
        self._recall()
        self._number = max(_numbers(folder), default=0)
        self._begin()

    def search(self, answer: Answer, request: SearchRequest, *, follow_up: bool = False) -> None:
        """Log a page of results; a `follow_up` shows those of an earlier search again."""
        shown = [result.product_id for result in answer.results[:MAX_SHOWN]]
        row = {
            "search_id": answer.search_id,
            "time": time.time(),
            "text": answer.text,
            "photo": request.image is not None,
            "similar_to": request.similar_to,
            "by_relevance": not request.sort,
            "where": answer.where,
            "generation": answer.generation,
            "offset": request.offset,
            "follow_up": follow_up,
            "total": answer.total,
            "product_ids": shown,
        }
        with self._lock:
            self._append(row)
            _remember(self._searches, answer.search_id, KNOWN_SEARCHES)

    def event(self, body: FeedbackBody) -> bool:
        """Log an event, unless it is known; raises ServiceError 404 for an unknown search.

        Returns whether it was new. On return it survives a SIGKILL.
        """
        event = (body.search_id, body.product_id, body.position, body.event)
        with self._lock:
            if body.search_id not in self._searches:
                raise ServiceError(
                    404,
                    "unknown_search",
                    f"There was no search {body.search_id} lately. Send the search_id of the "
                    "answer that showed the product.",
                    where="search_id",
                )
            if event in self._events:
                return False
            names = ("search_id", "product_id", "position", "event")
            self._append(dict(zip(names, event, strict=True)) | {"time": time.time()})
            _remember(self._events, event, KNOWN_EVENTS)
            return True

    def tick(self) -> None:
        """Fold the log where it is long, or old."""
        is_old = time.monotonic() - self._begun > FOLD_SECONDS
        if self._num_lines >= FOLD_LINES or (self._num_lines and is_old):
            self.fold()

    def fold(self) -> None:
        """Turn the log into parquet files and begin another; requests go on meanwhile."""
        with self._folding:
            with self._lock:
                done, file = self._path, self._file
                self._begin()
            os.close(file)
            _fold(done)

    def close(self) -> None:
        """Turn the rest of the log into parquet files and release it."""
        with self._folding, self._lock:
            os.close(self._file)
            _fold(self._path)

    def _append(self, row: dict[str, Any]) -> None:
        append_whole(self._file, orjson.dumps(row) + b"\n")
        self._num_lines += 1

    def _begin(self) -> None:
        self._number += 1
        self._path = self._folder / f"log-{self._number:0{DIGITS}d}.jsonl"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._num_lines, self._begun = 0, time.monotonic()

    def _recall(self) -> None:
        """Remember the latest searches and events of earlier runs."""
        for part in _latest(self._folder, "searches", SEARCH_SCHEMA, KNOWN_SEARCHES):
            for search_id in part["search_id"]:
                _remember(self._searches, search_id, KNOWN_SEARCHES)
        for part in _latest(self._folder, "events", EVENT_SCHEMA, KNOWN_EVENTS):
            for row in part.select("search_id", "product_id", "position", "event").iter_rows():
                _remember(self._events, row, KNOWN_EVENTS)


def read_log(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read all searches and events, oldest first; a service may be writing the folder."""
    tables = []
    rows = [row for path in sorted(folder.glob("log-*.jsonl")) for row in _lines(path)]
    parts = (("searches", SEARCH_SCHEMA, False), ("events", EVENT_SCHEMA, True))
    for name, schema, are_events in parts:
        folded = [_read(path, schema) for path in sorted(folder.glob(f"{name}-*.parquet"))]
        fresh = [row for row in rows if ("event" in row) is are_events]
        table = pl.concat([pl.DataFrame(schema=schema), *folded, pl.DataFrame(fresh, schema)])
        tables.append(table.unique(maintain_order=True))  # folded between the two looks
    return tables[0], tables[1]


def recent_searches(folder: Path) -> pl.DataFrame:
    """Read the COUNTED columns of the latest searches of a log that was just opened."""
    schema = {name: SEARCH_SCHEMA[name] for name in COUNTED}
    parts = _latest(folder, "searches", schema, RECENT_SEARCHES)
    return pl.concat([pl.DataFrame(schema=schema), *parts])


def query_key(text: str) -> str:
    """Key of a query text: case folded, single spaces."""
    return " ".join(text.casefold().split())


def _fold(path: Path) -> None:
    """Replace a log by two parquet files of its number; doing it twice does no harm."""
    rows = list(_lines(path))
    number = path.stem.removeprefix("log-")
    searches = [row for row in rows if "event" not in row]
    events = [row for row in rows if "event" in row]
    for name, schema, found in (
        ("searches", SEARCH_SCHEMA, searches),
        ("events", EVENT_SCHEMA, events),
    ):
        if found:
            table = pl.DataFrame(found, schema=schema)
            write_atomic(path.with_name(f"{name}-{number}.parquet"), table.write_parquet)
    path.unlink()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a log, without a last line that a kill left half written."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield orjson.loads(line)


def _latest(
    folder: Path, name: str, schema: dict[str, pl.DataType], most: int
) -> list[pl.DataFrame]:
    """Read the newest parts that have `most` rows together, oldest first."""
    parts: list[pl.DataFrame] = []
    for path in sorted(folder.glob(f"{name}-*.parquet"), reverse=True):
        if sum(map(len, parts)) >= most:
            break
        parts.append(_read(path, schema))
    return parts[::-1]


def _read(path: Path, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Read columns of a part; null where it is older than the column."""
    part = pl.read_parquet(path, columns=sorted(schema.keys() & pl.read_parquet_schema(path)))
    missing = [pl.lit(None, schema[name]).alias(name) for name in schema.keys() - set(part.columns)]
    return part.with_columns(missing).select(schema.keys())


def _numbers(folder: Path) -> list[int]:
    names = [path.stem.rpartition("-")[2] for path in folder.glob("*-*.*") if path.stem[0] != "."]
    return [int(name) for name in names if name.isdecimal()]


def _remember(known: OrderedDict[Any, None], item: object, most: int) -> None:
    known[item] = None
    if len(known) > most:
        known.popitem(last=False)
