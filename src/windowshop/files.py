"""Files that appear whole or not at all."""

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
