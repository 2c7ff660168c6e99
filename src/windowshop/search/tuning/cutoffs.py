"""Choose the cut-off of lists by the relevant products that it loses.

Shapes: M merged products.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from windowshop.search.retrieval.config import SCORED, CutoffConfig
from windowshop.search.retrieval.merge import Merged, curves, probabilities
from windowshop.search.tuning.scoring import TrialScorer
from windowshop.search.tuning.trials import Trial

DIGITS = 4
EPSILON = 1e-9
UNSURE = 0.02
"""Share of the queries, those with the least likely results, that are not cut.

Queries are harder in a shop than in its judgements, misspelt ones above all.
"""


@dataclass(frozen=True, slots=True)
class CutChoice:
    """Cut-off with its effect on the dev queries, by curves fitted on other queries."""

    cutoff: CutoffConfig
    lost: float
    """Share of the relevant products found that it leaves out, the mean over queries."""
    length_before: float
    """Median number of products in a list."""
    length_after: float


@dataclass(frozen=True, eq=False, slots=True)
class _List:
    """One query's ranking before it is cut."""

    values_M: np.ndarray
    """Share of the best score, or probability, of each product."""
    relevant_M: np.ndarray
    likeliest: float

    def __len__(self) -> int:
        return len(self.values_M)

    def at_risk(self, min_results: int) -> list[tuple[float, float]]:
        """Return values of relevant products behind the first ones, each with its share."""
        places = np.flatnonzero(self.relevant_M)
        values = self.values_M[places[places >= min_results]].tolist()
        return [(value, 1 / len(places)) for value in values]

    def lost(self, lowest: float, min_results: int) -> float:
        """Return the share of the relevant products that a bound leaves out."""
        return sum(share for value, share in self.at_risk(min_results) if value < lowest)

    def kept(self, lowest: float, min_results: int) -> int:
        """Return the number of products that a bound keeps."""
        first = min(min_results, len(self))
        return first + int(np.count_nonzero(self.values_M[first:] >= lowest))


def choose_cut(scorer: TrialScorer, trial: Trial, max_lost: float, base: CutoffConfig) -> CutChoice:
    """Return the highest cut-off that loses at most this share; `min_results` always stay.

    Cuts by the share of the best score, or by probability where scores are ranks.
    """
    lists = _lists(scorer, trial)
    likeliest = sorted(own.likeliest for own in lists)
    sure_from = _rounded_down(likeliest[math.floor(UNSURE * len(lists))])
    sure = [own for own in lists if own.likeliest >= sure_from]
    num_answered = sum(bool(own.relevant_M.any()) for own in lists)
    lowest = _lowest(sure, base.min_results, max_lost * num_answered)
    by_share = trial.method in SCORED
    lengths = [own.kept(lowest, base.min_results) if own in sure else len(own) for own in lists]
    return CutChoice(
        cutoff=replace(
            base,
            min_share=lowest if by_share else 0.0,
            min_probability=0.0 if by_share else lowest,
            sure_from=sure_from,
        ),
        lost=sum(own.lost(lowest, base.min_results) for own in sure) / max(1, num_answered),
        length_before=float(np.median([len(own) for own in lists])),
        length_after=float(np.median(lengths)),
    )


def _lowest(lists: list[_List], min_results: int, may_lose: float) -> float:
    """Return the highest bound that loses no more than `may_lose`, summed over lists."""
    at_risk = [(value, share) for own in lists for value, share in own.at_risk(min_results)]
    lowest, lost = 0.0, 0.0
    for value, share in sorted(at_risk):
        lowest, lost = value, lost + share
        if lost > may_lose + EPSILON:
            break
    return _rounded_down(lowest)


def _lists(scorer: TrialScorer, trial: Trial) -> list[_List]:
    mergings, lists = scorer.mergings(trial), []
    for probe in scorer.probes:
        merging = mergings[probe.fold]
        merged = scorer.ranking(probe, trial, merging)
        weights = [channel.weight for channel in merging.channels]
        chances_M = probabilities(merged, weights, curves(merging.channels))
        values_M = _shares(merged) if trial.method in SCORED else chances_M
        relevant_M = scorer.judge.relevant(probe.query_id, merged.keys)
        lists.append(_List(values_M, relevant_M, float(chances_M.max(initial=0.0))))
    return lists


def _shares(merged: Merged) -> np.ndarray:
    """Return scores as shares of the best; 1 where that is not above 0, so that nothing is cut."""
    best = merged.scores.max(initial=0.0)
    shares_M: np.ndarray = merged.scores / best if best > 0 else np.ones(len(merged.scores))
    return shares_M


def _rounded_down(value: float) -> float:
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) + 1 - DIGITS)
    return round(math.floor(value / step) * step, 12)
