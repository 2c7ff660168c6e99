"""A model's path from query text to vector as one ONNX graph, checked against torch as it is made.

Shapes: B texts, L tokens, P width of the compared vectors, Q checked texts, N products,
K best products.
"""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from rich.table import Table
from torch import Tensor, nn

from windowshop.data import Dataset
from windowshop.encoders import (
    EXACT_COSINE,
    HARD_TEXTS,
    IDS,
    MASK,
    ProductFeatures,
    TextEncoder,
    check_tokens,
    pick_device,
    write_token_graph,
    write_tokenizer,
)
from windowshop.engines import nearest
from windowshop.errors import ConfigError, ExportError, StorageError, first_line
from windowshop.files import (
    EVERYTHING,
    EXPORT,
    describe_files,
    new_folder,
    require_files,
    write_manifest,
)
from windowshop.model.exported_model import (
    PRODUCTS_FILE,
    SHOWN_FILE,
    TEXT_FILE,
    TOWER_WEIGHTS,
    ExportedModel,
)
from windowshop.model.product_export import check_products, write_products
from windowshop.model.query_encoder import (
    GRAPH_FILE,
    PROBES,
    PROBES_FILE,
    TEXT_WEIGHTS,
    TOKENIZER_FILE,
    ExportManifest,
    Precision,
    QueryGraph,
    open_query_encoder,
    probe_vectors,
)
from windowshop.model.retriever import Retriever, load
from windowshop.model.shared_weights import share_weights
from windowshop.model.two_tower import TwoTower
from windowshop.progress import Reporter

TOP = 10
CHECK_BATCH = 16
CHECK_PRODUCTS = 20_000
"""Products that `provide_export` checks on, drawn from larger catalogues."""
PACKAGES = ("windowshop", "torch", "transformers", "onnx", "onnxruntime", "tokenizers")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportConfig:
    """Settings of an export, and the closeness that int8 must reach to be kept."""

    int8: bool = True
    num_texts: int = 500
    """Queries of the data set that the graphs are checked on."""
    min_cosine: float = 0.99
    """Mean cosine to torch's vectors."""
    min_overlap: float = 0.9
    """Mean share of the ten best products that are torch's too."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.num_texts < 1:
            raise ConfigError(f"num_texts={self.num_texts} must be at least 1.")
        for name in ("min_cosine", "min_overlap"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name}={value} must be from 0 to 1.")

    def allows(self, int8: "Closeness") -> bool:
        """Return whether int8 is close enough to be kept."""
        return int8.mean_cosine >= self.min_cosine and int8.top10_overlap >= self.min_overlap


@dataclass(frozen=True, kw_only=True, slots=True)
class Closeness:
    """Closeness of a graph's vectors to torch's, over texts run alone and in batches."""

    mean_cosine: float
    min_cosine: float
    top10_overlap: float
    """Mean share of the ten best products in common."""
    megabytes: float


class QueryPath(nn.Module):
    """Text encoder, projection and the fusion's weighing, without what only products need."""

    def __init__(self, text: TextEncoder, towers: TwoTower) -> None:
        super().__init__()
        self.encoder = text.module
        self.projection = towers.text
        self.fusion = towers.fusion
        self._features = partial(text.features, pooled=True)

    def forward(self, ids_BL: Tensor, mask_BL: Tensor | None = None) -> Tensor:
        """Return unit query vectors (B, P)."""
        batch = {IDS: ids_BL} if mask_BL is None else {IDS: ids_BL, MASK: mask_BL}
        features_BH = self._features(batch)
        own_BD = self.fusion.read_text(features_BH)
        vectors_BP: Tensor = self.fusion.weigh_queries(self.projection(features_BH), own_BD)
        return vectors_BP


def export_queries(
    model: Retriever,
    dataset: Dataset,
    out: Path,
    cache_folder: Path,
    config: ExportConfig,
    reporter: Reporter,
) -> ExportManifest:
    """Export a model's query path, checked on a data set's queries against its products.

    Replaces an older export at `out`. Raises ExportError where the folder is something else, or
    the model's text encoder cannot be exported.
    """
    _require_place(out)
    texts = check_texts(dataset, config.num_texts)
    products = model.encode_products(
        dataset.products, dataset.root, cache=cache_folder, reporter=reporter
    )
    return export_graph(model, texts, products.vectors, out, config, cache_folder)


