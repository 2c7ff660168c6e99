"""Protocols of what a search reads: columns of products by key, and their vectors.

Each channel of a search fetches its best products under a filter; what is counted, sorted and
paged is read from the columns by the keys of these.

Shapes: C keys, D width of a vector, Q queries.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from windowshop.data import CATEGORY, CATEGORY_PATHS, Filter
from windowshop.engines import Allowed, Neighbours
from windowshop.index.catalogue.codes import Coded, ColumnCodes, as_numbers, listed, stored_name


@dataclass(frozen=True, slots=True)
class Living:
    """Products with their keys, in the order of keys."""

    keys: np.ndarray
    """int64."""
    table: pl.DataFrame
    """All columns, a row a key."""


class ProductColumns(Protocol):
    """Columns of a catalogue by key; a product that changes gets a new key, above all others.

    Those of stores subclass it: reads that `select` and `added` answer are here.
    """

    @property
    def num_keys(self) -> int:
        """Number of keys given out; the next row gets this one."""
        ...

    @property
    def numbering(self) -> object:
        """Object that is another one where keys mean other products: after a rebuild."""
        ...

    @property
    def names(self) -> list[str]:
        """Columns that some product ever had."""
        return list(self.schema)

    @property
    def schema(self) -> pl.Schema:
        """Columns with their types."""
        ...

    def __len__(self) -> int:
        """Return the number of products."""
        ...

    def __contains__(self, product_id: str) -> bool:
        """Return whether there is such a product."""
        ...

    def table(self) -> pl.DataFrame:
        """Return every row that has a key, in the order of keys."""
        return self.living().table

    def living(self) -> Living:
        """Return the products, without rows that died."""
        return self.added(0)

    def added(self, since: int) -> Living:
        """Return rows of the keys from one on; those that died since may be among them."""
        ...

    def are_living(self, keys: np.ndarray) -> np.ndarray:
        """Return which keys are of a product now, bool."""
        ...

    def allowed(self, where: Filter | None, *further: Filter) -> Allowed:
        """Return which products pass every filter; raises FilterError for one that unfits."""
        ...

    def matching(self, trees: Sequence[Filter], keys_C: np.ndarray) -> np.ndarray:
        """Return which of the given keys live and pass each filter, bool (filters, C)."""
        ...

    def ids(self, keys: np.ndarray) -> list[str]:
        """Return the product ids of keys."""
        ...

    def keys(self, product_ids: list[str]) -> np.ndarray:
        """Return keys of products, int64; raises DataError for unknown ones."""
        ...

    def rows(self, keys: np.ndarray) -> pl.DataFrame:
        """Return the rows of keys, in the given order, with all columns."""
        return self.select(keys, self.names)

    def records(self, keys: np.ndarray) -> list[dict[str, Any]]:
        """Return the values of keys that are not null, without columns that begin with _ (ours)."""
        rows = self.select(keys, [name for name in self.names if not name.startswith("_")])
        return [
            {name: value for name, value in row.items() if value is not None}
            for row in rows.iter_rows(named=True)
        ]

    def select(self, keys: np.ndarray, names: Iterable[str]) -> pl.DataFrame:
        """Return some columns of keys, in the given order; unknown columns are absent."""
        ...

    def numbers(self, keys_C: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return numbers and moments of keys, float64 (C,); NaN is unknown."""
        table = self.select(keys_C, dict.fromkeys(names))
        return {column.name: as_numbers(column) for column in table.get_columns()}

    def codes(self, keys_C: np.ndarray, name: str) -> Coded:
        """Return the values of keys in a column of theirs; all paths of the category.

        Raises SearchError where it holds more than single values and lists of them.
        """
        stored = stored_name(name)
        names = (stored, CATEGORY_PATHS) if stored == CATEGORY else (stored,)
        return ColumnCodes(listed(self.select(keys_C, names), name)).of(np.arange(len(keys_C)))

    def is_number(self, name: str) -> bool:
        """Return whether a column of theirs holds numbers."""
        dtype = self.schema.get(name)
        return dtype is not None and dtype.is_numeric()

    def bounds(self, allowed: Allowed, name: str) -> tuple[float | None, float | None]:
        """Return the lowest and the highest number of a column; None where there is none."""
        ...

    def groups(self, keys_C: np.ndarray) -> np.ndarray:
        """Return a number for the group of variants of each key, int64 (C,)."""
        ...

    def variants(self, key: int) -> np.ndarray:
        """Return the keys of a product's group, its own too, int64."""
        ...


class VectorSearch(Protocol):
    """Search of products by vector."""

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """Return the k nearest keys to each query by cosine, (Q, K); key -1 where fewer exist."""
        ...

    def vectors(self, keys: np.ndarray, name: str = "fused") -> np.ndarray:
        """Return the unit vectors of keys, float32 (len, D); zeros for one without."""
        ...
