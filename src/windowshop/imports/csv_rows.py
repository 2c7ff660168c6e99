"""Rows of a table in text: separator, quotes and header told by its first lines."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO, TextIOBase
from itertools import groupby
from pathlib import Path

from windowshop.errors import DataError
from windowshop.imports.csv_records import CsvSigns, csv_records
from windowshop.imports.divided_fields import Kinds, column_kinds, joined_fields, with_entities
from windowshop.imports.names import field_of
from windowshop.imports.report import ImportReport

SEPARATORS = ",;\t|^~"
MAX_FIELD = 1 << 26
HEAD_CHARS = 1 << 17
MAX_PREAMBLE = 12
"""Lines before the header, such as a title of the export."""
OPEN_QUOTE_LINES = 100
_ESCAPED = re.compile(r'[^\\"]\\"(?![;,\t|\r\n]|$)')
RAKUTEN = (
    "Product ID", "Product Name", "SKU", "Primary Category", "Secondary Category", "Product URL",
    "Product Image URL", "Buy URL", "Short Description", "Description", "Discount",
    "Discount Type", "Sale Price", "Price", "Begin Date", "End Date", "Brand", "Shipping",
    "Is Deleted", "Keywords", "Is All", "MPN", "Manufacturer Name", "Shipping Information",
    "Availability", "UPC", "Class ID", "Currency", "M1", "Pixel",
    *(f"Attribute {i}" for i in range(1, 11)),
)  # fmt: skip
"""Fields of Rakuten's feeds for affiliates, which begin with a line HDR and have no header."""
_AMAZON = re.compile(r"TemplateType=|settings=", re.IGNORECASE)
_AMAZON_NAME = re.compile(r"::?\w+|[a-z]\w*(?:[\[#.].*)?")
_VALUE = re.compile(r"\s*(?:https?://.*|[-+]?\d[\d.,:/ -]*)\s*$")
_DATA = re.compile(r"(?:https?://.*|[-+]?\d+[.,]\d+|[-+]?\d{4,})\s*$")


@dataclass(frozen=True, slots=True)
class CsvShape:
    """Shape of a table in text."""

    signs: CsvSigns
    header: tuple[str, ...]
    skipped_lines: int
    """Records before the header."""
    has_header: bool = True
    kinds: Kinds = ()
    """Kinds of values that the columns hold."""


def csv_shape(path: Path, head: str, separator: str = "") -> CsvShape:
    """Tell the shape by the beginning of the text."""
    head = head.lstrip("\ufeff")
    named = re.match(r'"?sep=(.)"?\r?\n', head, re.IGNORECASE)
    separator = separator or (named[1] if named else _separator(head))
    signs = _signs(head, separator)
    rows = _parsed(head, signs)
    if rows and rows[0][:1] == ["HDR"] and len(rows[0]) < MAX_PREAMBLE:
        return CsvShape(signs, RAKUTEN, 1, has_header=False)
    is_amazon = bool(rows) and bool(_AMAZON.match(rows[0][0] if rows[0] else ""))
    place = _amazon_place(rows) if is_amazon else _header_place(rows)
    if not rows or place >= len(rows):
        raise DataError(f"{path}: has no header and no rows. Export it again.")
    names = [name.strip().lstrip("\ufeff").strip() for name in rows[place]]
    if is_amazon:
        names = [_amazon_name(name) for name in names]
    is_counted = names[0].isdigit() and not all(map(str.isdigit, names))
    is_data = any(_DATA.match(name) for name in names) or is_counted
    has_header = not is_data or len(set(names)) < len(names) - 2
    if not has_header:
        return CsvShape(signs, tuple(f"column {i}" for i in range(1, len(names) + 1)), place,
                        has_header=False)  # fmt: skip
    while names and not names[-1]:
        names.pop()
    kinds = column_kinds(rows[place + 1 :], len(names))
    return CsvShape(signs, unique_names(names), place + 1, kinds=kinds)


def _signs(head: str, separator: str) -> CsvSigns:
    """Tell the signs around fields by the beginning of the text."""
    doubled = head.replace('\\""', "").replace(separator + '""', "")
    sign = re.escape(separator)
    has_apostrophes = re.match(rf"'[^'\r\n]*'(?:{sign}'[^'\r\n]*')+\r?\n", head)
    return CsvSigns(
        separator=separator,
        quote="'" if has_apostrophes else '"',
        has_backslashes=bool(_ESCAPED.search(head)) and '""' not in doubled,
        has_blanks=bool(re.search(rf'{sign} +"[^"\r\n]*"(?:{sign}|\r?\n)', head)),
    )


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
    """Return the sign that most of the first lines have, and as often one after the other."""
    bare = re.sub(r'"(?:[^"]|"")*"', "", head)
    lines = [line for line in bare.splitlines() if line.strip()][: 2 * MAX_PREAMBLE] or [""]
    scores = {}
    for sign in SEPARATORS:
        counts = [line.count(sign) for line in lines]
        runs = [(len([*run]), number) for number, run in groupby(counts)]
        length, number = max((run for run in runs if run[1]), default=(0, 0))
        scores[sign] = (sum(map(bool, counts)), length, counts[0], number)
    return max(SEPARATORS, key=lambda sign: scores[sign])


