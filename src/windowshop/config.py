"""Settings of a training run: frozen dataclasses, filled from YAML, saved beside the weights."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from windowshop.errors import ConfigError
from windowshop.registry import FUSIONS
from windowshop.settings import from_dict, load_settings, to_dict

CONFIG_FILE = "config.yaml"
"""Settings within a model folder."""
FUSED = "fused"
"""The model itself, among the systems that are trained and evaluated side by side."""
SERVED = "served"
"""The search as an index answers it, among the systems that are evaluated side by side."""
StageName = Literal["domain", "separate", "fused"]
SINGLE: tuple[str, ...] = ("text_only", "image_only")
"""Fusions that read one modality."""
FineTuningName = Literal["frozen", "lora", "partial", "full"]
NegativesName = Literal["none", "bm25", "mined"]
NegativesPool = Literal["catalogue", "judged"]
Preset = Literal["auto", "frozen", "separate", "lora", "few"]
LossForm = Literal["graded", "plain", "sigmoid"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Shape of the towers."""

    width: int = 256
    """Shared width D of query and product vectors."""
    matryoshka: tuple[int, ...] = (64, 128)
    """Shorter leading widths that must work as vectors of their own."""
    hidden: int = 512
    """Width of the MLPs' inner layers."""
    fusion_hidden: int = 0
    """Width of the fusion's inner layers; 0 is `hidden`."""
    fusion: str = "text_tower_experts"
    image_pooling: Literal["mean", "attention"] = "mean"
    """Pooling of a product's images into one vector."""
    feature_dropout: float = 0.3
    """Share of encoder features hidden at each step; the main guard against memorising."""
    dropout: float = 0.3
    start_scale: float = 20.0
    """Logit scale (1 / temperature) at the start, for every pair type."""

    def __post_init__(self) -> None:
        """Check ranges."""
        FUSIONS.require(self.fusion)
        _require(self.width >= 8, f"model.width={self.width} must be at least 8.")
        _require(self.hidden >= 8, f"model.hidden={self.hidden} must be at least 8.")
        hidden = self.fusion_hidden
        _require(hidden >= 0, f"model.fusion_hidden={hidden} must not be negative.")
        for name in ("feature_dropout", "dropout"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"model.{name}={value} must be in [0, 1).")
        _require(self.start_scale > 0, f"model.start_scale={self.start_scale} must be above 0.")
        shorter = all(0 < width < self.width for width in self.matryoshka)
        _require(shorter, f"model.matryoshka={self.matryoshka} must lie below width={self.width}.")

    def for_system(self, name: str) -> "ModelConfig":
        """Return the shape of a system: this one for "fused", a baseline's with its fusion."""
        if name == FUSED:
            return self
        shape: ModelConfig = from_dict(ModelConfig, {**to_dict(self), "fusion": name}, name)
        return shape

    @property
    def widths(self) -> tuple[int, ...]:
        """Every width that vectors may be cut to, the full one last."""
        return (*self.matryoshka, self.width)


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuningConfig:
    """Settings of the encoders in a stage: which of their weights train, and how."""

    text: FineTuningName = "frozen"
    image: FineTuningName = "frozen"
    learning_rate: float = 3e-5
    """Of the encoders' last block, or of LoRA's matrices times `lora_rate`."""
    lora_rate: float = 10.0
    layer_decay: float = 0.9
    """Each block before it learns this much slower."""
    partial_blocks: int = 2
    """Blocks that `partial` trains, counted from the last."""
    lora_rank: int = 16
    chunk_size: int = 32
    """Texts or images held in memory with their activations at a time (gradient caching)."""
    image_side: int = 0
    """Pixels an image is trained at; 0 is the encoder's own side."""
    weight_shares: tuple[float, ...] = (0.5, 1.0)
    """Shares of the fine-tuned weights, against those before the stage, that dev chooses from."""
    dev_products: int = 2_000
    """Corpus size of that choice."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("partial_blocks", "lora_rank", "chunk_size", "dev_products"):
            value = getattr(self, name)
            _require(value >= 1, f"fine_tuning.{name}={value} must be at least 1.")
        for name in ("learning_rate", "lora_rate", "layer_decay"):
            value = getattr(self, name)
            _require(0 < value < math.inf, f"fine_tuning.{name}={value} must be above 0.")
        _require(
            self.image_side >= 0, f"fine_tuning.image_side={self.image_side} must not be negative."
        )
        in_range = all(0 < share <= 1 for share in self.weight_shares)
        _require(
            in_range,
            f"fine_tuning.weight_shares={self.weight_shares} must lie above 0 and up to 1.",
        )

    @property
    def trains(self) -> bool:
        """Return whether any encoder trains."""
        return self.text != "frozen" or self.image != "frozen"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig:
    """Settings of one training stage."""

    name: StageName
    steps: int
    """Optimizer steps, at the least; see `min_epochs`."""
    min_epochs: float = 2.0
    """A large data set trains longer, until each of its queries (products) was drawn this often."""
    batch_queries: int = 512
    products_per_query: int = 2
    """Judged products drawn for each query of a batch; all of them are columns for all queries."""
    negatives: NegativesName = "none"
    """Hard negatives beside the in-batch ones: by BM25, or by the model as the stage begins."""
    negatives_per_query: int = 1
    """Hard negatives drawn for each query of a batch, from none at first to all at half time."""
    negatives_among: NegativesPool = "catalogue"
    """Products that the stage's own hard negatives are found among. `judged` are those that some
    training query judges: no query ever teaches that another product is right, so as a negative it
    is only taught to be wrong."""
    title_share: float = 0.15
    """Share of products that show their title alone, as a hurried seller would have typed it."""
    description_share: float = 0.0
    """Share that show a part of their description alone, of about 40 words."""
    category_share: float = 0.0
    """Share that show their category path alone."""
    bare_title_share: float = 0.0
    """Share that show their title without the words of most attributes: the image has them."""
    generated_share: float = 0.5
    """Share of a batch's queries that are generated ones, at the least, where there are any."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 30
    eval_every: int = 50
    keep: Literal["best", "last"] = "best"
    """Weights that the stage ends with: the best on dev of those that it had, or the last ones."""
    fine_tuning: FineTuningConfig = field(default_factory=FineTuningConfig)

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in (
            "steps",
            "batch_queries",
            "products_per_query",
            "negatives_per_query",
            "eval_every",
        ):
            value = getattr(self, name)
            _require(value >= 1, f"stage {self.name}: {name}={value} must be at least 1.")
        for name in ("min_epochs", "weight_decay", "warmup_steps"):
            value = getattr(self, name)
            finite = 0 <= value < math.inf
            _require(finite, f"stage {self.name}: {name}={value} must be a number from 0 on.")
        shares = [
            *(self.title_share, self.description_share),
            *(self.category_share, self.bare_title_share),
        ]
        fits = min(shares) >= 0 and math.fsum(shares) <= 1
        names = "title_share, description_share, category_share and bare_title_share"
        _require(
            fits, f"stage {self.name}: {names}={shares} must be from 0 on, and 1 at most in all."
        )
        share = self.generated_share
        _require(
            0 <= share <= 1, f"stage {self.name}: generated_share={share} must be from 0 to 1."
        )
        rate = self.learning_rate
        _require(rate > 0, f"stage {self.name}: learning_rate={rate} must be above 0.")


