"""Append-only ledger of an online catalogue: its upserts and deletes, in order.

    LEDGER/ledger.json      the first segment in use, and where compactions moved positions to
    LEDGER/00000001.log     records; a segment is closed at `segment_bytes`

A record that a kill left half written is cut off when the ledger is opened; damage before a whole
record is an error, never a cut. Records are described in `windowshop.index.catalogue.records`.

Shapes: B products of a change, W width of a vector.
"""

import io
import json
import os
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import polars as pl
from filelock import FileLock, Timeout

from windowshop.errors import LedgerError
from windowshop.files import sync, write_json
from windowshop.index.catalogue.records import (
    Change,
    Delete,
    Upsert,
    ids_of,
    reached_bytes,
    read_changes,
    to_bytes,
    whole_bytes,
)

FORMAT = "windowshop-ledger/1"
LEDGER_FOLDER = "ledger"
"""Folder of a collection's ledger."""
LOCK_FILE = "writer.lock"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place between two records; later ones are larger."""

    segment: int
    offset: int
    """Bytes from the start of the segment."""


class Ledger:
    """Ledger that one process writes and any number of its threads read.

    An acknowledged record survives SIGKILL; with `durable`, which calls fsync for each record, a
    power loss too.
    """

    _file: io.FileIO
    _end: Position

    def __init__(
        self, folder: Path, *, durable: bool = False, segment_bytes: int = 64 * 2**20
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._durable, self._segment_bytes = folder, durable, segment_bytes
        self._lock = threading.Lock()
        self._owner = FileLock(folder / LOCK_FILE)
        try:
            self._owner.acquire(timeout=0)
        except Timeout:
            raise LedgerError(
                f"{folder}: another process is writing this ledger. Stop it, or use another folder."
            ) from None
        try:
            self._settle()
        except BaseException:
            self._owner.release()
            raise

    @property
    def start(self) -> Position:
        """Position before the first record."""
        return Position(self._first, 0)

    @property
    def end(self) -> Position:
        """Position after the last record."""
        return self._end

    def reaches(self, position: Position) -> bool:
        """Return whether `replay` can begin there; a compaction keeps only its marks."""
        return self.start <= self._now(position) <= self._end

    def append(self, change: Change) -> Position:
        """Write one record and return the position after it; the change is then acknowledged."""
        record = to_bytes(change)
        with self._lock:
            if self._end.offset >= self._segment_bytes:
                self._roll()
            try:
                self._write(record)
            except OSError as error:
                self._file.truncate(self._end.offset)
                raise LedgerError(
                    f"{self._path(self._number)}: cannot be written ({error}). Make room or give "
                    "the right to write, then send the change again."
                ) from None
            self._end = Position(self._number, self._end.offset + len(record))
            return self._end

    def replay(self, since: Position | None = None) -> Iterator[tuple[Change, Position]]:
        """Yield the changes after `since` up to the present end, each with the position after it.

        Raises LedgerError where a record is damaged or `since` was compacted away.
        """
        since, end = since or self.start, self._end
        if not self.reaches(since):
            raise LedgerError(
                f"{self._folder}: {since} is not in it (it has {self.start} to {end}). "
                "Replay from its start."
            )
        since = self._now(since)
        for number in range(since.segment, end.segment + 1):
            offset = since.offset if number == since.segment else 0
            stop = end.offset if number == end.segment else None
            for change, after in read_changes(self._path(number), offset, stop):
                yield change, Position(number, after)

    def sync(self) -> None:
        """Put all records on the disk, against power loss."""
        with self._lock:
            os.fsync(self._file.fileno())

    def compact(self, marks: Iterable[Position] = ()) -> None:
        """Keep each product's last record only; writers wait meanwhile.

        Of the positions before the compaction, `replay` can begin at `marks` only. The new
        segments, one after each mark, are written aside and take effect at once. No replay may run
        meanwhile.
        """
        with self._lock:
            held = {mark: self._now(mark) for mark in marks if self.reaches(mark)}
            starts = sorted(set(held.values()))
            first = self._number + 1
            try:
                self._write_parts(first, starts)
                moved = {mark: first + 1 + starts.index(place) for mark, place in held.items()}
                self._write_header(first, moved)
            finally:
                self._file.close()
                self._settle()

    def close(self) -> None:
        """Release the ledger to other processes; closing twice does nothing."""
        self._file.close()
        self._owner.release()

    def _now(self, position: Position) -> Position:
        """Return the place of a position since the last compaction."""
        return self._moved.get(position, position)

    def _write_parts(self, first: int, starts: list[Position]) -> None:
        """Write each product's last record aside, to its part of the ledger.

        A delete in the first part is left out: no reader has a product from before it.
        """
        last = {name: after for change, after in self.replay() for name in ids_of(change)}
        numbers = range(first, first + len(starts) + 1)
        with ExitStack() as stack:
            files = [stack.enter_context(open(self._aside(number), "wb")) for number in numbers]
            for change, after in self.replay():
                part = bisect_left(starts, after)
                kept = _rows(change, [last[name] == after for name in ids_of(change)])
                if kept is not None and (part > 0 or isinstance(kept, Upsert)):
                    files[part].write(to_bytes(kept))
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        sync(self._folder)

    def _write(self, record: bytes) -> None:
        written = 0
        while written < len(record):  # the file has no buffer: what is written is with the system
            written += self._file.write(record[written:])
        if self._durable:
            os.fsync(self._file.fileno())

    def _open_last(self) -> tuple[io.FileIO, Position]:
        """Open the last segment for appending, cut after its last whole record."""
        path = self._path(self._number)
        end = whole_bytes(path) if path.exists() else 0
        file = io.FileIO(path, "a")
        file.truncate(end)
        return file, Position(self._number, end)

    def _roll(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
        self._number += 1
        self._file, self._end = self._open_last()
        sync(self._folder)

    def _settle(self) -> None:
        """Finish a compaction that ledger.json names, and remove the files of any other."""
        self._first, self._moved = self._read_header()
        self._tidy()
        self._number = self._last()
        self._file, self._end = self._open_last()

    def _read_header(self) -> tuple[int, dict[Position, Position]]:
        path = self._folder / "ledger.json"
        if not path.exists():
            if any(log.stat().st_size for log in self._folder.glob("*.log")):
                raise LedgerError(f"{path}: is missing. Restore it, or use an empty folder.")
            self._path(1).touch()
            self._write_header(1, {})
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise LedgerError(
                    f"{path}: found format {content['format']!r}, this version reads {FORMAT}. "
                    "Build the index again in another folder."
                )
            moved = {
                Position(*map(int, place.split(":"))): Position(int(number), 0)
                for place, number in content["moved"].items()
            }
            return int(content["first"]), moved
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LedgerError(f"{path}: cannot be read ({error!r}). Restore it.") from None

    def _write_header(self, first: int, moved: Mapping[Position, int]) -> None:
        """Write ledger.json; `moved` maps earlier positions to the segments that begin there."""
        places = {f"{place.segment}:{place.offset}": number for place, number in moved.items()}
        content = {"format": FORMAT, "first": first, "moved": places}
        write_json(self._folder / "ledger.json", content)

    def _tidy(self) -> None:
        """Rename the segments of a compaction that ledger.json names; remove other leftovers."""
        last = max([self._first, *(place.segment for place in self._moved.values())])
        for path in list(self._folder.glob("*.partial")):
            if path.stem.isdecimal() and self._first <= int(path.stem) <= last:
                path.rename(path.with_suffix(".log"))
            else:
                path.unlink()
        for path in self._folder.glob("*.log"):
            if int(path.stem) < self._first:
                path.unlink()

    def _last(self) -> int:
        numbers = sorted(int(path.stem) for path in self._folder.glob("*.log"))
        if not numbers or numbers != list(range(self._first, numbers[-1] + 1)):
            raise LedgerError(
                f"{self._folder}: needs every segment from {self._first}, found {numbers}. "
                "Restore the missing ones, or build the index again from the catalogue."
            )
        return numbers[-1]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}.log"

    def _aside(self, number: int) -> Path:
        return self._path(number).with_suffix(".partial")


def _rows(change: Change, keep: list[bool]) -> Change | None:
    """Return a change with some of its products only; None without any."""
    if not any(keep):
        return None
    if isinstance(change, Delete):
        return Delete(tuple(compress(change.product_ids, keep)))
    keep_B = np.array(keep)
    vectors = {name: x_BW[keep_B] for name, x_BW in change.vectors.items()}
    return Upsert(change.products.filter(pl.Series(keep_B)), vectors)


def end_of(folder: Path) -> Position:
    """Return the end of a ledger that another process may be writing; takes no lock.

    Raises LedgerError where there is no ledger.
    """
    while numbers := [int(path.stem) for path in folder.glob("*.log")]:
        last = max(numbers)
        with suppress(FileNotFoundError):  # compacted meanwhile
            return Position(last, reached_bytes(folder / f"{last:08d}.log"))
    raise LedgerError(f"{folder}: holds no ledger. Name the folder of one.")


def is_open(folder: Path) -> bool:
    """Return whether a process has the ledger of a folder open."""
    if not folder.is_dir():
        return False
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def position_to_json(position: Position) -> dict[str, int]:
    """Return a position as plain values; `Position(**values)` reads them."""
    return asdict(position)
