"""Positions up to which the writes of one generation were copied to another.

generations/gN/copied.json    {"gM": position in gM's ledger up to which gN has everything}
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
    copy_writes,
    end_of,
    open_index,
    position_to_json,
)

LOG = logging.getLogger(__name__)
POSITIONS_FILE = "copied.json"


def read(generations: Generations, name: str, other: str) -> Position | None:
    """Return the position of `other` up to which `name` has its writes; None where none is kept."""
    position = _read_all(generations.path(name)).get(other)
    return None if position is None else Position(**position)


def write(generations: Generations, name: str, other: str, position: Position) -> None:
    """Keep the position of `other` up to which `name` has its writes."""
    folder = generations.path(name)
    positions = _read_all(folder) | {other: position_to_json(position)}
    write_json(folder / POSITIONS_FILE, positions)


def end(generations: Generations, name: str) -> Position:
    """Return the position behind the last write of a generation."""
    return end_of(generations.path(name) / LEDGER_FOLDER)


def in_use(generations: Generations, name: str) -> set[Position]:
    """Return the positions in a generation's ledger from which others may go on."""
    held: list[dict[str, int] | None] = []
    names = generations.names()
    for other in names:
        path = generations.path(other)
        if not (path / GENERATION.file).is_file():
            continue  # a killed build left it
        manifest = read_manifest(GenerationManifest, path, GENERATION)
        if other == name and manifest.copied_from in names:
            held.append(manifest.filled_to)
        if manifest.copied_from == name:
            held.append(manifest.copied_since)
        held.append(_read_all(path).get(name))
    return {Position(**position) for position in held if position is not None}


def catch_up(generations: Generations, index: OpenIndex) -> None:
    """Copy to an index the writes of the generation that it was built beside.

    For the start of a service: another process may have built and switched while none ran. Where
    the older generation is gone, or another process has it open, nothing is copied.
    """
    before, built_at = index.manifest.copied_from, index.manifest.copied_since
    if before is None or built_at is None or before not in generations.names():
        return
    since = read(generations, index.generation, before) or Position(**built_at)
    try:
        if end(generations, before) == since:
            return
        old = open_index(index.folder, before)
    except LedgerError as error:
        LOG.warning("the writes of %s are not copied: %s", before, error)
        return
    try:
        copy_writes(old, index, since)
        position = end(generations, before)
    finally:
        old.close()
    write(generations, index.generation, before, position)
    write(generations, before, index.generation, end(generations, index.generation))


def _read_all(folder: Path) -> dict[str, dict[str, int]]:
    path = folder / POSITIONS_FILE
    if not path.exists():
        return {}
    positions: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="utf-8"))
    return positions
