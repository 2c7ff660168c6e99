"""Run of a study, from a data folder to a report folder."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from windowshop.data import Dataset
from windowshop.encoders import pick_device
from windowshop.errors import ConfigError
from windowshop.files import DEFAULT_CACHE
from windowshop.model import environment
from windowshop.progress import SILENT, Reporter, duration
from windowshop.settings import to_dict
from windowshop.study.config import AUTO, StudyConfig, VariantConfig
from windowshop.study.controls import with_cut_titles, without_images
from windowshop.study.default_variants import default_falsifiers
from windowshop.study.locking import locked
from windowshop.study.prepare import prepare_study
from windowshop.study.report.comparison import most_different_queries
from windowshop.study.report.insights import CURVE_MEASURE, SHARES, curve, examples
from windowshop.study.report.write import write_report
from windowshop.study.results import (
    FORMAT,
    CurvePoint,
    Insights,
    SeedResult,
    StudyResults,
    VariantResult,
    load_insights,
    save_insights,
    without_thumbnails,
)
from windowshop.study.seed import FIXED_SYSTEMS, SeedRuns, StudyData, trains_encoders
from windowshop.study.systems import trained_run
from windowshop.study.time_left import TimeLeft
from windowshop.study.training import digest
from windowshop.study.workers import Source, Task, fitting_workers, run_workers


def compare(
    dataset: Dataset,
    config: StudyConfig,
    out: str | Path,
    cache_folder: Path = DEFAULT_CACHE,
    reporter: Reporter = SILENT,
    *,
    images: bool = True,
    workers: int | None = 1,
) -> StudyResults:
    """Run a study and write its report folder; `images=False` leaves product images out of it.

    Finished variants are kept in `out/runs`, so a study that was cut off goes on where it stopped.
    Several workers are further processes, None as many as threads and memory allow. They import
    the caller's main module, so a script must guard its code by `if __name__ == "__main__"`.
    Raises ConfigError while another study writes to `out`, or for fewer than one worker.
    """
    out = Path(out)
    if workers is not None and workers < 1:
        raise ConfigError(f"workers={workers}: need at least one process.")
    with locked(out):
        source = Source(dataset, config, out / "runs", cache_folder)
        study = prepare_study(dataset, config, source.folder, cache_folder, reporter)
        device, num_runs = pick_device(study.base.device), len(_all_runs(study))
        num_workers = workers or fitting_workers(device, num_runs)
        results = _run(study, source, num_workers, images=images)
        for verdict in write_report(results, out).verdicts:
            reporter.note(f"{verdict.falsifier.claim}: {verdict.answer}.")
        return results


def _run(study: StudyData, source: Source, num_workers: int, *, images: bool) -> StudyResults:
    """Run all variants, seed after seed; a finished seed's weights are deleted."""
    seeds = study.config.seeds
    found: dict[str, list[SeedResult]] = {variant.name: [] for variant in study.variants}
    results = _without_variants(study, num_workers)
    kept = {
        Task(seed, variant.name): SeedRuns(study, seed).kept(variant)
        for seed, variant in _all_runs(study)
    }
    unfinished = [task for task, result in kept.items() if result is None]
    known = {task.variant: result.seconds for task, result in kept.items() if result is not None}
    time_left = TimeLeft(unfinished, known)
    with run_workers(source, unfinished, num_workers) as wait:
        for seed in seeds:
            runs, todo = SeedRuns(study, seed), _variants_of_seed(study, seed)
            for place, variant in enumerate(todo, 1):
                task = Task(seed, variant.name)
                if task in unfinished:
                    line = _progress_line(study, task, f"{place} of {len(todo)}", time_left)
                    study.prepared.reporter.note(line)
                wait(task)
                found[variant.name].append(runs.result(variant))
                time_left.done(task, found[variant.name][-1].seconds)
            variants = tuple(
                VariantResult(name=v.name, group=v.group, note=v.note, seeds=tuple(found[v.name]))
                for v in study.variants
            )
            chosen = (f"{v.name}: {v.seeds[0].bm25}." for v in variants if v.seeds[0].bm25)
            results = replace(results, variants=variants, notes=(*study.notes, *chosen))
            if seed == seeds[0]:
                found_insights = _insights(study, runs, results, images=images)
                results = replace(
                    results, curves=found_insights.curves, examples=found_insights.examples
                )
            runs.clear()
    return results


