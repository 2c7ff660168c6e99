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
from windowshop.search.ranking.features import FeatureSpec, candidate_features
from windowshop.search.ranking.ranker import standardised
from windowshop.search.request import SearchRequest
from windowshop.search.retrieval.retrieve import Candidates
from windowshop.search.searcher import Searcher
from windowshop.search.settings import RankerConfig
from windowshop.search.tuning.judgements import Judge
from windowshop.search.tuning.probes import JudgedQuery
from windowshop.search.tuning.shop_log import ShopLog

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
    log: ShopLog
    by_clicks: bool
    """Whether some of the grades are made of clicks."""
    asked_again: frozenset[str]
    """Queries with features of the log's first half, and labels of its second."""


def label_sets(dataset: Dataset, split: str, config: RankerConfig) -> dict[str, pl.DataFrame]:
    """Return the judgements that weigh anything, by label set."""
    weights = {RELEVANCE: config.relevance, DESIRABILITY: config.desirability}
    return {
        kind: qrels.select("query_id", "product_id", "grade")
        for kind, qrels in split_kinds(dataset.qrels_of(dataset.split(split))).items()
        if weights.get(kind, 1.0) > 0
    }


def asked_again(texts: Mapping[str, str], later: pl.DataFrame) -> frozenset[str]:
    """Return the half of the queries with later grades that have features of their own clicks."""
    graded = set(later["query_id"])
    return frozenset(
        query for query, text in texts.items() if query in graded and not _is_new(_digest(text))
    )


def weighed_labels(
    by_kind: Mapping[str, pl.DataFrame],
    keys: Mapping[str, int],
    config: RankerConfig,
    later: pl.DataFrame | None = None,
) -> Judge:
    """Return the grades of the label sets weighed as the shop says.

    Grades of `later` stand for those by clicks where a query has some.
    """
    by_kind = dict(by_kind)
    if later is not None and DESIRABILITY in by_kind:
        others = by_kind[DESIRABILITY].join(later, "query_id", how="anti")
        by_kind[DESIRABILITY] = pl.concat([others, later.cast(others.schema)])
    weights = {RELEVANCE: config.relevance, DESIRABILITY: config.desirability}
    if len(by_kind) < 2:
        schema = {"query_id": pl.String, "product_id": pl.String, "grade": pl.Int64}
        return Judge(next(iter(by_kind.values()), pl.DataFrame(schema=schema)), 1, keys)
    total = sum(weights[kind] for kind in by_kind)
    parts = [
        qrels.select(
            "query_id", "product_id", grade=pl.col("grade") * (weights[kind] / total * LABEL_STEPS)
        )
        for kind, qrels in by_kind.items()
    ]
    both = pl.concat(parts).group_by("query_id", "product_id", maintain_order=True).sum()
    both = both.with_columns(pl.col("grade").round().cast(pl.Int64))
    return Judge(both, 1, keys)


def make_samples(
    searcher: Searcher, data: RankerData, reporter: Reporter
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
        numbers = number_columns(state.view.columns.living().table)
        spec = FeatureSpec(
            channels=channels,
            named=tuple(sorted(common)),
            numbers=tuple(numbers),
            images=IMAGE_VECTOR in searcher.index.collection.spec.vectors,
            engagement=bool(data.log.whole),
        )
        samples = []
        for query, one in zip(data.queries, found, strict=True):
            merged = one.candidates.merged
            if merged.channels != channels or len(merged.keys) < 2:
                continue
            first = merged.take(np.arange(min(config.ranker.depth, len(merged.keys))))
            again = query.query_id in data.asked_again
            engagement = data.log.earlier if again else data.log.whole
            x_MF = candidate_features(state, one, first, spec, engagement)
            digest = _digest(query.text or "")
            if data.by_clicks:
                x_MF = fitted_MF = x_MF if again else _as_new(x_MF, spec)
            else:
                fitted_MF = _as_new(x_MF, spec) if _is_new(digest) else x_MF
            samples.append(
                Sample(
                    query.query_id,
                    digest % NUM_FOLDS,
                    one.candidates,
                    x_MF,
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


def _is_new(digest: int) -> bool:
    """Return whether a query is fitted as one that nobody has asked before: half of them."""
    return digest // NUM_FOLDS % 2 == 0


def _digest(text: str) -> int:
    return xxhash.xxh3_64_intdigest(" ".join(text.lower().split()).encode())
