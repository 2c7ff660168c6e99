"""One zvec collection: keys with a vector, and the columns that its filters know.

Shapes: B products of a batch, C candidates, D width.
"""

import math
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import zvec
from zvec import StatusCode

from windowshop.data import fold_column
from windowshop.engines.base import EngineSpec, VectorSpec
from windowshop.engines.filter_zvec import ColumnKind
from windowshop.engines.sealed import difference, is_sealed, seal, unseal
from windowshop.errors import EngineError, StorageError, storage_error

DOCS_AT_ONCE = 500
LANES = 4
"""zvec's 4-bit codes need an even width; vectors are padded with zeros."""
QUANTIZE: dict[str, Any] = {
    "float32": zvec.QuantizeType.UNDEFINED,
    "fp16": zvec.QuantizeType.FP16,
    "int8": zvec.QuantizeType.INT8,
    "4bit": zvec.QuantizeType.INT4,
}
BRUTE_FORCE_RATIO = 0.03
"""zvec scans a smaller share of the collection itself; above, the graph is faster and as exact."""
RESERVE_BYTES = 64 * 2**20
"""Room on the disk below which nothing is written: zvec maps files with holes, and a page of one
that finds no room would end the process. What a batch writes is far less."""
POOL_THREADS = 1024
MAX_SEARCHES = 16
"""zvec 0.8.0 runs a search over several segments as a task that waits for other tasks of the same
pool of Arrow threads; as many searches at once as that pool has threads would never end."""
_searching = threading.BoundedSemaphore(MAX_SEARCHES)


@cache
def start_zvec() -> None:
    """Set the process-wide options of zvec, before the first collection is opened.

    Arrow takes the size of its pool from OMP_NUM_THREADS at the first search, and from the cores
    where it is unset; 1 thread is a common setting, and one search then never ends. So the first
    search is made here, of one product, with a larger number in its place.
    """
    zvec.init(log_level=zvec.LogLevel.FATAL, brute_force_by_keys_ratio=BRUTE_FORCE_RATIO)
    usual = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(POOL_THREADS)
    try:
        with tempfile.TemporaryDirectory() as folder:
            ranged = zvec.InvertIndexParam(enable_range_optimization=True)
            fields = [zvec.FieldSchema("key", zvec.DataType.INT64, index_param=ranged)]
            probe = zvec.create_and_open(f"{folder}/probe", zvec.CollectionSchema("probe", fields))
            probe.upsert([zvec.Doc(id="0", fields={"key": 0})])
            probe.query(filter="key >= 0", topk=1)
            probe.close()
    finally:
        if usual is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = usual