def provide_export(
    model: Retriever, dataset: Dataset, features: ProductFeatures, cache: Path, out: Path
) -> None:
    """Export a model's query path where `out` holds no usable export of it.

    `features` are those of the data set's products, in a cache folder. Raises ExportError where
    the model's text encoder cannot be exported.
    """
    with suppress(ExportError):
        open_query_encoder(out, model_key=model.manifest.run_key)
        require_files(out, EXPORT, EVERYTHING)
        return
    shutil.rmtree(out, ignore_errors=True)
    config, texts = ExportConfig(), list(PROBES)
    with suppress(ExportError):  # a shop of images alone has no text
        texts = check_texts(dataset, config.num_texts)
    items = np.random.default_rng(0).permutation(len(features.image))[:CHECK_PRODUCTS]
    products_NP = model.encode_for_index(features, items).fused
    on_cpu = model if pick_device(model.device).type == "cpu" else load(model.folder, "cpu")
    export_graph(on_cpu, texts, products_NP, out, config, cache)


def export_graph(
    model: Retriever,
    texts: Sequence[str],
    product_NP: np.ndarray,
    out: Path,
    config: ExportConfig,
    cache: Path | None = None,
) -> ExportManifest:
    """Export a model, its query path checked on the texts against the product vectors.

    Graphs of the encoders that a feature cache has are taken from it.
    """
    _require_place(out)
    with new_folder(out) as made:
        return _write_export(model, Reference.of(model, texts, product_NP), made, config, cache)


def render_export(manifest: ExportManifest) -> Table:
    """The checks of an export for the terminal."""
    on = manifest.checked_on
    title = f"against the model, {on['texts']} texts, {on['products']} products"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("graph", "mean cosine", "lowest cosine", "top-10 overlap", "MB"):
        table.add_column(name, justify="left" if name == "graph" else "right")
    for name, check in manifest.checks.items():
        closeness = Closeness(**check)
        table.add_row(
            name,
            f"{closeness.mean_cosine:.4f}",
            f"{closeness.min_cosine:.4f}",
            f"{closeness.top10_overlap:.3f}",
            f"{closeness.megabytes:.1f}",
        )
    return table


def check_texts(dataset: Dataset, count: int) -> list[str]:
    """Up to `count` of a data set's query texts, or of its titles where it has no text query."""
    for table, column in ((dataset.queries, "query"), (dataset.products, "title")):
        texts = table[column].drop_nulls().str.strip_chars()
        texts = texts.filter(texts != "").unique(maintain_order=True)
        if len(texts):
            return texts.sample(min(count, len(texts)), seed=0, shuffle=True).to_list()
    raise ExportError(f"{dataset.root}: has no query text and no title to check an export on.")


def write_query_graph(model: Retriever, path: Path) -> None:
    """Write the fp32 graph, for any batch size and length."""
    write_token_graph(QueryPath(model.text, model.towers), model.text, path, "query")


