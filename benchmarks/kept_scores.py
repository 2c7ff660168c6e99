"""Means of result files compared with the per-query scores that are kept beside them."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from published import SUFFIX, Results, figure

from windowshop.errors import DataError

STUDY_FILE = "per_query.parquet"
ALL = "all"
ROUNDING = 5e-6
"""Of scores that are kept as 32-bit floats."""
STUDY_MEASURES = {"ndcg@10": "nDCG@10", "recall@100": "Recall@100"}
"""Measures that a study's report has a column of."""


def disagreements(results: Path) -> Iterator[tuple[str, str, str]]:
    """Yield place, mean of a file, and mean of the scores beside it, where they differ."""
    for path in sorted(results.rglob(f"*{SUFFIX}")):
        yield from _of_evaluation(path)
    for path in sorted(results.rglob(STUDY_FILE)):
        yield from _of_study(path, results)


def _of_evaluation(path: Path) -> Iterator[tuple[str, str, str]]:
    """Compare the JSON of `windowshop evaluate`, of headline.py or of peers.py."""
    file = path.with_name(path.name.replace(SUFFIX, ".json"))
    if not file.exists():
        raise DataError(f"{path.name}: scores without {file.name}. Keep both, or neither.")
    systems = json.loads(file.read_text(encoding="utf-8")).get("systems")
    means = _means(path, "system", "slice", "measure") if systems is not None else ()
    for system, part, measure, mean in means:
        tables = systems.get(system, {})
        table = tables.get(ALL, {}) if part == ALL else tables.get("slices", {}).get(part, {})
        found = table.get(measure, {}).get("mean")
        if found is None or abs(found - mean) > ROUNDING:
            yield f"{file.name}: {system}, {part}, {measure}", str(found), str(mean)


def _of_study(path: Path, results: Path) -> Iterator[tuple[str, str, str]]:
    """Compare a study's report; tables of a study of regimes are made of its scores."""
    if "value" not in pl.read_parquet_schema(path):
        return
    report = str(path.with_name("report.md").relative_to(results))
    known = Results(results)
    for variant, part, measure, mean in _means(path, "variant", "slice", "measure"):
        if part == ALL and measure in STUDY_MEASURES:
            cell = known.cell(report, variant, STUDY_MEASURES[measure]).split()[0]
            if cell != figure(mean, cell):
                yield f"{report}: {variant}, {measure}", cell, figure(mean, cell)


def _means(path: Path, *keys: str) -> Iterator[tuple[str, str, str, float]]:
    table = pl.read_parquet(path).with_columns(pl.col("value").cast(pl.Float64))
    yield from table.group_by(keys).agg(pl.col("value").mean()).sort(keys).iter_rows()
