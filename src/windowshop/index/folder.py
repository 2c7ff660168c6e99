"""The folder of an index: generations of an online catalogue, and one build at a time.

INDEX/manifest.json             the format
INDEX/generations/current.json  which generation is searched, and the one before it
INDEX/generations/gN/           a collection, its manifest, and the model it was made by
INDEX/photos/                   images that came with online writes
INDEX/build.lock                held by the process that builds a generation, or compacts one
INDEX/.partial/                 the first generation while it is built
"""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from windowshop.errors import IndexFolderError
from windowshop.files import INDEX, MANIFEST_FILE, read_manifest, write_manifest
from windowshop.index.catalogue.collection import Collection
from windowshop.index.catalogue.ledger import LEDGER_FOLDER, Ledger, Position, is_open
from windowshop.index.catalogue.records import Change, Upsert
from windowshop.index.generations import Generations
from windowshop.index.images import remove_uploads, uploads_of

GENERATIONS_FOLDER = "generations"
IMAGES_FOLDER = "photos"
LOCK_FILE = "build.lock"
PARTIAL_FOLDER = ".partial"
NOT_CONTENT = {LOCK_FILE, PARTIAL_FOLDER, "lost+found"}
"""Names that may lie in a folder that counts as empty."""
UNNAMED_SECONDS = 3600.0
"""Age of an unnamed image that may be removed; a write stores its image before the product."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexManifest:
    """Manifest of an index, shared by its generations."""

    format: str = INDEX.format


def open_generations(folder: Path) -> Generations:
    """Return the generations of an index; raises IndexFolderError where the folder is not one."""
    read_manifest(IndexManifest, folder, INDEX)
    return Generations(folder / GENERATIONS_FOLDER)


def current_generation(folder: Path) -> str:
    """Return the generation that is searched; raises IndexFolderError where there is none."""
    name = open_generations(folder).current
    if name is None:
        raise IndexFolderError(f"{folder}: has no generation to search. Run `{INDEX.command}`.")
    return name


def rollback(folder: Path) -> str:
    """Swap the current and the previous generation, and return the new current one.

    Raises EngineError where there is no previous one.
    """
    return open_generations(folder).rollback()


@contextmanager
def building(out: Path) -> Iterator[Generations]:
    """Give the generations of `out` to a process that adds one and switches to it.

    On entry, what a killed build left is removed; on leaving, all generations but the current one
    and the one before it, unless a process has one open. A first build fills a folder within `out`,
    which may be a mounted volume, and its content moves to `out` on leaving. Raises
    IndexFolderError where `out` is something else, or another process builds there.
    """
    if out.exists() and not _is_empty(out):
        _require_index(out)
    with without_builds(out):
        is_first = _is_empty(out)  # another build may have ended before the lock
        partial = out / PARTIAL_FOLDER
        shutil.rmtree(partial, ignore_errors=True)
        root = partial if is_first else out
        generations = Generations(root / GENERATIONS_FOLDER)
        write_manifest(root, IndexManifest(), INDEX)
        _drop_others(generations)
        yield generations
        _drop_others(generations)
        if is_first:  # the manifest comes last: it makes the folder an index
            (partial / GENERATIONS_FOLDER).rename(out / GENERATIONS_FOLDER)
            (partial / MANIFEST_FILE).rename(out / MANIFEST_FILE)
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def without_builds(folder: Path) -> Iterator[None]:
    """Keep builds of an index away; raises IndexFolderError where one is under way."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise IndexFolderError(
            f"{folder}: another process is building it, or compacting it. Wait until it has ended, "
            "or stop it."
        ) from None
    try:
        yield
    finally:
        lock.release()


def remove_unnamed_images(folder: Path, opened: Mapping[str, Collection]) -> int:
    """Remove uploaded images that no record of any ledger names; returns how many.

    Images that were stored or named within the last hour stay. `opened` are the collections that
    this process has open, by generation. Raises LedgerError, and removes nothing, where another
    process has one open.
    """
    begun, named = time.time(), set[str]()
    generations = Generations(folder / GENERATIONS_FOLDER)
    for name in generations.names():
        if name in opened:
            named |= _uploads(opened[name].changes())
            continue
        path = generations.path(name) / LEDGER_FOLDER
        if path.is_dir():
            with closing(Ledger(path)) as ledger:
                named |= _uploads(ledger.replay())
    return remove_uploads(folder / IMAGES_FOLDER, named, begun - UNNAMED_SECONDS)


def _uploads(changes: Iterator[tuple[Change, Position]]) -> set[str]:
    """Return the uploaded images that changes name."""
    named: set[str] = set()
    for change, _ in changes:
        if isinstance(change, Upsert):
            for image, images in change.products.select("image", "images").iter_rows():
                named |= uploads_of(image, images)
    return named


def next_name(generations: Generations) -> str:
    """Return the name of the next generation: g1, g2, and so on."""
    numbers = [int(name[1:]) for name in generations.names() if name[1:].isdecimal()]
    return f"g{max(numbers, default=0) + 1}"


def _drop_others(generations: Generations) -> None:
    kept = (generations.current, generations.previous)
    for name in generations.names():
        if name not in kept and not is_open(generations.path(name) / LEDGER_FOLDER):
            generations.drop(name)


def _is_empty(out: Path) -> bool:
    """Return whether `out` is a folder without anything but the remains of a first build."""
    return out.is_dir() and not {path.name for path in out.iterdir()} - NOT_CONTENT


def _require_index(out: Path) -> None:
    """Raise IndexFolderError unless `out` is an index, perhaps one with a damaged manifest."""
    try:
        content = json.loads((out / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if (out / GENERATIONS_FOLDER).is_dir():
            return
        content = None
    if not isinstance(content, dict) or content.get("format") != INDEX.format:
        raise IndexFolderError(
            f"{out}: exists and is no index of format {INDEX.format}. Choose another --out."
        )
