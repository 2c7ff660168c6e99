"""CSV file as spreadsheets and shops export it -> a table of text columns.

Found by itself: the separator (comma, semicolon, tab, bar; a first line "sep=;"), UTF-8, UTF-16 and
Western European encodings, line ends of any kind, quotes doubled or after a backslash, and a bare
inch sign in a field without quotes. Where the separator is no comma, columns of numbers may have a
decimal comma.

polars reads the plain case; the csv module whatever has odd quotes, and the place of a mistake.
"""

import codecs
import csv
import io
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
"""In order of preference."""
QUOTE, BACKSLASH = ord('"'), ord("\\")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEAD_BYTES = 1 << 16
_MAX_FOREIGN = 0.5
"""Share of such letters in words with a letter beyond ASCII above which a text is not Western."""
_ESCAPED_QUOTE = re.compile(r'\\"(?![;,\t|\r\n]|$)')
_DECIMAL_COMMA = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+$"
_WHOLE = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)$"


def read_csv(path: Path) -> pl.DataFrame:
    """Read a csv file as text columns, without its blank lines.

    Raises DataError for an encoding that cannot be told, and for a row whose quotes or number of
    fields are wrong, with its number (the first row of data is 1).
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    plain = _is_plain(head)
    separator = _separator(head.decode("utf-8", errors="replace")) if plain else ","
    frame = None
    if plain and not _has_odd_quotes(path, separator):
        with suppress(pl.exceptions.PolarsError):  # read again below, which names the row
            frame = pl.read_csv(path, infer_schema=False, separator=separator)
    if frame is None:
        frame, separator = _read_text(path, _text(path))
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return frame if separator == "," else _with_points(frame)


def _is_plain(head: bytes) -> bool:
    """Return whether polars can read the file's encoding and line ends."""
    is_wide = head.startswith(_UTF16) or b"\0" in head[:4]
    has_lines = b"\n" in head or b"\r" not in head
    return not is_wide and has_lines and not re.match(rb"(\xef\xbb\xbf)?\"?sep=", head, re.I)


def _has_odd_quotes(path: Path, separator: str) -> bool:
    """Return whether a quote neither opens nor closes a field, nor is doubled.

    Counted through the file, the first of each two quotes opens and the second closes.
    """
    signs = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    places = np.flatnonzero(signs == QUOTE)
    if not len(places):
        return False
    ends = np.frombuffer(f'\n\r{separator}"'.encode(), dtype=np.uint8)
    start = len(codecs.BOM_UTF8) if signs[:3].tobytes() == codecs.BOM_UTF8 else 0
    opens, closes = places[::2], places[1::2]
    before, after = opens[opens > start] - 1, closes[closes < len(signs) - 1] + 1
    is_plain = np.isin(signs[before], ends).all() and np.isin(signs[after], ends).all()
    return not is_plain or len(opens) != len(closes) or bool((signs[places - 1] == BACKSLASH).any())


def _separator(text: str) -> str:
    """Return the sign that separates most fields of the header."""
    header = re.sub(r'"[^"]*"', "", text).lstrip("\r\n").splitlines() or [""]
    return max(SEPARATORS, key=header[0].count)


def _text(path: Path) -> str:
    """Decode a file; raises DataError where its encoding cannot be told."""
    content = path.read_bytes()
    try:
        if content.startswith(_UTF16):
            return content.decode("utf-16")
        if b"\0" in content[:4]:
            return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = content.decode("cp1252", errors="replace")
        words = re.findall(r"[^\W\d_]*[^\W\d_a-zA-Z][^\W\d_]+", text)
        foreign = sum(not char.isascii() for word in words for char in word)
        if "\ufffd" in text or foreign > _MAX_FOREIGN * sum(map(len, words)):
            line = content[: error.start].count(b"\n") + 1
            raise DataError(
                f"{path}: line {line} is neither UTF-8 nor Western European (cp1252). "
                "Save the file as UTF-8."
            ) from None
        return text


def _read_text(path: Path, text: str) -> tuple[pl.DataFrame, str]:
    """Read a decoded file by the csv module; returns its separator too."""
    named = re.match(r'"?sep=(.)"?\s*', text, re.I)
    text = text[named.end() :] if named else text
    separator = named[1] if named else _separator(text[:_HEAD_BYTES])
    if _ESCAPED_QUOTE.search(text):
        text = _ESCAPED_QUOTE.sub('""', text)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if not header:
                header = fields
                continue
            while len(fields) > len(header) and not fields[-1].strip():
                fields.pop()
            if len(fields) > len(header):
                raise DataError(_too_many(path, len(rows) + 1, fields, header, separator))
            rows.append(fields + [""] * (len(header) - len(fields)))
    except csv.Error as error:
        raise DataError(
            f"{path}: row {len(rows) + 1} (line {reader.line_num}): {error}. Put the field in "
            'quotes and double the quotes in it ("27"" monitor"), and close every quote.'
        ) from None
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    names = [name.strip().lstrip("\ufeff") for name in header]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: column {repeated[0]!r} stands twice. Rename or remove one.")
    series = [
        pl.Series(name, [value or None for value in values], dtype=pl.String)
        for name, values in zip(names, columns, strict=True)
    ]
    return pl.DataFrame(series), separator


def _too_many(path: Path, row: int, fields: list[str], header: list[str], separator: str) -> str:
    shown = "a tab" if separator == "\t" else repr(separator)
    return (
        f"{path}: row {row} has {len(fields)} fields, the header has {len(header)}, separated by "
        f"{shown}. Put a field that holds {shown} in quotes: no row has more fields than columns."
    )


def _with_points(frame: pl.DataFrame) -> pl.DataFrame:
    """Replace the decimal comma in columns of numbers ("1.234,50" -> "1234.50")."""
    columns = []
    for name in frame.columns:
        given = frame[name].str.strip_chars()
        known = given.drop_nulls().filter(given.drop_nulls() != "")
        has_comma = known.str.contains(_DECIMAL_COMMA)
        if has_comma.any() and (has_comma | known.str.contains(_WHOLE)).all():
            columns.append(given.str.replace_all(".", "", literal=True).str.replace(",", "."))
    return frame.with_columns(columns)
