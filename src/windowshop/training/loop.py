"""The training loop: one for every stage, resumable to the bit.

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
from windowshop.progress import Advance, Reporter
from windowshop.training.data import TrainingData
from windowshop.training.fine_tuning.stage_encoders import FineTuning
from windowshop.training.negatives.table import HardNegatives
from windowshop.training.objectives import OBJECTIVES, Step, sampling_correction
from windowshop.training.state import (
    TrainState,
    _load_optimizer,
    _optimizer_tensors,
    _tagged,
    end_stage,
    load_state,
    part,
    save_state,
)

Check = Callable[[TwoTower, StageName], dict[str, float]]
"""Scores a model on dev during a stage; the key `score` decides which checkpoint is kept."""
Mine = Callable[[TwoTower, int, Path], HardNegatives]
"""Finds the hard negatives of the stage at a place, with the model as it begins, and keeps them."""

MIN_PAIRS = 2
"""Products with text and photo that a domain stage needs: a pair and another to tell it from."""
MAX_GRADIENT_NORM = 1.0
FINAL_RATE = 0.02
"""Share of the learning rate left at a stage's last step."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """What one stage runs with."""

    config: StageConfig
    steps: int
    optimizer: torch.optim.Optimizer
    negatives: HardNegatives | None
    guide: TwoTower | None
    log_share_N: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Trainer:
    """Takes one model through its stages."""

    config: TrainConfig
    data: TrainingData
    check: Check | None
    text_weight: Callable[[TwoTower], float] | None
    """Finds the text weight that the fusion starts from, before the fused stage."""
    state_file: Path
    reporter: Reporter
    calibrate: Callable[[TwoTower], None] | None = None
    """Tunes on dev, after a fused stage, what training queries cannot teach."""
    mine: Mine | None = None
    teach_text: Callable[[TwoTower], None] | None = None
    """Gives a fusion that has one its own text projection, before the fused stage."""
    tuning: FineTuning | None = None
    """The encoders of a stage that trains them. It has no dev checks, and it ends when the mix of
    old and new weights is chosen (`weight_interpolation`), so its state stays at its last
    step."""

    def run(self, model: TwoTower, name: str, until: int | None = None) -> TrainState:
        """Train until stage `until` (default: the last) is done; leaves the best in `model`."""
        state, tensors = load_state(self.state_file)
        if tensors:
            model.load_state_dict(part(tensors, "model"))
        last = len(self.config.stages) if until is None else until
        with torch.random.fork_rng(devices=[]):
            while state.stage < last:
                stage = self.config.stages[state.stage]
                if self.applies(stage, model):
                    self._run_stage(model, stage, state, tensors, name)
                if self.tuning is not None:
                    return state
                tensors = {}
                end_stage(self.state_file, state, model)
        return state

    def applies(self, stage: StageConfig, model: TwoTower) -> bool:
        """Whether there is anything for the stage to train on; if not, `run` passes it over."""
        if stage.name == "domain":
            return model.fusion.uses_image and bool(self.data.products.has_both.sum() >= MIN_PAIRS)
        return len(self.data.pairs) > 0

    def _run_stage(
        self,
        model: TwoTower,
        config: StageConfig,
        state: TrainState,
        tensors: dict[str, Tensor],
        name: str,
    ) -> None:
        began = time.perf_counter() - state.seconds
        best = part(tensors, "best")
        if state.step == 0:
            self.begin_stage(model, state.stage)
            state.best_score, state.best_step = -math.inf, 0
            best = self._judge(model, config, state, math.nan, best)
        stage = self._prepare(model, config, state, tensors)
        with self.reporter.bar(f"Train {name}: {config.name}", stage.steps) as advance:
            advance(state.step, _figures(state.history))
            while state.step < stage.steps:
                loss = self._step(model, stage, state)
                state.step += 1
                if state.step % config.eval_every == 0 or state.step == stage.steps:
                    best = self._judge(model, config, state, loss, best)
                    state.seconds = time.perf_counter() - began
                    self._save(model, stage, state, best)
                _tell(advance, loss, state)
        if best:
            model.load_state_dict(best)
        if not self._fusion_began(state.stage):
            model.share_text()
        if config.name == "fused" and self.calibrate is not None and self.tuning is None:
            self.calibrate(model)

    def begin_stage(self, model: TwoTower, place: int) -> None:
        """Bring the fusion to where the stage at `place` starts."""
        if self._starts_fusion(place) and self.text_weight is not None:
            model.fusion.start_from(self.text_weight(model))
        if self._starts_fusion(place) and self.teach_text is not None:
            self.teach_text(model)
        if model.fusion.query_weight is not None:
            model.fusion.query_weight.calibrate(1.0, 0.0)

    def _starts_fusion(self, place: int) -> bool:
        """Whether a stage is the first to train the fusion; a later one goes on with its gate."""
        return self._fusion_began(place) and (place == 0 or not self._fusion_began(place - 1))

    def _fusion_began(self, place: int) -> bool:
        """Whether the stage, or one before it, trains the fusion."""
        return any(stage.name == "fused" for stage in self.config.stages[: place + 1])

    def _prepare(
        self,
        model: TwoTower,
        config: StageConfig,
        state: TrainState,
        tensors: Mapping[str, Tensor],
    ) -> _Stage:
        """The stage's optimizer, hard negatives and guide, new or as they were."""
        optimizer = make_optimizer(model, config, self.tuning)
        guide = copy.deepcopy(model).eval() if self.config.loss.guide_margin > 0 else None
        negatives = None
        if config.negatives != "none" and self.mine is not None:
            file = self.state_file.with_name(
                f"{self.state_file.stem}-negatives-{state.stage}.parquet"
            )
            if state.step == 0:
                file.unlink(missing_ok=True)
            negatives = self.mine(model, state.stage, file)
        if state.step > 0:
            _load_optimizer(optimizer, part(tensors, "optimizer"))
            if self.tuning is not None:
                self.tuning.load_state(part(tensors, "encoders"))
            if guide is not None:
                guide.load_state_dict(part(tensors, "guide"))
        log_share_N = None
        if self.config.loss.sampling_correction:
            log_share_N = sampling_correction(self.data.pairs, config.products_per_query)
        num_pairs = int(self.data.products.has_both.sum())
        steps = num_steps(config, num_pairs, len(self.data.pairs))
        return _Stage(config, steps, optimizer, negatives, guide, log_share_N)

    def _save(
        self, model: TwoTower, stage: _Stage, state: TrainState, best: Mapping[str, Tensor]
    ) -> None:
        tagged = _tagged("model", model.state_dict()) | _tagged("best", best)
        tagged |= _tagged("optimizer", _optimizer_tensors(stage.optimizer))
        if self.tuning is not None:
            tagged |= _tagged("encoders", self.tuning.state())
        if stage.guide is not None:
            tagged |= _tagged("guide", stage.guide.state_dict())
        save_state(self.state_file, state, tagged)

    def _step(self, model: TwoTower, stage: _Stage, state: TrainState) -> float:
        rng = np.random.default_rng([self.config.seed, state.stage, state.step])
        torch_seed = int(rng.integers(2**62))
        torch.manual_seed(torch_seed)
        rate = rate_factor(stage.config, state.step, stage.steps)
        for group in stage.optimizer.param_groups:
            group["lr"] = rate * group["initial_lr"]
        model.train()
        step = Step(
            stage=stage.config,
            loss=self.config.loss,
            rng=rng,
            progress=state.step / stage.steps,
            negatives=stage.negatives,
            guide=stage.guide,
            log_share_N=stage.log_share_N,
        )
        live = None if self.tuning is None else self.tuning.live(torch_seed)
        data = self.data if live is None else live.data
        loss = OBJECTIVES[stage.config.name](model, data, step)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ConfigError(
                f"the loss became {value} at step {state.step} of stage {stage.config.name!r}; "
                f"lower its learning_rate ({stage.config.learning_rate})."
            )
        if not loss.requires_grad:
            return value  # a batch in which this fusion sees no product at all
        stage.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
        if live is not None and self.tuning is not None:
            live.tape.backward()
            nn.utils.clip_grad_norm_(self.tuning.parameters(), MAX_GRADIENT_NORM)
        stage.optimizer.step()
        model.limit_scales()
        return value

    def _judge(
        self,
        model: TwoTower,
        stage: StageConfig,
        state: TrainState,
        loss: float,
        best: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """Check on dev and return the best weights of the stage so far ({}: the latest ones)."""
        if self.check is None or self.tuning is not None:
            return {}
        figures = self.check(model, stage.name)
        entry = {"stage": stage.name, "step": state.step, **figures}
        state.history.append(entry if math.isnan(loss) else {**entry, "loss": loss})
        if figures["score"] <= state.best_score:
            return best
        state.best_score, state.best_step = figures["score"], state.step
        return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def num_steps(stage: StageConfig, num_products: int, num_queries: int) -> int:
    """Optimizer steps of a stage, 0 of a domain stage that `Trainer.applies` to nothing.

    It draws from the products with text and photo, `num_products`; others from judged queries.
    """
    if stage.name == "domain" and num_products < MIN_PAIRS:
        return 0
    size = num_products if stage.name == "domain" else num_queries
    return max(stage.steps, math.ceil(stage.min_epochs * size / stage.batch_queries))


def make_optimizer(
    model: TwoTower, stage: StageConfig, tuning: FineTuning | None = None
) -> torch.optim.AdamW:
    """AdamW that decays matrices only: not biases, norms or temperatures."""
    rate = stage.learning_rate
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": stage.weight_decay, "initial_lr": rate},
        {"params": others, "weight_decay": 0.0, "initial_lr": rate},
    ]
    if tuning is not None:
        groups += tuning.param_groups(stage.weight_decay)
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def rate_factor(stage: StageConfig, step: int, steps: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to FINAL_RATE."""
    warmup = min(1.0, (step + 1) / max(1, stage.warmup_steps))
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return warmup * max(FINAL_RATE, cosine)


def _tell(advance: Advance, loss: float, state: TrainState) -> None:
    advance(1, f"loss {loss:.2f}  {_figures(state.history)}")


def _figures(history: list[dict[str, Any]]) -> str:
    if not history:
        return ""
    last = history[-1]
    return f"dev nDCG@10 {last['ndcg@10']:.3f} R@100 {last['recall@100']:.3f}"
