"""Changes of an online catalogue as records of bytes, and files of them.

A record is `WSR1`, the payload's length (u32), xxh3-64 of the payload, and the payload: one letter
(U upsert, D delete) and an Arrow stream.

Shapes: B products of a change, W width of a vector.
"""

import io
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import polars as pl
import xxhash

from windowshop.errors import LedgerError

MAGIC = b"WSR1"
HEADER = struct.Struct("<4sIQ")
VECTOR_COLUMN = "vector:"
"""Columns named `vector:DTYPE:WIDTH:NAME` hold vectors as bytes, null for a zero vector."""


@dataclass(frozen=True, slots=True)
class Upsert:
    """Products added, or replaced whole; ids are unique within one change."""

    products: pl.DataFrame
    """Rows with a `product_id` and any other columns."""
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name -> (B, W), float16 or float32; a row of zeros is no vector."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Products deleted; ids that the catalogue lacks are ignored."""

    product_ids: tuple[str, ...]


Change: TypeAlias = Upsert | Delete


def ids_of(change: Change) -> list[str]:
    """Return the product ids of a change, in its order."""
    if isinstance(change, Delete):
        return list(change.product_ids)
    return change.products["product_id"].to_list()


def to_bytes(change: Change) -> bytes:
    """Return the record of a change, with its header."""
    if isinstance(change, Delete):
        kind, frame = b"D", pl.DataFrame({"product_id": list(change.product_ids)})
    else:
        kind, frame = (
            b"U",
            change.products.with_columns(
                [_pack(name, x_BW) for name, x_BW in change.vectors.items()]
            ),
        )
    stream = io.BytesIO()
    frame.write_ipc_stream(stream, compression="uncompressed")
    payload = kind + stream.getvalue()
    return HEADER.pack(MAGIC, len(payload), _checksum(payload)) + payload


def _pack(name: str, x_BW: np.ndarray) -> pl.Series:
    rows = [row.tobytes() if row.any() else None for row in x_BW]
    column = f"{VECTOR_COLUMN}{x_BW.dtype}:{x_BW.shape[1]}:{name}"
    return pl.Series(column, rows, dtype=pl.Binary)


def _change(payload: bytes) -> Change:
    frame = pl.read_ipc_stream(io.BytesIO(payload[1:]))
    if payload[:1] == b"D":
        return Delete(tuple(frame["product_id"]))
    packed = [name for name in frame.columns if name.startswith(VECTOR_COLUMN)]
    vectors = dict(_unpack(frame[name]) for name in packed)
    return Upsert(frame.drop(packed), vectors)


def _unpack(column: pl.Series) -> tuple[str, np.ndarray]:
    dtype, width, name = column.name.removeprefix(VECTOR_COLUMN).split(":", 2)
    empty = bytes(np.dtype(dtype).itemsize * int(width))
    data = b"".join(empty if row is None else row for row in column)
    return name, np.frombuffer(data, dtype=dtype).reshape(len(column), int(width))


def _checksum(payload: bytes) -> int:
    return xxhash.xxh3_64_intdigest(payload, seed=len(payload))


def read_changes(path: Path, offset: int, stop: int | None) -> Iterator[tuple[Change, int]]:
    """Yield changes with the offset after each, from `offset` to `stop` (None: the file's end).

    Raises LedgerError where a record is damaged.
    """
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size if stop is None else stop
        while offset < end:
            payload = _read(file, offset)
            if payload is None:
                raise _damaged(path, offset)
            offset += HEADER.size + len(payload)
            yield _change(payload), offset


def _read(file: BinaryIO, offset: int) -> bytes | None:
    """Read the payload of the record at `offset`; None where there is no whole record."""
    file.seek(offset)
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    magic, length, checksum = HEADER.unpack(header)
    if magic != MAGIC or length > os.fstat(file.fileno()).st_size - offset - HEADER.size:
        return None
    payload = file.read(length)
    return payload if _checksum(payload) == checksum else None


def reached_bytes(path: Path) -> int:
    """Return the offset after the last of consecutive whole records; the file may be growing."""
    offset = 0
    with open(path, "rb") as file:
        while (payload := _read(file, offset)) is not None:
            offset += HEADER.size + len(payload)
    return offset


def whole_bytes(path: Path) -> int:
    """Return the offset after the last whole record; raises LedgerError for damage before it."""
    offset = reached_bytes(path)
    with open(path, "rb") as file:
        file.seek(offset)
        rest = file.read()
        at = rest.find(MAGIC, 1)
        while at >= 0:
            if _read(file, offset + at) is not None:
                raise _damaged(path, offset)
            at = rest.find(MAGIC, at + 1)
    return offset


def _damaged(path: Path, offset: int) -> LedgerError:
    return LedgerError(
        f"{path}: the record at byte {offset} is damaged, and later ones are whole. Restore the "
        "file from a copy, or build the index again from the catalogue."
    )
