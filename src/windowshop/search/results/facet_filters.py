"""Filter products by what a shopper picks in facets.

Shapes: M products.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from windowshop.data import CATEGORY_PATHS, TEXTS, fold_column
from windowshop.errors import SearchError, did_you_mean
from windowshop.index import ProductColumns, listed, stored_name
from windowshop.search.request import Condition, FacetFilter, FacetRange, FacetValues


def passing(
    table: ProductColumns, keys_M: np.ndarray, facet_filters: Mapping[str, FacetFilter]
) -> dict[str, np.ndarray]:
    """Return the products that pass, bool (M,) by column; one without a value never passes.

    Raises SearchError for an unknown column, and for a value that a column cannot hold.
    """
    columns = _select(table, keys_M, facet_filters)
    return {name: _passing(listed(columns, name), wanted) for name, wanted in facet_filters.items()}


def narrowed(
    table: ProductColumns, keys_M: np.ndarray, narrow: Sequence[Sequence[Condition]]
) -> np.ndarray:
    """Return the products that meet a condition of each filter, bool (M,); raises as `passing`."""
    columns = _select(table, keys_M, {by.column for conditions in narrow for by in conditions})
    passes_M = np.ones(len(keys_M), dtype=bool)
    for conditions in narrow:
        one_M = np.zeros(len(keys_M), dtype=bool)
        for by in conditions:
            one_M |= _passing(listed(columns, by.column), by.wanted) != by.excluded
        passes_M &= one_M
    return passes_M


def require_columns(table: ProductColumns, names: Iterable[str]) -> None:
    """Raise SearchError for a column that products do not have."""
    for name in map(stored_name, names):
        if name not in table.names:
            raise no_column(name, [known for known in table.names if not known.startswith("_")])


def no_column(name: str, known: Sequence[str]) -> SearchError:
    """Return the error for a column that products do not have."""
    return SearchError(
        f"There is no column {name!r} to show, facet or sort by."
        f"{did_you_mean(name, known)} The columns are: {', '.join(known)}."
    )


def numbers_of(column: pl.Series) -> pl.Series:
    """Return a numeric column with null for NaN and infinities; raises SearchError for others."""
    if not column.dtype.is_numeric():
        raise SearchError(f"Column {column.name!r} holds {column.dtype}, not numbers.")
    frame = column.to_frame().select(pl.col(column.name).cast(pl.Float64))
    finite = pl.when(pl.col(column.name).is_finite()).then(pl.col(column.name))
    return frame.select(finite.alias(column.name))[column.name]


def _select(table: ProductColumns, keys_M: np.ndarray, names: Iterable[str]) -> pl.DataFrame:
    names = list(names)
    require_columns(table, names)
    if not names:
        return pl.DataFrame()
    return table.select(keys_M, {*map(stored_name, names), CATEGORY_PATHS})


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
    if column.dtype in TEXTS:
        known = column.cast(pl.String).unique()
        forms = fold_column(values.cast(pl.String))
        values = known.filter(fold_column(known).is_in(forms.implode()))
        column = column.cast(pl.String)
    return column.is_in(values.implode()).fill_null(False)
