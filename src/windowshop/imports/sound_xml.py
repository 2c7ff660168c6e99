"""XML of usual faults, made sound: bare ampersands, entities of HTML, prefixes of no namespace."""

import re
from html.entities import name2codepoint
from typing import IO

_BARE = re.compile(
    rb"<!\[CDATA\[.*?\]\]>"
    rb"|&(?!(?:#\d+|#x[\da-fA-F]+|amp|lt|gt|quot|apos);)(?:(?P<name>[A-Za-z]\w{1,9});)?",
    re.DOTALL,
)
_CDATA = b"<![CDATA["
_ROOT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?>(?><\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>)\s*)*"
    rb"<[A-Za-z_][\w.:-]*",
    re.DOTALL,
)
"""Beginning of a document until the attributes of the first element."""
_PREFIX = re.compile(rb"(?:</?|\s)([A-Za-z_][\w.-]*):[A-Za-z_][\w.-]*(?=[\s=/>])")
HEAD_BYTES = 1 << 16
"""Beginning of a document, by which its prefixes are told."""
_GOOGLE = b"http://base.google.com/ns/1.0"
MAX_ENTITY = 12
"""Bytes of an entity, which a piece must not end within."""


class SoundXml:
    """Reads a file of XML; what is sound stays as it is, and so does what CDATA holds."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rest = b""
        self._is_wide: bool | None = None
        self._is_begun = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, about as many as wanted; none at the end."""
        while True:
            piece = self._file.read(size if self._is_begun else HEAD_BYTES)
            if self._is_wide is None:
                self._is_wide = b"\0" in piece[:4]  # UTF-16, of which no byte is a sign
            if self._is_wide:
                return piece
            if not self._is_begun and piece:
                piece, self._is_begun = _with_namespaces(piece), True
            text = self._rest + piece
            end = _end(text) if piece else len(text)
            text, self._rest = text[:end], text[end:]
            if text or not piece:
                return _BARE.sub(_sound, text) if b"&" in text else text


def _with_namespaces(piece: bytes) -> bytes:
    """Declare the prefixes that a document uses and names no namespace for."""
    root = _ROOT.match(piece)
    if root is None:
        return piece
    used = {*_PREFIX.findall(piece)} - {b"xml", b"xmlns"}
    lacking = sorted(name for name in used if b"xmlns:%s" % name not in piece)
    declared = b"".join(
        b' xmlns:%s="%s"' % (name, _GOOGLE if name == b"g" else b"urn:undeclared:" + name)
        for name in lacking
    )
    return piece[: root.end()] + declared + piece[root.end() :]


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
