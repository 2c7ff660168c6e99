"""The steps of a stage: one loop for every stage, resumable to the bit.

Randomness is a function of (seed, stage, step), never of what ran before, and the whole state is
one file, replaced in one step. So a run that was killed goes on as if nothing had happened.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from windowshop.config import StageConfig, StageName, TrainConfig
from windowshop.errors import ConfigError
from windowshop.model import TwoTower
from windowshop.progress import Reporter
from windowshop.training.data import TrainingData
from windowshop.training.distributed import sum_gradients, total
from windowshop.training.fine_tuning.stage_encoders import FineTuning
from windowshop.training.negatives.table import HardNegatives
from windowshop.training.objectives import OBJECTIVES, Step, sampling_correction
from windowshop.training.state import (
    TrainState,
    load_optimizer,
    optimizer_tensors,
    part,
    save_state,
    tagged,
)

Scorer = Callable[[TwoTower, StageName], dict[str, float]]
"""Scores a model on dev during a stage; the key `score` decides which weights are kept."""

MIN_PAIRS = 2
"""Products with text and image that a domain stage needs: a pair and another to tell it from."""
MAX_GRADIENT_NORM = 1.0
FINAL_RATE = 0.02
"""Share of the learning rate left at a stage's last step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One stage of one system: what it draws from, and where its state goes."""

    config: TrainConfig
    place: int
    """Position of the stage in `config.stages`."""
    data: TrainingData
    negatives: HardNegatives | None
    system: str
    """Name of the system on the progress bar."""
    state_file: Path
    reporter: Reporter

    @property
    def settings(self) -> StageConfig:
        """Settings of the stage itself."""
        return self.config.stages[self.place]


def train_stage(
    stage: Stage,
    model: TwoTower,
    state: TrainState,
    tensors: Mapping[str, Tensor],
    scorer: Scorer | None,
    encoders: FineTuning | None = None,
) -> None:
    """Run the steps that `state` lacks; leaves the best weights on dev in `model`.

    `tensors` are what was saved with `state`. Without `scorer`, the last weights are kept.
    """
    _StageLoop(stage, model, state, scorer, encoders).run(tensors)


