"""Filter tree -> filter of Qdrant; `windowshop.data.filter_grammar` describes the language.

Qdrant knows true and not true, and our filters a third: unknown, where a value is missing. So each
tree is translated to what makes it true, or to what makes it false, and a negation changes over.
Texts lie folded in the points, days and moments as numbers, and what has no value has no field.
Qdrant has no order of texts: those that a column has are listed, and compared here.
"""

import math
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import numpy as np
import polars as pl
from qdrant_client import models

from windowshop.data import (
    CATEGORY,
    And,
    Comparison,
    Contains,
    Filter,
    In,
    Not,
    Null,
    Or,
    Span,
    Test,
    Under,
    fold,
    to_polars,
)
from windowshop.errors import FilterError
from windowshop.index.qdrant.layout import DAY, MOMENT, NUMBER, TEXT, TRUTH, Column
from windowshop.index.qdrant.points import MOST, WHOLE_MOST

ORDER: dict[str, Callable[[str, str], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ENDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
LAST_DAY = date.max.toordinal()
Values: TypeAlias = Callable[[Column, str], Iterable[str]]
"""Texts that a field of a column has; raises FilterError where they are too many."""
Ends: TypeAlias = dict[str, float]
"""Ends of a range, as Qdrant names them."""
NOTHING = models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key="born"))])
"""Passed by no point."""


def to_qdrant(tree: Filter, columns: Mapping[str, Column], values: Values) -> models.Filter:
    """Translate for products with these columns.

    Raises FilterError for an unknown column and for a value that its column's type cannot hold.
    """
    to_polars(tree, {name: column.dtype for name, column in columns.items()})
    return _Translation(columns, values).of(tree, wanted=True)


class _Translation:
    """Translation for some columns."""

    def __init__(self, columns: Mapping[str, Column], values: Values) -> None:
        self._columns, self._values = columns, values

    def of(self, tree: Filter, *, wanted: bool) -> models.Filter:
        """Return what the tree is true of, or, with `wanted` False, what it is false of."""
        match tree:
            case And(parts) | Or(parts):
                each = [self.of(part, wanted=wanted) for part in parts]
                return all_of(each) if isinstance(tree, And) == wanted else any_of(each)
            case Not(part):
                return self.of(part, wanted=not wanted)
            case Null(name, is_null):
                present = _present(self._columns[name].field)
                return present if is_null != wanted else none_of([present])
        if isinstance(tree, Comparison) and tree.op == "!=":
            return self.of(replace(tree, op="="), wanted=not wanted)
        column = self._columns[tree.column]
        key = column.field
        if tree.column == CATEGORY and column.item == TEXT:
            key = column.path
        passes = self._passes(tree, column, key)
        return passes if wanted else all_of([_present(key), none_of([passes])])

    def _passes(self, test: Test, column: Column, key: str) -> models.Filter:
        """Return what passes a test other than !=; of a list, any item may."""
        if isinstance(test, In):
            return self._is_one_of(test, column, key)
        if column.item == MOMENT:
            return _in_time(test, column)
        if isinstance(test, Contains | Under):
            return _matches(test, key)
        ends = test.ends if isinstance(test, Span) else ((test.op, test.value),)
        if column.item == TRUTH:
            return _match(key, models.MatchValue(value=bool(ends[0][1])))
        if column.item in (TEXT, DAY):
            return self._texts(column, key, [(op, fold(str(other))) for op, other in ends])
        return _in_range(key, [_number_ends(column, op, float(other)) for op, other in ends])

    def _texts(self, column: Column, key: str, ends: list[tuple[str, str]]) -> models.Filter:
        """Return what has a text of that order."""
        if ends[0][0] == "=":
            return _match(key, models.MatchValue(value=ends[0][1]))
        if column.item == DAY:
            return _in_range(column.day, [_day_ends(op, text) for op, text in ends])
        kept = [
            value
            for value in self._values(column, key)
            if all(ORDER[op](value, text) for op, text in ends)
        ]
        return _match(key, models.MatchAny(any=kept)) if kept else NOTHING

    def _is_one_of(self, test: In, column: Column, key: str) -> models.Filter:
        if column.item in (TEXT, DAY):
            return _match(key, models.MatchAny(any=[fold(str(other)) for other in test.values]))
        each = (Comparison(test.column, "=", other) for other in test.values)
        return any_of([self._passes(one, column, key) for one in each])


