"""Files and folders that appear whole or not at all, and logs that grow."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from windowshop.errors import ConfigError


def write_aside(path: Path, write: Callable[[Path], object], chosen: str = "folder") -> None:
    """Let `write` fill a file beside `path`, then rename it into place.

    Raises ConfigError where it cannot be written; `chosen` is what the user named, file or folder.
    """
    aside = path.with_name(f".{path.name}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(aside)
        aside.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror or error}). Choose another {chosen}."
        ) from None


def append_whole(descriptor: int, content: bytes) -> None:
    """Append to an open file, all of it; on return it survives a SIGKILL."""
    while content:
        content = content[os.write(descriptor, content) :]


def replace_folder(new: Path, out: Path) -> None:
    """Put the folder `new` in the place of `out`, which may be a folder, or not be there."""
    old = out.parent / f".{out.name}.old"
    if out.exists():
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)
