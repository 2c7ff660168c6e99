"""Encoders as ONNX graphs run by onnxruntime: the features of the encoders in torch, without torch.

Shapes: B texts or images, L tokens, S side of an image, H feature width.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from tokenizers import Tokenizer

from windowshop.encoders.squares import Square
from windowshop.errors import EncoderError

Key = tuple[int, ...]
"""Token ids of a text."""
IDS, MASK, PIXELS = "input_ids", "attention_mask", "pixels"
IMAGES_PER_RUN = "images_per_run"
"""Name under which an image graph's metadata hold how many images it takes at a time."""
BATCH_SIZE = 8
"""Texts of a run: more gain nothing, and are padded more."""


def open_session(graph: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Load a graph to run on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait should sleep: spinning ones take the cores from other processes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


class TokenGraph:
    """A graph that reads token ids, one batch at a time, with the tokenizer that makes them."""

    def __init__(self, graph: Path, tokenizer: Path, threads: int = 1) -> None:
        self._session = open_session(graph, threads)
        self._inputs = {part.name for part in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        padding = self._tokenizer.padding
        assert padding is not None  # the export writes it
        self._pad_id, self._pad_left = padding["pad_id"], padding["direction"] == "left"
        if padding["length"] is None:
            self._tokenizer.no_padding()  # a batch is padded to its longest text in `run`

    def tokenise(self, texts: Sequence[str]) -> list[Key]:
        """Token ids of each text, cut at the encoder's length."""
        return [tuple(self._tokenizer.encode(text).ids) for text in texts]

    def run(self, ids: Sequence[Key]) -> np.ndarray:
        """Return the graph's output, float32, one row a text."""
        longest = max(len(row) for row in ids)
        ids_BL = np.full((len(ids), longest), self._pad_id, dtype=np.int64)
        mask_BL = np.zeros_like(ids_BL)
        for place, row in enumerate(ids):
            filled = slice(longest - len(row), None) if self._pad_left else slice(len(row))
            ids_BL[place, filled] = row
            mask_BL[place, filled] = 1
        inputs = {IDS: ids_BL, MASK: mask_BL}
        feed = {name: inputs[name] for name in self._inputs}
        return np.asarray(self._session.run(None, feed)[0])


class TextGraph(TokenGraph):
    """Texts to features."""

    def encode(self, texts: Sequence[str], pool: ThreadPoolExecutor | None = None) -> np.ndarray:
        """Return (B, H) float32, one row a text; texts of like length share a run.

        The workers of a pool share the runs.
        """
        ids = self.tokenise(texts)
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        runs = [order[start : start + BATCH_SIZE] for start in range(0, len(ids), BATCH_SIZE)]
        each = pool.map if pool else map
        parts = list(each(lambda rows: self.run([ids[row] for row in rows]), runs))
        sorted_BH = np.concatenate(parts)
        features_BH = np.empty_like(sorted_BH)
        features_BH[order] = sorted_BH
        return features_BH


class ImageGraph:
    """Images to features; each is made a square first, as the graph's metadata say."""

    def __init__(self, graph: Path) -> None:
        self._session = open_session(graph)
        self.side = int(self._session.get_inputs()[0].shape[1])
        metadata = self._session.get_modelmeta().custom_metadata_map
        try:
            self._square = Square.of(metadata, self.side)
            self._batch = int(metadata.get(IMAGES_PER_RUN, 1))
        except (ValueError, TypeError) as error:
            raise EncoderError(
                f"{graph}: its metadata cannot be read ({error}). Export the model again."
            ) from None

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return (B, H) float32, one row an RGB image."""
        starts = range(0, len(images), self._batch)
        return np.concatenate([self._run(images[i : i + self._batch]) for i in starts])

    def _run(self, images: Sequence[Image.Image]) -> np.ndarray:
        pixels_BSSC = np.stack([self._square.pixels(image) for image in images])
        return np.asarray(self._session.run(None, {PIXELS: pixels_BSSC})[0])
