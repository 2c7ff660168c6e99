"""Command that copies an index to a server."""

from typing import Annotated

import typer

from windowshop.cli.options import IndexPath, print_line, reporter
from windowshop.errors import ConfigError
from windowshop.files import INDEX, require_manifest


def push(
    index_folder: IndexPath,
    to: Annotated[
        str,
        typer.Option(
            help="Address: postgresql://USER@HOST:PORT/DATABASE, or qdrant://HOST:PORT/NAME."
        ),
    ],
    partitions: Annotated[
        int,
        typer.Option(min=1, max=1024, help="Parts of the table of a new generation (PostgreSQL)."),
    ] = 8,
    shards: Annotated[
        int, typer.Option(min=1, max=1024, help="Parts of a new generation on the nodes (Qdrant).")
    ] = 1,
    replicas: Annotated[
        int, typer.Option(min=1, max=16, help="Copies of each part, on as many nodes (Qdrant).")
    ] = 1,
    replace_writes: Annotated[
        bool,
        typer.Option("--replace-writes", help="Drop what was written there since the push before."),
    ] = False,
) -> None:
    """Copy the current generation of an index to a server, and let searches switch to it."""
    require_manifest(index_folder, INDEX)

    from windowshop.index import PushConfig, is_linked, push_index, require_address

    require_address(to, "--to ")
    if is_linked(index_folder):
        raise ConfigError(f"{index_folder}: its products lie on a server already. Push an index.")
    config = PushConfig(
        partitions=partitions, shards=shards, replicas=replicas, replace_writes=replace_writes
    )
    pushed = push_index(index_folder, to, reporter, config)
    print_line(
        f"{pushed.num_products} products, generation {pushed.generation}, "
        f"{pushed.num_found} of them copied before"
    )
