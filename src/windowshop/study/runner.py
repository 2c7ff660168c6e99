"""`windowshop compare` as one function: data folder and study -> report folder."""

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from windowshop.catalog import Dataset
from windowshop.checkpoint import PACKAGES
from windowshop.config import TrainConfig, to_dict
from windowshop.encoders import load_text_encoder
from windowshop.errors import ConfigError, DataError
from windowshop.fit import require_negatives
from windowshop.fusions import needs_tokens
from windowshop.progress import Reporter
from windowshop.study.ablations import Extent
from windowshop.study.changes import without_photos, without_words
from windowshop.study.comparison import most_different_queries
from windowshop.study.config import AUTO, StudyConfig, VariantConfig, base_training, training_of
from windowshop.study.defaults import default_falsifiers, default_variants
from windowshop.study.insights import CURVE_MEASURE, SHARES, curve, examples
from windowshop.study.rankings import queries_of, trained_run
from windowshop.study.report import write_report
from windowshop.study.results import (
    RESULTS_FILE,
    CurvePoint,
    SeedResult,
    StudyResults,
    VariantResult,
    load_results,
    save_results,
)
from windowshop.study.results import without_photos as without_thumbnails
from windowshop.study.seed import FIXED_SYSTEMS, SeedRuns, StudyData, stages_of
from windowshop.study.slicing import default_slices, slices_of, with_slice_columns
from windowshop.study.training import digest
from windowshop.workbench import prepare, training_pairs, with_tokens

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
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror or error}. Choose another --out.") from None
    try:
        with FileLock(out / ".lock", timeout=0):
            study = _prepare(dataset, config, out, cache_folder, reporter)
            results = _run(study, photos=photos)
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
    if not dataset.kinds:
        raise DataError(f"{dataset.root}: no judgements to compare by. Add qrels.")
    variants, notes = _variants_of(config, base, dataset)
    trained = [training_of(base, variant, config.seeds[0]) for variant in variants]
    stages = [stage for training in trained for stage in training.stages]
    bench = token_bench = prepare(dataset, base, cache_folder, reporter, stages)
    read = [s for t in trained if needs_tokens(t.model.fusion) for s in t.stages]
    if read and not needs_tokens(base.model.fusion):
        token_bench = with_tokens(bench, base, read)
    test, dev = (queries_of(bench, split, base.loss.label_weights) for split in ("test", "dev"))
    if not test.ids:
        raise DataError(
            f"{dataset.root}: no judged test query to compare by. Add qrels for queries of "
            "split=test."
        )
    lost = sum(not judged for judged in test.qrels.values())
    if lost:
        notes += (f"{lost} test queries have judgements of the log alone: see them by label set.",)
    if not dev.ids:
        reporter.note("No judged dev queries: weights and mixes are not tuned.")
    specs = tuple(dict.fromkeys((*default_slices(dataset), *config.slices)))
    return StudyData(
        config=config,
        base=base,
        variants=variants,
        notes=notes,
        bench=bench,
        token_bench=token_bench,
        dev=dev,
        test=test,
        parts=slices_of(with_slice_columns(bench), test, specs),
        folder=out / "runs",
    )


def _variants_of(
    config: StudyConfig, base: TrainConfig, dataset: Dataset
) -> tuple[tuple[VariantConfig, ...], tuple[str, ...]]:
    """The study's variants, and which of the default study's are left out.

    Raises ConfigError for variants of the study's own that cannot be run, before any is.
    """
    variants, notes = (config.variants, ()) if config.variants else _defaults(config, base, dataset)
    if config.reference not in {variant.name for variant in variants}:
        names = ", ".join(variant.name for variant in variants)
        raise ConfigError(f"reference={config.reference!r} is none of the variants: {names}.")
    for variant in variants:
        require_negatives(stages_of(base, variant, config.seeds[0]))
        own_spaces = base.text_encoder != base.image_encoder
        if own_spaces and variant.system == "frozen" and variant.mix != "text":
            raise ConfigError(
                f"variant {variant.name}: system=frozen with mix={variant.mix} needs one model "
                f"for text and photos, found {base.text_encoder} and {base.image_encoder}. "
                "Choose mix=text, or a CLIP or SigLIP model for both."
            )
    return variants, notes


