"""Cut-off of a merged ranking: products beyond it are no results and are not counted.

Shapes: M merged products.
"""

from dataclasses import dataclass, replace

import numpy as np

from windowshop.errors import ConfigError
from windowshop.search.retrieval.config import CutoffConfig
from windowshop.search.retrieval.merge import Merged


@dataclass(frozen=True, slots=True)
class Cut:
    """Ranking after the cut, with counts of the products left out, each at its first reason."""

    merged: Merged
    places: np.ndarray
    """Places of the kept products before the cut, int64."""
    below_probability: int
    below_share: int
    beyond_max: int


def cut(
    merged: Merged,
    config: CutoffConfig,
    probabilities_M: np.ndarray | None = None,
    num_first: int = 0,
) -> Cut:
    """Leave out products below the bounds; `probabilities_M` are those of calibrated channels.

    So many first ones stay in any case.
    """
    if (config.min_probability or config.sure_from) and probabilities_M is None:
        raise ConfigError(
            f"min_probability={config.min_probability} and sure_from={config.sure_from} need "
            "calibrated channels. Fit calibrations, or cut by min_share alone."
        )
    if probabilities_M is not None and probabilities_M.max(initial=0.0) < config.sure_from:
        config = replace(config, min_probability=0.0, min_share=0.0)
    first_M = np.arange(len(merged.keys)) < max(config.min_results, num_first)
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
