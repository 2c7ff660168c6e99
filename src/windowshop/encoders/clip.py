"""Both towers of a Hugging Face CLIP or SigLIP model, by name or from a local folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoTokenizer,
    CLIPImageProcessorPil,
    PreTrainedTokenizerBase,
    SiglipImageProcessorPil,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from windowshop.encoders.base import depth_blocks, fingerprint, pick_device, tokenizer_settings
from windowshop.encoders.layout import Layout
from windowshop.encoders.squares import Square, middle
from windowshop.encoders.token_means import (
    GRID,
    TEXT_TOKENS,
    piece_means,
    place_means,
    with_tokens,
)
from windowshop.errors import EncoderError

CLIP_TYPES = ("clip", "siglip")
BATCH_SIZE = 32


class _ClipEncoder:
    def __init__(self, source: str, device: str) -> None:
        self._device = pick_device(device)
        self._model = _load_model(source, self._device)
        self._siglip = self._model.config.model_type == "siglip"
        self._settings = ""

    @property
    def module(self) -> nn.Module:
        """Both towers; one of them is used."""
        model: nn.Module = self._model
        return model

    def refresh(self) -> None:
        """Hash the weights again."""
        self.fingerprint = fingerprint(self._model, self._settings)


class ClipTextEncoder(_ClipEncoder):
    """The text tower; H is the model's projection width, and tokens are added if asked for."""

    def __init__(self, source: str, device: str = "auto", *, tokens: bool = False) -> None:
        super().__init__(source, device)
        self._tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        if len(self._tokenizer) <= len(self._tokenizer.all_special_tokens):
            raise EncoderError(f"{source}: has no tokenizer; add tokenizer.json from its source.")
        config = self._model.config.text_config
        self._max_tokens = config.max_position_embeddings
        with torch.inference_mode():
            width = self.features(self.prepare(["width"]), pooled=True).shape[1]
        self.layout = Layout((width,))
        settings = f"clip-text/2 max_tokens={self._max_tokens}"
        if tokens:
            self.layout = Layout((width,), TEXT_TOKENS, int(config.hidden_size))
            settings += f" tokens={TEXT_TOKENS}"
        self._settings = f"{settings} {tokenizer_settings(self._tokenizer)}"
        self.refresh()

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Tokenizer that `prepare` cuts texts with."""
        tokenizer: PreTrainedTokenizerBase = self._tokenizer
        return tokenizer

    def blocks(self) -> list[nn.Module]:
        """Embeddings and layers of the text tower, its projection with the last."""
        return _tower_blocks(self._model.text_model, getattr(self._model, "text_projection", None))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (B, H) float32; long texts are cut at the tower's context length."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        parts = []
        for start in range(0, len(texts), BATCH_SIZE):
            batch = self.prepare([texts[row] for row in order[start : start + BATCH_SIZE]])
            parts.append(self.features(batch).float().cpu())
        sorted_BH = torch.cat(parts).numpy()
        features_BH = np.empty_like(sorted_BH)
        features_BH[order] = sorted_BH
        return features_BH

    def prepare(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Token ids (B, L), and for CLIP an attention mask."""
        # SigLIP was trained on texts padded to its full length and reads its last position;
        # CLIP reads its end-of-text token, where padding only costs time.
        batch = self._tokenizer(
            list(texts),
            padding="max_length" if self._siglip else "longest",
            truncation=True,
            max_length=self._max_tokens,
            return_attention_mask=not self._siglip,  # SigLIP was trained without one
            return_tensors="pt",
        )
        return {name: tensor.to(self._device) for name, tensor in batch.items()}

    def features(self, batch: dict[str, Tensor], *, pooled: bool = False) -> Tensor:
        """Return projected text vectors (B, H), then tokens."""
        read = self._model.get_text_features(**batch)
        if pooled or not self.layout.num_tokens:
            return _pooled(read)
        mask_BL = batch.get("attention_mask", torch.ones_like(batch["input_ids"]))
        return with_tokens(_pooled(read), piece_means(read["last_hidden_state"], mask_BL))

    def save(self, folder: Path) -> None:
        """Write both towers and the tokenizer as a Hugging Face folder."""
        self._model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)


