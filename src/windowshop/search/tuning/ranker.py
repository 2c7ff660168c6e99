"""Fit the learned ranker on judged queries, and say by cross-validation whether it pays.

Its settings are fixed, so nothing but the trees is fitted, and each query is ranked by trees that
were fitted on the other folds: the comparison with the mix is on queries that they have not seen.
The mix itself was chosen on all of them, which favours it. Where a slice loses by all that the
trees add to a score, half of it or a quarter may still pay.

Shapes: M candidates, F features, R rows of all queries.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl

from windowshop.data import DESIRABILITY, Dataset, Visits
from windowshop.errors import ConfigError
from windowshop.evaluation import Comparison, compare, one_seed
from windowshop.progress import Reporter
from windowshop.search.ranking.boosting import Boosting, fit_boosting, lightgbm
from windowshop.search.ranking.engagement import Engagement
from windowshop.search.ranking.features import FeatureSpec, group_of
from windowshop.search.ranking.ranker import reordered
from windowshop.search.searcher import Searcher
from windowshop.search.tuning.config import TuneConfig
from windowshop.search.tuning.judgements import Judge, Judgements
from windowshop.search.tuning.ranker_data import (
    NUM_FOLDS,
    RankerData,
    Sample,
    asked_again,
    label_sets,
    make_samples,
    weighed_labels,
)
from windowshop.search.tuning.shop_log import ShopLog, read_log

SHARES = (1.0, 0.5, 0.25)
"""Shares of what the trees add; the first one by which no slice loses counts."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """The ranker without one group of features."""

    group: str
    num_features: int
    loss: Comparison
    """nDCG@10 with the group minus without it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A share of what the trees add to a score, on queries that they were not fitted on."""

    share: float
    ranker: float
    """nDCG@10."""
    gain: Comparison | None
    """nDCG@10 minus the mix's."""
    recall_gain: Comparison | None
    slices: Mapping[str, tuple[int, float]]
    """Slice -> queries and gain of nDCG@10."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "share": self.share,
            "ranker": self.ranker,
            "gain": asdict(self.gain) if self.gain else None,
            "recall_gain": asdict(self.recall_gain) if self.recall_gain else None,
            "slices": {
                name: {"queries": n, "gain": gain} for name, (n, gain) in self.slices.items()
            },
        }


@dataclass(frozen=True, slots=True)
class RankerTuning:
    """A fitted ranker, and how it did on queries that it was not fitted on."""

    num_queries: int
    used: bool
    why: str
    mix: float
    """nDCG@10 of the mix, by the labels that it was fitted to."""
    trial: Trial
    """The one whose share counts, or the first one, where none is used."""
    groups: tuple[GroupRow, ...]
    text: str = field(repr=False)
    """LightGBM's text."""
    spec: FeatureSpec = field(repr=False)
    engagement: Engagement = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "queries": self.num_queries,
            "used": self.used,
            "why": self.why,
            "mix": self.mix,
            **self.trial.to_json(),
            "without": {
                row.group: {"features": row.num_features, "loss": asdict(row.loss)}
                for row in self.groups
            },
            "features": list(self.spec.names),
        }


def tune_ranker(
    searcher: Searcher,
    dataset: Dataset,
    judged: Judgements,
    keys: Mapping[str, int],
    config: TuneConfig,
    visits: Visits | None,
    reporter: Reporter,
) -> tuple[RankerTuning | None, str]:
    """Fit a ranker to texts as the tuned search finds candidates; else say why there is none."""
    if not config.ranker:
        return None, ""
    by_kind = label_sets(dataset, config.split, searcher.settings.ranker)
    texts = {q.query_id: q.text for q in judged.queries if q.text and q.image is None}
    by_clicks = DESIRABILITY in by_kind
    log = read_log(visits, texts, apart=by_clicks) if visits else ShopLog()
    again = asked_again(texts, log.later)
    later = log.later.filter(pl.col("query_id").is_in(list(again)))
    labels = weighed_labels(by_kind, keys, searcher.settings.ranker, later)
    queries = [q for q in judged.queries if q.query_id in texts and q.query_id in labels]
    least = config.min_ranker_queries
    if len(queries) < least:
        return None, f"No ranker: {len(queries)} judged texts, {least} are needed."
    try:
        lightgbm()
    except ConfigError as error:
        return None, f"No ranker: {error}"
    queries = queries[: config.max_queries]
    data = RankerData(queries, judged.parts, labels, log, by_clicks, again)
    loss = config.max_ranker_slice_loss if config.guard else float("inf")
    return fit_ranker(searcher, data, loss, config.min_slice_queries, reporter), ""


def fit_ranker(
    searcher: Searcher,
    data: RankerData,
    max_slice_loss: float,
    min_slice_queries: int,
    reporter: Reporter,
) -> RankerTuning:
    """Fit on the candidates that the searcher finds, and compare with their order."""
    spec, samples = make_samples(searcher, data, reporter)
    num_fits = NUM_FOLDS * (1 + len({group_of(name) for name in spec.names})) + 1
    with reporter.bar("Fit the ranker", num_fits) as advance:
        scores = _cross_fitted(samples, spec, lambda: advance(1, ""))
        groups = _ablation(samples, spec, data.labels, scores, lambda: advance(1, ""))
        text = _fit(samples, spec)
        advance(1, "")
    mix = _ndcg(data.labels, _plain(samples))
    trials = (_trial(data, samples, scores, mix, share) for share in SHARES)
    trial, used, why = chosen(trials, max_slice_loss, min_slice_queries)
    return RankerTuning(
        num_queries=len(samples),
        used=used,
        why=why,
        mix=_mean(mix),
        trial=trial,
        groups=groups,
        text=text,
        spec=spec,
        engagement=data.log.whole,
    )


