"""Measures in a query (`32"`, "5 ft", "500 ml") -> the values of columns that measure the same.

A value is a text that is one measure ("0.5 l"), or a number in a column whose name ends in a unit
(`volume_ml`, `Screen size (inch)`). "Under 5 kg", "24-28 cm" and "16 GB or more" name all values
that lie within.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import inf

import polars as pl

from windowshop.data import Operator, Scalar, fold, name_words, spaced, words_of
from windowshop.search.understanding.ages import AGE, Ages
from windowshop.search.understanding.number_words import NumberWords
from windowshop.search.understanding.numbers import ENDS, GLUED, NUMBER, STARTS, number
from windowshop.search.understanding.phrases import COUNTING, Meaning, columns_of_phrases
from windowshop.search.understanding.prices import OPPOSITE, alternatives, last_words
from windowshop.search.understanding.query_words import Found
from windowshop.search.understanding.unitless import Quantity, UnitlessColumns
from windowshop.search.understanding.wordings import Unit, units_by_name, wordings

OF = frozenset(["da", "von"])
"""Words that bound prices and only lead to measures ("tv da 55 pollici")."""
_VULGAR = "¼½¾⅐-⅞"
FRACTION = rf"(?:\d+[\s-])?\d{{1,2}}/(?:2|3|4|5|8|16|32|64)(?!\d)|\d*\s?[{_VULGAR}]"
"""Pattern of a fraction, with or without a number before it."""
_SPACED = re.compile(rf"[{_VULGAR}]")
TOLERANCE = 0.005
"""Relative difference of two measures that are one: 5 ft are 152 cm."""
ROUNDED = 0.015
"""Relative difference of measures in two units, one of them rounded: 50 ml are 1.7 fl oz."""


@dataclass(frozen=True, slots=True)
class _Value:
    column: str
    value: Scalar
    count: int
    factor: float
    """Its unit in the smallest of the dimension."""


class Quantities:
    """The measures that a catalogue states."""

    def __init__(self, products: pl.DataFrame, ages: Ages, numbers: NumberWords) -> None:
        """Read the columns of texts with few enough values, and those of numbers with a unit.

        `ages` has what columns of ages state; `numbers` reads numbers in words.
        """
        self._ages, self._numbers = ages, numbers
        found: dict[str, list[tuple[float, _Value]]] = defaultdict(list)
        self._coverage: dict[str, float] = {}
        texts = set(columns_of_phrases(products))
        for name, dtype in products.schema.items():
            if name not in texts and not dtype.is_numeric():
                continue
            unit = unit_of_column(name)
            if dtype.is_numeric() and unit is None:
                continue
            column = products[name]
            measured = list(_measured(column, unit))
            for dimension, size, value in measured:
                found[dimension].append((size, value))
            self._coverage[name] = 1 - column.null_count() / max(1, len(column))
        self._values = {
            dimension: sorted(values, key=lambda pair: pair[0])
            for dimension, values in found.items()
        }
        self._sizes = {d: [size for size, _ in values] for d, values in self._values.items()}
        self._unitless = UnitlessColumns(products, self._coverage)
        named = (*self._coverage, *self._unitless.columns)
        self._names = {name: _names_of(name) for name in named}

    def find(self, query: str, has_word: Callable[[str], bool]) -> list[Found]:
        """Return the measures of a query that products state, by their places, with their meanings.

        `has_word` says of a normalised word whether products have it.
        """
        spelled = self._numbers.in_digits(query)
        text = spelled.text
        is_any = self._values or self._ages or self._unitless.columns
        if not is_any or not any(char.isnumeric() for char in text):
            return []
        found: list[Found] = []
        strict = quantities_of(text)
        limited = [bounded(text, one) for one in strict]
        for i, loose in enumerate(quantities_of(text, loosely=True)):
            own = strict[i]
            if any(other.start <= own.start for other in limited[i + 1 :]):
                continue  # the lower end of a range
            for one in dict.fromkeys((limited[i], bounded(text, loose))):
                start, end = spelled.place(one.start, one.end)
                one = replace(one, start=start, end=end)
                if meanings := self._meanings(one, query):
                    found.append(self._beside_names(query, start, end, meanings, has_word))
                    break
        return found

    def _beside_names(
        self,
        query: str,
        start: int,
        end: int,
        meanings: list[Meaning],
        has_word: Callable[[str], bool],
    ) -> Found:
        """Return a measure and its meanings, those alone that a word beside it or in it names.

        A word that names them and that no product has belongs to the measure ("24 mm thick").
        """
        before, after = _BEFORE.search(query[:start]), _AFTER.match(query, end)
        around = [match for match in (after, before) if match]
        words = [fold(match[1]) for match in around]
        words += re.findall(r"[^\W\d_]+", fold(query[start:end]))
        for i, word in enumerate(words):
            named = [m for m in meanings if word in self._names.get(m.column, ())]
            if not named:
                continue
            if i < len(around) and not any(map(has_word, words_of(word))):
                start, end = min(start, around[i].start(1)), max(end, around[i].end(1))
            return start, end, named
        return start, end, meanings

    def _meanings(self, quantity: Quantity, query: str) -> list[Meaning]:
        """Return a meaning a column, the commonest first."""
        sizes = self._sizes.get(quantity.dimension, [])
        values = self._values.get(quantity.dimension, [])
        low, high = bisect_left(sizes, quantity.low), bisect_right(sizes, quantity.high)
        if low == high and not quantity.is_bounded:
            size = (quantity.low + quantity.high) / 2
            least, most = _around(size, ROUNDED)
            low, high = bisect_left(sizes, least), bisect_right(sizes, most)
            if low < high:
                apart = [one for one in values[low:high] if one[1].factor != quantity.factor]
                low, high, values = 0, len(apart), apart
        label = query[quantity.start : quantity.end].strip() if quantity.is_bounded else ""
        by_column: dict[str, list[_Value]] = defaultdict(list)
        for _, value in values[low:high]:
            by_column[value.column].append(value)
        meanings = [
            Meaning(
                column,
                tuple(v.value for v in sorted(own, key=lambda v: -v.count)),
                sum(v.count for v in own),
                self._coverage[column],
                label=label,
            )
            for column, own in by_column.items()
        ]
        meanings += self._unitless.meanings(quantity)
        if quantity.dimension == AGE:
            ages = self._ages.suiting(quantity.low, quantity.high)
            label = query[quantity.start : quantity.end].strip()
            named = {age.column for age in ages}
            meanings = [m for m in meanings if m.column not in named]
            meanings += [replace(age, label=label) for age in ages]
        return sorted(meanings, key=lambda m: (-m.count, m.column))


def quantities_of(text: str, *, loosely: bool = False) -> list[Quantity]:
    """Return the measures of a text, in order; `loosely` reads "oz" as fluid ounces."""
    units, found = units_by_name(), []
    for match in _pattern(text.isascii()).finditer(text):
        value = _amount(match["number"])
        name = fold(re.sub(r"\s+", " ", match["unit"]))
        unit = _loose_units().get(name, units[name]) if loosely else units[name]
        if value is not None:
            end = match.end()
            behind = _age_behind().match(text, end) if unit.dimension == AGE else None
            end = behind.end() if behind else end
            low, high = _around(value * unit.factor)
            found.append(Quantity(match.start(), end, unit.dimension, low, high, unit.factor))
    return found


def _amount(text: str) -> float | None:
    """Return a number, or a fraction with or without one before it: "1/2", "1 1/2", "1½"."""
    whole, _, last = unicodedata.normalize(
        "NFKC", _SPACED.sub(r" \g<0>", text.replace("-", " "))
    ).rpartition(" ")
    over, stroke, under = re.sub("⁄", "/", last).partition("/")
    if not stroke:
        return number(text)
    if not (over.isdecimal() and under.isdecimal() and int(under)):
        return None
    before = number(whole.strip()) if whole.strip() else 0.0
    return None if before is None else before + int(over) / int(under)


def _around(size: float, tolerance: float = TOLERANCE) -> tuple[float, float]:
    return size * (1 - tolerance), size * (1 + tolerance)


def bounded(query: str, one: Quantity) -> Quantity:
    """Return a measure with the bounds that words, or a number before it, give it."""
    before = query[: one.start]
    between = next(filter(None, (pattern.search(before) for pattern in _ranges())), None)
    first = number(between["number"]) if between else None
    last = (one.low + one.high) / 2
    if between and first is not None:
        found = _NUMBER.match(query, one.start)
        shown = number(found[0]) if found else None
        unit = units_by_name().get(fold(between["unit"] or ""))
        if unit and unit.dimension == one.dimension and first * unit.factor < last:
            low, _ = _around(first * unit.factor)
            return replace(one, start=between.start(), low=low, is_bounded=True)
        if shown and not between["unit"] and first < shown:
            low, _ = _around(first * last / shown, (one.high - one.low) / (2 * last))
            return replace(one, start=between.start(), low=low, is_bounded=True)
    for op, words, signs, behind in _bounds():
        start = one.start - len(last_words(before, words)) if words else one.start
        sign = signs.search(before) if signs else None
        start = sign.start() if sign else start
        ends = behind.match(query, one.end) if behind and start == one.start else None
        if start == one.start and ends is None:
            continue
        negated = last_words(query[:start], wordings().negators)
        op = OPPOSITE[op] if negated else op
        low, high = {
            "<": (-inf, one.low),
            "<=": (-inf, one.high),
            ">": (one.high, inf),
            ">=": (one.low, inf),
        }[op]
        end = ends.end() if ends else one.end
        return replace(
            one, start=start - len(negated), end=end, low=low, high=high, is_bounded=True
        )
    return one


_Bound = tuple[Operator, tuple[str, ...], re.Pattern[str] | None, re.Pattern[str] | None]


@cache
def _bounds() -> list[_Bound]:
    """Return the bounds that measures have: operator, words and signs before, words behind."""
    found: list[_Bound] = []
    for bound in wordings().bounds:
        words = tuple(word for some in bound.words.values() for word in some)
        words = tuple(word for word in words if word not in OF)
        behind = alternatives(word for some in bound.behind.values() for word in some)
        after = alternatives(bound.signs_behind)
        pattern = "|".join(filter(None, [behind and rf"\s*(?:{behind}){ENDS}", after]))
        signs = rf"(?<![<>=])(?:{alternatives(bound.signs)})\s*$" if bound.signs else ""
        before, ends = (re.compile(text, re.I) if text else None for text in (signs, pattern))
        found.append((bound.op, words, before, ends))
    return found


@cache
def _ranges() -> tuple[re.Pattern[str], ...]:
    """Return the patterns of a number and of what stands between it and a measure."""
    dash = r"[-–~〜～]|to|bis|à|a|hasta|do|до|tot|til|till"
    between = next(one for one in wordings().ranges if not one.needs_money)
    unit = rf"(?:[\s-]?(?P<unit>{alternatives(units_by_name())}))?"
    froms = alternatives(
        word for one in wordings().ranges if one.needs_money for word in one.first if word
    )
    froms = rf"(?:{STARTS}(?:{froms})\s+)?"
    both = rf"(?:{alternatives(between.first)})\s+(?P<number>{NUMBER}){unit}\s*"
    return (
        re.compile(
            rf"{froms}(?<![\d.,/-]){STARTS}(?P<number>{NUMBER}){unit}\s*(?:{dash})\s*$", re.I
        ),
        re.compile(rf"{STARTS}{both}(?:{alternatives(between.middle)})\s*$", re.I),
    )


_NUMBER = re.compile(NUMBER)
_BEFORE = re.compile(r"(?<!\w)([^\W\d_]+)(?:\s+(?:of|is|de|von|di))?\s*[:=]?\s*$")
_AFTER = re.compile(r"[\s-]*(?:(?:of|in|de|di)\s+)?([^\W\d_]+)")
"""Words right before and right behind a measure."""


def _measured(column: pl.Series, unit: Unit | None) -> Iterable[tuple[str, float, _Value]]:
    """Yield dimension, size and value of each different value that is a measure."""
    single = column.explode() if isinstance(column.dtype, pl.List) else column
    counts = single.drop_nulls().alias("value").value_counts()
    for value, count in counts.iter_rows():
        shown = _Value(column.name, value, count, 0.0 if unit is None else unit.factor)
        if not isinstance(value, str):
            assert unit is not None, "numbers are read in columns with a unit only"
            yield unit.dimension, float(value) * unit.factor, shown
            continue
        text = value.strip()
        is_network = re.fullmatch(r"[2-6]G", text)  # and no grams
        measures = quantities_of(text) if text[:1].isnumeric() and not is_network else []
        if len(measures) == 1 and measures[0].start == 0 and measures[0].end == len(text):
            one = measures[0]
            shown = replace(shown, factor=one.factor)
            yield one.dimension, (one.low + one.high) / 2, shown
        elif unit is not None and (bare := number(text)) is not None:
            yield unit.dimension, bare * unit.factor, shown


def _names_of(column: str) -> frozenset[str]:
    """Return the folded words that say of a measure that it is this column's."""
    units = units_by_name()
    words = {word for word in re.findall(r"[^\W\d_]+", fold(column)) if word not in units}
    words -= _generic()
    for group in _measured_names():
        if words & group:
            words |= group
    return frozenset(words)


