"""Consoles, arguments and options that several commands share."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from windowshop.errors import ConfigError
from windowshop.files import INDEX, require_manifest
from windowshop.progress import TerminalReporter
from windowshop.registry import ENGINES, FUSIONS, STORAGES

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys, but for tabs and ends of lines."""


class _Shown:
    """Printed content, with a mark for each control character that a feed or a folder brought."""

    def __init__(self, content: ConsoleRenderable) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for text, style, control in console.render(self._content, options):
            yield Segment(text if control else CONTROLS.sub("\ufffd", text), style, control)


class _ShowControls(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Shown(content) for content in renderables]


out = Console()
err = Console(stderr=True)
for console in (out, err):
    console.push_render_hook(_ShowControls())
reporter = TerminalReporter(err)

Data = Annotated[Path, typer.Argument(help="Folder with products, queries and qrels.")]
ModelPath = Annotated[Path, typer.Argument(help="Model folder made by `windowshop train`.")]
IndexPath = Annotated[Path, typer.Argument(help="Index folder made by `windowshop index`.")]


IndexPlace = Annotated[
    str,
    typer.Argument(help="Index folder, or the address of a server that one was pushed to."),
]
CacheOption = Annotated[
    Path,
    typer.Option(help="Folder of encoded features, shared by all runs.", envvar="WINDOWSHOP_CACHE"),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Mode = Literal["hybrid", "vectors", "words"]
if TYPE_CHECKING:
    EngineChoice: TypeAlias = str
    StorageChoice: TypeAlias = str
    FusionChoice: TypeAlias = str
else:
    EngineChoice, StorageChoice = Literal[("auto", *ENGINES)], Literal[("auto", *STORAGES)]
    FusionChoice = Literal[tuple(FUSIONS)]


def index_at(place: str) -> Path:
    """Return the folder of an index, for the address of a server the local one that stands for it.

    Raises IndexFolderError where there is none.
    """
    if "://" not in place:  # a path is answered before anything heavy is imported
        folder = Path(place)
    else:
        from windowshop.index import index_folder

        folder = index_folder(place)
    require_manifest(folder, INDEX)
    return folder


def require_file(option: str, path: Path | None) -> None:
    """Raise ConfigError where an option names no file; a pipe will do."""
    if path is not None and (path.is_dir() or not path.exists()):
        raise ConfigError(f"{path}: missing. {option} needs a file.")


def print_line(text: str) -> None:
    """Print text as it is, on one line however long."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(content: object) -> None:
    """Print as indented JSON."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    print(CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
