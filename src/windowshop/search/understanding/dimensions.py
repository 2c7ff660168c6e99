"""Sizes in two or three directions ("60 x 40 cm", "80x28x202") -> values that measure the same.

Numbers are compared in the unit that both state, and as they are where one of them states none. In
another order they are the same thing where no value has them in the asked one.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import polars as pl

from windowshop.data import Scalar, fold
from windowshop.search.understanding.numbers import ENDS, NUMBER, STARTS, number
from windowshop.search.understanding.phrases import Meaning, columns_of_phrases, single_values
from windowshop.search.understanding.prices import alternatives
from windowshop.search.understanding.query_words import Found
from windowshop.search.understanding.wordings import units_by_name

LENGTH = "length"
TOLERANCE = 0.005
_BY = r"(?:\s?[x×х*✕]\s?|\s(?:by|mal|par|per|por|na|на)\s)"
_LETTER = r"(?:\b[whdlbt]\s?)?"
"""Letter for the direction ("W60 x D40 x H75 cm")."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """Lengths in two or three directions."""

    bare: tuple[float, ...]
    """Numbers as they are written."""
    exact: tuple[float, ...] | None
    """Lengths in the smallest unit; None without a unit."""

    def equals(self, other: "_Sides", *, in_order: bool) -> bool:
        """Return whether both are one size."""
        has_units = self.exact is not None and other.exact is not None
        own, others = (self.exact, other.exact) if has_units else (self.bare, other.bare)
        assert own is not None, "both have units"
        assert others is not None, "both have units"
        if not in_order:
            own, others = tuple(sorted(own)), tuple(sorted(others))
        return len(own) == len(others) and all(
            abs(a - b) <= TOLERANCE * max(a, b) for a, b in zip(own, others, strict=True)
        )


class Dimensions:
    """The sizes in several directions that a catalogue states."""

    def __init__(self, products: pl.DataFrame) -> None:
        """Read the columns of texts with few enough values."""
        self._stated: list[tuple[_Sides, str, Scalar, int]] = []
        self._coverage: dict[str, float] = {}
        for name in columns_of_phrases(products):
            column = products[name]
            for value, count in (
                single_values(column).drop_nulls().alias("value").value_counts().iter_rows()
            ):
                found = list(_sides_in(str(value).strip()))
                if len(found) == 1 and found[0][0] == 0 and found[0][1] == len(str(value).strip()):
                    self._stated.append((found[0][2], name, value, count))
            self._coverage[name] = 1 - column.null_count() / max(1, len(column))

    def find(self, query: str) -> list[Found]:
        """Return the sizes of a query that products state, by their places, with their meanings."""
        found: list[Found] = []
        for start, end, sides in _sides_in(query) if self._stated else ():
            if meanings := self._meanings(sides):
                found.append((start, end, meanings))
        return found

    def _meanings(self, sides: _Sides) -> list[Meaning]:
        """Return a meaning a column, the commonest first."""
        by_column: dict[str, list[tuple[Scalar, int]]] = defaultdict(list)
        for in_order in (True, False):
            for own, column, value, count in self._stated:
                if own.equals(sides, in_order=in_order):
                    by_column[column].append((value, count))
            if by_column:
                break
        meanings = []
        for column, own_values in by_column.items():
            values = tuple(value for value, _ in sorted(own_values, key=lambda pair: -pair[1]))
            total = sum(count for _, count in own_values)
            meanings.append(Meaning(column, values, total, self._coverage[column]))
        return sorted(meanings, key=lambda m: (-m.count, m.column))


def _sides_in(text: str) -> Iterator[tuple[int, int, _Sides]]:
    """Yield start, end and lengths of each size in several directions."""
    units = units_by_name()
    for match in _pattern().finditer(text) if any(map(str.isnumeric, text)) else ():
        numbers = [number(found) for found in match.group("n0", "n1", "n2") if found]
        written = [match[name] for name in ("u0", "u1", "u2")][: len(numbers)]
        last = next(filter(None, reversed(written)), None)
        bare = tuple(value for value in numbers if value is not None)
        if len(bare) < len(numbers):
            continue
        exact = None
        if last is not None:
            own = (units[fold(unit or last)].factor for unit in written)
            exact = tuple(value * factor for value, factor in zip(bare, own, strict=True))
        yield match.start(), match.end(), _Sides(bare, exact)


@cache
def _pattern() -> re.Pattern[str]:
    names = (name for name, unit in units_by_name().items() if unit.dimension == LENGTH)
    unit = rf"(?:{alternatives(names)})(?![^\W\dx×х])"
    first, second, third = (
        rf"{_LETTER}(?P<n{i}>{NUMBER})(?:\s?(?P<u{i}>{unit}))?" for i in range(3)
    )
    return re.compile(rf"(?<![\d.,/-]){STARTS}{first}{_BY}{second}(?:{_BY}{third})?{ENDS}", re.I)
