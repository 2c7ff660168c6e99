"""Figures of a benchmark as a file, with what they were made from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from windowshop.data import Dataset
from windowshop.files import write_json
from windowshop.model import environment


def write_figures(
    figures: Mapping[str, Any], path: Path | None, dataset: Dataset, *, show: bool = True
) -> None:
    """Print the figures; with a path, write them with the data's hashes and the environment."""
    if show:
        print(json.dumps(figures, indent=2))
    if path is not None:
        origin = {"hashes": dataset.hashes(), "environment": environment()}
        write_json(path, {**figures, **origin}, chosen="file")
