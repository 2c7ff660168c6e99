"""Filter tree -> SQL; `windowshop.data.filter_grammar` describes the language.

Texts lie folded in the table, and lists without items that are null, or as null. What
`windowshop.data.filter_polars` refuses is refused with its words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from windowshop.data import (
    CATEGORY,
    CATEGORY_PATHS,
    And,
    Comparison,
    Contains,
    Filter,
    In,
    Not,
    Null,
    Or,
    Scalar,
    Span,
    Test,
    Under,
    fold,
    to_polars,
)
from windowshop.errors import FilterError
from windowshop.index.postgres.schema import DOUBLE, MOMENT, TEXT, WHOLE, Column

CASTS = {TEXT: "text", DOUBLE: "float8", WHOLE: "numeric"}


@dataclass(frozen=True, slots=True)
class Condition:
    """Condition of a WHERE clause; true for the rows to keep, null where unknown."""

    sql: str
    parameters: tuple[Any, ...] = ()

    def over(self, template: str) -> "Condition":
        """Put the condition at the mark {} of a template."""
        return Condition(template.replace("{}", self.sql), self.parameters)


ALL = Condition("true")


def to_sql(tree: Filter, columns: Mapping[str, Column]) -> Condition:
    """Translate for a table with these columns.

    Raises FilterError for an unknown column and for a value that its column's type cannot hold.
    """
    to_polars(tree, {name: column.dtype for name, column in columns.items()})
    return _translated(tree, columns)


def joined(conditions: Iterable[Condition], word: str = " AND ") -> Condition:
    """Join conditions; without any, all rows pass."""
    held = list(conditions)
    if not held:
        return ALL
    parameters = tuple(value for one in held for value in one.parameters)
    return Condition(f"({word.join(one.sql for one in held)})", parameters)


def _translated(tree: Filter, columns: Mapping[str, Column]) -> Condition:
    match tree:
        case And(parts):
            return joined(_translated(part, columns) for part in parts)
        case Or(parts):
            return joined((_translated(part, columns) for part in parts), " OR ")
        case Not(part):
            return _translated(part, columns).over("(NOT {})")
        case Null(name, is_null):
            return Condition(f"({columns[name].sql} IS {'' if is_null else 'NOT '}NULL)")
    passes = _tested(tree, columns[tree.column])
    paths = columns.get(CATEGORY_PATHS)
    if tree.column == CATEGORY and paths is not None and paths.is_list:
        first = _tested(replace(tree, column=CATEGORY_PATHS), paths)
        return joined((first, passes), ", ").over("coalesce{}")
    return passes


def _tested(test: Test, column: Column) -> Condition:
    if column.item == MOMENT:
        return _passes_in_time(test, column)
    if not column.is_list:
        return _passes(test, column.sql, column)
    if isinstance(test, Comparison) and test.op == "!=":
        return _tested(replace(test, op="="), column).over("(NOT {})")
    inner = _passes(test, "item", column)
    has = f"EXISTS (SELECT FROM unnest({column.sql}) AS item WHERE {{}})"
    return inner.over(f"(CASE WHEN {column.sql} IS NOT NULL THEN {has} END)")


def _passes(test: Test, value: str, column: Column) -> Condition:
    match test:
        case Comparison(_, op, other):
            sign = "<>" if op == "!=" else op
            return Condition(f"({value} {sign} {_mark(column)})", (_parameter(other, column),))
        case In(name, others):
            if column.item == TEXT:
                return Condition(f"({value} = ANY(%s::text[]))", (list(map(_folded, others)),))
            equal = (_passes(Comparison(name, "=", other), value, column) for other in others)
            return joined(equal, " OR ")
        case Span(name):
            ends = [Comparison(name, *end) for end in test.ends]
            return joined(_passes(end, value, column) for end in ends)
        case Contains(_, text):
            return Condition(f"(strpos({value}, %s::text) > 0)", (fold(text),))
        case Under(_, levels):
            path = fold(" > ".join(levels))
            below = f"({value} = %s::text OR starts_with({value}, %s::text))"
            return Condition(below, (path, f"{path} > "))


def _mark(column: Column) -> str:
    if column.dtype in (pl.Float32, pl.List(pl.Float32)):
        return "%s::real::float8"
    return f"%s::{CASTS.get(column.item or '', 'bool')}"


def _parameter(value: Scalar, column: Column) -> object:
    return _folded(value) if column.item == TEXT else value


def _folded(value: Scalar) -> str:
    return fold(str(value))


def _passes_in_time(test: Test, column: Column) -> Condition:
    """Test a moment, kept in UTC; beside a day it counts as its day in the column's zone."""
    assert isinstance(column.dtype, pl.Datetime), "a column of moments"
    match test:
        case Comparison(_, op, other):
            sign, moment = "<>" if op == "!=" else op, _moment(str(other))
            if not isinstance(moment, datetime):
                return Condition(f"({_local(column)}::date {sign} %s::date)", (moment,))
            if column.dtype.time_zone and not moment.tzinfo:
                moment = moment.replace(tzinfo=UTC)
            if moment.tzinfo:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            return Condition(f"({column.sql} {sign} %s::timestamp)", (moment,))
        case In(name, others):
            equal = (_passes_in_time(Comparison(name, "=", other), column) for other in others)
            return joined(equal, " OR ")
        case Span(name):
            ends = [Comparison(name, *end) for end in test.ends]
            return joined(_passes_in_time(end, column) for end in ends)
        case _:
            raise FilterError(
                f"Column {column.name!r} holds dates with a time, which PostgreSQL does not search "
                "as text. Compare it with =, <, > or between."
            )


def _local(column: Column) -> str:
    """Return the SQL of a moment in the zone of its column."""
    assert isinstance(column.dtype, pl.Datetime), "a column of moments"
    zone = column.dtype.time_zone
    if not zone:
        return column.sql
    quoted = zone.replace("'", "''").replace("%", "%%")
    return f"({column.sql} AT TIME ZONE 'UTC' AT TIME ZONE '{quoted}')"


def _moment(text: str) -> date | datetime:
    """Parse a day or a moment in ISO form, which `to_polars` has checked."""
    return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
