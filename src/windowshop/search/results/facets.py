"""Counts of a column's values among results, and histograms of its numbers.

Shapes: M results.
"""

import numpy as np
import polars as pl

from windowshop.errors import SearchError
from windowshop.search.answer import Facet, FacetValue, NumberFacet
from windowshop.search.request import FacetFilter, FacetValues
from windowshop.search.results.facet_filters import numbers_of


def count_values(
    column: pl.Series, groups: pl.Series, limit: int, wanted: FacetFilter | None
) -> Facet:
    """Count a column's values; lists count each of their items once. `groups` is aligned."""
    if limit < 0:
        raise SearchError(f"Facet {column.name!r}: limit={limit} must not be negative.")
    rows = pl.DataFrame({"value": column, "group": groups}).with_row_index("row")
    if isinstance(column.dtype, pl.List):
        rows = rows.explode("value").unique(["row", "value"], maintain_order=True)
    present = rows.drop_nulls("value")
    if isinstance(present["value"].dtype, pl.List | pl.Struct | pl.Object | pl.Array):
        raise SearchError(f"Column {column.name!r} holds {column.dtype}; it cannot be counted.")
    counted = (
        present.group_by("value")
        .agg(products=pl.len(), groups=pl.col("group").n_unique())
        .sort(["products", "value"], descending=[True, False])
    )
    picked = wanted.values if isinstance(wanted, FacetValues) else ()
    shown = counted.head(limit)
    rare = counted.slice(limit).filter(pl.col("value").is_in(list(picked))) if picked else None
    if rare is not None and len(rare):
        shown = pl.concat([shown, rare])
    values = [FacetValue(v, p, g, v in picked) for v, p, g in shown.iter_rows()]
    absent = set(picked) - set(counted["value"]) if picked else ()
    values += [FacetValue(value, 0, 0, True) for value in sorted(absent, key=str)]
    return Facet(
        column=column.name,
        values=tuple(values),
        num_values=len(counted),
        missing=len(column) - present["row"].n_unique(),
    )


def count_numbers(column: pl.Series, num_bins: int) -> NumberFacet:
    """Count numbers in equal bins; NaN and infinities count as missing."""
    if num_bins < 1:
        raise SearchError(f"Facet {column.name!r}: {num_bins} bins; ask for at least 1.")
    found = numbers_of(column).drop_nulls().to_numpy()
    missing = len(column) - len(found)
    if not len(found):
        return NumberFacet(column.name, None, None, (), (), missing)
    low, high = float(found.min()), float(found.max())
    if low == high:
        return NumberFacet(column.name, low, high, (low, high), (len(found),), missing)
    counts, edges = np.histogram(found, bins=num_bins)
    return NumberFacet(
        column.name, low, high, tuple(edges.tolist()), tuple(counts.tolist()), missing
    )
