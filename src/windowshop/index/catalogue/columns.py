"""Columns of an online catalogue: products by key, for filters, facets and sorting.

Rows are only added: a product that changes gets a new row, whose number is its key, and its
previous row dies. Rows lie in a large table and a small one after it, so a write copies little.

Shapes: B products of a change, N keys given out so far, C candidates.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from windowshop.data import (
    CATEGORY_PATHS,
    And,
    Filter,
    columns_of,
)
from windowshop.engines import Allowed
from windowshop.errors import DataError, FilterError
from windowshop.index.catalogue.codes import Coded, ColumnCodes, as_numbers, listed
from windowshop.index.catalogue.protocols import Living, ProductColumns
from windowshop.index.catalogue.text_filters import passing, passing_by_values, repeats
from windowshop.index.rows import check_product_ids, fitted, joined, types_of

GROUP, VERSION = "group_id", "_version"
"""Columns of the group of variants, and of the number of the record that a row was made of."""
TAIL_ROWS = 20_000
TAIL_CHUNKS = 64
"""Limits of the small table: beyond, it joins the large one, or is rechunked."""
KEPT_MASKS, KEPT_BYTES = 64, 16 << 20
"""Most filters, and most bytes, of cached bitmaps of the large table."""
KEPT_ROWS = 10_000
"""Most products that are cached as plain values."""
MASK_ROWS = 100_000
"""Up to so many products, a filter is cached as a bitmap even to test a few products."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Tables with the rows of a change, before readers see them."""

    large: pl.DataFrame
    small: pl.DataFrame
    rows: pl.DataFrame
    """Rows of the change, with the catalogue's columns and types."""

    @property
    def ids(self) -> list[str]:
        """Product ids of the change."""
        return self.rows["product_id"].to_list()


