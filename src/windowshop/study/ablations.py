"""Ablations of a training's stages at equal compute."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from windowshop.config import FineTuningConfig, NegativesName, StageConfig, TrainConfig, lora_stages
from windowshop.settings import to_dict
from windowshop.study.config import VariantConfig, at_budget
from windowshop.training import num_steps

STEP_COST = {"domain": 0.5, "separate": 0.6, "fused": 1.0}
"""Seconds of a step by stage, relative to the fused stage, measured with the embedded encoders
(docs/log.md); "equal compute" is counted by it."""
TWO_STAGES = "two_stages"
"""Name of the variant that adds a separate stage to a base without one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSize:
    """Amount of data that a study trains on, and its budget."""

    num_products: int
    """Products with text and image."""
    num_queries: int
    """Judged training queries."""
    text_width: int
    """Width of the text features that the towers read."""
    budget: float


def stage_ablations(
    base: TrainConfig, size: TrainingSize, aligned: tuple[StageConfig, ...]
) -> tuple[tuple[VariantConfig, ...], tuple[str, ...]]:
    """Return the variants whose stages differ from the base's, and notes of those left out.

    `aligned` are the base's stages with a separate one.
    """
    names, both = {stage.name for stage in base.stages}, ("domain", "separate")
    without = tuple(stage for stage in base.stages if stage.name != "domain")
    one = reallocated(base.stages, both, size)
    bm25, mined = _with_negatives(base.stages, "bm25"), _with_negatives(aligned, "mined")
    wanted = [
        ("no_domain", ("domain",), without, "Stage 0 left out."),
        ("one_stage", both, one, "Stage 2 alone at equal compute."),
        ("bm25_negatives", ("fused",), bm25, "Hard negatives found by BM25."),
        ("mined_negatives", ("fused",), mined, "Hard negatives found after stage 1."),
    ]
    if aligned == base.stages:
        stages = reallocated(base.stages, ("separate",), size)
        note = "Stage 1 left out, its compute given to stage 2."
        wanted.append(("no_separate", ("separate",), stages, note))
    else:
        note = "Stage 1 before stage 2, at equal compute."
        wanted.append((TWO_STAGES, ("fused",), aligned, note))
    made, notes = [], []
    for name, changed, stages, note in wanted:
        if names.intersection(changed) and "fused" in names:
            made.append(_variant(name, stages, note))
        else:
            missing = "fused" if "fused" not in names else " or ".join(changed)
            notes.append(f"{name} is left out: the base has no {missing} stage.")
    return (*made, encoder_ablation(base, size.budget)), tuple(notes)


def with_separate(
    stages: Sequence[StageConfig], num_products: int, num_queries: int
) -> tuple[StageConfig, ...]:
    """Return the stages with a separate one before the first fused stage, at equal compute.

    Both take the same number of steps. Stages are returned unchanged where they have a separate
    one, where none is fused, or where the first fused stage trains encoders.
    """
    names = [stage.name for stage in stages]
    if "separate" in names or "fused" not in names:
        return tuple(stages)
    place = names.index("fused")
    fused = stages[place]
    if fused.fine_tuning.trains:
        return tuple(stages)
    total = num_steps(fused, num_products, num_queries)
    half = replace(fused, steps=round(total / (1 + STEP_COST["separate"])), min_epochs=0.0)
    separate = replace(half, name="separate", negatives="none")
    return (*stages[:place], separate, half, *stages[place + 1 :])


def reallocated(
    stages: Sequence[StageConfig], replaced: Collection[str], size: TrainingSize
) -> tuple[StageConfig, ...]:
    """Return the stages with the steps of the `replaced` ones given to the fused stage.

    Steps are those that the trainer would take on this catalogue, weighted by STEP_COST. A
    replaced stage that trains encoders keeps its steps and place as a fused stage.
    """
    fused = [stage for stage in stages if stage.name == "fused"]
    made: list[StageConfig] = []
    spare = 0.0
    for stage in stages:
        steps = num_steps(stage, size.num_products, size.num_queries)
        if stage.name in replaced and not stage.fine_tuning.trains:
            spare += STEP_COST[stage.name] * steps
        elif stage.name in replaced:
            made += _spent(fused, spare)
            made.append(replace(stage, name="fused", steps=steps, min_epochs=0.0))
            spare = 0.0
        elif stage.name == "fused" and not stage.fine_tuning.trains:
            made.append(replace(stage, steps=round(steps + spare), min_epochs=0.0))
            spare = 0.0
        else:
            made.append(stage)
    return (*made, *_spent(fused, spare))


def encoder_ablation(base: TrainConfig, budget: float) -> VariantConfig:
    """Return the base with a stage that trains the text encoder.

    Of a base that trains encoders itself, return the base with frozen ones.
    """
    if base.trains_encoders:
        frozen = tuple(replace(stage, fine_tuning=FineTuningConfig()) for stage in base.stages)
        return _variant("frozen_encoders", frozen, "The same steps with encoders as they come.")
    tuned = next(stage for stage in lora_stages() if stage.fine_tuning.trains)
    names = [stage.name for stage in base.stages]
    place = names.index("fused") if "fused" in names else len(names)
    stages = (*base.stages[:place], at_budget(tuned, budget), *base.stages[place:])
    return _variant("tuned_text", stages, "A stage more, which trains the text encoder (LoRA).")


def _spent(fused: Sequence[StageConfig], spare: float) -> list[StageConfig]:
    """Return a fused stage of frozen encoders with the spare steps; none where they are below 1."""
    if not fused or round(spare) < 1:
        return []
    return [replace(fused[-1], steps=round(spare), min_epochs=0.0, fine_tuning=FineTuningConfig())]


def _with_negatives(stages: Sequence[StageConfig], kind: NegativesName) -> tuple[StageConfig, ...]:
    return tuple(
        replace(stage, negatives=kind) if stage.name == "fused" else stage for stage in stages
    )


def stage_settings(stages: Sequence[StageConfig]) -> dict[str, Any]:
    """Return every setting of the stages, so that none is taken from another stage of its name."""
    return {"stages": [to_dict(stage) for stage in stages]}


def _variant(name: str, stages: Sequence[StageConfig], note: str) -> VariantConfig:
    settings = stage_settings(stages)
    return VariantConfig(name=name, group="ablation", note=note, settings=settings)
