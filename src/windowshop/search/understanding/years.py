"""Years in a query ("released after 2020", "books from 1961") -> ranges of dates or years.

A year is read beside a word that only goes with one ("since", "before"), or beside a word for a
release or the name of a column of dates. Without such a name it means the columns that are named
for a release or a year: "since 2020" says nothing of when a product was updated. By itself
("merlot 2016") it means those of them that hold years and no dates.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import inf

import polars as pl

from windowshop.data import Operator, Scalar, fold, spaced
from windowshop.search.understanding.ages import AGE
from windowshop.search.understanding.numbers import ENDS, GLUED, STARTS
from windowshop.search.understanding.phrases import Meaning
from windowshop.search.understanding.prices import alternatives
from windowshop.search.understanding.query_words import Found
from windowshop.search.understanding.wordings import wordings

FIRST, LAST = 1000, 2999
"""Years that a column of numbers may hold."""
_ISO = r"^\d{4}(?:-\d\d){0,2}(?:[T ].*)?$"
_YEAR = r"(?:1[5-9]|20)\d\d"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of dates or years."""

    name: str
    words: frozenset[str]
    """Folded words of its name."""
    years: pl.Series
    """Year of each product that states one."""
    coverage: float
    form: str
    """Form of the first day of a year in its comparisons; "" for a number."""

    def meaning(self, low: float, high: float, label: str) -> Meaning | None:
        """Return the values of the years from one to another; None where no product has any.

        Nor does a bound that all of them pass name a year: "ab 1500" may be a price.
        """
        count = int(self.years.is_between(low, high).sum())
        is_any = count == len(self.years) and inf in (-low, high)
        if not count or is_any:
            return None
        tests: list[tuple[Operator, Scalar]] = []
        if low > -inf:
            tests.append((">=", self._first_of(int(low))))
        if high < inf:
            tests.append(("<", self._first_of(int(high) + 1)))
        return Meaning(self.name, (), count, self.coverage, label=label, tests=tuple(tests))

    def _first_of(self, year: int) -> Scalar:
        return self.form.format(year) if self.form else float(year)


class Years:
    """The dates and years that a catalogue states."""

    def __init__(self, products: pl.DataFrame) -> None:
        """Read the columns of dates, and those of years by their names."""
        self._columns = [c for name in products.columns if (c := _column(products[name]))]

    def find(self, query: str) -> list[Found]:
        """Return the years of a query that products state, by their places, with their meanings."""
        found: list[Found] = []
        if not self._columns or not re.search(_YEAR, query):
            return found
        own = {word for column in self._columns for word in column.words}
        for match in _pattern(tuple(sorted(own))).finditer(query):
            groups = match.groupdict()
            labels = {fold(groups[g]) for g in ("label", "named") if groups[g]}
            low, high = _bounds(groups)
            is_bounded = any(groups[g] for g in ("before", "behind", "of"))
            is_loose = not (labels or is_bounded) or (
                groups["last"] and not (labels or groups["of"])
            )
            text = match[0].strip()
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            columns = [c for c in self._columns if c.words & labels] or self._released()
            columns = [c for c in columns if not (is_loose and c.form)]
            shown = query[match.end("label") if groups["label"] else start : match.end("bounded")]
            shown = f"{low:g}" if low == high else shown.strip(" :")
            meanings = _meanings(columns, low, high, shown)
            meanings = [replace(m, is_loose=True) for m in meanings] if is_loose else meanings
            if groups["of"] and not (labels or groups["last"]):
                meanings += _meanings(columns, low, LAST, text)  # or from that year on
            if meanings:
                found.append((start, start + len(text), meanings))
        return found

    def _released(self) -> list[_Column]:
        return [column for column in self._columns if column.words & _released()]


