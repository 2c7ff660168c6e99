"""Settings of one kind of query: its channels, how they are merged, and where lists end."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from windowshop.errors import ConfigError
from windowshop.registry import CHANNELS
from windowshop.search.retrieval.calibration import Curve

Method: TypeAlias = Literal["interleave", "reciprocal_rank", "weighted_sum", "calibrated"]
SCORED: tuple[Method, ...] = ("weighted_sum", "calibrated")
"""Methods whose merged scores are more than ranks."""
MAX_CANDIDATES = 1_000
"""Default maximum of products that a search keeps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Boost:
    """Effect on a product of each recognised boost that it matches."""

    factor: float
    """Divides the product's place, where `points` is 0."""
    points: float = 0.0
    """Added to the product's score."""


NO_BOOST = Boost(factor=1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class CutoffConfig:
    """Bounds that a result must reach."""

    min_probability: float = 0.0
    """Probability of relevance; needs calibrated channels."""
    min_share: float = 0.0
    """Share of the best product's score; means nothing after a merge by turns."""
    sure_from: float = 0.0
    """Probability of the likeliest product from which the two bounds apply: below it, the query
    was not understood well enough to leave products out."""
    max_candidates: int = 10_000
    min_results: int = 10
    """First products that stay, whatever they score."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("min_probability", "min_share", "sure_from"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)} must lie between 0 and 1.")
        if not 0 <= self.min_results <= self.max_candidates or self.max_candidates < 1:
            raise ConfigError(
                f"min_results={self.min_results} must lie between 0 and "
                f"max_candidates={self.max_candidates}, which must be at least 1."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelConfig:
    """Settings of one search channel."""

    name: str
    """One of `windowshop.registry.CHANNELS`."""
    weight: float = 1.0
    """Weight in the merge; a channel of weight 0 is explained but does not count."""
    depth: int = 500
    """Maximum number of products that the channel returns."""
    curve: Curve = Curve()

    def __post_init__(self) -> None:
        """Check the name and ranges."""
        CHANNELS.require(self.name)
        if self.weight < 0 or self.depth < 1:
            raise ConfigError(
                f"channel {self.name}: weight={self.weight} must not be negative, "
                f"depth={self.depth} must be at least 1."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class MergeConfig:
    """Channels that answer one kind of query, and how they are merged."""

    channels: tuple[ChannelConfig, ...]
    method: Method = "reciprocal_rank"
    smoothing: float = 60.0
    """Smoothing of reciprocal ranks."""
    cutoff: CutoffConfig = CutoffConfig(max_candidates=MAX_CANDIDATES)
    """End of lists. Where a channel that counts takes no part, only the numbers of products hold:
    the other bounds are for scores of all channels together."""
    points: float = 0.0
    """Added to the score of a product for each recognised boost that it matches; 0 divides its
    place instead (`precision.boost`). For weighted sums and calibrated scores."""
    ignored: tuple[str, ...] = ()
    """Columns without effect where such a query names them, beside those of `precision`."""

    def __post_init__(self) -> None:
        """Check that a channel counts, and that calibrated ones have curves."""
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
        """Return whether every channel that counts is among these."""
        return {c.name for c in self.channels if c.weight} <= set(names)

    @property
    def is_calibrated(self) -> bool:
        """Return whether every channel that counts has a curve."""
        return all(channel.curve.scores for channel in self.channels if channel.weight)
