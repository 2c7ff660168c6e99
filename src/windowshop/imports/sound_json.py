"""JSON with a byte order mark, and where asked with commas before a closing bracket, or NaN."""

import codecs
import re
from typing import IO

_STRING = rb'"(?:[^"\\]|\\.)*"'
_STRINGS = re.compile(_STRING, re.DOTALL)
_UNSOUND = re.compile(
    _STRING + rb"|,(?=\s*[\]}])|(?<![\w.])-?(?:NaN|Infinity)(?!\w)",
    re.DOTALL,
)
_OPEN = re.compile(rb"[,\s\w.+-]*\Z")


class SoundJson:
    """Reads a file of JSON; `is_mended` also leaves out last commas, and writes NaN as null."""

    def __init__(self, file: IO[bytes], *, is_mended: bool = False) -> None:
        self._file, self._is_mended = file, is_mended
        self._rest = b""
        self._is_first = True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, about as many as wanted; none at the end."""
        while True:
            piece = self._file.read(size)
            is_last = not piece and size != 0
            if self._is_first and piece:
                piece, self._is_first = piece.removeprefix(codecs.BOM_UTF8), False
            text = self._rest + piece
            end = len(text) if is_last or not self._is_mended else _end(text)
            text, self._rest = text[:end], text[end:]
            if text or is_last or not size:
                return _UNSOUND.sub(_sound, text) if self._is_mended else text


def _end(text: bytes) -> int:
    """Return where a piece may end: outside of texts, and of what is to be looked at whole."""
    closed = max((hit.end() for hit in _STRINGS.finditer(text)), default=0)
    opened = text.find(b'"', closed)
    end = len(text) if opened < 0 else opened
    hit = _OPEN.search(text, closed, end)
    return hit.start() if hit is not None else end


def _sound(found: re.Match[bytes]) -> bytes:
    if found[0].startswith(b'"'):
        return found[0]
    return b"" if found[0] == b"," else b"null"
