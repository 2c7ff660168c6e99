"""Consoles, arguments and options that several commands share."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer
from rich.console import Console

from windowshop.errors import ConfigError
from windowshop.progress import TerminalReporter
from windowshop.registry import ENGINES, FUSIONS, STORAGES

out = Console()
err = Console(stderr=True)
reporter = TerminalReporter(err)

Data = Annotated[Path, typer.Argument(help="Folder with products, queries and qrels.")]
ModelPath = Annotated[Path, typer.Argument(help="Model folder made by `windowshop train`.")]
IndexPath = Annotated[Path, typer.Argument(help="Index folder made by `windowshop index`.")]
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


def require_file(option: str, path: Path | None) -> None:
    """Raise ConfigError where an option names no file; a pipe will do."""
    if path is not None and (path.is_dir() or not path.exists()):
        raise ConfigError(f"{path}: missing. {option} needs a file.")


def print_line(text: str) -> None:
    """Print text as it is, on one line however long."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(content: object) -> None:
    """Print as indented JSON."""
    print(json.dumps(content, indent=2, ensure_ascii=False))