def quantise(graph: Path, path: Path) -> None:
    """Write the graph with its weight matrices in int8, a scale for each column."""
    content = onnx.load(graph)
    weights = {part.name for part in content.graph.initializer}
    nodes = [
        f"{node.name}_MatMul" if node.op_type == "Gemm" else node.name  # as the quantiser calls it
        for node in content.graph.node
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in weights
    ]
    assert nodes  # an empty list would mean all
    add_pre_process_metadata(content)  # else onnxruntime prints a warning
    quantize_dynamic(
        content,
        path,
        op_types_to_quantize=["MatMul"],
        nodes_to_quantize=nodes,
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


@dataclass(frozen=True, slots=True)
class Reference:
    """Vectors and best products by torch, which graphs are checked against."""

    texts: Sequence[str]
    query_QP: np.ndarray
    product_NP: np.ndarray
    searchable_N: np.ndarray
    top_QK: np.ndarray

    @classmethod
    def of(cls, model: Retriever, texts: Sequence[str], product_NP: np.ndarray) -> "Reference":
        """Encode the texts and search with them."""
        query_QP = model.encode_queries(texts)
        searchable_N = np.any(product_NP, axis=1)
        top_QK = nearest(query_QP, product_NP, TOP, searchable_N).rows
        return cls(texts, query_QP, product_NP, searchable_N, top_QK)

    def closeness(self, graph: Path, tokenizer: Path) -> Closeness:
        """Compare a graph's vectors, of each text alone and of batches, with torch's."""
        encoder = QueryGraph(graph, tokenizer)
        ids = encoder.tokenise(self.texts)
        overlaps, cosines = [], []
        for size in (1, CHECK_BATCH):
            runs = [encoder.run(ids[i : i + size]) for i in range(0, len(ids), size)]
            found_QP = np.concatenate(runs)
            cosines.append((found_QP * self.query_QP).sum(axis=1))
            found_QK = nearest(found_QP, self.product_NP, TOP, self.searchable_N).rows
            overlaps.append([_shared(*pair) for pair in zip(found_QK, self.top_QK, strict=True)])
        return Closeness(
            mean_cosine=float(np.mean(cosines)),
            min_cosine=float(np.min(cosines)),
            top10_overlap=float(np.mean(overlaps)),
            megabytes=graph.stat().st_size / 1e6,
        )


def _shared(found_K: np.ndarray, expected_K: np.ndarray) -> float:
    """Share of the expected rows that were found; -1 is no row."""
    expected = set(expected_K.tolist()) - {-1}
    return len(expected.intersection(found_K.tolist())) / len(expected) if expected else 1.0


def _write_export(
    model: Retriever, reference: Reference, folder: Path, config: ExportConfig, cache: Path | None
) -> ExportManifest:
    tokenizer = folder / TOKENIZER_FILE
    max_tokens = write_tokenizer(model.text, tokenizer)
    made = _make_graphs(model, folder, config)
    check_tokens(
        model.text, QueryGraph(made["fp32"], tokenizer), (*HARD_TEXTS, *PROBES, *reference.texts)
    )
    checks = {name: reference.closeness(graph, tokenizer) for name, graph in made.items()}
    kept = _choose(checks, config)
    made.pop(kept).rename(folder / GRAPH_FILE)
    for graph in made.values():
        graph.unlink()
    encoders, reason = _write_products(model, folder, cache)
    if encoders is not None:
        share_weights(folder / TEXT_FILE, folder / GRAPH_FILE, folder / TEXT_WEIGHTS)
        share_weights(folder / PRODUCTS_FILE, folder / SHOWN_FILE, folder / TOWER_WEIGHTS)
    np.save(folder / PROBES_FILE, probe_vectors(QueryGraph(folder / GRAPH_FILE, tokenizer)))
    manifest = ExportManifest(
        model_key=model.manifest.run_key,
        precision=kept,
        width=model.width,
        max_tokens=max_tokens,
        checks={name: asdict(check) for name, check in checks.items()},
        bars={"mean_cosine": config.min_cosine, "top10_overlap": config.min_overlap},
        checked_on={"texts": len(reference.texts), "products": len(reference.product_NP)},
        files=describe_files(folder),
        versions={name: version(name) for name in PACKAGES},
        encoders=encoders,
        queries_alone=reason,
    )
    write_manifest(folder, manifest, EXPORT)
    return manifest


def _write_products(
    model: Retriever, folder: Path, cache: Path | None
) -> tuple[dict[str, Any] | None, str]:
    """Write what encodes products, as far as it can be; returns the manifest's part, or why not."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch)
        try:
            about = write_products(model, made, cache)
            shutil.copy(folder / TOKENIZER_FILE, made)
            check_products(model, ExportedModel.of(made, model.run_key, model.width, about))
        except (StorageError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 (encoders of any make are traced and run here)
            return None, first_line(error)
        for path in made.glob("*.onnx"):
            path.rename(folder / path.name)
    return about, ""


def _make_graphs(model: Retriever, folder: Path, config: ExportConfig) -> dict[Precision, Path]:
    made: dict[Precision, Path] = {"fp32": folder / "fp32.onnx"}
    write_query_graph(model, made["fp32"])
    if config.int8:
        made["int8"] = folder / "int8.onnx"
        quantise(made["fp32"], made["int8"])
    return made


def _choose(checks: dict[Precision, Closeness], config: ExportConfig) -> Precision:
    """Return int8 if it is close enough; raises ExportError where fp32 is not."""
    lowest = checks["fp32"].min_cosine
    if not lowest >= EXACT_COSINE:  # so that NaN is refused too
        raise ExportError(
            f"the exported graph differs from the model (lowest cosine {lowest:.4f}). "
            "This text encoder cannot be exported."
        )
    return "int8" if "int8" in checks and config.allows(checks["int8"]) else "fp32"


def _require_place(out: Path) -> None:
    if out.exists() and not (out / EXPORT.file).is_file():
        raise ExportError(f"{out}: exists and is no export. Choose another --out.")
