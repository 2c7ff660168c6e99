"""Results of a study of regimes and their files: JSON for figures, parquet for per-query scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.errors import ConfigError, DataError
from windowshop.evaluation import write_scores
from windowshop.files import write_json
from windowshop.settings import from_dict
from windowshop.study.regimes.cells import MEASURES, CellResult
from windowshop.study.regimes.config import Cell, RegimesConfig

FORMAT = "windowshop-regimes-1"
RESULTS_FILE, SCORES_FILE = "results.json", "per_query.parquet"
SCORES_SCHEMA: dict[str, Any] = {
    "variant": pl.String,
    "seed": pl.UInt8,
    "query_id": pl.String,
    **dict.fromkeys(MEASURES, pl.Float32),
}
"""Columns of the scores: a row for each cell or baseline, seed and test query."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedFigures:
    """Figures of one training, beside its scores by query."""

    seed: int
    dev: dict[str, float]
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CellFigures:
    """One cell with its finished seeds."""

    cell: Cell
    seeds: tuple[SeedFigures, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegimeResults:
    """Results of a study, from which its report is made."""

    data: str
    counts: dict[str, int]
    hashes: dict[str, str]
    environment: dict[str, str]
    config: RegimesConfig
    cells: tuple[CellFigures, ...]
    """Cells with at least one finished seed."""
    baselines: tuple[str, ...]
    num_missing: int
    """Trainings of the study that are not finished."""
    scores: pl.DataFrame
    """Table of SCORES_SCHEMA; `variant` is the name of a cell or of a baseline."""


def scores_of(found: Mapping[str, Sequence[CellResult]]) -> pl.DataFrame:
    """Return the scores of named results as one table, sorted so that it compresses well."""
    tables = [pl.DataFrame(schema=SCORES_SCHEMA)]
    for name, results in found.items():
        for result in results:
            queries = sorted(set().union(*result.scores.values()))
            columns = {m: [result.scores[m].get(query) for query in queries] for m in MEASURES}
            table = pl.DataFrame({"query_id": queries, **columns})
            table = table.with_columns(variant=pl.lit(name), seed=pl.lit(result.seed))
            casts = [pl.col(column).cast(kind) for column, kind in SCORES_SCHEMA.items()]
            tables.append(table.select(casts))
    return pl.concat(tables).sort("query_id", "variant", "seed")


def save_regimes(results: RegimeResults, folder: Path) -> None:
    """Write the scores, then the figures, which make the results complete."""
    write_scores(results.scores, folder / SCORES_FILE)
    figures = asdict(
        results,
        dict_factory=lambda items: {k: v for k, v in items if not isinstance(v, pl.DataFrame)},
    )
    write_json(folder / RESULTS_FILE, {"format": FORMAT, **figures})


def load_regime_results(folder: Path) -> RegimeResults:
    """Read what `save_regimes` wrote; raises DataError for anything else."""
    path = folder / RESULTS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format", None) != FORMAT:
            raise DataError(f"{path}: is no file of {FORMAT}. Run the study again.")
        scores = pl.read_parquet(folder / SCORES_FILE)
        results: RegimeResults = from_dict(RegimeResults, {**content, "scores": scores}, str(path))
    except (OSError, ValueError, AttributeError, ConfigError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Run the study again.") from None
    return results