class ClipImageEncoder(_ClipEncoder):
    """The image tower; H is the model's projection width, and tokens are added if asked for."""

    images_per_run = 4  # the matrix products of one are too small

    def __init__(self, source: str, device: str = "auto", *, tokens: bool = False) -> None:
        super().__init__(source, device)
        processor = SiglipImageProcessorPil if self._siglip else CLIPImageProcessorPil
        self._processor = processor.from_pretrained(source)
        self.side = int(self._model.config.vision_config.image_size)
        self.square = _square_of(self._processor, self.side, self._siglip)
        self._settings = f"clip-image/1 {self._processor.to_json_string()}"
        probe = self.prepare([Image.new("RGB", (self.side, self.side))])
        with torch.inference_mode():
            width = self.features(probe, pooled=True).shape[1]
        self.layout = Layout((width,))
        if tokens:
            hidden = int(self._model.config.vision_config.hidden_size)
            self.layout = Layout((width,), GRID**2, hidden)
            self._settings += f" tokens={GRID}x{GRID}"
        self.refresh()

    def blocks(self) -> list[nn.Module]:
        """Embeddings and layers of the image tower, its projection with the last."""
        projection = getattr(self._model, "visual_projection", None)
        return _tower_blocks(self._model.vision_model, projection)

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return (B, H) float32, after the model's own preprocessing."""
        parts = []
        for start in range(0, len(images), BATCH_SIZE):
            batch = self.prepare(images[start : start + BATCH_SIZE])
            parts.append(self.features(batch).float().cpu())
        return torch.cat(parts).numpy()

    def prepare(self, images: Sequence[Image.Image], side: int = 0) -> dict[str, Tensor]:
        """Pixels (B, C, side, side) after the model's own preprocessing."""
        given = list(images) if self._siglip else [middle(image) for image in images]
        batch = self._processor(given, return_tensors="pt", **self._sized(side))
        return {"pixel_values": batch["pixel_values"].to(self._device)}

    def scale(self, pixels_BSSC: Tensor) -> Tensor:
        """Return squares of 8-bit pixels as the tower reads them, (B, C, side, side)."""
        processor = self._processor
        mean_C, deviation_C = (
            torch.tensor(values, dtype=torch.float32)
            for values in (processor.image_mean, processor.image_std)
        )
        scaled_BSSC = (pixels_BSSC.float() * processor.rescale_factor - mean_C) / deviation_C
        return scaled_BSSC.permute(0, 3, 1, 2)

    def features(self, batch: dict[str, Tensor], *, pooled: bool = False) -> Tensor:
        """Return projected image vectors (B, H), then tokens.

        Positions are interpolated to another side.
        """
        pixels_BCHW = batch["pixel_values"]
        other = {} if pixels_BCHW.shape[-1] == self.side else {"interpolate_pos_encoding": True}
        read = self._model.get_image_features(pixel_values=pixels_BCHW, **other)
        if pooled or not self.layout.num_tokens:
            return _pooled(read)
        side = int(pixels_BCHW.shape[-1]) // int(self._model.config.vision_config.patch_size)
        state_BWL = read["last_hidden_state"].transpose(1, 2)[..., -side * side :]  # no class token
        token_BKW = place_means(state_BWL.reshape(*state_BWL.shape[:2], side, side))
        return with_tokens(_pooled(read), token_BKW)

    def _sized(self, side: int) -> dict[str, Any]:
        """Arguments of the processor for another side than its own."""
        if side in (0, self.side):
            return {}
        patch = int(self._model.config.vision_config.patch_size)
        if side < patch:
            raise EncoderError(
                f"image side {side}: the encoder looks at patches of {patch} pixels. "
                f"Use a multiple of {patch}, such as {max(patch, self.side // 2 // patch * patch)}."
            )
        square = {"height": side, "width": side}
        if self._siglip:
            return {"size": square}
        return {"size": {"shortest_edge": side}, "crop_size": square}

    def save(self, folder: Path) -> None:
        """Write both towers and the image processor as a Hugging Face folder."""
        self._model.save_pretrained(folder)
        self._processor.save_pretrained(folder)


def _load_model(source: str, device: torch.device) -> Any:  # noqa: ANN401
    """Load both towers in float32; refuses a folder that lacks weights, which would be random."""
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


def _square_of(processor: Any, side: int, siglip: bool) -> Square | None:  # noqa: ANN401
    """Return how a processor makes squares of `side`; None where it does something else."""
    steps = ("do_resize", "do_rescale", "do_normalize", *(() if siglip else ("do_center_crop",)))
    if not all(getattr(processor, step, False) for step in steps):
        return None
    size, crop = dict(processor.size), dict(getattr(processor, "crop_size", None) or {})
    is_square = {"height": side, "width": side}
    resample = int(processor.resample)
    if siglip and _given(size) == is_square and not getattr(processor, "do_center_crop", False):
        return Square(side=side, fit="stretch", resample=resample)
    shortest = _given(size).get("shortest_edge", 0)
    if siglip or _given(crop) != is_square or set(_given(size)) != {"shortest_edge"}:
        return None
    if shortest < side:  # what the crop lacks would be black
        return None
    return Square(side=side, fit="middle", shortest=shortest, resample=resample)


def _given(size: dict[str, Any]) -> dict[str, int]:
    return {name: int(value) for name, value in size.items() if value is not None}


def _tower_blocks(tower: nn.Module, projection: nn.Module | None) -> list[nn.Module]:
    return depth_blocks([tower] if projection is None else [tower, projection])


def _pooled(output: Tensor | BaseModelOutputWithPooling) -> Tensor:
    """The projected vectors (B, H); some versions of transformers return them as they are."""
    pooled: Tensor = output if isinstance(output, Tensor) else output["pooler_output"]
    return pooled