def _parsed(head: str, signs: CsvSigns) -> list[list[str]]:
    """Parse the first records; the last of a cut text is left out."""
    rows = []
    csv.field_size_limit(MAX_FIELD)
    try:
        for row in signs.reader(StringIO(head, newline="")):
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
        remarks = sum(field.startswith("#") for field in rows[place])
        if width and width >= 0.4 * full and (remarks < 0.6 * width or place + 1 == len(rows)):
            return next(_wider(rows, widths, place, full), place)
    return next((place for place, width in enumerate(widths) if width), len(rows))


def _wider(rows: list[list[str]], widths: list[int], place: int, full: int) -> Iterator[int]:
    """Yield later records that are a header, where the first wide one has values in it."""
    if _is_spanned(rows, place):
        yield place + 1
    if widths[place] >= 0.8 * full or not any(_VALUE.match(field) for field in rows[place]):
        return
    for later in range(place + 1, min(len(rows), MAX_PREAMBLE)):
        if widths[later] >= 0.8 * full and not any(_VALUE.match(field) for field in rows[later]):
            yield later


def _is_spanned(rows: list[list[str]], place: int) -> bool:
    """Return whether a record has names of groups of columns, and the next one their names.

    It is narrower than the next, which has no values, while the one after it has.
    """
    if place + 2 >= len(rows):
        return False
    above, names, values = ([f.strip() for f in row] for row in rows[place : place + 3])
    gaps = [i for i, field in enumerate(above[: len(names)]) if not field and names[i]]
    has_values = any(_VALUE.match(field) for field in values)
    is_header = all(names) and not any(_VALUE.match(field) for field in names)
    known = [sum(field_of(name) is not None for name in row) for row in (names, above)]
    return bool(gaps) and is_header and has_values and known[0] > max(1, known[1])


def _amazon_place(rows: list[list[str]]) -> int:
    """Return the line of attribute names of an Amazon template, the last one above the data."""
    named = [
        place for place, row in enumerate(rows[:8])
        if sum(bool(_AMAZON_NAME.fullmatch(field)) for field in row if field)
        > 0.9 * sum(map(bool, row)) > 0
    ]  # fmt: skip
    return max(named, default=_header_place(rows), key=lambda place: sum(map(bool, rows[place])))


def _amazon_name(name: str) -> str:
    """Return `item_name` of `item_name[language_tag=en_US]#1.value`, `bullet_point2` of its #2."""
    bare = re.sub(r"\[[^\]]*\]", "", name).removesuffix(".value")
    bare = re.sub(r"#1(?!\d)", "", bare)
    return re.sub(r"[#.]+", " ", bare).strip()


def csv_rows(
    file: TextIOBase, path: Path, shape: CsvShape, report: ImportReport
) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield each row with its number, without empty fields; the first row of data is 1.

    A row with too many fields is reported; a quote that is never closed raises DataError.
    """
    header, width = shape.header, len(shape.header)
    csv.field_size_limit(MAX_FIELD)
    number = line = 0
    separator = shape.signs.separator
    lines = _without_nulls(file, separator) if shape.signs.has_backslashes else file
    try:
        for place, record in enumerate(csv_records(lines, shape.signs, width)):
            fields, line = record.fields, line + record.num_lines
            is_data = place >= shape.skipped_lines and not _is_trailer(fields, shape)
            if not is_data or not any(map(str.strip, fields)):
                continue
            number += 1
            if record.is_mended:
                report.add("mended-quotes", number, separator.join(fields))
            whole = _whole(fields, separator, shape.kinds)
            if len(whole) < len(fields):
                fields = whole
                report.add("joined-fields", number, separator.join(fields))
            if record.num_lines > OPEN_QUOTE_LINES and _swallowed(fields, shape):
                raise csv.Error("a quote that opens a field is not closed")
            if len(fields) > width:
                if any(map(str.strip, fields[width:])):
                    report.add("too-many-fields", number, separator.join(fields))
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


def _whole(fields: list[str], separator: str, kinds: Kinds) -> list[str]:
    """Return fields without the divisions that a separator within one has made."""
    if separator == ";" and len(fields) > 2:
        fields = with_entities(fields)
    if not any(map(str.strip, fields[len(kinds) :])):
        return fields
    return joined_fields(fields, separator, kinds) or fields


def _without_nulls(file: TextIOBase, separator: str) -> Iterator[str]:
    r"""Yield the lines of a dump without its `\N`, which stands for no value."""
    sign = re.escape(separator)
    null = re.compile(rf"(?:(?<=^)|(?<={sign}))\\N(?={sign}|\r?\n|\r|$)")
    for line in file:
        yield null.sub("", line)


def _is_trailer(fields: list[str], shape: CsvShape) -> bool:
    return shape.header is RAKUTEN and fields[0] == "TRL"


def _swallowed(fields: list[str], shape: CsvShape) -> bool:
    """Return whether a field holds whole rows."""
    least = max(1, (len(shape.header) - 1) // 2)
    return any(
        sum(line.count(shape.signs.separator) >= least for line in field.splitlines()) > 20
        for field in fields
    )
