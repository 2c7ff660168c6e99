"""The training loop: one for every stage, resumable to the bit.

Randomness is a function of (seed, stage, step), never of what ran before, and the whole state is
one file, replaced in one step. So a run that was killed goes on as if nothing had happened.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from windowshop.config import StageConfig, TrainConfig
from windowshop.errors import ConfigError
from windowshop.objectives import OBJECTIVES, TrainingData
from windowshop.progress import Advance, Reporter
from windowshop.towers import TwoTower

Check = Callable[[TwoTower], dict[str, float]]
"""Scores a model on dev; the key `score` decides which checkpoint is kept."""

MAX_GRADIENT_NORM = 1.0
FINAL_RATE = 0.02
"""Share of the learning rate left at a stage's last step."""


@dataclass(slots=True)
class TrainState:
    """Where a run stands, beside its tensors."""

    stage: int = 0
    step: int = 0
    best_score: float = -math.inf
    best_step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    """One entry a dev check: stage, step, loss, and the check's figures."""


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

    def run(self, model: TwoTower, name: str) -> TrainState:
        """Train until the last stage is done; leaves the best weights in `model`."""
        state, tensors = load_state(self.state_file)
        if tensors:
            model.load_state_dict(_part(tensors, "model"))
        with torch.random.fork_rng(devices=[]):
            while state.stage < len(self.config.stages):
                stage = self.config.stages[state.stage]
                if self._applies(stage, model):
                    self._run_stage(model, stage, state, tensors, name)
                state.stage, state.step = state.stage + 1, 0
                tensors = {}
                save_state(self.state_file, state, _tagged("model", model.state_dict()))
        return state

    def _applies(self, stage: StageConfig, model: TwoTower) -> bool:
        if stage.name == "domain":
            return model.fusion.uses_image and bool(self.data.products.has_both.sum() > 1)
        return len(self.data.pairs) > 0

    def _run_stage(
        self,
        model: TwoTower,
        stage: StageConfig,
        state: TrainState,
        tensors: dict[str, Tensor],
        name: str,
    ) -> None:
        optimizer = make_optimizer(model, stage)
        best = _part(tensors, "best")
        if state.step > 0:
            _load_optimizer(optimizer, _part(tensors, "optimizer"))
        else:
            if stage.name == "fused" and self.text_weight is not None:
                model.fusion.start_from(self.text_weight(model))
            state.best_score, state.best_step = -math.inf, 0
            best = self._judge(model, stage, state, math.nan, best)
        steps = self._steps(stage)
        with self.reporter.bar(f"Train {name}: {stage.name}", steps) as advance:
            advance(state.step, _figures(state.history))
            while state.step < steps:
                loss = self._step(model, stage, optimizer, state, steps)
                state.step += 1
                if state.step % stage.eval_every == 0 or state.step == steps:
                    best = self._judge(model, stage, state, loss, best)
                    tagged = _tagged("model", model.state_dict()) | _tagged("best", best)
                    tagged |= _tagged("optimizer", _optimizer_tensors(optimizer))
                    save_state(self.state_file, state, tagged)
                _tell(advance, loss, state)
        if best:
            model.load_state_dict(best)

    def _step(
        self,
        model: TwoTower,
        stage: StageConfig,
        optimizer: torch.optim.Optimizer,
        state: TrainState,
        steps: int,
    ) -> float:
        rng = np.random.default_rng([self.config.seed, state.stage, state.step])
        torch.manual_seed(int(rng.integers(2**62)))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(stage, state.step, steps)
        model.train()
        objective = OBJECTIVES[stage.name]
        loss = objective(model, self.data, stage, self.config.loss, rng)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ConfigError(
                f"the loss became {value} at step {state.step} of stage {stage.name!r}; "
                f"lower its learning_rate ({stage.learning_rate})."
            )
        if not loss.requires_grad:
            return value  # a batch in which this fusion sees no product at all
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
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
        if self.check is None:
            return {}
        figures = self.check(model)
        entry = {"stage": stage.name, "step": state.step, **figures}
        state.history.append(entry if math.isnan(loss) else {**entry, "loss": loss})
        if figures["score"] <= state.best_score:
            return best
        state.best_score, state.best_step = figures["score"], state.step
        return {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def _steps(self, stage: StageConfig) -> int:
        size = len(self.data.products) if stage.name == "domain" else len(self.data.pairs)
        return max(stage.steps, math.ceil(stage.min_epochs * size / stage.batch_queries))


def make_optimizer(model: TwoTower, stage: StageConfig) -> torch.optim.AdamW:
    """AdamW that decays matrices only: not biases, norms or temperatures."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": stage.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=stage.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )


def learning_rate(stage: StageConfig, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to FINAL_RATE of the stage's rate."""
    warmup = min(1.0, (step + 1) / max(1, stage.warmup_steps))
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return stage.learning_rate * warmup * max(FINAL_RATE, cosine)


def save_state(path: Path, state: TrainState, tensors: Mapping[str, Tensor]) -> None:
    """Write the state and its tensors as one safetensors file, aside and then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".writing")
    unshared = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    save_file(unshared, aside, metadata={"state": json.dumps(asdict(state))})
    aside.replace(path)


def load_state(path: Path) -> tuple[TrainState, dict[str, Tensor]]:
    """Read what `save_state` wrote; a fresh state where there is none."""
    if not path.exists():
        return TrainState(), {}
    with safe_open(path, framework="pt") as file:
        state = TrainState(**json.loads(file.metadata()["state"]))
        return state, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, item in state.items() for key, value in item.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    content = optimizer.state_dict()
    content["state"] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        content["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(content)


def _tagged(tag: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{tag}/{name}": tensor for name, tensor in tensors.items()}


def _part(tensors: Mapping[str, Tensor], tag: str) -> dict[str, Tensor]:
    prefix = f"{tag}/"
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _tell(advance: Advance, loss: float, state: TrainState) -> None:
    advance(1, f"loss {loss:.2f}  {_figures(state.history)}")


def _figures(history: list[dict[str, Any]]) -> str:
    if not history:
        return ""
    last = history[-1]
    return f"dev nDCG@10 {last['ndcg@10']:.3f} R@100 {last['recall@100']:.3f}"
