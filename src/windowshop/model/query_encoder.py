"""Text queries to vectors without torch: what `windowshop export-onnx` wrote, run by onnxruntime.

    EXPORT/query.onnx      token ids -> unit query vector
    EXPORT/text.weights    weights that query.onnx has in common with text.onnx (`exported_model`)
    EXPORT/tokenizer.json  text -> token ids, with how they are cut and padded
    EXPORT/probes.npy      vectors of PROBES, which the graph must give on any machine
    EXPORT/export.json     model, precision, how close the vectors are to torch's

Shapes: B texts, L tokens, P width of query vectors. Image queries stay with `windowshop.model`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from windowshop.encoders import TokenGraph
from windowshop.errors import ConfigError, ExportError, SearchError
from windowshop.files import EXPORT, Files, read_manifest, require_files
from windowshop.model.micro_batch import BatchConfig, BatchCounts, MicroBatcher
from windowshop.model.writing_systems import is_latin, reads, systems_read

GRAPH_FILE, TEXT_WEIGHTS = "query.onnx", "text.weights"
TOKENIZER_FILE = "tokenizer.json"
UNKNOWN = ("[UNK]", "<unk>")
"""Pieces that stand for what the encoder has no pieces of."""
PROBES_FILE = "probes.npy"
Precision = Literal["int8", "fp32"]
PROBES = ("red shoes", "blue cotton shirt for men, size 42", "5 l green tea", "größer 靴")
MIN_PROBE_COSINE = 0.999


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportManifest:
    """Content of an export folder."""

    model_key: str
    """The run key of the model."""
    precision: Precision
    width: int
    max_tokens: int
    checks: dict[str, dict[str, float]]
    """Closeness of each graph to torch, kept or not: precision -> figures."""
    bars: dict[str, float]
    """Closeness that int8 had to reach to be kept."""
    checked_on: dict[str, int]
    """Texts and products of the checks."""
    files: Files
    versions: dict[str, str]
    encoders: dict[str, Any] | None = None
    """Fingerprints and widths of the encoders whose graphs are there too (`exported_model`)."""
    queries_alone: str = ""
    """Reason why there are no such graphs: products, and queries with an image, need torch."""
    format: str = EXPORT.format


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """Settings of a running exported encoder."""

    threads: int = 1
    """Threads of one run. More gain little on one query; start more processes instead."""
    batch: BatchConfig = BatchConfig()

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.threads < 1:
            raise ConfigError(f"threads={self.threads} must be at least 1.")


class QueryGraph(TokenGraph):
    """Token ids to unit query vectors, (B, P)."""

    def has_whole(self, word: str) -> bool:
        """Return whether a word is one piece of the vocabulary."""
        pieces = self._tokenizer.encode(word, add_special_tokens=False).tokens
        return len(pieces) == 1 and self._tokenizer.token_to_id(pieces[0]) not in self._unknown

    @cached_property
    def _unknown(self) -> frozenset[int | None]:
        return frozenset({None, *(self._tokenizer.token_to_id(name) for name in UNKNOWN)})

    @cached_property
    def systems(self) -> frozenset[str]:
        """Writing systems that the encoder has words of."""
        return systems_read(self._tokenizer)


class QueryEncoder:
    """Text queries to vectors, for any number of threads; made by `open_query_encoder`."""

    def __init__(
        self, graph: QueryGraph, manifest: ExportManifest, config: EncoderConfig | None = None
    ) -> None:
        self.manifest = manifest
        self._graph = graph
        self._batcher = MicroBatcher(graph.run, (config or EncoderConfig()).batch)

    @property
    def width(self) -> int:
        """Width P of the vectors."""
        return self.manifest.width

    @property
    def counts(self) -> BatchCounts:
        """Rows found in the cache, rows computed, and the runs it took."""
        return self._batcher.counts()

    def reads(self, text: str) -> bool:
        """Return whether the encoder has words of the writing system that a text is mostly in."""
        return is_latin(text) or reads(self._graph.systems, text)

    def knows(self, word: str) -> bool:
        """Return whether the encoder has a word whole: common words and brands, hardly a typo."""
        return self._graph.has_whole(word)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit query vectors, float32 (B, P), as `Retriever.encode_queries` does.

        How close they are to it stands in the manifest. Texts of equal tokens are one text: with a
        tokenizer that ignores case, "Red  Shoe" finds what "red shoe" left in the cache. Raises
        SearchError for an empty text.
        """
        for place, text in enumerate(texts):
            if not text.strip():
                raise SearchError(f"query {place} is empty; give some text.")
        if not texts:
            return np.empty((0, self.width), dtype=np.float32)
        ids = self._graph.tokenise(texts)
        # Texts of like length share a run, so little is padding.
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        sorted_BP = self._batcher.rows([ids[row] for row in order])
        vectors_BP = np.empty_like(sorted_BP)
        vectors_BP[order] = sorted_BP
        return vectors_BP


def open_query_encoder(
    folder: str | Path, config: EncoderConfig | None = None, *, model_key: str | None = None
) -> QueryEncoder:
    """Open an export folder; raises ExportError where it is none, or damaged.

    It must give on this machine what it gave where it was made. With `model_key`, the run key of
    an index's model, an export of another model is refused.
    """
    path = Path(folder)
    manifest = read_manifest(ExportManifest, path, EXPORT)
    if model_key is not None and manifest.model_key != model_key:
        raise ExportError(
            f"{path}: was exported from another model ({manifest.model_key}, not {model_key}). "
            f"Run `{EXPORT.command}` with this one."
        )
    require_files(path, EXPORT, GRAPH_FILE, TEXT_WEIGHTS, TOKENIZER_FILE, PROBES_FILE)
    config = config or EncoderConfig()
    graph = QueryGraph(path / GRAPH_FILE, path / TOKENIZER_FILE, config.threads)
    _check_probes(graph, path, manifest.width)
    return QueryEncoder(graph, manifest, config)


def probe_vectors(graph: QueryGraph) -> np.ndarray:
    """Vectors of PROBES, each run alone, (probes, P)."""
    return np.concatenate([graph.run([ids]) for ids in graph.tokenise(PROBES)])


def _check_probes(graph: QueryGraph, folder: Path, width: int) -> None:
    expected_BP = np.load(folder / PROBES_FILE, allow_pickle=False)
    found_BP = probe_vectors(graph)
    same_shape = found_BP.shape == expected_BP.shape == (len(PROBES), width)
    cosine = float((found_BP * expected_BP).sum(axis=1).min()) if same_shape else 0.0
    if not cosine >= MIN_PROBE_COSINE:  # so that NaN is refused too
        raise ExportError(
            f"{folder}: gives other vectors on this machine than where it was exported (lowest "
            f"cosine {cosine:.4f}). Run `{EXPORT.command}` here, or with --no-int8."
        )
