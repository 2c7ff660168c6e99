"""Folders to damage, small enough that hundreds of faults take seconds."""

import pytest
import torch

from windowshop.config import ModelConfig, TrainConfig
from windowshop.encoders.registry import load_image_encoder, load_text_encoder
from windowshop.model.checkpoint import Manifest, System, save_model
from windowshop.model.two_tower import TwoTower


@pytest.fixture(scope="session")
def model(folders, tmp_path_factory):
    """A small model folder with a baseline that has a text encoder of its own."""
    config = TrainConfig(model=ModelConfig(width=16, matryoshka=(8,), hidden=16), device="cpu")
    clip, bert = str(folders["clip"]), str(folders["bert"])
    text, image = load_text_encoder(clip, "cpu"), load_image_encoder(clip, "cpu")
    other = load_text_encoder(bert, "cpu")
    torch.manual_seed(0)
    systems = {}
    for name, encoder in (("fused", text), ("image_only", text)):
        towers = TwoTower(config.model.for_system(name), encoder.layout, image.layout)
        own = other if name == "image_only" else text
        systems[name] = System(towers, own, image)
    manifest = Manifest(
        run_key="key",
        data={"products": "hash"},
        counts={"products": 3},
        broken_images={},
        seed=0,
        text_segments=list(text.layout.segments),
        image_segments=list(image.layout.segments),
        text_encoder=text.fingerprint,
        image_encoder=image.fingerprint,
        dev={"fused": {"ndcg@10": 0.5}},
        history={"fused": [{"stage": "fused", "step": 2, "score": 1 / 3}]},
    )
    folder = tmp_path_factory.mktemp("faults") / "model"
    save_model(folder, config, manifest, systems)
    return folder
