"""Files and folders that appear whole or not at all."""

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from windowshop.errors import (
    SHORT,
    ConfigError,
    IndexFolderError,
    ModelError,
    WindowshopError,
    storage_error,
)

DEFAULT_CACHE = Path(os.environ.get("WINDOWSHOP_CACHE") or Path.home() / ".cache" / "windowshop")
"""Folder of encoded features where no other is given."""


def write_atomic(
    path: Path, write: Callable[[Path], object], chosen: str = "folder", *, durable: bool = False
) -> None:
    """Let `write` fill a file beside `path`, then rename it into place.

    `durable` flushes it to the disk first, so that it survives a power loss. Raises StorageError
    where there is no room, ConfigError where it cannot be written otherwise; then nothing is left.
    `chosen` is what the user named, file or folder.
    """
    aside = path.with_name(f".{path.name}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(aside)
        if durable:
            sync(aside)
        aside.replace(path)
        if durable:
            sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        if error.errno in SHORT:
            raise storage_error(path, error) from None
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror or error}). Choose another {chosen}."
        ) from None


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`, and rename it to `out` when the block ends."""
    made = out.with_name(f".{out.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        yield made
        replace_folder(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def replace_folder(new: Path, out: Path) -> None:
    """Rename the folder `new` to `out`, replacing a folder of that name."""
    old = out.parent / f".{out.name}.old"
    if out.exists():
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def write_json(path: Path, content: object, chosen: str = "folder") -> None:
    """Write a small JSON file with `write_atomic`, durably; a number not finite becomes null."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(path, lambda aside: aside.write_text(text, "utf-8"), chosen, durable=True)


def _finite(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of files, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


MANIFEST_FILE = "manifest.json"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderKind:
    """Kind of folder: its noun in messages, its manifest, and the command that makes it."""

    noun: str
    format: str
    """Value of `format` in the manifest."""
    command: str
    """Command that makes such a folder."""
    error: type[WindowshopError]
    file: str = MANIFEST_FILE


def write_manifest(folder: Path, manifest: Any, file: str = MANIFEST_FILE) -> None:  # noqa: ANN401
    """Write a manifest dataclass; the last file of a folder."""
    content = json.dumps(asdict(manifest), indent=2, ensure_ascii=False)
    (folder / file).write_text(content + "\n", encoding="utf-8")


MODEL = FolderKind(
    noun="a model folder", format="windowshop-model/4", command="windowshop train", error=ModelError
)
INDEX = FolderKind(
    noun="an index folder",
    format="windowshop-index/3",
    command="windowshop index",
    error=IndexFolderError,
)


def require_manifest(folder: Path, kind: FolderKind) -> Path:
    """Return the path of a folder's manifest; raises the kind's error where there is none."""
    path = folder / kind.file
    if not path.is_file():
        found = f"no {kind.file}" if folder.exists() else "nothing"
        raise kind.error(
            f"{folder}: found {found}, need {kind.noun}. Make one with `{kind.command}`."
        )
    return path


def read_manifest(cls: type[T], folder: Path, kind: FolderKind) -> T:
    """Read a manifest as `cls`; raises the kind's error where the folder is not a complete one."""
    path = require_manifest(folder, kind)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("format") != kind.format:
            raise kind.error(
                f"{path}: found format {content.get('format')!r}, this version reads "
                f"{kind.format}. Make another folder with `{kind.command}`."
            )
        return cls(**content)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise kind.error(
            f"{path}: cannot be read ({error}). Copy the folder again, or run `{kind.command}`."
        ) from None
