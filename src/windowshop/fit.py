"""`windowshop train` as one function: data folder -> model folder."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from windowshop.batches import ProductSource, QuerySource
from windowshop.catalog import Dataset
from windowshop.checkpoint import Manifest, load_manifest, save_model
from windowshop.config import FUSED, TrainConfig, to_dict
from windowshop.encoders import load_image_encoder, load_text_encoder
from windowshop.errors import DataError, ModelError
from windowshop.features import FeatureCache, product_features, query_features
from windowshop.manifests import MANIFEST_FILE
from windowshop.objectives import TrainingData
from windowshop.pairs import make_pairs
from windowshop.progress import Reporter
from windowshop.retrieval import DevCheck, make_dev_check
from windowshop.towers import TwoTower
from windowshop.train import Trainer, TrainState

SCALE_SAMPLE = 20_000
"""Products whose features set the scale of the projections."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What all systems of one `fit` share."""

    config: TrainConfig
    data: TrainingData
    check: DevCheck | None
    cache: FeatureCache
    hashes: dict[str, str]
    """Content hashes of the tables, and of all photos together."""
    key: str
    reporter: Reporter


def fit(
    dataset: Dataset, out: Path, config: TrainConfig, cache_folder: Path, reporter: Reporter
) -> Manifest:
    """Train the model and its baselines and write the model folder.

    Work is kept in a hidden folder beside `out` until it is whole, so a killed run goes on where it
    stopped. A finished folder made from the same data and settings is left as it is; any other
    existing `out` raises ModelError, and so does a second `fit` to the same `out` meanwhile.
    """
    if out.exists() and not (out / MANIFEST_FILE).is_file():
        raise ModelError(f"{out}: already exists and is no model. Choose another --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = out.parent / f".{out.name}.lock"
    try:
        with FileLock(lock, timeout=0):
            try:
                return _fit_locked(dataset, out, config, cache_folder, reporter)
            finally:
                lock.unlink()
    except Timeout:
        raise ModelError(
            f"{out}: another training is writing it. Wait for that one, or choose another --out."
        ) from None


def _fit_locked(
    dataset: Dataset, out: Path, config: TrainConfig, cache_folder: Path, reporter: Reporter
) -> Manifest:
    run = _prepare(dataset, config, cache_folder, reporter)
    if out.exists():
        return _finished(out, run.key, reporter)
    work = out.parent / f".{out.name}.partial"
    _keep_only(work, run.key, reporter)
    if run.check is None and len(run.data.pairs):
        reporter.note("No judged dev queries: the last weights are kept, not the best on dev.")
    systems, states = {}, {}
    for name in (FUSED, *config.baselines):
        if name == FUSED or _can_train(name, run.data.products):
            systems[name], states[name] = _train_system(run, name, work / f"{name}.safetensors")
    finished = work / "model"
    shutil.rmtree(finished, ignore_errors=True)
    manifest = _describe(run, len(dataset.qrels), systems, states)
    save_model(finished, config, manifest, systems, (run.cache.text, run.cache.image))
    finished.rename(out)
    shutil.rmtree(work)
    return manifest


def _prepare(dataset: Dataset, config: TrainConfig, cache_folder: Path, reporter: Reporter) -> _Run:
    """Encode what is not encoded yet, and refuse data that nothing can be learned from."""
    pairs = make_pairs(dataset, "train")
    cache = FeatureCache(
        load_text_encoder(config.text_encoder, config.device),
        load_image_encoder(config.image_encoder, config.device),
        cache_folder,
    )
    root = dataset.root
    products = ProductSource(product_features(dataset.products, root, cache, reporter))
    queries = QuerySource(query_features(dataset.queries, root, cache, reporter))
    _require_signal(dataset, products, len(pairs), reporter)
    photos = {
        "product_photos": products.features.image.digest,
        "query_photos": queries.features.image.digest,
    }
    hashes = {**dataset.hashes(), **photos}
    return _Run(
        config=config,
        data=TrainingData(products, queries, pairs),
        check=make_dev_check(dataset, products, queries, config.dev_products, config.seed),
        cache=cache,
        hashes=hashes,
        key=_run_key(config, hashes, cache),
        reporter=reporter,
    )


def _describe(
    run: _Run,
    num_qrels: int,
    systems: Mapping[str, TwoTower],
    states: Mapping[str, TrainState],
) -> Manifest:
    products, queries = run.data.products, run.data.queries
    check = run.check
    return Manifest(
        run_key=run.key,
        data=run.hashes,
        counts={
            "products": len(products),
            "products_with_photo": int(products.has_image.sum()),
            "training_queries": len(run.data.pairs),
            "qrels": num_qrels,
        },
        broken_images=dict(products.features.broken_images + queries.features.broken_images),
        seed=run.config.seed,
        text_width=run.cache.text.width,
        image_width=run.cache.image.width,
        text_encoder=run.cache.text.fingerprint,
        image_encoder=run.cache.image.fingerprint,
        dev={name: check(model) for name, model in systems.items()} if check else {},
        history={name: state.history for name, state in states.items()},
    )


def _train_system(run: _Run, name: str, state_file: Path) -> tuple[TwoTower, TrainState]:
    config = run.config
    shape = config.model.for_system(name)
    query_features = run.data.queries.features
    torch.manual_seed(config.seed)
    model = TwoTower(shape, query_features.text.width, query_features.image.width)
    _fit_scales(model, run.data.products, config.seed)
    trainer = Trainer(
        config=config,
        data=run.data,
        check=run.check,
        text_weight=run.check.best_text_weight if run.check else None,
        state_file=state_file,
        reporter=run.reporter,
    )
    return model, trainer.run(model, name)


def _fit_scales(model: TwoTower, source: ProductSource, seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = np.arange(len(source))
    if len(items) > SCALE_SAMPLE:
        items = np.sort(rng.choice(items, SCALE_SAMPLE, replace=False))
    sample = source.batch(items)
    for projection, features, has in (
        (model.text, sample.text_BH, sample.has_B2[:, 0]),
        (model.image, sample.image_BH, sample.has_B2[:, 1]),
    ):
        if has.any():
            projection.fit_scale(features[has > 0])


def _require_signal(
    dataset: Dataset, products: ProductSource, num_queries: int, reporter: Reporter
) -> None:
    """Refuse data that no stage can learn from; say which stages are left out."""
    for note in dataset.notes:
        reporter.note(note)
    for kind, count in products.features.broken_images.items():
        reporter.note(
            f"Product photos that cannot be used ({kind}): {count}. Their text stands in."
        )
    if not (products.has_text | products.has_image).any():
        raise DataError(
            f"{dataset.root}: nothing to train from: no product has text or a usable photo. "
            "`windowshop check` lists what is wrong."
        )
    if not products.has_image.any():
        reporter.note("No product has a usable photo: the model reads text only.")
    if num_queries == 0:
        if products.has_both.sum() < 2:
            raise DataError(
                f"{dataset.root}: nothing to train from: no judged training query, and fewer than "
                "two products with both text and a photo. Add queries with split=train and qrels "
                "for them, or photos."
            )
        reporter.note(
            "No judged training queries: only the domain stage (product text and photo) is trained."
        )


def _can_train(name: str, products: ProductSource) -> bool:
    """Whether a baseline has anything to retrieve by."""
    present = {"text_only": products.has_text, "image_only": products.has_image}.get(name)
    return present is None or bool(present.any())


def _finished(out: Path, key: str, reporter: Reporter) -> Manifest:
    manifest = load_manifest(out)
    if manifest.run_key == key:
        reporter.note(f"{out} was trained from the same data and settings; nothing to do.")
        return manifest
    raise ModelError(
        f"{out}: already exists and was made from other data or settings. "
        "Choose another --out, or remove it."
    )


def _keep_only(work: Path, key: str, reporter: Reporter) -> None:
    """Make the work folder of this run, dropping what another data set or config left there."""
    key_file = work / "run_key"
    if work.exists() and (not key_file.is_file() or key_file.read_text() != key):
        reporter.note("Data or settings changed since the unfinished run; starting afresh.")
        shutil.rmtree(work)
    elif work.exists():
        reporter.note("Going on with the unfinished run.")
    work.mkdir(parents=True, exist_ok=True)
    key_file.write_text(key)


def _run_key(config: TrainConfig, hashes: dict[str, str], cache: FeatureCache) -> str:
    content = [to_dict(config), hashes, cache.text.fingerprint, cache.image.fingerprint]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
