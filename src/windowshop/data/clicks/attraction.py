"""How much products attract whoever looks at them, under a query: rates, grades, confidence.

Shapes: P pairs of a query and a product.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import gammaln

from windowshop.data.clicks.position_bias import Cells, PositionBias

STRENGTHS = 2.0 ** np.arange(6)
"""Strengths of the prior, in looks, that the log chooses from."""
MAX_GAIN = 7.0
"""Gain of the highest grade, 2^3 - 1."""
GAIN_STRENGTH = 5.0
"""Clicks' worth of the log's mean gain that each pair begins with."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Beta prior of attraction: `strength` looks at `mean`."""

    mean: float
    strength: float


def cells_of(shown: pl.DataFrame) -> tuple[Cells, pl.DataFrame]:
    """Count what was shown by pair and position; returns cells and the pairs by number.

    Rows without a position take no part.
    """
    counted = (
        shown.drop_nulls("position")
        .group_by("query_id", "product_id", "position", maintain_order=True)
        .agg(shown=pl.len(), clicked=(pl.col("level") > 0).sum())
    )
    pairs = (
        counted.select("query_id", "product_id").unique(maintain_order=True).with_row_index("pair")
    )
    numbered = counted.join(pairs, ["query_id", "product_id"], maintain_order="left")
    columns = [numbered[name].to_numpy() for name in ("pair", "position")]
    counts = [numbered[name].to_numpy().astype(np.float64) for name in ("shown", "clicked")]
    return Cells(columns[0].astype(np.int64), columns[1].astype(np.int64), *counts), pairs


def with_looks(shown: pl.DataFrame, bias: PositionBias | None, *, correct: bool) -> pl.DataFrame:
    """Add `look`: the chance that the shopper looked at a product.

    Without an estimate of the bias, what stands down to the last product that something came of
    was looked at. Without correction everything was.
    """
    if not correct:
        return shown.with_columns(look=pl.lit(1.0))
    if bias is None:
        return shown.with_columns(look=pl.col("above").cast(pl.Float64))
    position = shown["position"].fill_null(1).to_numpy()
    look = pl.Series("look", bias.look(position), dtype=pl.Float64)
    return shown.with_columns(look).with_columns(
        # No place is known: it was looked at if something came of it.
        pl.when(pl.col("position").is_null())
        .then(pl.col("above").cast(pl.Float64))
        .otherwise("look")
        .alias("look")
    )


def rated(shown: pl.DataFrame, prior: Prior | None = None) -> tuple[pl.DataFrame, Prior]:
    """Return each pair's counts, attraction, gain a look and confidence, and the prior used.

    `attraction` is (events + strength * mean) / (looks + strength); a click has gain 1, a cart 3, a
    purchase 7, and `rate` is attraction times the mean gain of what came of it, which is smoothed
    towards that of the log. `confidence` is the share of the pair's own looks in its attraction.
    """
    level = pl.col("level")
    pairs = shown.group_by("query_id", "product_id", maintain_order=True).agg(
        shown=pl.len(),
        looks=pl.col("look").sum(),
        clicks=(level > 0).sum(),
        carts=(level == 2).sum(),
        purchases=(level == 3).sum(),
        gain=(2.0**level - 1).sum(),
    )
    looks = np.maximum(pairs["looks"].to_numpy(), pairs["clicks"].to_numpy() * 1e-3)
    clicks = pairs["clicks"].to_numpy().astype(np.float64)
    prior = prior or fit_prior(clicks, looks)
    total, gain = max(clicks.sum(), 1.0), pairs["gain"].to_numpy()
    mean_gain = gain.sum() / total
    attraction = np.minimum(1.0, (clicks + prior.strength * prior.mean) / (looks + prior.strength))
    each = (gain + GAIN_STRENGTH * mean_gain) / (clicks + GAIN_STRENGTH)
    return pairs.with_columns(
        attraction=pl.Series(attraction),
        rate=pl.Series(attraction * each),
        confidence=pl.Series(looks / (looks + prior.strength)),
    ), prior


def fit_prior(clicks_P: np.ndarray, looks_P: np.ndarray) -> Prior:
    """Fit the prior to all pairs: gamma-Poisson, the beta-binomial of rare clicks."""
    seen = looks_P > 0
    clicks_P, looks_P = clicks_P[seen], looks_P[seen]
    mean = float(np.clip(clicks_P.sum() / max(looks_P.sum(), 1e-9), 1e-4, 0.9))
    fits = []
    for strength in STRENGTHS:
        start = mean * strength
        fits.append(
            (
                gammaln(start + clicks_P)
                - gammaln(start)
                + start * np.log(strength / (strength + looks_P))
                + clicks_P * np.log(looks_P / (strength + looks_P))
            ).sum()
        )
    return Prior(mean, float(STRENGTHS[int(np.argmax(fits))])) if len(clicks_P) else Prior(0.1, 1.0)


def graded(pairs: pl.DataFrame, min_looks: float) -> pl.DataFrame:
    """Return the pairs that can be judged, with a grade.

    The best rate of a query gets 3, a share r of it log2(1 + 7 r), rounded: gains are proportional
    to rates. A product that nothing came of is 0 once it was looked at often enough, else unknown.
    """
    engaged = pl.col("clicks") > 0
    best = pl.col("rate").filter(engaged).max().over("query_id")
    grade = (1 + MAX_GAIN * pl.col("rate") / best).log(2).round().clip(0, 3)
    return (
        pairs.with_columns(grade=pl.when(engaged).then(grade).otherwise(0).cast(pl.Int64))
        .filter(best.is_not_null(), engaged | (pl.col("looks") >= min_looks))
        .drop("gain")
    )
