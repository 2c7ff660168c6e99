"""Numbers beside their column's name ("1,000 piece", "500-1000 pieces", "power -2.5") -> values.

A number with a sign needs no name where one column alone has negative numbers ("lenses -2.5").
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from math import inf

import numpy as np
import polars as pl

from windowshop.data import Operator, Scalar, spaced, words_of
from windowshop.search.understanding.numbers import (
    ENDS,
    MONEY_DECIMALS,
    NUMBER,
    STARTS,
    number,
)
from windowshop.search.understanding.phrases import COUNTING, FREE_TEXT, Meaning, phrase_key
from windowshop.search.understanding.prices import alternatives
from windowshop.search.understanding.quantities import bounded, unit_of_column
from windowshop.search.understanding.query_words import Found, overlaps
from windowshop.search.understanding.ranges import MOST
from windowshop.search.understanding.unitless import EXACT, Quantity
from windowshop.search.understanding.wordings import units_by_name, wordings

_SIGNED = rf"(?:(?<!\S)(?P<sign>[-+−]))?(?P<number>{NUMBER})"
_BARE = re.compile(rf"(?<!\S)(?P<sign>[-+−])(?P<number>{NUMBER})(?!\S)")
MIN_LABEL = 2
"""Least letters of a name: "w" and "l" are sizes of two numbers."""


class NamedNumbers:
    """The columns of numbers of a catalogue by their names."""

    def __init__(self, products: pl.DataFrame) -> None:
        """Read the columns of numbers whose names have no unit."""
        self._values: dict[str, np.ndarray] = {}
        self._coverage: dict[str, float] = {}
        self._columns: dict[str, list[str]] = defaultdict(list)
        names: set[str] = set()
        for name, dtype in products.schema.items():
            if not dtype.is_numeric() or name in FREE_TEXT or name[0] == "_":
                continue
            if unit_of_column(name) is not None:
                continue
            values = products[name].drop_nulls().cast(pl.Float64)
            self._values[name] = np.sort(values.to_numpy())
            self._coverage[name] = len(values) / max(1, len(products))
            for label in _labels(name):
                names.update({label, f"{label}s", label.removesuffix("s")})
                key = phrase_key(words_of(label))
                if name not in self._columns[key]:
                    self._columns[key].append(name)
        signed = [name for name, values in self._values.items() if len(values) and values[0] < 0]
        self._signed = signed[0] if len(signed) == 1 else None
        named = alternatives(names)
        self._pattern = re.compile(
            rf"{STARTS}(?P<label>{named}){ENDS}\s*[:=]?\s*{_SIGNED}(?!\w)"
            rf"(?:\s*(?:[-–]|(?:to|bis|à|a|hasta){ENDS})\s*(?P<last>{NUMBER})(?!\w))?"
            rf"|(?<![\w.,/]){_SIGNED.replace('sign', 'first').replace('number', 'before')}"
            rf"[\s-]?(?P<behind>{named}){ENDS}",
            re.I,
        )

    def find(self, query: str) -> list[Found]:
        """Return the numbers of a query that products state, by place, with their meanings."""
        found: list[Found] = []
        if not self._columns or not any(map(str.isnumeric, query)):
            return found
        for match in self._pattern.finditer(query):
            sign, text = match["sign"] or match["first"], match["number"] or match["before"]
            key = phrase_key(words_of(match["label"] or match["behind"]))
            if columns := self._columns.get(key):
                is_behind = match["behind"] is not None
                found += self._found(query, match, columns, sign, text, is_bounded=is_behind)
        if self._signed:
            for match in _BARE.finditer(query):
                if not overlaps(match.span(), [(start, end) for start, end, _ in found]):
                    sign, text = match.groups()
                    columns = [self._signed]
                    found += self._found(query, match, columns, sign, text, is_bounded=False)
        return found

    def _found(
        self,
        query: str,
        match: re.Match[str],
        columns: list[str],
        sign: str | None,
        text: str,
        *,
        is_bounded: bool,
    ) -> Iterator[Found]:
        """Yield the meanings of a match; `is_bounded` where words or a number may bound it."""
        last = number(match.groupdict().get("last") or "")
        for value in dict.fromkeys((number(text), number(text, MONEY_DECIMALS))):
            if value is None or (last is not None and last - value <= MOST):
                continue  # `value_ranges` names each of few values
            value = -value if sign and sign in "-−" else value
            one = _quantity(match, columns[0], value, last)
            one = bounded(query, one) if is_bounded and not sign else one
            label = query[one.start : one.end].strip() if one.is_bounded else ""
            if meanings := [m for name in columns if (m := self._meaning(name, one, label))]:
                yield one.start, one.end, sorted(meanings, key=lambda m: (-m.count, m.column))
                return

    def _meaning(self, name: str, one: Quantity, label: str) -> Meaning | None:
        """Return the values of a column that a number, or a range of them, names."""
        values = self._values[name]
        first = int(np.searchsorted(values, one.low, "left"))
        count = int(np.searchsorted(values, one.high, "right")) - first
        if count <= 0:
            return None
        if not one.is_bounded:
            return Meaning(name, (float(values[first]),), count, self._coverage[name])
        tests: list[tuple[Operator, Scalar]] = []
        if one.low > -inf:
            tests.append((">=", one.low))
        if one.high < inf:
            tests.append(("<=", one.high))
        return Meaning(name, (), count, self._coverage[name], label=label, tests=tuple(tests))


def _quantity(match: re.Match[str], column: str, value: float, last: float | None) -> Quantity:
    """Return a number of a column, or the range to a last one."""
    slack = EXACT * max(1.0, abs(value))
    high = value if last is None else last
    is_range = last is not None
    return Quantity(*match.span(), column, value - slack, high + slack, 1.0, is_bounded=is_range)


def _labels(name: str) -> set[str]:
    """Return the words for a column, in lower case."""
    words = [w.lower() for w in re.findall(r"[^\W\d_]+", spaced(name))]
    own = " ".join(word for word in words if word not in COUNTING)
    labels = {own, *(other for group in wordings().column_names if own in group for other in group)}
    return {text for text in labels if len(text) >= MIN_LABEL and text not in units_by_name()}
