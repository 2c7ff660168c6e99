"""Training of a study's variants; stages that variants share are trained once.

The stages before the fused one do not depend on the fusion, except through a guide. Variants
without a guide that differ only in the fusion or in the fused stage start from the same weights.
Training each alone would give the same: a step's randomness depends on seed, stage and step only.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from windowshop.config import FUSED, SINGLE, LossConfig, ModelConfig, TrainConfig
from windowshop.errors import ModelError
from windowshop.files import read_sealed, write_atomic, write_sealed
from windowshop.model import StageContext, TwoTower
from windowshop.settings import to_dict
from windowshop.study.memory import peak_memory_mb, reset_peak
from windowshop.training import (
    PreparedData,
    TrainingJob,
    TrainState,
    load_state,
    part,
    run_stages,
    save_state,
    train_system,
)

MEMORY_SUFFIX = ".memory"
LOCK_SUFFIX = ".lock"
SHARED_FUSION = "average"
"""Fusion that shared stages are trained with; any that reads both modalities would do."""
FUSED_TERMS = (
    *("masked", "photo_product", "gate_balance"),
    *("drop_image", "drop_text", "wrong_image"),
)
"""Loss settings that the stages before the fused one do not read."""


@dataclass(frozen=True, slots=True)
class Trained:
    """One variant, trained with one seed."""

    model: TwoTower
    state: TrainState
    memory_mb: float | None
    """Peak memory while it was trained."""
    prepared: PreparedData
    """Data that it was trained on, encoded by the encoders that it trained, if any."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Trainings shared by many data sets of one catalogue, which differ in training judgements.

    A domain stage reads neither queries nor their judgements, and is trained once for all. With it
    a text tower of a fusion's own is the text-only variant of the same stages.
    """

    folder: Path
    """Folder of the shared domain stages."""
    key: str
    """Name of the catalogue and of the dev judgements."""


def train_variant(
    prepared: PreparedData,
    config: TrainConfig,
    key: str,
    folder: Path,
    sharing: Sharing | None = None,
) -> Trained:
    """Train one config; `key` names the data, and `folder` keeps the state and the weights.

    A config whose weights are there is only loaded. Of several processes that train the same
    config, one trains and the others wait; with `sharing` the folder is one process' own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoders = (
        prepared.cache.text.fingerprint,
        prepared.cache.image.fingerprint,
    )  # with tokens or without
    own = digest(key, *encoders, to_dict(config))
    with FileLock(folder / f"{own}{LOCK_SUFFIX}"):
        if config.trains_encoders:
            return _train_with_encoders(prepared, config, folder / f"tuned-{own}")
        state_file, text_file = folder / f"state-{own}.safetensors", None
        if sharing is not None:
            text = replace(config, model=config.model.for_system("text_only"))
            text_file = folder / f"state-{digest(key, *encoders, to_dict(text))}.safetensors"
        num_shared = 0 if config.loss.guide_margin > 0 else shared_stages(config)
        if not num_shared:
            return _train(prepared, config, state_file, len(config.stages), text_file)
        start = folder / f"shared-{digest(key, shared_part(config, num_shared))}.safetensors"
        if not state_file.exists():
            if sharing is not None and config.stages[0].name == "domain":
                _start_shared(prepared, config, start, sharing)
            _train_shared(prepared, config, start, num_shared)
            _start_from(start, prepared.new_model(config.model, config.seed), state_file)
        trained = _train(prepared, config, state_file, len(config.stages), text_file)
        peaks = [p for p in (trained.memory_mb, _kept_peak(start)) if p is not None]
        return replace(trained, memory_mb=max(peaks) if len(peaks) == 2 else None)


def shared_stages(config: TrainConfig) -> int:
    """Count the first stages that do not depend on the fusion; 0 for one of a single modality."""
    if config.model.fusion in SINGLE:
        return 0
    names = [stage.name for stage in config.stages]
    return names.index("fused") if "fused" in names else 0


def shared_part(config: TrainConfig, num_shared: int) -> dict[str, Any]:
    """Return the settings that the shared stages depend on."""
    model = replace(config.model, fusion=SHARED_FUSION, fusion_hidden=ModelConfig().fusion_hidden)
    plain = LossConfig()
    loss = replace(config.loss, **{name: getattr(plain, name) for name in FUSED_TERMS})
    return to_dict(replace(config, model=model, loss=loss, stages=config.stages[:num_shared]))


def digest(*parts: object) -> str:
    """Return a short hash of settings."""
    content = json.dumps(parts, sort_keys=True, default=list)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def _train_shared(
    prepared: PreparedData, config: TrainConfig, start: Path, num_shared: int
) -> None:
    """Train the stages before the fused one into `start`, unless that is done."""
    shared = replace(config, model=replace(config.model, fusion=SHARED_FUSION))
    with FileLock(start.with_suffix(LOCK_SUFFIX)):
        _train(prepared, shared, start, num_shared)


def _start_shared(
    prepared: PreparedData, config: TrainConfig, start: Path, sharing: Sharing
) -> None:
    """Begin `start` after a domain stage that other data sets share, trained here if need be."""
    domain = sharing.folder / f"domain-{digest(sharing.key, shared_part(config, 1))}.safetensors"
    _train_shared(prepared, config, domain, 1)
    if not start.exists():
        write_atomic(start, lambda aside: shutil.copyfile(domain, aside))


def _train(
    prepared: PreparedData,
    config: TrainConfig,
    state_file: Path,
    until: int,
    text_file: Path | None = None,
) -> Trained:
    model = prepared.new_model(config.model, config.seed)
    job = TrainingJob(
        prepared=prepared,
        config=config,
        name=config.model.fusion,
        state_file=state_file,
        text_file=text_file,
    )
    measured = reset_peak()
    state = run_stages(job, model, until)
    return Trained(model, state, _peak(state_file, measured=measured), prepared)


def _train_with_encoders(prepared: PreparedData, config: TrainConfig, work: Path) -> Trained:
    measured = reset_peak()
    trained = train_system(prepared, config, FUSED, work)
    memory_mb = _peak(work / "peak", measured=measured)
    return Trained(trained.system.towers, trained.state, memory_mb, trained.prepared)


def _peak(state_file: Path, *, measured: bool) -> float | None:
    """Return the peak memory of a training, kept beside its state for later loads."""
    if not state_file.with_suffix(MEMORY_SUFFIX).exists():
        peak = {"peak_mb": peak_memory_mb() if measured else None}
        write_sealed(state_file.with_suffix(MEMORY_SUFFIX), peak)
    return _kept_peak(state_file)


def _kept_peak(state_file: Path) -> float | None:
    path = state_file.with_suffix(MEMORY_SUFFIX)
    try:
        peak: float | None = read_sealed(path)["peak_mb"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{path}: cannot be read ({error}). Delete it and {state_file.name} beside it, and run "
            "the study again."
        ) from None
    return peak


def _start_from(start: Path, model: TwoTower, state_file: Path) -> None:
    """Save the shared stages' weights as the state of a model of another fusion."""
    state, tensors = load_state(start)
    of_fusion = ("fusion.", "text_tokens.", "image_tokens.")
    common = {n: t for n, t in part(tensors, "model").items() if not n.startswith(of_fusion)}
    model.load_state_dict(common, strict=False)
    # As each of those stages would have done.
    model.fusion.after_stage(StageContext(text=model.text))
    own = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    save_state(state_file, state, own)
