"""Encoding of a text file, told by its bytes, and its text as a stream."""

import bz2
import codecs
import gzip
import io
import lzma
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from windowshop.errors import DataError, first_line, needs_extra
from windowshop.imports.names import FIELD_OF
from windowshop.imports.values import plain_name

CHUNK = 1 << 20
ZSTD_LINES = 5000
MAX_SAMPLE = 1 << 18
"""Bytes of lines with letters beyond ASCII by which an encoding is told."""
MAX_BAD_SHARE = 0.2
"""Share of lines with foreign letters, below which those that are no UTF-8 are read as Western."""
MIXED = "utf-8 and cp1252"
WESTERN = "cp1252"
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CODE_PAGES = [
    "cp1250", "cp1252", "cp1251", "cp1253", "cp1254", "iso8859_2", "iso8859_15", "koi8_r", "cp932",
    "euc_jp", "gb18030", "big5", "euc_kr", "mac_roman", "cp850", "cp1255", "cp1256",
]  # fmt: skip
MIN_NAMES = 2
"""Known names of columns with foreign letters, by which an encoding is told."""
_WESTERN_LETTERS = "äöüßéèêàçñáíóúâôîûãõåæøìòùÄÖÜÉ€°–’”“®™½²\u00a0"
_VOWELS = {
    "cp1251": "аеиоуыэюяёіїє", "koi8_r": "аеиоуыэюяё", "cp1253": "αεηιουωάέήίόύώ",
}  # fmt: skip
MIN_VOWELS = 0.28
_PACKED = {
    "gzip": re.compile(rb"\x1f\x8b"), "bzip2": re.compile(rb"BZh[1-9]1AY&SY"),
    "xz": re.compile(rb"\xfd7zXZ\0"), "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}  # fmt: skip
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")


def packed_by(path: Path) -> str:
    """Return what a file is compressed by, told by its first bytes; "" where it is not."""
    with path.open("rb") as file:
        head = file.read(10)
    return next((name for name, mark in _PACKED.items() if mark.match(head)), "")


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, or what a compressed one holds.

    Before Python 3.14, zstd is read where it holds UTF-8, else DataError is raised.
    """
    match packed_by(path):
        case "gzip":
            return gzip.open(path)  # type: ignore[return-value]
        case "bzip2":
            return bz2.open(path)  # type: ignore[return-value]
        case "xz":
            return lzma.open(path)  # type: ignore[return-value]
        case "zstd":
            return _open_zstd(path)
    return path.open("rb")


def _open_zstd(path: Path) -> BinaryIO:
    """Open by the library, which Python has from 3.14 on, else by Polars, which reads UTF-8."""
    try:
        zstd = import_module("compression.zstd")
    except ImportError:
        return io.BufferedReader(_Lines(path))
    return zstd.open(path)  # type: ignore[no-any-return]


class _Lines(io.RawIOBase):
    """Text that Polars unpacks, line by line, as bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chunks = self._unpacked()
        self._left = b""

    def _unpacked(self) -> Iterator[bytes]:
        import polars as pl

        try:
            for frame in pl.scan_lines(self._path).collect_batches(chunk_size=ZSTD_LINES):
                yield "\n".join([*frame.to_series(), ""]).encode()
        except (pl.exceptions.PolarsError, OSError, AttributeError) as error:
            raise DataError(
                f"{self._path}: cannot be unpacked from zstd as UTF-8 ({first_line(error)}). "
                f"Unpack it by `zstd -d {self._path.name}`, or compress it by gzip."
            ) from None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        """Fill a buffer with the next bytes; returns how many."""
        while not self._left and (chunk := next(self._chunks, b"")):
            self._left = chunk
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


_HUNGARIAN = frozenset(("cikkszam", "termeknev", "megnevezes", "leiras", "gyarto", "termekkod"))
"""Names of columns whose values have letters (ő, ű) that Western code pages lack."""


def detect_encoding(path: Path) -> str:
    """Return the encoding of a text file; MIXED for UTF-8 with some Western lines.

    Raises DataError where none can be told.
    """
    with open_bytes(path) as file:
        head = file.read(4096)
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    if b"\0" in head:
        return "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
    if _is_utf8(path):
        return "utf-8"
    if b"\r" in head and b"\n" not in head:
        return "mac_roman"  # whose lines alone end so
    good, bad = _foreign_lines(path)
    if good and len(bad) < MAX_BAD_SHARE * (len(good) + len(bad)):
        return MIXED
    return _guess(path, b"\n".join([*bad, *good])[:MAX_SAMPLE])


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as file:
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _foreign_lines(path: Path) -> tuple[list[bytes], list[bytes]]:
    """Return lines with letters beyond ASCII: those that are UTF-8, and others."""
    good: list[bytes] = []
    bad: list[bytes] = []
    size = 0
    with open_bytes(path) as file:
        for line in file:
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                good.append(line[:2000])
            except UnicodeDecodeError:
                bad.append(line[:2000])
            size += len(line)
            if size > 4 * MAX_SAMPLE:
                break
    return good, bad


def _guess(path: Path, sample: bytes) -> str:
    """Return the least chaotic code page by charset-normalizer; of equals, the commonest."""
    if named := _by_names(path):
        return named
    if _looks_western(sample):
        return WESTERN
    with needs_extra("import"):
        from charset_normalizer import from_bytes
    lines = list(dict.fromkeys(re.sub(rb"\d+", b"", line) for line in sample.split(b"\n")))
    for part in (lines[:200], lines[:5], lines[:1]):
        text = b"\n".join(part)
        found = [(round(match.chaos, 1), match.encoding) for match in
                 from_bytes(text, cp_isolation=_CODE_PAGES)]  # fmt: skip
        likely = [pair for pair in found if _has_vowels(text, pair[1])]
        if likely:
            return min(likely, key=lambda pair: (pair[0], _CODE_PAGES.index(pair[1])))[1]
    raise DataError(f"{path}: its encoding cannot be told. Name it with --encoding.")


def _by_names(path: Path) -> str:
    """Return the code page in which most names of columns are known; "" where none stands out."""
    with open_bytes(path) as file:
        lines = [line for _ in range(8) if not (line := file.readline(1 << 16)).isascii()]
    counts: dict[str, int] = {}
    for name in _CODE_PAGES:
        try:
            fields = _fields(lines, name)
        except UnicodeDecodeError:
            continue
        counts[name] = sum(plain_name(field) in FIELD_OF for field in fields if not field.isascii())
    best = max(counts.values(), default=0)
    likely = [name for name, count in counts.items() if count == best]
    if "cp1250" in likely and any(plain_name(f) in _HUNGARIAN for f in _fields(lines, "cp1250")):
        return "cp1250"
    return likely[0] if best >= MIN_NAMES and len(likely) == 1 else ""


def _fields(lines: list[bytes], encoding: str) -> list[str]:
    texts = [line.decode(encoding) for line in lines[:2]]
    return [field for text in texts for field in re.split(r'[,;\t|"\r\n]+', text)]


def _has_vowels(sample: bytes, encoding: str) -> bool:
    """Return whether text read as Cyrillic or Greek has as many vowels as those languages."""
    if encoding not in _VOWELS:
        return True
    letters = [c for c in sample.decode(encoding, errors="ignore").lower() if not c.isascii()]
    letters = [char for char in letters if char.isalpha()]
    vowels = sum(char in _VOWELS[encoding] for char in letters)
    return vowels > MIN_VOWELS * max(len(letters), 1)


def _looks_western(sample: bytes) -> bool:
    """Return whether foreign letters stand alone among plain ones, as in Western languages."""
    try:
        text = sample.decode(WESTERN)
    except UnicodeDecodeError:
        return False
    common = sum(text.count(char) for char in _WESTERN_LETTERS)
    others = sum(not char.isascii() for char in text)
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    foreign = sum(not char.isascii() for word in words for char in word)
    return others > 0 and common >= 0.8 * others and foreign <= 0.5 * sum(map(len, words))


def open_text(
    path: Path, encoding: str, on_mixed: Callable[[str], None] | None = None
) -> io.TextIOWrapper:
    """Open a file as text with its line ends as they are.

    `on_mixed` gets each piece of another encoding.
    """
    if encoding != MIXED:
        return io.TextIOWrapper(open_bytes(path), encoding, errors="replace", newline="")

    def as_western(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        text = error.object[error.start : error.end].decode(WESTERN, errors="replace")
        if on_mixed is not None:
            on_mixed(text)
        return text, error.end

    codecs.register_error("windowshop-western", as_western)
    return io.TextIOWrapper(open_bytes(path), "utf-8", errors="windowshop-western", newline="")