def _plain(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    return {sample.query_id: sample.candidates.merged.keys for sample in samples}


def _trial(
    data: RankerData,
    samples: Sequence[Sample],
    scores: Sequence[np.ndarray],
    mix: Mapping[str, float],
    share: float,
) -> Trial:
    """Compare the order by a share of what the trees add with the mix's, whose nDCG@10 is given."""
    plain = _plain(samples)
    mixed = [
        s.start_M + share * (all_M - s.start_M) for s, all_M in zip(samples, scores, strict=True)
    ]
    ranked = _ranked(samples, mixed)
    ranker = _ndcg(data.labels, ranked)
    recalls = [_recall(data.parts, keys) for keys in (plain, ranked)]
    return Trial(
        share=share,
        ranker=_mean(ranker),
        gain=compare(one_seed(ranker), one_seed(mix)),
        recall_gain=compare(one_seed(recalls[1]), one_seed(recalls[0])) if recalls[0] else None,
        slices=_slices(data.parts, plain, ranked),
    )


def _mean(values: Mapping[str, float]) -> float:
    return float(np.mean(list(values.values()))) if values else float("nan")


def _fit(samples: Sequence[Sample], spec: FeatureSpec, kept_F: np.ndarray | None = None) -> str:
    x_RF = np.concatenate([sample.fitted_MF for sample in samples])
    monotone = np.array(spec.monotone)
    if kept_F is not None:
        x_RF, monotone = x_RF[:, kept_F], monotone[kept_F]
    return fit_boosting(
        x_RF,
        np.concatenate([sample.label_M for sample in samples]),
        np.concatenate([sample.start_M for sample in samples]),
        [len(sample.label_M) for sample in samples],
        monotone.tolist(),
    )


def _cross_fitted(
    samples: Sequence[Sample],
    spec: FeatureSpec,
    advance: Callable[[], object],
    kept_F: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Score the candidates of each query by trees of the other folds."""
    scores: list[np.ndarray] = [sample.start_M for sample in samples]
    for fold in range(NUM_FOLDS):
        others = [sample for sample in samples if sample.fold != fold]
        if others and len(others) < len(samples):
            trees = Boosting(_fit(others, spec, kept_F))
            for place, sample in enumerate(samples):
                if sample.fold == fold:
                    x_MF = sample.x_MF if kept_F is None else sample.x_MF[:, kept_F]
                    scores[place] = sample.start_M + trees.scores(np.ascontiguousarray(x_MF))
        advance()
    return scores


def _ablation(
    samples: Sequence[Sample],
    spec: FeatureSpec,
    labels: Judge,
    scores: Sequence[np.ndarray],
    advance: Callable[[], object],
) -> tuple[GroupRow, ...]:
    """Fit without each group of features."""
    whole = _ndcg(labels, _ranked(samples, scores))
    groups = np.array([group_of(name) for name in spec.names])
    rows = []
    for group in dict.fromkeys(groups.tolist()):
        kept_F = np.flatnonzero(groups != group)
        without = _ndcg(labels, _ranked(samples, _cross_fitted(samples, spec, advance, kept_F)))
        loss = compare(one_seed(whole), one_seed(without))
        if loss is not None:
            rows.append(GroupRow(group, int((groups == group).sum()), loss))
    return tuple(rows)


def _ranked(samples: Sequence[Sample], scores: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {
        sample.query_id: reordered(sample.candidates, scores_M).merged.keys
        for sample, scores_M in zip(samples, scores, strict=True)
    }


def _ndcg(judge: Judge, ranked: Mapping[str, np.ndarray]) -> dict[str, float]:
    values = {query: judge.scores(query, keys)[0] for query, keys in ranked.items()}
    return {query: value for query, value in values.items() if value == value}


def _recall(parts: Mapping[str, Judge], ranked: Mapping[str, np.ndarray]) -> dict[str, float]:
    judge = next(iter(parts.values()))
    values = {query: judge.scores(query, keys)[1] for query, keys in ranked.items()}
    return {query: value for query, value in values.items() if value == value}


def _slices(
    parts: Mapping[str, Judge], plain: Mapping[str, np.ndarray], ranked: Mapping[str, np.ndarray]
) -> dict[str, tuple[int, float]]:
    found = {}
    for name, judge in list(parts.items())[1:]:
        before, after = _ndcg(judge, plain), _ndcg(judge, ranked)
        if before:
            gains = [after[query] - value for query, value in before.items()]
            found[name] = (len(gains), float(np.mean(gains)))
    return found


def chosen(
    trials: Iterable[Trial], max_slice_loss: float, min_slice_queries: int
) -> tuple[Trial, bool, str]:
    """Return the first trial that pays, else the first one; whether it is used; and why.

    No trial behind the one that pays is asked for.
    """
    refused: list[tuple[Trial, str]] = []
    for trial in trials:
        used, why = _verdict(trial, max_slice_loss, min_slice_queries)
        if not used:
            refused.append((trial, why))
            continue
        if refused:
            why += (
                f", with {trial.share:.0%} of what its trees add (with all of it {refused[0][1]})"
            )
        return trial, True, why
    trial, why = refused[0]
    return trial, False, why


def _verdict(trial: Trial, max_slice_loss: float, min_slice_queries: int) -> tuple[bool, str]:
    if trial.gain is None or not trial.gain.difference.low > 0:
        return False, "it is not surely above the mix on queries that it was not fitted on"
    for name, (count, change) in trial.slices.items():
        if count >= min_slice_queries and -change > max_slice_loss:
            return False, f"slice {name} loses {-change:.4f} by it"
    return True, "it is above the mix on queries that it was not fitted on"
