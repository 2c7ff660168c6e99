"""Results of a study and their files: JSON for figures, parquet for per-query scores.

A finished seed is saved on its own, so that a study that was cut off goes on where it stopped; the
whole study is saved beside its report.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.errors import ConfigError, DataError
from windowshop.evaluation import SCORES_SCHEMA, BM25Choice, Diagnostics, write_scores
from windowshop.files import file_hash, read_sealed, write_atomic, write_json, write_sealed
from windowshop.settings import from_dict
from windowshop.study.config import Falsifier

FORMAT = "windowshop-study-3"
SEED_FORMAT = "windowshop-study-seed-3"
RESULTS_FILE = "results.json"
UNRETRIEVED_FILE = "unretrieved.parquet"
"""Products that no test query has in its first 100: variant, seed, product_id."""
UNRETRIEVED_SCHEMA: dict[str, Any] = {"product_id": pl.String}
TABLES = {"per_query": SCORES_SCHEMA, "unretrieved": UNRETRIEVED_SCHEMA}
"""Fields of `SeedResult` that are tables, and parquet files of their names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedResult:
    """One variant trained and tested with one seed."""

    seed: int
    seconds: float
    """Training time; 0 for an untrained system."""
    memory_mb: float | None
    parameters: int
    """Trained parameters."""
    dev_score: float | None
    per_query: pl.DataFrame = field(compare=False)
    """slice, query_id, measure, value on the test queries; "all" is the slice of all queries."""
    unretrieved: pl.DataFrame = field(
        compare=False, default_factory=lambda: pl.DataFrame(schema=UNRETRIEVED_SCHEMA)
    )
    """product_id of those that no test query retrieves."""
    history: tuple[dict[str, Any], ...] = ()
    """Dev checks: stage, step, ndcg@10, recall@100."""
    diagnostics: Diagnostics | None = None
    bm25: BM25Choice | None = None
    """Parameters of BM25, where it takes part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantResult:
    """One variant over its seeds; an untrained one has a single seed."""

    name: str
    group: str
    """reference, baseline, fusion, ablation or control."""
    note: str
    seeds: tuple[SeedResult, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """A variant's quality at one share of damaged products, with its 95% interval."""

    x: float
    """Share in [0, 1]."""
    variant: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleProduct:
    """One product of an example ranking."""

    title: str
    image: str | None
    """A JPEG thumbnail as a `data:` address."""
    grade: int | None
    """None for a product that is not judged."""
    rank: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One query's first products by variant, side by side."""

    query: str
    kind: str
    columns: dict[str, tuple[ExampleProduct, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResults:
    """Results of a study, from which its report is made."""

    variants: tuple[VariantResult, ...]
    reference: str
    """Name of the variant that the others are compared with."""
    split: str
    data: str
    counts: dict[str, int]
    """Number of products, queries and judgements by name."""
    hashes: dict[str, str]
    """Content hashes of the tables, and of all images together."""
    environment: dict[str, str]
    """Command, commit, machine, threads of all workers, precision and versions."""
    settings: dict[str, Any]
    falsifiers: tuple[Falsifier, ...] = ()
    examples: tuple[Example, ...] = ()
    curves: dict[str, tuple[CurvePoint, ...]] = field(default_factory=dict)
    """"missing_images" and "sparse_text": quality by share, in the order drawn."""
    curve_measure: str = "ndcg@10"
    notes: tuple[str, ...] = ()
    """Variants left out with the reason, and remarks on the data."""

    def variant(self, name: str) -> VariantResult:
        """Return the variant of this name; raises DataError for an unknown one."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(variant.name for variant in self.variants) or "none"
        raise DataError(f"study: no variant {name!r}; found {known}. Run it, or name another.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Insights:
    """Curves and example queries, which are made from the first seed's weights."""

    curves: dict[str, tuple[CurvePoint, ...]]
    examples: tuple[Example, ...]
    images: bool
    """Whether the examples have thumbnails."""


def save_results(results: StudyResults, folder: Path) -> None:
    """Write the parquet files, then results.json; each aside first, then renamed."""
    for name, schema in TABLES.items():
        frames = [
            getattr(seed, name).select(
                pl.lit(variant.name).alias("variant"),
                pl.lit(seed.seed).cast(pl.Int64).alias("seed"),
                *schema,
            )
            for variant in results.variants
            for seed in variant.seeds
        ]
        empty = pl.DataFrame(schema={"variant": pl.String, "seed": pl.Int64, **schema})
        write_scores(pl.concat([empty, *frames]), folder / f"{name}.parquet")
    write_json(folder / RESULTS_FILE, {"format": FORMAT, **_figures(results)})


def save_seed(folder: Path, variant: str, result: SeedResult, fingerprint: str) -> None:
    """Keep a finished seed; `fingerprint` names the settings and data that it came from.

    The JSON is written last and makes the seed complete.
    """
    path = _seed_path(folder, variant, result.seed)
    path.unlink(missing_ok=True)  # another settings' JSON must not come to stand for these tables
    for name in TABLES:
        write_atomic(path.with_suffix(f".{name}.parquet"), getattr(result, name).write_parquet)
    tables = {name: file_hash(path.with_suffix(f".{name}.parquet")) for name in TABLES}
    head = {"format": SEED_FORMAT, "fingerprint": fingerprint, "tables": tables}
    write_sealed(path, {**head, **_figures(result)})


def load_seed(folder: Path, variant: str, seed: int, fingerprint: str) -> SeedResult | None:
    """Return the kept seed, or None where there is none or it came from other settings."""
    path = _seed_path(folder, variant, seed)
    if not path.exists():
        return None
    content = _read_kept(path)
    if content.pop("fingerprint", None) != fingerprint:
        return None  # of other settings, or of another version, whose format it names
    del content["format"]
    hashes = content.pop("tables")
    try:
        files = {name: path.with_suffix(f".{name}.parquet") for name in TABLES}
        for name, file in files.items():
            if file_hash(file) != hashes[name]:
                raise OSError(f"{file.name} is not what was written")
        tables = {name: pl.read_parquet(file) for name, file in files.items()}
        result: SeedResult = from_dict(SeedResult, content | tables, path.name)
    except (OSError, ConfigError, pl.exceptions.PolarsError) as error:
        raise _damaged(path, error) from None
    return result


def save_insights(path: Path, insights: Insights) -> None:
    """Keep the insights of a study as JSON."""
    write_sealed(path, asdict(insights))


def load_insights(path: Path) -> Insights | None:
    """Return the kept insights; None where there are none."""
    if not path.exists():
        return None
    try:
        insights: Insights = from_dict(Insights, _read_kept(path), path.name)
    except ConfigError as error:
        raise _damaged(path, error) from None
    return insights


def without_thumbnails(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Return the examples without their images, for a report to publish."""
    return tuple(
        replace(
            example,
            columns={
                name: tuple(replace(product, image=None) for product in products)
                for name, products in example.columns.items()
            },
        )
        for example in examples
    )


def _figures(results: StudyResults | SeedResult) -> dict[str, Any]:
    """Return the plain values of results, without their tables."""
    return asdict(
        results,
        dict_factory=lambda items: {k: v for k, v in items if not isinstance(v, pl.DataFrame)},
    )


def _seed_path(folder: Path, variant: str, seed: int) -> Path:
    """Return a file for any variant name; a hash tells apart names that clean up alike."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", variant.lower())[:60]
    digest = hashlib.sha256(variant.encode()).hexdigest()[:8]
    return folder / f"{plain}-{digest}" / f"seed-{seed}.json"


def _read_kept(path: Path) -> dict[str, Any]:
    try:
        return read_sealed(path)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: cannot be read ({type(error).__name__}: {error}). "
        "Delete the file and run the study again."
    )
