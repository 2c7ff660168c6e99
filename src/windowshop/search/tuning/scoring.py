"""Trials against judgements: means over queries and over slices.

Shapes: T trials, Q queries.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from windowshop.search.retrieval.calibration import Curve
from windowshop.search.retrieval.config import MergeConfig
from windowshop.search.retrieval.merge import Merged, merge
from windowshop.search.tuning.curves import fit_curves
from windowshop.search.tuning.judgements import Judge
from windowshop.search.tuning.probes import Probe
from windowshop.search.tuning.trials import Trial, boosted, single_trials

NUM_FOLDS = 2
MIN_GAIN = 1e-6
MIN_ERRORS = 0.5
"""Standard errors by which dev tells two trials apart; a whole one gives up more (docs/log.md)."""
NDCG, RECALL = range(2)


@dataclass(frozen=True, slots=True)
class TrialScore:
    """A trial's means over queries."""

    trial: Trial
    ndcg: float
    """nDCG@10."""
    recall: float
    """Recall@100; NaN where no query has a relevant product."""
    ndcg_Q: np.ndarray = field(compare=False, repr=False)
    """nDCG@10 of each query; NaN where it is not defined."""

    def is_above(self, other: "TrialScore") -> bool:
        """Return whether nDCG@10 is above another's by more than MIN_ERRORS of its difference."""
        gain_Q = self.ndcg_Q - other.ndcg_Q
        gain_Q = gain_Q[~np.isnan(gain_Q)]
        if len(gain_Q) < 2:
            return False
        return bool(gain_Q.mean() > MIN_ERRORS * gain_Q.std(ddof=1) / np.sqrt(len(gain_Q)))


@dataclass(frozen=True, slots=True)
class SliceRow:
    """nDCG@10 on a slice by a trial and by each channel alone.

    A channel alone uses recognised items as the trial does, or not at all, whichever is better.
    """

    name: str
    num_queries: int
    ndcg: float
    alone: Mapping[str, float]

    @property
    def loss(self) -> float:
        """Return the loss against the better channel; below 0 for a gain."""
        return max(self.alone.values()) - self.ndcg


class TrialScorer:
    """Scores trials on the probes of one kind of query."""

    def __init__(self, probes: Sequence[Probe], names: tuple[str, ...], judge: Judge) -> None:
        self.probes, self.names, self.judge = probes, names, judge
        parts = [[p for p in probes if p.fold != fold] for fold in range(NUM_FOLDS)]
        by_fold = [fit_curves(part, judge, names) for part in parts]
        self._by_fold: list[dict[str, Curve]] = by_fold
        self.curves = fit_curves(probes, judge, names) if all(by_fold) else {}
        """Curves of all queries; empty where the judgements are too few to cross-fit."""
        self._known: dict[tuple[Trial, int], float] = {}

    def mergings(self, trial: Trial) -> list[MergeConfig]:
        """Return the trial's settings for each fold, with curves of the other fold."""
        return [trial.merging(self.names, curves) for curves in self._by_fold]

    def ignored(self, trial: Trial) -> tuple[str, ...]:
        """Return the columns without whose boosts a boosting trial does better.

        One after the other, the most harmful first; each must harm in both folds, and on average by
        more than the standard error, so that a few odd queries decide nothing.
        """
        columns = sorted({name for probe in self.probes for name in probe.found["boost"].columns})
        dropped: tuple[str, ...] = ()
        base_Q = self._values(trial, dropped)
        fold_Q = np.array([probe.fold for probe in self.probes])
        while True:
            options = [(*dropped, name) for name in columns if name not in dropped]
            gains = [self._values(trial, option) - base_Q for option in options]
            harmful = [i for i, gain_Q in enumerate(gains) if shows_harm(gain_Q, fold_Q)]
            if not harmful:
                return dropped
            most = max(harmful, key=lambda i: float(gains[i].sum()))
            dropped, base_Q = options[most], base_Q + gains[most]

    def ranking(
        self, probe: Probe, trial: Trial, merging: MergeConfig, dropped: Sequence[str] = ()
    ) -> Merged:
        """Rank for a query under a trial with its mix; boosts of `dropped` columns are left out."""
        found = probe.found[trial.strongest].without(dropped)
        return boosted(found, merge(found.channels, merging.channels, merging), trial.boost)

    def _values(self, trial: Trial, dropped: Sequence[str]) -> np.ndarray:
        """Return nDCG@10 of each query, (Q,)."""
        mergings = self.mergings(trial)
        rankings = [self.ranking(p, trial, mergings[p.fold], dropped) for p in self.probes]
        found = zip(self.probes, rankings, strict=True)
        return np.nan_to_num([self.judge.scores(p.query_id, r.keys)[NDCG] for p, r in found])

    def means(self, family: Sequence[Trial], judge: Judge) -> list[TrialScore]:
        """Score trials of one merge on the judged queries."""
        mergings = self.mergings(family[0])
        probes = [probe for probe in self.probes if probe.query_id in judge]
        values_TQ2 = np.empty((len(family), len(probes), 2))
        for q, probe in enumerate(probes):
            merged: dict[int, Merged] = {}
            for t, trial in enumerate(family):
                found = probe.found[trial.strongest]
                same = id(found.channels)
                if same not in merged:
                    merging = mergings[probe.fold]
                    merged[same] = merge(found.channels, merging.channels, merging)
                ranking = boosted(found, merged[same], trial.boost)
                values_TQ2[t, q] = judge.scores(probe.query_id, ranking.keys)
        return [
            TrialScore(
                trial,
                _mean(values_Q2[:, NDCG]),
                _mean(values_Q2[:, RECALL]),
                values_Q2[:, NDCG].copy(),
            )
            for trial, values_Q2 in zip(family, values_TQ2, strict=True)
        ]

    def slice_rows(self, trial: Trial, parts: Mapping[str, Judge]) -> tuple[SliceRow, ...]:
        """Score a trial and each channel alone on each slice that has a query."""
        rows = []
        for name, judge in parts.items():
            count = sum(probe.query_id in judge for probe in self.probes)
            if not count:
                continue
            alone = {
                channel: max(self._ndcg(trial.alone(place), judge), self._ndcg(plain, judge))
                for place, (channel, plain) in enumerate(
                    zip(self.names, single_trials(len(self.names)), strict=True)
                )
            }
            rows.append(SliceRow(name, count, self._ndcg(trial, judge), alone))
        return tuple(rows)

    def _ndcg(self, trial: Trial, judge: Judge) -> float:
        key = (trial, id(judge))
        if key not in self._known:
            self._known[key] = self.means([trial], judge)[0].ndcg
        return self._known[key]


def _mean(values_Q: np.ndarray) -> float:
    known_Q = values_Q[~np.isnan(values_Q)]
    return float(known_Q.mean()) if len(known_Q) else float("nan")


def shows_harm(gain_Q: np.ndarray, fold_Q: np.ndarray) -> bool:
    """Return whether gains without a column, in both folds, are beyond the standard error."""
    in_folds = [gain_Q[fold_Q == fold].sum() > MIN_GAIN for fold in range(NUM_FOLDS)]
    error = gain_Q.std(ddof=1) / math.sqrt(len(gain_Q)) if len(gain_Q) > 1 else math.inf
    return all(in_folds) and bool(gain_Q.mean() > error)
