"""Filters of a large table: texts are tested once a value, not once a row.

Folding a million texts takes a fifth of a second for each test, and most columns that filters name
have few different ones. So a test of such a column is made on its values, and the rows that have
them are listed; everything else is tested by polars as in a small table. A test is true, false, or
unknown where there is no value, as in SQL.

Shapes: N rows, V values of a column.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from windowshop.data import (
    TEXTS,
    And,
    Comparison,
    Filter,
    In,
    Not,
    Null,
    Or,
    Test,
    to_polars,
)
from windowshop.index.catalogue.codes import ColumnCodes

FEWEST_ROWS = 20_000
"""Smaller tables are tested row by row, and as many rows tell whether values repeat."""


def passing(table: pl.DataFrame, where: Filter) -> np.ndarray:
    """Return which rows pass a filter, bool (N,); raises FilterError for one that unfits."""
    return _tested(table, where, wanted=True)


def passing_by_values(
    table: pl.DataFrame, where: Filter, codes_of: Callable[[str], ColumnCodes | None]
) -> np.ndarray:
    """Return the same of a table some columns of which have codes: those that `repeats` tells.

    Those of `category` are of all paths.
    """
    if len(table) < FEWEST_ROWS:
        return passing(table, where)
    to_polars(where, table.schema)  # refuses what does not fit

    def rows(tree: Filter, *, wanted: bool) -> np.ndarray:
        """Return the rows of which a filter is known to be true, or, where not wanted, false."""
        match tree:
            case And(parts) | Or(parts):
                found = [rows(part, wanted=wanted) for part in parts]
                is_all = isinstance(tree, And) == wanted
                joined: np.ndarray = (np.logical_and if is_all else np.logical_or).reduce(found)
                return joined
            case Not(part):
                return rows(part, wanted=not wanted)
            case Null():
                return _tested(table, tree, wanted=wanted)
        codes = codes_of(tree.column)
        if codes is None:
            return _tested(table, tree, wanted=wanted)
        if isinstance(tree, Comparison) and tree.op == "!=":  # of several items none may be it
            return rows(replace(tree, op="="), wanted=not wanted)
        has_N = codes.rows_with(_codes_that_pass(codes, tree))
        return has_N if wanted else codes.are_known() & ~has_N

    return rows(where, wanted=True)


def _tested(table: pl.DataFrame, where: Filter, *, wanted: bool) -> np.ndarray:
    """Return the rows of which polars finds a filter true, or, where not wanted, false."""
    passes = table.select(to_polars(where, table.schema).alias("passes"))["passes"]
    return (passes if wanted else ~passes).fill_null(False).to_numpy()


def repeats(column: pl.Series) -> bool:
    """Return whether a column has texts that mostly stand more than once."""
    some = column.head(FEWEST_ROWS)
    if isinstance(some.dtype, pl.List):
        some = some.explode()
    if some.dtype not in TEXTS:
        return False
    some = some.drop_nulls()
    return some.n_unique() * 2 <= max(1, len(some))


def _codes_that_pass(codes: ColumnCodes, test: Test) -> np.ndarray:
    """Return the codes of the values that pass a test, int64."""
    match test:
        case Comparison(op="=", value=value):
            return codes.codes_of([value])
        case In(values=values):
            return codes.codes_of(values)
    each = pl.DataFrame({test.column: pl.Series(codes.values, dtype=pl.String)})
    passes = each.select(to_polars(test, each.schema).alias("passes"))["passes"]
    return np.flatnonzero(passes.fill_null(False).to_numpy())
