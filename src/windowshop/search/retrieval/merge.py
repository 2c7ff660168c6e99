"""Merge rankings of channels by reciprocal ranks, by turns, by a weighted sum or by probability.

Ranks and turns need no tuning; sums and calibrated scores keep the distance between products, and
need weights or curves chosen on dev.

Shapes: C channels, K products of one channel, M merged products.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from windowshop.errors import ConfigError
from windowshop.search.retrieval.calibration import Curve
from windowshop.search.retrieval.config import ChannelConfig, MergeConfig

SMOOTHING = 60
"""Constant k of reciprocal rank fusion (Cormack et al., SIGIR 2009)."""


@dataclass(frozen=True, slots=True)
class ChannelRanking:
    """Products that one channel found, best first."""

    name: str
    keys: np.ndarray
    """int64 (K,), each once."""
    scores: np.ndarray
    """float32 (K,), higher is better."""
    is_whole: bool = False
    """It has all that the channel finds; any other product scores 0."""

    def __post_init__(self) -> None:
        """Check that each key has a score."""
        assert self.keys.shape == self.scores.shape, "one score a key"


@dataclass(frozen=True, slots=True)
class ChannelPlace:
    """Place of a product in one channel."""

    channel: str
    rank: int | None
    """From 1; None where the channel did not return the product."""
    score: float | None


@dataclass(frozen=True, slots=True)
class Merged:
    """Merged ranking of all products that the channels found, best first."""

    keys: np.ndarray
    """int64 (M,)."""
    scores: np.ndarray
    """float64 (M,), falling until boosts or pins move products."""
    channels: tuple[str, ...]
    ranks_CM: np.ndarray
    """Rank in each channel from 1, int64; 0 where it did not return the product."""
    scores_CM: np.ndarray
    """Score in each channel, float32; NaN where it did not return the product."""
    points_CM: np.ndarray | None = None
    """Part of the merged score that each channel adds, float64; None where it is no sum."""

    def take(self, places: np.ndarray) -> "Merged":
        """Return the products at these places, in their order."""
        return Merged(
            self.keys[places],
            self.scores[places],
            self.channels,
            self.ranks_CM[:, places],
            self.scores_CM[:, places],
            None if self.points_CM is None else self.points_CM[:, places],
        )

    def explain(self, place: int) -> tuple[ChannelPlace, ...]:
        """Return the rank and score in each channel of the product at a place, from 0."""
        return tuple(
            ChannelPlace(name, int(rank), float(score)) if rank else ChannelPlace(name, None, None)
            for name, rank, score in zip(
                self.channels, self.ranks_CM[:, place], self.scores_CM[:, place], strict=True
            )
        )

    def points(self, place: int) -> dict[str, float] | None:
        """Return the part of the score that each channel adds; None where it is no sum."""
        if self.points_CM is None:
            return None
        return dict(zip(self.channels, self.points_CM[:, place].tolist(), strict=True))

    def moved(self, factors_M: np.ndarray) -> np.ndarray:
        """Return the order, (M,), after moving each product from place p (from 1) to p / factor.

        A factor of 2 halves the place and 0.5 doubles it, whatever the scores mean. Where two
        products meet, the one that was further up stays ahead; factors are above 0.
        """
        return np.argsort(np.arange(1, len(self.keys) + 1) / factors_M, kind="stable")

    def raised(self, points_M: np.ndarray) -> "Merged":
        """Add points to the scores, and sort again."""
        scores = self.scores + points_M
        return replace(self, scores=scores).take(np.argsort(-scores, kind="stable"))

    def first(self, keys: np.ndarray) -> "Merged":
        """Put products before all others, appending those that are missing, with the top score."""
        merged = self.including(keys.tolist())
        is_first_M = np.isin(merged.keys, keys)
        top = merged.scores[~is_first_M].max(initial=0.0)
        scores = np.where(is_first_M, np.maximum(merged.scores, top), merged.scores)
        return replace(merged, scores=scores).take(np.argsort(~is_first_M, kind="stable"))

    def including(self, keys: Sequence[int]) -> "Merged":
        """Append products that are missing, with score 0."""
        have = set(self.keys.tolist())
        new = [key for key in dict.fromkeys(keys) if key not in have]
        padding = (len(self.channels), len(new))
        return Merged(
            np.append(self.keys, np.array(new, dtype=np.int64)),
            np.append(self.scores, np.zeros(len(new))),
            self.channels,
            np.hstack([self.ranks_CM, np.zeros(padding, dtype=np.int64)]),
            np.hstack([self.scores_CM, np.full(padding, np.nan, dtype=np.float32)]),
            None if self.points_CM is None else np.hstack([self.points_CM, np.zeros(padding)]),
        )


def padded_ranking(
    name: str, keys: np.ndarray, scores: np.ndarray, *, is_whole: bool = False
) -> ChannelRanking:
    """Return the ranking of a channel from its keys and scores, without padding of key -1."""
    found = keys >= 0
    return ChannelRanking(
        name, keys[found].astype(np.int64), scores[found].astype(np.float32), is_whole
    )


def merge(
    rankings: Sequence[ChannelRanking], configs: Sequence[ChannelConfig], merging: MergeConfig
) -> Merged:
    """Merge the rankings of channels by the method of `merging`."""
    weights = [config.weight for config in configs]
    if merging.method == "weighted_sum":
        return weighted_sum(rankings, weights)
    known = curves(configs)
    if merging.method == "calibrated" and len(known) == len(configs):
        return calibrated(rankings, weights, known)
    if len(rankings) == 1:
        only = rankings[0]
        ranks_1M = np.arange(1, len(only.keys) + 1)[None]
        scores_M = only.scores.astype(np.float64)
        return Merged(
            only.keys, scores_M, (only.name,), ranks_1M, only.scores[None], scores_M[None]
        )
    if merging.method == "interleave":
        return interleave(rankings, weights)
    return reciprocal_rank(rankings, weights, merging.smoothing)


def curves(configs: Sequence[ChannelConfig]) -> list[Curve]:
    """Return the curves of the channels that are calibrated."""
    return [config.curve for config in configs if config.curve.scores]


def reciprocal_rank(
    channels: Sequence[ChannelRanking], weights: Sequence[float], smoothing: float = SMOOTHING
) -> Merged:
    """Order by the sum over channels of weight / (smoothing + rank); equal sums by key.

    A channel of weight 0 is explained, but adds no product.
    """
    table = _table(channels, weights)
    share_CM = _shares(table, weights, smoothing)
    return _ordered(replace(table, points_CM=share_CM), _total(share_CM))


def interleave(channels: Sequence[ChannelRanking], weights: Sequence[float]) -> Merged:
    """Let channels take turns, as often as they weigh; each gives its best product not yet given.

    Turn j of a channel (from 1) is due at (j - 1/2) / weight; the channel that stands first goes
    first where two are due at once. The score is 1 / place: only its order means something.
    """
    table = _table(channels, weights)
    due = [
        (np.arange(len(channel.keys)) + 0.5) / weight
        for channel, weight in zip(channels, weights, strict=True)
        if weight > 0
    ]
    remaining = [
        iter(channel.keys.tolist())
        for channel, weight in zip(channels, weights, strict=True)
        if weight > 0
    ]
    turns = np.repeat(np.arange(len(due)), [len(times) for times in due])
    turns = turns[np.argsort(np.concatenate(due), kind="stable")]
    given: dict[int, None] = {}
    for turn in turns.tolist():
        for key in remaining[turn]:
            if key not in given:
                given[key] = None
                break
    keys = np.fromiter(given, dtype=np.int64, count=len(given))
    merged = table.take(np.searchsorted(table.keys, keys))
    scores = 1 / np.arange(1, len(keys) + 1)
    return Merged(keys, scores, merged.channels, merged.ranks_CM, merged.scores_CM)


def weighted_sum(channels: Sequence[ChannelRanking], weights: Sequence[float]) -> Merged:
    """Order by the sum over channels of weight x score; equal sums by key.

    A product that a channel did not return counts there with the lowest score that it did return,
    as it is no better than that; with 0 where the channel returned all that it finds.
    """
    table = _table(channels, weights)
    points_CM = np.zeros(table.ranks_CM.shape)
    for c, (channel, weight) in enumerate(zip(channels, weights, strict=True)):
        if weight > 0 and len(channel.keys):
            scores_M = table.scores_CM[c]
            lowest = 0.0 if channel.is_whole else channel.scores.min()
            points_CM[c] = weight * np.where(np.isnan(scores_M), lowest, scores_M).astype(
                np.float64
            )
    return _ordered(replace(table, points_CM=points_CM), points_CM.sum(axis=0))


def calibrated(
    channels: Sequence[ChannelRanking],
    weights: Sequence[float],
    calibrations: Sequence[Curve],
) -> Merged:
    """Order by the weighted mean of the channels' probabilities of relevance.

    A product that a channel did not return counts there with the channel's floor. Equal means are
    ordered by reciprocal ranks, then by key.
    """
    table = _table(channels, weights)
    scores = probabilities(table, weights, calibrations)
    points_CM = _probability_CM(table, calibrations) * np.array(weights)[:, None] / sum(weights)
    ties_M = _total(_shares(table, weights, SMOOTHING))
    return _ordered(replace(table, points_CM=points_CM), scores, ties_M)


def probabilities(
    merged: Merged, weights: Sequence[float], calibrations: Sequence[Curve]
) -> np.ndarray:
    """Return the weighted mean of the channels' probabilities for each product, (M,)."""
    _check(len(merged.channels), weights)
    if len(calibrations) != len(merged.channels):
        raise ConfigError(
            f"{len(calibrations)} calibrations for {len(merged.channels)} channels. Give each one."
        )
    mean_M: np.ndarray = np.average(_probability_CM(merged, calibrations), axis=0, weights=weights)
    return mean_M


