"""Train a retriever and its baselines, briefly, and compare them on test queries.

python examples/train_and_evaluate.py DATA MODEL; `windowshop demo-data DATA` writes such data.
"""

import sys
from pathlib import Path

import windowshop
from windowshop.config import StageConfig


def main(data: Path, model: Path) -> None:
    """Write a model folder and print the nDCG@10 of every system."""
    cache = model.parent / "cache"
    dataset = windowshop.read_dataset(data)
    stage = StageConfig(name="fused", steps=20, min_epochs=0.1, batch_queries=64, eval_every=10)
    config = windowshop.TrainConfig(image_encoder="efficientnet-lite0", stages=(stage,))
    windowshop.train(dataset, model, config, cache)
    evaluation = windowshop.evaluate(windowshop.load(model), dataset, cache_folder=cache)
    for system, tables in evaluation.tables.items():
        print(f"{system:12} {tables['all']['ndcg@10'].mean:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
