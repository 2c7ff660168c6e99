"""Settings of one kind of query: its channels, how they are merged, and where lists end."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from windowshop.errors import ConfigError
from windowshop.search.retrieval.calibration import Isotonic
from windowshop.search.retrieval.cutoff import CutoffConfig

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