def default_stages() -> tuple[StageConfig, ...]:
    """Return domain adaptation and fused alignment (docs/training.md)."""
    return (
        StageConfig(name="domain", steps=100, batch_queries=1024),
        StageConfig(name="fused", steps=320),
    )


def separate_stages() -> tuple[StageConfig, ...]:
    """Return the default with separate alignment before the fused one, at equal compute."""
    domain, fused = default_stages()
    return domain, StageConfig(name="separate", steps=200), replace(fused, steps=200)


def lora_stages() -> tuple[StageConfig, ...]:
    """Return separate alignment, a stage that trains the text encoder, and the fused one."""
    domain, separate, fused = separate_stages()
    tuned = replace(
        separate,
        steps=150,
        min_epochs=0.0,
        batch_queries=128,
        products_per_query=1,
        learning_rate=3e-4,
        fine_tuning=FineTuningConfig(text="lora", learning_rate=5e-5),
    )
    return domain, separate, tuned, fused


GENERATED_QUERIES = 6_000
"""Generated queries where judgements are few; a small catalogue gets fewer."""


def few_stages() -> tuple[StageConfig, ...]:
    """Return all three stages, with bare titles and generated queries, for few judgements."""
    domain, fused = default_stages()
    _, separate, _ = separate_stages()
    return (
        replace(domain, bare_title_share=0.5, keep="last"),
        replace(separate, bare_title_share=0.4, eval_every=100),
        replace(fused, bare_title_share=0.4, eval_every=100),
    )


