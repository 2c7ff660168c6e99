"""Regimes of a shop: a data set with fewer or noisier training judgements.

Pure functions of a data set and a seed. Products, queries, and judgements of dev and test stay as
they are; a query without judgements is not trained on. A category alone also takes away dev
judgements, since a shop that never sold a product cannot choose by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from windowshop.data import Dataset
from windowshop.errors import ConfigError
from windowshop.study.regimes.clicks import ClickModel, simulate_clicks

Judgements = Literal["all", "two", "fifth", "clicks"]
NUM_POSITIVES = 2
"""Products of the highest grade that a query keeps with `judgements: two`."""
KEPT_SHARE = 0.2
"""Share of judgements kept with `judgements: fifth`."""
Ranking = Mapping[str, Mapping[str, float]]
"""query_id -> product_id -> score of the search that shoppers clicked in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Regime:
    """Training queries, judgements and images that a shop has."""

    queries: int | None = None
    """Training queries kept, drawn by the seed; None keeps all."""
    judgements: Judgements = "all"
    """All; two products of the highest grade for each query; a fifth of all; or simulated clicks,
    as a log gives them."""
    missing_images: float = 0.0
    """Share of the products without their image, in training and in search."""
    category: str = ""
    """Category whose products alone are judged in training and on dev; test counts all others."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.queries is not None and self.queries < 0:
            raise ConfigError(f"queries={self.queries} must be 0 or more, or null for all.")
        if not 0 <= self.missing_images < 1:
            raise ConfigError(f"missing_images={self.missing_images} must be in [0, 1).")

    @property
    def name(self) -> str:
        """Return a short name, for example "30 two" or "all all, no image 0.3"."""
        amount = "all" if self.queries is None else str(self.queries)
        parts = [f"{amount} {self.judgements}"]
        parts += [f"no image {self.missing_images:g}"] if self.missing_images else []
        parts += [f"only {self.category}"] if self.category else []
        return ", ".join(parts)


def thinned(
    dataset: Dataset, regime: Regime, seed: int, clicks: ClickModel, ranking: Ranking
) -> Dataset:
    """Return the data set with the judgements of a regime; equal seeds give equal ones.

    `ranking` is what simulated shoppers saw. Missing images are left to `controls.without_images`.
    """
    top_grade = _training(dataset, dataset.qrels)["grade"].max()
    dataset = of_category(dataset, regime.category)
    dataset = with_queries(dataset, regime.queries, seed)
    if regime.judgements == "two":
        return with_two_positives(dataset, top_grade, seed)
    if regime.judgements == "fifth":
        return with_share(dataset, KEPT_SHARE, seed)
    if regime.judgements == "clicks":
        return with_clicks(dataset, clicks, ranking, seed)
    return dataset


def with_queries(dataset: Dataset, count: int | None, seed: int) -> Dataset:
    """Keep the judgements of `count` training queries; a smaller draw is part of a larger one."""
    train = dataset.split("train")["query_id"].to_numpy()
    kept = train[np.random.default_rng(seed).permutation(len(train))[:count]].tolist()
    keep = pl.col("query_id").is_in(kept)
    return _with_training(
        dataset,
        _training(dataset, dataset.qrels).filter(keep),
        _training(dataset, dataset.refused).filter(keep),
    )


def with_two_positives(dataset: Dataset, grade: object, seed: int) -> Dataset:
    """Keep two drawn products of `grade` for each training query, and nothing else."""
    best = _training(dataset, dataset.qrels).filter(pl.col("grade") == grade)
    shuffled = best.sample(fraction=1.0, shuffle=True, seed=seed)
    few = shuffled.group_by("query_id", maintain_order=True).head(NUM_POSITIVES)
    return _with_training(dataset, few.select(dataset.qrels.columns), dataset.refused.clear())


def with_share(dataset: Dataset, share: float, seed: int) -> Dataset:
    """Keep a drawn share of the training judgements."""
    rng = np.random.default_rng(seed)
    tables = (_training(dataset, table) for table in (dataset.qrels, dataset.refused))
    qrels, refused = (table.filter(rng.random(len(table)) < share) for table in tables)
    return _with_training(dataset, qrels, refused)


def with_clicks(dataset: Dataset, model: ClickModel, ranking: Ranking, seed: int) -> Dataset:
    """Put simulated clicks in the place of the training judgements, as `desirability`."""
    judged = _training(dataset, dataset.qrels)
    qrels, refused = simulate_clicks(judged, ranking, model, seed)
    return _with_training(dataset, qrels, refused)


def of_category(dataset: Dataset, category: str) -> Dataset:
    """Keep training and dev judgements of a category's products; "" keeps all.

    Raises ConfigError where no product is in it.
    """
    if not category:
        return dataset
    inside = in_category(dataset, category)
    if inside.is_empty():
        raise ConfigError(f"category: no product is in {category!r}. Name one of the catalogue's.")
    test = dataset.queries.filter(split="test")["query_id"]
    keep = pl.col("product_id").is_in(inside.implode()) | pl.col("query_id").is_in(test.implode())
    return replace(dataset, qrels=dataset.qrels.filter(keep), refused=dataset.refused.filter(keep))


def in_category(dataset: Dataset, category: str) -> pl.Series:
    """Return the ids of the products in a category or below it."""
    path = pl.col("category")
    inside = (path == category) | path.str.starts_with(f"{category} > ")
    return dataset.products.filter(inside)["product_id"]


def _training(dataset: Dataset, judgements: pl.DataFrame) -> pl.DataFrame:
    asked = dataset.queries.filter(split="train")["query_id"]
    return judgements.filter(pl.col("query_id").is_in(asked.implode()))


def _with_training(dataset: Dataset, qrels: pl.DataFrame, refused: pl.DataFrame) -> Dataset:
    """Return the data set with other training judgements."""
    asked = pl.col("query_id").is_in(dataset.queries.filter(split="train")["query_id"].implode())
    return replace(
        dataset,
        qrels=pl.concat([qrels, dataset.qrels.filter(~asked)]),
        refused=pl.concat([refused, dataset.refused.filter(~asked)]),
    )
