"""Mines hard negatives: ranks the catalogue for each training query and writes the best as a table.

Shapes: Q distinct queries, C queries of a chunk, N products in order of their ids, D shared width.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl
import torch

from windowshop.config import NegativesPool
from windowshop.data import Dataset, expand, place_in_run, starts_of
from windowshop.errors import ConfigError, first_line
from windowshop.evaluation import (
    modality_vectors,
    product_vectors,
    query_vectors,
    shared_query_vectors,
    tuned_bm25,
)
from windowshop.files import write_atomic
from windowshop.model import TwoTower
from windowshop.progress import Reporter
from windowshop.training.data import TrainingData
from windowshop.training.negatives.table import TABLE_SCHEMA, Exclusions, query_positions

SourceName = Literal["bm25", "text", "image", "fused", "refused"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)
RULES = ("positive", "group", "title", "photo", "unjudged", "score")
"""Rules that refuse a candidate, which is counted under the first that it breaks."""
PART_ROWS = 200_000
"""Rows of the table held in memory before they go to the disk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MiningConfig:
    """Sources of hard negatives, and how hard they may be."""

    sources: tuple[SourceName, ...] = SOURCES
    split: str = "train"
    per_query: int = 30
    """Negatives of a query from each source, best first."""
    margin: float = 0.95
    """A negative scores under this share of the positive's score; a closer one may be relevant."""
    among: NegativesPool = "catalogue"
    """Products that negatives are found among: all, or those that a query of the split judges."""
    cells: int = 2**25
    """Scores held at a time, queries x products; decides how many queries make a chunk."""

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if len(set(self.sources)) < max(1, len(self.sources)):
            raise ConfigError(f"sources={','.join(self.sources)}: name each once, at least one.")
        for field in ("per_query", "cells"):
            if getattr(self, field) < 1:
                raise ConfigError(f"{field}={getattr(self, field)} must be at least 1.")
        if not 0 < self.margin <= 1:
            raise ConfigError(f"margin={self.margin} must be above 0 and at most 1.")


