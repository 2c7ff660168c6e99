"""A column's values as numbers, by which they are counted without reading them again.

Texts that fold to one form are one value, shown as most rows have it.

Shapes: N rows of the column, C rows asked for, I their items: values that are not null, of a list
each one once.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import csc_array, csr_array

from windowshop.data import CATEGORY_PATHS, TEXTS, cut_paths, every_path, fold, fold_column
from windowshop.errors import SearchError

CATEGORY = "category"
MOST_LISTED = 100
"""Codes whose rows are listed one after the other."""
LEVEL = re.compile(r"category\.lvl(\d)")
"""Name of a level of the category, counted from 0."""


@dataclass(frozen=True, slots=True)
class Coded:
    """The items of some rows."""

    values: Sequence[Any]
    """Values of the column in order, other rows' too."""
    places_I: np.ndarray
    """Place of each item's row among the rows asked for, rising, int64."""
    codes_I: np.ndarray
    """Place of each item in `values`, int64."""


class ColumnCodes:
    """All items of a column; raises SearchError where its values are no single ones."""

    def __init__(self, column: pl.Series) -> None:
        items = pl.DataFrame({"value": column}).with_row_index("row")
        if isinstance(column.dtype, pl.List):
            items = items.explode("value")
        if items["value"].dtype in TEXTS:
            items = _in_one_form(items)
        if isinstance(column.dtype, pl.List):
            items = items.unique(["row", "value"], maintain_order=True)
        if items["value"].dtype.is_nested() or items["value"].dtype == pl.Object:
            raise SearchError(f"Column {column.name!r} holds {column.dtype}; it cannot be counted.")
        if items["value"].dtype.is_float():
            items = items.with_columns(pl.col("value").fill_nan(None))
        items = items.drop_nulls("value")
        known = items.select(pl.col("value").unique().sort()).with_row_index("code")
        codes = items.join(known, on="value", how="left", maintain_order="left", nulls_equal=True)
        self.values: list[Any] = known["value"].to_list()
        self._codes_I = codes["code"].cast(pl.Int32).to_numpy()
        counts_N = np.bincount(items["row"].to_numpy(), minlength=len(column))
        self._start_N1 = np.concatenate([[0], np.cumsum(counts_N)]).astype(np.int32)

    def of(self, rows_C: np.ndarray) -> Coded:
        """Return the items of rows, int64 (C,)."""
        start_C = self._start_N1[rows_C]
        length_C = self._start_N1[rows_C + 1] - start_C
        places_I = np.repeat(np.arange(len(rows_C)), length_C)
        before_C = np.cumsum(length_C) - length_C
        items_I = np.arange(len(places_I)) + np.repeat(start_C - before_C, length_C)
        return Coded(self.values, places_I, self._codes_I[items_I].astype(np.int64))

    def codes_of(self, values: Iterable[Any]) -> np.ndarray:
        """Return the codes of values, however they are written, int64; those it lacks are none."""
        found = (self._code_of_form.get(form_of(value)) for value in values)
        return np.unique(np.array([code for code in found if code is not None], dtype=np.int64))

    def rows_with(self, codes: np.ndarray) -> np.ndarray:
        """Return which rows have an item of some codes, bool (N,)."""
        listed = self._rows_by_code
        rows_N = np.zeros(listed.shape[0], dtype=bool)
        if len(codes) > MOST_LISTED:
            listed = listed[:, codes]
            rows_N[listed.indices] = True
            return rows_N
        for code in codes.tolist():
            rows_N[listed.indices[listed.indptr[code] : listed.indptr[code + 1]]] = True
        return rows_N

    def are_known(self) -> np.ndarray:
        """Return which rows have any item, bool (N,)."""
        known_N: np.ndarray = self._start_N1[1:] > self._start_N1[:-1]
        return known_N

    @cached_property
    def _rows_by_code(self) -> csc_array:
        """Rows of each code, in the place of the ones of a table (N, V)."""
        ones_I = np.ones(len(self._codes_I), dtype=bool)
        shape = (len(self._start_N1) - 1, len(self.values))
        return csr_array((ones_I, self._codes_I, self._start_N1), shape).tocsc()

    @cached_property
    def _code_of_form(self) -> dict[Any, int]:
        return {form_of(value): code for code, value in enumerate(self.values)}

    def joined(self, rows_C: np.ndarray, places_C: np.ndarray, further: Coded) -> Coded:
        """Return the items of rows that stand at some places, and those of another table's rows.

        The further ones have their places already.
        """
        own, known = self.of(rows_C), self._code_of_form
        added = {further.values[c] for c in np.unique(further.codes_I)}
        new = sorted(value for value in added if form_of(value) not in known)
        values: Sequence[Any] = self.values
        if new:
            values = sorted([*self.values, *new])
            known = {form_of(value): code for code, value in enumerate(values)}
            to_new = np.array([known[form_of(value)] for value in self.values], dtype=np.int64)
            own = Coded(values, own.places_I, to_new[own.codes_I])
        codes = [known.get(form_of(value), -1) for value in further.values]
        places_I = np.concatenate([places_C[own.places_I], further.places_I])
        further_I = np.array(codes, dtype=np.int64)[further.codes_I]
        codes_I = np.concatenate([own.codes_I, further_I])
        order = np.argsort(places_I, kind="stable")
        return Coded(values, places_I[order], codes_I[order])


def form_of(value: Any) -> Any:  # noqa: ANN401
    """Return the form in which values are compared: a text folded, another one as it is."""
    return fold(value) if isinstance(value, str) else value


def _in_one_form(items: pl.DataFrame) -> pl.DataFrame:
    """Replace texts that fold to one form by the commonest of them."""
    items = items.with_columns(pl.col("value").cast(pl.String))
    counts = items.drop_nulls("value").group_by("value").len()
    forms = counts.with_columns(fold_column(counts["value"]).alias("form"))
    if forms["form"].n_unique() == len(forms):
        return items
    ordered = forms.sort("len", "value", descending=[True, False])
    shown = ordered.with_columns(pl.col("value").first().over("form").alias("shown"))
    joined = items.join(shown.select("value", "shown"), "value", "left", maintain_order="left")
    return joined.select("row", value="shown")


def stored_name(name: str) -> str:
    """Return the column that holds what a name stands for: levels of the category lie in it."""
    return CATEGORY if LEVEL.fullmatch(name) else name


def listed(table: pl.DataFrame, name: str) -> pl.Series:
    """Return a column to count or to pick in; all paths of the category, not the first alone."""
    if level := LEVEL.fullmatch(name):
        return cut_paths(listed(table, CATEGORY), int(level[1]) + 1).alias(name)
    if name == CATEGORY and isinstance(table.schema.get(CATEGORY_PATHS), pl.List):
        return every_path(table)
    return table[name]


def as_numbers(column: pl.Series) -> np.ndarray:
    """Return numbers and moments as float64; NaN is unknown."""
    if column.dtype.is_temporal():
        column = column.to_physical()
    return column.cast(pl.Float64, strict=False).to_numpy()
