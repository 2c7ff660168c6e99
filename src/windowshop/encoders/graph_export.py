"""Encoders in torch -> ONNX graphs, checked against torch as they are made, and kept in a cache.

Shapes: B texts or images, L tokens, S side of an image, C channels, H feature width.
"""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor, nn
from transformers import PreTrainedModel

from windowshop.encoders.base import Encoder, ImageEncoder, TextEncoder, reads_squares
from windowshop.encoders.cached_features import Modality, graph_folder
from windowshop.encoders.graphs import (
    IDS,
    IMAGES_PER_RUN,
    MASK,
    PIXELS,
    ImageGraph,
    TextGraph,
    TokenGraph,
)
from windowshop.encoders.squares import METADATA
from windowshop.errors import EncoderError, ExportError, StorageError, first_line
from windowshop.files import (
    EVERYTHING,
    Files,
    FolderKind,
    describe_files,
    new_folder,
    read_manifest,
    require_files,
    write_manifest,
)

OPSET = 18
GRAPH_FILE, TOKENIZER_FILE = "features.onnx", "tokenizer.json"
MIN_WEIGHTS = 1_000_000
"""Encoders with fewer are as fast in torch, and not worth a graph."""
EXACT_COSINE = 0.9999
"""Lowest cosine to torch's features with which a graph is accepted."""
HARD_TEXTS = (
    "red shoes",
    "blue cotton shirt for men, size 42",
    "5 l green tea",
    "größer 靴",
    "a",
    "  Two   spaces\tand\u00a0others\n",
    "👟 500€ ½ﬁ e\u0301",
    "shoe " * 600,
)
"""Texts that tokenizers cut differently."""
GRAPH = FolderKind(
    noun="a graph of an encoder",
    format="windowshop-graph/1",
    command="windowshop train",
    remedy="Remove it; it is made again.",
    error=EncoderError,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphManifest:
    """Origin of a graph in a cache."""

    fingerprint: str
    """Fingerprint of the encoder, whose features the graph gives up to rounding."""
    cosine: float
    """Lowest cosine to torch's features."""
    files: Files
    versions: dict[str, str] = field(
        default_factory=lambda: {name: version(name) for name in ("torch", "onnxruntime")}
    )
    format: str = GRAPH.format


def pays(encoder: Encoder) -> bool:
    """Return whether an encoder has a graph that is faster than torch."""
    weights = list(encoder.module.parameters())
    on_cpu = all(weight.device.type == "cpu" for weight in weights)
    is_image = isinstance(encoder, ImageEncoder)
    can = reads_squares(encoder) if is_image else has_fast_form(encoder)
    return on_cpu and can and sum(weight.numel() for weight in weights) >= MIN_WEIGHTS


def open_text_graph(text: TextEncoder, folder: Path) -> TextGraph:
    """Open an encoder's graph in `folder`, making it there where there is none, or a damaged one.

    Raises EncoderError where the encoder cannot be exported.
    """
    _provide(text, folder)
    return TextGraph(folder / GRAPH_FILE, folder / TOKENIZER_FILE)


def open_image_graph(image: ImageEncoder, folder: Path) -> ImageGraph:
    """Open an encoder's graph as `open_text_graph` does."""
    _provide(image, folder)
    return ImageGraph(folder / GRAPH_FILE)


def is_kept(encoder: Encoder, folder: Path) -> bool:
    """Return whether a folder has an encoder's graph, whole."""
    try:
        manifest = read_manifest(GraphManifest, folder, GRAPH)
        require_files(folder, GRAPH, EVERYTHING)
    except EncoderError:
        return False
    return manifest.fingerprint == encoder.fingerprint


def write_encoder_graph(
    encoder: TextEncoder | ImageEncoder, path: Path, cache: Path | None
) -> None:
    """Write an encoder's graph: the one that a feature cache has, or a new one, unchecked."""
    modality: Modality = "image" if isinstance(encoder, ImageEncoder) else "text"
    kept = graph_folder(cache, modality, encoder.fingerprint) if cache else None
    if kept is not None and is_kept(encoder, kept):
        shutil.copyfile(kept / GRAPH_FILE, path)
    elif isinstance(encoder, ImageEncoder):
        write_image_graph(encoder, path)
    else:
        write_text_graph(encoder, path)


def _provide(encoder: TextEncoder | ImageEncoder, folder: Path) -> None:
    if is_kept(encoder, folder):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):  # of two processes, one makes it
        if not is_kept(encoder, folder):
            _make(encoder, folder)


def _make(encoder: TextEncoder | ImageEncoder, folder: Path) -> None:
    with new_folder(folder) as made:
        graph, tokenizer = made / GRAPH_FILE, made / TOKENIZER_FILE
        try:
            if isinstance(encoder, ImageEncoder):
                write_image_graph(encoder, graph)
                cosine = image_cosine(encoder, ImageGraph(graph))
            else:
                write_tokenizer(encoder, tokenizer)
                write_text_graph(encoder, graph)
                found = TextGraph(graph, tokenizer)
                check_tokens(encoder, found, HARD_TEXTS)
                cosine = lowest_cosine(encoder.encode(HARD_TEXTS), found.encode(HARD_TEXTS))
        except (StorageError, OSError):
            raise
        except Exception as error:
            # Encoders of any make are traced and run here, and what they raise is of any kind.
            raise EncoderError(f"this encoder has no ONNX graph ({first_line(error)}).") from error
        if not cosine >= EXACT_COSINE:  # so that NaN is refused too
            raise EncoderError(f"the graph differs from torch (lowest cosine {cosine:.4f}).")
        manifest = GraphManifest(
            fingerprint=encoder.fingerprint, cosine=cosine, files=describe_files(made)
        )
        write_manifest(made, manifest, GRAPH)


