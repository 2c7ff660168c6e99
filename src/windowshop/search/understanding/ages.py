"""Ages in a query ("kids puzzle under 10", "for 6 year olds") -> values of a column of ages.

A column's name says that it holds ages ("age", "Min. age (months)"); its values are numbers, ranges
("6-8") or least ages ("3+", "from 3 years").
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from typing import TypeAlias

import polars as pl

from windowshop.data import And, Scalar, fold, words_of
from windowshop.search.understanding.numbers import ENDS, STARTS, number
from windowshop.search.understanding.phrases import Meaning, columns_of_phrases
from windowshop.search.understanding.prices import (
    MAX_AGE,
    PricePhrase,
    alternatives,
    is_child,
    last_word,
)
from windowshop.search.understanding.query_words import Found
from windowshop.search.understanding.wordings import units_by_name, wordings

AGE = "age"
"""Dimension of ages."""
YEAR = 12
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_MONTH = re.compile(r"mo(?:nth|nat|is)?s?\b|monate|meses|mesi|mnd\b|месяц|мес\b", re.I)
_YEAR = re.compile(r"y(?:ea)?rs?\b|jahr|ans?\b|años?|anni|anos?|jaar|лет|год", re.I)
_LEAST = re.compile(r"\+|\b(?:min|minimum|from|ab|dès|desde|da|od|от|up|over)\b", re.I)
_MOST = re.compile(r"\b(?:max|maximum|under|until)\b|\bbis zu\b|\bup to\b", re.I)


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of a column, with the months of age that it suits."""

    low: float
    high: float
    column: str
    value: Scalar
    count: int


StatedAge: TypeAlias = tuple[PricePhrase, list[Meaning]]
"""Part of a query that reads like a price and is an age, with its values."""


class Ages:
    """The ages that a catalogue states."""

    def __init__(self, products: pl.DataFrame) -> None:
        """Read the columns that are named for ages."""
        self._values: list[_Value] = []
        self._coverage: dict[str, float] = {}
        texts = set(columns_of_phrases(products))
        for name, dtype in products.schema.items():
            is_readable = name in texts or dtype.is_numeric()
            if not is_readable or _words().isdisjoint(re.findall(r"[^\W\d_]+", name.lower())):
                continue
            column = products[name]
            single = column.explode() if isinstance(column.dtype, pl.List) else column
            for value, count in single.drop_nulls().alias("value").value_counts().iter_rows():
                span = _months(value, name)
                if span:
                    self._values.append(_Value(*span, name, value, count))
            self._coverage[name] = 1 - column.null_count() / max(1, len(column))

    def __bool__(self) -> bool:
        """Return whether it states any."""
        return bool(self._values)

    def apart(
        self, query: str, prices: Sequence[PricePhrase]
    ) -> tuple[list[PricePhrase], list[StatedAge]]:
        """Return the prices that are none of ages, and the others with their meanings.

        A small number without money is an age where products state ages and the query has a word
        for children.
        """
        if not self._values or _children().isdisjoint(words_of(query)):
            return list(prices), []
        kept, ages = [], []
        for phrase in prices:
            low, high = _bounds(phrase)
            largest = high if high < inf else low
            if phrase.has_money or largest > MAX_AGE:
                kept.append(phrase)
            elif meanings := self.suiting(low * YEAR, high * YEAR):
                ages.append((phrase, [replace(m, label=phrase.text) for m in meanings]))
            elif not is_child(last_word(query[: phrase.start]), (largest,)):
                kept.append(phrase)
        return kept, ages

    def named(self, query: str) -> list[Found]:
        """Return start, end and values of ages beside a word for them ("ages 3-5", "3+").

        They are years, unless a unit follows that has another length.
        """
        found = []
        for match in _named().finditer(query) if self._values else ():
            if match["word"] or match["plus"]:
                factor = units_by_name()[fold(match["unit"])].factor if match["unit"] else YEAR
                low = float(match["first"]) * factor
                high = inf if match["plus"] else float(match["last"] or match["first"]) * factor
                if meanings := self.suiting(low, high):
                    label = match[0].strip()
                    shown = [replace(m, label=label) for m in meanings]
                    found.append((match.start(), match.end(), shown))
        return found

    def suiting(self, low: float, high: float) -> list[Meaning]:
        """Return the values for some age between two, in months, the commonest column first.

        A least age of exactly `high` is none of them.
        """
        by_column: dict[str, list[_Value]] = {}
        for value in self._values:
            if value.high >= low and (value.low < high or value.low == low):
                by_column.setdefault(value.column, []).append(value)
        meanings = [
            Meaning(
                column,
                tuple(v.value for v in sorted(own, key=lambda v: (-v.count, str(v.value)))),
                sum(v.count for v in own),
                self._coverage[column],
            )
            for column, own in by_column.items()
        ]
        return sorted(meanings, key=lambda m: (-m.count, m.column))


def _months(value: Scalar, name: str) -> tuple[float, float] | None:
    """Return least and greatest age of a value, in months; None for one without a number."""
    text = value if isinstance(value, str) else f"{value:g}"
    ages = [number(found) for found in _NUMBER.findall(text)]
    known = [age for age in ages if age is not None]
    if not 0 < len(known) <= 2:
        return None
    in_months = _MONTH.search(text) or (_MONTH.search(name) and not _YEAR.search(text))
    factors = [1 if in_months else YEAR] * 2
    if in_months and _YEAR.search(text):  # "18 months - 3 years"
        factors[1] = YEAR
    months = [age * factor for age, factor in zip(known, factors, strict=False)]
    if len(months) == 2:
        return min(months), max(months)
    if _MOST.search(text) or _MOST.search(name):
        return 0, months[0]
    is_least = _LEAST.search(text) or _LEAST.search(name.replace("_", " "))
    return months[0], inf if is_least else months[0]


def _bounds(phrase: PricePhrase) -> tuple[float, float]:
    """Return the bounds of the numbers of a phrase."""
    low, high = 0.0, inf
    for one in phrase.tree.parts if isinstance(phrase.tree, And) else (phrase.tree,):
        if one.op in ("<", "<="):  # type: ignore[union-attr]
            high = float(one.value)  # type: ignore[union-attr]
        else:
            low = float(one.value)  # type: ignore[union-attr]
    return low, high


@cache
def _named() -> re.Pattern[str]:
    units = alternatives(
        name for unit in wordings().units if unit.dimension == AGE for name in unit.names
    )
    return re.compile(
        rf"{STARTS}(?P<word>(?:{alternatives(wordings().ages)})\s*:?\s*)?(?<![\d.,/])"
        rf"(?P<first>\d{{1,2}})(?:\s*(?:[-–]|to|bis|à|a|до)\s*(?P<last>\d{{1,2}})(?!\d)|(?P<plus>\s?\+))?"
        rf"(?![\d.,/])(?:[\s-]?(?P<unit>{units}){ENDS}"
        rf"(?:[\s-]?(?:{alternatives(wordings().ages_behind)}){ENDS})?)?",
        re.I,
    )


@cache
def _words() -> frozenset[str]:
    return frozenset(word.lower() for word in wordings().ages)


@cache
def _children() -> frozenset[str]:
    return frozenset(word for text in wordings().children for word in words_of(text))
