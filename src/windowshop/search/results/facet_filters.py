"""Filter products by what a shopper picks in facets.

Shapes: M products.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from windowshop.data import CATEGORY_PATHS, cut_paths, every_path
from windowshop.errors import SearchError
from windowshop.search.request import Condition, FacetFilter, FacetRange, FacetValues

CATEGORY = "category"
LEVEL = re.compile(r"category\.lvl(\d)")
"""Name of a level of the category, counted from 0."""


def passing(
    columns: pl.DataFrame, facet_filters: Mapping[str, FacetFilter]
) -> dict[str, np.ndarray]:
    """Return the rows that pass, bool (M,) by column; a row without a value never passes.

    Raises SearchError for an unknown column, and for a value that a column cannot hold.
    """
    return {
        name: _passing(listed_column(columns, name), wanted)
        for name, wanted in facet_filters.items()
    }


def narrowed(columns: pl.DataFrame, narrow: Sequence[Sequence[Condition]]) -> np.ndarray:
    """Return the rows that meet one condition of each filter, bool (M,); raises as `passing`."""
    passes = np.ones(len(columns), dtype=bool)
    for conditions in narrow:
        one = np.zeros(len(columns), dtype=bool)
        for by in conditions:
            one |= _passing(listed_column(columns, by.column), by.wanted) != by.excluded
        passes &= one
    return passes


def stored_name(name: str) -> str:
    """Return the column that holds what a name stands for: levels of the category lie in it."""
    return CATEGORY if LEVEL.fullmatch(name) else name


def column_of(columns: pl.DataFrame, name: str) -> pl.Series:
    """Return a column of the results; raises SearchError for an unknown one."""
    if name not in columns.columns:
        raise no_column(name, columns.columns)
    return columns[name]


def listed_column(columns: pl.DataFrame, name: str) -> pl.Series:
    """Return a column to count or to pick in; all paths of the category, not the first alone."""
    if level := LEVEL.fullmatch(name):
        return cut_paths(listed_column(columns, CATEGORY), int(level[1]) + 1).alias(name)
    if name == CATEGORY and isinstance(columns.schema.get(CATEGORY_PATHS), pl.List):
        return every_path(columns)
    return column_of(columns, name)


def no_column(name: str, known: Sequence[str]) -> SearchError:
    """Return the error for a column that products do not have."""
    return SearchError(
        f"There is no column {name!r} to show, facet or sort by. "
        f"The columns are: {', '.join(known)}."
    )


def numbers_of(column: pl.Series) -> pl.Series:
    """Return a numeric column with null for NaN and infinities; raises SearchError for others."""
    if not column.dtype.is_numeric():
        raise SearchError(f"Column {column.name!r} holds {column.dtype}, not numbers.")
    frame = column.to_frame().select(pl.col(column.name).cast(pl.Float64))
    finite = pl.when(pl.col(column.name).is_finite()).then(pl.col(column.name))
    return frame.select(finite.alias(column.name))[column.name]


def _passing(column: pl.Series, wanted: FacetFilter) -> np.ndarray:
    if isinstance(wanted, FacetRange):
        numbers = numbers_of(column)
        low = -np.inf if wanted.low is None else wanted.low
        high = np.inf if wanted.high is None else wanted.high
        return numbers.is_between(low, high).fill_null(False).to_numpy()
    if not isinstance(column.dtype, pl.List):
        return _among(column, wanted).to_numpy()
    items = column.to_frame("item").with_row_index("row").explode("item")
    passes = np.zeros(len(column), dtype=bool)
    passes[items["row"].filter(_among(items["item"], wanted)).to_numpy()] = True
    return passes


def _among(column: pl.Series, wanted: FacetValues) -> pl.Series:
    try:
        values = pl.Series(wanted.values, dtype=column.dtype, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        raise SearchError(
            f"Column {column.name!r} holds {column.dtype}, so {list(wanted.values)} cannot be "
            "picked in it. Pick values that its facet shows."
        ) from None
    return column.is_in(values.implode()).fill_null(False)
