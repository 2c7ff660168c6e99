"""The current generation of an index folder -> a server."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import xxhash

from windowshop.files import file_hash
from windowshop.index.catalogue.columns import VERSION
from windowshop.index.catalogue.protocols import Living
from windowshop.index.catalogue.view import View
from windowshop.index.generation_parts import CLASSIFIER_FOLDER, RANKER_FOLDER
from windowshop.index.open import GENERATION, MODEL_FOLDER, OpenIndex, open_index
from windowshop.index.remote import (
    PAGE_FILE,
    SHOP,
    SHOP_FILES,
    Content,
    PushConfig,
    Pushed,
    remote_catalogue,
)
from windowshop.progress import SILENT, Reporter
from windowshop.settings import read_yaml

FOLDERS = (MODEL_FOLDER, CLASSIFIER_FOLDER, RANKER_FOLDER)
"""Folders of a generation that searches and writes need."""


def push_index(
    folder: str | Path,
    address: str,
    reporter: Reporter = SILENT,
    config: PushConfig | None = None,
) -> Pushed:
    """Copy the current generation of an index to a server and let searches switch to it.

    A push that was stopped goes on where it was. Raises StorageError where products were written
    there since the push before, which this one would lose, unless `replace_writes`.
    """
    catalogue = remote_catalogue(address)
    with (
        closing(open_index(folder, read_only=True)) as index,
        index.collection.read_view() as view,
    ):
        return catalogue.push(_content(index, view), reporter, config or PushConfig())


def _content(index: OpenIndex, view: View) -> Content:
    living, files = view.columns.living(), dict(_files(index))
    return Content(
        living=replace(living, table=living.table.drop(VERSION, strict=False)),
        engine=view.engine,
        spec=index.collection.spec,
        files=files,
        seq=index.collection.seq,
        source=_source(index.manifest.model_key, living, files),
    )


def _source(model_key: str, living: Living, files: dict[str, Path]) -> str:
    """Hash all that is pushed; the version of a record stands for its values."""
    hashed = xxhash.xxh3_128(model_key.encode())
    hashed.update(living.table[VERSION].to_numpy().tobytes())
    for name, file in files.items():
        hashed.update(f"{name} {file_hash(file)}".encode())
    return hashed.hexdigest()


def _files(index: OpenIndex) -> Iterator[tuple[str, Path]]:
    """Yield the files that searches and writes need, with their names on the server."""
    root = index.path
    files = [root / GENERATION.file, *root.glob("*.yaml")]
    for folder in FOLDERS:
        files += [path for path in (root / folder).rglob("*") if path.is_file()]
    for file in sorted(files):
        yield file.relative_to(root).as_posix(), file
    for name in (*SHOP_FILES, *_logos(index.folder)):
        if (index.folder / name).is_file():
            yield f"{SHOP}{name}", index.folder / name


def _logos(folder: Path) -> list[str]:
    """Return the file beside page.yaml that it names as the shop's logo, if it names one."""
    page = folder / PAGE_FILE
    content = read_yaml(page) if page.is_file() else None
    name = content.get("logo") if isinstance(content, dict) else None
    return [name] if isinstance(name, str) and name and Path(name).name == name else []
