"""File of a model's grades, apart from people's: a line of JSON for each pair, after a head.

It grows by a line for each answer and is read back whole, so that a run that was cut off goes on
where it stopped. Training and evaluation read it only where it is named to them.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson
import polars as pl
from filelock import FileLock, Timeout

from windowshop.errors import ConfigError, DataError
from windowshop.evaluation.judge.rubric import Rubric

FORMAT = "windowshop-endpoint-grades-1"
GRADES_FILE = "endpoint_grades.jsonl"
"""Name of the file in a data folder."""
SCHEMA: dict[str, Any] = {
    "query_id": pl.String,
    "product_id": pl.String,
    "grade": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class Grade:
    """Grade of one pair by a model."""

    query_id: str
    product_id: str
    grade: int
    asked: str
    """Hash of the texts that were graded: other texts are graded again."""


@dataclass(frozen=True, slots=True)
class EndpointGrades:
    """Grades of one model by one rubric."""

    model: str
    rubric: Rubric
    grades: dict[tuple[str, str], Grade] = field(default_factory=dict)
    """(query_id, product_id) -> latest grade."""

    def table(self) -> pl.DataFrame:
        """Return query_id, product_id and grade."""
        rows = [(g.query_id, g.product_id, g.grade) for g in self.grades.values()]
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def read_grades(path: Path) -> EndpointGrades:
    """Read a file of grades; a last line that a kill cut off is left out.

    Raises DataError for a file that is missing or of another kind.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}). Make it by `windowshop judge`.") from (
            None
        )
    head, *lines = content.split(b"\n")[:-1] or [b""]
    try:
        stated = orjson.loads(head)
        if stated["format"] != FORMAT:
            raise ValueError(stated["format"])
        found = EndpointGrades(str(stated["model"]), Rubric(tuple(map(str, stated["rubric"]))))
        for line in lines:
            grade = _grade(orjson.loads(line), found.rubric)
            found.grades[grade.query_id, grade.product_id] = grade
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: is no file of {FORMAT} ({error}). Name another file, or make it again."
        ) from None
    return found


def _grade(row: dict[str, Any], rubric: Rubric) -> Grade:
    grade = Grade(row["query_id"], row["product_id"], row["grade"], row["asked"])
    texts = (grade.query_id, grade.product_id, grade.asked)
    if type(grade.grade) is not int or not 0 <= grade.grade <= rubric.highest:
        raise ValueError(f"grade {grade.grade!r}")
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"ids {texts}")
    return grade


class GradesWriter:
    """Open file of grades, which new ones are added to."""

    def __init__(self, kept: EndpointGrades, stream: IO[bytes]) -> None:
        self.kept = kept
        self._stream = stream

    def add(self, grades: Iterable[Grade]) -> None:
        """Add grades; on return they survive a kill."""
        for grade in grades:
            row = {name: getattr(grade, name) for name in Grade.__slots__}
            self._stream.write(orjson.dumps(row) + b"\n")
            self.kept.grades[grade.query_id, grade.product_id] = grade
        self._stream.flush()
        os.fsync(self._stream.fileno())


@contextmanager
def open_grades(path: Path, model: str, rubric: Rubric) -> Iterator[GradesWriter]:
    """Open a file to add grades to, made where it is missing.

    Raises ConfigError where it holds grades of another model or rubric, or another process writes,
    and DataError for a file of another kind, which stays as it is.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock, path.open("a+b") as stream:
            yield GradesWriter(_begin(path, stream, model, rubric), stream)
    except Timeout:
        raise ConfigError(f"{path}: another process writes grades there. Wait for it.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error}). Choose another --out.") from None


def _begin(path: Path, stream: IO[bytes], model: str, rubric: Rubric) -> EndpointGrades:
    """Return what the file has; cut off a last line that is not whole, and write a missing head."""
    stream.seek(0)
    content = stream.read()
    head = orjson.dumps({"format": FORMAT, "model": model, "rubric": list(rubric.levels)})
    if head.startswith(content):
        stream.truncate(0)
        stream.write(head + b"\n")
        stream.flush()
        return EndpointGrades(model, rubric)
    kept = read_grades(path)  # before anything is cut off: it may be a file of another kind
    if (kept.model, kept.rubric) != (model, rubric):
        raise ConfigError(
            f"{path}: has grades of {kept.model} by its rubric, not of {model} by this one. Name "
            "another file by --out."
        )
    stream.truncate(content.rfind(b"\n") + 1)
    return kept
