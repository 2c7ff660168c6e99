"""Columns of a catalogue in PostgreSQL, as a search reads them.

Shapes: B products, C keys.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from windowshop.data import Filter
from windowshop.engines import Allowed
from windowshop.errors import DataError
from windowshop.index.catalogue.protocols import Living
from windowshop.index.catalogue.remote_allowed import RemoteAllowed
from windowshop.index.catalogue.remote_store import RemoteColumns
from windowshop.index.postgres.connect import Reader
from windowshop.index.postgres.filters import ALL, Condition, joined, to_sql
from windowshop.index.postgres.schema import DOUBLE, WHOLE, Column, Generation
from windowshop.index.rows import from_texts

AMONG = "key = ANY(%s::bigint[])"


class ServerColumns(RemoteColumns[Generation]):
    """Columns of one generation at one moment; many threads may read."""

    def __init__(self, reader: Reader, generation: Generation, numbering: object) -> None:
        super().__init__(generation, numbering)
        self._reader = reader
        self._columns = Column.of_types(generation.types)

    def __contains__(self, product_id: str) -> bool:
        """Return whether there is such a product."""
        if "\0" in product_id:
            return False
        return bool(self._rows("product_id", Condition("product_id = %s", (product_id,))))

    def added(self, since: int) -> Living:
        """Return the products of the keys from one on."""
        found = self._rows("key, row::text", Condition("key >= %s", (since,)), "ORDER BY key")
        table = from_texts((text for _, text in found), self.generation.types)
        return Living(np.array([key for key, _ in found], dtype=np.int64), table)

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

    def _condition(self, trees: Sequence[Filter]) -> Condition:
        return joined(to_sql(tree, self._columns) for tree in trees)

    def count_of(self, allowed: RemoteAllowed) -> int:
        """Return the number of allowed products."""
        where = passing(allowed)
        return len(self) if where is ALL else int(self._rows("count(*)", where)[0][0])

    def keys_of(self, allowed: RemoteAllowed) -> np.ndarray:
        """Return the keys of the allowed products, int64, rising."""
        return self._keys(passing(allowed))

    def passes(self, allowed: RemoteAllowed, keys_C: np.ndarray) -> np.ndarray:
        """Return which of the given keys are allowed, bool (C,)."""
        if not len(keys_C):
            return np.zeros(0, dtype=bool)
        return np.isin(keys_C, self._keys(joined((_among(keys_C), passing(allowed)))))

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

    def bounds(self, allowed: Allowed, name: str) -> tuple[float | None, float | None]:
        """Return the lowest and the highest number of a column; None where there is none."""
        column = self._columns.get(name)
        if column is None or column.is_list or column.item not in (DOUBLE, WHOLE):
            return None, None
        assert isinstance(allowed, RemoteAllowed), "products of this store"
        one = f"{column.sql}::float8"
        finite = Condition(f"{one} > '-Infinity' AND {one} < 'Infinity'")
        low, high = self._rows(f"min({one}), max({one})", joined((passing(allowed), finite)))[0]
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
        return self._keys(Condition(f"(group_id = {own} OR key = %s)", (key, key)))

    def _keys(self, where: Condition) -> np.ndarray:
        found = self._rows("key", where, "ORDER BY key")
        return np.array([key for (key,) in found], dtype=np.int64)

    def _rows(self, what: str | Condition, where: Condition, order: str = "") -> list[Any]:
        wanted = Condition(what) if isinstance(what, str) else what
        return self._reader.rows(
            f"SELECT {wanted.sql} FROM {self.generation.table} WHERE {where.sql} {order}",
            [*wanted.parameters, *where.parameters],
        )


def passing(allowed: RemoteAllowed) -> Condition:
    """Return the condition of allowed products."""
    condition: Condition = allowed.condition
    if not len(allowed.excluded):
        return condition
    return joined((condition, Condition("key <> ALL(%s::bigint[])", (_array(allowed.excluded),))))


def _among(keys: np.ndarray) -> Condition:
    return Condition(AMONG, (_array(keys),))


def _array(keys: np.ndarray) -> str:
    """Return keys as the text of an array, which is read faster than a list of numbers."""
    return "{" + ",".join(map(str, keys.tolist())) + "}"
