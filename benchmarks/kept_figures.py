"""Figures of a benchmark as a file, with their origin and the scores that they are of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from published import SUFFIX

from windowshop.data import Dataset
from windowshop.evaluation import write_scores
from windowshop.files import write_json
from windowshop.model import environment


def write_figures(
    figures: Mapping[str, Any],
    path: Path | None,
    dataset: Dataset,
    scores: pl.DataFrame | None = None,
    *,
    show: bool = True,
) -> None:
    """Print the figures; with a path, write them with the data's hashes and the environment.

    `scores` are those of every query that the figures are of, written beside them.
    """
    if show:
        print(json.dumps(figures, indent=2))
    if path is not None:
        origin = {"hashes": dataset.hashes(), "environment": environment()}
        if scores is not None:
            write_scores(scores, path.with_suffix(SUFFIX), chosen="file")
        write_json(path, {**figures, **origin}, chosen="file")
