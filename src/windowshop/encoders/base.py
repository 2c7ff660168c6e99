"""What an encoder of one modality is: a batch in, float32 features out.

B batch, H feature width. Encoders are frozen here; the towers learn on top of their features.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import xxhash
from PIL import Image
from torch import nn
from transformers import PreTrainedTokenizerBase

from windowshop.errors import EncoderError


class TextEncoder(Protocol):
    """Text to features."""

    width: int
    fingerprint: str
    """Hash of weights and preprocessing: equal fingerprints give equal features."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (B, H) float32, one row a text, in order."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights, tokenizer and settings so that the loader of this package reads them."""
        ...


class ImageEncoder(Protocol):
    """Photo to features."""

    width: int
    side: int
    """Pixels the encoder looks at along each side; photos need not be larger."""
    fingerprint: str

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return (B, H) float32, one row an RGB image, in order."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights and settings so that the loader of this package reads them."""
        ...


def fingerprint(module: nn.Module, settings: str) -> str:
    """Hash a module's weights together with everything else that shapes its features."""
    digest = xxhash.xxh3_128(settings.encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def tokenizer_settings(tokenizer: PreTrainedTokenizerBase) -> str:
    """How a tokenizer cuts texts, for a fingerprint; the same before and after saving it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return json.dumps(tokenizer.get_vocab(), sort_keys=True)
    # Truncation and padding stand in it as the last call left them; the encoders set them anew.
    content = json.loads(backend.to_str()) | {"truncation": None, "padding": None}
    return json.dumps(content, sort_keys=True)


def pick_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise EncoderError(f"device {name!r}: torch finds no such GPU here; use auto or cpu.")
    return torch.device(name)
