"""`windowshop train` as one function: data folder -> model folder."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from windowshop._version import __version__
from windowshop.config import FUSED, TrainConfig
from windowshop.data import Dataset
from windowshop.encoders import FeatureCache
from windowshop.errors import ConfigError, ModelError, named_shortage
from windowshop.files import (
    DEFAULT_CACHE,
    EVERYTHING,
    MANIFEST_FILE,
    MODEL,
    file_hash,
    locked,
    place_folder,
    require_files,
    write_atomic,
)
from windowshop.model import (
    Manifest,
    ProductSource,
    System,
    environment,
    load_manifest,
    save_model,
)
from windowshop.progress import SILENT, Reporter
from windowshop.settings import to_dict
from windowshop.training.distributed import (
    from_first,
    in_turn,
    is_first,
    joined,
    require_same,
    size,
)
from windowshop.training.prepared_data import (
    PreparedData,
    open_cache,
    prepare,
    scale_sample,
    with_generated,
)
from windowshop.training.schedule import scheduled
from windowshop.training.stages import Trained, train_system
from windowshop.training.state import TrainState

ENCODERS = "the text encoder as it comes"
TEXT_ALONE = -50.0
"""Midpoint of a query weight that gives every query to the text tower."""


def train(
    dataset: Dataset,
    out: str | Path,
    config: TrainConfig | None = None,
    cache_folder: Path = DEFAULT_CACHE,
    reporter: Reporter = SILENT,
) -> Manifest:
    """Train the model and its baselines and write the model folder.

    Work is kept in a hidden folder beside `out` until it is whole, so a killed run goes on where it
    stopped. A finished folder made from the same data and settings is left as it is; any other
    existing `out` raises ModelError, and so does a second `train` to the same `out` meanwhile.
    Processes that torchrun started train together; the first one needs `out`, all of them the data.
    """
    out, config = Path(out), config or TrainConfig(schedule="auto")
    with joined(config.device):
        if is_first():
            return _fit_first(dataset, out, config, cache_folder, reporter)
        return _fit(dataset, out, config, cache_folder, SILENT)


def _fit_first(
    dataset: Dataset, out: Path, config: TrainConfig, cache_folder: Path, reporter: Reporter
) -> Manifest:
    """Fit with the model folder locked."""
    if out.exists() and not (out / MANIFEST_FILE).is_file():
        raise ModelError(f"{out}: already exists and is no model. Choose another --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = out.parent / f".{out.name}.lock"
    taken = ModelError(
        f"{out}: another training is writing it. Wait for that one, or choose another --out."
    )
    with locked(lock, taken):
        try:
            return _fit(dataset, out, config, cache_folder, reporter)
        finally:
            lock.unlink()


def _fit(
    dataset: Dataset, out: Path, config: TrainConfig, cache_folder: Path, reporter: Reporter
) -> Manifest:
    """Train; the first process reads and writes what is at `out`."""
    if is_first():
        require_negatives(config)
    started = environment()  # of the code that trains, whatever is checked out meanwhile
    is_auto = config.schedule == "auto"
    config = scheduled(config, dataset, reporter)
    _require_shareable(config)
    with in_turn():
        prepared = prepare(dataset, config, open_cache(config, cache_folder), reporter)
    key = from_first(lambda: _run_key(config, prepared.hashes, prepared.cache))
    work = out.parent / f".{out.name}.partial"
    finished = from_first(lambda: _finished(out, key, work, reporter))
    if finished is not None:
        return Manifest(**finished)
    if is_first():
        _keep_only(work, key, reporter)
    if prepared.dev_scorer is None and len(prepared.data.pairs):
        reporter.note("No judged dev queries: the last weights are kept, not the best on dev.")
    if config.generated_queries:
        with in_turn():
            prepared = with_generated(prepared, config)
    require_same("training data", _digest(prepared))
    trained = {
        name: train_system(prepared, config, name, work)
        for name in (FUSED, *config.baselines)
        if name == FUSED or _can_train(name, prepared.data.products)
    }
    served = FUSED
    if is_auto and prepared.dev_scorer is not None:
        served = serve_best(trained, text_encoder_alone(prepared, config), reporter)
    manifest = replace(
        _describe(prepared, config, key, trained), environment=started, served=served
    )
    if is_first():
        _write(out, work, config, manifest, trained)
    return manifest


def _write(
    out: Path, work: Path, config: TrainConfig, manifest: Manifest, trained: Mapping[str, Trained]
) -> None:
    finished = work / "model"
    shutil.rmtree(finished, ignore_errors=True)
    with named_shortage(out):
        systems = {name: item.system for name, item in trained.items()}
        save_model(finished, config, manifest, systems)
        place_folder(finished, out)
    shutil.rmtree(work)


def serve_best(trained: Mapping[str, Trained], encoders: Trained, reporter: Reporter) -> str:
    """Let a better text tower answer texts where dev prefers it; returns the name of what serves.

    The model's own mixture goes on to answer images. Under a fusion without a text projection of
    its own there is no such place, so the trained model stays, and a note says what dev prefers.
    """
    best = best_on_dev({**trained, ENCODERS: encoders})
    if best == FUSED:
        return FUSED
    towers = trained[FUSED].system.towers
    own_text, weight = towers.fusion.own_text, towers.fusion.query_weight
    text_tower = {"text_only": trained.get("text_only"), ENCODERS: encoders}.get(best)
    if text_tower is None or own_text is None or weight is None:
        reporter.note(f"On dev the trained model is not ahead of {best}; it is served even so.")
        return FUSED
    reporter.note(f"On dev the trained model is not ahead of {best}, which now answers texts.")
    own_text.load_state_dict(text_tower.system.towers.text.state_dict())
    weight.calibrate(1.0, TEXT_ALONE)
    return best


def best_on_dev(trained: Mapping[str, Trained]) -> str:
    """Return the name of the system that is best on dev: the model, if it is ahead of the others.

    Without dev it is the model.
    """
    score = {name: item.dev["score"] for name, item in trained.items() if item.dev is not None}
    return max(score, key=lambda name: (score[name], name != FUSED)) if score else FUSED


def text_encoder_alone(prepared: PreparedData, config: TrainConfig) -> Trained:
    """Return the text encoder as it comes, as a system: what no training may fall below."""
    model = prepared.new_model(config.model.for_system("text_only"), config.seed)
    source = prepared.data.products
    rows = scale_sample(np.flatnonzero(source.has_text), config.seed)
    if len(rows):
        model.text.keep_distances(source.batch(rows).text_BH)
    dev = prepared.dev_scorer(model) if prepared.dev_scorer else None
    system = System(model, prepared.cache.text, prepared.cache.image)
    return Trained(system, TrainState(), dev, prepared)


def require_negatives(config: TrainConfig) -> None:
    """Raise ConfigError where the config names a table of negatives that is not there."""
    if config.negatives_file and not Path(config.negatives_file).is_file():
        raise ConfigError(
            f"negatives_file={config.negatives_file!r}: there is no such file. Write one with "
            "`windowshop mine-negatives`."
        )


def _require_shareable(config: TrainConfig) -> None:
    """Raise ConfigError where several processes cannot train by the settings."""
    if size() == 1:
        return
    if config.trains_encoders:
        raise ConfigError(
            f"stages with fine_tuning train in one process, and these are {size()}: start without "
            "torchrun, or leave fine_tuning out of the stages (--preset lora has it)."
        )
    if size() > config.batch_shards:
        raise ConfigError(
            f"{size()} processes share a batch of batch_shards={config.batch_shards} parts. Set "
            "batch_shards to their number or more, or start fewer."
        )


def _digest(prepared: PreparedData) -> str:
    """Hash what batches are drawn from."""
    pairs, hashes = prepared.data.pairs, sorted(prepared.hashes.items())
    digest = hashlib.sha256(json.dumps([hashes, __version__]).encode())
    for values in (pairs.query, pairs.start, pairs.product, pairs.grade, pairs.group):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _describe(
    prepared: PreparedData, config: TrainConfig, key: str, trained: Mapping[str, Trained]
) -> Manifest:
    products, queries = prepared.data.products, prepared.data.queries
    fused = trained[FUSED].system
    text, image = fused.text.layout, fused.image.layout
    return Manifest(
        run_key=key,
        data=prepared.hashes,
        counts={
            "products": len(products),
            "products_with_photo": int(products.has_image.sum()),
            "training_queries": len(prepared.data.pairs),
            "qrels": len(prepared.dataset.qrels),
        },
        broken_images=dict(products.features.broken_images + queries.features.broken_images),
        seed=config.seed,
        text_segments=list(text.segments),
        image_segments=list(image.segments),
        text_tokens=[text.num_tokens, text.token_width],
        image_tokens=[image.num_tokens, image.token_width],
        text_encoder=fused.text.fingerprint,
        image_encoder=fused.image.fingerprint,
        dev={name: item.dev for name, item in trained.items() if item.dev is not None},
        history={name: item.state.history for name, item in trained.items()},
    )


def _can_train(name: str, products: ProductSource) -> bool:
    """Return whether a baseline has anything to retrieve by."""
    present = {"text_only": products.has_text, "image_only": products.has_image}.get(name)
    return present is None or bool(present.any())


def _finished(out: Path, key: str, work: Path, reporter: Reporter) -> dict[str, Any] | None:
    """Return the manifest of a model that this training has made; None where there is none yet."""
    if not out.exists():
        return None
    manifest = load_manifest(out)
    if manifest.run_key == key:
        require_files(out, MODEL, EVERYTHING)
        reporter.note(f"{out} was trained from the same data and settings; nothing to do.")
        shutil.rmtree(work, ignore_errors=True)  # of a run that died once the folder had its name
        return asdict(manifest)
    raise ModelError(
        f"{out}: already exists and was made from other data or settings, or by another version. "
        "Choose another --out, or remove it."
    )


def _keep_only(work: Path, key: str, reporter: Reporter) -> None:
    """Make the work folder of this run, dropping what another data set or config left there."""
    key_file = work / "run_key"
    if work.exists() and (not key_file.is_file() or key_file.read_bytes() != key.encode()):
        reporter.note("Starting afresh: the unfinished run had other data, settings or version.")
        shutil.rmtree(work)
    elif work.exists():
        reporter.note("Going on with the unfinished run.")
        return
    write_atomic(key_file, lambda path: path.write_text(key), "--out")


def _run_key(config: TrainConfig, hashes: dict[str, str], cache: FeatureCache) -> str:
    encoders = cache.text.fingerprint, cache.image.fingerprint
    content = [__version__, to_dict(config), hashes, *encoders]
    if config.negatives_file:
        content.append(file_hash(Path(config.negatives_file)))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