def parse_sources(text: str) -> tuple[SourceName, ...]:
    """Names of sources between commas; raises ConfigError for an unknown one."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in SOURCES:
            raise ConfigError(f"source {name!r} is unknown; choose from {', '.join(SOURCES)}.")
    return tuple(source for name in names for source in SOURCES if source == name)


@dataclass(slots=True)
class Mined:
    """Counts of the negatives of one source."""

    num_queries: int
    """Queries that the source can rank for."""
    num_unscored: int
    """Queries whose positive has no score above 0 there: with no yardstick they get nothing."""
    num_rows: int
    removed: Counter[str]
    """Candidates (products scoring above 0) that were not taken, by rule."""


@dataclass(frozen=True, slots=True)
class MiningSummary:
    """Counts of a table of negatives."""

    num_queries: int
    num_without: int
    """Queries that got no negative from any source."""
    sources: dict[SourceName, Mined]


@dataclass(frozen=True, slots=True)
class _Source:
    """One way to score the catalogue."""

    queries: np.ndarray
    """Positions of the queries that it can rank for."""
    scores: Callable[[np.ndarray], np.ndarray]
    """Positions (C,) -> scores (C, N), -inf where there is none."""
    ranks: bool = True
    """Whether scores are of likeness, so that the margin applies."""


def mine(
    model: TwoTower,
    dataset: Dataset,
    data: TrainingData,
    config: MiningConfig,
    path: Path,
    reporter: Reporter,
) -> MiningSummary:
    """Write the hard negatives of every query to a parquet file (TABLE_SCHEMA).

    Rows stand by source, query and rank. A query's yardstick is the mean score of its positives of
    the highest grade. The file appears when it is whole; raises ConfigError if it cannot be
    written.
    """
    shop = _Shop(dataset, data)
    found = np.zeros(len(data.pairs), dtype=bool)
    mined: dict[SourceName, Mined] = {}
    with _TableWriter(path) as writer:
        for name in config.sources:
            source = _make_source(name, model, shop)
            mined[name] = Mined(len(source.queries), 0, 0, Counter(dict.fromkeys(RULES, 0)))
            with reporter.bar(f"Mine {name}", len(source.queries)) as advance:
                for queries in _chunks(source.queries, max(1, config.cells // len(shop.order))):
                    table = _mine_chunk(shop, source, queries, config, mined[name])
                    found[table["position"].to_numpy()] = True
                    writer.add(table.with_columns(source=pl.lit(name)).select(list(TABLE_SCHEMA)))
                    advance(len(queries), "")
    return MiningSummary(len(found), int((~found).sum()), mined)


class _Shop:
    """The data in order of product ids, which settles ties whatever the order of the table."""

    def __init__(self, dataset: Dataset, data: TrainingData) -> None:
        self.dataset, self.data = dataset, data
        self.order = dataset.products["product_id"].arg_sort().to_numpy().astype(np.int64)
        self.exclusions = Exclusions(dataset, data.pairs, data.products, self.order)
        title = pl.lit(None, pl.String).alias("title")
        products = dataset.products[self.order]
        self.products = products.with_columns([] if "title" in products.columns else [title])
        self.names = self.products.select("product_id", "title")
        self.asked = dataset.queries[data.pairs.query].select("query_id", "query")
        column_of = np.empty_like(self.order)
        column_of[self.order] = np.arange(len(self.order))
        owner = np.repeat(np.arange(len(data.pairs)), np.diff(data.pairs.start))
        highest = np.zeros(len(data.pairs), dtype=data.pairs.grade.dtype)
        np.maximum.at(highest, owner, data.pairs.grade)
        top = data.pairs.grade == highest[owner]
        self._start = starts_of(owner[top], len(data.pairs))
        self._positive = column_of[data.pairs.product[top]]
        self._judged = self._judged_products()

    def _judged_products(self) -> np.ndarray:
        """Return whether a query of the pairs judges each product, refusals included, (N,)."""
        asked = query_positions(self.dataset, self.data.pairs).select("query_id")
        both = (self.dataset.qrels, self.dataset.refused)
        judged = pl.concat([table.join(asked, on="query_id")["product_id"] for table in both])
        return self.products["product_id"].is_in(judged.implode()).to_numpy()

    def strike_unjudged(self, scores_CN: np.ndarray) -> int:
        """Set the scores of products that no query judges to -inf; returns how many it struck."""
        unjudged_CN = ~(np.isneginf(scores_CN) | self._judged)
        scores_CN[unjudged_CN] = -np.inf
        return int(unjudged_CN.sum())

    def yardsticks(
        self, queries: np.ndarray, scores_CN: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean score of each query's best positives (0 without any), and the best one's column."""
        entries, owner = expand(self._start, queries)
        column = self._positive[entries]
        score = scores_CN[owner, column]
        has = ~np.isneginf(score)
        total_C = np.bincount(owner[has], score[has], minlength=len(queries))
        count_C = np.bincount(owner[has], minlength=len(queries))
        order = np.lexsort((column, -score, owner))
        best_C = column[order[place_in_run(owner) == 0]]
        return (total_C / np.maximum(count_C, 1)).astype(np.float32), best_C


def _mine_chunk(
    shop: _Shop, source: _Source, queries: np.ndarray, config: MiningConfig, mined: Mined
) -> pl.DataFrame:
    """The negatives of some queries, with their `position`; adds to the counts of `mined`."""
    scores_CN = source.scores(queries)
    positive_C, best_C = shop.yardsticks(queries, scores_CN)
    scores_CN[scores_CN <= 0] = -np.inf
    if source.ranks:
        scores_CN[positive_C <= 0] = -np.inf
        mined.num_unscored += int((positive_C <= 0).sum())
    mined.removed.update(shop.exclusions.strike(queries, scores_CN))
    if config.among == "judged":
        mined.removed["unjudged"] += shop.strike_unjudged(scores_CN)
    if source.ranks:
        close_CN = scores_CN >= (np.float32(config.margin) * positive_C)[:, None]
        close_CN &= ~np.isneginf(scores_CN)
        mined.removed["score"] += int(close_CN.sum())
        scores_CN[close_CN] = -np.inf
    owner, column = best_cells(scores_CN, config.per_query)
    mined.num_rows += len(owner)
    asked, products = shop.asked[queries[owner]], shop.names[column]
    best = shop.names[best_C[owner]]
    table = pl.DataFrame(
        {
            "position": queries[owner],
            "query_id": asked["query_id"],
            "query": asked["query"],
            "product_id": products["product_id"],
            "title": products["title"],
            "rank": place_in_run(owner) + 1,
            "score": scores_CN[owner, column],
            "positive_score": positive_C[owner],
            "best_positive_id": best["product_id"],
            "best_positive": best["title"],
        }
    )
    if source.ranks:
        return table
    return table.with_columns(
        pl.lit(None, pl.Float32).alias(n) for n in ("score", "positive_score")
    )


