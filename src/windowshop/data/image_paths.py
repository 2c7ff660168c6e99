"""Path of an image as a shop's export writes it -> the file below the data folder.

Tried in turn, until there is a file: the path as written, without blanks and quotes around it, with
slashes for backslashes, without a leading slash, file:// or query string, percent signs and HTML
decoded, the other Unicode form (archives of macOS), the ends of a path of another machine, below
`images`, the first of several paths, and letters in another case.
"""

import html
import os
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, unquote_plus

from windowshop.errors import ConfigError
from windowshop.settings import read_yaml

TOLD_FILE, TOLD_KEY = "columns.yaml", "images"
"""File of a data folder, and its setting, that name another folder of images."""
_AROUND = " \t\r\n\v\f\u00a0\ufeff\u200b'\""
"""Signs around a path that are no part of it."""
WEB_ADDRESS = re.compile(r"\s*(?:https?:)?//", re.I)


def spellings(image: str) -> Iterator[str]:
    """Yield the ways to read a path, itself first, each once."""
    plain = image.strip(_AROUND)
    seen = set()
    first = re.split(r"\s*[|,;]\s*", plain)[0]
    tried = (image, plain, *_decoded(plain), *_ends(plain), *_decoded(first), f"images/{first}")
    for name in tried:
        for form in (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))):
            if form and form not in seen:
                seen.add(form)
                yield form


def _decoded(path: str) -> Iterator[str]:
    forward = re.sub(r"^file:(?://(?:localhost)?(?=/))?", "", path.replace("\\", "/"), flags=re.I)
    bare = re.sub(r"[?#].*$", "", forward)
    latin = unquote(bare, encoding="latin-1")
    texts = (forward, bare, unquote(forward), unquote(bare), latin, unquote_plus(bare))
    for name in (*texts, html.unescape(forward)):
        yield name
        yield re.sub(r"^(?:[A-Za-z]:)?(?:\.?/)+", "", name)


def _ends(path: str) -> Iterator[str]:
    """Yield the ends of a path from the root of another machine, the longest first."""
    forward = unquote(path.replace("\\", "/"))
    if re.match(r"(?:[A-Za-z]:|file:)?/", forward, re.I):
        parts = [part for part in forward.split("/")[1:] if part]
        yield from ("/".join(parts[at:]) for at in range(1, len(parts)))


def in_another_case(root: Path, image: str) -> Path | None:
    """Return the one file below `root` that has the path but for the case of letters."""
    path = root
    for part in image.split("/"):
        if part in ("", ".", ".."):
            return None
        try:
            names = _names(str(path), path.stat().st_mtime_ns)
        except OSError:
            return None
        found = names.get(part.lower(), ())
        if len(found) != 1:
            return None
        path = path / found[0]
    return path


@lru_cache(maxsize=64)
def _names(folder: str, _changed: int) -> dict[str, list[str]]:
    """Return the names in a folder by their lower case; `_changed` renews them."""
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        names.setdefault(name.lower(), []).append(name)
    return names


def image_folders(root: Path) -> tuple[Path, ...]:
    """Return the folders that images of a data folder may lie in: itself, and one it names."""
    try:
        changed = (root / TOLD_FILE).stat().st_mtime_ns
    except OSError:
        return (root,)
    told = _told(str(root), changed)
    return (root,) if told is None else (root, told)


@lru_cache(maxsize=64)
def _told(root: str, _changed: int) -> Path | None:
    """Return the folder that `columns.yaml` names; `_changed` renews it."""
    try:
        content = read_yaml(Path(root) / TOLD_FILE)
    except ConfigError:  # reading the products names it
        return None
    name = content.get(TOLD_KEY) if isinstance(content, dict) else None
    return Path(root) / name if isinstance(name, str) and name else None
