"""Visits -> queries and desirability judgements, split by text and by time.

A text is in one split, by the hash of it, so it stays there as the log grows. Training texts are
judged by the first part of the log, dev texts by the next, test texts by the last, so that nothing
that training learned from came after what it is measured on. The position bias and the prior are
those of the first part, for all splits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from windowshop.data.clicks.attraction import Prior, cells_of, graded, rated, with_looks
from windowshop.data.clicks.events import query_id, query_key
from windowshop.data.clicks.position_bias import PositionBias, fit_position_bias
from windowshop.data.clicks.visits import Visits
from windowshop.data.dataset import AUTO_SPLIT, DESIRABILITY, SPLITS, with_splits
from windowshop.errors import ConfigError

MIN_HELD_OUT = 20
"""Judged dev and test queries, each, that a log must give to be split by time too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgementConfig:
    """Settings of judgements made from a log."""

    correct: bool = True
    """Correct for the position; else everything that was shown counts as looked at."""
    cap: int = 100
    """Largest weight of a query, whose weight is its number of visits."""
    min_looks: float = 1.0
    """Looks that a product needs, with nothing come of it, to be passed over (grade 0)."""
    by_time: bool = True
    """Split by time as well as by text."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.cap < 1:
            raise ConfigError(f"cap={self.cap} must be at least 1.")
        if self.min_looks <= 0:
            raise ConfigError(f"min_looks={self.min_looks} must be above 0.")


@dataclass(frozen=True, slots=True)
class LogJudgements:
    """Queries and qrels of a log, and how they came about."""

    queries: pl.DataFrame
    qrels: pl.DataFrame
    bias: PositionBias | None
    prior: Prior
    fit: pl.DataFrame
    """position, shown, clicked, look, low, high, own, expected (clicks by the model)."""
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "queries": len(self.queries),
            "positives": int((self.qrels["grade"] > 0).sum()),
            "passed_over": int((self.qrels["grade"] == 0).sum()),
            "position_bias": None
            if self.bias is None
            else {"pairs": self.bias.num_pairs, "positions": self.fit.to_dicts()},
            "prior": {"attraction": self.prior.mean, "looks": self.prior.strength},
            "notes": list(self.notes),
        }


def judge(visits: Visits, config: JudgementConfig) -> LogJudgements:
    """Make judgements of a log's visits; none, where nothing ever came of a search."""
    shown = _with_ids(visits.shown)
    queries = _queries(shown, config)
    windows, notes = _windows(shown, queries, config)
    first = windows["train"]
    cells, _ = cells_of(first)
    bias = fit_position_bias(cells) if config.correct else None
    looked = {
        name: with_looks(part, bias, correct=config.correct) for name, part in windows.items()
    }
    pairs, prior = rated(looked["train"])
    own = {name: queries.filter(split=name) for name in SPLITS}
    parts = [
        graded(rated(part.join(own[name], "query_id", how="semi"), prior)[0], config.min_looks)
        for name, part in looked.items()
    ]
    qrels = pl.concat(parts).with_columns(
        kind=pl.lit(DESIRABILITY), weight=pl.col("confidence").round(4)
    )
    columns = ["query_id", "product_id", "grade", "kind", "weight"]
    rest = [name for name in qrels.columns if name not in columns]
    if config.correct and bias is None:
        notes.append(
            "Position bias unknown: too few products were clicked at several positions of one "
            "query. What stood down to the last click of a page counts as looked at."
        )
    return LogJudgements(
        queries.join(qrels.filter(pl.col("grade") > 0), "query_id", how="semi"),
        qrels.select(*columns, *rest),
        bias,
        prior,
        _fit(looked["train"], pairs, bias),
        tuple(notes),
    )


def _with_ids(shown: pl.DataFrame) -> pl.DataFrame:
    ids = {text: query_id(text) for text in shown["query"].unique()}
    return shown.with_columns(query_id=pl.col("query").replace_strict(ids, return_dtype=pl.String))


def _queries(shown: pl.DataFrame, config: JudgementConfig) -> pl.DataFrame:
    """Return each text with its weight and its split."""
    queries = shown.group_by("query_id", maintain_order=True).agg(
        query=pl.col("query").first(), visits=pl.col("visit").n_unique()
    )
    weight = pl.col("visits").clip(upper_bound=config.cap).cast(pl.Float64)
    split = text_splits(queries["query"])
    return queries.select("query_id", "query", split, weight=weight)


def text_splits(texts: pl.Series) -> pl.Series:
    """Return the split of each text, by the hash of its key."""
    keys = pl.Series("query", [query_key(text) for text in texts], dtype=pl.String)
    table = keys.to_frame().with_columns(image=pl.lit(None, dtype=pl.String))
    return with_splits(table, given=False)["split"]


def _windows(
    shown: pl.DataFrame, queries: pl.DataFrame, config: JudgementConfig
) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """Return what was shown in the time of each split; all of it, where the log is too short.

    A visit that goes on beyond the end of its split's time is in none: it would tell what came
    later.
    """
    whole = dict.fromkeys(SPLITS, shown)
    if not config.by_time:
        return whole, []
    if shown["time"].null_count():
        return whole, ["Split by text alone: some searches have no time."]
    begun = shown.select(pl.col("time").min().over("visit"))["time"]
    ended = shown.select(pl.col("until").max().over("visit"))["until"]
    if begun.is_empty():
        return whole, []
    cuts = [float(np.quantile(begun, share / 100)) for share in AUTO_SPLIT]
    parts = {
        "train": shown.filter(ended < cuts[0]),
        "dev": shown.filter((begun >= cuts[0]) & (ended < cuts[1])),
        "test": shown.filter(begun >= cuts[1]),
    }
    for name in SPLITS[1:]:
        own = queries.filter(split=name)
        judged = parts[name].filter(pl.col("level") > 0).join(own, "query_id", how="semi")
        if judged["query_id"].n_unique() < MIN_HELD_OUT:
            return whole, [
                f"Split by text alone: by time too, {name} would have "
                f"{judged['query_id'].n_unique()} judged queries, fewer than {MIN_HELD_OUT}."
            ]
    return parts, []


def _fit(shown: pl.DataFrame, pairs: pl.DataFrame, bias: PositionBias | None) -> pl.DataFrame:
    """Return what was shown and clicked at each position, beside what the model expects there."""
    attraction = pairs.select("query_id", "product_id", "attraction")
    expected = (pl.col("attraction") * pl.col("look")).sum()
    fit = (
        shown.drop_nulls("position")
        .join(attraction, ["query_id", "product_id"])
        .group_by("position")
        .agg(shown=pl.len(), clicked=(pl.col("level") > 0).sum(), expected=expected)
        .sort("position")
    )
    if bias is None:
        return fit.drop("expected")
    place = np.minimum(fit["position"].to_numpy(), len(bias.look_K)) - 1
    return fit.with_columns(
        look=pl.Series(bias.look_K[place]),
        low=pl.Series(bias.low_K[place]),
        high=pl.Series(bias.high_K[place]),
        own=pl.Series(bias.own_K[place]),
    )
