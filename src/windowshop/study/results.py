"""What a study found, and its files: JSON for figures, parquet for per-query scores.

A trained seed is saved on its own as soon as it is done, so that a study that was cut off goes on
where it stopped; the whole study is saved beside its report.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.errors import DataError
from windowshop.evaluation import Diagnostics, ExclusiveMatches, GateWeights, UnretrievedProducts
from windowshop.files import write_atomic, write_json
from windowshop.study.config import Falsifier

FORMAT = "windowshop-study-3"
SEED_FORMAT = "windowshop-study-seed-2"
UNRETRIEVED_SUFFIX = ".unretrieved.parquet"
RESULTS_FILE = "results.json"
PER_QUERY_FILE = "per_query.parquet"
UNRETRIEVED_FILE = "unretrieved.parquet"
"""Products that no test query has in its first 100: variant, seed, product_id."""
UNRETRIEVED_SCHEMA = {"product_id": pl.String}
PER_QUERY_SCHEMA = {
    "slice": pl.String,
    "query_id": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedResult:
    """One variant trained and tested with one seed."""

    seed: int
    seconds: float
    """Training time; 0 where nothing is trained."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantResult:
    """One variant over its seeds; an untrained one has a single seed."""

    name: str
    group: str
    """baseline, fusion, ablation, control, falsifier, ..."""
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
    """None where nobody judged it."""
    rank: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One query's first products by variant, side by side."""

    query: str
    kind: str
    columns: dict[str, tuple[ExampleProduct, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResults:
    """All that the report is made from."""

    variants: tuple[VariantResult, ...]
    reference: str
    """Name of the variant that the others are compared with."""
    split: str
    data: str
    counts: dict[str, int]
    """Sizes to name beside the figures: products, queries, judgements, ..."""
    environment: dict[str, str]
    settings: dict[str, Any]
    falsifiers: tuple[Falsifier, ...] = ()
    examples: tuple[Example, ...] = ()
    curves: dict[str, tuple[CurvePoint, ...]] = field(default_factory=dict)
    """"missing_images" and "sparse_text": quality by share, in the order drawn."""
    curve_measure: str = "ndcg@10"
    notes: tuple[str, ...] = ()
    """What the study left out, and why."""

    def variant(self, name: str) -> VariantResult:
        """The variant of this name; raises DataError for an unknown one."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(variant.name for variant in self.variants) or "none"
        raise DataError(f"study: no variant {name!r}; found {known}. Run it, or name another.")


def save_results(results: StudyResults, folder: Path) -> None:
    """Write the parquet files, then results.json; each aside first, then renamed."""
    bare = [_variant_to_json(variant) for variant in results.variants]
    content = {
        "format": FORMAT,
        **asdict(replace(results, variants=())),
        "variants": bare,
    }
    scores = _stacked(results, PER_QUERY_SCHEMA, lambda seed: seed.per_query)
    missed = _stacked(results, UNRETRIEVED_SCHEMA, lambda seed: seed.unretrieved)
    write_atomic(folder / PER_QUERY_FILE, scores.write_parquet)
    write_atomic(folder / UNRETRIEVED_FILE, missed.write_parquet)
    write_json(folder / RESULTS_FILE, content)


def load_results(folder: Path) -> StudyResults:
    """Read what `save_results` wrote; raises DataError where it is missing or damaged."""
    path = folder / RESULTS_FILE
    content = _read_json(path)
    found = content.get("format")
    if found != FORMAT:
        raise DataError(
            f"{path}: found format {found!r}, this version reads {FORMAT}. Run the study again."
        )
    try:
        tables = [pl.read_parquet(folder / name) for name in (PER_QUERY_FILE, UNRETRIEVED_FILE)]
        return _results_from_json(content, *tables)
    except (OSError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        raise _damaged(path, error) from None


def save_seed(folder: Path, variant: str, result: SeedResult, fingerprint: str) -> None:
    """Keep a finished seed; `fingerprint` names the settings and data that it came from.

    The JSON is written last and makes the seed complete.
    """
    path = _seed_path(folder, variant, result.seed)
    path.unlink(missing_ok=True)  # another settings' JSON must not come to stand for these tables
    write_atomic(path.with_suffix(".parquet"), result.per_query.write_parquet)
    write_atomic(path.with_suffix(UNRETRIEVED_SUFFIX), result.unretrieved.write_parquet)
    content = {"format": SEED_FORMAT, "fingerprint": fingerprint, **_seed_to_json(result)}
    write_json(path, content)


def load_seed(folder: Path, variant: str, seed: int, fingerprint: str) -> SeedResult | None:
    """The kept seed, or None where there is none or it came from other settings."""
    path = _seed_path(folder, variant, seed)
    if not path.exists():
        return None
    content = _read_json(path)
    if content.get("fingerprint") != fingerprint:
        return None  # of other settings, or of another version, whose format it names
    try:
        tables = [
            pl.read_parquet(path.with_suffix(suffix)) for suffix in (".parquet", UNRETRIEVED_SUFFIX)
        ]
        return _seed_from_json(content, *tables)
    except (OSError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        raise _damaged(path, error) from None


def without_photos(results: StudyResults) -> StudyResults:
    """The same study with no thumbnail in its examples, as for publishing."""
    examples = tuple(
        replace(
            example,
            columns={
                name: tuple(replace(product, image=None) for product in products)
                for name, products in example.columns.items()
            },
        )
        for example in results.examples
    )
    return replace(results, examples=examples)


def _seed_path(folder: Path, variant: str, seed: int) -> Path:
    """A file name for any variant name; the hash keeps apart names that clean up alike."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", variant.lower())[:60]
    digest = hashlib.sha256(variant.encode()).hexdigest()[:8]
    return folder / f"{plain}-{digest}" / f"seed-{seed}.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    return dict(content) if isinstance(content, dict) else {}


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: cannot be read ({type(error).__name__}: {error}). "
        "Delete the file and run the study again."
    )