def _defaults(
    config: StudyConfig, base: TrainConfig, dataset: Dataset
) -> tuple[tuple[VariantConfig, ...], tuple[str, ...]]:
    """The default study on a data set, without the variants that the base's settings rule out."""
    extent = Extent(
        num_products=len(dataset.products),
        num_queries=len(training_pairs(dataset, base.loss)),
        text_width=load_text_encoder(base.text_encoder, base.device).layout.pooled,
        budget=config.budget,
    )
    (reference, *others), notes = default_variants(base, extent)
    possible = [reference]
    for variant in others:
        try:
            stages_of(base, variant, config.seeds[0])
        except ConfigError as error:
            notes += (f"Left out: {error}",)
        else:
            possible.append(variant)
    return tuple(possible), notes


def _run(study: StudyData, *, photos: bool) -> StudyResults:
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
            results = _with_insights(study, runs, results, photos=photos)
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
            for falsifier in default_falsifiers(config.reference, names)
            if {falsifier.better, falsifier.worse} <= names
        ),
        curve_measure=CURVE_MEASURE,
        notes=study.notes,
    )


def _with_insights(
    study: StudyData, runs: SeedRuns, results: StudyResults, *, photos: bool
) -> StudyResults:
    """Add curves and examples of the first seed, from the disk where they are kept."""
    names = study.config.curve_variants
    if names == AUTO:
        names = _shown_variants(study, results)
    named = [v for name in names if (v := study.variant(name)) is not None]
    key = digest(runs.seed, study.config.num_examples, [runs.fingerprint(v) for v in named])
    folder, bare = (study.folder / f"{name}-{key}" for name in (INSIGHTS, f"{INSIGHTS}-bare"))
    kept = next((f for f in (folder, bare) if (f / RESULTS_FILE).exists()), None)
    if kept is not None and (kept == folder or not photos):
        found = load_results(kept)
    else:
        found = _insights(study, runs, results, named)
    if not photos:
        found = without_thumbnails(found)
    save_results(found, folder if photos else bare)
    for old in study.folder.glob(f"{INSIGHTS}-*"):
        if old != (folder if photos else bare):
            shutil.rmtree(old)
    return replace(results, curves=found.curves, examples=found.examples)


def _shown_variants(study: StudyData, results: StudyResults) -> tuple[str, ...]:
    """The reference, the best other on dev (a fusion if there is one), and text-only."""
    ends = (study.config.reference, study.config.text_only)
    others = [v for v in results.variants if v.name not in ends and v.group != "control"]
    scored = [(v.seeds[0].dev_score, v) for v in others if v.seeds]
    ranked = sorted(
        ((v.group == "fusion", score, v.name) for score, v in scored if score is not None),
        reverse=True,
    )
    best = [name for _, _, name in ranked[:1]] or [v.name for v in others[:1]]
    return tuple(dict.fromkeys((ends[0], *best, ends[1])))


def _insights(
    study: StudyData, runs: SeedRuns, results: StudyResults, named: Sequence[VariantConfig]
) -> StudyResults:
    """The curves of the trained among the named variants, and examples of where all of them differ.

    Nothing else is in what this returns.
    """
    curves: dict[str, tuple[CurvePoint, ...]] = {"missing_images": (), "sparse_text": ()}
    for variant in named:
        trained = runs.trained(variant) if variant.system == "trained" else None
        if trained is None:
            continue
        rank = partial(trained_run, model=trained.model, queries=study.test)
        shown = runs.shown(variant)
        for damage, make in (("missing_images", without_photos), ("sparse_text", without_words)):
            damaged = {share: make(shown, share, runs.seed) for share in SHARES}
            curves[damage] += curve(variant.name, damaged, rank, study.test)
    rankings = {variant.name: runs.run(variant) for variant in named}
    queries: list[str] = []
    if len(rankings) > 1:
        first, *_, last = rankings
        queries = most_different_queries(results, first, last, count=study.config.num_examples)
    shown_queries = examples(study.bench, rankings, queries, study.test)
    return replace(results, variants=(), curves=curves, examples=shown_queries)


def _environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
        **{name: version(name) for name in PACKAGES},
    }
