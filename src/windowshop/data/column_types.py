"""Types of further columns: what is a code, a label, a number or a yes or no.

Codes stay text, for a leading zero, an exponent ("12E5") or a long digit would be lost; so do
sizes, of which a later one may be "XL". A number is one only where it is written as one.
"""

from collections.abc import Container
from datetime import UTC, datetime

import polars as pl

from windowshop.data.code_names import is_text_by_name, names_codes

NUMBER = r"^-?(?:(?:0|[1-9]\d*)(?:\.\d+)?|\.\d+)$"
NOTHING = (
    r"(?i)^\s*(?:-{1,3}|[–—]|n/a|#n/a|n\.a\.|\(?null\)?|<null>|undefined|#(?:value|ref|null)!)?\s*$"
)
"""Pattern of texts by which exports say that a field is empty; "none" may be a value."""
_GTIN = r"^(?:\d{8}|\d{12,14})$"
_EXACT = 2**53
"""Whole numbers from it on are not exact as floating point numbers."""


def typed(column: pl.Series) -> pl.Series:
    """Convert a column of texts to numbers or booleans where every value is written as one."""
    known = column.drop_nulls()
    if known.is_empty() or is_text_by_name(column.name):
        return column
    lowered = column.str.to_lowercase()
    if lowered.drop_nulls().is_in(["true", "false"]).all():
        return (lowered == "true").alias(column.name)
    return column if not _are_numbers(known.str.strip_chars()) else _numbers(column)


def _are_numbers(known: pl.Series) -> bool:
    if not known.str.contains(NUMBER).all() or _are_gtins(known):
        return False
    values = known.cast(pl.Float64, strict=False)
    return values.null_count() == 0 and bool((values.abs() < _EXACT).all())


def _are_gtins(known: pl.Series) -> bool:
    """Return whether all are trade item numbers: of their length, with a right check digit."""
    if not known.str.contains(_GTIN).all():
        return False
    return all(_has_check_digit(digits) for digits in known.unique())


def _has_check_digit(digits: str) -> bool:
    weighed = zip(reversed(digits), (1, 3) * len(digits), strict=False)
    return sum(int(digit) * weight for digit, weight in weighed) % 10 == 0


def _numbers(column: pl.Series) -> pl.Series:
    return column.str.strip_chars().cast(pl.Float64)


def to_moments(column: pl.Series) -> pl.Series:
    """Parse texts of days and moments in ISO form, null where there is none; offsets go to UTC."""
    return pl.Series(
        column.name,
        [None if text is None else _moment(text) for text in column],
        dtype=pl.Datetime("us"),
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def codes_as_text(frame: pl.DataFrame, declared: Container[str]) -> pl.DataFrame:
    """Convert further columns of numbers that their names call codes to texts."""
    columns = []
    for name, dtype in frame.schema.items():
        if name in declared or not dtype.is_numeric() or not names_codes(name):
            continue
        column = frame[name]
        if dtype.is_float():
            column = column.fill_nan(None)
            if not (column.drop_nulls() == column.drop_nulls().floor()).all():
                continue
            column = column.cast(pl.Int64, strict=False)
        columns.append(column.cast(pl.String))
    return frame.with_columns(columns)
