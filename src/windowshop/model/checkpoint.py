"""A model as a folder: safetensors, YAML config, tokenizer and encoders, JSON manifest.

    MODEL/manifest.json          what it was made from, how it did on dev, hashes of its files
    MODEL/config.yaml            the resolved settings
    MODEL/towers.safetensors     projections, fusion, temperatures
    MODEL/encoders/text, image   weights, tokenizer, preprocessing
    MODEL/baselines/NAME.safetensors
    MODEL/baselines/NAME/text, image   where a baseline trained encoders of its own
    MODEL/export/                a query encoder with a manifest of its own, where one was exported

A folder is written aside and renamed, so one that has a manifest is complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from windowshop.config import CONFIG_FILE, FUSED, TrainConfig, load_config
from windowshop.encoders import ImageEncoder, Layout, TextEncoder
from windowshop.errors import ModelError, first_line
from windowshop.files import (
    MODEL,
    Files,
    describe_files,
    read_manifest,
    require_files,
    write_manifest,
)
from windowshop.model.origin import environment
from windowshop.model.two_tower import TwoTower
from windowshop.settings import to_yaml

TOWERS_FILE = "towers.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """Origin of a model: data, settings, encoders and dev figures."""

    run_key: str
    """Hash of data, settings and version: equal keys give equal models."""
    data: dict[str, str]
    """Content hashes of the tables, and of all images together."""
    counts: dict[str, int]
    broken_images: dict[str, int]
    seed: int
    text_segments: list[int]
    image_segments: list[int]
    """Widths of the pooled parts of each encoder's features."""
    text_encoder: str
    image_encoder: str
    """Fingerprints of the encoders."""
    dev: dict[str, dict[str, float]]
    """Dev figures of the kept weights: system -> measure -> value."""
    history: dict[str, list[dict[str, Any]]]
    """Dev scores of each system during its training."""
    text_tokens: list[int] = field(default_factory=lambda: [0, 0])
    image_tokens: list[int] = field(default_factory=lambda: [0, 0])
    """Number and width of the tokens in each encoder's features."""
    environment: dict[str, str] = field(default_factory=environment)
    """Command, commit, machine, threads, precision and versions."""
    served: str = FUSED
    """System that answers texts: the trained one, or a text tower that dev prefers to it."""
    files: Files = field(default_factory=dict)
    """All files but an export; filled in as the folder is written."""
    format: str = MODEL.format

    @property
    def layouts(self) -> tuple[Layout, Layout]:
        """Layouts of the text features and of the image features."""
        text = Layout(tuple(self.text_segments), *self.text_tokens)
        return text, Layout(tuple(self.image_segments), *self.image_tokens)

    @property
    def has_tokens(self) -> bool:
        """Return whether the encoders are loaded with tokens."""
        return any(self.text_tokens)


@dataclass(frozen=True, slots=True)
class System:
    """Towers with the encoders that their features come from."""

    towers: TwoTower
    text: TextEncoder
    image: ImageEncoder


def save_model(
    folder: Path, config: TrainConfig, manifest: Manifest, systems: Mapping[str, System]
) -> None:
    """Write a model folder; `systems` holds "fused" and the baselines. The manifest comes last.

    A baseline's encoders are written where they are not the model's.
    """
    (folder / "baselines").mkdir(parents=True, exist_ok=True)
    fused = systems[FUSED]
    fused.text.save(folder / "encoders" / "text")
    fused.image.save(folder / "encoders" / "image")
    for name, system in systems.items():
        save_file(system.towers.state_dict(), folder / towers_name(name))
        if system.text.fingerprint != fused.text.fingerprint:
            system.text.save(folder / "baselines" / name / "text")
        if system.image.fingerprint != fused.image.fingerprint:
            system.image.save(folder / "baselines" / name / "image")
    (folder / CONFIG_FILE).write_text(to_yaml(config), encoding="utf-8")
    write_manifest(folder, replace(manifest, files=describe_files(folder)), MODEL)


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest; raises ModelError where the folder is not a complete model."""
    return read_manifest(Manifest, folder, MODEL)


def load_towers(folder: Path, name: str = FUSED) -> TwoTower:
    """Load the towers of the model, or of one of its baselines, ready to encode."""
    manifest = load_manifest(folder)
    require_files(folder, MODEL, CONFIG_FILE, towers_name(name))
    config = load_config(folder / CONFIG_FILE)
    shape = config.model.for_system(name)
    model = TwoTower(shape, *manifest.layouts)
    path = folder / towers_name(name)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = first_line(error)
        raise ModelError(f"{path}: cannot be read ({reason}). Copy the model again.") from None
    return model.eval()


def saved_systems(folder: Path) -> list[str]:
    """Names of the systems in a model folder, "fused" first."""
    found = (Path(name) for name in load_manifest(folder).files)
    baselines = [path for path in found if path.parent == Path("baselines")]
    return [FUSED, *sorted(path.stem for path in baselines)]


def encoder_folder(folder: Path, modality: Literal["text", "image"], name: str = FUSED) -> Path:
    """Return the folder of a system's encoder: its own if it has one, else the model's."""
    own = folder / "baselines" / name / modality
    return own if own.is_dir() else folder / "encoders" / modality


def towers_name(name: str) -> str:
    """Return the weights file of a system, within a model folder."""
    return TOWERS_FILE if name == FUSED else f"baselines/{name}.safetensors"
