"""A study: variants of one training, each with the same data, seeds and budget."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from windowshop.config import StageConfig, TrainConfig
from windowshop.errors import ConfigError
from windowshop.settings import from_dict, load_settings, to_dict

Group = Literal["reference", "baseline", "fusion", "ablation", "control"]
System = Literal["trained", "score_fusion", "frozen", "bm25", "bm25_dense"]
Change = Literal["none", "shuffled_photos", "text_as_photo", "three_words", "no_text"]
Mix = Literal["text", "image", "average", "tuned", "raw", "centred"]
TRAINED: tuple[System, ...] = ("trained", "score_fusion")
LEXICAL: tuple[System, ...] = ("bm25", "bm25_dense")
SHARED = ("text_encoder", "image_encoder", "device", "dev_products", "baselines", "seed")
SHARED_LOSS = ("relevance", "desirability")
"""Training settings that decide what all variants are trained on."""
AUTO = "auto"


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantConfig:
    """One variant of a study, a row of its report."""

    name: str
    group: Group
    note: str = ""
    system: System = "trained"
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings that differ from the study's base, as in a training's YAML. `stages` lists all
    stages, each with the settings that differ from the base's stage of its name: the second of a
    name from the base's second, if it has one. Steps given here are not scaled by the budget."""
    mix: Mix = "average"
    """Mix of text and image in `score_fusion` and `frozen`."""
    train_change: Change = "none"
    """Change of the catalogue that it is trained on."""
    test_change: Change = "none"
    """Change of the catalogue that it ranks."""

    def __post_init__(self) -> None:
        """Raise ConfigError for changes without effect."""
        where = f"variant {self.name}: system={self.system}"
        if self.train_change != "none" and self.system not in TRAINED:
            raise ConfigError(f"{where} trains nothing that train_change could change.")
        if self.test_change != "none" and self.system in LEXICAL:
            raise ConfigError(f"{where} reads words; test_change changes encoded features alone.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Falsifier:
    """A claim that a study can refute, about `better` minus `worse`, paired by query.

    With expect="better" the claim is a difference above `margin`; with "not better" one of at most
    `margin`, as for a control that must fall to the text-only level.
    """

    claim: str
    better: str
    """Name of a variant; `worse` is another."""
    worse: str
    measure: str = "ndcg@10"
    slice: str = "all"
    expect: Literal["better", "not better"] = "better"
    margin: float = 0.0
    chosen_on: Literal["before", "dev", "test"] = "before"
    """Scores that the claim was chosen by: none, those on dev, or those on test. One chosen on test
    is not tested by the same queries, and the report says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyConfig:
    """Settings of `windowshop compare`."""

    reference: str = AUTO
    """Variant that all others are tested against; `auto` is the one of group `reference`."""
    text_only: str = "text_only"
    """Variant that exclusive matches are counted against."""
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: float = 0.4
    """Factor of the base's steps; steps that a variant sets itself are not scaled."""
    base: dict[str, Any] = field(default_factory=dict)
    """Training settings that all variants share, as in a training's YAML."""
    variants: tuple[VariantConfig, ...] = ()
    """Variants of the study; an empty list is the default study."""
    only: tuple[str, ...] = ()
    """Variants of the default study to run beside its reference; an empty list is all."""
    slices: tuple[str, ...] = ()
    """Further slices of the report, besides the default ones."""
    claims: tuple[Falsifier, ...] = ()
    """Further claims, besides the method's own."""
    curve_variants: tuple[str, ...] = (AUTO,)
    """Variants in the curves of missing images and cut texts, and in the example queries; `auto`
    are the reference, the best other one on dev, and `text_only`."""
    num_examples: int = 6

    def __post_init__(self) -> None:
        """Check seeds, budget and names."""
        if not self.seeds:
            raise ConfigError("seeds: name at least one.")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds={self.seeds}: a seed stands twice.")
        if not 0 < self.budget <= 10:
            raise ConfigError(f"budget={self.budget} must be above 0 and at most 10.")
        names = [variant.name for variant in self.variants]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ConfigError(f"variants: {min(twice)!r} stands twice.")
        if names and self.only:
            raise ConfigError("only: it chooses from the default study. Leave out `variants`.")
        if names:
            require_names(self, self.variants)


def load_study(path: Path) -> StudyConfig:
    """Read a study file (YAML); unknown keys and wrong types raise ConfigError."""
    return load_settings(path, StudyConfig)


def require_known(named: Iterable[tuple[str, str]], names: Sequence[str]) -> None:
    """Raise ConfigError where a setting names no variant; `named` are settings with names."""
    for where, name in named:
        if name not in names:
            raise ConfigError(f"{where}: {name!r} is none of the variants {', '.join(names)}.")


def require_names(study: StudyConfig, variants: Sequence[VariantConfig]) -> None:
    """Raise ConfigError where the study names a variant that is not among these."""
    names = [variant.name for variant in variants]
    named = [] if study.reference == AUTO else [("reference", study.reference)]
    named += [("claims", name) for item in study.claims for name in (item.better, item.worse)]
    if study.curve_variants != (AUTO,):
        named += [("curve_variants", name) for name in study.curve_variants]
    require_known(named, names)
    own = [variant.name for variant in variants if variant.group == "reference"]
    if study.reference == AUTO and len(own) != 1:
        raise ConfigError(
            f"reference: need one variant of group reference, found {', '.join(own) or 'none'}. "
            "Give one that group, or set `reference` to the name of one."
        )


def reference_of(study: StudyConfig, variants: Sequence[VariantConfig]) -> str:
    """Return the name of the reference; call `require_names` first."""
    own = (variant.name for variant in variants if variant.group == "reference")
    return next(own) if study.reference == AUTO else study.reference


def base_training(study: StudyConfig) -> TrainConfig:
    """Return the training that all variants change: the study's base at its budget."""
    config = change(TrainConfig(), study.base, "base")
    stages = tuple(at_budget(stage, study.budget) for stage in config.stages)
    return dataclasses.replace(config, stages=stages, baselines=())


def training_of(base: TrainConfig, variant: VariantConfig, seed: int) -> TrainConfig:
    """Return a variant's training; raises ConfigError for settings that all variants share."""
    where = f"variant {variant.name}"
    config = change(base, variant.settings, where)
    names = [n for n in SHARED if getattr(config, n) != getattr(base, n)]
    names += [n for n in SHARED_LOSS if getattr(config.loss, n) != getattr(base.loss, n)]
    if names:
        raise ConfigError(
            f"{where}: all variants share {names[0]!r}. Set it in the study's `base`."
        )
    return dataclasses.replace(config, seed=seed)


def at_budget(stage: StageConfig, budget: float) -> StageConfig:
    """Return a stage with its steps, epochs and warm-up scaled."""
    return dataclasses.replace(
        stage,
        steps=max(1, round(stage.steps * budget)),
        min_epochs=stage.min_epochs * budget,
        warmup_steps=round(stage.warmup_steps * budget),
    )


def change(config: TrainConfig, changes: dict[str, Any], where: str) -> TrainConfig:
    """Return a config with some settings changed; raises ConfigError for unknown ones."""
    settings = to_dict(config)
    content = _merged(settings, changes)
    if "stages" in changes:
        stages = changes["stages"]
        if not isinstance(stages, list | tuple):
            raise ConfigError(f"{where}: stages: need a list, found {stages!r}.")
        content["stages"] = _change_stages(settings["stages"], stages, where)
    changed: TrainConfig = from_dict(TrainConfig, content, where)
    return changed


def _merged(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return settings with the changes; nested settings are merged one level deep."""
    merged = {**settings, **changes}
    for key in changes:
        if isinstance(settings.get(key), dict) and isinstance(changes[key], dict):
            merged[key] = {**settings[key], **changes[key]}
    return merged


def _change_stages(
    stages: Sequence[dict[str, Any]], items: Sequence[object], where: str
) -> list[dict[str, Any]]:
    """Merge each item into the base's stage of its name: the n-th into the n-th, or the last."""
    made: list[dict[str, Any]] = []
    for item in items:
        if not isinstance(item, dict) or "name" not in item:
            raise ConfigError(f"{where}: stages: need entries with a `name`, found {item!r}.")
        alike = [stage for stage in stages if stage["name"] == item["name"]]
        place = sum(stage["name"] == item["name"] for stage in made)
        parent = alike[min(place, len(alike) - 1)] if alike else {}
        made.append(_merged(parent, item))
    return made
