"""Statistics of a study: means over seeds, paired tests, answers to claims.

Intervals of a mean are over seeds; those of a difference are over queries, whose values are
averaged over seeds first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from windowshop.evaluation import (
    ALL,
    LABELS,
    MEASURES,
    NUM_PERMUTATIONS,
    Comparison,
    Estimate,
    compare,
    holm,
)
from windowshop.study.config import Falsifier
from windowshop.study.results import StudyResults, VariantResult

# Student's t at 97.5% for 1 to 30 degrees of freedom; more use the last, which is wider.
T_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
SLICE_MEASURES = ("ndcg@10", "recall@100")
LABEL_MEASURES = ("ndcg@1", *SLICE_MEASURES)
"""Measures reported of each label set, where a data set has two."""
Values = dict[str, float]
"""query_id -> value, averaged over seeds."""
Answer = Literal["holds", "does not hold", "undecided", "not tested"]
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedMean:
    """A mean over seeds with its 95% t interval."""

    mean: float
    half: float | None
    """Half of the interval; None with one seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """A variant minus the reference, with p corrected over the variants."""

    comparison: Comparison
    p_holm: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceMean:
    """A variant's mean on one slice, with the sign of its difference to the reference."""

    mean: float
    num_queries: int
    sign: int
    """1 or -1 where the paired interval lies above or below 0, else 0; not corrected."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Answer to a claim, with the difference that it rests on."""

    falsifier: Falsifier
    answer: Answer
    difference: Estimate | None
    """None where one of the two variants was not run, or they share no query."""
    num_seeds: tuple[int, int]
    """Of `better` and of `worse`."""
    p_holm: float | None
    """p that the difference is the margin, corrected over the other tests of the report."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """All statistics of the report."""

    means: dict[str, dict[str, SeedMean]]
    """variant -> measure -> mean on all queries."""
    tests: dict[str, dict[str, Tested]]
    """variant -> measure -> test against the reference."""
    slices: dict[str, dict[str, dict[str, SliceMean]]]
    """variant -> slice -> measure -> mean."""
    verdicts: tuple[Verdict, ...]
    num_permutations: int


class QueryValues:
    """Per-query values of every variant, averaged over its seeds."""

    def __init__(self, results: StudyResults) -> None:
        self._values = {variant.name: _averaged(variant) for variant in results.variants}

    def of(self, variant: str, part: str, measure: str) -> Values:
        """Return values by query; empty where the variant was not run or has none."""
        return self._values.get(variant, {}).get((part, measure), {})

    def slices(self) -> list[str]:
        """Return the names of all slices except "all", sorted."""
        names = {part for values in self._values.values() for part, _ in values}
        return sorted(names - {ALL})


def summarise(results: StudyResults, num_permutations: int = NUM_PERMUTATIONS) -> Summary:
    """Compute all statistics; raises DataError where the reference is not a variant."""
    results.variant(results.reference)
    values = QueryValues(results)
    tests = _tests(results, values, num_permutations)
    return Summary(
        means={variant.name: _seed_means(variant) for variant in results.variants},
        tests=tests,
        slices={
            variant.name: {
                part: _slice_means(results.reference, variant.name, part, values)
                for part in values.slices()
            }
            for variant in results.variants
        },
        verdicts=_verdicts(results, values, tests, num_permutations),
        num_permutations=num_permutations,
    )


def seed_mean(per_seed: Sequence[float]) -> SeedMean:
    """Return the mean and half of its 95% t interval; needs at least one seed."""
    count = len(per_seed)
    half = None
    if count > 1:
        t = T_975[min(count - 1, len(T_975)) - 1]
        half = t * float(np.std(per_seed, ddof=1)) / math.sqrt(count)
    return SeedMean(mean=float(np.mean(per_seed)), half=half)


def judge(
    falsifier: Falsifier,
    difference: Estimate | None,
    p_holm: float | None,
    num_seeds: tuple[int, int],
) -> Verdict:
    """Answer a claim by the 95% interval of the difference and by the corrected p.

    Undecided where the margin lies inside the interval, or where p is not below ALPHA.
    """
    answer: Answer = "undecided"
    if difference is None or p_holm is None:
        answer = "not tested"
    elif p_holm >= ALPHA:
        pass
    elif difference.low > falsifier.margin:
        answer = "holds" if falsifier.expect == "better" else "does not hold"
    elif difference.high <= falsifier.margin:
        answer = "does not hold" if falsifier.expect == "better" else "holds"
    return Verdict(falsifier, answer, difference, num_seeds, p_holm)


def most_different_queries(
    results: StudyResults, variant: str, other: str, measure: str = "ndcg@10", count: int = 6
) -> list[str]:
    """Return query ids where two variants differ most, wins and losses of `variant` in turn."""
    values = QueryValues(results)
    mine, theirs = values.of(variant, ALL, measure), values.of(other, ALL, measure)
    gaps = {query: mine[query] - theirs[query] for query in sorted(mine.keys() & theirs.keys())}
    wins = sorted((q for q in gaps if gaps[q] > 0), key=lambda q: -gaps[q])
    losses = sorted((q for q in gaps if gaps[q] < 0), key=lambda q: gaps[q])
    turns = max(len(wins), len(losses))
    mixed = [ids[turn] for turn in range(turns) for ids in (wins, losses) if turn < len(ids)]
    return mixed[:count]


def _averaged(variant: VariantResult) -> dict[tuple[str, str], Values]:
    if not variant.seeds:
        return {}
    table = pl.concat([seed.per_query for seed in variant.seeds])
    means = table.group_by("slice", "measure", "query_id").agg(pl.col("value").mean())
    averaged: dict[tuple[str, str], Values] = {}
    for part, measure, query_id, value in means.iter_rows():
        averaged.setdefault((part, measure), {})[query_id] = value
    return averaged


def _seed_means(variant: VariantResult) -> dict[str, SeedMean]:
    per_seed: dict[str, list[float]] = {}
    for seed in variant.seeds:
        on_all = seed.per_query.filter(pl.col("slice") == ALL)
        for measure, mean in on_all.group_by("measure").agg(pl.col("value").mean()).iter_rows():
            per_seed.setdefault(measure, []).append(mean)
    return {measure: seed_mean(means) for measure, means in per_seed.items()}


def _tests(
    results: StudyResults, values: QueryValues, num_permutations: int
) -> dict[str, dict[str, Tested]]:
    tests: dict[str, dict[str, Tested]] = {}
    for measure in MEASURES:
        reference = values.of(results.reference, ALL, measure)
        found = {
            variant.name: compare(
                values.of(variant.name, ALL, measure), reference, num_permutations=num_permutations
            )
            for variant in results.variants
            if variant.name != results.reference
        }
        known = {name: comparison for name, comparison in found.items() if comparison is not None}
        adjusted = holm({name: comparison.p_value for name, comparison in known.items()})
        for name, comparison in known.items():
            tested = Tested(comparison=comparison, p_holm=adjusted[name])
            tests.setdefault(name, {})[measure] = tested
    return tests


def _slice_means(
    reference: str, variant: str, part: str, values: QueryValues
) -> dict[str, SliceMean]:
    means = {}
    for measure in LABEL_MEASURES if part.startswith(LABELS) else SLICE_MEASURES:
        mine = values.of(variant, part, measure)
        if not mine:
            continue
        sign = 0
        other = values.of(reference, part, measure)
        comparison = compare(mine, other, num_permutations=0) if variant != reference else None
        if comparison is not None:
            interval = comparison.difference
            sign = int(interval.low > 0) - int(interval.high < 0)
        mean = float(np.mean(list(mine.values())))
        means[measure] = SliceMean(mean=mean, num_queries=len(mine), sign=sign)
    return means


def _verdicts(
    results: StudyResults,
    values: QueryValues,
    tests: dict[str, dict[str, Tested]],
    num_permutations: int,
) -> tuple[Verdict, ...]:
    """Answer the claims."""
    claims = [(item, _claim(values, item, num_permutations)) for item in results.falsifiers]
    p_values = _corrected(results, tests, claims)
    seeds = {variant.name: len(variant.seeds) for variant in results.variants}
    verdicts = []
    for place, (item, found) in enumerate(claims):
        num_seeds = seeds.get(item.better, 0), seeds.get(item.worse, 0)
        difference = found.difference if found else None
        verdicts.append(judge(item, difference, p_values.get(place), num_seeds))
    return tuple(verdicts)


def _claim(values: QueryValues, falsifier: Falsifier, num_permutations: int) -> Comparison | None:
    """Compare a claim's two variants; p is that the difference is the margin, not corrected."""
    pair = (falsifier.better, falsifier.worse)
    better, worse = (values.of(name, falsifier.slice, falsifier.measure) for name in pair)
    shifted = {query: value + falsifier.margin for query, value in worse.items()}
    found = compare(better, worse, num_permutations=0)
    tested = compare(better, shifted, num_permutations=num_permutations)
    if found is None or tested is None:
        return None
    return replace(found, p_value=tested.p_value)


