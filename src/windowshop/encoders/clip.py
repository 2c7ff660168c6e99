"""Both towers of a Hugging Face CLIP or SigLIP model, by name or from a local folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoModel,
    AutoTokenizer,
    CLIPImageProcessorPil,
    SiglipImageProcessorPil,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from windowshop.encoders.base import fingerprint, pick_device, tokenizer_settings
from windowshop.errors import EncoderError

CLIP_TYPES = ("clip", "siglip")
BATCH_SIZE = 32


class ClipTextEncoder:
    """The text tower; H is the model's projection width."""

    def __init__(self, source: str, device: str = "auto") -> None:
        self._device = pick_device(device)
        self._model = _load_model(source, self._device)
        self._tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        if len(self._tokenizer) <= len(self._tokenizer.all_special_tokens):
            raise EncoderError(f"{source}: has no tokenizer; add tokenizer.json from its source.")
        config = self._model.config.text_config
        self._max_tokens = config.max_position_embeddings
        # SigLIP was trained on texts padded to its full length and reads its last position;
        # CLIP reads its end-of-text token, where padding only costs time.
        self._siglip = self._model.config.model_type == "siglip"
        self.width = self.encode(["width"]).shape[1]
        settings = f"clip-text/2 max_tokens={self._max_tokens}"
        self.fingerprint = fingerprint(
            self._model, f"{settings} {tokenizer_settings(self._tokenizer)}"
        )

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (B, H) float32; long texts are cut at the tower's context length."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        parts = []
        for start in range(0, len(texts), BATCH_SIZE):
            batch = self._tokenizer(
                [texts[row] for row in order[start : start + BATCH_SIZE]],
                padding="max_length" if self._siglip else "longest",
                truncation=True,
                max_length=self._max_tokens,
                return_attention_mask=not self._siglip,  # SigLIP was trained without one
                return_tensors="pt",
            ).to(self._device)
            parts.append(_pooled(self._model.get_text_features(**batch)).float().cpu())
        sorted_BH = torch.cat(parts).numpy()
        features_BH = np.empty_like(sorted_BH)
        features_BH[order] = sorted_BH
        return features_BH

    def save(self, folder: Path) -> None:
        """Write both towers and the tokenizer as a Hugging Face folder."""
        self._model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)


class ClipImageEncoder:
    """The image tower; H is the model's projection width."""

    def __init__(self, source: str, device: str = "auto") -> None:
        self._device = pick_device(device)
        self._model = _load_model(source, self._device)
        siglip = self._model.config.model_type == "siglip"
        processor = SiglipImageProcessorPil if siglip else CLIPImageProcessorPil
        self._processor = processor.from_pretrained(source)
        self.side = int(self._model.config.vision_config.image_size)
        self.fingerprint = fingerprint(
            self._model, f"clip-image/1 {self._processor.to_json_string()}"
        )
        self.width = self.encode([Image.new("RGB", (self.side, self.side))]).shape[1]

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return (B, H) float32, after the model's own preprocessing."""
        parts = []
        for start in range(0, len(images), BATCH_SIZE):
            batch = self._processor(list(images[start : start + BATCH_SIZE]), return_tensors="pt")
            pixels_BCHW = batch["pixel_values"].to(self._device)
            output = self._model.get_image_features(pixel_values=pixels_BCHW)
            parts.append(_pooled(output).float().cpu())
        return torch.cat(parts).numpy()

    def save(self, folder: Path) -> None:
        """Write both towers and the image processor as a Hugging Face folder."""
        self._model.save_pretrained(folder)
        self._processor.save_pretrained(folder)


def _load_model(source: str, device: torch.device) -> Any:  # noqa: ANN401
    """Both towers in float32; a folder that lacks weights is refused: they would be random."""
    model, report = AutoModel.from_pretrained(
        source, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
    )
    wrong = sorted({*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])})
    if wrong:
        raise EncoderError(
            f"{source}: {len(wrong)} weights are missing or of another shape ({wrong[0]}, ...). "
            "Download the model again."
        )
    return model.to(device).eval()


def _pooled(output: Tensor | BaseModelOutputWithPooling) -> Tensor:
    """The projected vectors (B, H); some versions of transformers return them as they are."""
    pooled: Tensor = output if isinstance(output, Tensor) else output["pooler_output"]
    return pooled