@cache
def _generic() -> frozenset[str]:
    """Return words in names of columns that do not tell what is measured."""
    return frozenset(map(fold, (*name_words().sizes, *COUNTING, "max", "min", "capacity", "total")))


@cache
def _measured_names() -> list[frozenset[str]]:
    return [frozenset(map(fold, group)) for group in wordings().measured]


def unit_of_column(name: str) -> Unit | None:
    """Return the unit that ends a column's name, if letters or a bracket set it apart."""
    words = re.findall(r"[^\W_]+", spaced(name).lower())
    return units_by_name().get(fold(words[-1])) if len(words) > 1 else None


@cache
def _loose_units() -> Mapping[str, Unit]:
    """Return what names of units may mean besides, by their folded names."""
    return {fold(name): unit for unit in wordings().units for name in unit.loosely}


@cache
def _age_behind() -> re.Pattern[str]:
    """Return the pattern of what stands behind years of age ("4-year-olds")."""
    return re.compile(rf"[\s-]?(?:{alternatives(wordings().ages_behind)}){ENDS}", re.I)


@cache
def _pattern(in_ascii: bool) -> re.Pattern[str]:
    names = {name for unit in wordings().units for name in unit.names}
    glued = {name for name in names if not name[0].isalnum() or re.match(rf"[{GLUED}]", name)}
    words = alternatives(names - glued, in_ascii)
    # "90's" is no measure in feet.
    unit = rf"(?:{alternatives(glued, in_ascii)})(?!(?<=['’′])\w)|(?:{words}){ENDS}"
    return re.compile(
        rf"(?<![\d.,/]){STARTS}(?P<number>{FRACTION}|{NUMBER})[\s-]?(?P<unit>{unit})", re.I
    )
