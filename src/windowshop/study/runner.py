"""`windowshop compare` as one function: data folder and study -> report folder."""

import platform
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from windowshop.catalog import Dataset
from windowshop.checkpoint import PACKAGES
from windowshop.config import to_dict
from windowshop.errors import ConfigError, DataError
from windowshop.progress import Reporter
from windowshop.study.changes import without_photos, without_words
from windowshop.study.comparison import most_different_queries
from windowshop.study.config import StudyConfig, base_training, training_of
from windowshop.study.defaults import default_falsifiers, default_variants
from windowshop.study.insights import CURVE_MEASURE, SHARES, curve, examples
from windowshop.study.rankings import queries_of, trained_run
from windowshop.study.report import write_report
from windowshop.study.results import (
    CurvePoint,
    SeedResult,
    StudyResults,
    VariantResult,
    load_results,
    save_results,
)
from windowshop.study.seed import FIXED_SYSTEMS, SeedRuns, StudyData
from windowshop.study.slicing import OWN_SLICES, slices_of, with_slice_columns
from windowshop.study.training import digest
from windowshop.workbench import prepare

INSIGHTS = "insights"
"""Where curves and examples are kept below the folder of finished runs."""


def compare(
    dataset: Dataset,
    config: StudyConfig,
    out: Path,
    cache_folder: Path,
    reporter: Reporter,
    *,
    photos: bool = True,
) -> StudyResults:
    """Run a study and write its report folder, without product photos if they must stay private.

    What is finished is kept in `out/runs`, so a study that was cut off goes on where it stopped.
    Raises ConfigError while another study writes to `out`.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".lock", timeout=0):
            study = _prepare(dataset, config, out, cache_folder, reporter)
            results = _run(study)
            write_report(results, out, photos=photos)
            return results
    except Timeout:
        raise ConfigError(
            f"{out}: another study is writing it. Wait for that one, or choose another --out."
        ) from None


def _prepare(
    dataset: Dataset, config: StudyConfig, out: Path, cache_folder: Path, reporter: Reporter
) -> StudyData:
    base = base_training(config)
    variants = config.variants or default_variants(base)
    if config.reference not in {variant.name for variant in variants}:
        names = ", ".join(variant.name for variant in variants)
        raise ConfigError(f"reference={config.reference!r} is none of the variants: {names}.")
    stages = [s for v in variants for s in training_of(base, v, config.seeds[0]).stages]
    bench = prepare(dataset, base, cache_folder, reporter, stages)
    if not dataset.kinds:
        raise DataError(f"{dataset.root}: no judgements to compare by. Add qrels.")
    test, dev = queries_of(bench, "test"), queries_of(bench, "dev")
    if not test.ids:
        raise DataError(
            f"{dataset.root}: no judged test query to compare by. Add qrels for queries of "
            "split=test."
        )
    if not dev.ids:
        reporter.note("No judged dev queries: weights and mixes are not tuned.")
    specs = tuple(dict.fromkeys((*OWN_SLICES, *config.slices)))
    return StudyData(
        config=config,
        base=base,
        variants=variants,
        bench=bench,
        dev=dev,
        test=test,
        parts=slices_of(with_slice_columns(bench), test, specs),
        folder=out / "runs",
    )


def _run(study: StudyData) -> StudyResults:
    """All variants with each seed in turn; a seed's weights are dropped when it is done."""
    seeds = study.config.seeds
    found: dict[str, list[SeedResult]] = {variant.name: [] for variant in study.variants}
    results = _without_variants(study)
    for seed in seeds:
        runs = SeedRuns(study, seed)
        todo = [v for v in study.variants if seed == seeds[0] or v.system not in FIXED_SYSTEMS]
        with study.bench.reporter.bar(f"Compare with seed {seed}", len(todo)) as advance:
            for variant in todo:
                found[variant.name].append(runs.result(variant))
                advance(1, variant.name)
        results = replace(results, variants=_variants(study, found))
        if seed == seeds[0]:
            results = _with_insights(study, runs, results)
        runs.clear()
    return results


def _variants(study: StudyData, found: Mapping[str, list[SeedResult]]) -> tuple[VariantResult, ...]:
    return tuple(
        VariantResult(name=v.name, group=v.group, note=v.note, seeds=tuple(found[v.name]))
        for v in study.variants
    )


def _without_variants(study: StudyData) -> StudyResults:
    dataset, config = study.bench.dataset, study.config
    names = {variant.name for variant in study.variants}
    return StudyResults(
        variants=(),
        reference=config.reference,
        split="test",
        data=dataset.root.resolve().name,
        counts={
            "products": len(dataset.products),
            "training queries": len(study.bench.data.pairs),
            "dev queries": len(study.dev.ids),
            "test queries": len(study.test.ids),
            "judgements": len(dataset.qrels),
        },
        environment=_environment(),
        settings={"study": to_dict(config), "base": to_dict(study.base)},
        falsifiers=tuple(
            falsifier
            for falsifier in default_falsifiers(config.reference)
            if {falsifier.better, falsifier.worse} <= names
        ),
        curve_measure=CURVE_MEASURE,
    )


def _with_insights(study: StudyData, runs: SeedRuns, results: StudyResults) -> StudyResults:
    """Add curves and examples of the first seed, from the disk where they are kept."""
    folder = study.folder / f"{INSIGHTS}-{digest(study.bench.hashes, results.settings)}"
    if folder.exists():
        kept = load_results(folder)
        return replace(results, curves=kept.curves, examples=kept.examples)
    named = [v for name in study.config.curve_variants if (v := study.variant(name)) is not None]
    curves: dict[str, tuple[CurvePoint, ...]] = {"missing_images": (), "sparse_text": ()}
    for variant in named:
        trained = runs.trained(variant)
        if trained is None:
            continue
        rank = partial(trained_run, model=trained.model, queries=study.test)
        for damage, make in (("missing_images", without_photos), ("sparse_text", without_words)):
            damaged = {share: make(study.bench, share, runs.seed) for share in SHARES}
            curves[damage] += curve(variant.name, damaged, rank, study.test)
    rankings = {variant.name: runs.run(variant) for variant in named}
    shown: list[str] = []
    if len(rankings) > 1:
        first, *_, last = rankings
        shown = most_different_queries(results, first, last, count=study.config.num_examples)
    results = replace(
        results, curves=curves, examples=examples(study.bench, rankings, shown, study.test)
    )
    save_results(replace(results, variants=()), folder)
    return results


def _environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
        **{name: version(name) for name in PACKAGES},
    }
