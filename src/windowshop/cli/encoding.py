"""Command that encodes a catalogue into a folder of features, here or on a cluster."""

from pathlib import Path
from typing import Annotated

import typer

from windowshop.cli.options import Data, ModelPath, print_line, reporter
from windowshop.data import require_products
from windowshop.errors import needs_extra
from windowshop.files import MODEL, require_manifest


@needs_extra("train")
def encode(
    model: ModelPath,
    data: Data,
    out: Annotated[
        Path, typer.Option("--out", help="Folder of features to add to: a --cache of others.")
    ],
    training: Annotated[
        bool,
        typer.Option(
            "--training",
            help="Encode what `windowshop train` reads too, not products' facts and images alone.",
        ),
    ] = False,  # fmt: skip
    shards: Annotated[
        int, typer.Option(help="Parts, each finished by itself; 0: one for 1,000 products.")
    ] = 0,
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Encode on this Ray cluster: HOST:PORT of its head, or auto for the one of this "
            "machine. It must be trusted, and see MODEL, DATA and --out under the same paths.",
        ),
    ] = "",
    cpus: Annotated[int, typer.Option(help="Cores of each process of the cluster.")] = 1,
    gpus: Annotated[float, typer.Option(help="GPUs of each process of the cluster.")] = 0.0,
) -> None:
    """Encode a catalogue's texts and images; a stopped run continues when started again."""
    require_manifest(model, MODEL)
    require_products(data)

    from windowshop.data import broken_note, read_dataset
    from windowshop.model import ClusterConfig, EncodingConfig, encode_catalogue, load

    cluster = ClusterConfig(address=ray, cpus=cpus, gpus=gpus) if ray else None
    config = EncodingConfig(num_shards=shards, training=training, cluster=cluster)
    made = encode_catalogue(load(model), read_dataset(data), out, reporter, config)
    queries = f" and {made.num_queries:,} queries" if made.num_queries else ""
    print_line(
        f"{out}: {made.num_products:,} products{queries}; {made.num_texts:,} texts and "
        f"{made.num_images:,} images were new"
    )
    for kind, count in made.broken_images.items():
        print_line(broken_note(kind, count))
