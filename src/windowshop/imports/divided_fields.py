"""Fields that a separator within them has divided: joined again where the columns tell how."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html.entities import name2codepoint
from typing import TypeAlias

_ENTITIES = frozenset(
    name for name, code in name2codepoint.items() if code < 0x180 or 0x2010 <= code <= 0x20AC
) | {"trade", "apos"}
"""Names of letters and punctuation; of mathematics, some are words (`sub`, `image`)."""
_ENTITY = re.compile(r"&(#\d{1,6}|#[xX][\da-fA-F]{1,5}|[A-Za-z]\w{1,9})$")
_KINDS = (
    ("empty", re.compile(r"\s*")),
    ("number", re.compile(r"\s*[^\w\s]?\s?\d[\d.,' ]*\s?[^\W\d_]{0,3}[^\w\s]?\s*")),
    ("link", re.compile(r"\s*(?:https?:)?//.*", re.DOTALL)),
    ("code", re.compile(r"\s*(?=\S*\d)[\w./:-]+\s*")),
)
_CENTS = re.compile(r"\s*\d+,\d{1,2}\s*")
MAX_FURTHER = 3
"""Fields more than the header has that are joined."""
MIN_MATCH = 0.6
"""Share of the columns, by how often they hold such values, that a joined row must match."""
MIN_AHEAD = 0.2
"""Columns by which it must be better than any other way to join."""
Kinds: TypeAlias = tuple[Mapping[str, float], ...]


def _kind(text: str) -> str:
    return next((name for name, pattern in _KINDS if pattern.fullmatch(text)), "text")


def column_kinds(rows: Sequence[Sequence[str]], width: int) -> Kinds:
    """Return how often each column holds which kind of value, by the rows of the right width."""
    whole = [row for row in rows if len(row) == width]
    counts = (Counter(_kind(row[place]) for row in whole) for place in range(width if whole else 0))
    return tuple({kind: n / len(whole) for kind, n in found.items()} for found in counts)


def joined_fields(fields: list[str], separator: str, kinds: Kinds) -> list[str] | None:
    """Join neighbours so that each field is what its column holds; None where that is not sure."""
    further = len(fields) - len(kinds)
    if not kinds or not 0 < further <= MAX_FURTHER:
        return None
    scored: list[tuple[float, list[str]]] = []
    for place in range(len(kinds)):
        one = separator.join(fields[place : place + further + 1])
        row = [*fields[:place], one, *fields[place + further + 1 :]]
        score = sum(held.get(_kind(text), 0.0) for held, text in zip(kinds, row, strict=True))
        likely = 0.5 if _CENTS.fullmatch(one) else 0.25 if f"{separator} " in one else 0.0
        scored.append((score + likely, row))
    scored.sort(key=lambda pair: -pair[0])
    second = scored[1][0] if len(scored) > 1 else 0.0
    is_sure = scored[0][0] >= MIN_MATCH * len(kinds) and scored[0][0] - second > MIN_AHEAD
    return scored[0][1] if is_sure else None


def with_entities(fields: list[str]) -> list[str]:
    """Join fields that the semicolon of an HTML entity (`Tom &amp; Jerry`) has divided."""
    if not any("&" in field for field in fields):
        return fields
    whole = [fields[0]]
    for field in fields[1:]:
        cut = _ENTITY.search(whole[-1])
        if cut is not None and (cut[1][0] == "#" or cut[1] in _ENTITIES):
            whole[-1] += f";{field}"
        else:
            whole.append(field)
    return whole
