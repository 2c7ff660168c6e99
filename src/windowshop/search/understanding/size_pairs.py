"""Sizes of two numbers ("W32/L34", "32/34", "32x34") by one of them, or written in another way.

The first is the waist or width (W), the second the length (L). Where products state them in columns
of their own, "32/34" names one value of each.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from windowshop.search.understanding.numbers import ENDS, STARTS
from windowshop.search.understanding.phrases import (
    Meaning,
    columns_of_sizes,
    values_of,
)
from windowshop.search.understanding.query_words import Found

_DIGITS, _SIGN = r"\d{2,3}", r"\s?[/x×]\s?"
_PAIR = re.compile(
    rf"{STARTS}(?:w\s?(?P<w>{_DIGITS})(?:{_SIGN}|,?\s?)l\s?(?P<l>{_DIGITS})"
    rf"|(?P<first>{_DIGITS}){_SIGN}(?P<second>{_DIGITS})){ENDS}",
    re.I,
)
_PART = re.compile(rf"{STARTS}(?P<side>[wl])\s?(?P<number>{_DIGITS}){ENDS}", re.I)


class SizePairs:
    """The sizes of two numbers that a catalogue states."""

    def __init__(self, products: pl.DataFrame, phrases: Mapping[str, Sequence[Meaning]]) -> None:
        """Read the columns whose names say that they hold sizes; `phrases` has other values."""
        self._phrases = phrases
        self._pairs: dict[tuple[str, str], list[Meaning]] = defaultdict(list)
        self._parts: dict[str, list[Meaning]] = defaultdict(list)
        for name in columns_of_sizes(products):
            for meaning in values_of(products[name], bare=False).values():
                found = _PAIR.fullmatch(str(meaning.values[0]).strip())
                if found:
                    first, second = _numbers(found)
                    self._pairs[first, second].append(meaning)
                    self._parts[f"w{first}"].append(meaning)
                    self._parts[f"l{second}"].append(meaning)

    def find(self, query: str) -> tuple[list[Found], list[Found]]:
        """Return what names one value or others of its column, and what names a value in each."""
        one: list[Found] = []
        each: list[Found] = []
        rest = query
        for match in _PAIR.finditer(query):
            first, second = _numbers(match)
            columns = self._phrases.get(f"w{first}", ()), self._phrases.get(f"l{second}", ())
            if meanings := self._pairs.get((first, second)):
                one.append((*match.span(), _by_column(meanings)))
            elif all(columns):
                each.append((*match.span(), [own[0] for own in columns]))
            else:
                continue
            rest = rest[: match.start()] + " " * len(match[0]) + rest[match.end() :]
        for match in _PART.finditer(rest):
            meanings = self._parts.get(f"{match['side']}{match['number']}".lower())
            if meanings:
                named = [replace(m, label=match[0]) for m in _by_column(meanings)]
                one.append((*match.span(), named))
        return one, each


def _numbers(match: re.Match[str]) -> tuple[str, str]:
    return match["w"] or match["first"], match["l"] or match["second"]


def _by_column(meanings: Sequence[Meaning]) -> list[Meaning]:
    """Return a meaning a column with the values of all, the commonest first."""
    columns: dict[str, list[Meaning]] = defaultdict(list)
    for meaning in sorted(meanings, key=lambda m: -m.count):
        columns[meaning.column].append(meaning)
    found = [
        replace(
            own[0], values=tuple(v for m in own for v in m.values), count=sum(m.count for m in own)
        )
        for own in columns.values()
    ]
    return sorted(found, key=lambda m: -m.count)