def _progress_line(study: StudyData, task: Task, place: str, time_left: TimeLeft) -> str:
    """Return "Variant 3 of 43, about 2 h left: text_only", with the seed where there are more."""
    seeds = study.config.seeds
    of_seed = f" with seed {task.seed}, {seeds.index(task.seed) + 1} of {len(seeds)}"
    seconds = time_left.seconds()
    left = "" if seconds is None else f", about {duration(seconds)} left"
    return f"Variant {place}{of_seed if len(seeds) > 1 else ''}{left}: {task.variant}"


def _variants_of_seed(study: StudyData, seed: int) -> list[VariantConfig]:
    """Return the variants to run with a seed: all with the first, later those that it changes."""
    first = seed == study.config.seeds[0]
    return [v for v in study.variants if first or v.system not in FIXED_SYSTEMS]


def _all_runs(study: StudyData) -> list[tuple[int, VariantConfig]]:
    """Return seeds with their variants, the longest trainings of each seed first."""
    runs = [
        (seed, variant) for seed in study.config.seeds for variant in _variants_of_seed(study, seed)
    ]
    place = {seed: i for i, seed in enumerate(study.config.seeds)}
    return sorted(runs, key=lambda run: (place[run[0]], not trains_encoders(study.base, *run)))


def _without_variants(study: StudyData, num_workers: int) -> StudyResults:
    dataset, config = study.prepared.dataset, study.config
    names = {variant.name for variant in study.variants}
    return StudyResults(
        variants=(),
        reference=config.reference,
        split="test",
        data=dataset.root.resolve().name,
        counts={
            "products": len(dataset.products),
            "training queries": len(study.prepared.data.pairs),
            "dev queries": len(study.dev.ids),
            "test queries": len(study.test.ids),
            "judgements": len(dataset.qrels),
        },
        hashes=study.prepared.hashes,
        environment=environment() | {"workers": str(num_workers)},
        settings={"study": to_dict(config), "base": to_dict(study.base)},
        falsifiers=tuple(
            item
            for item in (*default_falsifiers(config.reference, names), *config.claims)
            if {item.better, item.worse} <= names
        ),
        curve_measure=CURVE_MEASURE,
        notes=study.notes,
    )


def _insights(study: StudyData, runs: SeedRuns, results: StudyResults, *, images: bool) -> Insights:
    """Return curves and examples of the first seed, from the disk where they are kept."""
    names = study.config.curve_variants
    if names == (AUTO,):
        names = _shown_variants(study, results)
    named = [v for name in names if (v := study.variant(name)) is not None]
    key = digest(FORMAT, runs.seed, study.config.num_examples, [runs.fingerprint(v) for v in named])
    path = study.folder / f"insights-{key}.json"
    insights = load_insights(path)
    if insights is None or (images and not insights.images):
        insights = _make_insights(study, runs, results, named)
    if not images:
        bare = without_thumbnails(insights.examples)
        insights = replace(insights, examples=bare, images=False)
    save_insights(path, insights)
    for old in study.folder.glob("insights-*.json"):
        if old != path:
            old.unlink()
    return insights


def _shown_variants(study: StudyData, results: StudyResults) -> tuple[str, ...]:
    """Return the reference, the best other on dev (a fusion if there is one), and text-only."""
    ends = (study.config.reference, study.config.text_only)
    others = [v for v in results.variants if v.name not in ends and v.group != "control"]
    scored = [(v.seeds[0].dev_score, v) for v in others if v.seeds]
    ranked = sorted(
        ((v.group == "fusion", score, v.name) for score, v in scored if score is not None),
        reverse=True,
    )
    best = [name for _, _, name in ranked[:1]] or [v.name for v in others[:1]]
    return tuple(dict.fromkeys((ends[0], *best, ends[1])))


def _make_insights(
    study: StudyData, runs: SeedRuns, results: StudyResults, named: Sequence[VariantConfig]
) -> Insights:
    """Compute curves of the trained variants, and examples where the first and last differ."""
    curves: dict[str, tuple[CurvePoint, ...]] = {"missing_images": (), "sparse_text": ()}
    for variant in named:
        trained = runs.trained(variant) if variant.system == "trained" else None
        if trained is None:
            continue
        rank = partial(trained_run, model=trained.model, queries=study.test)
        shown = runs.shown(variant)
        for damage, make in (("missing_images", without_images), ("sparse_text", with_cut_titles)):
            damaged = {share: make(shown, share, runs.seed) for share in SHARES}
            curves[damage] += curve(variant.name, damaged, rank, study.test)
    rankings = {variant.name: runs.run(variant) for variant in named}
    queries: list[str] = []
    if len(rankings) > 1:
        first, *_, last = rankings
        queries = most_different_queries(results, first, last, count=study.config.num_examples)
    shown_queries = examples(study.prepared, rankings, queries, study.test)
    return Insights(curves=curves, examples=shown_queries, images=True)
