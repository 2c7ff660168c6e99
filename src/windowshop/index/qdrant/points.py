"""Products -> points of Qdrant: values as JSON, and the forms that filters compare.

Shapes: B products, D width of a vector, W full width of a vector.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import polars as pl
from qdrant_client import models

from windowshop.data import CATEGORY, CATEGORY_PATHS, fold_column, folded
from windowshop.errors import DataError
from windowshop.index.catalogue.columns import GROUP
from windowshop.index.qdrant.layout import (
    DAY,
    MOMENT,
    MOST_VALUES,
    NUMBER,
    TEXT,
    WHOLE,
    Column,
)
from windowshop.index.rows import to_texts, types_of

WHOLE_MOST = 2**53 - 1
"""Largest whole number that Qdrant compares exactly: as a float."""
MOST = sys.float_info.max
"""Stands for infinity, which JSON lacks."""


def product_points(
    products: pl.DataFrame, first_key: int, born: int, vectors: Mapping[str, np.ndarray]
) -> list[models.PointStruct]:
    """Return the points of products under the next keys; vectors are (B, D), zeros for none.

    Raises DataError for a value that Qdrant does not compare exactly.
    """
    columns = Column.of_types(types_of(products))
    ids = products["product_id"].to_list()
    groups: Sequence[str | None] = [None] * len(ids)
    if GROUP in products.columns:
        groups = products[GROUP].cast(pl.String).to_list()
    fields = {
        key: values for column in columns.values() for key, values in _fields(products, column)
    }
    has = {name: np.any(x_BD, axis=1) for name, x_BD in vectors.items()}
    listed = {name: x_BD.tolist() for name, x_BD in vectors.items()}
    points = []
    for place, (text, group) in enumerate(zip(to_texts(products), groups, strict=True)):
        row = orjson.loads(text)
        payload: dict[str, Any] = {
            "id": ids[place],
            "born": born,
            "r": {f"c{columns[name].place}": value for name, value in row.items()},
            "f": {key: v[place] for key, v in fields.items() if v[place] is not None},
        }
        if group is not None:
            payload["group"] = group
        held = {name: x_B[place] for name, x_B in listed.items() if has[name][place]}
        points.append(models.PointStruct(id=first_key + place, vector=held, payload=payload))
    return points


def record_of(payload: Mapping[str, Any] | None, columns: Mapping[str, Column]) -> dict[str, Any]:
    """Return the values of a point's payload by column."""
    held = (payload or {}).get("r", {})
    return {name: held.get(f"c{column.place}") for name, column in columns.items()}


def indexable(products: pl.DataFrame) -> tuple[str, ...]:
    """Return the columns that get payload indexes: all but texts of too many kinds."""
    names = []
    for column in Column.of_types(types_of(products)).values():
        values = products[column.name]
        if column.item == TEXT:
            if column.is_list:
                values = values.explode()
            if values.n_unique() > MOST_VALUES:
                continue
        if column.indexes:
            names.append(column.name)
    return tuple(names)


def _fields(products: pl.DataFrame, column: Column) -> Iterator[tuple[str, list[Any]]]:
    """Yield the fields of a column, with a value for each product; None is none."""
    values, place = products[column.name], column.place
    held = _compared(values, column)
    yield f"c{place}", held
    if column.item == DAY:
        yield f"d{place}", [_each(value, lambda day: day.toordinal()) for value in values.to_list()]
    elif column.item == MOMENT:
        yield f"d{place}", [_each(day, lambda day: day.toordinal()) for day in values.dt.date()]
    if column.name == CATEGORY and column.item == TEXT:
        paths: list[Any] = [None] * len(held)
        if isinstance(products.schema.get(CATEGORY_PATHS), pl.List):
            several = Column.of_types(types_of(products))[CATEGORY_PATHS]
            paths = _compared(products[CATEGORY_PATHS], several)
        yield f"p{place}", [all_of or one for all_of, one in zip(paths, held, strict=True)]


def _compared(values: pl.Series, column: Column) -> list[Any]:
    """Return the values of a column in the form that filters compare."""
    if column.item is None:
        return [None if value is None else True for value in values.to_list()]
    if column.item in (TEXT, DAY):
        return _texts(values, column)
    if column.item == MOMENT:
        zone = isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone
        utc = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else values
        return utc.to_physical().to_list()
    held = values.to_list()
    if column.item == NUMBER:
        return [_each(value, _number) for value in held]
    if column.item == WHOLE and any(
        abs(item) > WHOLE_MOST for value in held for item in _listed(value)
    ):
        raise DataError(
            f"Column {column.name!r} has a number beyond {WHOLE_MOST}, which Qdrant does not "
            "compare exactly. Declare it as text in columns.yaml and build the index again."
        )
    return [_each(value, lambda item: item) for value in held]


def _texts(values: pl.Series, column: Column) -> list[Any]:
    if not column.is_list:
        return fold_column(values.cast(pl.String)).to_list()
    element = folded(pl.element().cast(pl.String))
    lists = values.to_frame().select(pl.col(values.name).list.eval(element)).to_series()
    return [_listed(value) or None for value in lists.to_list()]


def _listed(value: Any) -> list[Any]:  # noqa: ANN401
    items = value if isinstance(value, list) else [value]
    return [item for item in items if item is not None]


def _each(value: Any, change: Any) -> Any:  # noqa: ANN401
    """Change a value, or each of a list; None where nothing is left."""
    items = [new for item in _listed(value) if (new := change(item)) is not None]
    if isinstance(value, list):
        return items or None
    return items[0] if items else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else min(max(value, -MOST), MOST)
