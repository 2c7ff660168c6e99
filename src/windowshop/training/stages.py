"""Trains one system (the model or a baseline) through all its stages, encoders included."""

from dataclasses import dataclass
from pathlib import Path

from windowshop.config import TrainConfig
from windowshop.model import System
from windowshop.training.job import TrainingJob, can_train, run_stage
from windowshop.training.prepared_data import PreparedData
from windowshop.training.state import TrainState, load_state
from windowshop.training.weight_interpolation import fine_tune_encoders, load_fine_tuned


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained system and how it got there."""

    system: System
    state: TrainState
    dev: dict[str, float] | None
    """Dev figures of the final weights, where there are judged dev queries."""
    prepared: PreparedData
    """The data through the system's encoders."""


def train_system(prepared: PreparedData, config: TrainConfig, name: str, work: Path) -> Trained:
    """Take the system `name` through the config's stages; goes on with what `work` holds."""
    model = prepared.new_model(config.model.for_system(name), config.seed)
    # With encoders as they are, a text tower of the fusion's own is the text-only baseline.
    text = f"{name}-text" if config.trains_encoders else "text_only"
    job = TrainingJob(
        prepared=prepared,
        config=config,
        name=name,
        state_file=work / f"{name}.safetensors",
        text_file=work / f"{text}.safetensors",
    )
    for place, stage in enumerate(config.stages):
        if stage.fine_tuning.trains and can_train(stage, model, job.prepared.data):
            folder = work / f"{name}-stage-{place}"
            if not folder.exists():
                fine_tune_encoders(job, model, place, folder)
            job = load_fine_tuned(job, model, place, folder)
        else:
            run_stage(job, model, place)
    prepared = job.prepared
    state, _ = load_state(job.state_file)
    dev = prepared.dev_scorer(model) if prepared.dev_scorer else None
    return Trained(System(model, prepared.cache.text, prepared.cache.image), state, dev, prepared)