def _corrected(
    results: StudyResults,
    tests: dict[str, dict[str, Tested]],
    claims: Sequence[tuple[Falsifier, Comparison | None]],
) -> dict[int, float]:
    """Return Holm's p of each claim by its position.

    A claim about the reference and a variant has the p of the table. One about two other variants,
    a slice or a margin is a further test, corrected together with those of the table.
    """
    corrected: dict[int, float] = {}
    for measure in {item.measure for item, _ in claims}:
        table = {name: by[measure] for name, by in tests.items() if measure in by}
        family = {f"variant {name}": item.comparison.p_value for name, item in table.items()}
        further = {}
        for place, (item, found) in enumerate(claims):
            if found is None or item.measure != measure:
                continue
            variant = _against_reference(results.reference, item)
            if variant in table:
                corrected[place] = table[variant].p_holm
            else:
                further[place] = found.p_value
        adjusted = holm(family | {f"claim {place}": p for place, p in further.items()})
        corrected |= {place: adjusted[f"claim {place}"] for place in further}
    return corrected


def _against_reference(reference: str, falsifier: Falsifier) -> str:
    """Return the variant of a claim that the table tests against the reference; "" if none."""
    pair = (falsifier.better, falsifier.worse)
    if falsifier.margin or falsifier.slice != ALL or reference not in pair:
        return ""
    return falsifier.worse if falsifier.better == reference else falsifier.better
