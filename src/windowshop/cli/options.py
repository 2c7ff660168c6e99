"""What several commands share: consoles, arguments, options."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

out = Console()
err = Console(stderr=True)

Data = Annotated[Path, typer.Argument(help="Folder with products, queries and qrels.")]
ModelPath = Annotated[Path, typer.Argument(help="Model folder made by `windowshop train`.")]
IndexPath = Annotated[Path, typer.Argument(help="Index folder made by `windowshop index`.")]
CacheOption = Annotated[
    Path,
    typer.Option(help="Folder of encoded features, shared by all runs.", envvar="WINDOWSHOP_CACHE"),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
EngineChoice = Literal["auto", "flat", "zvec", "exact"]
StorageChoice = Literal["auto", "float32", "fp16", "int8", "4bit"]
Mode = Literal["hybrid", "vectors", "words"]
DEFAULT_CACHE = Path.home() / ".cache" / "windowshop"


def print_json(content: object) -> None:
    """Print for machines."""
    print(json.dumps(content, indent=2, ensure_ascii=False))
