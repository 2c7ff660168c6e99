"""A model's grades as a label set, beside that of people."""

import polars as pl

from windowshop.data import RELEVANCE, Dataset
from windowshop.errors import DataError
from windowshop.evaluation.judge.agreement import Agreement
from windowshop.evaluation.judge.grades import EndpointGrades
from windowshop.evaluation.metrics import as_qrels, relevance_threshold
from windowshop.evaluation.slices import GradedQrels

ENDPOINT = "endpoint"
"""Name of the label set."""


def label_set(
    dataset: Dataset, queries: pl.DataFrame, grades: EndpointGrades, agreed: Agreement
) -> GradedQrels:
    """Return the grades of some queries, as people would give them where that is calibrated.

    Raises DataError where none of the queries has a grade above 0.
    """
    table = grades.table().join(dataset.products, "product_id", how="semi")
    table = table.join(queries, "query_id", how="semi")
    if agreed.calibration is not None:
        by_grade = {grade: agreed.calibration.grade(grade) for grade in table["grade"].unique()}
        table = table.with_columns(pl.col("grade").replace(by_grade))
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
