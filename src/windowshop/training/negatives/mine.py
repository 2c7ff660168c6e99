"""`windowshop mine-negatives`: a model and a data folder to a table of hard negatives."""

from pathlib import Path

from rich.table import Table

from windowshop.data import FACTS, Dataset
from windowshop.encoders import FeatureCache
from windowshop.errors import DataError
from windowshop.model import Retriever
from windowshop.progress import Reporter
from windowshop.training.negatives.mining import (
    RULES,
    MiningConfig,
    MiningSummary,
    mine,
)
from windowshop.training.prepared_data import encode_dataset, training_pairs


def mine_negatives(
    model: Retriever,
    dataset: Dataset,
    config: MiningConfig,
    path: Path,
    cache_folder: Path,
    reporter: Reporter,
) -> MiningSummary:
    """Write the hard negatives of a split's judged queries to `path`.

    Label sets count by the weights that the model was trained with, as in a stage that mines.
    """
    pairs = training_pairs(dataset, model.config.loss, config.split)
    if len(pairs) == 0:
        raise DataError(
            f"{dataset.root}: split {config.split!r} has no judged query to mine for. "
            "Choose another --split, or add qrels."
        )
    cache = FeatureCache(model.text, model.image, cache_folder)
    data = encode_dataset(dataset, pairs, cache, reporter, [FACTS])
    return mine(model.towers, dataset, data, config, path, reporter)


def render_summary(summary: MiningSummary) -> Table:
    """Rows by source, and what kept the other candidates out."""
    table = Table("source")
    for column in ("queries", "no yardstick", "negatives", *(f"not: {rule}" for rule in RULES)):
        table.add_column(column, justify="right")
    for name, mined in summary.sources.items():
        counts = [mined.num_queries, mined.num_unscored, mined.num_rows]
        counts += [mined.removed[rule] for rule in RULES]
        table.add_row(name, *(f"{count:,}" for count in counts))
    return table
