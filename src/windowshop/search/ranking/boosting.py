"""LightGBM, imported where a ranker is fitted or opened: it needs the system's libgomp.

Shapes: R rows of all queries, F features, Q queries.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from windowshop.errors import ConfigError

ROUNDS, LEAVES, RATE = 100, 7, 0.05
"""Small trees that correct the mix: no more was gained by larger ones (docs/log.md)."""
MIN_ROWS = 50
"""Least rows of a leaf."""
TOP = 20
"""First places whose exchanges count."""


def lightgbm() -> Any:  # noqa: ANN401
    """Return the library; raises ConfigError where it cannot be loaded."""
    try:
        import lightgbm as library
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"LightGBM cannot be loaded ({error}). Install the system's OpenMP library "
            "(`apt-get install libgomp1`) and `pip install lightgbm`."
        ) from None
    return library


def fit_boosting(
    x_RF: np.ndarray,
    label_R: np.ndarray,
    start_R: np.ndarray,
    sizes: Sequence[int],
    monotone: Sequence[int],
) -> str:
    """Fit LambdaMART (Burges 2010, MSR-TR-2010-82) on top of `start`; returns the model's text.

    One thread and a fixed seed: the same rows give the same trees.
    """
    library = lightgbm()
    highest = int(label_R.max(initial=1))
    parameters = {
        "objective": "lambdarank",
        "label_gain": list(range(highest + 1)),
        "lambdarank_truncation_level": TOP,
        "num_leaves": LEAVES,
        "learning_rate": RATE,
        "min_data_in_leaf": MIN_ROWS,
        "monotone_constraints": list(monotone),
        "seed": 0,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    data = library.Dataset(
        x_RF, label_R, group=list(sizes), init_score=start_R, params={"verbose": -1}
    )
    booster = library.train(parameters, data, ROUNDS)
    return str(booster.model_to_string())


class Boosting:
    """Fitted trees, of which a share counts; for many threads."""

    def __init__(self, text: str, share: float = 1.0) -> None:
        self._booster, self._share = lightgbm().Booster(model_str=text), share

    def scores(self, x_MF: np.ndarray) -> np.ndarray:
        """Return what the trees add to each candidate, (M,)."""
        found = self._booster.predict(x_MF, num_threads=1, predict_disable_shape_check=True)
        return self._share * np.asarray(found)

    def contributions(self, x_MF: np.ndarray) -> np.ndarray:
        """Return what each feature adds, (M, F): Shapley values (arXiv:1802.03888)."""
        found = self._booster.predict(x_MF, num_threads=1, pred_contrib=True)
        return self._share * np.asarray(found)[:, :-1]
