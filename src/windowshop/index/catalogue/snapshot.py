"""Snapshots of columns and engine at a position of the ledger, written atomically.

Shapes: N keys given out so far.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from windowshop.engines import EngineSpec, VectorSpec
from windowshop.errors import EngineError
from windowshop.files import write_atomic, write_json
from windowshop.index.catalogue.ledger import Position

FORMAT = "windowshop-snapshot/1"
SNAPSHOT_FILE = "snapshot.json"
ALIVE = "_alive"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Columns and engine at one position of the ledger."""

    table: pl.DataFrame
    """Every row ever added, in the order of keys."""
    alive_N: np.ndarray
    engine_folder: Path
    spec: EngineSpec
    position: Position


def write_snapshot(folder: Path, saved: Snapshot) -> None:
    """Replace the folder's snapshot atomically, then remove the table of the previous one."""
    position = saved.position
    engine = saved.engine_folder.name
    # Another engine has other keys, so a table is never replaced by one that differs.
    table_file = f"products-{engine}-{position.segment}-{position.offset}.parquet"
    table = saved.table.with_columns(pl.Series(ALIVE, saved.alive_N))
    write_atomic(folder / table_file, table.write_parquet)
    content = {
        "format": FORMAT,
        "table": table_file,
        "engine": engine,
        "spec": asdict(saved.spec),
        "position": asdict(position),
    }
    write_json(folder / SNAPSHOT_FILE, content)
    for path in folder.glob("*products-*"):
        if path.name != table_file:
            path.unlink()


def read_snapshot(folder: Path) -> Snapshot | None:
    """Read the folder's snapshot, None if there is none; raises EngineError for another format."""
    path = folder / SNAPSHOT_FILE
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise EngineError(
                f"{path}: found format {content['format']!r}, this version reads {FORMAT}. "
                "Build the index again in another folder."
            )
        table = pl.read_parquet(folder / content["table"])
        return Snapshot(
            table=table.drop(ALIVE),
            alive_N=table[ALIVE].to_numpy(),
            engine_folder=folder / content["engine"],
            spec=_spec(content["spec"]),
            position=Position(**content["position"]),
        )
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise EngineError(
            f"{path}: cannot be read ({error!r}). Delete it: the ledger has everything."
        ) from None


def _spec(content: dict[str, Any]) -> EngineSpec:
    vectors = {name: VectorSpec(**vector) for name, vector in content.pop("vectors").items()}
    columns = {name: tuple(content.pop(name)) for name in ("number_columns", "text_columns")}
    return EngineSpec(**{"vectors": vectors, **columns, **content})
