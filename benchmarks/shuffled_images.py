"""The control: images shuffled between products must take the gain over text-only away.

    python benchmarks/shuffled_images.py DATA --json benchmarks/results/shuffled_images.json

Trains the default recipe twice with the same seed, on the images as they are and on images dealt
out at random, and scores both on the test split beside the text-only model of the same training;
then gives the model that was trained on the real images the shuffled ones in its index. A wrong
image still tells one product from another, so a model can learn training judgements by heart with
it: the figures are given for seen products (a training judgement names them) and unseen ones too,
and only among the unseen is a gain a gain of seeing.
"""

import argparse
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
from kept_figures import write_figures
from rich.console import Console

from windowshop.config import TrainConfig
from windowshop.data import Dataset, read_dataset
from windowshop.evaluation import evaluate
from windowshop.model import load
from windowshop.progress import TerminalReporter
from windowshop.training import train

MEASURES = ("recall@100", "ndcg@10")
RECALL = ("recall@100",)
CACHE = Path.home() / ".cache" / "windowshop"


def main() -> None:
    """Train, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    reporter = TerminalReporter(Console(stderr=True))
    config = TrainConfig(seed=arguments.seed, baselines=("text_only",))
    dataset = read_dataset(arguments.data)
    shuffled = shuffle_images(mark_seen(dataset), config.seed)
    figures: dict[str, dict[str, dict[str, float]]] = {}
    scores: list[pl.DataFrame] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, variant in (("real", mark_seen(dataset)), ("shuffled", shuffled)):
            out = Path(folder) / name
            train(variant, out, config, arguments.cache, reporter)
            named = f"trained on {name} images"
            figures |= compare(named, out, variant, arguments, scores)
        name = "trained on real images, shuffled in the index"
        figures |= compare(name, Path(folder) / "real", shuffled, arguments, scores)
    for name, table in figures.items():
        cells = [
            f"{measure} {e['mean']:+.3f} [{e['low']:+.3f}, {e['high']:+.3f}]"
            for measure, e in table.items()
        ]
        print(f"{name:76} {'  '.join(cells)}")
    write_figures(figures, arguments.json, dataset, pl.concat(scores), show=False)


def compare(
    name: str,
    model: Path,
    dataset: Dataset,
    arguments: argparse.Namespace,
    scores: list[pl.DataFrame],
) -> dict[str, dict[str, dict[str, float]]]:
    """Fused, text-only and their difference, on all, seen and unseen products.

    The scores of every query are added to `scores`.
    """
    reporter = TerminalReporter(Console(stderr=True))
    result = evaluate(load(model), dataset, "test", ["seen"], arguments.cache, reporter)
    shown = pl.col("system").is_in(["fused", "text_only"]) & pl.col("measure").is_in(MEASURES)
    scores.append(result.per_query.filter(shown).select(pl.lit(name).alias("run"), pl.all()))
    figures = {}
    for part, measures in (("all", MEASURES), ("seen=True", RECALL), ("seen=False", RECALL)):
        tables = {
            "fused": result.tables["fused"][part],
            "text_only": result.tables["text_only"][part],
            "fused minus text_only": result.gains["text_only"][part],
        }
        for system, table in tables.items():
            figures[f"{name}: {part}: {system}"] = {m: asdict(table[m]) for m in measures}
    return figures


def mark_seen(dataset: Dataset) -> Dataset:
    """Add the column `seen`: whether a training judgement names the product."""
    judged = dataset.qrels_of(dataset.split("train"))["product_id"].unique()
    seen = dataset.products["product_id"].is_in(judged.implode()).alias("seen")
    return replace(dataset, products=dataset.products.with_columns(seen))


def shuffle_images(dataset: Dataset, seed: int) -> Dataset:
    """Deal the images out at random, all of a product together."""
    images = dataset.products.select(pl.col("^images?$"))
    dealt = images.sample(fraction=1, shuffle=True, seed=seed)
    return replace(dataset, products=dataset.products.with_columns(*dealt))


if __name__ == "__main__":
    main()
