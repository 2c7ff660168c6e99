"""Fit heads: one multinomial logistic regression for each, on the vectors of queries.

Targets are shares, so that a probability is the expected share of the products that answer a query:
a query that says nothing of a column gets the spread of the catalogue, and nothing is inferred.

Shapes: Q texts, P width of query vectors, K classes of all heads, H heads.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize, minimize_scalar

PENALTY = 1e-3
"""Weight of the squared weights, against the mean cross-entropy of a head."""
MAX_STEPS = 40


def fit_heads(
    x_QP: np.ndarray,
    shares_QK: np.ndarray,
    weight_QH: np.ndarray,
    starts: Sequence[int],
    penalty: float = PENALTY,
) -> np.ndarray:
    """Return weights and biases (K, P + 1), float32; `weight_QH` is 0 where a text says nothing."""
    scale = np.float32(np.sqrt(x_QP.shape[1]))  # numbers of about 1, for the optimiser
    x_QX = np.hstack([x_QP * scale, np.ones((len(x_QP), 1), np.float32)])
    num_classes, width = shares_QK.shape[1], x_QX.shape[1]
    share_QH = weight_QH / np.maximum(weight_QH.sum(axis=0, keepdims=True), 1e-9)
    spread_QK = np.repeat(share_QH, np.diff(starts), axis=1).astype(np.float32)
    target_QK = shares_QK * spread_QK

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w_KX = flat.reshape(num_classes, width).astype(np.float32)
        logits_QK = x_QX @ w_KX.T
        log_QK = log_softmax(logits_QK, starts)
        value = -float((target_QK * log_QK).sum(dtype=np.float64))
        slope_KX = ((np.exp(log_QK) * spread_QK - target_QK).T @ x_QX).astype(np.float64)
        w_KP = flat.reshape(num_classes, width)[:, :-1]
        slope_KX[:, :-1] += 2 * penalty * w_KP
        return value + penalty * float((w_KP**2).sum()), slope_KX.ravel()

    start = np.zeros(num_classes * width)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_STEPS})
    w_KX = found.x.reshape(num_classes, width).astype(np.float32)
    w_KX[:, :-1] *= scale
    return np.asarray(w_KX)


def log_softmax(logits_QK: np.ndarray, starts: Sequence[int]) -> np.ndarray:
    """Return the logarithms of probabilities within each head."""
    log_QK = np.empty_like(logits_QK)
    for start, end in zip(starts, starts[1:], strict=False):
        own = logits_QK[:, start:end]
        own = own - own.max(axis=1, keepdims=True)
        log_QK[:, start:end] = own - np.log(np.exp(own).sum(axis=1, keepdims=True))
    return log_QK


def temperature(logits_QK: np.ndarray, shares_QK: np.ndarray) -> float:
    """Return the divisor of one head's logits by which its probabilities fit held-out shares."""
    if not len(logits_QK):
        return 1.0
    whole = [0, logits_QK.shape[1]]

    def loss(log_t: float) -> float:
        return -float((shares_QK * log_softmax(logits_QK / np.exp(log_t), whole)).sum())

    found = minimize_scalar(loss, bounds=(-3.0, 5.0), method="bounded")
    return float(np.exp(found.x))
