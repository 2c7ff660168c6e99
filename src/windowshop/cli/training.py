"""Commands that train, evaluate and compare."""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from windowshop.cli.options import (
    CacheOption,
    Data,
    FusionChoice,
    ModelPath,
    out,
    print_line,
    reporter,
    require_file,
)
from windowshop.config import (
    GENERATED_QUERIES,
    PRESETS,
    NegativesPool,
    Preset,
    TrainConfig,
    load_config,
)
from windowshop.data import require_products
from windowshop.errors import ConfigError, needs_extra
from windowshop.files import DEFAULT_CACHE, INDEX, MODEL, is_of_kind, require_manifest


@needs_extra("train")
def train(
    data: Data,
    model: Annotated[Path, typer.Option("--out", help="Model folder to write.")],
    config: Annotated[Path | None, typer.Option(help="YAML file with settings.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    fusion: Annotated[
        FusionChoice | None, typer.Option(help="How text and image are combined.")
    ] = None,
    text_encoder: Annotated[
        str | None, typer.Option(help="minilm, or a Hugging Face name or folder.")
    ] = None,
    image_encoder: Annotated[
        str | None, typer.Option(help="efficientnet-lite0, -lite2, or a CLIP/SigLIP model.")
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="Stages: chosen by what DATA has (auto, the default), domain and fused on frozen "
            "encoders, with separate alignment, with LoRA on text, or for few judgements."
        ),
    ] = None,
    negatives: Annotated[
        Path | None,
        typer.Option(help="Table of `windowshop mine-negatives` that the last stage draws from."),
    ] = None,
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Train a model and its baselines; a stopped run continues when started again.

    Under torchrun all processes train one model.
    """
    require_products(data)
    require_file("--negatives", negatives)
    settings = load_config(config) if config else TrainConfig()
    own_stages = settings.stages != TrainConfig().stages
    if preset is not None and own_stages:
        raise ConfigError(f"--preset {preset}: {config} names stages too. Leave out one of them.")
    if preset in (None, "auto"):
        settings = replace(settings, schedule="stages" if own_stages else "auto")
    else:
        settings = replace(settings, schedule="stages", stages=PRESETS[preset]())
    if preset == "few" and not settings.generated_queries:
        settings = replace(settings, generated_queries=GENERATED_QUERIES)
    if fusion is not None:
        settings = replace(settings, model=replace(settings.model, fusion=fusion))
    if negatives is not None:
        settings = replace(settings, schedule="stages")
        *others, last = settings.stages
        stages = (*others, replace(last, negatives="mined"))
        settings = replace(settings, stages=stages, negatives_file=str(negatives))
    settings = replace(
        settings,
        seed=settings.seed if seed is None else seed,
        text_encoder=text_encoder or settings.text_encoder,
        image_encoder=image_encoder or settings.image_encoder,
    )
    from windowshop.data import read_dataset
    from windowshop.training import train as run

    manifest = run(read_dataset(data), model, settings, cache, reporter)
    if os.environ.get("RANK", "0") != "0":
        return  # the first process of torchrun's prints
    table = Table(title=f"{model}: dev figures", title_justify="left", title_style="bold")
    for column in ("system", "nDCG@10", "Recall@100"):
        table.add_column(column, justify="left" if column == "system" else "right")
    for system, figures in manifest.dev.items():
        table.add_row(system, f"{figures['ndcg@10']:.3f}", f"{figures['recall@100']:.3f}")
    out.print(table if manifest.dev else f"{model}: trained (no dev queries to score it on)")


@needs_extra("train")
def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Model folder made by `windowshop train`, or index folder made by "
            "`windowshop index`.",
            metavar="MODEL_OR_INDEX",
        ),
    ],
    data: Data,
    split: Annotated[str, typer.Option(help="Which queries: train, dev or test.")] = "test",
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help="Column of queries or products, or several: a+b."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here as JSON.")
    ] = None,
    per_query: Annotated[
        Path | None,
        typer.Option(help="Parquet of every query's scores; default: beside the JSON file."),
    ] = None,
    other_seeds: Annotated[
        list[Path] | None,
        typer.Option(
            "--other-seed",
            help="Per-query scores (parquet) of the same training with another seed, once for "
            "each: figures are then means, with intervals over queries and seeds.",
        ),
    ] = None,
    trec: Annotated[
        Path | None, typer.Option(help="Folder for runs and qrels in TREC's form.")
    ] = None,
    endpoint_grades: Annotated[
        Path | None,
        typer.Option(help="Grades of `windowshop judge`, as a label set beside people's."),
    ] = None,
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Score a model beside its baselines, or the search of an index beside its channels.

    BM25 ranks for the same queries.
    """
    is_index = is_of_kind(folder, INDEX)
    require_manifest(folder, INDEX if is_index else MODEL)
    require_products(data)

    from windowshop.data import read_dataset
    from windowshop.evaluation import (
        read_grades,
        read_scores,
        render_evaluation,
        with_seeds,
        write_evaluation,
        write_per_query,
        write_trec,
    )

    others = [read_scores(path) for path in other_seeds or []]
    dataset = read_dataset(data)
    grades = read_grades(endpoint_grades) if endpoint_grades else None
    if is_index:
        from windowshop.search import evaluate_searcher, open_searcher

        with closing(open_searcher(folder, read_only=True)) as searcher:
            evaluation = evaluate_searcher(searcher, dataset, split, slices or [], reporter, grades)
    else:
        from windowshop.evaluation import evaluate as run
        from windowshop.model import load

        evaluation = run(load(folder), dataset, split, slices or [], cache, reporter, grades)
    if others:
        evaluation = with_seeds(evaluation, others)
    if trec is not None:
        write_trec(evaluation, trec)
    if json_file is not None:
        write_evaluation(evaluation, json_file)
        per_query = per_query or json_file.with_suffix(".per_query.parquet")
    if per_query is not None:
        write_per_query(evaluation, per_query)
    out.print(render_evaluation(evaluation))


@needs_extra("train")
def mine_negatives(
    model: ModelPath,
    data: Data,
    table: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    sources: Annotated[
        str, typer.Option(help="Rankings to draw from: bm25, text, image, fused, refused.")
    ] = "bm25,text,image,fused,refused",
    per_query: Annotated[int, typer.Option(help="Negatives for each query and ranking.")] = 30,
    margin: Annotated[
        float, typer.Option(help="A negative scores under this share of the positive's score.")
    ] = 0.95,
    among: Annotated[
        NegativesPool,
        typer.Option(help="Products to draw from: all, or those that a query of the split judges."),
    ] = "catalogue",
    split: Annotated[str, typer.Option(help="Which queries: train, dev or test.")] = "train",
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Write hard negatives: unjudged products that a model ranks high for each query."""
    require_manifest(model, MODEL)
    require_products(data)

    from windowshop.data import read_dataset
    from windowshop.model import load
    from windowshop.training import MiningConfig, parse_sources, render_summary
    from windowshop.training import mine_negatives as run

    config = MiningConfig(
        sources=parse_sources(sources),
        split=split,
        per_query=per_query,
        margin=margin,
        among=among,
    )
    summary = run(load(model), read_dataset(data), config, table, cache, reporter)
    counts = f"{summary.num_queries} queries, {summary.num_without} without a negative"
    print_line(f"{table}: {counts}")
    out.print(render_summary(summary))


@needs_extra("study")
def compare(
    data: Data,
    report: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Report folder to write; default: DATA's name and -study, here."
        ),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="YAML file of variants, seeds and budget; default: all variants."),
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help="Column of queries or products, or several: a+b."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of seeds, from 0 on.")] = None,
    budget: Annotated[
        float | None, typer.Option(help="Training steps as a share of the defaults.")
    ] = None,
    images: Annotated[bool, typer.Option(help="Show product images in the report.")] = True,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes to train in; default: as many as cores and memory allow."),
    ] = None,
    blocks: Annotated[
        list[str] | None,
        typer.Option("--block", help="Block of a study of regimes, or several; default: all."),
    ] = None,
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Train variants of the method and write a report that compares them."""
    require_products(data)
    require_file("--study", study)

    from windowshop.data import read_dataset
    from windowshop.study import StudyConfig, is_regimes, load_study
    from windowshop.study import compare as run

    if study is not None and is_regimes(study):
        if slices:
            raise ConfigError(
                f"--slice: {study} is a study of regimes, which scores whole queries."
            )
        _compare_regimes(data, report, study, tuple(blocks or ()), seeds, budget, workers, cache)
        return
    if blocks:
        raise ConfigError(f"--block: {study or 'the default study'} has no blocks. Leave it out.")
    config = load_study(study) if study else StudyConfig()
    config = replace(
        config,
        slices=(*config.slices, *(slices or ())),
        seeds=config.seeds if seeds is None else tuple(range(seeds)),
        budget=config.budget if budget is None else budget,
    )
    report = report or Path(f"{data.resolve().name}-study")
    dataset = read_dataset(data)
    results = run(dataset, config, report, cache, reporter, images=images, workers=workers)
    print_line(f"{report / 'report.html'}: {len(results.variants)} variants")


def _compare_regimes(
    data: Path,
    report: Path | None,
    study: Path,
    blocks: tuple[str, ...],
    seeds: int | None,
    budget: float | None,
    workers: int | None,
    cache: Path,
) -> None:
    from windowshop.data import read_dataset
    from windowshop.study import compare_regimes, load_regimes

    config = load_regimes(study)
    config = replace(
        config.only(blocks) if blocks else config,
        seeds=config.seeds if seeds is None else tuple(range(seeds)),
        budget=config.budget if budget is None else budget,
    )
    report = report or Path(f"{data.resolve().name}-study")
    results = compare_regimes(read_dataset(data), config, report, cache, reporter, workers=workers)
    print_line(f"{report}: {len(results.cells)} cells")
