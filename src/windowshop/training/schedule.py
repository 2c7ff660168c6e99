"""The schedule that a training takes by what a data set has (docs/training.md has the rule)."""

from dataclasses import replace

from windowshop.config import GENERATED_QUERIES, TrainConfig, default_stages, few_stages
from windowshop.data import Dataset
from windowshop.progress import Reporter
from windowshop.training.prepared_data import training_pairs

DENSE_QUERIES, DENSE_JUDGEMENTS = 1_000, 10.0
"""Judged training queries, and judged products of each on average, from which on the shop's own
judgements teach more than queries made of its catalogue."""
GENERATED_PER_PRODUCT = 4


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
    return replace(config, schedule="stages", stages=few_stages(), generated_queries=count)