def _probability_CM(merged: Merged, calibrations: Sequence[Curve]) -> np.ndarray:
    return np.array(
        [
            calibration.probability(scores_M)
            for calibration, scores_M in zip(calibrations, merged.scores_CM, strict=True)
        ]
    )


def _table(channels: Sequence[ChannelRanking], weights: Sequence[float]) -> Merged:
    """Return every product of the channels that count, by key, with its ranks and scores."""
    _check(len(channels), weights)
    keys, places = np.unique(np.concatenate([c.keys for c in channels]), return_inverse=True)
    ranks_CM = np.zeros((len(channels), len(keys)), dtype=np.int64)
    scores_CM = np.full(ranks_CM.shape, np.nan, dtype=np.float32)
    start = 0
    for c, channel in enumerate(channels):
        own = places[start : start + len(channel.keys)]
        ranks_CM[c, own] = np.arange(1, len(own) + 1)
        scores_CM[c, own] = channel.scores
        start += len(own)
    names = tuple(channel.name for channel in channels)
    table = Merged(keys, np.zeros(len(keys)), names, ranks_CM, scores_CM)
    if all(weights):
        return table
    return table.take(np.flatnonzero((ranks_CM[np.array(weights) > 0] > 0).any(axis=0)))


def _shares(table: Merged, weights: Sequence[float], smoothing: float) -> np.ndarray:
    """Return weight / (smoothing + rank) by channel, (C, M); 0 where it found nothing."""
    weights_C1 = np.array(weights, dtype=np.float64)[:, None]
    share_CM: np.ndarray = np.where(
        table.ranks_CM > 0, weights_C1 / (smoothing + table.ranks_CM), 0
    )
    return share_CM


def _total(share_CM: np.ndarray) -> np.ndarray:
    """Add up from the smallest, so that the order of the channels never decides."""
    total_M: np.ndarray = np.sort(share_CM, axis=0).sum(axis=0)
    return total_M


def _ordered(table: Merged, scores: np.ndarray, ties: np.ndarray | None = None) -> Merged:
    """Sort by score, then by `ties`, both falling, then by key, the order of the table."""
    order = np.lexsort((-scores,) if ties is None else (-ties, -scores))
    return replace(table.take(order), scores=scores[order])


def _check(num_channels: int, weights: Sequence[float]) -> None:
    if len(weights) != num_channels:
        raise ConfigError(f"{len(weights)} weights for {num_channels} channels. Give each one.")
    if any(not 0 <= weight < np.inf for weight in weights) or not any(weights):
        raise ConfigError(
            f"Channel weights are {list(weights)}. Give numbers from 0 on, one of them above 0."
        )
