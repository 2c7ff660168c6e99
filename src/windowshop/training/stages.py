"""Trains one system (the model or a baseline) through all its stages, encoders included."""

from dataclasses import dataclass, replace
from pathlib import Path

from windowshop.config import TrainConfig, TuningConfig
from windowshop.model import System, TwoTower
from windowshop.training.fine_tuning.weight_interpolation import load_tuned, tune_encoders
from windowshop.training.loop import Trainer
from windowshop.training.negatives.mining import MiningConfig, MiningData, SourceName, mine
from windowshop.training.negatives.table import HardNegatives, read_negatives
from windowshop.training.prepared_data import Workbench
from windowshop.training.state import TrainState, load_state


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained system and how it got there."""

    system: System
    state: TrainState
    dev: dict[str, float] | None
    """Dev figures of the final weights, where there are judged dev queries."""
    bench: Workbench
    """The data through the system's encoders."""


def train_system(bench: Workbench, config: TrainConfig, name: str, work: Path) -> Trained:
    """Take the system `name` through the config's stages; goes on with what `work` holds."""
    model = bench.new_model(config.model.for_system(name), config.seed)
    state_file = work / f"{name}.safetensors"
    # With encoders as they are, the fusion's own text tower is the text-only baseline.
    text = f"{name}-text" if config.trains_encoders else "text_only"
    text_file = work / f"{text}.safetensors"
    for place, stage in enumerate(config.stages):
        trainer = make_trainer(bench, config, state_file, text_file)
        if stage.tuning.trains and trainer.applies(stage, model):
            folder = work / f"{name}-stage-{place}"
            if not folder.exists():
                tune_encoders(bench, trainer, model, name, place, folder)
            bench = load_tuned(bench, config, model, state_file, place, folder)
        else:
            trainer.run(model, name, until=place + 1)
    state, _ = load_state(state_file)
    dev = bench.check(model) if bench.check else None
    return Trained(System(model, bench.cache.text, bench.cache.image), state, dev, bench)


def make_trainer(
    bench: Workbench, config: TrainConfig, state_file: Path, text_file: Path
) -> Trainer:
    """A trainer on the workbench's data, with its dev check and its hard negatives.

    `text_file` keeps the state of the text tower that is trained for a fusion that has its own.
    """
    return Trainer(
        config=config,
        data=bench.data,
        check=bench.check,
        text_weight=bench.check.best_text_weight if bench.check else None,
        calibrate=bench.check.calibrate if bench.check else None,
        state_file=state_file,
        reporter=bench.reporter,
        mine=lambda model, place, file: hard_negatives(bench, config, model, place, file),
        teach_text=lambda model: teach_text(bench, config, model, text_file),
    )


def teach_text(bench: Workbench, config: TrainConfig, model: TwoTower, text_file: Path) -> None:
    """Train a text-only two-tower and give `model` its text projection, if its fusion has one.

    It takes all of the config's stages, with the encoders as they are now. Its state stays in
    `text_file`, so it is not trained again when the run goes on before its fused stage is saved.
    """
    if not (model.fusion.has_own_text and bench.data.products.has_text.any()):
        return
    stages = tuple(replace(stage, tuning=TuningConfig()) for stage in config.stages)
    shape = config.model.for_system("text_only")
    alone = replace(config, model=shape, stages=stages)
    text = bench.new_model(shape, config.seed)
    make_trainer(bench, alone, text_file, text_file).run(text, "text tower")
    model.own_text.load_state_dict(text.text.state_dict())


def hard_negatives(
    bench: Workbench, config: TrainConfig, model: TwoTower, place: int, file: Path
) -> HardNegatives:
    """The hard negatives of the stage at `place`: the shop's own table, or mined into `file`.

    BM25 needs no model. Mined ones come from the text and the photo index, and from the fused one
    too once an earlier stage trained the fusion; explicit refusals (grade 0) always count.
    """
    dataset, data = bench.dataset, bench.data
    if config.negatives_file:
        return read_negatives(Path(config.negatives_file), dataset, data.pairs)
    if not file.exists():
        sources: list[SourceName] = ["bm25"]
        if config.stages[place].negatives == "mined":
            sources = ["text"] if model.fusion.uses_text else []
            sources += ["image"] if model.fusion.uses_image else []
            sources += ["fused"] if _fusion_is_trained(config, place) else []
        if len(dataset.refused):
            sources.append("refused")
        mining = MiningData(dataset, data.pairs, data.products, data.queries)
        mine(model, mining, MiningConfig(sources=tuple(sources)), file, bench.reporter)
    return read_negatives(file, dataset, data.pairs)


def _fusion_is_trained(config: TrainConfig, place: int) -> bool:
    return any(stage.name == "fused" for stage in config.stages[:place])
