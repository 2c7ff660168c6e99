"""Encoders by name: the embedded defaults, or any Hugging Face name or local folder."""

import json
import pickle
import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from huggingface_hub import constants
from safetensors import SafetensorError
from transformers import AutoConfig

from windowshop.encoders.base import Encoder, ImageEncoder, TextEncoder
from windowshop.encoders.clip import CLIP_TYPES, ClipImageEncoder, ClipTextEncoder
from windowshop.encoders.image import SETTINGS_FILE, EfficientNetEncoder
from windowshop.encoders.text import SentenceEncoder
from windowshop.errors import EncoderError, first_line
from windowshop.registry import IMAGE_ENCODERS, TEXT_ENCODERS

__all__ = ["Encoder", "ImageEncoder", "TextEncoder", "load_image_encoder", "load_text_encoder"]

HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
HUB_TIMEOUT_S = 5
LOAD_ERRORS = (
    *(OSError, ValueError, KeyError, ImportError, RuntimeError),
    *(SafetensorError, pickle.UnpicklingError),
)
"""Errors of the libraries for a folder or name that they cannot use."""


def load_text_encoder(source: str, device: str = "auto", *, tokens: bool = False) -> TextEncoder:
    """Load a registered encoder, or a CLIP, SigLIP or sentence-transformers name or folder.

    A folder whose `encoder.json` has a registered `name` goes to the encoder of that name.

    With `tokens`, its features hold some for each piece of the text too.
    """
    try:
        if (name := _registered_name(source)) in TEXT_ENCODERS:
            text: TextEncoder = TEXT_ENCODERS[name](source, device, tokens=tokens)
            return text
        if _model_type(source) in CLIP_TYPES:
            return ClipTextEncoder(source, device, tokens=tokens)
        return SentenceEncoder(source, device, tokens=tokens)
    except LOAD_ERRORS as error:
        raise _not_loaded("text", source, ", ".join(TEXT_ENCODERS), error) from error


def load_image_encoder(source: str, device: str = "auto", *, tokens: bool = False) -> ImageEncoder:
    """Load a registered encoder, or a CLIP or SigLIP model by name or local folder.

    A folder whose `encoder.json` has a registered `name` goes to the encoder of that name.

    With `tokens`, its features hold some for each place in the image too.
    """
    if (name := _registered_name(source)) in IMAGE_ENCODERS:
        image: ImageEncoder = IMAGE_ENCODERS[name](source, device, tokens=tokens)
        return image
    if (Path(source) / SETTINGS_FILE).is_file():
        return EfficientNetEncoder(source, device, tokens=tokens)
    try:
        kind = _model_type(source)
        if kind in CLIP_TYPES:
            return ClipImageEncoder(source, device, tokens=tokens)
    except LOAD_ERRORS as error:
        raise _not_loaded("image", source, ", ".join(IMAGE_ENCODERS), error) from error
    raise EncoderError(
        f"image encoder {source!r} is of type {kind!r}; "
        f"use {', '.join(IMAGE_ENCODERS)} or a model of type {' or '.join(CLIP_TYPES)}."
    )


def _registered_name(source: str) -> str:
    """Return the name in a folder's `encoder.json`; the source itself where there is none."""
    try:
        return str(json.loads((Path(source) / SETTINGS_FILE).read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return source


def _model_type(source: str) -> str:
    local = Path(source).is_dir()
    if not local and not HUB_NAME.fullmatch(source):
        raise FileNotFoundError("there is no such folder.")
    # Without this question the hub's client would ask again and again for half a minute.
    local = local or not _hub_answers()
    config = AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=local)
    return str(config.model_type)


def _hub_answers() -> bool:
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=HUB_TIMEOUT_S):
            return True
    except HTTPError:  # an answer too
        return True
    except OSError:
        return False


def _not_loaded(kind: str, source: str, embedded: str, error: Exception) -> EncoderError:
    reason = first_line(error)
    return EncoderError(
        f"{kind} encoder {source!r} cannot be loaded: {reason}. "
        f"Use {embedded}, a local folder, or a Hugging Face name where there is a network."
    )
