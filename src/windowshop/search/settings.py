"""How channels are merged and cut off; `windowshop tune` writes it beside a model's index."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

from windowshop.errors import ConfigError
from windowshop.files import write_atomic
from windowshop.search.retrieval.calibration import Isotonic
from windowshop.search.retrieval.cutoff import CutoffConfig
from windowshop.search.understanding.recognition import Action, PrecisionConfig
from windowshop.settings import load_settings, to_yaml

SETTINGS_FILE = "search.yaml"
Method: TypeAlias = Literal["interleave", "reciprocal_rank", "weighted_sum", "calibrated"]
SCORED: tuple[Method, ...] = ("weighted_sum", "calibrated")
"""Methods whose merged scores are no mere ranks."""
ChannelName: TypeAlias = Literal["vectors", "words", "photo"]
"""By the fused vector, by words, by the photo's own vector."""
MAX_CANDIDATES = 1_000
"""Products that a search leaves at most, unless settings say otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Score of a channel -> probability of relevance, straight between knots."""

    scores: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()
    floor: float = 0.0
    """Where the channel did not return the product."""

    def __post_init__(self) -> None:
        """Check that the knots make a rising curve."""
        if len(self.scores) != len(self.probabilities):
            raise ConfigError("curve: give as many probabilities as scores.")
        for values in (self.scores, self.probabilities):
            if list(values) != sorted(values):
                raise ConfigError("curve: scores and probabilities must rise.")

    @property
    def calibration(self) -> Isotonic | None:
        """None without knots."""
        if not self.scores:
            return None
        return Isotonic(self.scores, self.probabilities, self.floor)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelConfig:
    """One way of searching."""

    name: ChannelName
    weight: float = 1.0
    """0 explains the channel without letting it count."""
    depth: int = 500
    """Products that it returns at most."""
    curve: Curve = Curve()

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.weight < 0 or self.depth < 1:
            raise ConfigError(
                f"channel {self.name}: weight={self.weight} must not be negative, "
                f"depth={self.depth} must be at least 1."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class MixConfig:
    """Which channels answer one kind of query, and how they become one ranking."""

    channels: tuple[ChannelConfig, ...]
    method: Method = "reciprocal_rank"
    smoothing: float = 60.0
    """Of reciprocal ranks."""
    cutoff: CutoffConfig = CutoffConfig(max_candidates=MAX_CANDIDATES)
    """Where lists end. Only its numbers of products hold where a channel that counts takes no part:
    the other bounds are of scores that all of them made."""
    points: float = 0.0
    """What matching something that the query names adds to a score, where that only boosts; 0
    divides the place instead (`precision.boost`). For weighted sums and calibrated scores."""

    def __post_init__(self) -> None:
        """Check that one channel counts, and that calibrated ones have curves."""
        if not any(channel.weight for channel in self.channels):
            raise ConfigError("channels: give one of them a weight above 0.")
        if self.method == "calibrated" and not self.is_calibrated:
            raise ConfigError("method calibrated needs a curve for each channel; run `tune`.")
        if self.points < 0 or (self.points and self.method not in SCORED):
            raise ConfigError(
                f"points={self.points} must not be negative, and goes with the methods "
                f"{' and '.join(SCORED)}, not with {self.method}."
            )

    def all_among(self, names: Iterable[str]) -> bool:
        """Whether every channel that counts is among these."""
        return {c.name for c in self.channels if c.weight} <= set(names)

    @property
    def is_calibrated(self) -> bool:
        """Whether every channel that counts has a curve."""
        return all(channel.curve.scores for channel in self.channels if channel.weight)


def _text_mix() -> MixConfig:
    """What came out best on the dev queries of a fashion catalogue, rounded (docs/log.md).

    Half of the best score cost no relevant product there; a model whose cosines lie closer together
    is not cut by it.
    """
    return replace(
        _mix(vectors=1.0, words=0.12),
        method="weighted_sum",
        points=0.14,
        cutoff=CutoffConfig(max_candidates=MAX_CANDIDATES, min_share=0.5, min_results=100),
    )


def _text_and_photo_mix() -> MixConfig:
    """The same for "like this but blue", on `benchmarks/composed.py`'s dev queries."""
    return replace(_mix(vectors=1.0, photo=0.05, words=0.05), method="weighted_sum", points=0.12)


def _mix(**weights: float) -> MixConfig:
    names: tuple[ChannelName, ...] = ("vectors", "photo", "words")
    return MixConfig(
        channels=tuple(
            ChannelConfig(name=name, weight=weights[name]) for name in names if name in weights
        )
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSettings:
    """Everything that `windowshop tune` chooses, by kind of query."""

    text: MixConfig = field(default_factory=_text_mix)
    photo: MixConfig = field(default_factory=lambda: _mix(photo=1.0, vectors=1.0))
    text_and_photo: MixConfig = field(default_factory=_text_and_photo_mix)
    similar: MixConfig = field(default_factory=lambda: _mix(vectors=1.0, photo=0.5))
    strongest: Action = "boost"
    """What something recognised in a query may do at most: "filter" lets it leave products out, as
    prices do beside "boost"."""
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)


def load_search_settings(folder: Path) -> SearchSettings:
    """The settings of a folder; defaults where it has none."""
    path = folder / SETTINGS_FILE
    return load_settings(path, SearchSettings) if path.exists() else SearchSettings()


def save_search_settings(settings: SearchSettings, folder: Path) -> None:
    """Write the settings where `load_search_settings` finds them."""
    text = to_yaml(settings)
    write_atomic(folder / SETTINGS_FILE, lambda path: path.write_text(text, encoding="utf-8"))
