"""Figures of systems on one split of a data set: of a model and its baselines, or of a search.

All systems rank the full catalogue for the same queries; scores are per query and differences are
paired. Intervals of one model are over queries alone; `pool_seeds` takes further seeds into them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.config import FUSED, SERVED
from windowshop.data import Dataset, all_texts, held_out_notes, is_synthetic
from windowshop.errors import DataError
from windowshop.evaluation.bm25 import BM25Choice, tuned_bm25
from windowshop.evaluation.judge.agreement import Agreement
from windowshop.evaluation.judge.grades import EndpointGrades
from windowshop.evaluation.judge.labels import endpoint_notes, with_endpoint
from windowshop.evaluation.metrics import Estimate, Qrels, Run, bootstrap
from windowshop.evaluation.seed_scores import scores_of_seeds
from windowshop.evaluation.significance import compare, mean_estimate
from windowshop.evaluation.slices import (
    ALL,
    LABELS,
    GradedQrels,
    Scores,
    judged_slices,
    query_texts,
    score_slices,
    scores_table,
    write_scores,
)
from windowshop.files import write_json
from windowshop.model import environment

BM25 = "bm25"
Table = dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of every system, over all queries and by slice."""

    split: str
    threshold: int
    """Lowest grade that counts as relevant for Recall and MRR."""
    num_products: int
    num_queries: int
    tables: dict[str, dict[str, Table]]
    """system -> "all" or slice -> measure -> estimate."""
    gains: dict[str, dict[str, Table]]
    """Other system -> "all" or slice -> measure -> the reference minus it, paired by query."""
    per_query: pl.DataFrame
    """system, slice, query_id, measure, value."""
    notes: tuple[str, ...]
    origin: dict[str, Any] = field(default_factory=dict)
    """Environment, content hashes of the data, and what the model or the index was made from."""
    labels: dict[str, int] = field(default_factory=dict)
    """Label set -> its lowest relevant grade, where there are two; the first is the headline's.

    The figures of each are in the slice `labels=<label set>`.
    """
    bm25: BM25Choice | None = None
    """Parameters of BM25; None where nothing has words."""
    num_seeds: int = 1
    """Trainings that the figures are means of; with one, intervals are over queries alone."""
    reference: str = FUSED
    """System that the others are compared with."""
    runs: Mapping[str, Run] = field(default_factory=dict)
    """Rankings by system."""
    qrels: Qrels = field(default_factory=dict)
    """Judgements that the headline is of."""
    num_synthetic: int = 0
    """Queries that were made of the catalogue, and that nobody asked."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values: systems -> all, slices -> measure -> mean, low, high, n."""
        return {
            "split": self.split,
            "relevant_from_grade": self.threshold,
            "num_products": self.num_products,
            "num_queries": self.num_queries,
            "num_synthetic": self.num_synthetic,
            "num_seeds": self.num_seeds,
            "intervals_over": _drawn(self.num_seeds),
            "systems": {name: _nested(tables) for name, tables in self.tables.items()},
            f"{self.reference}_minus": {name: _nested(t) for name, t in self.gains.items()},
            "label_sets": {
                kind: {"relevant_from_grade": grade} for kind, grade in self.labels.items()
            },
            "bm25": self.bm25.to_json() if self.bm25 else None,
            "notes": list(self.notes),
            **self.origin,
        }


@dataclass(frozen=True, slots=True)
class JudgedSplit:
    """Judged queries of a split of a data set, with the judgements of every slice."""

    dataset: Dataset
    split: str
    queries: pl.DataFrame
    slices: dict[str, GradedQrels]
    """"all", each label set where there are two, and every slice by columns."""
    agreement: Agreement | None = None
    """Agreement of an endpoint's grades with people's, where these are a label set."""

    def evaluation(
        self, runs: Mapping[str, Run], *, origin: dict[str, Any], notes: Iterable[str] = ()
    ) -> Evaluation:
        """Score runs by system, and BM25 beside them; the first one is the reference."""
        reference, agreed = next(iter(runs)), self.agreement
        held_out = held_out_notes(self.dataset, self.split)
        runs, lexical = dict(runs), _lexical_run(self.dataset, self.queries)
        if lexical is not None:
            runs[BM25] = lexical[0]
        scores = {system: score_slices(run, self.slices) for system, run in runs.items()}
        return Evaluation(
            split=self.split,
            threshold=self.slices[ALL].threshold,
            num_products=len(self.dataset.products),
            num_queries=len(self.slices[ALL].qrels),
            tables={
                system: {name: _estimates(part) for name, part in by_slice.items()}
                for system, by_slice in scores.items()
            },
            gains={
                system: {
                    name: _estimates(_difference(scores[reference][name], part))
                    for name, part in by_slice.items()
                }
                for system, by_slice in scores.items()
                if system != reference
            },
            per_query=pl.concat(
                scores_table(by_slice).select(pl.lit(system).alias("system"), pl.all())
                for system, by_slice in scores.items()
            ),
            notes=(*self.dataset.notes, *held_out, *notes, *endpoint_notes(agreed)),
            origin={
                **({"endpoint_grades": agreed.to_json()} if agreed else {}),
                "environment": environment(),
                "hashes": self.dataset.hashes(),
                **origin,
            },
            labels={
                name.removeprefix(LABELS): part.threshold
                for name, part in self.slices.items()
                if name.startswith(LABELS)
            },
            bm25=lexical and lexical[1],
            reference=reference,
            runs=runs,
            qrels=self.slices[ALL].qrels,
            num_synthetic=int(is_synthetic(self.queries).sum()),
        )


