"""Trainings of a few steps on data in memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from windowshop.config import StageConfig, TrainConfig
from windowshop.progress import SilentReporter
from windowshop.training.data import TrainingData
from windowshop.training.job import TrainingJob, run_stages
from windowshop.training.prepared_data import PreparedData

SMALL = {"min_epochs": 0.0, "batch_queries": 4, "warmup_steps": 2, "eval_every": 2}
STAGES = (
    StageConfig(name="domain", steps=3, **SMALL),
    StageConfig(name="separate", steps=4, **SMALL),
    StageConfig(name="fused", steps=5, **SMALL),
)


def score(model, stage):
    """A figure that depends on the weights in a way that goes up and down."""
    with torch.no_grad():
        value = float(sum(p.double().abs().sum() for p in model.parameters()))
    return {"ndcg@10": 0.0, "recall@100": 0.0, "score": math.sin(50 * value)}


@dataclass(frozen=True)
class ToyCheck:
    """A dev check made of two functions."""

    score: Callable
    text_weight: Callable

    def __call__(self, model, stage):
        return self.score(model, stage)

    def best_text_weight(self, model):
        return self.text_weight(model)

    def calibrate(self, model):
        """Leave the query weight as it is."""


@dataclass(frozen=True)
class Training:
    """A training on data in memory, through all stages of a config."""

    config: TrainConfig
    data: TrainingData
    check: Callable | None
    text_weight: Callable
    state_file: Path
    reporter: SilentReporter

    def run(self, model, name):
        prepared = PreparedData(
            dataset=None,
            data=self.data,
            dev_scorer=self.check and ToyCheck(self.check, self.text_weight),
            cache=None,
            hashes={},
            reporter=self.reporter,
            image_layout=None,
        )
        job = TrainingJob(
            prepared=prepared, config=self.config, name=name, state_file=self.state_file
        )
        return run_stages(job, model)
