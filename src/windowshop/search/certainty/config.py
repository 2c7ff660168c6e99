"""Settings of the probability that a search has what was asked.

The defaults are of two shops (docs/log.md); `windowshop tune` fits those of a catalogue.
"""

from dataclasses import dataclass

from windowshop.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class SignWeights:
    """Weight of each sign in the logit (`windowshop.search.certainty.signs`)."""

    nearness: float = 1.2
    cosine: float = 2.0
    unknown: float = -6.0
    corrected: float = -3.0
    words: float = 5.0
    agreement: float = 5.0
    named: float = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class CertaintyConfig:
    """Logistic regression of the signs of a query, and what follows from it."""

    weights: SignWeights = SignWeights()
    intercept: float = -3.0
    direction: tuple[float, ...] = ()
    """Weight of each number of the query's vector; without any, the vector's own place says
    nothing."""
    min_probability: float = 0.5
    """Probability from which what was asked counts as found, where as many queries can be answered
    as cannot."""
    max_closest: int = 12
    """Most products of a search that has not what was asked."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.min_probability <= 1:
            raise ConfigError(f"min_probability={self.min_probability} must lie between 0 and 1.")
        if self.max_closest < 1:
            raise ConfigError(f"max_closest={self.max_closest} must be at least 1.")
