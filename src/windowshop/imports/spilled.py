"""Values by keys of which only those used last are in memory, so that exports of any size fit."""

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, TypeVar

Value = TypeVar("Value")
MAX_KEPT = 20_000
"""Values in memory."""
BATCH = 5000


def _as_it_is(value: Any) -> Any:  # noqa: ANN401
    return value


class Spilled(MutableMapping[str, Value]):
    """Values in the order of their first keys; JSON of the others is in a temporary database.

    A value may be changed in place until another key is asked for. `to_plain` makes what JSON can
    write of it, `from_plain` the value again. The database has no name and goes with the process.
    """

    def __init__(
        self,
        to_plain: Callable[[Value], Any] = _as_it_is,
        from_plain: Callable[[Any], Value] = _as_it_is,
        *,
        max_kept: int = MAX_KEPT,
    ) -> None:
        self._to_plain, self._from_plain = to_plain, from_plain
        self._max_kept = max_kept
        self._kept: OrderedDict[str, tuple[int, Value]] = OrderedDict()
        self._next = self._length = 0
        self._database: sqlite3.Connection | None = None

    def __getitem__(self, key: str) -> Value:
        """Return the value of a key; raises KeyError for none."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found[1]
        if self._database is None:
            raise KeyError(key)
        query = "SELECT place, value FROM held WHERE key = ?"
        row = self._database.execute(query, (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        value = self._from_plain(json.loads(row[1]))
        self._keep(key, row[0], value)
        return value

    def __setitem__(self, key: str, value: Value) -> None:
        """Set the value of a key; a new key comes after the others."""
        place = self._place(key)
        if place is None:
            place = self._next
            self._next += 1
            self._length += 1
        self._keep(key, place, value)

    def __delitem__(self, key: str) -> None:
        """Forget a key; raises KeyError for none."""
        if self._place(key) is None:
            raise KeyError(key)
        self._kept.pop(key, None)
        if self._database is not None:
            self._database.execute("DELETE FROM held WHERE key = ?", (key,))
        self._length -= 1

    def __contains__(self, key: object) -> bool:
        """Return whether a key is known."""
        return isinstance(key, str) and self._place(key) is not None

    def __len__(self) -> int:
        """Return the number of keys."""
        return self._length

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys in their order; none may be added or forgotten meanwhile."""
        if self._database is None:
            yield from [key for key, _ in sorted(self._kept.items(), key=lambda pair: pair[1][0])]
            return
        self._write(len(self._kept))
        query = "SELECT place, key FROM held WHERE place > ? ORDER BY place LIMIT ?"
        last = -1
        while rows := self._database.execute(query, (last, BATCH)).fetchall():
            yield from (key for _, key in rows)
            last = rows[-1][0]

    def _place(self, key: str) -> int | None:
        found = self._kept.get(key)
        if found is not None:
            return found[0]
        if self._database is None:
            return None
        row = self._database.execute("SELECT place FROM held WHERE key = ?", (key,)).fetchone()
        return None if row is None else int(row[0])

    def _keep(self, key: str, place: int, value: Value) -> None:
        self._kept[key] = (place, value)
        self._kept.move_to_end(key)
        if len(self._kept) > self._max_kept:
            self._write(max(1, self._max_kept // 2))
            for _ in range(max(1, self._max_kept // 2)):
                self._kept.popitem(last=False)

    def _write(self, number: int) -> None:
        """Write the values that were used first of those in memory."""
        if self._database is None:
            self._database = sqlite3.connect("")
            self._database.execute(
                "CREATE TABLE held (key TEXT PRIMARY KEY, place INTEGER, value TEXT) WITHOUT ROWID"
            )
            self._database.execute("CREATE INDEX places ON held (place)")
        oldest = zip(range(number), self._kept.items(), strict=False)
        rows = [(key, place, json.dumps(self._to_plain(value), ensure_ascii=False, default=str))
                for _, (key, (place, value)) in oldest]  # fmt: skip
        self._database.executemany("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", rows)
        self._database.commit()
