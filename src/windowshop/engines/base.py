"""The protocol of vector engines, with their settings, input and parts that they share.

Shapes: B products of a batch, Q queries, N keys given out so far, K results, W full width of a
vector, D its width in the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeAlias

import numkong
import numpy as np
import numpy.typing as npt
import polars as pl

from windowshop.data import Filter
from windowshop.engines.neighbours import Neighbours
from windowshop.errors import ConfigError
from windowshop.registry import ENGINES

Best: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Keys, int64, and their scores, float32."""
FEW = 1_000
"""At most so many usable products are all scored exactly."""
HALF_AND_SINGLE = {np.dtype(np.float16), np.dtype(np.float32)}


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorSpec:
    """Width and stored form of one vector name."""

    width: int
    """Numbers kept of each vector: its first ones, normalised again (Matryoshka)."""
    storage: str = "fp16"
    """Form that is searched; int8 and 4-bit codes are rescored with float16 originals."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSpec:
    """Settings of an engine; `windowshop.engines.choose` makes them for a catalogue."""

    kind: str
    """A name of `windowshop.registry.ENGINES`."""
    vectors: Mapping[str, VectorSpec]
    """By vector name: `fused` for searches by text, `image` for searches by image."""
    scan_rows: int = 20_000
    """A filter that leaves at most so many products has all of them scored."""
    float_numbers: int = 32 * 2**20
    """At most so many numbers of a vector name are kept as float16 instead of codes (flat)."""
    oversample: float = 2.0
    """Candidates rescored for each result, where codes are searched."""
    links: int = 16
    """Links of a node of the graph (zvec)."""
    build_candidates: int = 200
    """Candidates looked at to place a product in the graph (zvec)."""
    search_candidates: int = 400
    """Candidates looked at for a search of the graph (zvec); more find more and take longer."""
    number_columns: tuple[str, ...] = ("price",)
    text_columns: tuple[str, ...] = ("brand", "category")
    """Columns that the graph search filters by itself (zvec)."""

    def __post_init__(self) -> None:
        """Check that engine, storages and widths fit together."""
        if not self.vectors:
            raise ConfigError("engine: vectors is empty. Name at least one, for example `fused`.")
        storages = ENGINES[self.kind].storages
        for name, vector in self.vectors.items():
            if vector.storage not in storages:
                raise ConfigError(
                    f"engine {self.kind}: vector {name!r} cannot be stored as {vector.storage}. "
                    f"Choose one of: {', '.join(storages)}."
                )
            if vector.width < 1:
                raise ConfigError(f"engine: width={vector.width} of {name!r} must be at least 1.")


@dataclass(frozen=True, slots=True)
class Batch:
    """New rows for an engine; a product that changes gets a new key and its old one is deleted."""

    keys_B: np.ndarray
    """int64, the next keys in order: rows of an engine are never overwritten."""
    vectors: Mapping[str, np.ndarray]
    """Name -> (B, W) of any float type; a row of zeros, or a missing name, is no vector."""
    products: pl.DataFrame
    """Columns of the products, for engines that filter by themselves."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Products that a search may return, as a bitmap and as the filter that made it.

    Engines in this process read the bitmap. Where the products lie on another machine, the methods
    ask there (`windowshop.index.postgres`), and the bitmap is made only for who reads it.
    """

    mask_N: np.ndarray
    """Bool by key; false for deleted keys too."""
    where: Filter | None = None
    """None where every living product is allowed."""

    @property
    def count(self) -> int:
        """Return the number of allowed products."""
        return int(np.count_nonzero(self.mask_N))

    def keys(self) -> np.ndarray:
        """Return the keys of the allowed products, int64, rising."""
        return np.flatnonzero(self.mask_N)

    def passes(self, keys_C: np.ndarray) -> np.ndarray:
        """Return which keys are allowed, bool (C,)."""
        return permitted(keys_C, self.mask_N)

    def candidates(self, keys_N: np.ndarray, has_N: np.ndarray) -> np.ndarray:
        """Return the places where `has_N` is true, int64, rising, of products, keys rising.

        Products that are not allowed are left out where that costs little; `best` leaves out all.
        """
        if len(keys_N) == len(self.mask_N):  # each key stands at its own place
            has_N = has_N & self.mask_N
        return np.flatnonzero(has_N)

    def best(self, keys_C: np.ndarray, scores_C: np.ndarray, k: int) -> "Best":
        """Return the k best of C candidates that are allowed, in order, equal scores by key."""
        passes_C = self.passes(keys_C)
        return best(keys_C[passes_C], scores_C[passes_C], k)

    def without(self, keys: np.ndarray) -> "Allowed":
        """Leave out products."""
        mask_N = self.mask_N.copy()
        mask_N[keys] = False
        return Allowed(mask_N, self.where)


class Engine(Protocol):
    """Search of products by vector, safe for many threads that search and one that writes.

    Results hold keys as `rows`, best first; equal scores go to the lower key.
    """

    storages: ClassVar[tuple[str, ...]]
    """Forms in which the engine can hold vectors; the first is its default."""

    def upsert(self, batch: Batch) -> None:
        """Add rows; found once this returns, unless a bitmap made before leaves them out."""
        ...

    def delete(self, keys: np.ndarray) -> None:
        """Take keys out, int64; those it lacks are ignored."""
        ...

    def search(
        self, query_QD: np.ndarray, k: int, allowed: Allowed | None = None, name: str = "fused"
    ) -> Neighbours:
        """Return the k nearest keys to each query by cosine, (Q, K); key -1 where fewer exist.

        Queries may have the full width: they are cut as the products are.
        """
        ...

    def vectors(self, keys: np.ndarray, name: str = "fused") -> np.ndarray:
        """Return the unit vectors of keys, float32 (len, D); zeros for one without."""
        ...

    def holds(self, alive_N: np.ndarray) -> bool:
        """Return whether its rows and graphs agree in number with the living keys."""
        ...

    def fixed_files(self, num_keys: int) -> dict[str, int]:
        """Return the bytes of each file that hold the first keys, and never change."""
        ...

    def flush(self) -> None:
        """Put everything on the disk, against power loss."""
        ...

    def optimise(self) -> None:
        """Make searches fast after many writes; searches and writes go on meanwhile."""
        ...

    def close(self) -> None:
        """Release files; closing twice does nothing."""
        ...


def open_engine(
    folder: Path, spec: EngineSpec, alive_N: np.ndarray, *, read_only: bool = False
) -> Engine:
    """Open or create the engine of a folder with the living keys, `alive_N` (bool, by key).

    Keys from N on are forgotten, so the caller sends them again. With `read_only`, another process
    may have it open: no file is changed, and rows that are added stay in memory. Raises EngineError
    where its files cannot be used; call `holds` before relying on its content.
    """
    if not read_only:
        folder.mkdir(parents=True, exist_ok=True)
    engine: Engine = ENGINES[spec.kind](folder, spec, alive_N, read_only=read_only)
    return engine


def as_type(x: np.ndarray, dtype: npt.DTypeLike) -> np.ndarray:
    """Return numbers as another type, rounded as numpy does; not copied where they are of it.

    numkong converts float16 some twenty times faster than numpy.
    """
    wanted = np.dtype(dtype)
    if {x.dtype, wanted} == HALF_AND_SINGLE:
        is_half = wanted == np.float16
        return np.asarray(numkong.astype(x, "float16" if is_half else "float32"))
    return x.astype(wanted, copy=False)


def cut(x_BW: np.ndarray, width: int) -> np.ndarray:
    """Return the first `width` numbers of each vector as unit vectors, float32; zeros stay."""
    x_BD = as_type(x_BW[:, :width], np.float32)
    norm_B1 = np.linalg.norm(x_BD, axis=1, keepdims=True)
    return x_BD / np.where(norm_B1 > 0, norm_B1, 1)


def permitted(keys_C: np.ndarray, mask_N: np.ndarray) -> np.ndarray:
    """Return which candidates a bitmap allows, bool (C,); keys beyond its end are not."""
    known_C = keys_C < len(mask_N)
    known_C[known_C] = mask_N[keys_C[known_C]]
    return known_C


def best(keys_C: np.ndarray, scores_C: np.ndarray, k: int) -> Best:
    """Return the k best of C candidates in order, equal scores by key, padded with key -1."""
    if len(keys_C) > k:
        last = np.partition(scores_C, len(scores_C) - k)[len(scores_C) - k]
        keep = scores_C >= last
        keys_C, scores_C = keys_C[keep], scores_C[keep]
    order = np.lexsort((keys_C, -scores_C))[:k]
    keys_K, scores_K = np.full(k, -1, dtype=np.int64), np.full(k, -np.inf, dtype=np.float32)
    keys_K[: len(order)], scores_K[: len(order)] = keys_C[order], scores_C[order]
    return keys_K, scores_K


def stack(found: list[tuple[np.ndarray, np.ndarray]], k: int) -> Neighbours:
    """Stack the results of single queries to (Q, K)."""
    if not found:
        return Neighbours(np.empty((0, k), dtype=np.int64), np.empty((0, k), dtype=np.float32))
    return Neighbours(*(np.stack(parts) for parts in zip(*found, strict=True)))
