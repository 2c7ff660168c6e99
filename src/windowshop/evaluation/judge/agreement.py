"""Agreement of a model's grades with people's, on pairs that both graded.

Shapes: Q queries, G grades, B bootstrap samples.

Quadratically weighted kappa (Cohen 1968, doi:10.1037/h0026256) of the counts n_ij of pairs that
the model graded i and people j:

    kappa = 1 - sum (i - j)^2 n_ij / sum (i - j)^2 n_i. n_.j / n

1 is agreement, 0 is that of chance; it is undefined where both give one and the same grade only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import xxhash
from scipy.optimize import isotonic_regression

from windowshop.data import RELEVANCE, Dataset
from windowshop.evaluation.judge.grades import EndpointGrades
from windowshop.evaluation.metrics import Estimate

SAMPLES, FOLDS, MIN_PAIRS = 2000, 5, 30
"""Bootstrap samples, folds of the calibration, and the fewest pairs that it is fitted on."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """People's mean grade by the model's grade, which never falls (isotonic regression)."""

    means: dict[int, float]
    """The model's grade -> people's mean; grades that no pair has lie between their neighbours'."""

    def grade(self, grade: int) -> int:
        """Return people's grade that is nearest to what they give where the model gives this."""
        known = sorted(self.means)
        mean = float(np.interp(grade, known, [self.means[g] for g in known]))
        return int(np.floor(mean + 0.5))


