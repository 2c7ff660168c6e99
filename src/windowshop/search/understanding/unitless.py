"""Columns of lengths, weights and sizes that state no unit: 140 in `width` is "140 cm" and "1.4 m".

A measure is compared as it is written, then in the other units of ten times as much.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

import polars as pl

from windowshop.data import Scalar, fold, names_sizes, spaced
from windowshop.search.understanding.numbers import number
from windowshop.search.understanding.phrases import Meaning, columns_of_sizes, single_values
from windowshop.search.understanding.wordings import wordings

LENGTH, WEIGHT = "length", "weight"
_METRIC = {LENGTH: (1.0, 10.0, 1000.0), WEIGHT: (1.0, 1000.0)}
"""Factors of the units that columns without one may be in."""
EXACT = 1e-6
"""Relative difference of numbers that are one."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measure in a text."""

    start: int
    end: int
    dimension: str
    low: float
    high: float
    """Bounds, in the smallest unit of the dimension; of one measure, with a tolerance."""
    factor: float
    """Its unit in the smallest."""
    is_bounded: bool = False
    """True where words bound it, or another number does."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column without a unit."""

    dimension: str
    is_size: bool
    """Sizes are measured in the unit of the query alone."""
    values: tuple[tuple[float, Scalar, int], ...]
    """Number, value and count of products of each different value."""
    coverage: float


class UnitlessColumns:
    """The columns of a catalogue that are named for a length or weight, and for sizes."""

    def __init__(self, products: pl.DataFrame, measured: Container[str]) -> None:
        """Read the columns of numbers; those of `measured` state a unit."""
        self.columns: dict[str, _Column] = {}
        sizes = set(columns_of_sizes(products))
        for name, dtype in products.schema.items():
            is_size = name in sizes or (dtype.is_numeric() and names_sizes(name))
            dimension = LENGTH if is_size else _dimension_of(name)
            if name[0] == "_" or dimension is None or not (is_size or dtype.is_numeric()):
                continue
            if values := tuple(_numbers(products[name])) if is_size or name not in measured else ():
                coverage = 1 - products[name].null_count() / max(1, len(products))
                self.columns[name] = _Column(dimension, is_size, values, coverage)

    def meanings(self, quantity: Quantity) -> list[Meaning]:
        """Return the values that a measure names, one a column."""
        found = []
        for name, column in self.columns.items():
            factors = _METRIC.get(quantity.dimension, ())
            if column.dimension != quantity.dimension or quantity.is_bounded:
                continue
            if column.is_size and quantity.factor not in factors:
                continue
            size = (quantity.low + quantity.high) / 2
            others = factors if quantity.factor in factors and not column.is_size else ()
            for factor in (quantity.factor, *others):
                held = [one for one in column.values if _is_one(one[0], size / factor)]
                if held:
                    values = tuple(value for _, value, _ in held)
                    total = sum(count for _, _, count in held)
                    found.append(Meaning(name, values, total, column.coverage))
                    break
        return found


def _is_one(first: float, second: float) -> bool:
    return abs(first - second) <= EXACT * max(abs(first), abs(second))


def _numbers(column: pl.Series) -> Iterator[tuple[float, Scalar, int]]:
    counts = single_values(column).drop_nulls().alias("value").value_counts()
    for value, count in counts.iter_rows():
        known = number(value.strip()) if isinstance(value, str) else float(value)
        if known is not None and known > 0:
            yield known, value, count


def _dimension_of(name: str) -> str | None:
    """Return what a column's name says that it measures; None for no length or weight."""
    words = set(re.findall(r"[^\W\d_]+", fold(spaced(name))))
    for group in wordings().measured:
        if words.isdisjoint(map(fold, group)):
            continue
        if "weight" in group:
            return WEIGHT
        return LENGTH if "ram" not in group and "screen" not in group else None
    return None
