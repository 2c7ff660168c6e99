"""Filters of a large table: texts are tested once a value, not once a row.

Folding a million texts takes a fifth of a second for each test, and most columns that filters name
have few different ones. So a test of such a column is made on its values, and rows take the answer
of theirs; everything else is tested by polars as in a small table.

Shapes: N rows, V values of a column.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from windowshop.data import TEXTS, Comparison, Filter, Test, columns_of, to_polars, with_tests
from windowshop.index.catalogue.codes import ColumnCodes

FEWEST_ROWS = 20_000
"""Smaller tables are tested row by row, and as many rows tell whether values repeat."""
ANSWER = "_passes {}"
"""Column with the answers of a test."""


def passing(table: pl.DataFrame, where: Filter) -> np.ndarray:
    """Return which rows pass a filter, bool (N,); raises FilterError for one that unfits."""
    passes = table.select(to_polars(where, table.schema).alias("passes"))["passes"]
    return passes.fill_null(False).to_numpy()


def passing_by_values(
    table: pl.DataFrame, where: Filter, codes_of: Callable[[str], ColumnCodes]
) -> np.ndarray:
    """Return the same of a table whose columns have codes; for `category`, those of all paths."""
    if len(table) < FEWEST_ROWS:
        return passing(table, where)
    answers: list[pl.Series] = []

    def answered(test: Test) -> Filter:
        if not _repeats(table, test.column):
            return test
        name = ANSWER.format(len(answers))
        answers.append(_rows_that_pass(codes_of(test.column), test).alias(name))
        return Comparison(name, "=", True)

    to_polars(where, table.schema)  # refuses what does not fit
    where = with_tests(where, answered)
    others = [table[name] for name in sorted(columns_of(where)) if name in table.columns]
    return passing(pl.DataFrame([*others, *answers]), where)


def _repeats(table: pl.DataFrame, name: str) -> bool:
    """Return whether a column has texts that mostly stand more than once."""
    some = table[name].head(FEWEST_ROWS)
    if isinstance(some.dtype, pl.List):
        some = some.explode()
    if some.dtype not in TEXTS:
        return False
    some = some.drop_nulls()
    return some.n_unique() * 2 <= max(1, len(some))


def _rows_that_pass(codes: ColumnCodes, test: Test) -> pl.Series:
    """Answer a test for each row; of several items any may pass, and none may with `!=`."""
    if isinstance(test, Comparison) and test.op == "!=":
        return ~_rows_that_pass(codes, replace(test, op="="))
    values = pl.DataFrame({test.column: pl.Series(codes.values, dtype=pl.String)})
    passes = values.select(to_polars(test, values.schema).alias("passes"))["passes"]
    return codes.rows_with(passes.fill_null(False).to_numpy())
