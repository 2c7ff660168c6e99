"""Runs and judgements of an evaluation as TREC has them, for trec_eval and its like.

    OUT/qrels.txt     query 0 product grade
    OUT/SYSTEM.run    query Q0 product rank score SYSTEM

Fields end at white space, so white space within an id is written as %20 and the like.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np

from windowshop.evaluation.evaluator import Evaluation
from windowshop.files import write_atomic

BREAKING = re.compile(r"[\s%]")


def write_trec(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the qrels that the headline is of, and the run of each system; returns the files."""
    qrels = [
        f"{_field(query)} 0 {_field(product)} {grade}"
        for query, grades in evaluation.qrels.items()
        for product, grade in grades.items()
    ]
    written = [_write(folder / "qrels.txt", qrels)]
    for system, run in evaluation.runs.items():
        lines = [
            f"{_field(query)} Q0 {_field(product)} {rank} {score!r} {_field(system)}"
            for query, scores in run.items()
            for rank, (product, score) in enumerate(_ranked(scores), 1)
        ]
        written.append(_write(folder / f"{system}.run", lines))
    return written


def _ranked(scores: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Yield products by score, each below the one before it as a 32-bit float.

    trec_eval keeps scores as such, and breaks ties by the products' ids.
    """
    last = np.float32(np.inf)
    for product, score in sorted(scores.items(), key=lambda item: -item[1]):
        last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
        yield product, float(last)


def _field(text: str) -> str:
    """Return an id without white space, as an address writes it."""
    return BREAKING.sub(lambda found: quote(found[0]), text)


def _write(path: Path, lines: list[str]) -> Path:
    content = "".join(f"{line}\n" for line in lines)
    write_atomic(path, lambda aside: aside.write_text(content, "utf-8"))
    return path
