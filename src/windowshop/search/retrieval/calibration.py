"""Calibration of a channel: score -> probability of relevance, fitted on dev.

Shapes: P judged pairs of query and product, M products.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from windowshop.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Logistic:
    """1 / (1 + exp(-(slope * score + intercept))) (Platt), at least the floor."""

    slope: float
    intercept: float
    floor: float

    def probability(self, scores_M: np.ndarray) -> np.ndarray:
        """Return probabilities of scores, (M,); NaN (not returned) gives the floor."""
        probability_M = expit(self.slope * scores_M.astype(np.float64) + self.intercept)
        return np.where(np.isnan(scores_M), self.floor, np.maximum(probability_M, self.floor))


@dataclass(frozen=True, slots=True)
class Curve:
    """Rising curve through knots, straight between them and level beyond them."""

    scores: tuple[float, ...] = ()
    """Empty where the channel is not calibrated."""
    probabilities: tuple[float, ...] = ()
    floor: float = 0.0
    """Probability of a product that the channel did not return."""

    def __post_init__(self) -> None:
        """Check that the knots make a rising curve."""
        if len(self.scores) != len(self.probabilities):
            raise ConfigError("curve: give as many probabilities as scores.")
        for values in (self.scores, self.probabilities):
            if list(values) != sorted(values):
                raise ConfigError("curve: scores and probabilities must rise.")

    def probability(self, scores_M: np.ndarray) -> np.ndarray:
        """Return probabilities of scores, (M,); NaN (not returned) gives the floor."""
        probability_M = np.interp(scores_M, self.scores, self.probabilities)
        return np.where(np.isnan(scores_M), self.floor, probability_M)


def fit_logistic(scores_P: np.ndarray, relevant_P: np.ndarray) -> Logistic:
    """Fit slope and intercept, for few judgements; takes the arguments of `fit_isotonic`."""
    scores_P, relevant_P, missing_share = _split(scores_P, relevant_P)
    num_relevant, num_pairs = int(relevant_P.sum()), len(relevant_P)
    # Platt's targets: never quite 0 or 1, so that separable scores get a finite slope.
    target_P = np.where(
        relevant_P,
        (num_relevant + 1) / (num_relevant + 2),
        1 / (num_pairs - num_relevant + 2),
    )
    center, spread = scores_P.mean(), scores_P.std() or 1.0
    x_P = (scores_P - center) / spread

    def loss(slope_intercept: np.ndarray) -> tuple[float, np.ndarray]:
        slope, intercept = slope_intercept
        logit_P = slope * x_P + intercept
        residual_P = expit(logit_P) - target_P
        total = np.sum(np.logaddexp(0, logit_P) - target_P * logit_P)
        return total, np.array([residual_P @ x_P, residual_P.sum()])

    fitted = minimize(loss, np.zeros(2), jac=True, bounds=[(0, None), (None, None)])
    slope, intercept = fitted.x[0] / spread, fitted.x[1] - fitted.x[0] * center / spread
    lowest = expit(slope * scores_P.min() + intercept)
    return Logistic(float(slope), float(intercept), float(min(missing_share, lowest)))


def fit_isotonic(scores_P: np.ndarray, relevant_P: np.ndarray) -> Curve:
    """Fit the best rising curve (pool adjacent violators): for many judgements.

    One entry a product that any channel returned for a dev query: the score that this channel gave
    it, NaN where it did not return it, and whether it is relevant. The floor is the share of
    relevant ones among the latter, at most the lowest probability of the curve. Raises ConfigError
    without both relevant and other products among the scored.
    """
    scores_P, relevant_P, missing_share = _split(scores_P, relevant_P)
    knots, place_P, counts = np.unique(scores_P, return_inverse=True, return_counts=True)
    shares = np.bincount(place_P, relevant_P) / counts
    curve = np.clip(isotonic_regression(shares, weights=counts).x, 0, 1)
    # Inside a level stretch only the ends matter.
    changes = np.diff(curve) != 0
    ends = np.append(True, changes) | np.append(changes, True)
    return Curve(
        tuple(knots[ends].tolist()),
        tuple(curve[ends].tolist()),
        float(min(missing_share, curve[0])),
    )


def _split(scores_P: np.ndarray, relevant_P: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the scored pairs, and the smoothed relevant share of the others."""
    missing_P = np.isnan(scores_P)
    relevant_P = relevant_P.astype(bool)
    missing_share = (relevant_P[missing_P].sum() + 0.5) / (missing_P.sum() + 1)
    scored_P, labels_P = scores_P[~missing_P].astype(np.float64), relevant_P[~missing_P]
    if not labels_P.any() or labels_P.all():
        raise ConfigError(
            f"Calibration: {int(labels_P.sum())} of {len(labels_P)} scored dev products are "
            "relevant, need some of both. Judge more products, or merge by ranks."
        )
    return scored_P, labels_P, float(missing_share)
