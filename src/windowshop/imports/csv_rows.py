"""Rows of a table in text: separator, quotes and header told by its first lines."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO, TextIOBase
from pathlib import Path

from windowshop.errors import DataError
from windowshop.imports.report import ImportReport

SEPARATORS = ",;\t|^~"
MAX_FIELD = 1 << 26
HEAD_CHARS = 1 << 17
MAX_PREAMBLE = 12
"""Lines before the header, such as a title of the export."""
OPEN_QUOTE_LINES = 100
_ESCAPED = re.compile(r'[^\\"]\\"(?![;,\t|\r\n]|$)')
_DATA = re.compile(r"(?:https?://.*|[-+]?\d+[.,]\d+|[-+]?\d{4,})\s*$")


@dataclass(frozen=True, slots=True)
class CsvShape:
    """Shape of a table in text."""

    separator: str
    header: tuple[str, ...]
    skipped_lines: int
    """Records before the header."""
    has_backslashes: bool
    """Whether quotes within a field follow a backslash."""
    has_header: bool = True


def csv_shape(path: Path, head: str, separator: str = "") -> CsvShape:
    """Tell the shape by the beginning of the text."""
    head = head.lstrip("\ufeff")
    named = re.match(r'"?sep=(.)"?\r?\n', head, re.IGNORECASE)
    separator = separator or (named[1] if named else _separator(head))
    has_backslashes = bool(_ESCAPED.search(head)) and '""' not in head.replace(separator + '""', "")
    rows = _parsed(head, separator, has_backslashes)
    place = _header_place(rows)
    if not rows or place >= len(rows):
        raise DataError(f"{path}: has no header and no rows. Export it again.")
    names = [name.strip().lstrip("\ufeff").strip() for name in rows[place]]
    has_header = not any(_DATA.match(name) for name in names) or len(set(names)) < len(names) - 2
    if not has_header:
        return CsvShape(separator, tuple(f"column {i}" for i in range(1, len(names) + 1)), place,
                        has_backslashes, has_header=False)  # fmt: skip
    while names and not names[-1]:
        names.pop()
    return CsvShape(separator, unique_names(names), place + 1, has_backslashes)


def unique_names(names: list[str]) -> tuple[str, ...]:
    """Return names with a number behind those that stand twice, and for empty ones."""
    seen: Counter[str] = Counter()
    found = []
    for place, name in enumerate(names, start=1):
        name = name or f"column {place}"
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(found)


def _separator(head: str) -> str:
    """Return the sign that divides the first lines into the same number of fields."""
    bare = re.sub(r'"(?:[^"]|"")*"', "", head)
    lines = [line for line in bare.splitlines() if line.strip()][:MAX_PREAMBLE] or [""]
    widest = {sign: max(line.count(sign) for line in lines) for sign in SEPARATORS}
    best = max(SEPARATORS, key=lambda sign: (lines[0].count(sign), widest[sign]))
    return best if lines[0].count(best) else max(SEPARATORS, key=lambda sign: widest[sign])


def _parsed(head: str, separator: str, has_backslashes: bool) -> list[list[str]]:
    """Parse the first records; the last of a cut text is left out."""
    rows = []
    try:
        for row in _reader(StringIO(head, newline=""), separator, has_backslashes):
            rows.append(row)
            if len(rows) > 4 * MAX_PREAMBLE:
                return rows
    except csv.Error:
        pass
    return rows[:-1] if len(head) >= HEAD_CHARS and len(rows) > 1 else rows


def _header_place(rows: list[list[str]]) -> int:
    """Return the first record as wide as most of the first ones."""
    widths = [sum(bool(field.strip()) for field in row) for row in rows]
    full = max(widths[: 4 * MAX_PREAMBLE], default=0)
    for place, width in enumerate(widths[:MAX_PREAMBLE]):
        if width and width >= 0.4 * full:
            return place
    return next((place for place, width in enumerate(widths) if width), len(rows))


def _reader(file: TextIOBase, separator: str, has_backslashes: bool) -> "Iterator[list[str]]":
    csv.field_size_limit(MAX_FIELD)
    if has_backslashes:
        return csv.reader(file, delimiter=separator, escapechar="\\", doublequote=True)
    return csv.reader(file, delimiter=separator)


def csv_rows(
    file: TextIOBase, path: Path, shape: CsvShape, report: ImportReport
) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield each row with its number, without empty fields; the first row of data is 1.

    A row with too many fields is reported; a quote that is never closed raises DataError.
    """
    header, width = shape.header, len(shape.header)
    reader = csv.reader(
        file, delimiter=shape.separator, escapechar="\\" if shape.has_backslashes else None
    )
    csv.field_size_limit(MAX_FIELD)
    number = 0
    line = 0
    try:
        for _ in range(shape.skipped_lines):
            next(reader, None)
        line = reader.line_num
        for fields in reader:
            lines, line = reader.line_num - line, reader.line_num
            if not fields or not any(map(str.strip, fields)):
                continue
            number += 1
            if lines > OPEN_QUOTE_LINES and _swallowed(fields, shape):
                raise csv.Error("a quote that opens a field is not closed")
            if len(fields) > width:
                if any(map(str.strip, fields[width:])):
                    report.add("too-many-fields", number, shape.separator.join(fields))
                    continue
                del fields[width:]
            yield number, {
                name: text for name, field in zip(header, fields, strict=False)
                if (text := field.strip())
            }  # fmt: skip
    except csv.Error as error:
        raise DataError(
            f"{path}: row {number}, near line {line}: {error}. Put the field in quotes, double "
            'the quotes in it ("27"" monitor"), and close every quote.'
        ) from None


def _swallowed(fields: list[str], shape: CsvShape) -> bool:
    """Return whether a field holds whole rows."""
    least = max(1, (len(shape.header) - 1) // 2)
    return any(
        sum(line.count(shape.separator) >= least for line in field.splitlines()) > 20
        for field in fields
    )
