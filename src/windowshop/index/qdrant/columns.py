"""Columns of a catalogue in Qdrant, as a search reads them.

Shapes: C keys, T filters.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from qdrant_client import models

from windowshop.data import Filter, columns_of, to_polars
from windowshop.engines import Allowed
from windowshop.errors import DataError, FilterError
from windowshop.index.catalogue.protocols import Living
from windowshop.index.catalogue.remote_allowed import RemoteAllowed
from windowshop.index.catalogue.remote_store import RemoteColumns
from windowshop.index.qdrant.connect import MAJORITY, Server
from windowshop.index.qdrant.filters import all_of, to_qdrant
from windowshop.index.qdrant.layout import (
    MOST_VALUES,
    NUMBER,
    WHOLE,
    Column,
    Generation,
    condition,
    points_of,
)
from windowshop.index.qdrant.points import MOST, record_of
from windowshop.index.rows import from_records

READ, LISTED, NAMED = 1_000, 10_000, 1_000
"""Points with values, and without, that an answer has; product ids that a question has."""
ALL = models.Filter()


class PointColumns(RemoteColumns[Generation]):
    """Columns of one generation as of one change; many threads may read."""

    def __init__(self, server: Server, generation: Generation, numbering: object) -> None:
        super().__init__(generation, numbering)
        self._server, self._points = server, points_of(server, generation.name)
        self._columns = Column.of_types(generation.types)

    def __contains__(self, product_id: str) -> bool:
        """Return whether there is such a product."""
        return bool(self._keys_of_ids([product_id]))

    def added(self, since: int) -> Living:
        """Return the products of the keys from one on."""
        where = self.filter_of(self.allowed(None))
        found = list(self._scroll(where, ["r"], READ, since))
        keys = np.array([point.id for point in found], dtype=np.int64)
        return Living(keys, self._table([point.payload for point in found], self._columns))

    def matching(self, trees: Sequence[Filter], keys_C: np.ndarray) -> np.ndarray:
        """Return which of the given keys live and pass each filter, bool (filters, C)."""
        passes_TC = np.zeros((len(trees), len(keys_C)), dtype=bool)
        if not len(keys_C) or not trees:
            return passes_TC
        tests = [to_polars(tree, self.generation.types) for tree in trees]
        table = self.select(keys_C, sorted(set().union(*map(columns_of, trees))))
        found = table.select(test.alias(str(place)) for place, test in enumerate(tests))
        passes_TC[:] = found.fill_null(False).to_numpy().T
        passes_TC &= self.are_living(keys_C)
        return passes_TC

    def _condition(self, trees: Sequence[Filter]) -> models.Filter:
        each = [to_qdrant(tree, self._columns, self._texts) for tree in trees]
        return all_of(each) if each else ALL

    def count_of(self, allowed: RemoteAllowed) -> int:
        """Return the number of allowed products."""
        if allowed.condition is ALL and not len(allowed.excluded):
            return len(self)
        with self._server.named():
            found = self._server.client.count(self._points, self.filter_of(allowed), exact=True)
        return int(found.count)

    def keys_of(self, allowed: RemoteAllowed) -> np.ndarray:
        """Return the keys of the allowed products, int64, rising."""
        found = self._scroll(self.filter_of(allowed), False, LISTED)
        return np.array([point.id for point in found], dtype=np.int64)

    def passes(self, allowed: RemoteAllowed, keys_C: np.ndarray) -> np.ndarray:
        """Return which of the given keys are allowed, bool (C,)."""
        if not len(keys_C):
            return np.zeros(0, dtype=bool)
        among = models.HasIdCondition(has_id=keys_C.tolist())
        where = all_of([self.filter_of(allowed), models.Filter(must=[among])])
        found = [point.id for point in self._scroll(where, False, LISTED)]
        return np.isin(keys_C, np.array(found, dtype=np.int64))

    def filter_of(self, allowed: Allowed | None) -> models.Filter:
        """Return the filter of the allowed products, or of all, as of this change."""
        seq = self.generation.seq
        born = models.FieldCondition(key="born", range=models.Range(lte=seq))
        died = models.FieldCondition(key="died", range=models.Range(lte=seq))
        living = models.Filter(must=[born], must_not=[died])
        if not isinstance(allowed, RemoteAllowed):
            return living
        if allowed.condition is not ALL:
            living.must = [born, allowed.condition]
        if len(allowed.excluded):
            living.must_not = [died, models.HasIdCondition(has_id=allowed.excluded.tolist())]
        return living

    def ids(self, keys: np.ndarray) -> list[str]:
        """Return the product ids of keys."""
        return [(payload or {})["id"] for payload in self._payloads(keys, ["id"])]

    def keys(self, product_ids: list[str]) -> np.ndarray:
        """Return keys of products, int64; raises DataError for unknown ones."""
        found = self._keys_of_ids(product_ids)
        unknown = [name for name in product_ids if name not in found]
        if unknown:
            raise DataError(f"There is no product {unknown[0]!r}. Search again.")
        return np.array([found[name] for name in product_ids], dtype=np.int64)

    def known_keys(self, product_ids: list[str]) -> list[int]:
        """Return the keys of those products that there are."""
        return list(self._keys_of_ids(product_ids).values())

    def select(self, keys: np.ndarray, names: Iterable[str]) -> pl.DataFrame:
        """Return some columns of keys, in the given order; unknown columns are absent."""
        columns = {name: held for name in names if (held := self._columns.get(name))}
        if not len(keys) or not columns:
            return self._table([], columns)
        return self._table(self._payloads(keys, [c.value for c in columns.values()]), columns)

    def bounds(self, allowed: Allowed, name: str) -> tuple[float | None, float | None]:
        """Return the lowest and the highest number of a column; None where there is none."""
        column = self._columns.get(name)
        if column is None or column.is_list or column.item not in (NUMBER, WHOLE):
            return None, None
        finite = models.FieldCondition(key=column.field, range=models.Range(gt=-MOST, lt=MOST))
        where = all_of([self.filter_of(allowed), models.Filter(must=[finite])])
        ends: list[float | None] = []
        for direction in (models.Direction.ASC, models.Direction.DESC):
            with self._server.named():
                found, _ = self._server.client.scroll(
                    self._points,
                    scroll_filter=where,
                    limit=1,
                    order_by=models.OrderBy(key=column.field, direction=direction),
                    with_payload=[column.value],
                    consistency=MAJORITY,
                )
            values = [record_of(point.payload, {name: column})[name] for point in found]
            ends.append(float(values[0]) if values else None)
        return ends[0], ends[1]

    def groups(self, keys_C: np.ndarray) -> np.ndarray:
        """Return a number for the group of variants of each key, int64 (C,).

        It is the first key of the group among these.
        """
        first: dict[str, int] = {}
        numbers = [
            key if (group := (payload or {}).get("group")) is None else first.setdefault(group, key)
            for key, payload in zip(keys_C.tolist(), self._payloads(keys_C, ["group"]), strict=True)
        ]
        return np.array(numbers, dtype=np.int64)

    def variants(self, key: int) -> np.ndarray:
        """Return the keys of a product's group, its own too, int64."""
        (payload,) = self._payloads(np.array([key]), ["group"])
        group = (payload or {}).get("group")
        if group is None:
            return np.array([key], dtype=np.int64)
        of_group = models.Filter(must=[condition("group", group)])
        return self.keys_of(RemoteAllowed(self, of_group, None))

    def _texts(self, column: Column, key: str) -> list[str]:
        """Return the texts of a field; raises FilterError where they are too many."""
        found: list[models.FacetValueHit] = []
        if column.name in self.generation.indexed:
            with self._server.named():
                found = self._server.client.facet(
                    self._points, key, limit=MOST_VALUES + 1, exact=True, consistency=MAJORITY
                ).hits
        if column.name not in self.generation.indexed or len(found) > MOST_VALUES:
            raise FilterError(
                f"Column {column.name!r} has more than {MOST_VALUES:,} different texts, which "
                "Qdrant does not order. Compare it with =, in, contains or under."
            )
        return [str(hit.value) for hit in found]

    def _keys_of_ids(self, product_ids: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for start in range(0, len(product_ids), NAMED):
            asked = models.MatchAny(any=product_ids[start : start + NAMED])
            among = models.FieldCondition(key="id", match=asked)
            where = all_of([self.filter_of(None), models.Filter(must=[among])])
            for point in self._scroll(where, ["id"], NAMED):
                found[(point.payload or {})["id"]] = int(point.id)
        return found

    def _payloads(self, keys: np.ndarray, fields: list[str]) -> list[dict[str, Any] | None]:
        """Return fields of keys in the given order; None for a key without a point."""
        found: dict[int, dict[str, Any] | None] = {}
        asked = list(dict.fromkeys(keys.tolist()))
        for start in range(0, len(asked), READ):
            with self._server.named():
                points = self._server.client.retrieve(
                    self._points,
                    asked[start : start + READ],
                    with_payload=fields,
                    consistency=MAJORITY,
                )
            found |= {int(point.id): point.payload for point in points}
        return [found.get(key) for key in keys.tolist()]

    def _scroll(
        self, where: models.Filter, fields: list[str] | bool, size: int, since: int = 0
    ) -> Iterator[models.Record]:
        """Yield the points that pass, in the order of keys."""
        offset: Any = since
        while offset is not None:
            with self._server.named():
                found, offset = self._server.client.scroll(
                    self._points,
                    scroll_filter=where,
                    limit=size,
                    offset=offset,
                    with_payload=fields,
                    consistency=MAJORITY,
                )
            yield from found

    def _table(
        self, payloads: Iterable[dict[str, Any] | None], columns: dict[str, Column]
    ) -> pl.DataFrame:
        types = {name: column.dtype for name, column in columns.items()}
        return from_records([record_of(payload, columns) for payload in payloads], types)
