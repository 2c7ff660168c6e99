"""Command that brings a catalogue's changes into an index."""

from contextlib import closing
from typing import Annotated

import typer

from windowshop.cli.options import Data, IndexPath, print_line, reporter
from windowshop.data import require_products
from windowshop.errors import needs_extra
from windowshop.files import INDEX, require_manifest

SHOWN = 5


@needs_extra("train")
def update(
    index_folder: IndexPath,
    data: Data,
    url: Annotated[
        str, typer.Option(help="Address of the service that has the index open, to send it to.")
    ] = "",
    key: Annotated[
        str, typer.Option(help="Key of the service, of scope write.", envvar="WINDOWSHOP_KEY")
    ] = "",
    max_removed: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of products to delete at once.")
    ] = 0.2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
) -> None:
    """Write what changed in a catalogue since it was indexed, and delete what is gone."""
    require_manifest(index_folder, INDEX)
    require_products(data)

    from windowshop.data import read_dataset
    from windowshop.index import (
        apply_changes,
        find_changes,
        note_look,
        open_index,
        require_few_removed,
        update_index,
    )
    from windowshop.service import Service

    dataset = read_dataset(data)
    with closing(open_index(index_folder, read_only=dry_run or bool(url))) as index:
        changes = find_changes(index, dataset, reporter)
        print_line(
            f"{changes.num_new} new, {changes.num_changed} changed ({changes.num_images} in their "
            f"images alone), {len(changes.gone)} gone, {changes.num_same} as they were"
        )
        if dry_run:
            return
        require_few_removed(changes, max_removed)
        if url:
            service = Service(url, key)
            apply_changes(changes, service.write, service.delete, reporter)
            note_look(index, changes)
            problems = service.problems
        else:
            problems = update_index(index, changes, reporter)
    for name, problem in list(problems.items())[:SHOWN]:
        print_line(f"{name}: {problem}")
    if len(problems) > SHOWN:
        print_line(f"{len(problems)} products have images that cannot be used")
