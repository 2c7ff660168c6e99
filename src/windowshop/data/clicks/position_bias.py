"""How much each position is looked at, estimated from the clicks themselves.

Position-based model (Richardson et al. 2007, doi:10.1145/1242572.1242643): a click needs that
position k is looked at, with chance theta_k, and that the product attracts whoever looks, with
chance gamma of the query and product. Only pairs that stood at several positions, natural swaps,
tell one from the other; theta_1 is 1, since only ratios are known.

Expectation and maximisation in turn, free of regression (Wang et al. 2018,
doi:10.1145/3159652.3159732), in their form for counts: given theta, a pair's gamma is its clicks
over the looks it had; given gamma, theta_k is the clicks at k over those expected there. Both are
linear in the clicks, so that theta is right on average however few looks a pair has. The form for
single clicks, with the chance that a passed-over product was looked at, is not: its gamma of a pair
with few looks is pushed against 1, and far positions come out too high (docs/judgements.md).

Shapes: C cells (one query, product and position), P pairs, K positions.
"""

from dataclasses import dataclass

import numpy as np

MIN_CLICKS = 20
"""Clicks on swapped pairs that a position needs for an estimate of its own."""
MIN_PAIRS = 10
"""Pairs with clicks at several positions that any estimate needs."""
MAX_POSITION = 100
"""Last position with an estimate of its own; what stands below is taken for this one."""
MAX_STEPS, TOLERANCE = 300, 1e-6
NUM_RESAMPLES = 20
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class Cells:
    """Times that pairs were shown at a position, and how often something came of it."""

    pair: np.ndarray
    """Number of the query and product, (C,)."""
    position: np.ndarray
    """From 1 on, (C,)."""
    shown: np.ndarray
    clicked: np.ndarray

    def select(self, keep_C: np.ndarray) -> "Cells":
        """Return some of the cells."""
        return Cells(
            self.pair[keep_C], self.position[keep_C], self.shown[keep_C], self.clicked[keep_C]
        )


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Chance that each position is looked at, as a share of the first."""

    look_K: np.ndarray
    low_K: np.ndarray
    high_K: np.ndarray
    """95% of resamples of the pairs."""
    own_K: np.ndarray
    """Whether a position had clicks enough for an estimate of its own, bool; others follow the
    power of the position that fits those."""
    num_pairs: int
    """Swapped pairs with clicks that it was learned from."""

    def look(self, position: np.ndarray) -> np.ndarray:
        """Return the chance for positions, which count from 1."""
        return np.asarray(self.look_K[np.minimum(position, len(self.look_K)) - 1])


def fit_position_bias(cells: Cells, seed: int = 0) -> PositionBias | None:
    """Estimate the bias; None where too few pairs stood at several positions."""
    capped = Cells(cells.pair, np.minimum(cells.position, MAX_POSITION), cells.shown, cells.clicked)
    swapped = _swapped(capped)
    num_pairs = len(np.unique(swapped.pair))
    if num_pairs < MIN_PAIRS:
        return None
    num_positions = int(capped.position.max())
    clicks_K = np.bincount(swapped.position, swapped.clicked, num_positions + 1)[1:]
    own_K = clicks_K >= MIN_CLICKS
    if not own_K[0] or own_K.sum() < 2:
        return None
    used = _swapped(swapped.select(own_K[swapped.position - 1]))
    own_K = _linked(used, own_K)
    used = _swapped(used.select(own_K[used.position - 1]))
    if own_K.sum() < 2 or not own_K[0]:
        return None
    look_K = _completed(_estimate(used, num_positions, np.ones(len(used.pair))), own_K)
    rng = np.random.default_rng(seed)
    weight_RP = rng.poisson(1.0, (NUM_RESAMPLES, int(used.pair.max()) + 1))
    drawn = [
        _completed(_estimate(used, num_positions, weight_P[used.pair]), own_K)
        for weight_P in weight_RP
    ]
    # The spread of the resamples, around the estimate.
    spread_K = 1.96 * np.std(np.log(np.maximum(drawn, _LEAST)), axis=0)
    low_K, high_K = look_K * np.exp(-spread_K), look_K * np.exp(spread_K)
    return PositionBias(look_K, low_K, high_K, own_K, len(np.unique(used.pair)))


def _swapped(cells: Cells) -> Cells:
    """Keep pairs that were clicked and stood at several positions."""
    if not len(cells.pair):
        return cells
    pair_C = np.unique(cells.pair, return_inverse=True)[1]
    is_swapped = (np.bincount(pair_C) > 1) & (np.bincount(pair_C, cells.clicked) > 0)
    kept = cells.select(is_swapped[pair_C])
    return Cells(
        np.unique(kept.pair, return_inverse=True)[1], kept.position, kept.shown, kept.clicked
    )


def _linked(cells: Cells, own_K: np.ndarray) -> np.ndarray:
    """Keep positions that swaps link with the first, directly or through others."""
    reached = np.zeros(len(own_K) + 1, dtype=bool)
    reached[1] = True
    while True:
        pairs = np.unique(cells.pair[reached[cells.position]])
        found = reached.copy()
        found[cells.position[np.isin(cells.pair, pairs)]] = True
        if (found == reached).all():
            return np.asarray(own_K & reached[1:])
        reached = found


def _estimate(cells: Cells, num_positions: int, weight_C: np.ndarray) -> np.ndarray:
    """Return theta, 0 where nothing is known."""
    place, pair = cells.position - 1, cells.pair
    shown, clicked = cells.shown * weight_C, cells.clicked * weight_C
    clicks_K = np.bincount(place, clicked, num_positions)
    clicks_P = np.bincount(pair, clicked)
    theta_K = np.ones(num_positions)
    for _ in range(MAX_STEPS):
        gamma_P = clicks_P / np.maximum(np.bincount(pair, shown * theta_K[place]), _LEAST)
        expected_K = np.bincount(place, shown * gamma_P[pair], num_positions)
        before_K = theta_K
        theta_K = np.where(expected_K > 0, clicks_K / np.maximum(expected_K, _LEAST), 0)
        theta_K = theta_K / max(theta_K[0], _LEAST)
        if np.abs(theta_K - before_K).max() < TOLERANCE:
            break
    return theta_K


def _completed(theta_K: np.ndarray, own_K: np.ndarray) -> np.ndarray:
    """Fill positions without an estimate by the power of the position that fits the others."""
    place_K = np.arange(1, len(theta_K) + 1)
    known = np.flatnonzero(own_K)
    log_place = np.log(place_K[known])
    slope = (
        log_place @ np.log(np.maximum(theta_K[known], _LEAST)) / max(log_place @ log_place, _LEAST)
    )
    return np.where(own_K, theta_K, place_K ** min(slope, 0.0))
