"""Both towers of a Hugging Face CLIP or SigLIP model, by name or from a local folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoModel, AutoTokenizer, CLIPImageProcessorPil, SiglipImageProcessorPil

from windowshop.encoders.base import fingerprint, pick_device

CLIP_TYPES = ("clip", "siglip")
BATCH_SIZE = 32


class ClipTextEncoder:
    """The text tower; H is the model's projection width."""

    def __init__(self, source: str, device: str = "auto") -> None:
        self._device = pick_device(device)
        self._model = AutoModel.from_pretrained(source, trust_remote_code=False)
        self._model = self._model.to(self._device).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        config = self._model.config.text_config
        self._max_tokens = config.max_position_embeddings
        # SigLIP was trained on texts padded to its full length and reads its last position;
        # CLIP reads its end-of-text token, where padding only costs time.
        self._padding = "max_length" if self._model.config.model_type == "siglip" else "longest"
        self.width = self.encode(["width"]).shape[1]
        self.fingerprint = fingerprint(self._model, f"clip-text/1 max_tokens={self._max_tokens}")

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (B, H) float32; long texts are cut at the tower's context length."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        parts = []
        for start in range(0, len(texts), BATCH_SIZE):
            batch = self._tokenizer(
                [texts[row] for row in order[start : start + BATCH_SIZE]],
                padding=self._padding,
                truncation=True,
                max_length=self._max_tokens,
                return_tensors="pt",
            ).to(self._device)
            output = self._model.get_text_features(**batch)
            parts.append(output.pooler_output.float().cpu())
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
        self._model = AutoModel.from_pretrained(source, trust_remote_code=False)
        self._model = self._model.to(self._device).eval()
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
            output = self._model.get_image_features(pixel_values=batch["pixel_values"])
            parts.append(output.pooler_output.float().cpu())
        return torch.cat(parts).numpy()

    def save(self, folder: Path) -> None:
        """Write both towers and the image processor as a Hugging Face folder."""
        self._model.save_pretrained(folder)
        self._processor.save_pretrained(folder)
