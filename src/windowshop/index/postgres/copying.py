"""Products -> rows of PostgreSQL's binary COPY, and vectors back.

Values are written as the server keeps them: vectors take most of the room, and as texts they would
take most of the time.

Shapes: B products, D width of a vector, K keys.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import psycopg

from windowshop.data import fold_column, folded
from windowshop.engines import as_type
from windowshop.errors import DataError
from windowshop.index.catalogue.columns import GROUP
from windowshop.index.postgres.connect import Row
from windowshop.index.postgres.schema import (
    DOUBLE,
    MOMENT,
    TEXT,
    WHOLE,
    Column,
    Generation,
)
from windowshop.index.rows import to_texts

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
ABSENT = struct.pack(">i", -1)
WHOLE_MOST = 2**63 - 1
EPOCH = datetime(2000, 1, 1)
"""Moment from which PostgreSQL counts."""
Field: TypeAlias = bytes | None
ITEMS: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    TEXT: (25, lambda value: value.encode()),
    DOUBLE: (701, struct.Struct(">d").pack),
    WHOLE: (20, struct.Struct(">q").pack),
    MOMENT: (1114, lambda value: struct.pack(">q", _microseconds(value))),
    "bool": (16, struct.Struct(">?").pack),
}
"""Number of each type in PostgreSQL, and how a value of it is written."""


def copy_rows(
    connection: psycopg.Connection[Row],
    generation: Generation,
    products: pl.DataFrame,
    vectors: Mapping[str, np.ndarray],
) -> None:
    """Add products under the next keys; columns fit the generation, vectors are cut to width.

    Raises DataError for a value that the server cannot keep.
    """
    columns = Column.of_types(generation.types)
    names = ["product_id", "key", "group_id", "row", *(c.sql for c in columns.values())]
    names += [f"v_{name}" for name in vectors]
    fields = list(_fields(products, columns, generation.num_keys, vectors))
    count = struct.pack(">h", len(fields))
    statement = f"COPY {generation.table} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(HEADER)
        for row in zip(*fields, strict=True):
            parts = (ABSENT if v is None else struct.pack(">i", len(v)) + v for v in row)
            copy.write(count + b"".join(parts))
        copy.write(TRAILER)


def vectors_of(fields: Sequence[bytes | None], width: int) -> np.ndarray:
    """Return vectors as the server sends them, float32 (K, D); zeros for one that is absent."""
    x_KD = np.zeros((len(fields), width), dtype=np.float32)
    for place, content in enumerate(fields):
        if content is not None:
            x_KD[place] = np.frombuffer(content, dtype=">f2", offset=4)
    return x_KD


def vector_text(x_D: np.ndarray) -> str:
    """Return a vector as a parameter of a statement."""
    return f"[{','.join(map(repr, x_D.astype(np.float64).tolist()))}]"


def _fields(
    products: pl.DataFrame,
    columns: Mapping[str, Column],
    first_key: int,
    vectors: Mapping[str, np.ndarray],
) -> Iterator[Sequence[Field]]:
    """Yield the fields of all products, a column at a time."""
    ids = products["product_id"].to_list()
    texts = to_texts(products)
    for name, text in zip(ids, texts, strict=True):
        if "\\u0000" in text or "\0" in name:
            raise DataError(
                f"Product {name!r}: a value has the character U+0000, which PostgreSQL does not "
                "keep. Leave it out."
            )
    yield [name.encode() for name in ids]
    yield [struct.pack(">q", first_key + place) for place in range(len(ids))]
    if GROUP in products.columns:
        groups = products[GROUP].cast(pl.String).to_list()
    else:
        groups = [None] * len(ids)
    yield [None if group is None else group.encode() for group in groups]
    yield [b"\x01" + text.encode() for text in texts]
    for column in columns.values():
        yield _compared(products[column.name], column)
    for x_BD in vectors.values():
        yield _halves(x_BD)


def _halves(x_BD: np.ndarray) -> list[Field]:
    """Write vectors as halfvec; one of zeros is absent."""
    head = struct.pack(">hh", x_BD.shape[1], 0)
    has_B = np.any(x_BD, axis=1)
    stored_BD = as_type(x_BD, np.float16).astype(">f2")
    return [
        head + row.tobytes() if has else None for row, has in zip(stored_BD, has_B, strict=True)
    ]


def _compared(values: pl.Series, column: Column) -> list[Field]:
    """Write the values of a column in the form that filters compare."""
    if column.item is None:
        return [None if value is None else b"\x01" for value in values.to_list()]
    number, write = ITEMS[column.item]
    try:
        if not column.is_list:
            held = _plain(values, column).to_list()
            return [None if value is None else write(value) for value in held]
        return [_array(items, number, write) for items in _plain_lists(values, column)]
    except struct.error:
        raise DataError(
            f"Column {column.name!r} has a number beyond {WHOLE_MOST}, which PostgreSQL does not "
            "compare. Declare it as text in columns.yaml and build the index again."
        ) from None


def _plain(values: pl.Series, column: Column) -> pl.Series:
    if column.item == TEXT:
        return fold_column(values.cast(pl.String))
    if column.item == MOMENT and isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
        return values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return values.fill_nan(None) if column.item == DOUBLE else values


def _plain_lists(values: pl.Series, column: Column) -> list[list[Any]]:
    element = pl.element()
    if column.item == TEXT:
        element = folded(element.cast(pl.String))
    elif column.item == DOUBLE:
        element = element.fill_nan(None)
    lists = values.to_frame().select(pl.col(values.name).list.eval(element)).to_series().to_list()
    return [[item for item in items or [] if item is not None] for items in lists]


def _array(items: list[Any], number: int, write: Callable[[Any], bytes]) -> Field:
    """Write an array of one dimension; a list without items is absent."""
    if not items:
        return None
    parts = [struct.pack(">iiiii", 1, 0, number, len(items), 1)]
    for item in items:
        content = write(item)
        parts += [struct.pack(">i", len(content)), content]
    return b"".join(parts)


def _microseconds(moment: datetime) -> int:
    since = moment.replace(tzinfo=UTC) - EPOCH.replace(tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
