"""Candidates of judged queries with features and labels, for fitting the learned ranker.

Training queries are no use: vectors have seen them, and products that no judgement names would
count as irrelevant.

Shapes: M candidates, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import xxhash

from windowshop.data import DESIRABILITY, RELEVANCE, Dataset, is_code
from windowshop.evaluation import split_kinds
from windowshop.index import IMAGE_VECTOR
from windowshop.progress import Reporter
from windowshop.search.ranking.engagement import Engagement
from windowshop.search.ranking.features import FeatureSpec, candidate_features
from windowshop.search.ranking.ranker import standardised
from windowshop.search.request import SearchRequest
from windowshop.search.retrieval.retrieve import Candidates
from windowshop.search.searcher import Searcher
from windowshop.search.settings import RankerConfig
from windowshop.search.tuning.judgements import Judge
from windowshop.search.tuning.probes import JudgedQuery

NUM_FOLDS = 5
MIN_SHARE = 0.02
"""Share of the queries that must name a column for a feature of its own."""
LABEL_STEPS = 10
"""Steps of a label where two label sets are weighed."""
MIN_DISTINCT = 50
"""Rows from which a column of different whole numbers counts as one of identifiers."""


@dataclass(frozen=True, eq=False, slots=True)
class Sample:
    """The candidates of one judged query."""

    query_id: str
    fold: int
    candidates: Candidates
    x_MF: np.ndarray
    """As it is ranked."""
    fitted_MF: np.ndarray
    """As it is fitted on: of half of the queries, as though they were asked for the first time."""
    start_M: np.ndarray
    label_M: np.ndarray


@dataclass(frozen=True, eq=False, slots=True)
class RankerData:
    """Judgements to fit on."""

    queries: Sequence[JudgedQuery]
    parts: Mapping[str, Judge]
    """Slices, by the label set that comes first."""
    labels: Judge
    """Grades that are fitted to."""
    num_label_sets: int


def weighed_labels(
    dataset: Dataset, split: str, keys: Mapping[str, int], config: RankerConfig
) -> tuple[Judge, int]:
    """Return the grades of both label sets weighed as the shop says, and the number of sets."""
    weights = {RELEVANCE: config.relevance, DESIRABILITY: config.desirability}
    by_kind = {
        kind: qrels
        for kind, qrels in split_kinds(dataset.qrels_of(dataset.split(split))).items()
        if weights.get(kind, 1.0) > 0
    }
    if len(by_kind) < 2:
        qrels = next(iter(by_kind.values()), dataset.qrels.clear())
        return Judge(qrels.select("query_id", "product_id", "grade"), 1, keys), len(by_kind)
    total = sum(weights[kind] for kind in by_kind)
    parts = [
        qrels.select(
            "query_id", "product_id", grade=pl.col("grade") * (weights[kind] / total * LABEL_STEPS)
        )
        for kind, qrels in by_kind.items()
    ]
    both = pl.concat(parts).group_by("query_id", "product_id", maintain_order=True).sum()
    both = both.with_columns(pl.col("grade").round().cast(pl.Int64))
    return Judge(both, 1, keys), len(by_kind)


def make_samples(
    searcher: Searcher, data: RankerData, engagement: Engagement, reporter: Reporter
) -> tuple[FeatureSpec, list[Sample]]:
    """Search for every query; features of columns are those that enough of the queries name."""
    config = searcher.settings
    found = []
    with reporter.bar("Find candidates", len(data.queries)) as advance:
        for query in data.queries:
            with searcher.state() as state:
                found.append(searcher.find(state, SearchRequest(text=query.text)))
            advance(1, "")
    channels = max((one.candidates.merged.channels for one in found), key=len)
    named: dict[str, int] = {}
    for one in found:
        for item in one.recognised:
            if item.kind == "value":
                column = item.name.partition(":")[0]
                named[column] = named.get(column, 0) + 1
    common = [name for name, count in named.items() if count >= MIN_SHARE * len(found)]
    with searcher.state() as state:
        columns = state.view.columns
        numbers = number_columns(columns.table().filter(columns.alive_N))
        spec = FeatureSpec(
            channels=channels,
            named=tuple(sorted(common)),
            numbers=tuple(numbers),
            images=IMAGE_VECTOR in searcher.index.collection.spec.vectors,
            engagement=bool(engagement),
        )
        samples = []
        for query, one in zip(data.queries, found, strict=True):
            merged = one.candidates.merged
            if merged.channels != channels or len(merged.keys) < 2:
                continue
            first = merged.take(np.arange(min(config.ranker.depth, len(merged.keys))))
            x_MF = candidate_features(state, one, first, spec, engagement)
            digest = _digest(query.text or "")
            is_new = bool(engagement) and (data.num_label_sets > 1 or digest // NUM_FOLDS % 2 == 0)
            fitted_MF = _as_new(x_MF, spec) if is_new else x_MF
            samples.append(
                Sample(
                    query.query_id,
                    digest % NUM_FOLDS,
                    one.candidates,
                    _as_new(x_MF, spec) if data.num_label_sets > 1 else x_MF,
                    fitted_MF,
                    standardised(first.scores),
                    data.labels.grades(query.query_id, first.keys),
                )
            )
    return spec, samples


def number_columns(products: pl.DataFrame) -> list[str]:
    """Return the columns of numbers and moments that are no identifiers, and not our own."""
    return [
        name
        for name, dtype in products.schema.items()
        if (dtype.is_numeric() or dtype.is_temporal())
        and not name.startswith("_")
        and not is_code(name)
        and not _counts_up(products[name])
    ]


def _counts_up(column: pl.Series) -> bool:
    """Return whether a column has another whole number in each row, as numbers of rows do."""
    known = column.drop_nulls()
    return column.dtype.is_integer() and len(known) >= MIN_DISTINCT and known.is_unique().all()


def _as_new(x_MF: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """Return features without what happened under the query itself."""
    x_MF = x_MF.copy()
    for place, name in enumerate(spec.names):
        if name.startswith("engagement: query"):
            x_MF[:, place] = 0.0
    return x_MF


def _digest(text: str) -> int:
    return xxhash.xxh3_64_intdigest(" ".join(text.lower().split()).encode())
