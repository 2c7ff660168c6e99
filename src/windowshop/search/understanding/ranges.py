"""Ranges of a column's whole numbers ("size 38-40", "sizes 6 or 8") -> the values in them."""

import re
from collections.abc import Mapping, Sequence

from windowshop.data import Token
from windowshop.search.understanding.phrases import Meaning, phrase_key

MOST = 30
"""Most steps between the ends of a range."""
_BETWEEN = re.compile(r"\s*[-–]\s*|\s+(?:to|bis|à|a|hasta)\s+", re.I)
_EITHER = re.compile(r"\s*[,/]\s*|\s+(?:or|and|oder|und|ou|et|o|y|e)\s+", re.I)
LONGEST_LABEL = 3


def value_ranges(
    query: str, tokens: Sequence[Token], phrases: Mapping[str, Sequence[Meaning]]
) -> dict[tuple[int, int], list[Meaning]]:
    """Return the values of each range behind a column's name, by its words in the query.

    Values that no product has are left out, and so are ranges without any.
    """
    found: dict[tuple[int, int], list[Meaning]] = {}
    for low, high in _ends(query, tokens):
        numbers = _numbers(query, tokens[low], tokens[high])
        for first in range(max(0, low - LONGEST_LABEL), low):
            label = phrase_key(token.word for token in tokens[first:low])
            meanings = _named(label, numbers, phrases)
            if meanings:
                found[first, high + 1] = meanings
                break
    return found


def _ends(query: str, tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """Return the places of the two numbers of each range, which nothing but its sign parts."""
    pairs = [(i, at) for i in range(len(tokens)) for at in (i + 1, i + 2) if at < len(tokens)]
    return [
        (low, high)
        for low, high in pairs
        if tokens[low].word.isdecimal()
        and tokens[high].word.isdecimal()
        and any(
            sign.fullmatch(query[tokens[low].end : tokens[high].start])
            for sign in (_BETWEEN, _EITHER)
        )
    ]


def _numbers(query: str, low: Token, high: Token) -> Sequence[int]:
    """Return the numbers that two name: those between them, or with an "or" the two."""
    first, last = int(low.word), int(high.word)
    if not _BETWEEN.fullmatch(query[low.end : high.start]):
        return (first, last)
    return range(first, last + 1) if 0 < last - first <= MOST else ()


def _named(
    label: str, numbers: Sequence[int], phrases: Mapping[str, Sequence[Meaning]]
) -> list[Meaning]:
    if not numbers or phrase_key((label, f"{numbers[0]}", f"{numbers[-1]}")) in phrases:
        return []  # "size 38/40" is a size of its own
    named = [phrases.get(phrase_key((label, f"{number}"))) for number in numbers]
    meanings = [found[0] for found in named if found]
    return [meaning for meaning in meanings if meaning.column == meanings[0].column]