class ZvecStore:
    """Keys with one vector each, in a zvec collection."""

    def __init__(self, folder: Path, spec: EngineSpec, vector: VectorSpec, num_keys: int) -> None:
        start_zvec()
        self._folder, self._spec, self._vector = folder, spec, vector
        self._is_closed = False
        self.kinds: dict[str, ColumnKind] = {name: "text" for name in spec.text_columns}
        self.kinds |= {name: "number" for name in spec.number_columns}
        with self._reported("open"):
            if folder.exists():
                self._require_whole()
                unseal(folder)  # opening changes files
                self._collection = zvec.open(str(folder))
                self._collection.delete_by_filter(f"key >= {num_keys}")
            else:
                self._collection = zvec.create_and_open(str(folder), self._schema())

    def put(self, keys_B: np.ndarray, x_BD: np.ndarray, products: pl.DataFrame) -> None:
        """Add keys with their vectors."""
        x_BD = _padded(x_BD)
        columns = {name: self._stored(products, name).to_list() for name in self.kinds}
        for start in range(0, len(keys_B), DOCS_AT_ONCE):
            self._require_room(RESERVE_BYTES)
            docs = []
            for i in range(start, min(start + DOCS_AT_ONCE, len(keys_B))):
                fields: dict[str, object] = {name: held[i] for name, held in columns.items()}
                fields["key"] = int(keys_B[i])
                vectors = {"vector": x_BD[i]}
                docs.append(zvec.Doc(id=str(keys_B[i]), fields=fields, vectors=vectors))
            with self._reported("write"):
                self._checked(self._collection.upsert(docs))
            self._fill_holes()

    def delete(self, keys: np.ndarray) -> None:
        """Take keys out; those it lacks are ignored."""
        names = [str(key) for key in keys]
        for start in range(0, len(names), DOCS_AT_ONCE):
            with self._reported("delete"):
                self._checked(self._collection.delete(names[start : start + DOCS_AT_ONCE]))

    def nearest(self, query_D: np.ndarray, k: int, where: str | None) -> np.ndarray:
        """Return about the k nearest keys that pass a zvec filter, int64 (C,), in any order."""
        param = zvec.HnswQueryParam(ef=max(k, self._spec.search_candidates))
        query = zvec.Query("vector", vector=_padded(query_D[None])[0], param=param)
        with _searching, self._reported("search"):
            found = self._collection.query(query, topk=k, filter=where, output_fields=[])
        return np.array([int(doc.id) for doc in found], dtype=np.int64)

    def count(self) -> int:
        """Return the number of keys."""
        return int(self._collection.stats.doc_count)

    def flush(self) -> None:
        """Put everything on the disk."""
        with self._reported("flush"):
            self._collection.flush()

    def optimise(self) -> None:
        """Add recent writes to the graph, and drop deleted keys."""
        sizes = (found.st_size for _, found in self._mapped_files())
        self._require_room(RESERVE_BYTES + sum(sizes))  # they are written anew
        with self._reported("optimise"):
            self._collection.optimize()
        self._fill_holes()

    def close(self) -> None:
        """Release the files, and note what they are."""
        if self._is_closed:
            return
        self._is_closed = True
        self._collection.close()
        with suppress(OSError, StorageError):  # without a note they are not compared
            seal(self._folder)

    def _require_whole(self) -> None:
        """Raise EngineError where files are not as they were at the last closing."""
        found = difference(self._folder, hashed=False) if is_sealed(self._folder) else None
        if found is not None:
            raise EngineError(f"{found}. Delete the folder: it is made again.")

    def _require_room(self, needed: int) -> None:
        """Raise StorageError where the disk has less room."""
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise StorageError(
                f"{self._folder}: the disk has {free:,} bytes left, and {needed:,} are needed to "
                "write safely. Make room and try again.",
                is_full=True,
            )

    def _fill_holes(self) -> None:
        """Take the room of all mapped files on the disk."""
        if not hasattr(os, "posix_fallocate"):
            return
        for path, found in self._mapped_files():
            if found.st_blocks * 512 < found.st_size:
                with suppress(FileNotFoundError):
                    self._allocate(path, found.st_size)

    def _allocate(self, path: Path, num_bytes: int) -> None:
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            except OSError as error:
                raise storage_error(path, error) from None

    def _mapped_files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield the files that zvec maps; it may remove some and their folders meanwhile."""
        for folder, _, names in os.walk(self._folder):
            for path in (Path(folder, name) for name in names if name.endswith(".proxima")):
                with suppress(FileNotFoundError):
                    yield path, path.stat()

    @contextmanager
    def _reported(self, action: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, RuntimeError) as error:
            raise EngineError(
                f"{self._folder}: zvec could not {action} ({error}). Close what else has it open "
                "and make room on the disk, or delete the folder: it is made again."
            ) from None

    def _checked(self, statuses: list[zvec.Status]) -> None:
        bad = [s for s in statuses if s.code() not in (StatusCode.OK, StatusCode.NOT_FOUND)]
        if bad:
            raise RuntimeError(f"{len(bad)} products, the first: {bad[0]}")

    def _schema(self) -> zvec.CollectionSchema:
        ranged = zvec.InvertIndexParam(enable_range_optimization=True)
        types = {"text": zvec.DataType.STRING, "number": zvec.DataType.DOUBLE}
        fields = [zvec.FieldSchema("key", zvec.DataType.INT64, index_param=ranged)]
        fields += [
            zvec.FieldSchema(name, types[kind], nullable=True, index_param=ranged)
            for name, kind in self.kinds.items()
        ]
        graph = zvec.HnswIndexParam(
            metric_type=zvec.MetricType.COSINE,
            m=self._spec.links,
            ef_construction=self._spec.build_candidates,
            quantize_type=QUANTIZE[self._vector.storage],
        )
        width = math.ceil(self._vector.width / LANES) * LANES
        vector = zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, width, graph)
        return zvec.CollectionSchema("products", fields, vector)

    def _stored(self, products: pl.DataFrame, name: str) -> pl.Series:
        """Return a column in the form that filters compare: lower case, or numbers without NaN."""
        if name not in products.columns:
            return pl.Series(name, [None] * len(products))
        column = products[name]
        if self.kinds[name] == "text":
            return fold_column(column.cast(pl.String))
        return column.cast(pl.Float64).fill_nan(None)


def _padded(x_BD: np.ndarray) -> np.ndarray:
    return np.pad(x_BD, ((0, 0), (0, -x_BD.shape[1] % LANES)))
