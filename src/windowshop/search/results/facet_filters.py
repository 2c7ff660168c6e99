"""Filter products by what a shopper picks in facets.

Shapes: M products.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from windowshop.data import CATEGORY_PATHS, every_path
from windowshop.errors import SearchError
from windowshop.search.request import FacetFilter, FacetRange, FacetValues


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


def column_of(columns: pl.DataFrame, name: str) -> pl.Series:
    """Return a column of the results; raises SearchError for an unknown one."""
    if name not in columns.columns:
        raise no_column(name, columns.columns)
    return columns[name]


def listed_column(columns: pl.DataFrame, name: str) -> pl.Series:
    """Return a column to count or to pick in; all paths of the category, not the first alone."""
    if name == "category" and isinstance(columns.schema.get(CATEGORY_PATHS), pl.List):
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
