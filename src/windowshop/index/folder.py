"""The folder of an index: generations of an online catalogue, and one build at a time.

INDEX/manifest.json     the format
INDEX/shop.db           products, and which generation is searched
INDEX/generations/gN/   a collection, its manifest, and the model it was made by
INDEX/photos/           images that came with online writes
INDEX/build.lock        held by the process that builds a generation, or compacts the index
INDEX/writer.lock       held by the process that writes products
INDEX/.partial/         the index while its first generation is built
"""

import filecmp
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from windowshop.errors import IndexFolderError, StorageError
from windowshop.files import INDEX, MANIFEST_FILE, locked, read_manifest, sync, write_manifest
from windowshop.index.catalogue.collection import LOCK_FILE as COLLECTION_LOCK
from windowshop.index.catalogue.snapshot import SNAPSHOT_FILE, snapshot_seq
from windowshop.index.database import DATABASE_FILE, MARK_FILE
from windowshop.index.generations import GENERATIONS_FOLDER, LINK_FILE, Generations
from windowshop.index.images import remove_uploads, uploads_of
from windowshop.index.product_table import ProductTable, taken
from windowshop.index.remote import LinkedGenerations

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
    if not is_linked(folder):
        return Generations(folder)
    return LinkedGenerations(folder)


def is_linked(folder: Path) -> bool:
    """Return whether a folder stands for a catalogue on a server (`windowshop.index.linking`)."""
    return (folder / LINK_FILE).is_file()


def current_generation(folder: Path) -> str:
    """Return the generation that is searched; raises IndexFolderError where there is none."""
    name = open_generations(folder).current
    if name is None:
        raise IndexFolderError(f"{folder}: has no generation to search. Run `{INDEX.command}`.")
    return name


def rollback(folder: Path) -> str:
    """Swap the current and the previous generation, and return the new current one.

    It gets what was written since when it is opened. Raises EngineError where there is none.
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
        generations = Generations(root)
        root.mkdir(exist_ok=True)
        write_manifest(root, IndexManifest(), INDEX)
        _drop_others(generations)
        yield generations
        _drop_others(generations)
        if is_first:  # the manifest comes last: it makes the folder an index
            for name in (GENERATIONS_FOLDER, DATABASE_FILE, MARK_FILE, MANIFEST_FILE):
                if (partial / name).exists():
                    (partial / name).rename(out / name)
            sync(out)
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def without_builds(folder: Path) -> Iterator[None]:
    """Keep builds of an index away; raises IndexFolderError where one is under way."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = IndexFolderError(
        f"{folder}: another process is building it, or compacting it. Wait until it has ended, "
        "or stop it."
    )
    with locked(folder / LOCK_FILE, taken):
        yield


def remove_unnamed_images(folder: Path, products: ProductTable) -> int:
    """Remove uploaded images that no product names; returns how many.

    Images that were stored or named within the last hour stay.
    """
    begun = time.time()
    named = named_uploads(products)
    return remove_uploads(folder / IMAGES_FOLDER, named, begun - UNNAMED_SECONDS)


def named_uploads(products: ProductTable) -> set[str]:
    """Return the file names of all uploaded images that products name."""
    named = set[str]()
    for text in products.texts():
        row = orjson.loads(text)
        named |= uploads_of(row.get("image"), row.get("images"))
    return named


def purge_deleted(folder: Path, products: ProductTable) -> int:
    """Forget deleted products that every generation's snapshot is past; returns how many.

    A generation without a snapshot is made of the products that there are, so it needs none.
    """
    generations = Generations(folder)
    paths = [generations.path(name) for name in generations.names() if name.isidentifier()]
    seqs = [snapshot_seq(path) for path in paths if (path / SNAPSHOT_FILE).exists()]
    return products.purge(min((seq for seq in seqs if seq is not None), default=0))


def remove_unfinished(folder: Path) -> None:
    """Remove tables that killed writes began in generations that no process has open."""
    generations = Generations(folder)
    for name in generations.names():
        path = generations.path(name)
        for table in [] if _is_open(path) else path.glob(".products-*.writing"):
            table.unlink(missing_ok=True)


def link_same(folder: Path, other: Path) -> None:
    """Let the files of a folder be those of another one where they have the same path and content.

    Both have to stay as they are. Where the file system cannot link, they stay two files.
    """
    for path in list(folder.rglob("*")):
        same = other / path.relative_to(folder)
        if not path.is_file() or not same.is_file() or path.samefile(same):
            continue
        if not filecmp.cmp(path, same, shallow=False):
            continue
        linked = path.with_name(f".{path.name}.linking")
        with suppress(OSError):
            linked.unlink(missing_ok=True)
            os.link(same, linked)
            linked.replace(path)


def next_name(generations: Generations) -> str:
    """Return the name of the next generation: g1, g2, and so on."""
    numbers = [int(name[1:]) for name in generations.names() if name[1:].isdecimal()]
    return f"g{max(numbers, default=0) + 1}"


def _drop_others(generations: Generations) -> None:
    kept = (generations.current, generations.previous)
    for name in generations.names():
        if name not in kept and not _is_open(generations.path(name)):
            generations.drop(name)


def _is_open(path: Path) -> bool:
    """Return whether a process writes the collection of a folder."""
    try:
        taken(path / COLLECTION_LOCK, path).release()
    except StorageError:
        return True
    return False


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