class Columns(ProductColumns):
    """Product rows by key; the caller lets many read, or one `commit` or `remove`."""

    def __init__(self, table: pl.DataFrame, alive_N: np.ndarray) -> None:
        """Take every row ever added, in the order of keys, and which of them live."""
        self._large, self._small, self._types = table, table.clear(), types_of(table)
        self._schema = pl.Schema(self._types)
        self._alive_N = alive_N.copy()
        self._ids: list[str] = table["product_id"].to_list()
        self._key = dict(zip(self._ids, range(len(table)), strict=True))
        self._masks: OrderedDict[str, np.ndarray] = OrderedDict()
        self._records: dict[int, dict[str, Any]] = {}
        self._numbers: dict[str, np.ndarray] = {}
        """Columns of the large table as float64."""
        self._codes: dict[str, ColumnCodes] = {}
        self._repeats: dict[str, bool] = {}
        """Columns of the large table as numbers of their values."""
        self._grouping = threading.Lock()
        self._group: dict[str, int] = {}
        self._group_N = np.zeros(0, dtype=np.int64)
        """Group numbers of the keys that `groups` has seen."""

    @property
    def num_keys(self) -> int:
        """Number of keys given out; the next row gets this one."""
        return len(self._large) + len(self._small)

    @property
    def names(self) -> list[str]:
        """Columns that some product ever had."""
        return self._large.columns

    @property
    def alive_N(self) -> np.ndarray:
        """Whether each key is a product now, bool; do not write to it."""
        return self._alive_N

    def __len__(self) -> int:
        """Return the number of products."""
        return int(np.count_nonzero(self._alive_N))

    def __contains__(self, product_id: str) -> bool:
        """Return whether there is such a product."""
        key = self._key.get(product_id)
        return key is not None and bool(self._alive_N[key])

    @property
    def numbering(self) -> object:
        """Object that is another one where keys mean other products: after a rebuild."""
        return self

    @property
    def schema(self) -> pl.Schema:
        """Columns with their types."""
        return self._schema

    def living(self) -> Living:
        """Return the products, without rows that died."""
        return Living(np.flatnonzero(self._alive_N), self.table().filter(self._alive_N))

    def added(self, since: int) -> Living:
        """Return the rows of the keys from one on, those that died since too."""
        keys = np.arange(since, self.num_keys, dtype=np.int64)
        return Living(keys, self.rows(keys))

    def are_living(self, keys: np.ndarray) -> np.ndarray:
        """Return which keys are of a product now, bool."""
        living: np.ndarray = self._alive_N[keys]
        return living

    def table(self) -> pl.DataFrame:
        """Return every row ever added, dead ones too, in the order of keys."""
        return pl.concat([self._large, self._small])

    def prepare(self, products: pl.DataFrame) -> Prepared:
        """Append rows to copies of the tables; raises DataError where a row does not fit."""
        check_product_ids(products)
        schema = joined(self._types, types_of(products))
        large, small, rows = self._large, self._small, fitted(products, schema)
        if schema != self._types:
            large, small = fitted(large, schema), fitted(small, schema)
        small = small.vstack(rows)
        if len(small) > max(TAIL_ROWS, len(large) // 20):
            return Prepared(large.vstack(small).rechunk(), small.clear(), rows)
        if small.n_chunks() > TAIL_CHUNKS:
            small = small.rechunk()
        return Prepared(large, small, rows)

    def commit(self, prepared: Prepared) -> np.ndarray:
        """Show prepared rows to readers; returns the keys of the rows that they replace, int64."""
        first = self.num_keys
        if prepared.large is not self._large:
            self._masks.clear()
            self._numbers.clear()
            self._codes.clear()
            self._repeats.clear()
            self._records.clear()  # there may be new columns
            self._types = types_of(prepared.large)
            self._schema = pl.Schema(self._types)
        self._large, self._small = prepared.large, prepared.small
        old = [self._key[name] for name in prepared.ids if name in self]
        self._alive_N = np.concatenate([self._alive_N, np.ones(len(prepared.ids), dtype=bool)])
        self._alive_N[old] = False
        self._key.update(zip(prepared.ids, range(first, self.num_keys), strict=True))
        self._ids.extend(prepared.ids)
        return np.array(old, dtype=np.int64)

    def remove(self, product_ids: tuple[str, ...]) -> np.ndarray:
        """Mark products as dead; returns their keys, int64, unknown products left out."""
        keys = [self._key[name] for name in dict.fromkeys(product_ids) if name in self]
        self._alive_N = self._alive_N.copy()
        self._alive_N[keys] = False
        return np.array(keys, dtype=np.int64)

    def allowed(self, where: Filter | None, *further: Filter) -> Allowed:
        """Return which living products pass every filter; raises FilterError for one that unfits.

        Bitmaps of each are cached by themselves.
        """
        if further:
            trees = further if where is None else (where, *further)
            masks = [self.allowed(tree).mask_N for tree in trees]
            return Allowed(np.logical_and.reduce(masks), And(trees))
        if where is None:
            return Allowed(self._alive_N)
        if not self.num_keys:
            raise FilterError("The catalogue is empty, so it has no columns. Add products first.")
        # Engines know one category a product.
        is_split = CATEGORY_PATHS in self._large.columns and CATEGORY_PATHS in columns_of(where)
        return Allowed(self._mask(where) & self._alive_N, None if is_split else where)

    def matching(self, trees: Sequence[Filter], keys_C: np.ndarray) -> np.ndarray:
        """Return which of the given keys live and pass each filter, bool (filters, C)."""
        if self.num_keys <= MASK_ROWS:
            rows = [self._mask(tree)[keys_C] for tree in trees]
        else:
            table = self.select(keys_C, sorted(set().union(*map(columns_of, trees))))
            rows = [passing(table, tree) for tree in trees]
        passes_TC = np.array(rows, dtype=bool).reshape(len(trees), len(keys_C))
        passes_TC &= self._alive_N[keys_C]
        return passes_TC

    def ids(self, keys: np.ndarray) -> list[str]:
        """Return the product ids of keys."""
        return [self._ids[key] for key in keys.tolist()]

    def keys(self, product_ids: list[str]) -> np.ndarray:
        """Return last keys of products, int64, deleted ones too; raises DataError for others."""
        unknown = [product_id for product_id in product_ids if product_id not in self._key]
        if unknown:
            raise DataError(f"There is no product {unknown[0]!r}. Search again.")
        return np.array([self._key[product_id] for product_id in product_ids], dtype=np.int64)

    def records(self, keys: np.ndarray) -> list[dict[str, Any]]:
        """Return the values of keys that are not null, without columns that begin with _ (ours).

        Records are cached, so do not write to them.
        """
        kept = {key: row for key in keys.tolist() if (row := self._records.get(key)) is not None}
        missing = [key for key in keys.tolist() if key not in kept]
        if missing:
            names = [name for name in self.names if not name.startswith("_")]
            rows = self.select(np.array(missing, dtype=np.int64), names).iter_rows(named=True)
            held = ({name: v for name, v in row.items() if v is not None} for row in rows)
            read = dict(zip(missing, held, strict=True))
            if len(self._records) + len(read) > KEPT_ROWS:
                self._records.clear()
            self._records.update(read)
            kept |= read
        return [kept[key] for key in keys.tolist()]

    def select(self, keys: np.ndarray, names: Iterable[str]) -> pl.DataFrame:
        """Return some columns of keys, in the given order; unknown columns are absent."""
        return self._gather(keys, [name for name in names if name in self._large.columns])

    def numbers(self, keys_C: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return numbers and moments of keys, float64 (C,); NaN is unknown.

        Columns are held as arrays from the first call on; unknown columns are absent.
        """
        num_large, known = len(self._large), self.names
        in_large = keys_C < num_large
        found = {}
        for name in dict.fromkeys(names):
            if name not in known:
                continue
            if name not in self._numbers:
                self._numbers[name] = as_numbers(self._large[name])
            if in_large.all():
                found[name] = self._numbers[name][keys_C]
                continue
            values_C = np.empty(len(keys_C))
            values_C[in_large] = self._numbers[name][keys_C[in_large]]
            values_C[~in_large] = as_numbers(self._small[name][keys_C[~in_large] - num_large])
            found[name] = values_C
        return found

    def codes(self, keys_C: np.ndarray, name: str) -> Coded:
        """Return the values of keys in a column of theirs; all paths of the category.

        The column is held as numbers from the first call on. Raises SearchError where it holds
        more than single values and lists of them.
        """
        held = self._codes_of(name)
        in_large = keys_C < len(self._large)
        if in_large.all():
            return held.of(keys_C)
        places_C = np.flatnonzero(~in_large)
        rows = self._small[keys_C[places_C] - len(self._large)]
        few = ColumnCodes(listed(rows, name)).of(np.arange(len(rows)))
        further = Coded(few.values, places_C[few.places_I], few.codes_I)
        return held.joined(keys_C[in_large], np.flatnonzero(in_large), further)

    def versions(self, product_ids: Sequence[str]) -> list[int | None]:
        """Return the versions of products; None for one that is not there."""
        keys = [self._key[name] if name in self else None for name in product_ids]
        known = np.array([key for key in keys if key is not None], dtype=np.int64)
        held = iter(self.versions_of(known))
        return [None if key is None else next(held) for key in keys]

    def versions_of(self, keys: np.ndarray) -> list[int]:
        """Return the versions of keys."""
        if not len(keys):
            return []
        large, small = self._large[VERSION], self._small[VERSION]
        first = len(large)
        return [large[key] if key < first else small[key - first] for key in keys.tolist()]

    def groups(self, keys_C: np.ndarray) -> np.ndarray:
        """Return the group of variants of each key as the group's first key, int64 (C,).

        A product without a group is a group of its own.
        """
        with self._grouping:
            start = len(self._group_N)
            if start < self.num_keys:
                new = np.arange(start, self.num_keys)
                names: Iterable[object] = [None] * len(new)
                if GROUP in self._large.columns:
                    names = self._gather(new, [GROUP])[GROUP].cast(pl.String)
                numbers = [
                    key if name is None else self._group.setdefault(str(name), key)
                    for key, name in zip(new.tolist(), names, strict=True)
                ]
                self._group_N = np.append(self._group_N, np.array(numbers, dtype=np.int64))
            numbers_N = self._group_N
        of_keys_C: np.ndarray = numbers_N[keys_C]
        return of_keys_C

    def variants(self, key: int) -> np.ndarray:
        """Return the keys of a product's group, its own too, int64."""
        group_N = self.groups(np.arange(self.num_keys))
        return np.flatnonzero(group_N == group_N[key])

    def bounds(self, allowed: Allowed, name: str) -> tuple[float | None, float | None]:
        """Return the lowest and the highest number of a column; None where there is none."""
        number_C = self.numbers(allowed.keys(), [name]).get(name, np.zeros(0))
        number_C = number_C[np.isfinite(number_C)]
        return (float(number_C.min()), float(number_C.max())) if len(number_C) else (None, None)

    def _mask(self, where: Filter) -> np.ndarray:
        """Return which rows pass a filter, dead ones too, bool (N,); do not write to it."""
        key = repr(where)  # true and 1 differ there
        kept_N = self._masks.get(key)
        if kept_N is None:
            kept_N = passing_by_values(self._large, where, self._codes_of_texts)
            self._masks[key] = kept_N
            while len(self._masks) > max(KEPT_MASKS, KEPT_BYTES // max(1, len(kept_N))):
                self._masks.popitem(last=False)
        if len(self._small):
            kept_N = np.concatenate([kept_N, passing(self._small, where)])
        return kept_N

    def _codes_of(self, name: str) -> ColumnCodes:
        held = self._codes.get(name)
        if held is None:
            held = self._codes[name] = ColumnCodes(listed(self._large, name))
        return held

    def _codes_of_texts(self, name: str) -> ColumnCodes | None:
        if name not in self._repeats:
            self._repeats[name] = repeats(self._large[name])
        return self._codes_of(name) if self._repeats[name] else None

    def _gather(self, keys: np.ndarray, columns: list[str]) -> pl.DataFrame:
        in_large = keys < len(self._large)
        if in_large.all():
            return self._large[columns][keys]
        parts = [
            self._large.select(columns)[keys[in_large]],
            self._small.select(columns)[keys[~in_large] - len(self._large)],
        ]
        places = np.concatenate([np.flatnonzero(in_large), np.flatnonzero(~in_large)])
        return pl.concat(parts)[np.argsort(places)]
