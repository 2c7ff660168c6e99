"""Judged split of a data folder as sets of queries: graded by people, and by a language model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from windowshop.data import Dataset, read_dataset
from windowshop.errors import WindowshopError
from windowshop.evaluation import (
    GRADES_FILE,
    agreement,
    grades_as_people,
    read_grades,
    split_kinds,
)
from windowshop.service.bench.latest import Latest
from windowshop.service.bench.query_text import Grouped, grouped
from windowshop.service.http.errors import ServiceError

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class JudgedData:
    """Data folder whose judged split is a set."""

    folder: Path
    split: str = "test"

    @property
    def title(self) -> str:
        """Name of the set."""
        return f"{self.folder.resolve().name}, {self.split}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelGrades:
    """Grades of a split by a language model, in people's where that is calibrated."""

    model: str
    queries: Grouped
    rests_on: str
    """Sentence of how far the model agrees with people, for every figure that rests on it."""


class JudgedSplit:
    """Grades of a data folder's split, each read at its first use; for many threads."""

    def __init__(self, data: JudgedData) -> None:
        self.data = data
        self._dataset: Latest[Dataset] = Latest()
        self._people: Latest[Grouped] = Latest()
        self._model: Latest[ModelGrades] = Latest()

    @property
    def has_model(self) -> bool:
        """Return whether a language model graded products of the folder."""
        return (self.data.folder / GRADES_FILE).is_file()

    def people(self) -> Grouped:
        """Return the split's texts with their grades, by people where there are any.

        Raises ServiceError 503 where the folder cannot be read.
        """
        return self._people.of(None, lambda: self._read(self._of_people))

    def model(self) -> ModelGrades:
        """Return the texts that a language model graded products of.

        Raises ServiceError 503 where the folder or its grades cannot be read.
        """
        return self._model.of(None, lambda: self._read(self._of_model))

    def _read(self, read: Callable[[Dataset], Found]) -> Found:
        folder = self.data.folder
        try:
            return read(self._dataset.of(None, lambda: read_dataset(folder)))
        except WindowshopError as error:
            message = str(error).replace(str(folder), folder.resolve().name)
            raise ServiceError(503, "bad_data", message) from None

    def _of_people(self, dataset: Dataset) -> Grouped:
        by_kind = split_kinds(dataset.qrels_of(dataset.split(self.data.split)))
        return self._grouped(dataset, next(iter(by_kind.values()), dataset.qrels.clear()))

    def _of_model(self, dataset: Dataset) -> ModelGrades:
        grades = read_grades(self.data.folder / GRADES_FILE)
        agreed = agreement(dataset, grades)
        queries = self._grouped(dataset, grades_as_people(grades, agreed))
        return ModelGrades(model=grades.model, queries=queries, rests_on=agreed.sentence())

    def _grouped(self, dataset: Dataset, grades: pl.DataFrame) -> Grouped:
        """Group grades by the texts of the split; queries by an image have none."""
        texts = dataset.split(self.data.split).filter(
            pl.col("query").fill_null("").str.strip_chars() != "", pl.col("image").is_null()
        )
        pairs = texts.join(grades, "query_id").select("query", "product_id", "grade").iter_rows()
        return grouped(list(pairs))
