"""A model's grades as a label set, beside that of people."""

from collections.abc import Mapping

import polars as pl

from windowshop.data import RELEVANCE, Dataset
from windowshop.errors import DataError
from windowshop.evaluation.judge.agreement import Agreement, agreement
from windowshop.evaluation.judge.grades import EndpointGrades
from windowshop.evaluation.metrics import as_qrels, relevance_threshold
from windowshop.evaluation.slices import ALL, LABELS, GradedQrels

ENDPOINT = "endpoint"
"""Name of the label set."""


def with_endpoint(
    dataset: Dataset,
    queries: pl.DataFrame,
    slices: Mapping[str, GradedQrels],
    grades: EndpointGrades | None,
) -> tuple[dict[str, GradedQrels], Agreement | None]:
    """Return slices with a model's grades as a further label set, and their agreement with people.

    Without grades they are returned as they are.
    """
    if grades is None:
        return dict(slices), None
    agreed = agreement(dataset, grades)
    first = (
        {}
        if any(name.startswith(LABELS) for name in slices)
        else {LABELS + dataset.kinds[0]: slices[ALL]}
    )
    graded = label_set(dataset, queries, grades, agreed)
    return {ALL: slices[ALL], **first, **slices, LABELS + ENDPOINT: graded}, agreed


def endpoint_notes(agreed: Agreement | None) -> list[str]:
    """Return what stands beside figures of a model's grades."""
    return [] if agreed is None else [f"{LABELS}{ENDPOINT}: {agreed.sentence()}"]


def grades_as_people(grades: EndpointGrades, agreed: Agreement) -> pl.DataFrame:
    """Return query_id, product_id and grade, as people would give it where that is calibrated."""
    table = grades.table()
    if agreed.calibration is None:
        return table
    by_grade = {grade: agreed.calibration.grade(grade) for grade in table["grade"].unique()}
    return table.with_columns(pl.col("grade").replace(by_grade))


def label_set(
    dataset: Dataset, queries: pl.DataFrame, grades: EndpointGrades, agreed: Agreement
) -> GradedQrels:
    """Return the grades of some queries, as people would give them where that is calibrated.

    Raises DataError where none of the queries has a grade above 0.
    """
    table = grades_as_people(grades, agreed).join(dataset.products, "product_id", how="semi")
    table = table.join(queries, "query_id", how="semi")
    positive = table.filter(pl.col("grade") > 0)
    if positive.is_empty():
        raise DataError(
            f"{dataset.root}: none of the split's queries has a grade of {grades.model} above 0. "
            "Grade its results by `windowshop judge`."
        )
    people = dataset.qrels.filter(kind=RELEVANCE)
    return GradedQrels(
        as_qrels(positive), relevance_threshold(positive if people.is_empty() else people)
    )