class _StageLoop:
    def __init__(
        self,
        stage: Stage,
        model: TwoTower,
        state: TrainState,
        scorer: Scorer | None,
        encoders: FineTuning | None,
    ) -> None:
        self._stage, self._model, self._state = stage, model, state
        self._scorer, self._encoders = scorer, encoders
        self._settings, loss = stage.settings, stage.config.loss
        data = stage.data
        num_pairs = int(data.products.has_both.sum())
        self._num_steps = num_steps(self._settings, num_pairs, len(data.pairs))
        self._optimizer = make_optimizer(model, self._settings, encoders)
        self._guide = copy.deepcopy(model).eval() if loss.guide_margin > 0 else None
        self._log_share_N: np.ndarray | None = None
        if loss.sampling_correction:
            per_query = self._settings.products_per_query
            self._log_share_N = sampling_correction(data.pairs, per_query)
        self._best: dict[str, Tensor] = {}

    def run(self, tensors: Mapping[str, Tensor]) -> None:
        state, every = self._state, self._settings.eval_every
        began = time.perf_counter() - state.seconds
        if state.step == 0:
            state.best_score, state.best_step = -math.inf, 0
            self._evaluate(math.nan)
        else:
            self._load(tensors)
        title = f"Train {self._stage.system}: {self._settings.name}"
        with self._stage.reporter.bar(title, self._num_steps) as advance:
            advance(state.step, _figures(state.history))
            while state.step < self._num_steps:
                loss = self._step()
                state.step += 1
                if state.step % every == 0 or state.step == self._num_steps:
                    self._evaluate(loss)
                    state.seconds = time.perf_counter() - began
                    self._save()
                advance(1, f"loss {loss:.2f}  {_figures(state.history)}")
        if self._best:
            self._model.load_state_dict(self._best)

    def _load(self, tensors: Mapping[str, Tensor]) -> None:
        self._best = part(tensors, "best")
        load_optimizer(self._optimizer, part(tensors, "optimizer"))
        if self._encoders is not None:
            self._encoders.load_state(part(tensors, "encoders"))
        if self._guide is not None:
            self._guide.load_state_dict(part(tensors, "guide"))

    def _save(self) -> None:
        tensors = tagged("model", self._model.state_dict()) | tagged("best", self._best)
        tensors |= tagged("optimizer", optimizer_tensors(self._optimizer))
        if self._encoders is not None:
            tensors |= tagged("encoders", self._encoders.state())
        if self._guide is not None:
            tensors |= tagged("guide", self._guide.state_dict())
        save_state(self._stage.state_file, self._state, tensors)

    def _step(self) -> float:
        """Take one optimizer step; returns the loss."""
        stage, model, state, optimizer = self._stage, self._model, self._state, self._optimizer
        rng = np.random.default_rng([stage.config.seed, stage.place, state.step])
        torch_seed = int(rng.integers(2**62))
        torch.manual_seed(torch_seed)
        rate = rate_factor(self._settings, state.step, self._num_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["initial_lr"]
        model.train()
        step = Step(
            stage=self._settings,
            loss=stage.config.loss,
            rng=rng,
            progress=state.step / self._num_steps,
            negatives=stage.negatives,
            guide=self._guide,
            log_share_N=self._log_share_N,
            max_shards=1 if self._encoders else stage.config.batch_shards,
        )
        data, gradients = stage.data, None
        if self._encoders is not None:
            data, gradients = self._encoders.step_data(torch_seed)
        loss = OBJECTIVES[self._settings.name](model, data, step)
        value = float(total(loss))
        if not math.isfinite(value):
            raise ConfigError(
                f"the loss became {value} at step {state.step} of stage {self._settings.name!r}; "
                f"lower its learning_rate ({self._settings.learning_rate})."
            )
        if not loss.requires_grad:
            return value  # a batch in which this fusion sees no product at all
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        sum_gradients(list(model.parameters()))
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
        if self._encoders is not None and gradients is not None:
            gradients.backward()
            nn.utils.clip_grad_norm_(self._encoders.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        model.limit_scales()
        return value

    def _evaluate(self, loss: float) -> None:
        """Score on dev, and keep the weights if they are the stage's best so far."""
        if self._scorer is None:
            return
        state, stage = self._state, self._settings.name
        figures = self._scorer(self._model, stage)
        entry = {"stage": stage, "step": state.step, **figures}
        state.history.append(entry if math.isnan(loss) else {**entry, "loss": loss})
        if figures["score"] > state.best_score:
            state.best_score, state.best_step = figures["score"], state.step
            self._best = {name: x.clone() for name, x in self._model.state_dict().items()}


def num_steps(stage: StageConfig, num_products: int, num_queries: int) -> int:
    """Optimizer steps of a stage, 0 of a domain stage without a pair and another.

    It draws from the products with text and image, `num_products`; others from judged queries.
    """
    if stage.name == "domain" and num_products < MIN_PAIRS:
        return 0
    size = num_products if stage.name == "domain" else num_queries
    return max(stage.steps, math.ceil(stage.min_epochs * size / stage.batch_queries))


def make_optimizer(
    model: TwoTower, stage: StageConfig, encoders: FineTuning | None = None
) -> torch.optim.AdamW:
    """Return an AdamW that decays matrices only: not biases, norms or temperatures."""
    rate = stage.learning_rate
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": stage.weight_decay, "initial_lr": rate},
        {"params": others, "weight_decay": 0.0, "initial_lr": rate},
    ]
    if encoders is not None:
        groups += encoders.param_groups(stage.weight_decay)
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def rate_factor(stage: StageConfig, step: int, steps: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to FINAL_RATE."""
    warmup = min(1.0, (step + 1) / max(1, stage.warmup_steps))
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return warmup * max(FINAL_RATE, cosine)


def _figures(history: list[dict[str, Any]]) -> str:
    if not history:
        return ""
    last = history[-1]
    return f"dev nDCG@10 {last['ndcg@10']:.3f} R@100 {last['recall@100']:.3f}"
