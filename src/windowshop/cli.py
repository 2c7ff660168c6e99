"""The `windowshop` command: each subcommand parses, calls one function and prints."""

import json
import os
import warnings
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from windowshop import __version__
from windowshop.config import FusionName, TrainConfig, load_config
from windowshop.errors import ConfigError, SearchError, WindowshopError

app = typer.Typer(
    help="Multimodal product search: check, train, evaluate, index, search.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)

Data = Annotated[Path, typer.Argument(help="Folder with products, queries and qrels.")]
ModelPath = Annotated[Path, typer.Argument(help="Model folder made by `windowshop train`.")]
IndexPath = Annotated[Path, typer.Argument(help="Index folder made by `windowshop index`.")]
CacheOption = Annotated[
    Path,
    typer.Option(help="Folder of encoded features, shared by all runs.", envvar="WINDOWSHOP_CACHE"),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
EngineChoice = Literal["auto", "flat", "zvec", "exact"]
Mode = Literal["hybrid", "vectors", "words"]
STOPPED = 130
"""Exit code of a command that was interrupted."""
DEFAULT_CACHE = Path.home() / ".cache" / "windowshop"


@app.command()
def check(data: Data, json_output: JsonFlag = False) -> None:
    """Validate a data folder and report what is in it; exit 1 on errors."""
    from windowshop.check import check_dataset
    from windowshop.findings import render
    from windowshop.progress import TerminalReporter

    report = check_dataset(data, reporter=TerminalReporter(err))
    if json_output:
        _print_json(report.to_json())
    else:
        out.print(render(report))
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def train(
    data: Data,
    model: Annotated[Path, typer.Option("--out", help="Model folder to write.")],
    config: Annotated[Path | None, typer.Option(help="YAML file with settings.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    fusion: Annotated[
        FusionName | None, typer.Option(help="How text and photo are combined.")
    ] = None,
    text_encoder: Annotated[
        str | None, typer.Option(help="minilm, or a Hugging Face name or folder.")
    ] = None,
    image_encoder: Annotated[
        str | None, typer.Option(help="efficientnet-lite0, -lite2, or a CLIP/SigLIP model.")
    ] = None,
    negatives: Annotated[
        Path | None, typer.Option(help="Table of `windowshop mine` that the last stage draws from.")
    ] = None,
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Train a model and its baselines; a killed run goes on where it stopped."""
    from windowshop.catalog import read_dataset
    from windowshop.fit import fit
    from windowshop.progress import TerminalReporter

    settings = load_config(config) if config else TrainConfig()
    if fusion is not None:
        settings = replace(settings, model=replace(settings.model, fusion=fusion))
    if negatives is not None:
        *others, last = settings.stages
        stages = (*others, replace(last, negatives="mined"))
        settings = replace(settings, stages=stages, negatives_file=str(negatives))
    settings = replace(
        settings,
        seed=settings.seed if seed is None else seed,
        text_encoder=text_encoder or settings.text_encoder,
        image_encoder=image_encoder or settings.image_encoder,
    )
    manifest = fit(read_dataset(data), model, settings, cache, TerminalReporter(err))
    table = Table(title=f"{model}: dev figures", title_justify="left", title_style="bold")
    for column in ("system", "nDCG@10", "Recall@100"):
        table.add_column(column, justify="left" if column == "system" else "right")
    for system, figures in manifest.dev.items():
        table.add_row(system, f"{figures['ndcg@10']:.3f}", f"{figures['recall@100']:.3f}")
    out.print(table if manifest.dev else f"{model}: trained (no dev queries to score it on)")


@app.command()
def evaluate(
    model: ModelPath,
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
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Score a model beside text-only, image-only and BM25 on the same queries."""
    from windowshop.catalog import read_dataset
    from windowshop.evaluate import evaluate as run
    from windowshop.evaluate import write_json, write_per_query
    from windowshop.model import load
    from windowshop.progress import TerminalReporter
    from windowshop.report import render_evaluation

    evaluation = run(
        load(model), read_dataset(data), split, slices or [], cache, TerminalReporter(err)
    )
    if json_file is not None:
        write_json(evaluation, json_file)
        per_query = per_query or json_file.with_suffix(".per_query.parquet")
    if per_query is not None:
        write_per_query(evaluation, per_query)
    out.print(render_evaluation(evaluation))


@app.command()
def mine(
    model: ModelPath,
    data: Data,
    table: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    sources: Annotated[
        str, typer.Option(help="Rankings to mine, from: bm25, text, image, fused, refused.")
    ] = "bm25,text,image,fused,refused",
    per_query: Annotated[int, typer.Option(help="Negatives a query and source.")] = 30,
    margin: Annotated[
        float, typer.Option(help="A negative scores under this share of the positive's score.")
    ] = 0.95,
    split: Annotated[str, typer.Option(help="Which queries: train, dev or test.")] = "train",
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Write the products that a model confuses with each query's own: hard negatives."""
    from windowshop.candidates import MiningConfig, parse_sources
    from windowshop.catalog import read_dataset
    from windowshop.mine import mine_negatives, render_summary
    from windowshop.model import load
    from windowshop.progress import TerminalReporter

    config = MiningConfig(
        sources=parse_sources(sources), split=split, per_query=per_query, margin=margin
    )
    summary = mine_negatives(
        load(model), read_dataset(data), config, table, cache, TerminalReporter(err)
    )
    counts = f"{summary.num_queries} queries, {summary.num_without} without a negative"
    out.print(f"{table}: {counts}", highlight=False, markup=False, soft_wrap=True)
    out.print(render_summary(summary))


@app.command()
def compare(
    data: Data,
    report: Annotated[Path, typer.Option("--out", help="Report folder to write.")],
    study: Annotated[
        Path | None, typer.Option(help="YAML of variants, seeds, budget; default: all of them.")
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help="Column of queries or products, or several: a+b."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of seeds, from 0 on.")] = None,
    budget: Annotated[
        float | None, typer.Option(help="Training steps as a share of the defaults.")
    ] = None,
    photos: Annotated[bool, typer.Option(help="Product photos in the report.")] = True,
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Train variants of the method side by side and report what each is worth."""
    from windowshop.catalog import read_dataset
    from windowshop.progress import TerminalReporter
    from windowshop.study.config import StudyConfig, load_study
    from windowshop.study.runner import compare as run

    config = load_study(study) if study else StudyConfig()
    config = replace(
        config,
        slices=(*config.slices, *(slices or ())),
        seeds=config.seeds if seeds is None else tuple(range(seeds)),
        budget=config.budget if budget is None else budget,
    )
    reporter = TerminalReporter(err)
    results = run(read_dataset(data), config, report, cache, reporter, photos=photos)
    out.print(f"{report / 'report.md'}: {len(results.variants)} variants", soft_wrap=True)


@app.command()
def index(
    model: ModelPath,
    data: Data,
    index_folder: Annotated[Path, typer.Option("--out", help="Index folder to write, or renew.")],
    engine: Annotated[
        EngineChoice, typer.Option(help="Vector engine; auto chooses by the number of products.")
    ] = "auto",
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Encode a catalogue with a model and write a folder that answers searches."""
    from windowshop.catalog import read_dataset
    from windowshop.images import broken_note
    from windowshop.index import IndexConfig, build_index, current_generation
    from windowshop.model import load
    from windowshop.progress import TerminalReporter

    config = IndexConfig(engine=engine)
    reporter = TerminalReporter(err)
    manifest = build_index(load(model), read_dataset(data), index_folder, cache, reporter, config)
    out.print(
        f"{index_folder}: {manifest.num_products} products, {manifest.width} dimensions, "
        f"generation {current_generation(index_folder)}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for kind, count in manifest.broken_images.items():
        out.print(broken_note(kind, count))
    if manifest.unsearchable:
        out.print(f"{manifest.unsearchable} products have neither text nor a usable photo")


@app.command()
def rollback(index_folder: IndexPath) -> None:
    """Search the generation of an index before the current one; twice is forth again."""
    from windowshop.index import rollback as run

    told = f"{index_folder}: generation {run(index_folder)} is current"
    out.print(told, highlight=False, markup=False, soft_wrap=True)


@app.command()
def tune(
    index_folder: IndexPath,
    data: Data,
    split: Annotated[str, typer.Option(help="Which queries: train, dev or test.")] = "dev",
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help="Column that no setting may lose by: a, or several: a+b."),
    ] = None,
    guard: Annotated[bool, typer.Option(help="Refuse settings by which a slice loses.")] = True,
    max_lost: Annotated[
        float, typer.Option(help="Share of relevant products that lists may end before.")
    ] = 0.01,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all that was tried here as JSON.")
    ] = None,
) -> None:
    """Choose how an index merges its channels on judged queries; nothing may have it open."""
    from windowshop.catalog import read_dataset
    from windowshop.progress import TerminalReporter
    from windowshop.search import open_searcher
    from windowshop.tune import TuneConfig, render_tuning, save_tuning
    from windowshop.tune import tune as run

    config = TuneConfig(split=split, slices=tuple(slices or ()), guard=guard, max_lost=max_lost)
    with closing(open_searcher(index_folder)) as searcher:
        tuning = run(searcher, read_dataset(data), config, TerminalReporter(err))
        path = save_tuning(tuning, searcher, json_file)
    out.print(render_tuning(tuning))
    out.print(f"{path}: written", highlight=False, markup=False, soft_wrap=True)


@app.command()
def export(
    model: ModelPath,
    data: Annotated[
        Path, typer.Option(help="Data folder whose queries and products it is checked on.")
    ],
    export_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; default: MODEL/export.")
    ] = None,
    int8: Annotated[
        bool, typer.Option(help="Keep a graph in 8-bit integers where it is close enough.")
    ] = True,
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Write a model's path from query text to vector as one ONNX graph, checked against it."""
    from windowshop.catalog import read_dataset
    from windowshop.model import load
    from windowshop.progress import TerminalReporter
    from windowshop.query_graph import ExportConfig, export_queries, render_export

    place = export_folder or model / "export"
    reporter = TerminalReporter(err)
    config = ExportConfig(int8=int8)
    manifest = export_queries(
        load(model, "cpu"), read_dataset(data), place, cache, config, reporter
    )
    out.print(f"{place}: {manifest.precision} kept", highlight=False, markup=False, soft_wrap=True)
    out.print(render_export(manifest))


@app.command()
def search(
    index_folder: IndexPath,
    text: Annotated[str | None, typer.Argument(help="What to search for.")] = None,
    image: Annotated[Path | None, typer.Option(help="Photo to search by.")] = None,
    k: Annotated[int, typer.Option("-k", help="Number of results.")] = 10,
    where: Annotated[
        str | None, typer.Option(help="Filter, such as 'price < 1000 and brand = \"Nike\"'.")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="Channels of a text search.")] = "hybrid",
    understand: Annotated[
        bool, typer.Option(help="Let brands, categories and prices in the text count as such.")
    ] = True,
    explain: Annotated[bool, typer.Option(help="Say why each product stands there.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures here.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Search an index by text, photo or both."""
    from windowshop.page import render_page, write_page
    from windowshop.search import SearchRequest, open_searcher
    from windowshop.showcase import render_answer, result_list

    if image is None and where is None and not (text or "").strip():
        raise SearchError("The query has neither text nor a photo. Give one, or a filter.")
    request = SearchRequest(
        text=text,
        photo=image,
        where=where,
        limit=k,
        mode=mode,
        understand=understand,
        explain=explain,
    )
    with closing(open_searcher(index_folder)) as searcher:
        answer = searcher.answer(request)
    if html is not None:
        write_page(html, render_page([result_list(answer, image)], title="windowshop search"))
    if json_output:
        _print_json(answer.to_json())
    else:
        out.print(render_answer(answer, image))


@app.command()
def serve(
    index_folder: IndexPath,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    keys: Annotated[
        Path | None, typer.Option(help="YAML file of API keys; without it, this machine only.")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="Generation to have open too, to compare.")
    ] = None,
    cors: Annotated[
        list[str] | None, typer.Option(help="Origin whose pages may call the service.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Most requests of a key, such as 50/second.")
    ] = None,
) -> None:
    """Serve an index over HTTP, with a page to search in, until it is told to end."""
    try:
        from windowshop.service.config import ServiceConfig
        from windowshop.service.server import serve as run
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"serve needs the package {error.name!r}. Run pip install 'windowshop[serve]'."
        ) from None

    config = ServiceConfig(origins=tuple(cors or ()), rate=rate)
    run(
        index_folder,
        host,
        port,
        config,
        keys_file=keys,
        also=also or (),
        listening=lambda address: out.print(address, highlight=False),
    )


@app.command(name="demo-data")
def demo_data(
    folder: Annotated[Path, typer.Argument(help="Folder to write the catalogue to.")],
    products: Annotated[int, typer.Option(help="Number of products.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the drawing.")] = 0,
) -> None:
    """Write a generated catalogue (drawn products, graded queries, simulated clicks)."""
    from windowshop.demo import DemoConfig, write_demo

    write_demo(folder, DemoConfig(num_products=products, seed=seed))
    out.print(f"{folder}: {products} generated products")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Folder for the data, model, index and page.")],
    products: Annotated[int, typer.Option(help="Number of generated products.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the generated data.")] = 0,
) -> None:
    """Run everything once on a generated catalogue, and write a page of search results."""
    from windowshop.demo import DemoConfig
    from windowshop.firstrun import demo_config, run_demo
    from windowshop.progress import TerminalReporter

    shop = DemoConfig(num_products=products, seed=seed)
    run_demo(folder, shop, demo_config(), TerminalReporter(err), out)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Handle the options before any command."""
    if show:
        out.print(f"windowshop {__version__}")
        raise typer.Exit()


def _print_json(content: object) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))


def main() -> None:
    """Run the command line; user errors are one message, not a traceback."""
    # Progress bars are ours; a library's own would break them.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that wait should soon sleep: spinning ones take the cores from other processes.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    warnings.filterwarnings("ignore", module="PIL")
    try:
        app()
    except WindowshopError as error:
        err.print("error: ", style="bold red", end="")
        err.print(str(error), highlight=False, markup=False, soft_wrap=True)
        raise SystemExit(1) from None
    except (KeyboardInterrupt, SystemExit) as end:  # typer makes one of the other
        if isinstance(end, SystemExit) and end.code != STOPPED:
            raise
        err.print("stopped; run the same command again to go on")
        raise SystemExit(STOPPED) from None
