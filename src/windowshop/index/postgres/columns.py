"""Columns of a catalogue in PostgreSQL, as a search reads them.

Shapes: B products, C keys.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from windowshop.data import CATEGORY, CATEGORY_PATHS, Filter
from windowshop.engines import Allowed, best
from windowshop.errors import DataError
from windowshop.index.catalogue.codes import Coded, ColumnCodes, listed, stored_name
from windowshop.index.catalogue.columns import as_numbers
from windowshop.index.catalogue.protocols import Living
from windowshop.index.postgres.connect import Reader
from windowshop.index.postgres.filters import ALL, Condition, joined, to_sql
from windowshop.index.postgres.schema import DOUBLE, WHOLE, Generation, columns_of_types
from windowshop.index.rows import from_texts

FEW = 20_000
"""Up to so many allowed products, their keys are fetched instead of asked for."""
ASKED = 1_000
"""Candidates asked for at first; each time twice as many."""
AMONG = "key = ANY(%s::bigint[])"


class ServerColumns:
    """Columns of one generation at one moment; many threads may read."""

    def __init__(self, reader: Reader, generation: Generation, numbering: object) -> None:
        self._reader, self.generation = reader, generation
        self._columns = columns_of_types(generation.types)
        self._allowed: dict[str, ServerAllowed] = {}
        """Products that pass each filter, which several steps of a search ask for."""
        self.numbering = numbering
        """Object of the generation: its keys are never given to others."""

    @property
    def num_keys(self) -> int:
        """Number of keys given out; the next row gets this one."""
        return self.generation.num_keys

    @property
    def names(self) -> list[str]:
        """Columns that some product ever had."""
        return list(self.generation.types)

    @property
    def schema(self) -> pl.Schema:
        """Columns with their types."""
        return pl.Schema(self.generation.types)

    def __len__(self) -> int:
        """Return the number of products."""
        return self.generation.num_living

    def __contains__(self, product_id: str) -> bool:
        """Return whether there is such a product."""
        if "\0" in product_id:
            return False
        return bool(self._rows("product_id", Condition("product_id = %s", (product_id,))))

    def table(self) -> pl.DataFrame:
        """Return every product, in the order of keys."""
        return self.living().table

    def living(self) -> Living:
        """Return the products, in the order of keys."""
        return self.added(0)

    def added(self, since: int) -> Living:
        """Return the products of the keys from one on."""
        found = self._rows("key, row::text", Condition("key >= %s", (since,)), "ORDER BY key")
        table = from_texts((text for _, text in found), self.generation.types)
        return Living(np.array([key for key, _ in found], dtype=np.int64), table)

    def are_living(self, keys: np.ndarray) -> np.ndarray:
        """Return which keys are of a product now, bool."""
        return self.matching_condition(ALL, keys)

    def allowed(self, where: Filter | None, *further: Filter) -> Allowed:
        """Return which products pass every filter; raises FilterError for one that unfits."""
        trees = [tree for tree in (where, *further) if tree is not None]
        known = self._allowed.get(repr(trees))  # true and 1 differ there
        if known is None:
            tests = [to_sql(tree, self._columns) for tree in trees]
            known = ServerAllowed(self, joined(tests) if tests else None, where)
            self._allowed[repr(trees)] = known
        return known

    def matching(self, trees: Sequence[Filter], keys_C: np.ndarray) -> np.ndarray:
        """Return which of the given keys live and pass each filter, bool (filters, C)."""
        conditions = [to_sql(tree, self._columns).over("({} IS TRUE)") for tree in trees]
        passes_TC = np.zeros((len(trees), len(keys_C)), dtype=bool)
        if not len(keys_C) or not trees:
            return passes_TC
        tested = joined(conditions, ", ")
        what = Condition(f"key, {tested.sql[1:-1]}", tested.parameters)
        found = {key: passes for key, *passes in self._rows(what, _among(keys_C))}
        for place, key in enumerate(keys_C.tolist()):
            if key in found:
                passes_TC[:, place] = found[key]
        return passes_TC

    def matching_condition(self, condition: Condition, keys_C: np.ndarray) -> np.ndarray:
        """Return which of the given keys live and pass a condition, bool (C,)."""
        if not len(keys_C):
            return np.zeros(0, dtype=bool)
        found = self._rows("key", joined((_among(keys_C), condition)))
        return np.isin(keys_C, np.array([key for (key,) in found], dtype=np.int64))

    def keys_of(self, condition: Condition) -> np.ndarray:
        """Return the keys of the products that pass, int64, rising."""
        found = self._rows("key", condition, "ORDER BY key")
        return np.array([key for (key,) in found], dtype=np.int64)

    def count(self, condition: Condition) -> int:
        """Return the number of products that pass."""
        return int(self._rows("count(*)", condition)[0][0])

    def ids(self, keys: np.ndarray) -> list[str]:
        """Return the product ids of keys."""
        found = dict(self._rows("key, product_id", _among(keys))) if len(keys) else {}
        return [found[key] for key in keys.tolist()]

    def keys(self, product_ids: list[str]) -> np.ndarray:
        """Return keys of products, int64; raises DataError for unknown ones."""
        asked = [name for name in product_ids if "\0" not in name]
        among = Condition("product_id = ANY(%s::text[])", (asked,))
        found = dict(self._rows("product_id, key", among)) if asked else {}
        unknown = [name for name in product_ids if name not in found]
        if unknown:
            raise DataError(f"There is no product {unknown[0]!r}. Search again.")
        return np.array([found[name] for name in product_ids], dtype=np.int64)

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
        types = {name: held for name in names if (held := self.generation.types.get(name))}
        if not len(keys):
            return pl.DataFrame(schema=types)
        found: dict[int, str] = {}
        if len(types) == len(self.generation.types):
            found = dict(self._rows("key, row::text", _among(keys)))
        elif types:
            pairs = ", ".join(["%s::text, row -> %s::text"] * len(types))
            what = Condition(
                f"key, jsonb_build_object({pairs})::text",
                tuple(name for name in types for _ in range(2)),
            )
            found = dict(self._rows(what, _among(keys)))
        return from_texts([found.get(key, "{}") for key in keys.tolist()], types)

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
        dtype = self.generation.types.get(name)
        return dtype is not None and dtype.is_numeric()

    def bounds(self, allowed: Allowed, name: str) -> tuple[float | None, float | None]:
        """Return the lowest and the highest number of a column; None where there is none."""
        column = self._columns.get(name)
        if column is None or column.is_list or column.item not in (DOUBLE, WHOLE):
            return None, None
        assert isinstance(allowed, ServerAllowed), "products of this store"
        one = f"{column.sql}::float8"
        finite = Condition(f"{one} > '-Infinity' AND {one} < 'Infinity'")
        low, high = self._rows(f"min({one}), max({one})", joined((allowed.condition, finite)))[0]
        return low, high

    def groups(self, keys_C: np.ndarray) -> np.ndarray:
        """Return a number for the group of variants of each key, int64 (C,).

        It is the first key of the group among these.
        """
        found = dict(self._rows("key, group_id", _among(keys_C))) if len(keys_C) else {}
        first: dict[str, int] = {}
        numbers = [
            key if (group := found.get(key)) is None else first.setdefault(group, key)
            for key in keys_C.tolist()
        ]
        return np.array(numbers, dtype=np.int64)

    def variants(self, key: int) -> np.ndarray:
        """Return the keys of a product's group, its own too, int64."""
        own = f"(SELECT group_id FROM {self.generation.table} WHERE key = %s)"
        return self.keys_of(Condition(f"(group_id = {own} OR key = %s)", (key, key)))

    def _rows(self, what: str | Condition, where: Condition, order: str = "") -> list[Any]:
        wanted = Condition(what) if isinstance(what, str) else what
        return self._reader.rows(
            f"SELECT {wanted.sql} FROM {self.generation.table} WHERE {where.sql} {order}",
            [*wanted.parameters, *where.parameters],
        )