def best_cells(scores_CN: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the k best scores of each row, best first; the lower of equal columns."""
    k = min(k, scores_CN.shape[1])
    last_C1 = torch.from_numpy(scores_CN).topk(k, dim=1).values[:, -1:].numpy()
    row, column = np.nonzero((scores_CN >= last_C1) & ~np.isneginf(scores_CN))
    order = np.lexsort((column, -scores_CN[row, column], row))
    order = order[place_in_run(row) < k]
    return row[order], column[order]


def _make_source(name: SourceName, model: TwoTower, shop: _Shop) -> _Source:
    if name == "bm25":
        return _bm25_source(shop)
    if name == "refused":
        return _refused_source(shop)
    return _vector_source(name, model, shop)


def _bm25_source(shop: _Shop) -> _Source:
    bm25 = tuned_bm25(replace(shop.dataset, products=shop.products)).ranker
    texts = shop.asked["query"]
    written = (texts.str.strip_chars() != "").fill_null(False).to_numpy()
    return _Source(np.flatnonzero(written), lambda queries: bm25.scores(texts[queries].to_list()))


def _vector_source(name: SourceName, model: TwoTower, shop: _Shop) -> _Source:
    """Likeness to the product's text, to its image, or to the fused product."""
    products, asked = shop.data.products, shop.data.pairs.query
    has_text, has_image = products.has_text[shop.order], products.has_image[shop.order]
    if name == "fused":
        absent_N = ~(has_text | has_image)
        product_ND = product_vectors(model, products, shop.order)
        query_QD = query_vectors(model, shop.data.queries, asked)
    else:
        absent_N = ~(has_text if name == "text" else has_image)
        t_ND, v_ND = modality_vectors(model, products, shop.order)
        product_ND = t_ND if name == "text" else v_ND
        query_QD = shared_query_vectors(model, shop.data.queries, asked)

    def scores(queries: np.ndarray) -> np.ndarray:
        scores_CN: np.ndarray = query_QD[queries] @ product_ND.T
        scores_CN[:, absent_N] = -np.inf
        return scores_CN

    return _Source(np.arange(len(query_QD)), scores)


def _refused_source(shop: _Shop) -> _Source:
    """Products judged 0 for the query: irrelevant, or shown and not engaged with."""
    columns = shop.products.select("product_id").with_row_index("column")
    refused = (
        shop.dataset.refused.join(query_positions(shop.dataset, shop.data.pairs), on="query_id")
        .join(columns, on="product_id")
        .sort("position")
    )
    column = refused["column"].to_numpy().astype(np.int64)
    start = starts_of(refused["position"].to_numpy(), len(shop.asked))

    def scores(queries: np.ndarray) -> np.ndarray:
        scores_CN = np.full((len(queries), len(shop.order)), -np.inf, dtype=np.float32)
        entries, owner = expand(start, queries)
        scores_CN[owner, column[entries]] = 1
        return scores_CN

    return _Source(np.flatnonzero(np.diff(start)), scores, ranks=False)


def _chunks(items: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


class _TableWriter:
    """Collects the table in parts in a hidden folder beside it; in place once it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = path.with_name(f".{path.name}.parts")
        self._waiting: list[pl.DataFrame] = []
        self._parts: list[Path] = []

    def __enter__(self) -> "_TableWriter":
        """Make the hidden folder."""
        if self._path.is_dir():
            raise ConfigError(f"{self._path}: is a folder. Choose a file for the table.")
        try:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
        except OSError as error:
            raise self._unwritable(error) from None
        return self

    def add(self, table: pl.DataFrame) -> None:
        """Take rows in."""
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= PART_ROWS:
            self._write_part()

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Put the table in place, unless something went wrong; drop the folder."""
        try:
            if kind is None:
                self._write_part()
                write_atomic(self._path, pl.scan_parquet(self._parts).sink_parquet, chosen="file")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write_part(self) -> None:
        empty = pl.DataFrame(schema=TABLE_SCHEMA)
        part = self._folder / f"{len(self._parts):06}.parquet"
        try:
            pl.concat([empty, *self._waiting]).write_parquet(part)
        except OSError as error:
            raise self._unwritable(error) from None
        self._parts.append(part)
        self._waiting = []

    def _unwritable(self, error: OSError) -> ConfigError:
        reason = error.strerror or first_line(error)
        return ConfigError(f"{self._path}: cannot be written ({reason}). Choose another file.")