def judged_split(
    dataset: Dataset,
    split: str,
    slice_specs: Sequence[str],
    endpoint: EndpointGrades | None = None,
) -> JudgedSplit:
    """Return the judged queries of a split and their slices; raises DataError without any.

    Where there are judgements of people and of a log, those of people are the headline. Grades of
    an endpoint's model are a label set beside them, in people's grades where both graded enough.
    """
    queries = dataset.split(split)
    if queries.is_empty():
        sizes = {name: len(dataset.split(name)) for name in dataset.queries["split"].unique()}
        found = ", ".join(f"{name} {count}" for name, count in sorted(sizes.items())) or "none"
        raise DataError(
            f"{dataset.root}: split {split!r} has no judged query (judged queries: {found}). "
            "Choose another --split, or add qrels."
        )
    slices = judged_slices(dataset, dataset.qrels_of(queries), slice_specs)
    with_grades, agreed = with_endpoint(dataset, queries, slices, endpoint)
    return JudgedSplit(dataset, split, queries, with_grades, agreed)


@dataclass(frozen=True, slots=True)
class PooledSeeds:
    """Figures of several trainings, with intervals over queries and seeds."""

    num_seeds: int
    tables: dict[str, dict[str, Table]]
    """system -> "all" or slice -> measure -> estimate."""
    gains: dict[str, dict[str, Table]]
    """Other system -> "all" or slice -> measure -> the reference minus it."""
    reference: str = FUSED
    """System that the others are compared with: `served`, of an index, else `fused`."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as `Evaluation` does."""
        return {
            "num_seeds": self.num_seeds,
            "intervals_over": _drawn(self.num_seeds),
            "systems": {name: _nested(tables) for name, tables in self.tables.items()},
            f"{self.reference}_minus": {name: _nested(t) for name, t in self.gains.items()},
        }


def pool_seeds(per_query: Sequence[pl.DataFrame]) -> PooledSeeds:
    """Return the figures of one training with several seeds, a table of scores for each.

    Tables are those of `Evaluation.per_query` or of `read_scores`. A system that one of them lacks
    is left out. With one table, intervals are over queries alone.
    """
    if not per_query:
        raise DataError("pool_seeds: need a table of scores for each seed, found none.")
    shared = set.intersection(*(set(table["system"]) for table in per_query))
    found = {
        str(system): scores_of_seeds(
            {seed: table.filter(system=system) for seed, table in enumerate(per_query)}
        )
        for system in per_query[0]["system"].unique(maintain_order=True)
        if system in shared
    }
    reference = SERVED if SERVED in found else FUSED
    tables: dict[str, dict[str, Table]] = {}
    gains: dict[str, dict[str, Table]] = {}
    for system, scores in found.items():
        for (part, measure), values in scores.items():
            tables.setdefault(system, {}).setdefault(part, {})[measure] = mean_estimate(values)
            referred = found.get(reference, {}).get((part, measure))
            gain = compare(referred, values) if referred and system != reference else None
            if gain:
                table = gains.setdefault(system, {}).setdefault(part, {})
                table[measure] = gain.difference
    return PooledSeeds(len(per_query), tables, gains, reference)


def with_seeds(evaluation: Evaluation, others: Sequence[pl.DataFrame]) -> Evaluation:
    """Return an evaluation pooled with the per-query scores of other seeds of its training."""
    pooled = pool_seeds([evaluation.per_query, *others])
    return replace(evaluation, tables=pooled.tables, gains=pooled.gains, num_seeds=pooled.num_seeds)


def _lexical_run(
    dataset: Dataset, queries: pl.DataFrame
) -> tuple[dict[str, dict[str, float]], BM25Choice] | None:
    """Rank by BM25; returns None where no query or no product has words."""
    texts = query_texts(queries)
    if not texts or not any(all_texts(dataset.products)):
        return None
    bm25 = tuned_bm25(dataset)
    return bm25.run(texts), bm25.choice


def write_per_query(evaluation: Evaluation, path: Path) -> None:
    """Save every query's scores as parquet."""
    write_scores(evaluation.per_query, path, chosen="file")


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Save the figures as JSON."""
    write_json(path, evaluation.to_json(), chosen="file")


def _estimates(scores: Scores) -> Table:
    return {m: bootstrap(list(values.values())) for m, values in scores.items() if values}


def _difference(reference: Scores, other: Scores) -> Scores:
    return {
        measure: {query: value - other[measure][query] for query, value in values.items()}
        for measure, values in reference.items()
    }


def _drawn(num_seeds: int) -> str:
    return "queries" if num_seeds == 1 else "queries and seeds"


def _nested(tables: Mapping[str, Table]) -> dict[str, Any]:
    plain = {
        name: {measure: asdict(estimate) for measure, estimate in table.items()}
        for name, table in tables.items()
    }
    return {ALL: plain.pop(ALL), "slices": plain}
