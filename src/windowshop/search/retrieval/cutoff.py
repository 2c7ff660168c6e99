"""Where a merged ranking ends: what lies beyond is no result, and is counted nowhere.

Shapes: M merged products.
"""

from dataclasses import dataclass, replace

import numpy as np

from windowshop.errors import ConfigError
from windowshop.search.retrieval.merge import Merged


@dataclass(frozen=True, kw_only=True, slots=True)
class CutoffConfig:
    """What a result must reach."""

    min_probability: float = 0.0
    """Probability of relevance; it needs calibrated channels."""
    min_share: float = 0.0
    """Share of the best product's score; it says nothing about a merge by turns."""
    sure_from: float = 0.0
    """Probability of the likeliest product from which on the two apply: where even that one is
    doubtful, the query was not understood well enough to leave others out."""
    max_candidates: int = 10_000
    min_results: int = 10
    """The first ones stay, whatever they score."""

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


@dataclass(frozen=True, slots=True)
class Cut:
    """A ranking after the cut, and why the others went; a product counts at the first reason."""

    merged: Merged
    places: np.ndarray
    """Where its products stood before, int64."""
    below_probability: int
    below_share: int
    beyond_max: int


def cut(merged: Merged, config: CutoffConfig, probabilities_M: np.ndarray | None = None) -> Cut:
    """Leave out what does not reach the config's bounds; the order stays.

    `probabilities_M` are those of `windowshop.search.retrieval.merge.probabilities`.
    """
    if (config.min_probability or config.sure_from) and probabilities_M is None:
        raise ConfigError(
            f"min_probability={config.min_probability} and sure_from={config.sure_from} need "
            "calibrated channels. Fit calibrations, or cut by min_share alone."
        )
    if probabilities_M is not None and probabilities_M.max(initial=0.0) < config.sure_from:
        config = replace(config, min_probability=0.0, min_share=0.0)
    first_M = np.arange(len(merged.keys)) < config.min_results
    likely_M = np.ones(len(merged.keys), dtype=bool)
    if probabilities_M is not None:
        likely_M = first_M | (probabilities_M >= config.min_probability)
    close_M = likely_M
    best = merged.scores.max(initial=-np.inf)
    if config.min_share and best > 0:
        close_M = likely_M & (first_M | (merged.scores >= config.min_share * best))
    places = np.flatnonzero(close_M)
    kept = places[: config.max_candidates]
    return Cut(
        merged.take(kept),
        kept,
        below_probability=int(np.count_nonzero(~likely_M)),
        below_share=int(np.count_nonzero(likely_M & ~close_M)),
        beyond_max=max(0, len(places) - config.max_candidates),
    )