class ServerAllowed(Allowed):
    """Products that a search may return, as a condition that the server tests."""

    def __init__(
        self,
        columns: ServerColumns,
        condition: Condition | None,
        where: Filter | None,
        excluded: np.ndarray | None = None,
    ) -> None:
        """Without a condition every product is allowed; keys of `excluded` are not."""
        object.__setattr__(self, "where", where)
        held = [] if condition is None else [condition]
        if excluded is not None:
            held.append(Condition("key <> ALL(%s::bigint[])", (_array(excluded),)))
        state: Mapping[str, object] = {
            "columns": columns,
            "condition": joined(held),
            "_given": condition,
            "_excluded": excluded,
        }
        self.__dict__.update(state)

    columns: ServerColumns
    condition: Condition
    _given: Condition | None
    _excluded: np.ndarray | None

    @cached_property
    def count(self) -> int:
        """Return the number of allowed products."""
        if self.condition is ALL:
            return len(self.columns)
        return self.columns.count(self.condition)

    @cached_property
    def mask_N(self) -> np.ndarray:  # noqa: N802
        """Bool by key, for channels of others; ours ask the server."""
        mask_N = np.zeros(self.columns.num_keys, dtype=bool)
        mask_N[self.keys()] = True
        return mask_N

    def keys(self) -> np.ndarray:
        """Return the keys of the allowed products, int64, rising."""
        return self._keys

    def passes(self, keys_C: np.ndarray) -> np.ndarray:
        """Return which keys are allowed, bool (C,)."""
        if "_keys" in self.__dict__:
            return np.isin(keys_C, self._keys)
        return self.columns.matching_condition(self.condition, keys_C)

    def best(
        self, keys_C: np.ndarray, scores_C: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the k best of C candidates that are allowed, in order, equal scores by key.

        Many candidates are asked for in the order of their scores, until enough are allowed.
        """
        if len(keys_C) > ASKED and self.condition is not ALL and self.count <= FEW:
            self.keys()
        if len(keys_C) <= ASKED or "_keys" in self.__dict__:
            passes_C = self.passes(keys_C)
            return best(keys_C[passes_C], scores_C[passes_C], k)
        order = np.lexsort((keys_C, -scores_C))
        held: list[np.ndarray] = []
        start, size = 0, max(ASKED, 2 * k)
        while start < len(order) and sum(map(len, held)) < k:
            part = order[start : start + size]
            held.append(part[self.passes(keys_C[part])])
            start, size = start + size, 2 * size
        places = np.concatenate(held)
        return best(keys_C[places], scores_C[places], k)

    def without(self, keys: np.ndarray) -> Allowed:
        """Leave out products."""
        excluded = keys if self._excluded is None else np.union1d(self._excluded, keys)
        return ServerAllowed(self.columns, self._given, self.where, excluded)

    @cached_property
    def _keys(self) -> np.ndarray:
        return self.columns.keys_of(self.condition)


def _among(keys: np.ndarray) -> Condition:
    return Condition(AMONG, (_array(keys),))


def _array(keys: np.ndarray) -> str:
    """Return keys as the text of an array, which is read faster than a list of numbers."""
    return "{" + ",".join(map(str, keys.tolist())) + "}"
