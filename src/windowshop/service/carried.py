"""How far one generation has what was written to another, kept beside it.

generations/gN/carried.json    {"gM": position in gM's ledger up to which gN has everything}
"""

import json
import logging
from pathlib import Path

from windowshop.errors import LedgerError
from windowshop.files import read_manifest, write_json
from windowshop.index import (
    GENERATION,
    LEDGER_FOLDER,
    GenerationManifest,
    Generations,
    OpenIndex,
    Position,
    carry_over,
    end_of,
    open_index,
    position_to_json,
)

LOG = logging.getLogger(__name__)
CARRIED_FILE = "carried.json"


def noted(generations: Generations, name: str, other: str) -> Position | None:
    """Up to where `name` has what `other` was written; None where only the manifests can tell."""
    position = _notes(generations.path(name)).get(other)
    return None if position is None else Position(**position)


def note(generations: Generations, name: str, other: str, position: Position) -> None:
    """Remember up to where `name` has what `other` was written."""
    folder = generations.path(name)
    notes = _notes(folder) | {other: position_to_json(position)}
    write_json(folder / CARRIED_FILE, notes)


def end(generations: Generations, name: str) -> Position:
    """Behind the last write of a generation."""
    return end_of(generations.path(name) / LEDGER_FOLDER)


def marks(generations: Generations, name: str) -> set[Position]:
    """The positions in a generation's ledger from which others may go on."""
    held: list[dict[str, int] | None] = []
    names = generations.names()
    for other in names:
        path = generations.path(other)
        if not (path / GENERATION.file).is_file():
            continue  # a killed build left it
        manifest = read_manifest(GenerationManifest, path, GENERATION)
        if other == name and manifest.carried_from in names:
            held.append(manifest.filled_to)
        if manifest.carried_from == name:
            held.append(manifest.carried_since)
        held.append(_notes(path).get(name))
    return {Position(**position) for position in held if position is not None}


def catch_up(generations: Generations, index: OpenIndex) -> None:
    """Bring an index up to what was written to the generation that it was built beside.

    For the start of a service: another process may have built and switched while none ran. Where
    the older generation is gone, or another process has it open, nothing is carried over.
    """
    before, told = index.manifest.carried_from, index.manifest.carried_since
    if before is None or told is None or before not in generations.names():
        return
    since = noted(generations, index.generation, before) or Position(**told)
    try:
        if end(generations, before) == since:
            return
        old = open_index(index.folder, before)
    except LedgerError as error:
        LOG.warning("what was written to %s is not carried over: %s", before, error)
        return
    try:
        carry_over(old, index, since)
        position = end(generations, before)
    finally:
        old.close()
    note(generations, index.generation, before, position)
    note(generations, before, index.generation, end(generations, index.generation))


def _notes(folder: Path) -> dict[str, dict[str, int]]:
    path = folder / CARRIED_FILE
    if not path.exists():
        return {}
    notes: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="utf-8"))
    return notes
