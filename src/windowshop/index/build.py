"""Build the next generation of an index from a catalogue."""

import shutil
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from windowshop.data import Dataset, attribute_columns, fill_attributes
from windowshop.engines import EngineSpec, VectorSpec, choose
from windowshop.errors import ConfigError
from windowshop.files import (
    DEFAULT_CACHE,
    EVERYTHING,
    EXPORT,
    MODEL,
    require_files,
    write_manifest,
)
from windowshop.index.catalogue.restore import Encoded, fill
from windowshop.index.catalogue.snapshot import write_snapshot
from windowshop.index.catalogue.state import empty_state
from windowshop.index.catalogue.vector_store import VectorStore
from windowshop.index.folder import building, link_same, next_name
from windowshop.index.merge import Staging
from windowshop.index.open import GENERATION, MODEL_FOLDER, GenerationManifest
from windowshop.index.product_table import ProductTable
from windowshop.index.rows import plain
from windowshop.index.vector_names import (
    FUSED_VECTOR,
    IMAGE_VECTOR,
    gate_columns,
    vectors_by_name,
)
from windowshop.model import EXPORT_FOLDER, ExportedModel
from windowshop.progress import SILENT, Reporter
from windowshop.registry import ENGINES

if TYPE_CHECKING:
    from windowshop.encoders import ProductFeatures
    from windowshop.model import Retriever


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexConfig:
    """Settings of a build."""

    engine: str = "auto"
    """Vector engine; `auto` chooses by the number of products."""
    storage: str = "auto"
    """Form of vectors that the engine searches; `auto` takes the engine's default."""
    width: int = 0
    """Numbers kept of a `fused` vector, one of the model's Matryoshka widths; 0 keeps all."""
    chunk_rows: int = 20_000
    """Products whose vectors are in memory at a time."""

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if self.engine != "auto":
            ENGINES.require(self.engine)
        if self.chunk_rows < 1:
            raise ConfigError(f"chunk_rows={self.chunk_rows} must be at least 1.")

    def spec(self, num_products: int, widths: dict[str, int]) -> EngineSpec:
        """Return the settings of the engine; `widths` is by vector name."""
        widths = widths | ({FUSED_VECTOR: self.width} if self.width else {})
        chosen = choose(num_products, widths)
        kind = chosen.kind if self.engine == "auto" else self.engine
        if kind == chosen.kind and self.storage == "auto":
            return chosen
        storage = ENGINES[kind].storages[0] if self.storage == "auto" else self.storage
        vectors = {name: VectorSpec(width=width, storage=storage) for name, width in widths.items()}
        return replace(chosen, kind=kind, vectors=vectors)


def build_index(
    model: "Retriever | ExportedModel",
    dataset: Dataset,
    out: str | Path,
    cache_folder: Path = DEFAULT_CACHE,
    reporter: Reporter = SILENT,
    config: IndexConfig | None = None,
) -> GenerationManifest:
    """Encode a data folder as the next generation of the index at `out`, and switch to it.

    By graphs (`windowshop.model.load_encoder`), no torch is needed.

    Products that are not in the data are deleted, unless they were written during the build: what
    is written meanwhile wins. The previous generation stays for a rollback. A kill leaves the index
    as it was. Raises IndexFolderError where `out` is no index.
    """
    with (
        building(Path(out)) as generations,
        closing(ProductTable(generations.index)) as products,
    ):
        began = time.time()
        before, name = generations.current, next_name(generations)
        path = generations.path(name)
        with closing(Staging(path, products)) as staging:
            features = model.read_products(dataset.products, dataset.root, cache_folder, reporter)
            shutil.copytree(model.folder, path / MODEL_FOLDER)
            require_files(path / MODEL_FOLDER, MODEL, EVERYTHING)
            earlier = None if before is None else generations.path(before)
            _require_graphs(path, model, dataset, features, cache_folder, earlier)
            if earlier is not None:
                link_same(path / MODEL_FOLDER, earlier / MODEL_FOLDER)
            manifest = _fill(
                path, model, dataset, features, staging, reporter, config or IndexConfig()
            )
            manifest = replace(manifest, cache=str(cache_folder.resolve()), began=began)
            write_manifest(path, manifest, GENERATION)
            staging.merge(name)
    return manifest


def _require_graphs(
    path: Path,
    model: "Retriever | ExportedModel",
    dataset: Dataset,
    features: "ProductFeatures",
    cache: Path,
    earlier: Path | None,
) -> None:
    """Require the model's export in a generation; the model in torch makes it where there is none.

    `earlier` is a generation whose export may be the model's too.
    """
    export = path / MODEL_FOLDER / EXPORT_FOLDER
    if isinstance(model, ExportedModel):  # copied with the model folder
        require_files(export, EXPORT, EVERYTHING)
        return
    from windowshop.model import provide_export

    if earlier is not None and not export.exists():
        shutil.copytree(earlier / MODEL_FOLDER / EXPORT_FOLDER, export)
    provide_export(model, dataset, features, cache, export)


def _fill(
    path: Path,
    model: "Retriever | ExportedModel",
    dataset: Dataset,
    features: "ProductFeatures",
    staging: Staging,
    reporter: Reporter,
    config: IndexConfig,
) -> GenerationManifest:
    """Fill a generation with a data folder's products; returns its manifest."""
    if config.width not in (0, *model.widths):
        raise ConfigError(
            f"width={config.width} is not a width that the model was trained for. "
            f"Choose one of: {', '.join(map(str, model.widths))}."
        )
    widths = {FUSED_VECTOR: model.width}
    if model.image_width is not None:
        widths[IMAGE_VECTOR] = model.image_width
    products = dataset.products
    columns = attribute_columns(products)
    spec, unsearchable = config.spec(len(products), widths), 0
    state = empty_state(path / "engine-1", spec)
    with closing(VectorStore(path)) as store, closing(state.engine):
        with reporter.bar("Fill the index", len(products)) as advance:
            for start in range(0, len(products), config.chunk_rows):
                rows = plain(products[start : start + config.chunk_rows])
                made = model.encode_for_index(features, np.arange(start, start + len(rows)))
                encoded = Encoded(vectors_by_name([made]), gate_columns([made]))
                fill(state, store, fill_attributes(rows, columns), staging.add(rows), encoded)
                unsearchable += int((~np.any(made.fused, axis=1)).sum())
                advance(len(rows), "")
        state.engine.optimise()
        state.engine.flush()
        state.seq = staging.begin
        write_snapshot(path, state.snapshot(), state.engine.fixed_files(state.columns.num_keys))
    return GenerationManifest(
        model_key=model.run_key,
        num_products=len(products),
        width=model.width,
        image_width=model.image_width,
        data_root=str(dataset.root.resolve()),
        broken_images=dict(features.broken_images),
        unsearchable=unsearchable,
        attributes=[asdict(column) for column in columns],
        language=dataset.language,
        declared={name: asdict(rule) for name, rule in dataset.rules.columns.items()},
        roles=dataset.rules.column_roles.of_index(products.columns, columns),
        engine=asdict(spec),
    )