@dataclass(frozen=True, slots=True)
class Agreement:
    """A model's grades against people's."""

    model: str
    num_pairs: int
    """Pairs that both graded."""
    num_queries: int
    kappa: Estimate | None
    """Quadratically weighted; 95% interval by bootstrap over queries. None where undefined."""
    calibration: Calibration | None
    """None with fewer than MIN_PAIRS pairs."""
    error: float | None = None
    """Mean absolute difference to people's grades as the model gives them."""
    error_calibrated: float | None = None
    """Mean absolute difference after calibration, each fold of queries by the others."""

    def sentence(self) -> str:
        """Return what stands beside every number that rests on these grades."""
        if self.kappa is None:
            return (
                f"Grades of {self.model}, not of people: how far they agree is not known "
                f"({self.num_pairs:,} pairs that both graded)."
            )
        kappa = self.kappa
        found = (
            f"Grades of {self.model}, not of people. On {self.num_pairs:,} pairs of "
            f"{self.num_queries:,} queries that both graded, weighted kappa is "
            f"{kappa.mean:.2f} [{kappa.low:.2f}, {kappa.high:.2f}]"
        )
        if self.calibration is None:
            return f"{found}; too few pairs to calibrate by."
        means = ", ".join(f"{g} is {mean:.1f}" for g, mean in self.calibration.means.items())
        return (
            f"{found}; its grade in people's: {means}; mean error {self.error:.2f}, calibrated "
            f"{self.error_calibrated:.2f} on held-out queries."
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        kappa = self.kappa
        return {
            "model": self.model,
            "num_pairs": self.num_pairs,
            "num_queries": self.num_queries,
            "kappa": kappa and {"mean": kappa.mean, "low": kappa.low, "high": kappa.high},
            "calibration": self.calibration and self.calibration.means,
            "error": self.error,
            "error_calibrated": self.error_calibrated,
        }


def people_grades(dataset: Dataset) -> pl.DataFrame:
    """Return query_id, product_id and grade of the pairs that people judged, grade 0 included."""
    zeros = dataset.refused.filter(kind=RELEVANCE).with_columns(grade=pl.lit(0, pl.Int64))
    names = ("query_id", "product_id", "grade")
    return pl.concat([dataset.qrels.filter(kind=RELEVANCE).select(names), zeros.select(names)])


def agreement(dataset: Dataset, grades: EndpointGrades) -> Agreement:
    """Compare a model's grades with those of people in a data set."""
    people = people_grades(dataset)
    both = grades.table().join(people, on=("query_id", "product_id"), suffix="_of_people")
    both = both.sort("query_id", "product_id")
    model, theirs = both["grade"].to_numpy(), both["grade_of_people"].to_numpy()
    ids = both["query_id"].to_list()
    count_QGG = counts_by_query(ids, model, theirs)
    kappa = kappa_estimate(count_QGG)
    enough = len(both) >= MIN_PAIRS and len(count_QGG) >= FOLDS
    return Agreement(
        model=grades.model,
        num_pairs=len(both),
        num_queries=len(count_QGG),
        kappa=kappa,
        calibration=calibrate(model, theirs) if enough else None,
        error=float(np.abs(model - theirs).mean()) if enough else None,
        error_calibrated=_held_out_error(ids, model, theirs) if enough else None,
    )


def counts_by_query(query_ids: list[str], model: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Return the number of pairs by query, the model's grade and people's, (Q, G, G)."""
    size = 1 + int(max(model.max(), people.max())) if len(model) else 1
    place: Mapping[str, int] = {q: i for i, q in enumerate(dict.fromkeys(query_ids))}
    count_QGG = np.zeros((len(place), size, size))
    rows = np.array([place[q] for q in query_ids], np.int64)
    np.add.at(count_QGG, (rows, model, people), 1)
    return count_QGG


def weighted_kappa(count_BGG: np.ndarray) -> np.ndarray:
    """Return quadratically weighted kappa of each table of counts, nan where undefined."""
    grade_G = np.arange(count_BGG.shape[-1])
    weight_GG = (grade_G[:, None] - grade_G) ** 2
    total_B = count_BGG.sum(axis=(1, 2))
    expected_BGG = count_BGG.sum(axis=2)[:, :, None] * count_BGG.sum(axis=1)[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        seen_B = (weight_GG * count_BGG).sum(axis=(1, 2))
        chance_B = (weight_GG * expected_BGG).sum(axis=(1, 2)) / total_B
        kappa_B: np.ndarray = 1 - seen_B / chance_B
    return np.where(chance_B > 0, kappa_B, np.nan)


def kappa_estimate(count_QGG: np.ndarray, seed: int = 0) -> Estimate | None:
    """Return kappa with its 95% interval by bootstrap over queries; None where undefined."""
    num_queries = len(count_QGG)
    if num_queries < 2 or np.isnan(kappa := weighted_kappa(count_QGG.sum(axis=0)[None])[0]):
        return None
    even_Q = np.full(num_queries, 1 / num_queries)
    times_BQ = np.random.default_rng(seed).multinomial(num_queries, even_Q, SAMPLES)
    kappa_B = weighted_kappa(np.einsum("bq,qij->bij", times_BQ.astype(float), count_QGG))
    low, high = np.nanpercentile(kappa_B, (2.5, 97.5))
    return Estimate(float(kappa), float(low), float(high), num_queries)


def calibrate(model: np.ndarray, people: np.ndarray) -> Calibration:
    """Fit people's mean grade as a rising function of the model's."""
    values, place, counts = np.unique(model, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=people) / counts
    fitted = isotonic_regression(means, weights=counts).x
    return Calibration({int(g): float(mean) for g, mean in zip(values, fitted, strict=True)})


def _held_out_error(ids: list[str], model: np.ndarray, people: np.ndarray) -> float:
    """Return the mean absolute error of calibrated grades; each fold of queries by the others."""
    by_hash = sorted(set(ids), key=lambda query_id: xxhash.xxh3_64_intdigest(query_id.encode()))
    places = {query_id: i % FOLDS for i, query_id in enumerate(by_hash)}
    fold = np.array([places[q] for q in ids])
    errors = []
    for held in range(FOLDS):
        by_others = calibrate(model[fold != held], people[fold != held])
        inside = fold == held
        given = [by_others.grade(int(g)) for g in model[inside]]
        errors += np.abs(given - people[inside]).tolist()
    return float(np.mean(errors))
