"""Command that copies an index to a server."""

from typing import Annotated

import typer

from windowshop.cli.options import IndexPath, print_line, reporter
from windowshop.errors import ConfigError
from windowshop.files import INDEX, require_manifest


def push(
    index_folder: IndexPath,
    to: Annotated[
        str, typer.Option(help="Address of the server: postgresql://USER@HOST:PORT/DATABASE.")
    ],
    partitions: Annotated[
        int, typer.Option(min=1, max=1024, help="Parts of the table of a new generation.")
    ] = 8,
    replace_writes: Annotated[
        bool,
        typer.Option("--replace-writes", help="Drop what was written there since the push before."),
    ] = False,
) -> None:
    """Copy the current generation of an index to PostgreSQL, and let searches switch to it."""
    require_manifest(index_folder, INDEX)

    from windowshop.index import is_address, is_linked, push_index

    if not is_address(to):
        raise ConfigError(f"--to {to}: is no address. Write postgresql://USER@HOST:PORT/DATABASE.")
    if is_linked(index_folder):
        raise ConfigError(f"{index_folder}: its products lie on a server already. Push an index.")
    pushed = push_index(
        index_folder, to, reporter, partitions=partitions, replace_writes=replace_writes
    )
    print_line(
        f"{pushed.num_products} products, generation {pushed.generation}, "
        f"{pushed.num_found} of them copied before"
    )
