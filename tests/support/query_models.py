"""Untrained models around the text encoder of a folder, with no weight left at its start."""

from pathlib import Path

import torch

from windowshop.config import ModelConfig, TrainConfig
from windowshop.encoders.layout import Layout
from windowshop.encoders.registry import load_text_encoder
from windowshop.model.checkpoint import Manifest
from windowshop.model.retriever import Retriever
from windowshop.model.two_tower import TwoTower


class Blind:
    """Stands for the image encoder, which text queries do not use."""

    layout = Layout((2, 3))
    side = 16

    def encode(self, images):
        raise AssertionError("a text query looks at no image")


def make_model(text_folder, seed=0, fusion="text_tower_experts", image=None, pooling="mean"):
    image = image or Blind()
    text = load_text_encoder(str(text_folder), "cpu")
    with torch.no_grad():  # fresh layers change next to nothing, and would hide what goes wrong
        for layer in text.module.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(10)
    config = ModelConfig(width=16, matryoshka=(8,), hidden=16, fusion=fusion, image_pooling=pooling)
    torch.manual_seed(seed)
    towers = TwoTower(config, text.layout, image.layout).eval()
    with torch.no_grad():
        for weights in towers.parameters():
            weights.add_(0.2 * torch.randn_like(weights))
        towers.text.mean_H.normal_(std=0.1)
        towers.text.deviation_H.uniform_(0.2, 0.8)
    manifest = Manifest(
        run_key=f"key-{seed}",
        data={},
        counts={},
        broken_images={},
        seed=seed,
        text_segments=list(text.layout.segments),
        image_segments=list(image.layout.segments),
        text_encoder=text.fingerprint,
        image_encoder="",
        dev={},
        history={},
    )
    return Retriever(
        folder=Path("model"),
        manifest=manifest,
        config=TrainConfig(model=config, device="cpu"),
        towers=towers,
        text=text,
        image=image,
        device="cpu",
    )
