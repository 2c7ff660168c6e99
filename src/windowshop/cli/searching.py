"""Commands that build, tune, search and serve an index."""

import os
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windowshop.cli.options import (
    CacheOption,
    Data,
    EngineChoice,
    IndexPath,
    IndexPlace,
    JsonFlag,
    Mode,
    ModelPath,
    StorageChoice,
    index_at,
    out,
    print_json,
    print_line,
    reporter,
    require_file,
)
from windowshop.data import require_products
from windowshop.errors import ConfigError, SearchError, needs_extra
from windowshop.files import DEFAULT_CACHE, INDEX, MODEL, require_manifest

if TYPE_CHECKING:
    from windowshop.data import Visits


@needs_extra("train")
def export_onnx(
    model: ModelPath,
    data: Annotated[
        Path, typer.Option(help="Data folder whose queries and products the graph is checked on.")
    ],
    export_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; default: MODEL/export.")
    ] = None,
    int8: Annotated[
        bool, typer.Option(help="Keep a graph in 8-bit integers where it is close enough.")
    ] = True,
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Export the query encoder as one ONNX graph, and compare it with the model."""
    require_manifest(model, MODEL)
    require_products(data)

    from windowshop.data import read_dataset
    from windowshop.model import ExportConfig, export_queries, load, render_export

    place = export_folder or model / "export"
    config = ExportConfig(int8=int8)
    manifest = export_queries(
        load(model, "cpu"), read_dataset(data), place, cache, config, reporter
    )
    print_line(f"{place}: {manifest.precision} kept")
    out.print(render_export(manifest))


def index(
    model: ModelPath,
    data: Data,
    index_folder: Annotated[
        Path,
        typer.Option(
            "--out", help="Index folder to write; one that exists gets another generation."
        ),
    ],
    engine: Annotated[
        EngineChoice, typer.Option(help="Vector engine; auto chooses by the number of products.")
    ] = "auto",
    storage: Annotated[
        StorageChoice, typer.Option(help="Stored form of the vectors; auto follows the engine.")
    ] = "auto",
    width: Annotated[
        int, typer.Option(help="Vector width to keep, one of the model's; 0 keeps all.")
    ] = 0,
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Encode a catalogue with a model and write an index folder to search."""
    require_manifest(model, MODEL)
    require_products(data)

    from windowshop.data import broken_note, read_dataset
    from windowshop.index import IndexConfig, build_index, current_generation
    from windowshop.model import load_encoder

    config = IndexConfig(engine=engine, storage=storage, width=width)
    encoder, dataset = load_encoder(model), read_dataset(data)
    manifest = build_index(encoder, dataset, index_folder, cache, reporter, config)
    print_line(
        f"{index_folder}: {manifest.num_products} products, {manifest.width} dimensions, "
        f"generation {current_generation(index_folder)}"
    )
    for kind, count in manifest.broken_images.items():
        print_line(broken_note(kind, count))
    if manifest.unsearchable:
        out.print(f"{manifest.unsearchable} products have neither text nor a usable image")


def revert_index(index_folder: IndexPath) -> None:
    """Make the previous generation of an index the current one; run again to undo."""
    require_manifest(index_folder, INDEX)

    from windowshop.index import rollback as run

    print_line(f"{index_folder}: generation {run(index_folder)} is current")


@needs_extra("serve")
def tune(
    index_folder: IndexPath,
    data: Data,
    split: Annotated[str, typer.Option(help="Which queries: train, dev or test.")] = "dev",
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help="Column, or several as a+b, whose slices are guarded."),
    ] = None,
    guard: Annotated[
        bool, typer.Option(help="Reject settings that lower the score of a slice.")
    ] = True,
    max_lost: Annotated[
        float, typer.Option(help="Share of relevant products that the cutoff may drop.")
    ] = 0.001,
    max_told: Annotated[
        float, typer.Option(help="Share of judged queries that may be called not found.")
    ] = 0.01,
    classifier: Annotated[
        bool, typer.Option(help="Train a classifier of what queries mean and do not name.")
    ] = True,
    settings: Annotated[
        bool,
        typer.Option(help="Choose settings; else fit the ranker alone, as with a newer log."),
    ] = True,
    ranker: Annotated[
        bool, typer.Option(help="Fit the learned ranker, where there are enough judged texts.")
    ] = True,
    log: Annotated[
        Path | None,
        typer.Option(help="Log file or folder, for the ranker; default: the service's own."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="JSON file to write with every setting tried.")
    ] = None,
) -> None:
    """Choose the search settings of an index on judged queries; a service may have it open."""
    require_manifest(index_folder, INDEX)
    require_products(data)

    from windowshop.data import read_dataset
    from windowshop.search import TuneConfig, open_searcher, render_tuning, save_tuning
    from windowshop.search import tune as run

    config = TuneConfig(
        split=split,
        slices=tuple(slices or ()),
        guard=guard,
        max_lost=max_lost,
        max_told=max_told,
        classifier=classifier,
        settings=settings,
        ranker=ranker,
    )
    visits = _visits(index_folder, log)
    with closing(open_searcher(index_folder, read_only=True)) as searcher:
        tuning = run(searcher, read_dataset(data), config, reporter, visits)
        path = save_tuning(tuning, searcher, json_file)
    out.print(render_tuning(tuning))
    print_line(f"{path}: written")


