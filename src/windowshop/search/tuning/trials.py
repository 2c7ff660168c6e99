"""Trials of `tune`, simplest first.

Shapes: C channels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from windowshop.search.retrieval.boosts import boost_matches
from windowshop.search.retrieval.calibration import Curve
from windowshop.search.retrieval.config import SCORED, Boost, ChannelConfig, MergeConfig, Method
from windowshop.search.retrieval.merge import Merged
from windowshop.search.tuning.probes import ChannelResults, Probe
from windowshop.search.understanding.recognition import Action

SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
"""Share of a channel beside the first one, by turns, by ranks and by probability."""
SPREADS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 3.0, 6.0, 15.0)
"""Weight of a channel in a sum of scores, where 1 scales its range to that of the first one."""
FEW_SHARES, FEW_SPREADS = (0.1, 0.2, 0.3), (0.1, 0.3, 0.75)
"""Values for three or more channels."""
SMOOTHINGS = (10.0, 60.0)
FACTORS = (1.5, 2.0, 3.0, 5.0)
"""Divisors of places by boosts."""
POINTS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Points of boosts, in ranges of the channel that counts most in a sum, or in probability."""
RANGE_DEPTH = 100
"""Place down to which the range of scores is taken."""
PLAIN_BOOST = Boost(factor=3.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One way to merge and to use recognised items."""

    method: Method
    weights: tuple[float, ...]
    """Weights of the channels, in their order."""
    smoothing: float = 60.0
    strongest: Action = "off"
    boost: Boost = PLAIN_BOOST

    @property
    def is_single(self) -> bool:
        """Return whether one channel decides alone."""
        return sum(weight > 0 for weight in self.weights) == 1

    @property
    def complexity(self) -> int:
        """Return 0 for a channel alone, 2 for several, and 1 more where something is recognised."""
        return 2 * (not self.is_single) + (self.strongest != "off")

    def alone(self, place: int) -> "Trial":
        """Return the trial with one channel alone."""
        weights = tuple(w if i == place else 0.0 for i, w in enumerate(self.weights))
        return replace(self, weights=weights if any(weights) else single(len(weights), place))

    def merging(self, names: Sequence[str], curves: Mapping[str, Curve]) -> MergeConfig:
        """Return the settings of the trial."""
        channels = tuple(
            ChannelConfig(name=name, weight=weight, curve=curves.get(name, Curve()))
            for name, weight in zip(names, self.weights, strict=True)
        )
        return MergeConfig(
            channels=channels,
            method=self.method,
            smoothing=self.smoothing,
            points=self.boost.points if self.strongest != "off" else 0.0,
        )

    def describe(self, names: Sequence[str]) -> str:
        """Describe the trial for a table."""
        pairs = [(n, w) for n, w in zip(names, self.weights, strict=True) if w]
        if self.is_single:
            text = f"{pairs[0][0]} alone"
        else:
            text = f"{self.method} " + ", ".join(f"{name} {weight:g}" for name, weight in pairs)
            text += f", smoothing {self.smoothing:g}" if self.method == "reciprocal_rank" else ""
        if self.strongest == "off":
            return text
        points, factor = self.boost.points, self.boost.factor
        boost = f"+{points:g}" if points else f"place / {factor:g}"
        return f"{text}; recognised: {self.strongest}, {boost}"


def boosted(found: ChannelResults, merged: Merged, boost: Boost) -> Merged:
    """Move products up by the boosts that they match."""
    if not len(found.matched_RK):
        return merged
    return boost_matches(merged, found.matched(merged.keys), boost)


def ranges(probes: Sequence[Probe], num_channels: int) -> tuple[float, ...]:
    """Return the median range of each channel's scores over queries; 1 where it is unknown."""
    found = []
    for place in range(num_channels):
        scores = [probe.found["off"].channels[place].scores[:RANGE_DEPTH] for probe in probes]
        spreads = [float(own[0] - own[-1]) for own in scores if len(own)]
        found.append((float(np.median(spreads)) if spreads else 0.0) or 1.0)
    return tuple(found)


def single(num_channels: int, place: int) -> tuple[float, ...]:
    """Return weights that leave one channel."""
    return tuple(float(i == place) for i in range(num_channels))


def single_trials(num_channels: int) -> list[Trial]:
    """Return a trial of each channel alone, with nothing recognised."""
    places = range(num_channels)
    return [Trial(method="weighted_sum", weights=single(num_channels, place)) for place in places]


def mixed_trials(ranges_C: Sequence[float], *, with_curves: bool) -> Iterator[Trial]:
    """Return each way of merging with each weight, with nothing recognised."""
    few = len(ranges_C) > 2
    others = len(ranges_C) - 1
    shares = [s for s in product(FEW_SHARES if few else SHARES, repeat=others) if sum(s) < 1]
    for own in shares:
        yield Trial(method="interleave", weights=_shared(own))
    for own, smoothing in product(shares, SMOOTHINGS):
        yield Trial(method="reciprocal_rank", weights=_shared(own), smoothing=smoothing)
    for spreads in product(FEW_SPREADS if few else SPREADS, repeat=others):
        scaled = [s * ranges_C[0] / own for s, own in zip(spreads, ranges_C[1:], strict=True)]
        yield Trial(method="weighted_sum", weights=(1.0, *map(_rounded, scaled)))
    if with_curves:
        for own in shares:
            yield Trial(method="calibrated", weights=_shared(own))


def with_boosts(
    trial: Trial,
    ranges_C: Sequence[float],
    strongests: Sequence[Action],
    factors: Sequence[float] = FACTORS,
) -> list[Trial]:
    """Return the trial, then its variants that use recognised items.

    Boosts divide places, and add points where the method's scores are more than ranks.
    """
    boosts = [Boost(factor=factor) for factor in factors]
    if trial.method in SCORED:
        widest = max(r * weight for r, weight in zip(ranges_C, trial.weights, strict=True))
        scale = widest if trial.method == "weighted_sum" else 1.0
        boosts += [Boost(factor=PLAIN_BOOST.factor, points=_rounded(p * scale)) for p in POINTS]
    return [trial] + [
        replace(trial, strongest=strongest, boost=boost)
        for strongest, boost in product(strongests, boosts)
    ]


def _shared(others: Sequence[float]) -> tuple[float, ...]:
    return (round(1 - sum(others), 3), *others)


def _rounded(value: float) -> float:
    """Round to three digits, so that settings stay short."""
    return float(f"{value:.3g}")
