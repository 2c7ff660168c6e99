"""Scores of one system by seed and query.

Shapes: S seeds, Q queries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.errors import DataError
from windowshop.evaluation.slices import SCORES_SCHEMA

KEYS = ("slice", "measure", "query_id")


@dataclass(frozen=True, slots=True, eq=False)
class SeedScores:
    """One measure of one system on one slice, of the queries that every seed has."""

    seeds: tuple[int, ...]
    query_ids: tuple[str, ...]
    value_SQ: np.ndarray

    def by_query(self) -> dict[str, float]:
        """Return values averaged over seeds."""
        return dict(zip(self.query_ids, self.value_SQ.mean(axis=0).tolist(), strict=True))


def one_seed(values: Mapping[str, float]) -> SeedScores:
    """Return the values by query of a system that was run once."""
    return SeedScores((0,), tuple(values), np.array([list(values.values())], dtype=np.float64))


def scores_of_seeds(tables: Mapping[int, pl.DataFrame]) -> dict[tuple[str, str], SeedScores]:
    """Return scores by slice and measure, of tables (slice, measure, query_id, value) by seed."""
    if not tables:
        return {}
    seeds = tuple(sorted(tables))
    joined = pl.concat(
        tables[seed].select(*KEYS, pl.lit(str(seed)).alias("seed"), pl.col("value"))
        for seed in seeds
    )
    wide = joined.pivot("seed", index=KEYS, values="value").drop_nulls().sort(KEYS)
    found = {}
    for (part, measure), rows in wide.partition_by("slice", "measure", as_dict=True).items():
        value_QS = rows.select(map(str, seeds)).to_numpy().astype(np.float64)
        found[part, measure] = SeedScores(seeds, tuple(rows["query_id"]), value_QS.T)
    return found


def read_scores(path: Path) -> pl.DataFrame:
    """Read the per-query scores of an evaluation: system and the columns of `SCORES_SCHEMA`."""
    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{path}: cannot be read as parquet ({error}). "
            "Give a file that `windowshop evaluate --per-query` wrote."
        ) from None
    missing = [column for column in ("system", *SCORES_SCHEMA) if column not in table.columns]
    if missing:
        raise DataError(
            f"{path}: lacks the columns {', '.join(missing)}; found {', '.join(table.columns)}. "
            "Give a file that `windowshop evaluate --per-query` wrote."
        )
    return table.select("system", *SCORES_SCHEMA)
