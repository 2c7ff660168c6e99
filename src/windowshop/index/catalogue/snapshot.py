"""Snapshots of columns and engine at a number of changes, written atomically.

Shapes: N keys given out so far.
"""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from windowshop.engines import EngineSpec, VectorSpec
from windowshop.errors import EngineError
from windowshop.files import file_hash, read_sealed, write_atomic, write_sealed

LOG = logging.getLogger(__name__)
FORMAT = "windowshop-snapshot/2"
SNAPSHOT_FILE = "snapshot.json"
ALIVE = "_alive"
SMALL_BYTES = 64 * 2**20
"""Files of an engine are compared with their hashes up to so many bytes in all."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Columns and engine at one number of changes."""

    table: pl.DataFrame
    """Every row ever added, in the order of keys."""
    alive_N: np.ndarray
    engine_folder: Path
    spec: EngineSpec
    seq: int
    """Number of the last change of the products that it has all changes up to."""


def write_snapshot(folder: Path, saved: Snapshot, fixed_files: Mapping[str, int]) -> None:
    """Replace the folder's snapshot atomically, then remove the table of the previous one.

    `fixed_files` are the bytes of the engine's files that never change.
    """
    table_file = f"products-{secrets.token_hex(6)}.parquet"
    table = saved.table.with_columns(pl.Series(ALIVE, saved.alive_N))
    write_atomic(folder / table_file, table.write_parquet)
    size = (folder / table_file).stat().st_size
    small = sum(fixed_files.values()) <= SMALL_BYTES
    content = {
        "format": FORMAT,
        "table": table_file,
        "table_bytes": size,
        "table_hash": file_hash(folder / table_file, size),
        "engine": saved.engine_folder.name,
        "engine_files": {
            name: [num_bytes, file_hash(saved.engine_folder / name, num_bytes)]
            for name, num_bytes in (fixed_files.items() if small else ())
        },
        "spec": asdict(saved.spec),
        "seq": saved.seq,
    }
    write_sealed(folder / SNAPSHOT_FILE, content)
    for path in folder.glob("*products-*"):
        if path.name != table_file:
            path.unlink(missing_ok=True)


def read_snapshot(folder: Path) -> Snapshot | None:
    """Read the folder's snapshot, None if there is none.

    Raises EngineError where it, or a file of the engine, is not as it was written.
    """
    path = folder / SNAPSHOT_FILE
    if not path.exists():
        return None
    content = _read(path)
    try:
        require_hash(folder / content["table"], content["table_bytes"], content["table_hash"])
        for name, (num_bytes, digest) in content["engine_files"].items():
            require_hash(folder / content["engine"] / name, num_bytes, digest)
        table = pl.read_parquet(folder / content["table"], memory_map=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise EngineError(f"{path}: its files cannot be read ({error!r}).") from None
    return Snapshot(
        table=table.drop(ALIVE),
        alive_N=table[ALIVE].to_numpy(),
        engine_folder=folder / content["engine"],
        spec=spec_from_json(content["spec"]),
        seq=content["seq"],
    )


def snapshot_seq(folder: Path) -> int | None:
    """Return the number of changes of the folder's snapshot; None where none can be read."""
    try:
        return int(_read(folder / SNAPSHOT_FILE)["seq"])
    except EngineError:
        return None


def snapshot_spec(folder: Path) -> EngineSpec | None:
    """Return the engine's settings in the folder's snapshot; None where none can be read."""
    try:
        return spec_from_json(_read(folder / SNAPSHOT_FILE)["spec"])
    except EngineError:
        return None


def require_hash(path: Path, num_bytes: int, digest: str) -> None:
    """Raise EngineError unless a file's first bytes have a hash."""
    if path.stat().st_size < num_bytes or file_hash(path, num_bytes) != digest:
        raise EngineError(f"{path}: is not as it was written.")


def _read(path: Path) -> dict[str, Any]:
    """Return the content of snapshot.json; raises EngineError where it is not as it was written."""
    try:
        content = read_sealed(path)
    except (OSError, ValueError, TypeError) as error:
        raise EngineError(f"{path}: cannot be read ({error!r}).") from None
    if content.get("format") != FORMAT:
        raise EngineError(f"{path}: is of another format than {FORMAT}.")
    return content


def spec_from_json(content: Mapping[str, Any]) -> EngineSpec:
    """Return the settings of an engine that `asdict` made plain."""
    rest = dict(content)
    vectors = {name: VectorSpec(**vector) for name, vector in rest.pop("vectors").items()}
    columns = {name: tuple(rest.pop(name)) for name in ("number_columns", "text_columns")}
    return EngineSpec(**{"vectors": vectors, **columns, **rest})
