"""Columns that are the levels of one category path, told by their names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from windowshop.imports.languages import without_language
from windowshop.imports.values import plain_name

_LEVEL = re.compile(
    r"(?P<word>main|master|primary|secondary|tertiary|top|haupt|sub sub|sub|unter) ?"
    r"(?:category|kategorie|categorie|categoria)"
    r"(?: ?(?P<deep>\d))?"
    r"|(?P<plain>category|kategorie|categorie|categoria)"
    r"|(?:category|kategorie|categorie|categoria|product category|warengruppe|cat)"
    r" ?(?:id|level|name|lvl|ebene|niveau|nivel)? ?(?P<number>\d)"
    r"|(?P<type>article type)"
    r"|(?P<class>dept|department|division|class|sub ?class|fine ?line)(?: name)?"
    r"|nome ?(?P<nome>departamento|categoria)"
)
_NUMBERED = re.compile(r"(?:category|kategorie|categorie|categoria)(?: ?path)? ?\d{1,2}")
_DEPTHS = {"main": 0, "primary": 0, "secondary": 1, "tertiary": 2,
           "master": 0, "top": 0, "haupt": 0, "sub": 1, "unter": 1, "sub sub": 2,
           "article type": 3, "division": 0, "dept": 1, "department": 1, "class": 2,
           "sub class": 3, "subclass": 3, "fine line": 4, "fineline": 4, "departamento": 0,
           "categoria": 1}  # fmt: skip


def category_levels(
    header: Sequence[str],
    values: Mapping[str, Sequence[Any]],
    shorter: Mapping[str, str],
) -> list[str]:
    """Return the columns that are the levels of a category, the topmost first; none without two.

    `shorter` are names of columns without what all of them begin with.
    """
    found: list[tuple[int, int, str]] = []
    for place, name in enumerate(header):
        both = (without_language(each) for each in (name, shorter.get(name, name)))
        hit = next((hit for each in both if (hit := _LEVEL.fullmatch(plain_name(each)))), None)
        texts = [str(value) for value in values[name]]
        if hit is None or not texts or all(text.isdigit() for text in texts):
            continue
        if any(">" in text for text in texts):
            return []
        found.append((_depth(hit), place, name))
    names = [name for _, _, name in sorted(found)]
    return names if len({depth for depth, _, _ in found}) == len(found) > 1 else []


def numbered_paths(header: Sequence[str], values: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return numbered columns of which each holds a path of its own (`category1`, `category2`)."""
    names = [name for name in header if _NUMBERED.fullmatch(plain_name(name))]
    has_path = any(">" in str(value) for name in names for value in values[name])
    return names if has_path and len(names) > 1 else []


MIN_LISTS = 20


def has_levels(values: Sequence[Any]) -> bool:
    """Return whether lists of categories are the levels of one path each.

    Then every name but a few stands below one other, and lists begin alike and end unlike.
    """
    lists = [level_names(value) for value in values if isinstance(value, list)]
    lists = [names for names in lists if names]
    if len(lists) < MIN_LISTS or len(lists) < len(values) or max(map(len, lists)) < 2:
        return False
    above: dict[tuple[int, str], set[str]] = {}
    for names in lists:
        for place, name in enumerate(names[1:], start=1):
            above.setdefault((place, name), set()).add(names[place - 1])
    is_tree = sum(len(found) == 1 for found in above.values()) >= 0.9 * len(above)
    firsts, lasts = {names[0] for names in lists}, {names[-1] for names in lists}
    below = {name for _, name in above}
    return is_tree and 2 * len(firsts) < len(lasts) and not firsts & below


def level_names(items: Sequence[Any]) -> list[str]:
    """Return the names of categories in a list, texts or objects."""
    names = (item.get("name") if isinstance(item, dict) else item for item in items)
    return [str(name).strip() for name in names if name]


def _depth(hit: re.Match[str]) -> int:
    """Return how deep the level of a column is."""
    if hit["plain"]:
        return 0
    if hit["number"]:
        return int(hit["number"])
    word = hit["word"] or hit["type"] or hit["class"] or hit["nome"]
    return max(_DEPTHS[word], int(hit["deep"] or 0))