def write_text_graph(text: TextEncoder, path: Path) -> None:
    """Write the graph of token ids to features (B, H), for any batch size and length."""
    write_token_graph(_TextFeatures(text), text, path, "features")


def write_token_graph(module: nn.Module, text: TextEncoder, path: Path, output: str) -> None:
    """Write the graph of a module that is called with an encoder's token ids and their mask."""
    batch = text.prepare(["a", "red shoes for men"])  # unlike lengths: padding is traced too
    names = [name for name in (IDS, MASK) if name in batch]
    axes = {name: {0: "B", 1: "L"} for name in names} | {output: {0: "B"}}
    write_graph(module, tuple(batch[name] for name in names), path, names, [output], axes)


def write_image_graph(image: ImageEncoder, path: Path) -> None:
    """Write the graph of squares of pixels, uint8 (B, S, S, C), to features (B, H).

    Raises ExportError where the encoder does more to an image than a square and arithmetic.
    """
    if not reads_squares(image) or image.square is None:
        raise ExportError(
            f"the image encoder, a {type(image).__name__}, prepares images in a way that a graph "
            "lacks."
        )
    side = image.side
    squares = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    axes = {PIXELS: {0: "B"}, "features": {0: "B"}}
    write_graph(_ImageFeatures(image), (squares,), path, [PIXELS], ["features"], axes)
    graph = onnx.load(path)
    graph.metadata_props.add(key=METADATA, value=image.square.to_text())
    graph.metadata_props.add(key=IMAGES_PER_RUN, value=str(image.images_per_run))
    onnx.save(graph, path)


def write_graph(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    names: Sequence[str],
    outputs: Sequence[str],
    axes: dict[str, dict[int, str]],
) -> None:
    """Write a module's graph as it runs on `inputs`; `axes` names the sizes that may differ."""
    # What the tracer warns of is what the checks measure.
    with _plain_attention(module), torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            inputs,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(names),
            output_names=list(outputs),
            dynamic_axes=axes,
        )


def write_tokenizer(text: TextEncoder, path: Path) -> int:
    """Write how an encoder cuts and pads texts; returns the number of tokens it cuts at."""
    text.prepare(["a", "two words"])  # leaves its truncation and padding in the tokenizer
    backend = getattr(text.tokenizer, "backend_tokenizer", None)
    if backend is None or backend.truncation is None or backend.padding is None:
        raise ExportError(
            f"the text encoder's tokenizer, a {type(text.tokenizer).__name__}, has no fast form. "
            "Use an encoder that comes with a tokenizer.json."
        )
    backend.save(str(path))
    return int(backend.truncation["max_length"])


def has_fast_form(text: Encoder) -> bool:
    """Return whether a text encoder's tokenizer has a form that runs without transformers."""
    tokenizer = getattr(text, "tokenizer", None)
    return getattr(tokenizer, "backend_tokenizer", None) is not None


def check_tokens(text: TextEncoder, graph: TokenGraph, texts: Sequence[str]) -> None:
    """Require that the written tokenizer cuts each text as the encoder does."""
    for example in texts:
        expected = text.prepare([example])[IDS][0].tolist()
        found = list(graph.tokenise([example])[0])
        if found != expected:
            raise ExportError(
                f"the written tokenizer cuts {example[:40]!r} into {len(found)} tokens "
                f"{found[:8]}, the encoder into {len(expected)} tokens {expected[:8]}. "
                "This text encoder cannot be exported."
            )


def image_cosine(image: ImageEncoder, graph: ImageGraph) -> float:
    """Return the lowest cosine of a graph's features to torch's, over a few drawn images."""
    chance = np.random.default_rng(0)
    sizes = ((image.side, image.side), (image.side // 2, image.side), (3, 2))
    drawn = [chance.integers(256, size=(*size, 3), dtype=np.uint8) for size in sizes]
    images = [Image.fromarray(pixels) for pixels in drawn]
    images.append(Image.new("RGB", (40, 40), "white"))
    return lowest_cosine(image.encode(images), graph.encode(images))


def lowest_cosine(one_BH: np.ndarray, other_BH: np.ndarray) -> float:
    """Return the lowest cosine of rows that belong together; NaN where one has no length."""
    lengths_B = np.linalg.norm(one_BH, axis=1) * np.linalg.norm(other_BH, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(((one_BH * other_BH).sum(axis=1) / lengths_B).min())


class _TextFeatures(nn.Module):
    def __init__(self, text: TextEncoder) -> None:
        super().__init__()
        self.encoder = text.module
        self._features = text.features

    def forward(self, ids_BL: Tensor, mask_BL: Tensor | None = None) -> Tensor:
        return self._features({IDS: ids_BL} if mask_BL is None else {IDS: ids_BL, MASK: mask_BL})


class _ImageFeatures(nn.Module):
    def __init__(self, image: ImageEncoder) -> None:
        super().__init__()
        assert reads_squares(image)
        self.encoder = image.module
        self._features, self._scale = image.features, image.scale

    def forward(self, pixels_BSSC: Tensor) -> Tensor:
        return self._features({"pixel_values": self._scale(pixels_BSSC)})


@contextmanager
def _plain_attention(module: nn.Module) -> Iterator[None]:
    """Run attention as plain matrix products, a smaller and faster graph than sdpa."""
    models = [part for part in module.modules() if isinstance(part, PreTrainedModel)]
    before = [model.config._attn_implementation for model in models]
    try:
        for model in models:
            model.set_attn_implementation("eager")
        yield
    finally:
        for model, implementation in zip(models, before, strict=True):
            model.set_attn_implementation(implementation)
