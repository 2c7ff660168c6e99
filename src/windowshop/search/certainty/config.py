"""Settings of the probability that a search has what was asked.

The defaults are of two shops (docs/log.md); `windowshop tune` fits those of a catalogue.
"""

from dataclasses import dataclass

from windowshop.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class SignWeights:
    """Weight of each sign in the logit (`windowshop.search.certainty.signs`)."""

    nearness: float = 10.9
    """Of the best products by vector, as a share of what the best of any would be by chance."""
    cosine: float = 0.0
    """Of the best product; what is high differs by model."""
    unknown: float = 0.0
    """Share of the query's words that no product has, by inverse document frequency."""
    corrected: float = 4.6
    """Share of the words that were read as others."""
    words: float = 3.2
    """Of the best product by words."""
    agreement: float = 11.2
    """Words of the best products by vector."""
    named: float = 0.0
    """Share of the words that name a value of the catalogue."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CertaintyConfig:
    """Logistic regression of the signs of a query, and what follows from it."""

    weights: SignWeights = SignWeights()
    intercept: float = -12.6
    direction: tuple[float, ...] = ()
    """Weight of each number of the query's vector; without any, the vector's own place says
    nothing."""
    min_probability: float = 0.35
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