PRESETS: dict[Preset, Callable[[], tuple[StageConfig, ...]]] = {
    "frozen": default_stages,
    "separate": separate_stages,
    "lora": lora_stages,
    "few": few_stages,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LossConfig:
    """Form of the loss, weights of its terms and shares of modality dropout."""

    form: LossForm = "graded"
    """`graded` contrasts each grade with all lower ones, `plain` all grades with the rest, in one
    softmax; `sigmoid` judges each pair alone (SigLIP)."""
    masks: bool = True
    """Leave out pairs that are likely unjudged positives: a query and a product of the group of one
    that is judged for it; two products of the same group, or with the same title or image."""
    sampling_correction: bool = False
    """Subtract each negative's log share of draws: popular products are drawn more often. Products
    that are there as hard negatives alone are left as they are."""
    guide_margin: float = 0.0
    """Leave out negatives that the model, as the stage began, scored above this share of the
    positive, for example .95; 0 switches it off."""
    relevance: float = 1.0
    desirability: float = 1.0
    """Weights of the label sets (`kind` in qrels) where a data set has both."""
    query_text: float = 1.0
    query_image: float = 1.0
    """Query against product text and against product image, in the separate stage."""
    text_image: float = 0.2
    """Product text against product image in the separate stage."""
    masked: float = 0.3
    """Query against the product with one modality hidden, in the fused stage, each."""
    photo_product: float = 0.1
    """A product's own image as a query for it, in the fused stage: search by image."""
    gate_balance: float = 0.01
    drop_image: float = 0.15
    drop_text: float = 0.05
    wrong_image: float = 0.05
    """Share of products shown another one's image, so that the gate learns distrust."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float):
                _require(value >= 0, f"loss.{item.name}={value} must not be negative.")
        labels = self.relevance + self.desirability
        _require(labels > 0, "loss: relevance and desirability are both 0; weigh one of them.")
        _require(
            not (self.form == "sigmoid" and self.sampling_correction),
            "loss: sampling_correction corrects a sum over negatives; form=sigmoid has none.",
        )
        margin = self.guide_margin
        _require(margin <= 1, f"loss.guide_margin={margin} must be at most 1.")
        shares = self.drop_image + self.drop_text + self.wrong_image
        _require(shares <= 1, f"loss: modality dropout shares sum to {shares}, above 1.")

    @property
    def label_weights(self) -> dict[str, float]:
        """Weight of each label set by its kind."""
        return {"relevance": self.relevance, "desirability": self.desirability}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Everything that decides what `windowshop train` makes of a data set."""

    seed: int = 0
    text_encoder: str = "minilm"
    image_encoder: str = "efficientnet-lite2"
    device: str = "auto"
    """Device of the encoders: auto, cpu, cuda."""
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    schedule: Literal["stages", "auto"] = "stages"
    """`auto` chooses stages and generated queries by what the data set has, as training begins."""
    stages: tuple[StageConfig, ...] = field(default_factory=default_stages)
    generated_queries: int = 0
    """Training queries made of the catalogue's own values, beside the judged ones."""
    negatives_file: str = ""
    """Table of `windowshop mine-negatives` that stages with `negatives` draw from."""
    batch_shards: int = 2
    """Most parts that the rows of a batch are computed in, each with random numbers of its own: so
    many processes at most can share a batch, and their number does not change the result."""
    baselines: tuple[str, ...] = SINGLE
    """Fusions trained beside the model in the same way, for `windowshop evaluate`."""
    dev_products: int = 50_000
    """Corpus size of the dev scores during training; a larger catalogue is sampled."""

    def __post_init__(self) -> None:
        """Check the seed and the baselines, and that there is something to train."""
        for name in self.baselines:
            FUSIONS.require(name)
        _require(self.seed >= 0, f"seed={self.seed} must not be negative.")
        count = self.generated_queries
        _require(count >= 0, f"generated_queries={count} must not be negative.")
        shards = self.batch_shards
        _require(shards >= 1, f"batch_shards={shards} must be at least 1.")
        _require(len(self.stages) > 0, "stages: name at least one of domain, separate, fused.")

    @property
    def trains_encoders(self) -> bool:
        """Return whether any stage trains an encoder."""
        return any(stage.fine_tuning.trains for stage in self.stages)


def load_config(path: Path) -> TrainConfig:
    """Read a YAML file; unknown keys and wrong types raise ConfigError."""
    return load_settings(path, TrainConfig)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigError(message)