def all_of(parts: Iterable[models.Filter]) -> models.Filter:
    """Return what passes all."""
    return models.Filter(must=list(parts))


def any_of(parts: list[models.Filter]) -> models.Filter:
    """Return what passes any of one or more."""
    return parts[0] if len(parts) == 1 else models.Filter(should=list(parts))


def none_of(parts: Iterable[models.Filter]) -> models.Filter:
    """Return what passes none."""
    return models.Filter(must_not=list(parts))


def _present(key: str) -> models.Filter:
    empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    return models.Filter(must_not=[empty])


def _matches(test: Contains | Under, key: str) -> models.Filter:
    if isinstance(test, Contains):
        part = fold(test.text)
        return _match(key, models.MatchSubstring(substring=part)) if part else _present(key)
    path = fold(" > ".join(test.levels))
    below = models.MatchPrefix(prefix=f"{path} > ")
    return any_of([_match(key, models.MatchValue(value=path)), _match(key, below)])


def _match(key: str, match: models.Match) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key=key, match=match)])


def _in_range(key: str, ends: Iterable[Ends]) -> models.Filter:
    joined: Ends = {}
    for end in ends:
        joined |= end
    return models.Filter(
        must=[models.FieldCondition(key=key, range=models.Range.model_validate(joined))]
    )


def _number_ends(column: Column, op: str, value: float) -> Ends:
    """Return a range of numbers; that of whole ones has whole ends."""
    if column.item == NUMBER:
        is_single = column.dtype in (pl.Float32, pl.List(pl.Float32))
        with np.errstate(over="ignore"):
            end = float(np.float32(value)) if is_single else value
        end = min(max(end, -MOST), MOST)
        return {"gte": end, "lte": end} if op == "=" else {ENDS[op]: end}
    low = float(min(max(math.ceil(value), -WHOLE_MOST - 1), WHOLE_MOST + 1))
    high = float(min(max(math.floor(value), -WHOLE_MOST - 1), WHOLE_MOST + 1))
    return {
        "=": {"gte": low, "lte": high},
        "<": {"lt": low},
        "<=": {"lte": high},
        ">": {"gt": high},
        ">=": {"gte": low},
    }[op]


def _day_ends(op: str, text: str) -> Ends:
    """Return the range of days whose text compares so with a text."""
    days = range(1, LAST_DAY + 1)
    if op in ("<", ">="):
        place = bisect_left(days, text, key=lambda day: date.fromordinal(day).isoformat())
        return {"lt" if op == "<" else "gte": place + 1}
    place = bisect_right(days, text, key=lambda day: date.fromordinal(day).isoformat())
    return {"lte" if op == "<=" else "gt": place}


def _in_time(test: Test, column: Column) -> models.Filter:
    """Test a moment, kept in UTC; beside a day it counts as its day in the column's zone."""
    match test:
        case Comparison(_, op, other):
            return _moment(column, op, str(other))
        case Span():
            return all_of(_moment(column, op, str(other)) for op, other in test.ends)
        case _:
            raise FilterError(
                f"Column {column.name!r} holds dates with a time, which Qdrant does not search "
                "as text. Compare it with =, <, > or between."
            )


def _moment(column: Column, op: str, text: str) -> models.Filter:
    assert isinstance(column.dtype, pl.Datetime), "a column of moments"
    if len(text) <= 10:
        key, number = column.day, date.fromisoformat(text).toordinal()
    else:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        key, number = column.field, since // timedelta(microseconds=1)
    if op == "=":
        return _match(key, models.MatchValue(value=number))
    return _in_range(key, [{ENDS[op]: number}])
