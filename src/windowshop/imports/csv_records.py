"""Records of a table in text, whose quotes may be sloppy (`"27" monitor, black"`)."""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_LINES = 40
"""Lines of a record whose quotes are mended."""
Closes: TypeAlias = Callable[[int, str, str, str], bool]
"""Whether a run of so many quotes, with the text behind its separator, ends a field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvSigns:
    """Signs between and around the fields of a table."""

    separator: str
    quote: str = '"'
    has_backslashes: bool = False
    """Whether quotes within a field follow a backslash."""
    has_blanks: bool = False
    """Whether blanks stand before the quotes that open a field."""

    def reader(self, lines: Iterator[str], *, strict: bool = False) -> "Iterator[list[str]]":
        """Return a reader of lines; a strict one raises csv.Error for a sloppy quote."""
        return csv.reader(
            lines, delimiter=self.separator, quotechar=self.quote,
            escapechar="\\" if self.has_backslashes else None,
            skipinitialspace=self.has_blanks, strict=strict,
        )  # fmt: skip


@dataclass(slots=True)
class Lines:
    """Lines of a file, of which those of the last record can be given back."""

    file: Iterator[str]
    record: list[str] = field(default_factory=list)
    back: deque[str] = field(default_factory=deque)

    def __iter__(self) -> "Lines":
        """Iterate over the lines."""
        return self

    def __next__(self) -> str:
        """Return the next line."""
        line = self.back.popleft() if self.back else next(self.file)
        self.record.append(line)
        return line

    def keep(self, number: int) -> None:
        """Give back the lines of the record behind the first ones."""
        self.back.extendleft(reversed(self.record[number:]))
        del self.record[number:]


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """Fields of one record."""

    fields: list[str]
    num_lines: int
    is_mended: bool = False
    """Whether its quotes are sloppy."""


def csv_records(file: Iterator[str], signs: CsvSigns, width: int) -> Iterator[CsvRecord]:
    """Yield each record, an empty line among them.

    A quote within a quoted field that is not doubled is part of the text where the record then
    has `width` fields. Raises csv.Error for a quote that is never closed.
    """
    lines = Lines(iter(file))
    strict = signs.reader(lines, strict=not signs.has_backslashes)
    while True:
        lines.record.clear()
        try:
            fields = next(strict)
        except StopIteration:
            return
        except csv.Error:
            if signs.has_backslashes or sum(map(len, lines.record)) > csv.field_size_limit():
                raise
            yield CsvRecord(_mended(lines, signs, width), len(lines.record), True)
            continue
        narrow = None
        if any(fields[width:]) and any(signs.quote in line for line in lines.record):
            narrow = _as_wide("".join(lines.record), signs, width)
        yield CsvRecord(narrow or fields, len(lines.record), narrow is not None)


def _mended(lines: Lines, signs: CsvSigns, width: int) -> list[str]:
    """Return the fields of a record with sloppy quotes, and give back the lines behind it."""
    number = 1
    while number <= MAX_LINES:
        if number > len(lines.record) and next(lines, None) is None:
            break
        fields = _as_wide("".join(lines.record[:number]), signs, width)
        if fields is not None:
            lines.keep(number)
            return fields
        number += 1
    lines.keep(1)
    text = lines.record[0].rstrip("\r\n")
    loose = _fields(text, signs, _usual)
    plain = text.split(signs.separator)
    if loose is None and len(plain) != width:
        raise csv.Error("a quote that opens a field is not closed")
    return plain if loose is None else loose


def _as_wide(text: str, signs: CsvSigns, width: int) -> list[str] | None:
    """Return the fields by the first way to read quotes that makes as many as wanted."""
    text = text.rstrip("\r\n")
    for closes in (_usual, _doubled, _late):
        fields = _fields(text, signs, closes)
        if fields is not None and len(fields) == width:
            return fields
    parts = text.split(signs.separator)
    is_paired = all(part.count(signs.quote) % 2 == 0 for part in parts if part[:1] == signs.quote)
    return parts if len(parts) == width and is_paired and "\n" not in text else None


def _fields(text: str, signs: CsvSigns, closes: Closes) -> list[str] | None:
    """Return the fields of a text; None where a line ends within none or a quote stays open."""
    found: list[str] = []
    separator, quote = signs.separator, signs.quote
    opening, place = re.compile(rf"[ \t]*{re.escape(quote)}"), 0
    while True:
        if (hit := opening.match(text, place)) is not None:
            end, following = _end(text, hit.end(), separator, quote, closes)
            if end < 0:
                return None
            found.append(text[hit.end() : end].replace(quote * 2, quote))
        else:
            following = text.find(separator, place)
            found.append(text[place : len(text) if following < 0 else following])
            if "\n" in found[-1] or "\r" in found[-1]:
                return None
        if following < 0:
            return found
        place = following + 1


def _end(text: str, start: int, separator: str, quote: str, closes: Closes) -> tuple[int, int]:
    """Return where a quoted field and its separator stand, -1 for neither."""
    run = re.compile(rf"({re.escape(quote)}+)[ \t]*(?:({re.escape(separator)})|\Z)")
    for hit in run.finditer(text, start):
        is_last = hit[2] is None
        behind = "" if is_last else text[hit.end() :]
        if closes(len(hit[1]), behind, separator, quote):
            return hit.end(1) - 1, -1 if is_last else hit.start(2)
    return -1, -1


def _usual(number: int, behind: str, separator: str, quote: str) -> bool:
    return number % 2 == 1


def _doubled(number: int, behind: str, separator: str, quote: str) -> bool:
    """Take the first of two quotes for a sign of inches (`"Monitor 27"",199`)."""
    return True


def _late(number: int, behind: str, separator: str, quote: str) -> bool:
    """Pass over a quote where the next field ends in one that none opens (`27", black",199`)."""
    following = behind.partition(separator)[0]
    return number % 2 == 1 and (quote not in following or following.startswith(quote))
