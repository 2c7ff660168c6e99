"""The stages of one system: what is set before each, its steps, and what is set after it."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from windowshop.config import FineTuningConfig, StageConfig, TrainConfig
from windowshop.encoders import pick_device
from windowshop.evaluation import DevScorer
from windowshop.model import StageContext, TwoTower
from windowshop.training.data import TrainingData
from windowshop.training.distributed import is_first, tensors_from_first
from windowshop.training.fine_tuning.stage_encoders import FineTuning
from windowshop.training.loop import MIN_PAIRS, Stage, train_stage
from windowshop.training.negatives.mining import MiningConfig, SourceName, mine
from windowshop.training.negatives.table import HardNegatives, read_negatives
from windowshop.training.prepared_data import PreparedData
from windowshop.training.state import TrainState, end_stage, load_state, part


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingJob:
    """The training of one system: data, settings, and the files that keep its state."""

    prepared: PreparedData
    config: TrainConfig
    name: str
    """Name of the system on progress bars."""
    state_file: Path
    text_file: Path | None = None
    """State of the text tower that is trained for a fusion; None: beside `state_file`."""


def run_stages(job: TrainingJob, model: TwoTower, until: int | None = None) -> TrainState:
    """Train until stage `until` (default: the last) is done; leaves the best weights in `model`.

    Goes on from the state that the job's files keep, and leaves encoders as they are.
    """
    last = len(job.config.stages) if until is None else until
    return [run_stage(job, model, place) for place in range(last)][-1]


def run_stage(
    job: TrainingJob, model: TwoTower, place: int, encoders: FineTuning | None = None
) -> TrainState:
    """TrainingJob the stage at `place`, unless it is done or has nothing to train on.

    A stage that trains `encoders` has no dev scores, and its state stays at the last step: it ends
    when the mix of old and new weights is chosen (`weight_interpolation`).
    """
    state, tensors = load_state(job.state_file)
    if tensors:
        model.load_state_dict(part(tensors, "model"))
    if state.stage > place:
        return state
    if can_train(job.config.stages[place], model, job.prepared.data):
        model.to(pick_device(job.config.device))
        with torch.random.fork_rng(devices=[]):
            began = time.perf_counter() - state.seconds
            if state.step == 0:
                begin_stage(job, model, place)
            negatives = _stage_negatives(job, model, place, new=state.step == 0)
            state.seconds = time.perf_counter() - began
            stage = Stage(
                config=job.config,
                place=place,
                data=job.prepared.data,
                negatives=negatives,
                system=job.name,
                state_file=job.state_file,
                reporter=job.prepared.reporter,
            )
            unscored = encoders is not None or stage.settings.keep == "last"
            scorer = None if unscored else job.prepared.dev_scorer
            train_stage(stage, model, state, tensors, scorer, encoders)
            model.fusion.after_stage(_stage_context(job, model, place, scorer))
        model.cpu()
    if encoders is None:
        end_stage(job.state_file, state, model)
    return state


def begin_stage(job: TrainingJob, model: TwoTower, place: int) -> None:
    """Bring the fusion to where the stage at `place` starts."""
    model.fusion.before_stage(_stage_context(job, model, place, job.prepared.dev_scorer))


def can_train(stage: StageConfig, model: TwoTower, data: TrainingData) -> bool:
    """Return whether there is anything for the stage to train on."""
    if stage.name == "domain":
        return model.fusion.uses_image and bool(data.products.has_both.sum() >= MIN_PAIRS)
    return len(data.pairs) > 0


def _stage_context(
    job: TrainingJob, model: TwoTower, place: int, scorer: DevScorer | None
) -> StageContext:
    fused = [stage.name == "fused" for stage in job.config.stages]
    return _StageContext(
        text=model.text,
        trains_fusion=fused[place],
        fusion_began=any(fused[: place + 1]),
        fusion_starts=fused[place] and not any(fused[:place]),
        job=job,
        model=model,
        scorer=scorer,
    )


@dataclass(frozen=True, kw_only=True)
class _StageContext(StageContext):
    job: TrainingJob
    model: TwoTower
    scorer: DevScorer | None

    def text_weight(self) -> float | None:
        return None if self.scorer is None else self.scorer.best_text_weight(self.model)

    def calibrate(self) -> None:
        if self.scorer is not None:
            self.scorer.calibrate(self.model)

    def text_projection(self) -> Mapping[str, Tensor] | None:
        """Train a text-only two-tower through all stages, with the encoders as they are now.

        Its state stays in the job's `text_file`, so it is not trained again when the job goes on
        before its fused stage is saved.
        """
        prepared, config, state_file = self.job.prepared, self.job.config, self.job.state_file
        if not prepared.data.products.has_text.any():
            return None
        shape = config.model.for_system("text_only")
        stages = tuple(replace(stage, fine_tuning=FineTuningConfig()) for stage in config.stages)
        alone = TrainingJob(
            prepared=prepared,
            config=replace(config, model=shape, stages=stages),
            name="text tower",
            state_file=self.job.text_file
            or state_file.with_name(f"{state_file.stem}-text.safetensors"),
        )
        text_only = prepared.new_model(shape, config.seed)
        run_stages(alone, text_only)
        return text_only.text.state_dict()


def _stage_negatives(
    job: TrainingJob, model: TwoTower, place: int, *, new: bool
) -> HardNegatives | None:
    """Hard negatives of the stage at `place`: of the shop's own table, or mined into a file.

    BM25 needs no model. Mined ones come from the text and the image index, and from the fused one
    too once an earlier stage trained the fusion; explicit refusals (grade 0) always count. The
    first process finds them for all.
    """
    if job.config.stages[place].negatives == "none":
        return None
    found = _find_negatives(job, model, place, new=new) if is_first() else None
    tensors = tensors_from_first(
        {key: torch.as_tensor(x) for key, x in asdict(found).items()} if found else {}
    )
    return HardNegatives(
        start=tensors["start"].numpy(),
        product=tensors["product"].numpy(),
        num_stale=int(tensors["num_stale"]),
    )


def _find_negatives(job: TrainingJob, model: TwoTower, place: int, *, new: bool) -> HardNegatives:
    stage, dataset, data = job.config.stages[place], job.prepared.dataset, job.prepared.data
    if job.config.negatives_file:
        return read_negatives(Path(job.config.negatives_file), dataset, data.pairs)
    file = job.state_file.with_name(f"{job.state_file.stem}-negatives-{place}.parquet")
    if new or not file.exists():
        sources: list[SourceName] = ["bm25"]
        if stage.negatives == "mined":
            fusion_began = any(earlier.name == "fused" for earlier in job.config.stages[:place])
            sources = ["text"] if model.fusion.uses_text else []
            sources += ["image"] if model.fusion.uses_image else []
            sources += ["fused"] if fusion_began else []
        if len(dataset.refused):
            sources.append("refused")
        config = MiningConfig(sources=tuple(sources), among=stage.negatives_among)
        mine(model, dataset, data, config, file, job.prepared.reporter)
    return read_negatives(file, dataset, data.pairs)