def _variant_to_json(variant: VariantResult) -> dict[str, Any]:
    seeds = [_seed_to_json(seed) for seed in variant.seeds]
    return {"name": variant.name, "group": variant.group, "note": variant.note, "seeds": seeds}


def _seed_to_json(seed: SeedResult) -> dict[str, Any]:
    names = ("seed", "seconds", "memory_mb", "parameters", "dev_score", "history")
    diagnostics = None if seed.diagnostics is None else asdict(seed.diagnostics)
    return {**{name: getattr(seed, name) for name in names}, "diagnostics": diagnostics}


def _stacked(
    results: StudyResults, schema: Mapping[str, Any], of: Callable[[SeedResult], pl.DataFrame]
) -> pl.DataFrame:
    """One table of all seeds' tables, with variant and seed before their columns."""
    frames = [
        of(seed).select(
            pl.lit(variant.name).alias("variant"),
            pl.lit(seed.seed).cast(pl.Int64).alias("seed"),
            *schema,
        )
        for variant in results.variants
        for seed in variant.seeds
    ]
    empty = pl.DataFrame(schema={"variant": pl.String, "seed": pl.Int64, **schema})
    return pl.concat([empty, *frames])


def _results_from_json(
    content: dict[str, Any], scores: pl.DataFrame, missed: pl.DataFrame
) -> StudyResults:
    variants = []
    for variant in content["variants"]:
        rows, lost = (table.filter(variant=variant["name"]) for table in (scores, missed))
        seeds = tuple(
            _seed_from_json(seed, rows.filter(seed=seed["seed"]), lost.filter(seed=seed["seed"]))
            for seed in variant["seeds"]
        )
        variants.append(
            VariantResult(
                name=variant["name"], group=variant["group"], note=variant["note"], seeds=seeds
            )
        )
    plain = ("reference", "split", "data", "counts", "environment", "settings", "curve_measure")
    curves = {
        name: tuple(CurvePoint(**point) for point in points)
        for name, points in content["curves"].items()
    }
    return StudyResults(
        variants=tuple(variants),
        falsifiers=tuple(Falsifier(**falsifier) for falsifier in content["falsifiers"]),
        examples=tuple(_example(example) for example in content["examples"]),
        curves=curves,
        notes=tuple(content["notes"]),
        **{name: content[name] for name in plain},
    )


def _seed_from_json(
    content: dict[str, Any], per_query: pl.DataFrame, unretrieved: pl.DataFrame
) -> SeedResult:
    return SeedResult(
        seed=content["seed"],
        seconds=content["seconds"],
        memory_mb=content["memory_mb"],
        parameters=content["parameters"],
        dev_score=content["dev_score"],
        per_query=per_query.select(*PER_QUERY_SCHEMA),
        unretrieved=unretrieved.select(*UNRETRIEVED_SCHEMA),
        history=tuple(content["history"]),
        diagnostics=_diagnostics(content["diagnostics"]),
    )


def _diagnostics(content: dict[str, Any] | None) -> Diagnostics | None:
    if content is None:
        return None
    return Diagnostics(
        modality_gap=content["modality_gap"],
        uniformity=content["uniformity"],
        gates=tuple(GateWeights(**row) for row in content["gates"]),
        exclusive=tuple(ExclusiveMatches(**row) for row in content["exclusive"]),
        unretrieved=tuple(UnretrievedProducts(**row) for row in content["unretrieved"]),
    )


def _example(content: dict[str, Any]) -> Example:
    columns = {
        name: tuple(ExampleProduct(**product) for product in products)
        for name, products in content["columns"].items()
    }
    return Example(query=content["query"], kind=content["kind"], columns=columns)
