"""Measures and sizes in one word ("250ml", "140x245", "M6x30", "55R16") and the parts they are of.

Shops and shoppers write them in one word or in several, and ask for one side of a size alone.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from windowshop.search.understanding.wordings import units_by_name

BY = frozenset("x×х")
"""Signs between the sides of a size, as words."""
_SIDES = re.compile(r"(?<=\d)[x×х](?=\d)|(?<=\d)(?=[a-wyz]\d)")
_WITH_UNIT = re.compile(r"(\d+)([^\W\d_]+)")


@cache
def parts_of_measure(word: str) -> tuple[str, ...]:
    """Return the numbers, units and codes that a folded word is made of; () for any other word."""
    if word.isalpha() or word.isdecimal():
        return ()
    sides = _SIDES.split(word)
    parts = tuple(part for side in sides for part in _unit_apart(side))
    return parts if len(parts) > 1 else ()


def _unit_apart(side: str) -> tuple[str, ...]:
    found = _WITH_UNIT.fullmatch(side)
    if found and found[2] in units_by_name():
        return found[1], found[2]
    return (side,)


class MeasureWords:
    """Measures in one word that a catalogue has, by their parts."""

    def __init__(self, words: Iterable[str]) -> None:
        self._inside: dict[str, dict[str, None]] = defaultdict(dict)
        self.learn(words)

    def learn(self, words: Iterable[str]) -> None:
        """Add the words of further products."""
        for word in words:
            for part in parts_of_measure(word):
                if any(char.isdecimal() for char in part):
                    self._inside[part][word] = None

    def of(self, part: str) -> Sequence[str]:
        """Return the measures that have a number or a code as a part."""
        return tuple(self._inside.get(part, ()))

    def asked(self, words: Sequence[str], has: Callable[[str], bool]) -> list[str]:
        """Return the words of a query with its sizes in parts: "140 x 245", "M 8", "250ml".

        `has` says whether products have a word; a measure that they have stays in one.
        """
        found: list[str] = []
        for i, word in enumerate(words):
            before, behind = words[i - 1 : i] if i else (), words[i + 1 : i + 2]
            if word in BY and all(map(_is_number, (*before, *behind))) and before and behind:
                continue
            is_code = bool(found) and len(found[-1]) == 1 and word.isdecimal()
            if is_code and found[-1].isalpha() and self.of(found[-1] + word):
                found[-1] += word
                continue
            parts = () if has(word) else parts_of_measure(word)
            are_had = bool(parts) and all(has(part) or self.of(part) for part in parts)
            found += parts if are_had else (word,)
        return found


def _is_number(word: str) -> bool:
    return word[:1].isdecimal()
