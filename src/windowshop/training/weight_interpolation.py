"""A stage that trains encoders, as a whole: train, choose the mix with the old weights, keep it.

Training encoders on one shop's data makes them forget; a mix of the weights before and after
(arXiv:2109.01903) often does better than both. Which one is chosen on dev, with towers and encoders
mixed alike, so that a share of 0 is the system as it was: a stage can never lose on dev.
"""

import copy
import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from windowshop.config import StageConfig, TrainConfig
from windowshop.data import FACTS
from windowshop.encoders import (
    MODALITIES,
    FeatureCache,
    ImageEncoder,
    TextEncoder,
    load_image_encoder,
    load_text_encoder,
    product_features,
    query_features,
)
from windowshop.errors import ModelError
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
from windowshop.model import ProductSource, QuerySource, TwoTower, needs_tokens
from windowshop.progress import SilentReporter
from windowshop.training.fine_tuning.encoded_batches import encoder_inputs
from windowshop.training.fine_tuning.stage_encoders import FineTuning
from windowshop.training.job import TrainingJob, begin_stage, run_stage
from windowshop.training.prepared_data import PreparedData, dev_scorer, with_encoders
from windowshop.training.state import TrainState, end_stage, load_state, part, save_state

TOWERS_FILE = "towers.safetensors"
STAGE = FolderKind(
    noun="what a stage trained",
    format="windowshop-stage/1",
    command="windowshop train",
    remedy="Delete its folder and run the same again: what it holds is trained afresh.",
    error=ModelError,
    file="choice.json",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageManifest:
    """Manifest of what a stage that trains encoders has chosen."""

    shares: list[dict[str, Any]]
    """Dev figures of each share of tuned weights, and whether it was chosen."""
    files: Files
    format: str = STAGE.format


def fine_tune_encoders(job: TrainingJob, model: TwoTower, place: int, folder: Path) -> None:
    """TrainingJob the stage at `place` on copies of the encoders; write what dev chose to `folder`.

    The folder holds both encoders, the towers, and the dev score of each share of tuned weights.
    """
    prepared, config, stage = job.prepared, job.config, job.config.stages[place]
    before = _weights_before(job, model, place)
    text, image = copy.deepcopy(prepared.cache.text), copy.deepcopy(prepared.cache.image)
    inputs = encoder_inputs(prepared.dataset, tuple(prepared.data.products.features.views))
    fine_tuning = FineTuning(prepared.data, inputs, (text, image), stage, config.seed)
    run_stage(job, model, place, fine_tuning)
    fine_tuning.finish()
    after = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    shares = (0.0, *sorted(stage.fine_tuning.weight_shares))
    figures: dict[float, dict[str, float]] = {}
    aside = folder.with_name(f"{folder.name}.features")
    if prepared.dev_scorer is not None:
        with prepared.reporter.bar(
            f"Choose weights of {job.name}: {stage.name}", len(shares)
        ) as advance:
            for share in shares:
                fine_tuning.interpolate(share)
                model.load_state_dict(_mixed(before, after, share))
                cache = _tried(prepared.cache, text, image, aside)
                figures[share] = _dev_figures(prepared, config, stage, model, cache)
                advance(1, f"{share:.2f} of the tuned weights: {figures[share]['score']:.4f}")
        shutil.rmtree(aside, ignore_errors=True)
    best = shares[-1]
    if figures:
        best = max(shares, key=lambda share: (figures[share]["score"], -share))
    fine_tuning.interpolate(best)
    choice = [
        {"share": share, "chosen": share == best, **figures.get(share, {})} for share in shares
    ]
    _save(folder, _mixed(before, after, best), (text, image), choice)


def load_fine_tuned(job: TrainingJob, model: TwoTower, place: int, folder: Path) -> TrainingJob:
    """End the stage with what `fine_tune_encoders` kept: the job on data through its encoders.

    `model` gets its towers, or those of a later stage that the job has come to already.
    """
    config, state_file = job.config, job.state_file
    require_files(folder, STAGE, EVERYTHING)
    tokens = needs_tokens(config.model.fusion)
    text = load_text_encoder(str(folder / "text"), config.device, tokens=tokens)
    image = load_image_encoder(str(folder / "image"), config.device, tokens=tokens)
    prepared = with_encoders(job.prepared, config, text, image)
    state, tensors = load_state(state_file)
    if state.stage == place:
        model.load_state_dict(load_file(folder / TOWERS_FILE))
        if prepared.dev_scorer is not None and config.stages[place].name == "fused":
            prepared.dev_scorer.calibrate(model)
        stage = {"stage": config.stages[place].name, "step": state.step}
        shares = read_manifest(StageManifest, folder, STAGE).shares
        state.history += [stage | share for share in shares if "score" in share]
        end_stage(state_file, state, model)
    else:
        model.load_state_dict(part(tensors, "model"))
    return dataclasses.replace(job, prepared=prepared)


def _weights_before(job: TrainingJob, model: TwoTower, place: int) -> dict[str, Tensor]:
    """Bring `model` to the stage's start; returns its weights, kept in a file until it ends."""
    file = job.state_file.with_name(f"{job.state_file.stem}-before-{place}.safetensors")
    state, _ = load_state(job.state_file)
    assert state.stage == place, "earlier stages have ended"
    if state.step > 0:
        _, weights = load_state(file)
        if not weights:
            raise ModelError(
                f"{file}: is missing. Delete {job.state_file.name} beside it and run the same "
                "again: what it holds is trained afresh."
            )
        return weights
    begin_stage(job, model, place)
    save_state(file, TrainState(), model.state_dict())
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _mixed(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    return {name: torch.lerp(before[name], after[name], share) for name in before}


def _dev_figures(
    prepared: PreparedData,
    config: TrainConfig,
    stage: StageConfig,
    model: TwoTower,
    cache: FeatureCache,
) -> dict[str, float]:
    """The dev figures over a sample of the catalogue, encoded with the weights as they are."""
    sample = dataclasses.replace(config, dev_products=stage.fine_tuning.dev_products)
    scorer = dev_scorer(prepared.dataset, prepared.data, sample)
    assert scorer is not None
    dataset, quiet = prepared.dataset, SilentReporter()
    products = dataset.products[scorer.products]
    features = product_features(products, dataset.root, cache, quiet, [FACTS])
    asked = query_features(dataset.queries[scorer.queries], dataset.root, cache, quiet)
    scorer = dataclasses.replace(
        scorer,
        product_source=ProductSource(features),
        query_source=QuerySource(asked),
        products=np.arange(len(scorer.products)),
        queries=np.arange(len(scorer.queries)),
    )
    if stage.name == "fused":
        scorer.calibrate(model)
    return scorer(model, stage.name)


def _tried(kept: FeatureCache, text: TextEncoder, image: ImageEncoder, aside: Path) -> FeatureCache:
    """Return the encoders with features of new weights in `aside`, which is emptied.

    What is removed from the shared cache may be in use by a training that came to equal weights.
    """
    shutil.rmtree(aside, ignore_errors=True)
    cache = FeatureCache(text, image, kept.folder)
    new = [modality for modality in MODALITIES if cache.place(modality) != kept.place(modality)]
    return dataclasses.replace(cache, places={modality: aside / modality for modality in new})


def _save(
    folder: Path,
    weights: dict[str, Tensor],
    encoders: tuple[TextEncoder, ImageEncoder],
    shares: list[dict[str, Any]],
) -> None:
    with new_folder(folder) as made:
        encoders[0].save(made / "text")
        encoders[1].save(made / "image")
        save_file(weights, made / TOWERS_FILE)
        manifest = StageManifest(shares=shares, files=describe_files(made))
        write_manifest(made, manifest, STAGE)
