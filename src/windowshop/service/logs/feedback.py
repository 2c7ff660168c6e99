"""Searches, the products that they showed, and what shoppers did with those.

An event is committed before it is acknowledged, once. Searches are committed in groups, soon after
they were answered, or with the first event under one of them.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from windowshop.errors import DamagedError, StorageError
from windowshop.index import Database
from windowshop.search import Answer, SearchRequest
from windowshop.service.http.errors import ServiceError
from windowshop.service.http.requests import FeedbackBody
from windowshop.service.logs.tables import EVENTS, SEARCHES, LogDatabase, insert_next, read_tables

LOG = logging.getLogger(__name__)
SEARCH_SCHEMA: dict[str, pl.DataType] = {
    "search_id": pl.String(),
    "time": pl.Float64(),
    "text": pl.String(),
    "photo": pl.Boolean(),
    "similar_to": pl.String(),
    "by_relevance": pl.Boolean(),
    "filter_text": pl.String(),
    "generation": pl.String(),
    "offset": pl.Int64(),
    "follow_up": pl.Boolean(),
    "total": pl.Int64(),
    "product_ids": pl.List(pl.String),
}
EVENT_SCHEMA: dict[str, pl.DataType] = {
    "search_id": pl.String(),
    "product_id": pl.String(),
    "position": pl.Int64(),
    "event": pl.String(),
    "time": pl.Float64(),
}
MAX_SHOWN = 100
"""Most products of a page that are logged."""
RECENT_SEARCHES = 200_000
"""Latest searches that suggestions are made of."""
GROUP_SECONDS, RETRY_SECONDS = 0.1, 1.0
"""Time in which searches gather before they are written, and before that is tried again."""
WAITING_BYTES = 16 * 2**20
"""Size of the searches that wait in memory while they cannot be written."""
ROW_BYTES = 1_000
"""Estimated size of a waiting search without its text and products."""

ADD_SEARCH = insert_next(SEARCHES, "ON CONFLICT (search_id) DO NOTHING")
ADD_EVENT = insert_next(EVENTS, "ON CONFLICT (search_id, product_id, position, event) DO NOTHING")


class FeedbackLog:
    """Searches and events of an index; for many threads."""

    def __init__(self, database: LogDatabase, dropped: Callable[[int], object]) -> None:
        """`dropped` is called with the number of searches that could not be kept."""
        self._database, self._dropped = database, dropped
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[Any, ...]] = {}
        """Rows of searches that are not committed, oldest first."""
        self._num_bytes = 0
        self._filled, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._write, name="searches", daemon=True)
        self._thread.start()

    def search(self, answer: Answer, request: SearchRequest, *, follow_up: bool = False) -> None:
        """Log a page of results; a `follow_up` shows those of an earlier search again."""
        shown = [result.product_id for result in answer.results[:MAX_SHOWN]]
        row = (
            answer.search_id,
            time.time(),
            answer.text,
            request.image is not None,
            request.similar_to,
            not request.sort,
            answer.where,
            answer.generation,
            request.offset,
            follow_up,
            answer.total,
            orjson.dumps(shown).decode(),
        )
        num_dropped = 0
        with self._lock:
            self._waiting[answer.search_id] = row
            self._num_bytes += _size(row)
            while self._num_bytes > WAITING_BYTES:
                self._forget(next(iter(self._waiting)))
                num_dropped += 1
        if num_dropped:
            self._dropped(num_dropped)
        self._filled.set()

    def event(self, body: FeedbackBody) -> bool:
        """Log an event, unless it is known; raises ServiceError 404 for an unknown search.

        Returns whether it was new. On return it survives a SIGKILL. Raises StorageError where it
        cannot be written.
        """
        database = self._database()
        row = (body.search_id, body.product_id, body.position, body.event)
        waiting = self._rows()
        with database.writing() as connection:
            connection.executemany(ADD_SEARCH, waiting)
            if not database.rows(SEARCHES, "WHERE search_id = ?", (body.search_id,)):
                raise ServiceError(
                    404,
                    "unknown_search",
                    f"There was no search {body.search_id}. Send the search_id of the answer that "
                    "showed the product.",
                    where="search_id",
                )
            is_new = connection.execute(ADD_EVENT, (*row, time.time())).rowcount == 1
        self._written(waiting)
        return is_new

    def position(self, search_id: str, product_id: str) -> int | None:
        """Return where a search showed a product, from 1; None where it did not."""
        with self._lock:
            row = self._waiting.get(search_id)
        if row is None:
            rows = self._database().rows(SEARCHES, "WHERE search_id = ?", (search_id,))
            row = rows[0][1:] if rows else None
        if row is None:
            return None
        asked = dict(zip(SEARCH_SCHEMA, row, strict=True))
        shown: list[str] = orjson.loads(asked["product_ids"])
        return asked["offset"] + shown.index(product_id) + 1 if product_id in shown else None

    def flush(self) -> None:
        """Commit the searches that wait; raises StorageError where they cannot be written."""
        waiting = self._rows()
        if waiting:
            with self._database().writing() as connection:
                connection.executemany(ADD_SEARCH, waiting)
            self._written(waiting)

    def close(self) -> None:
        """Commit the searches that wait."""
        self._ended.set()
        self._filled.set()
        self._thread.join()
        try:
            self.flush()
        except (StorageError, DamagedError) as error:
            LOG.error("%d searches are not written down: %s", len(self._waiting), error)

    def _write(self) -> None:
        """Commit groups of searches until the end."""
        has_failed = False
        while not self._ended.is_set():
            self._filled.wait()
            self._ended.wait(GROUP_SECONDS)
            self._filled.clear()
            try:
                self.flush()
            except (StorageError, DamagedError) as error:
                if not has_failed:
                    LOG.error("searches wait to be written down: %s", error)
                has_failed = True
                self._ended.wait(RETRY_SECONDS)
                self._filled.set()
            else:
                if has_failed:
                    LOG.info("searches are written down again")
                has_failed = False

    def _rows(self) -> list[tuple[Any, ...]]:
        with self._lock:
            return list(self._waiting.values())

    def _written(self, rows: list[tuple[Any, ...]]) -> None:
        with self._lock:
            for search_id, *_ in rows:
                self._forget(search_id)

    def _forget(self, search_id: str) -> None:
        row = self._waiting.pop(search_id, None)
        if row is not None:
            self._num_bytes -= _size(row)


def recent_texts(database: Database, last: int) -> list[tuple[str, int]]:
    """Count the texts that found something among the RECENT_SEARCHES up to the number `last`.

    Follow-ups and further pages are no questions of their own. The rows are not checked.
    """
    with database.reading() as connection:
        return connection.execute(
            "SELECT text, count(*) FROM searches WHERE number > ? AND number <= ? AND text != '' "
            "AND total > 0 AND offset = 0 AND NOT follow_up GROUP BY text",
            (last - RECENT_SEARCHES, last),
        ).fetchall()


def read_log(index: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read all searches and events of an index, in the order of their commits.

    A service may have the index open. Raises DamagedError where rows are not as they were written.
    """
    searches, events = read_tables(index, SEARCHES, EVENTS)
    return _frame(searches, SEARCH_SCHEMA), _frame(events, EVENT_SCHEMA)


def _frame(rows: list[tuple[Any, ...]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return rows, which begin with their number, as a table."""
    columns: list[Any] = list(zip(*rows, strict=True))[1:] or [()] * len(schema)
    for place, dtype in enumerate(schema.values()):
        if dtype == pl.Boolean():
            columns[place] = [bool(value) for value in columns[place]]
        elif dtype.is_nested():
            columns[place] = [orjson.loads(value) for value in columns[place]]
    return pl.DataFrame(dict(zip(schema, columns, strict=True)), schema=schema)


def _size(row: tuple[Any, ...]) -> int:
    return ROW_BYTES + len(row[2] or "") + len(row[-1])
