"""Order of the first results in which alike products stand apart.

`mmr` takes the product next whose relevance, less its likeness to what stands above it, is highest
(Carbonell and Goldstein 1998, doi:10.1145/290941.291025). Relevance is taken from the scores of the
first products, sorted and stretched from 0 to 1, so that a place counts as much as the scores there
differ. Caps then move down what is too many of one value. All results are ordered once, whatever
the page, so pages neither overlap nor leave anything out.

Shapes: M products of the set, R rows of it in order, T first ones, D width of a vector.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from windowshop.search.request import Diversity


@dataclass(frozen=True, eq=False, slots=True)
class Diversifier:
    """Diversity over one set of results."""

    config: Diversity
    scores_M: np.ndarray
    columns: Mapping[str, pl.Series]
    """Columns of the caps, M values each."""
    vectors: Callable[[np.ndarray], np.ndarray]
    """Return the unit vectors of rows, (T, D); zeros for one without."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows in their new order, (R,)."""
        top = self.config.num_top
        if self.config.method == "mmr" and self.config.weight > 0 and len(rows) > 2:
            first = rows[:top]
            order = mmr(self.scores_M[first], self.vectors(first), self.config.weight)
            rows = np.concatenate([first[order], rows[top:]])
        for_caps = [(self.columns[name], most) for name, most in self.config.max_per.items()]
        return _capped(rows, for_caps, top) if for_caps else rows


def mmr(scores_T: np.ndarray, vectors_TD: np.ndarray, weight: float) -> np.ndarray:
    """Return the order of products by maximal marginal relevance; equals stay in their order."""
    relevance_T = np.sort(np.asarray(scores_T, dtype=np.float64))[::-1]
    spread = relevance_T[0] - relevance_T[-1]
    relevance_T = (relevance_T - relevance_T[-1]) / spread if spread > 0 else np.ones(len(scores_T))
    alike_TT = vectors_TD @ vectors_TD.T
    closest_T, left_T = np.zeros(len(scores_T)), np.ones(len(scores_T), dtype=bool)
    order = np.empty(len(scores_T), dtype=np.int64)
    for place in range(len(order)):
        worth_T = (1 - weight) * relevance_T - weight * closest_T
        order[place] = chosen = int(np.argmax(np.where(left_T, worth_T, -np.inf)))
        left_T[chosen] = False
        closest_T = np.maximum(closest_T, alike_TT[chosen])
    return order


def _capped(rows: np.ndarray, caps: list[tuple[pl.Series, int]], among: int) -> np.ndarray:
    """Move products down that are too many of one value; none is dropped, no value is no limit."""
    values = [column.gather(rows).to_list() for column, _ in caps]
    counts: list[Counter[str]] = [Counter() for _ in caps]
    first: list[int] = []
    for place in range(len(rows)):
        own = [_known(column[place]) for column in values]
        if all(
            value is None or count[value] < most
            for value, count, (_, most) in zip(own, counts, caps, strict=True)
        ):
            first.append(place)
            for value, count in zip(own, counts, strict=True):
                count[value or ""] += 1
        if len(first) == among:
            break
    rest = np.ones(len(rows), dtype=bool)
    rest[first] = False
    return np.concatenate([rows[first], rows[rest]])


def _known(value: object) -> str | None:
    """Return a value in a form that is counted; None for none."""
    return None if value is None or value == [] else repr(value)
