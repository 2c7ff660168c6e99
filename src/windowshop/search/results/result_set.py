"""Set of results that is counted in facets, sorted, collapsed and paged.

The set is the candidates left after the cut-off. Facet filters narrow it, and every count, order
and page is of that one set, so totals are true.

Shapes: M products of the set, P of them that pass all facet filters, R ranked ones, G groups.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from windowshop.data import fold_column
from windowshop.errors import SearchError
from windowshop.index import ProductColumns
from windowshop.search.answer import Facet, NumberFacet
from windowshop.search.request import Condition, FacetFilter, Sort
from windowshop.search.results.facet_filters import narrowed, passing, require_columns
from windowshop.search.results.facets import count_numbers, count_values
from windowshop.search.results.pins import Pin, rows_of, with_pins


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive results of a ranking."""

    keys: np.ndarray
    scores: np.ndarray
    group_sizes: np.ndarray
    """Products of each result's group that pass the facet filters, itself included."""
    plain_places: np.ndarray
    """Place of each result without diversity, from 1."""
    offset: int
    total: int
    """Results over all pages: groups where they are collapsed, else products."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Every result in order."""

    rows: np.ndarray
    """Rows of the set, int64 (R,)."""
    keys: np.ndarray
    scores: np.ndarray
    group_sizes: np.ndarray
    plain_places: np.ndarray
    """Place of each result without diversity, from 1."""
    total_products: int
    total_groups: int

    def page(self, offset: int, limit: int) -> Page:
        """Return at most `limit` results after the first `offset`; raises SearchError."""
        if offset < 0 or limit < 1:
            raise SearchError(
                f"Page of offset={offset}, limit={limit}: offset starts at 0, limit at 1."
            )
        part = slice(offset, offset + limit)
        return Page(
            self.keys[part],
            self.scores[part],
            self.group_sizes[part],
            self.plain_places[part],
            offset,
            len(self.rows),
        )


@dataclass(frozen=True, eq=False)
class ResultSet:
    """Products in order of relevance, with their columns and the facet filters."""

    keys: np.ndarray
    """int64 (M,), each once."""
    scores: np.ndarray
    """(M,)."""
    table: ProductColumns
    """ProductColumns of the catalogue by key."""
    facet_filters: Mapping[str, FacetFilter] = field(default_factory=dict)
    """Facet filters by column."""
    narrow: Sequence[Sequence[Condition]] = ()
    """Filters that every count keeps to."""
    _passing: dict[str, np.ndarray] = field(init=False, repr=False)
    _narrowed: np.ndarray = field(init=False, repr=False)
    _groups: np.ndarray = field(init=False, repr=False)
    """Groups numbered from 0."""

    def __post_init__(self) -> None:
        """Check alignment and apply the facet filters."""
        assert len(self.keys) == len(self.scores), "one score a key"
        found = passing(self.table, self.keys, self.facet_filters)
        object.__setattr__(self, "_passing", found)
        kept_M = narrowed(self.table, self.keys, self.narrow)
        object.__setattr__(self, "_narrowed", kept_M)
        numbered = np.unique(self.table.groups(self.keys), return_inverse=True)[1]
        object.__setattr__(self, "_groups", numbered)

    def facet(self, column: str, limit: int = 10) -> Facet:
        """Count a column's values among products that pass the facet filters of other columns."""
        require_columns(self.table, [column])
        items, wanted = self.table.codes(self.keys, column), self.facet_filters.get(column)
        passes_M = self._passes(without=column)
        return count_values(column, items, passes_M, self._groups, limit, wanted)

    def numbers(self, column: str, num_bins: int = 10) -> NumberFacet:
        """Bin a column's numbers among products that pass the facet filters of other columns."""
        require_columns(self.table, [column])
        if not self.table.is_number(column):
            raise SearchError(f"Column {column!r} does not hold numbers.")
        numbers_M = self.table.numbers(self.keys, [column])[column]
        return count_numbers(column, numbers_M[self._passes(without=column)], num_bins)

    def ranking(
        self,
        *,
        sort: tuple[Sort, ...] = (),
        collapse: bool = True,
        diversify: Callable[[np.ndarray], np.ndarray] | None = None,
        pins: tuple[Pin, ...] = (),
    ) -> Ranking:
        """Sort, collapse, diversify and pin the products that pass every facet filter.

        Equals are ordered by relevance, then by key. A group is represented by its first product.
        `diversify` orders rows of the set; it and pins apply without `sort` only, and pins stand
        outside it and represent their group.
        """
        rows = np.flatnonzero(self._passes())
        total_products = len(rows)
        sizes_G = np.bincount(self._groups[rows])
        total_groups = int(np.count_nonzero(sizes_G))
        places: dict[int, int] = {}
        if sort:
            rows = self._sorted(rows, sort)
        else:
            places = _pin_places(pins, self.keys, rows)
        pinned = np.array(list(places), dtype=np.int64)
        rows = np.concatenate([pinned, rows[~np.isin(rows, pinned)]])
        if collapse:
            first = np.unique(self._groups[rows], return_index=True)[1]
            rows = rows[np.sort(first)]
        is_pinned = np.isin(rows, pinned)
        pinned, rows = rows[is_pinned], rows[~is_pinned]
        at = [places[row] for row in pinned.tolist()]
        plain = with_pins(rows, pinned, at)
        if diversify is not None and not sort:
            rows = diversify(rows)
        rows = with_pins(rows, pinned, at)
        plain_places_M = np.zeros(len(self.keys), dtype=np.int64)
        plain_places_M[plain] = np.arange(1, len(plain) + 1)
        return Ranking(
            rows,
            self.keys[rows],
            self.scores[rows],
            sizes_G[self._groups[rows]],
            plain_places_M[rows],
            total_products,
            total_groups,
        )

    def _passes(self, without: str | None = None) -> np.ndarray:
        """Return which pass every facet filter but the one of the column `without`, bool (M,)."""
        passes_M = self._narrowed.copy()
        for column, own_M in self._passing.items():
            if column != without:
                passes_M &= own_M
        return passes_M

    def _sorted(self, rows: np.ndarray, sort: tuple[Sort, ...]) -> np.ndarray:
        require_columns(self.table, [by.column for by in sort])
        columns = self.table.select(self.keys[rows], {by.column for by in sort})
        frame = pl.DataFrame({"row": rows})
        for i, by in enumerate(sort):
            column = columns[by.column]
            if column.dtype.is_nested():
                raise SearchError(f"Column {by.column!r} holds {column.dtype}; it has no order.")
            if column.dtype.is_float():
                column = column.fill_nan(None)
            if column.dtype == pl.String:
                column = fold_column(column)
            frame = frame.with_columns(column.alias(f"by{i}"))
        ordered: np.ndarray = frame.sort(
            [f"by{i}" for i in range(len(sort))],
            descending=[by.descending for by in sort],
            nulls_last=True,
            maintain_order=True,
        )["row"].to_numpy()
        return ordered


def _pin_places(pins: Sequence[Pin], keys_M: np.ndarray, rows: np.ndarray) -> dict[int, int]:
    """Return row -> place, by rising place, of the pinned products among `rows`."""
    row_of = rows_of(pins, keys_M[rows])
    places: dict[int, int] = {}
    for pin in sorted(pins, key=lambda pin: pin.place):
        if pin.key in row_of:
            places.setdefault(int(rows[row_of[pin.key]]), pin.place)
    return places
