"""The control: photos shuffled between products must take the gain over text-only away.

    python benchmarks/shuffled_images.py DATA --json benchmarks/results/shuffled_images.json

Trains the default recipe twice with the same seed, on the photos as they are and on photos dealt
out at random, and scores both on the test split beside the text-only model of the same training.
A model that only gains from having more parameters would keep its gain.
"""

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from windowshop.catalog import Dataset, read_dataset
from windowshop.config import TrainConfig
from windowshop.evaluate import evaluate
from windowshop.fit import fit
from windowshop.model import load
from windowshop.progress import TerminalReporter

MEASURES = ("recall@100", "ndcg@10")
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
    figures = {}
    for name, variant in (("real", dataset), ("shuffled", shuffle_images(dataset, config.seed))):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "model"
            fit(variant, out, config, arguments.cache, reporter)
            result = evaluate(load(out), variant, "test", [], arguments.cache, reporter)
        for system in ("fused", "text_only"):
            figures[f"{name} photos: {system}"] = {
                measure: asdict(result.tables[system]["all"][measure]) for measure in MEASURES
            }
        figures[f"{name} photos: fused minus text_only"] = {
            measure: asdict(result.gains["text_only"]["all"][measure]) for measure in MEASURES
        }
    for name, table in figures.items():
        cells = [
            f"{m} {e['mean']:+.3f} [{e['low']:+.3f}, {e['high']:+.3f}]" for m, e in table.items()
        ]
        print(f"{name:40} {'  '.join(cells)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def shuffle_images(dataset: Dataset, seed: int) -> Dataset:
    """Deal the photos out at random."""
    shuffled = dataset.products["image"].shuffle(seed=seed)
    return replace(dataset, products=dataset.products.with_columns(shuffled.alias("image")))


if __name__ == "__main__":
    main()
