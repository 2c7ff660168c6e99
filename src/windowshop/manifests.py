"""The JSON manifest that makes a folder a model or an index; written last, so it means complete."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from windowshop.errors import WindowshopError

MANIFEST_FILE = "manifest.json"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderKind:
    """How a kind of folder is named in its manifest and in messages."""

    noun: str
    format: str
    """What the manifest's `format` must be."""
    command: str
    """The command that makes such a folder."""
    error: type[WindowshopError]
    file: str = MANIFEST_FILE


def write_manifest(folder: Path, manifest: Any, file: str = MANIFEST_FILE) -> None:  # noqa: ANN401
    """Write a manifest dataclass; the last file of a folder."""
    content = json.dumps(asdict(manifest), indent=2, ensure_ascii=False)
    (folder / file).write_text(content + "\n", encoding="utf-8")


def read_manifest(cls: type[T], folder: Path, kind: FolderKind) -> T:
    """Read a manifest as `cls`; raises the kind's error where the folder is not a complete one."""
    path = folder / kind.file
    if not path.is_file():
        found = f"no {kind.file}" if folder.exists() else "nothing"
        raise kind.error(
            f"{folder}: found {found}, need {kind.noun}. Make one with `{kind.command}`."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("format") != kind.format:
            raise kind.error(
                f"{path}: found format {content.get('format')!r}, this version reads "
                f"{kind.format}. Run `{kind.command}` again, or use the version that wrote it."
            )
        return cls(**content)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise kind.error(
            f"{path}: cannot be read ({error}). Copy the folder again, or run `{kind.command}`."
        ) from None