def _visits(index_folder: Path, log: Path | None) -> "Visits | None":
    """Return what shoppers did: by a log, or by what the service recorded if it is installed."""
    from windowshop.data import join_events, read_events

    if log is not None:
        return join_events(read_events(log).events)
    if find_spec("fastapi") is None:
        return None
    from windowshop.service import index_events

    events = index_events(index_folder)
    return None if events.is_empty() else join_events(events)


def search(
    index_folder: IndexPlace,
    text: Annotated[str | None, typer.Argument(help="What to search for.")] = None,
    image: Annotated[Path | None, typer.Option(help="Image to search by.")] = None,
    k: Annotated[int, typer.Option("-k", help="Number of results.")] = 10,
    where: Annotated[
        str | None, typer.Option(help="Filter, for example 'price < 1000 and brand = \"Nike\"'.")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="Channels of a text search.")] = "hybrid",
    understand: Annotated[
        bool, typer.Option(help="Recognise brands, categories and prices in the text.")
    ] = True,
    infer: Annotated[
        bool, typer.Option(help="Infer what the text means and does not name.")
    ] = True,
    correct: Annotated[bool, typer.Option(help="Correct words that no product has.")] = True,
    use_ranker: Annotated[
        bool, typer.Option("--ranker/--no-ranker", help="Let the learned ranker order results.")
    ] = True,
    explain: Annotated[bool, typer.Option(help="Show why each product has its rank.")] = False,
    json_output: JsonFlag = False,
) -> None:
    """Search an index by text, image or both."""
    folder = index_at(index_folder)
    require_file("--image", image)

    from windowshop.search import SearchRequest, open_searcher, render_answer

    if image is None and where is None and not (text or "").strip():
        raise SearchError("The query has neither text nor an image. Give one, or a filter.")
    request = SearchRequest(
        text=text,
        image=image,
        where=where,
        limit=k,
        mode=mode,
        understand=understand,
        infer=infer,
        correct=correct,
        ranker=use_ranker,
        explain=explain,
    )
    with closing(open_searcher(folder, read_only=True)) as searcher:
        answer = searcher.answer(request)
    if json_output:
        print_json(answer.to_json())
    else:
        out.print(render_answer(answer, image))


@needs_extra("serve")
def serve(
    index_folder: IndexPlace,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 8000,
    keys: Annotated[
        Path | None, typer.Option(help="YAML file of API keys; without it, this machine only.")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="Further generation to open, for comparison.")
    ] = None,
    cors: Annotated[
        list[str] | None, typer.Option(help="Web origin that may call the service.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Request limit for each key, for example 50/second.")
    ] = None,
    currency: Annotated[
        str, typer.Option(help="Currency of the prices (EUR), for shopping agents.")
    ] = "",
    judged: Annotated[
        Path | None,
        typer.Option(help="Data folder whose judged queries the workbench measures searches on."),
    ] = None,
    split: Annotated[str, typer.Option(help="Split of --judged.")] = "test",
) -> None:
    """Serve an index over HTTP, with a search page, until stopped."""
    folder = index_at(index_folder)
    require_file("--keys", keys)
    if judged is not None and not judged.is_dir():
        raise ConfigError(f"{judged}: missing. --judged needs a data folder.")

    # Searches run side by side: a second thread within one would only spin beside another search.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    from windowshop.service import ServiceConfig
    from windowshop.service import serve as run

    config = ServiceConfig(
        origins=tuple(cors or ()),
        rate=rate,
        currency=currency,
        judged=judged,
        judged_split=split,
    )
    run(
        folder,
        host,
        port,
        config,
        keys_file=keys,
        also=also or (),
        listening=lambda address: out.print(address, highlight=False),
    )


@needs_extra("mcp")
def mcp(
    index_folder: IndexPlace,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port of this machine to serve by HTTP, at /mcp; default: stdio."
        ),
    ] = None,
    currency: Annotated[str, typer.Option(help="Currency of the prices (EUR).")] = "",
) -> None:
    """Offer the search of an index to assistants as tools, by the Model Context Protocol."""
    folder = index_at(index_folder)

    from windowshop.search import open_searcher
    from windowshop.service import run_mcp

    with closing(open_searcher(folder, read_only=True)) as searcher:
        run_mcp(searcher, port, currency)
