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
LEAST_SHARE = 0.5
"""Share of the fused stage's steps that the smallest catalogue gets."""


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
    stages = fitted(few_stages(), len(pairs) + count)
    return replace(config, schedule="stages", stages=stages, generated_queries=count)


def fitted(stages: Sequence[StageConfig], num_queries: int) -> tuple[StageConfig, ...]:
    """Return the stages with fewer steps of the fused one where there are few queries to learn.

    They go with the root of the number of queries, judged and generated, up to GENERATED_QUERIES.
    The stages before it need all their steps on small catalogues too (docs/log.md).
    """
    share = min(1.0, max(LEAST_SHARE, math.sqrt(num_queries / GENERATED_QUERIES)))
    return tuple(
        replace(stage, steps=round(share * stage.steps)) if stage.name == "fused" else stage
        for stage in stages
    )
