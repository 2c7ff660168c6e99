"""XML whose ampersands are bare (`Tom & Jerry`) or whose entities are those of HTML, made sound."""

import re
from html.entities import name2codepoint
from typing import IO

_BARE = re.compile(
    rb"<!\[CDATA\[.*?\]\]>"
    rb"|&(?!(?:#\d+|#x[\da-fA-F]+|amp|lt|gt|quot|apos);)(?:(?P<name>[A-Za-z]\w{1,9});)?",
    re.DOTALL,
)
_CDATA = b"<![CDATA["
MAX_ENTITY = 12
"""Bytes of an entity, which a piece must not end within."""


class SoundXml:
    """Reads a file of XML; what is sound stays as it is, and so does what CDATA holds."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rest = b""
        self._is_wide: bool | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, about as many as wanted; none at the end."""
        while True:
            piece = self._file.read(size)
            if self._is_wide is None:
                self._is_wide = b"\0" in piece[:4]  # UTF-16, of which no byte is a sign
            if self._is_wide:
                return piece
            text = self._rest + piece
            end = _end(text) if piece else len(text)
            text, self._rest = text[:end], text[end:]
            if text or not piece:
                return _BARE.sub(_sound, text) if b"&" in text else text


def _end(text: bytes) -> int:
    """Return where a piece may end: outside of CDATA, and of the beginning of one or an entity."""
    tail = max(len(text) - MAX_ENTITY, 0)
    starts = (text.find(sign, tail) for sign in (b"&", b"<"))
    end = min((start for start in starts if start >= 0), default=len(text))
    last = text.rfind(_CDATA, 0, end)
    return last if last >= 0 and text.find(b"]]>", last, end) < 0 else end


def _sound(found: re.Match[bytes]) -> bytes:
    if found[0].startswith(b"<"):
        return found[0]
    name = (found["name"] or b"").decode()
    return b"&#%d;" % name2codepoint[name] if name in name2codepoint else b"&amp;" + found[0][1:]