def _column(column: pl.Series) -> _Column | None:
    """Return what a column says of years; None where it holds none."""
    words = frozenset(re.findall(r"[^\W\d_]+", fold(spaced(column.name))))
    known = column.drop_nulls()
    if column.name.startswith("_") or known.is_empty():
        return None
    if known.dtype in (pl.Date, pl.Datetime):
        years, form = known.dt.year(), "{:04}-01-01"
    elif known.dtype == pl.String and words and _is_iso(known):
        years, form = known.str.head(4).cast(pl.Int32), "{:04}"
    elif known.dtype.is_numeric() and words & _released():
        years, form = known.cast(pl.Float64), ""
        if not (years.is_between(FIRST, LAST) & (years == years.floor())).all():
            return None
    else:
        return None
    return _Column(column.name, words - _generic(), years, len(known) / len(column), form)


def _is_iso(known: pl.Series) -> bool:
    """Return whether all texts are days, months or years in ISO form."""
    return bool(known.head(100).str.contains(_ISO).all() and known.str.contains(_ISO).all())


def _bounds(groups: dict[str, str | None]) -> tuple[float, float]:
    """Return the first and the last year that a match means."""
    first, last = int(groups["year"] or 0), groups["last"]
    if last:
        return min(first, int(last)), max(first, int(last))
    for word in (groups["before"], groups["behind"]):
        if not word:
            continue
        for bound in wordings().years.bounds:
            if _folded(word) in map(_folded, (*bound.before, *bound.behind)):
                return {
                    "<": (-inf, first - 1),
                    "<=": (-inf, first),
                    ">": (first + 1, inf),
                    ">=": (first, inf),
                }[bound.op]
    return first, first


def _folded(text: str) -> str:
    return " ".join(fold(text).split())


def _meanings(columns: Sequence[_Column], low: float, high: float, label: str) -> list[Meaning]:
    found = [column.meaning(low, high, label) for column in columns]
    return sorted(filter(None, found), key=lambda m: (-m.count, m.column))


@cache
def _released() -> frozenset[str]:
    known = wordings().years
    return frozenset(map(fold, (*known.released, *known.year_names)))


@cache
def _generic() -> frozenset[str]:
    """Return words in names of columns that are none for what happened then."""
    return frozenset({"date", "datum", "data", "fecha", "at", "on", "of", "de", "time", "iso"})


@cache
def _pattern(own: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of years beside words for them, or for columns of these words."""
    known = wordings().years
    label = alternatives((*known.released, *known.year_names, *own))
    before = alternatives(word for bound in known.bounds for word in bound.before)
    behind = alternatives(word for bound in known.bounds for word in bound.behind)
    firsts = [one.first for one in wordings().ranges if not one.needs_money]
    of, between = alternatives(known.of), alternatives(sum(firsts, known.between))
    range_ = rf"(?:\s*[-–]\s*|\s+(?:{alternatives(known.to)})\s+)(?P<last>{_YEAR})(?![\d.,/-])"
    return re.compile(
        rf"(?:{STARTS}(?P<label>{label})\s*:?\s+)?"
        rf"(?P<bounded>(?:{STARTS}(?:(?P<before>{before})|(?P<of>{of})|(?:{between}))\s+)?"
        rf"(?<![\d.,/-]){STARTS}(?P<year>{_YEAR})(?![\d.,/]){ENDS}(?:{range_}|(?!\s?[-–/]\s?\d))"
        rf"(?!{_amount()})"
        rf"(?:(?:\s+|(?<=\d)(?=[+{GLUED}]))(?P<behind>{behind}){ENDS})?)"
        rf"(?:\s+(?P<named>{label}){ENDS})?",
        re.I,
    )


def _amount() -> str:
    """Return the pattern of what makes another number of a year: a unit, money, a count."""
    known = wordings()
    ages = {name for unit in known.units if unit.dimension == AGE for name in unit.names}
    units = {name for unit in known.units for name in unit.names}
    counted = {name for group in known.column_names if "year" not in group for name in group}
    money = {*known.money.after, *known.money.unclear}
    words = alternatives({*units, *known.counts, *counted, *money} - ages)
    return rf"\s*(?:[{known.money.signs}%°]|-?\s*(?:{words})(?!\w))"
