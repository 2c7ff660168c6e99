"""Study results -> the figures of its report: means over seeds, paired tests, verdicts.

The intervals of a mean are over seeds; those of a difference are over queries, whose values are
averaged over seeds first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from windowshop.evaluate import ALL
from windowshop.metrics import MEASURES
from windowshop.significance import NUM_PERMUTATIONS, Comparison, compare, holm
from windowshop.study.falsifiers import Verdict, judge
from windowshop.study.results import Falsifier, StudyResults, VariantResult

# Student's t at 97.5% for 1 to 30 degrees of freedom; more use the last, which is wider.
T_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
SLICE_MEASURES = ("ndcg@10", "recall@100")
Values = dict[str, float]
"""query_id -> value, averaged over seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedMean:
    """A mean over seeds with its 95% t interval."""

    mean: float
    half: float | None
    """Half of the interval; None with one seed."""
    num_seeds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """A variant minus the reference, with p corrected over the variants."""

    comparison: Comparison
    p_holm: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceMean:
    """A variant's mean on one slice, and whether it differs from the reference there."""

    mean: float
    num_queries: int
    sign: int
    """1 or -1 where the paired interval lies above or below 0, else 0; not corrected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Everything computed for the report."""

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
        """Values by query; empty where the variant was not run or has none."""
        return self._values.get(variant, {}).get((part, measure), {})

    def slices(self) -> list[str]:
        """Names of all slices but "all", sorted."""
        names = {part for values in self._values.values() for part, _ in values}
        return sorted(names - {ALL})


def summarise(results: StudyResults, num_permutations: int = NUM_PERMUTATIONS) -> Summary:
    """Compute all figures; raises DataError where the reference is none of the variants."""
    results.variant(results.reference)
    values = QueryValues(results)
    return Summary(
        means={variant.name: _seed_means(variant) for variant in results.variants},
        tests=_tests(results, values, num_permutations),
        slices=_slices(results, values),
        verdicts=tuple(_verdict(results, values, item) for item in results.falsifiers),
        num_permutations=num_permutations,
    )


def seed_mean(per_seed: Sequence[float]) -> SeedMean:
    """Mean and half of the 95% t interval; needs at least one seed."""
    count = len(per_seed)
    half = None
    if count > 1:
        t = T_975[min(count - 1, len(T_975)) - 1]
        half = t * float(np.std(per_seed, ddof=1)) / math.sqrt(count)
    return SeedMean(mean=float(np.mean(per_seed)), half=half, num_seeds=count)


def most_different_queries(
    results: StudyResults, variant: str, other: str, measure: str = "ndcg@10", count: int = 6
) -> list[str]:
    """Query ids where two variants differ most, wins and losses of `variant` in turn."""
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
        found = {}
        for variant in results.variants:
            if variant.name == results.reference:
                continue
            mine = values.of(variant.name, ALL, measure)
            comparison = compare(mine, reference, num_permutations=num_permutations)
            if comparison is not None:
                found[variant.name] = comparison
        adjusted = holm({name: comparison.p_value for name, comparison in found.items()})
        for name, comparison in found.items():
            tested = Tested(comparison=comparison, p_holm=adjusted[name])
            tests.setdefault(name, {})[measure] = tested
    return tests


def _slices(
    results: StudyResults, values: QueryValues
) -> dict[str, dict[str, dict[str, SliceMean]]]:
    return {
        variant.name: {
            part: _slice_means(results.reference, variant.name, part, values)
            for part in values.slices()
        }
        for variant in results.variants
    }


def _slice_means(
    reference: str, variant: str, part: str, values: QueryValues
) -> dict[str, SliceMean]:
    means = {}
    for measure in SLICE_MEASURES:
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


def _verdict(results: StudyResults, values: QueryValues, falsifier: Falsifier) -> Verdict:
    pair = (falsifier.better, falsifier.worse)
    better, worse = (values.of(name, falsifier.slice, falsifier.measure) for name in pair)
    comparison = compare(better, worse, num_permutations=0)
    seeds = {variant.name: len(variant.seeds) for variant in results.variants}
    return judge(
        falsifier,
        comparison.difference if comparison else None,
        (seeds.get(falsifier.better, 0), seeds.get(falsifier.worse, 0)),
    )
