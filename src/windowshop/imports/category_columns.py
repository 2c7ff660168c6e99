"""Columns that are the levels of one category path, told by their names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from windowshop.imports.languages import without_language
from windowshop.imports.values import plain_name

_LEVEL = re.compile(
    r"(?P<word>main|master|top|haupt|sub sub|sub|unter) ?(?:category|kategorie|categorie|categoria)"
    r"(?: ?(?P<deep>\d))?"
    r"|(?P<plain>category|kategorie|categorie|categoria)"
    r"|(?:category|kategorie|categorie|categoria|product category|warengruppe)"
    r" ?(?:id|level|name|lvl|ebene|niveau|nivel)? ?(?P<number>\d)"
    r"|(?P<type>article type)"
)
_DEPTHS = {"main": 0, "master": 0, "top": 0, "haupt": 0, "sub": 1, "unter": 1, "sub sub": 2,
           "article type": 3}  # fmt: skip


def category_levels(header: Sequence[str], values: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the columns that are the levels of a category, the topmost first; none without two."""
    found: list[tuple[int, int, str]] = []
    for place, name in enumerate(header):
        hit = _LEVEL.fullmatch(plain_name(without_language(name)))
        texts = [str(value) for value in values[name]]
        if hit is None or not texts or all(text.isdigit() for text in texts):
            continue
        if any(">" in text for text in texts):
            return []
        found.append((_depth(hit), place, name))
    names = [name for _, _, name in sorted(found)]
    return names if len({depth for depth, _, _ in found}) == len(found) > 1 else []


def _depth(hit: re.Match[str]) -> int:
    """Return how deep the level of a column is."""
    if hit["plain"]:
        return 0
    if hit["number"]:
        return int(hit["number"])
    return max(_DEPTHS[hit["word"] or hit["type"]], int(hit["deep"] or 0))
