"""Train with a fusion of your own: python examples/add_fusion.py DATA MODEL.

A program that loads the model adds the fusion first, too.
"""

import sys
from pathlib import Path

from torch import Tensor
from torch.nn.functional import normalize

import windowshop
from windowshop.config import ModelConfig, StageConfig
from windowshop.model import Fusion, Modalities
from windowshop.registry import FUSIONS


class SumFusion(Fusion):
    """The sum of the text vector and the image vector; an absent one is zero."""

    def forward(self, products: Modalities) -> Tensor:
        """Return unit vectors, (B, D)."""
        return normalize(products.t_BD + products.v_BD, dim=-1)


def main(data: Path, model: Path) -> None:
    """Write a model folder and print how well it does on dev queries."""
    FUSIONS.add("sum", "add_fusion:SumFusion")
    stage = StageConfig(name="fused", steps=20, min_epochs=0.1, batch_queries=64, eval_every=10)
    config = windowshop.TrainConfig(
        image_encoder="efficientnet-lite0", model=ModelConfig(fusion="sum"), stages=(stage,)
    )
    manifest = windowshop.train(
        windowshop.read_dataset(data), model, config, cache_folder=model.parent / "cache"
    )
    print(f"sum: nDCG@10 {manifest.dev['fused']['ndcg@10']:.3f} on dev")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
