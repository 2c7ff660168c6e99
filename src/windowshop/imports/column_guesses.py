"""Types of further columns by all their values: numbers, yes and no, dates, lists, units."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from windowshop.data import is_text_by_name, typed
from windowshop.imports.amounts import decimal_sign, parse_money, parse_number, parse_quantity
from windowshop.imports.names import field_of
from windowshop.imports.values import NO, YES, plain_name

MAX_DISTINCT = 200_000
"""Different texts of a column that is read as money, a quantity or yes and no."""
MANY = 20
_DATE_PARTS = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[ T]\d{1,2}:\d{2}(?::\d{2})?)?")
_ALONE = re.compile(r"[^\d.,]*[+-]?[\d.,'\u2019\s]+[^\d]*")
_DAYS = frozenset((
    "date", "datum", "fecha", "data", "dato", "launch", "since", "until", "release", "released",
    "created", "updated", "erstellt", "expiry", "expires", "dia", "tarih",
))  # fmt: skip
"""Words of the names of columns of days."""
_ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$"
_DECIMAL = r"^[+-]?(?:\d+|\d{1,3}(?:[.,' ]\d{3})+)(?:[.,]\d+)?$"


@dataclass(frozen=True, slots=True)
class Guess:
    """Type of a column, as it is told to the user, and the expression that makes it."""

    kind: str
    values: pl.Expr
    name: str = ""
    """Another name, with the unit; "" keeps the column's."""


def guess_type(column: pl.Series, *, with_lists: bool = True) -> Guess | None:
    """Return what a column of texts holds; None where it is text."""
    name, known = column.name, column.drop_nulls()
    if known.is_empty():
        return None
    if with_lists and known.str.starts_with("[").all():
        return _lists(name, known)
    as_typed = typed(known)
    if as_typed.dtype == pl.Boolean:
        return Guess("boolean", pl.col(name).str.to_lowercase() == "true")
    if as_typed.dtype.is_numeric() and _is_serial(name, as_typed):
        days = pl.duration(days=pl.col(name).str.strip_chars().cast(pl.Float64).floor())
        return Guess("date", (pl.date(1899, 12, 30) + days).cast(pl.Date))
    if as_typed.dtype.is_numeric():
        return Guess("number", pl.col(name).str.strip_chars().cast(pl.Float64))
    if known.str.contains(_ISO).all():
        return _iso_dates(name, known)
    distinct = known.unique(maintain_order=True).head(MAX_DISTINCT + 1).to_list()
    if len(distinct) > MAX_DISTINCT:
        return None
    return _said(name, distinct) or _days(name, distinct) or _amounts(name, distinct)


def _is_serial(name: str, known: pl.Series) -> bool:
    """Return whether numbers are days as a spreadsheet counts them, of the years 1990 to 2079."""
    is_named = any(word in _DAYS for word in plain_name(name).split())
    return is_named and bool(known.is_between(32_874, 65_746).all())


def _lists(name: str, known: pl.Series) -> Guess | None:
    try:
        known.str.json_decode(pl.List(pl.String))
    except pl.exceptions.PolarsError:
        return None
    return Guess("list", pl.col(name).str.json_decode(pl.List(pl.String)))


def _iso_dates(name: str, known: pl.Series) -> Guess | None:
    if known.str.len_chars().max() == 10:
        dates = known.str.to_date("%Y-%m-%d", strict=False)
        found = pl.col(name).str.to_date("%Y-%m-%d", strict=False)
        return Guess("date", found) if dates.null_count() == 0 else None
    distinct = known.unique(maintain_order=True).head(MAX_DISTINCT + 1).to_list()
    moments: dict[str, object] = {}
    for text in distinct:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        moments[text] = moment.replace(tzinfo=None) if moment.tzinfo is None else _utc(moment)
    return _replaced(name, moments, "date", pl.Datetime("us"))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None) - (moment.utcoffset() or moment - moment)


def _replaced(
    name: str, values: dict[str, object], kind: str, dtype: pl.DataType, new: str = ""
) -> Guess:
    mapped = pl.col(name).replace_strict(
        list(values), pl.Series(list(values.values()), dtype=dtype), default=None
    )
    return Guess(kind, mapped, new)


def _said(name: str, distinct: Sequence[str]) -> Guess | None:
    """Read yes and no, where the column has both words."""
    lowered = {text.strip().lower() for text in distinct}
    if len(lowered) != 2 or len(lowered & YES) != 1 or len(lowered & NO) != 1:
        return None
    values: dict[str, object] = {text: text.strip().lower() in YES for text in distinct}
    return _replaced(name, values, "boolean", pl.Boolean())


def _days(name: str, distinct: Sequence[str]) -> Guess | None:
    """Read days as 31.12.2024 or 12/31/2024, where the column tells which comes first."""
    parts = [_DATE_PARTS.fullmatch(text.strip()) for text in distinct]
    if not all(parts):
        return None
    firsts = {int(part[1]) for part in parts if part}
    seconds = {int(part[3]) for part in parts if part}
    sign = parts[0][2] if parts[0] else ""
    if max(firsts) <= 12 and max(seconds) <= 12 and sign != ".":
        return None
    is_day_first = max(firsts) > 12 or sign == "."
    values: dict[str, object] = {}
    for text, part in zip(distinct, parts, strict=True):
        assert part is not None
        day, month = (part[1], part[3]) if is_day_first else (part[3], part[1])
        try:
            values[text] = datetime(int(part[4]), int(month), int(day)).date()
        except ValueError:
            return None
    return _replaced(name, values, "date", pl.Date())


def _amounts(name: str, distinct: Sequence[str]) -> Guess | None:
    """Read numbers with a comma, a currency or a unit, where every value is one."""
    told = field_of(name)
    if is_text_by_name(name) or (told is not None and told[0] == "category"):
        return None
    decimal = decimal_sign(distinct)
    series = pl.Series(distinct).str.strip_chars()
    if decimal == "," and series.str.contains(_DECIMAL).all():
        numbers: dict[str, object] = {text: parse_number(text, ",") for text in distinct}
        return _replaced(name, numbers, "number", pl.Float64())
    quantities = [parse_quantity(text) for text in distinct]
    if all(quantities):
        units = {found[1] for found in quantities if found}
        if len(units) == 1:
            unit = units.pop()
            values: dict[str, object] = {
                text: found[0] for text, found in zip(distinct, quantities, strict=True) if found
            }
            return _replaced(name, values, f"number in {unit}", pl.Float64(), f"{name} ({unit})")
    if not all(_ALONE.fullmatch(text) for text in distinct):  # codes have letters among digits
        return None
    money = [parse_money(text, decimal) for text in distinct]
    if all(found and found.currency for found in money):
        currencies = {found.currency for found in money if found}
        if len(currencies) == 1:
            amounts: dict[str, object] = {
                text: found.amount for text, found in zip(distinct, money, strict=True) if found
            }
            return _replaced(name, amounts, f"number in {currencies.pop()}", pl.Float64())
    return None
