"""Filter tree -> polars expression; `filter_grammar` describes the language."""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl

from windowshop.data.category_paths import CATEGORY, CATEGORY_PATHS
from windowshop.data.filter_grammar import (
    And,
    Comparison,
    Contains,
    Filter,
    In,
    Not,
    Null,
    Operator,
    Or,
    Scalar,
    Span,
    Test,
    Under,
)
from windowshop.data.folding import fold, folded
from windowshop.data.list_columns import inner_type
from windowshop.errors import FilterError, did_you_mean

_OPERATORS: dict[Operator, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def to_polars(tree: Filter, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """Translate for a table with this schema; true for the rows to keep, null where unknown.

    Raises FilterError for an unknown column and for a value that its column's type cannot hold.
    """
    match tree:
        case And(parts):
            return pl.all_horizontal([to_polars(part, schema) for part in parts])
        case Or(parts):
            return pl.any_horizontal([to_polars(part, schema) for part in parts])
        case Not(part):
            return ~to_polars(part, schema)
        case Null(name, is_null):
            present = _present(pl.col(name), _type_of(name, schema))
            return ~present if is_null else present
    passes = _tested(tree, _type_of(tree.column, schema))
    if tree.column == CATEGORY and isinstance(paths := schema.get(CATEGORY_PATHS), pl.List):
        return pl.coalesce(_tested(replace(tree, column=CATEGORY_PATHS), paths), passes)
    return passes


def _tested(test: Test, dtype: pl.DataType) -> pl.Expr:
    """Test a column; of a list, any item may pass, and a list without items gives null."""
    held = _held(dtype)
    for value in _values(test):
        if _kind(value) != held:
            raise FilterError(_mismatch(test.column, held, value, dtype))
    column = pl.col(test.column)
    if isinstance(dtype, pl.Datetime):
        return _passes_in_time(test, column, dtype)
    if not isinstance(dtype, pl.List):
        return _passes(test, _operand(column, dtype))
    if isinstance(test, Comparison) and test.op == "!=":
        return ~_tested(replace(test, op="="), dtype)
    passes = _passes(test, _operand(pl.element(), inner_type(dtype)))
    return pl.when(_present(column, dtype)).then(column.list.eval(passes).list.any())


def _passes_in_time(test: Test, column: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """Test a moment; beside a day it counts as its day."""
    match test:
        case Comparison(name, op, other):
            moment = _moment(name, str(other))
            if not isinstance(moment, datetime):
                return _OPERATORS[op](column.dt.date(), pl.lit(moment))
            if dtype.time_zone:
                column = column.dt.convert_time_zone("UTC")
                moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            elif moment.tzinfo:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            return _OPERATORS[op](column, pl.lit(moment))
        case In(name, others):
            each = [Comparison(name, "=", other) for other in others]
            return pl.any_horizontal([_passes_in_time(one, column, dtype) for one in each])
        case Span(name):
            ends = [Comparison(name, *end) for end in test.ends]
            return pl.all_horizontal([_passes_in_time(end, column, dtype) for end in ends])
        case _:
            written = column.dt.to_string("iso:strict")
            return _passes(test, written.str.to_lowercase())


def _moment(name: str, text: str) -> date | datetime:
    """Parse a day or a moment in ISO form; raises FilterError for another text."""
    try:
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError:
        raise FilterError(
            f"Column {name!r} holds dates with a time, so it cannot be compared with {text!r}. "
            'Write "2024-12-31" or "2024-12-31T18:30".'
        ) from None


def _passes(test: Test, value: pl.Expr) -> pl.Expr:
    match test:
        case Comparison(name, op, other):
            if isinstance(other, bool) and op not in ("=", "!="):
                raise FilterError(f"true and false have no order; compare {name!r} with = or !=.")
            return _compare(value, op, other)
        case In(_, others):
            return _member(value, others)
        case Span(name):
            ends = [Comparison(name, *end) for end in test.ends]
            return pl.all_horizontal([_passes(end, value) for end in ends])
        case Contains(_, text):
            return value.str.contains(fold(text), literal=True)
        case Under(_, levels):
            path = fold(" > ".join(levels))
            return (value == path) | value.str.starts_with(f"{path} > ")


def _compare(value: pl.Expr, op: Operator, other: Scalar) -> pl.Expr:
    return _OPERATORS[op](value, pl.lit(fold(other) if isinstance(other, str) else other))


def _member(value: pl.Expr, others: Iterable[Scalar]) -> pl.Expr:
    lowered = [fold(other) for other in others if isinstance(other, str)]
    if lowered:
        return value.is_in(lowered)
    # is_in refuses a fraction in a column of whole numbers, where = simply does not match.
    return pl.any_horizontal([_compare(value, "=", other) for other in others])


def _operand(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return a column, or the items of a list, in the form that comparisons use."""
    if _held(dtype) == "text":
        return folded(value.cast(pl.String))
    return _known(value, dtype)


def _present(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Test whether there is a value; of a list, an item."""
    if isinstance(dtype, pl.List):
        # Counting what `list.drop_nulls` leaves takes thirty times as long: it copies the items.
        item = _known(pl.element(), inner_type(dtype))
        return column.list.eval(item.is_not_null()).list.any().fill_null(False)
    return _known(column, dtype).is_not_null()


def _known(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Replace NaN by null."""
    return value.fill_nan(None) if dtype.is_float() else value


def _type_of(name: str, schema: Mapping[str, pl.DataType]) -> pl.DataType:
    if name not in schema:
        raise FilterError(_unknown(name, list(schema)))
    return schema[name]


def _values(test: Test) -> tuple[Scalar, ...]:
    match test:
        case Comparison(_, _, value):
            return (value,)
        case In(_, values):
            return values
        case Span():
            return tuple(value for _, value in test.ends)
        case Contains(_, text):
            return (text,)
        case Under(_, levels):
            return levels


def _held(dtype: pl.DataType) -> str | None:
    """Return what a column or its lists hold, as `_kind` names it; None for other types."""
    if isinstance(dtype, pl.List):
        inner = inner_type(dtype)
        return None if inner.is_nested() else _held(inner)
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Date, pl.Datetime):
        return "text"
    if dtype.is_numeric():
        return "numbers"
    return "true or false" if dtype == pl.Boolean else None


def _kind(value: Scalar) -> str:
    if isinstance(value, str):
        return "text"
    return "true or false" if isinstance(value, bool) else "numbers"


def _mismatch(name: str, held: str | None, value: Scalar, dtype: pl.DataType) -> str:
    if held is None:
        return f"Column {name!r} is of type {dtype}, which a filter can only test with `is null`."
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    mend = ""
    if held == "text":
        mend = (
            f' Put the value in quotes: "{shown}"; text is compared letter by letter. To compare '
            "numbers, declare the column as a number in columns.yaml and build the index again."
        )
    listed = "lists of " if isinstance(dtype, pl.List) else ""
    return f"Column {name!r} holds {listed}{held}, so it cannot be compared with {shown}.{mend}"


def _unknown(name: str, columns: list[str]) -> str:
    known = [column for column in columns if not column.startswith("_")]  # others are ours
    hint = did_you_mean(name, known)
    return f"There is no column {name!r}.{hint} The columns are: {', '.join(known)}."
