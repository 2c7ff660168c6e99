"""A grid of regimes and trainings: blocks, each all combinations of what it lists."""

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from windowshop.config import PRESETS, TrainConfig
from windowshop.errors import ConfigError
from windowshop.model import needs_tokens
from windowshop.registry import FUSIONS
from windowshop.settings import load_settings, read_yaml, to_dict
from windowshop.study.config import at_budget, change
from windowshop.study.regimes.clicks import ClickModel
from windowshop.study.regimes.regime import Judgements, Regime

PLAIN = "plain"
"""Option that changes nothing."""
COORDINATES = ("schedule", "fusion", "option")
"""Fields of a cell that a question may compare by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One training in one regime, for any seed."""

    regime: Regime
    schedule: str
    fusion: str
    option: str = PLAIN

    @property
    def name(self) -> str:
        """Return the name that results carry, for example "30 two / experts / domain_fused"."""
        parts = [self.regime.name, self.fusion, self.schedule]
        return " / ".join(parts if self.option == PLAIN else [*parts, self.option])


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """Settings that a schedule, fusion or option changes."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of a training, as in its YAML; `stages` lists all stages."""
    preset: str = ""
    """Preset whose stages are taken, before `settings`."""
    fused: dict[str, Any] = field(default_factory=dict)
    """Settings of every fused stage."""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """All combinations of these, by every seed of the study."""

    name: str
    note: str = ""
    queries: tuple[int | None, ...] = (None,)
    judgements: tuple[Judgements, ...] = ("all",)
    missing_images: tuple[float, ...] = (0.0,)
    categories: tuple[str, ...] = ("",)
    schedules: tuple[str, ...] = ()
    fusions: tuple[str, ...] = ()
    options: tuple[str, ...] = (PLAIN,)

    def cells(self) -> list[Cell]:
        """Return the block's cells, regimes together."""
        regimes = [
            Regime(queries=count, judgements=kind, missing_images=share, category=category)
            for kind, count, share, category in itertools.product(
                self.judgements, self.queries, self.missing_images, self.categories
            )
        ]
        return [
            Cell(regime=regime, schedule=schedule, fusion=fusion, option=option)
            for regime, schedule, fusion, option in itertools.product(
                regimes, self.schedules, self.fusions, self.options
            )
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two trainings that a question compares: each `better` cell with its `worse` one."""

    better: dict[str, str]
    """Coordinates (schedule, fusion, option) of the cells that are claimed to be better."""
    worse: dict[str, str]
    """Coordinates in which the other cell differs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Whether an ingredient pays, answered for every regime that has both cells."""

    name: str
    claim: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegimesConfig:
    """Settings of a study of regimes, `windowshop compare --study FILE` with `blocks` in it."""

    blocks: tuple[Block, ...]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds, each of which also draws the queries and judgements that are kept."""
    budget: float = 1.0
    """Factor of all steps."""
    base: dict[str, Any] = field(default_factory=dict)
    """Training settings that all cells share."""
    schedules: dict[str, Training] = field(default_factory=dict)
    fusions: dict[str, Training] = field(default_factory=dict)
    """Fusions with settings of their own; any registered fusion may be named without."""
    options: dict[str, Training] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    clicks: ClickModel = field(default_factory=ClickModel)
    notes: tuple[str, ...] = ()
    """Remarks for the report, for example on what was left out and why."""

    def __post_init__(self) -> None:
        """Check seeds, budget and names."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds={self.seeds}: name at least one, each once.")
        if not 0 < self.budget <= 10:
            raise ConfigError(f"budget={self.budget} must be above 0 and at most 10.")
        for block in self.blocks:
            where = f"block {block.name}"
            _require_known(f"{where}: schedules", block.schedules, [*self.schedules])
            _require_known(f"{where}: fusions", block.fusions, [*self.fusions, *FUSIONS])
            _require_known(f"{where}: options", block.options, [PLAIN, *self.options])
            if not block.schedules or not block.fusions:
                raise ConfigError(f"{where}: name at least one of schedules and of fusions.")
        for question in self.questions:
            for pair in question.pairs:
                for side in (pair.better, pair.worse):
                    _require_known(f"question {question.name}", tuple(side), [*COORDINATES])

    def cells(self) -> list[Cell]:
        """Return every cell once, in the order of the blocks."""
        return list(dict.fromkeys(cell for block in self.blocks for cell in block.cells()))

    def only(self, names: tuple[str, ...]) -> "RegimesConfig":
        """Return the study with these blocks alone; raises ConfigError for an unknown one."""
        _require_known("--block", names, [block.name for block in self.blocks])
        return replace(self, blocks=tuple(b for b in self.blocks if b.name in names))


def is_regimes(path: Path) -> bool:
    """Return whether a study file is one of regimes: it has `blocks`."""
    content = read_yaml(path)
    return isinstance(content, dict) and "blocks" in content


def load_regimes(path: Path) -> RegimesConfig:
    """Read a study of regimes (YAML); unknown keys and wrong types raise ConfigError."""
    config = load_settings(path, RegimesConfig)
    for cell in config.cells():
        fusion = training_of(config, cell, config.seeds[0]).model.fusion
        if needs_tokens(fusion):
            raise ConfigError(
                f"{path}: fusion {fusion} reads tokens, which a study of regimes does not prepare. "
                "Leave it out."
            )
    return config


def base_of(config: RegimesConfig) -> TrainConfig:
    """Return the training that all cells change."""
    return replace(change(TrainConfig(), config.base, "base"), baselines=())


def training_of(config: RegimesConfig, cell: Cell, seed: int) -> TrainConfig:
    """Return a cell's training: schedule, then fusion, then option; steps by the budget."""
    training = base_of(config)
    fusion = config.fusions.get(cell.fusion, Training(settings={"model": {"fusion": cell.fusion}}))
    parts = [(f"schedule {cell.schedule}", config.schedules[cell.schedule])]
    parts += [(f"fusion {cell.fusion}", fusion)]
    if cell.option in config.options:
        parts.append((f"option {cell.option}", config.options[cell.option]))
    for where, part in parts:
        training = _changed(training, part, where)
    stages = tuple(at_budget(stage, config.budget) for stage in training.stages)
    return replace(training, stages=stages, seed=seed)


def _changed(training: TrainConfig, part: Training, where: str) -> TrainConfig:
    if part.preset:
        if part.preset not in PRESETS:
            known = ", ".join(PRESETS)
            raise ConfigError(f"{where}: preset {part.preset!r} is unknown; found {known}.")
        training = replace(training, stages=PRESETS[part.preset]())
    training = change(training, part.settings, where)
    if part.fused:
        stages = [to_dict(stage) for stage in training.stages]
        stages = [s | part.fused if s["name"] == "fused" else s for s in stages]
        training = change(training, {"stages": stages}, where)
    return training


def _require_known(where: str, names: tuple[str, ...], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"{where}: {name!r} is none of {', '.join(dict.fromkeys(known))}.")
