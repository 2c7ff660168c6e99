"""Statistics of a study: means, tests against the reference, answers to claims.

Intervals and tests are over queries and seeds together, and every table is a family of tests whose
p are corrected together: the claims, all variants on one measure, on all, and each of slices.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from windowshop.evaluation import (
    ALL,
    LABELS,
    MEASURES,
    Comparison,
    Corrected,
    Estimate,
    SeedScores,
    compare,
    correct,
    mean_estimate,
    scores_of_seeds,
)
from windowshop.study.config import Falsifier
from windowshop.study.results import StudyResults, VariantResult

MAIN_MEASURE = "ndcg@10"
"""Measure that the table of all variants tests."""
SLICE_MEASURES = ("ndcg@10", "recall@100")
LABEL_MEASURES = ("ndcg@1", *SLICE_MEASURES)
"""Measures reported of each label set, where a data set has two."""
Answer = Literal["holds", "does not hold", "undecided", "not tested"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceMean:
    """A variant's mean on one slice, with the sign of its difference to the reference."""

    mean: float
    num_queries: int
    sign: int
    """As of `Corrected`; 0 for the reference itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Answer to a claim, with the test that it rests on."""

    falsifier: Falsifier
    answer: Answer
    tested: Corrected | None
    """None where one of the two variants was not run, or they share fewer than two queries."""
    num_seeds: tuple[int, int]
    """Of `better` and of `worse`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """All statistics of the report."""

    shown: StudyResults
    """Results without repeats, which tables and plots show."""
    means: dict[str, dict[str, Estimate]]
    """variant -> measure -> mean on all queries."""
    main: dict[str, Corrected]
    """variant -> test of MAIN_MEASURE against the reference, corrected over the variants."""
    tests: dict[str, dict[str, Corrected]]
    """variant -> measure -> the same, corrected over variants and measures."""
    slices: dict[str, dict[str, dict[str, SliceMean]]]
    """variant -> slice -> measure -> mean."""
    verdicts: tuple[Verdict, ...]


class StudyScores:
    """Scores of every variant by slice and measure."""

    def __init__(self, results: StudyResults) -> None:
        self.variants = [variant.name for variant in results.variants]
        self._scores = {
            variant.name: scores_of_seeds({seed.seed: seed.per_query for seed in variant.seeds})
            for variant in results.variants
        }

    def of(self, variant: str, part: str, measure: str) -> SeedScores | None:
        """Return the scores; None where the variant was not run or has none."""
        return self._scores.get(variant, {}).get((part, measure))

    def compare(
        self, variant: str, other: str, part: str, measure: str, margin: float = 0.0
    ) -> Comparison | None:
        """Compare two variants; None where that cannot be tested."""
        mine, theirs = self.of(variant, part, measure), self.of(other, part, measure)
        return compare(mine, theirs, margin) if mine and theirs else None

    def slices(self) -> list[str]:
        """Return the names of all slices except "all", sorted."""
        names = {part for scores in self._scores.values() for part, _ in scores}
        return sorted(names - {ALL})


def without_repeats(results: StudyResults) -> StudyResults:
    """Return the results with one variant of those that score alike with every seed and query.

    A note says for which others it stands. The reference stays, and stands for its likes.
    """
    first, *others = sorted(results.variants, key=lambda item: item.name != results.reference)
    like: dict[str, list[str]] = {}
    distinct = [(first, _table(first))]
    for variant in others:
        table = _table(variant)
        same = next((kept.name for kept, other in distinct if table.equals(other)), None)
        if same is None or table.is_empty():
            distinct.append((variant, table))
        else:
            like.setdefault(same, []).append(variant.name)
    kept = {variant.name for variant, _ in distinct}
    notes = tuple(
        f"{', '.join(names)}: scored as {name} with every seed and query, whose row stands for all."
        for name, names in like.items()
    )
    return replace(
        results,
        variants=tuple(variant for variant in results.variants if variant.name in kept),
        notes=(*results.notes, *notes),
    )


def _table(variant: VariantResult) -> pl.DataFrame:
    """Return all scores of a variant, in one order."""
    keys = ["seed", "slice", "query_id", "measure"]
    tables = [seed.per_query.with_columns(seed=pl.lit(seed.seed)) for seed in variant.seeds]
    return pl.concat(tables).select(*keys, "value").sort(keys) if tables else pl.DataFrame()


def summarise(results: StudyResults) -> Summary:
    """Compute all statistics; raises DataError where the reference is not a variant.

    Nothing is tested twice: repeats are left out of all but the claims.
    """
    results.variant(results.reference)
    shown = without_repeats(results)
    scores = StudyScores(shown)
    found = {
        (name, measure): comparison
        for name in scores.variants
        for measure in MEASURES
        if name != results.reference
        and (comparison := scores.compare(name, results.reference, ALL, measure))
    }
    tests: dict[str, dict[str, Corrected]] = {}
    for (name, measure), tested in correct(found).items():
        tests.setdefault(name, {})[measure] = tested
    return Summary(
        shown=shown,
        means={
            name: {
                measure: mean_estimate(values)
                for measure in MEASURES
                if (values := scores.of(name, ALL, measure))
            }
            for name in scores.variants
        },
        main=correct({name: item for (name, m), item in found.items() if m == MAIN_MEASURE}),
        tests=tests,
        slices=_slices(shown, scores),
        verdicts=_verdicts(results, StudyScores(results)),
    )


def judge(falsifier: Falsifier, tested: Corrected | None, num_seeds: tuple[int, int]) -> Verdict:
    """Answer a claim by the sign of its test."""
    answer: Answer = "undecided"
    if tested is None:
        answer = "not tested"
    elif tested.sign:
        expected = 1 if falsifier.expect == "better" else -1
        answer = "holds" if tested.sign == expected else "does not hold"
    return Verdict(falsifier, answer, tested, num_seeds)


def most_different_queries(
    results: StudyResults, variant: str, other: str, measure: str = MAIN_MEASURE, count: int = 6
) -> list[str]:
    """Return query ids where two variants differ most, wins and losses of `variant` in turn."""
    scores = StudyScores(results)
    mine, theirs = scores.of(variant, ALL, measure), scores.of(other, ALL, measure)
    if mine is None or theirs is None:
        return []
    ours, others = mine.by_query(), theirs.by_query()
    gaps = {query: ours[query] - others[query] for query in sorted(ours.keys() & others.keys())}
    wins = sorted((q for q in gaps if gaps[q] > 0), key=lambda q: -gaps[q])
    losses = sorted((q for q in gaps if gaps[q] < 0), key=lambda q: gaps[q])
    turns = max(len(wins), len(losses))
    mixed = [ids[turn] for turn in range(turns) for ids in (wins, losses) if turn < len(ids)]
    return mixed[:count]


def _slices(
    results: StudyResults, scores: StudyScores
) -> dict[str, dict[str, dict[str, SliceMean]]]:
    """Return means with signs; the tests of one table of slices are corrected together."""
    signs: dict[tuple[str, str, str], int] = {}
    for cells in _slice_tables(scores):
        found = {
            (name, part, measure): comparison
            for name in scores.variants
            for part, measure in cells
            if name != results.reference
            and (comparison := scores.compare(name, results.reference, part, measure))
        }
        signs |= {key: tested.sign for key, tested in correct(found).items()}
    means: dict[str, dict[str, dict[str, SliceMean]]] = {}
    for name in scores.variants:
        by_slice = means.setdefault(name, {part: {} for part in scores.slices()})
        for part, measure in (cell for cells in _slice_tables(scores) for cell in cells):
            values = scores.of(name, part, measure)
            if values:
                by_slice[part][measure] = SliceMean(
                    mean=float(values.value_SQ.mean()),
                    num_queries=len(values.query_ids),
                    sign=signs.get((name, part, measure), 0),
                )
    return means


def _slice_tables(scores: StudyScores) -> Iterator[list[tuple[str, str]]]:
    """Yield the slices and measures of each table: of the label sets, then of each measure."""
    labels = [part for part in scores.slices() if part.startswith(LABELS)]
    yield [(part, measure) for part in labels for measure in LABEL_MEASURES]
    for measure in SLICE_MEASURES:
        yield [(part, measure) for part in scores.slices() if part not in labels]


def _verdicts(results: StudyResults, scores: StudyScores) -> tuple[Verdict, ...]:
    """Answer the claims; their tests are corrected together."""
    found = {
        place: comparison
        for place, item in enumerate(results.falsifiers)
        if (
            comparison := scores.compare(
                item.better, item.worse, item.slice, item.measure, item.margin
            )
        )
    }
    tested = correct(found)
    seeds = {variant.name: len(variant.seeds) for variant in results.variants}
    return tuple(
        judge(item, tested.get(place), (seeds.get(item.better, 0), seeds.get(item.worse, 0)))
        for place, item in enumerate(results.falsifiers)
    )
