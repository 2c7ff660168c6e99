"""The schedule that a training takes by what a data set has (docs/training.md has the rule)."""

import math
from collections.abc import Sequence
from dataclasses import replace

from windowshop.config import (
    GENERATED_QUERIES,
    StageConfig,
    TrainConfig,
    default_stages,
    few_stages,
)
from windowshop.data import Dataset
from windowshop.progress import Reporter
from windowshop.training.prepared_data import training_pairs

DENSE_QUERIES, DENSE_JUDGEMENTS = 1_000, 10.0
"""Judged training queries, and judged products of each on average, from which on the shop's own
judgements teach more than queries made of its catalogue."""
GENERATED_PER_PRODUCT = 4
FULL_QUERIES, FULL_PRODUCTS = GENERATED_QUERIES // 2, GENERATED_QUERIES // 8
"""Training queries, and products of a domain stage, from which on a stage takes all its steps."""
LEAST_SHARE = 0.25
"""Share of a stage's steps that the smallest catalogue gets."""


def scheduled(config: TrainConfig, dataset: Dataset, reporter: Reporter) -> TrainConfig:
    """Return the config with the stages that `schedule: auto` takes for this data set."""
    if config.schedule != "auto":
        return config
    pairs = training_pairs(dataset.asked(), config.loss)
    per_query = len(pairs.product) / max(1, len(pairs))
    found = f"{len(pairs)} judged training queries of {per_query:.1f} products each"
    num_texts = dataset.asked().queries["query"].gather(pairs.query).count()  # nulls do not count
    # Generated queries are texts; they say nothing of what an image asks for.
    images = 2 * num_texts < len(pairs)
    if images or (len(pairs) >= DENSE_QUERIES and per_query >= DENSE_JUDGEMENTS):
        why = "most of them images, so" if images else "so"
        reporter.note(f"Schedule: {found}, {why} domain and fused stage (preset frozen).")
        return replace(config, schedule="stages", stages=default_stages())
    count = min(GENERATED_QUERIES, GENERATED_PER_PRODUCT * len(dataset.products))
    reporter.note(
        f"Schedule: {found}, so all three stages, with {count} queries made of the catalogue's "
        "values beside them."
    )
    stages = fitted(few_stages(), len(dataset.products), len(pairs) + count)
    return replace(config, schedule="stages", stages=stages, generated_queries=count)


def fitted(
    stages: Sequence[StageConfig], num_products: int, num_queries: int
) -> tuple[StageConfig, ...]:
    """Return the stages with fewer steps where there is little to learn.

    Steps go with the root of the number of queries (products, in a domain stage), up to
    FULL_QUERIES (FULL_PRODUCTS) of them. Batches stay: they hold most of a small catalogue.
    """
    made = []
    for stage in stages:
        in_domain = stage.name == "domain"
        size, full = (num_products, FULL_PRODUCTS) if in_domain else (num_queries, FULL_QUERIES)
        share = min(1.0, max(LEAST_SHARE, math.sqrt(size / full)))
        fewer = {
            name: round(share * getattr(stage, name))
            for name in ("steps", "warmup_steps", "eval_every")
        }
        made.append(replace(stage, **fewer))
    return tuple(made)
