"""windowshop beside what else one would train, on the same data, encoders and steps, in one run.

    python benchmarks/peers.py DATA --steps 200 --batch 64 --seed 0 --out peers.json

Each system is trained and then ranks the full catalogue for the test queries; what it may choose
(a learning rate, how an encoder is tuned) is chosen on dev. docs/evaluation.md, "Peers", says what
each one is. Prints a line a system and writes the figures after each one.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from peer_clip import ENCODER_RATES, FROZEN_RATES, fit_clip, fit_clip_frozen
from peer_shop import Budget, Fitted, Shop, open_shop
from peer_windowshop import HOW, fit_bm25, fit_heads, fit_score_fusion, fit_tuned
from published import SUFFIX
from rich.console import Console
from transformers.utils import logging

from windowshop.config import FUSED, TrainConfig, load_config
from windowshop.errors import ConfigError, WindowshopError
from windowshop.evaluation import (
    ALL,
    bootstrap,
    judged_slices,
    score_slices,
    scores_table,
    write_scores,
)
from windowshop.files import write_json
from windowshop.model import environment
from windowshop.progress import TerminalReporter
from windowshop.study import peak_memory_mb, reset_peak

Fit = Callable[[Shop], Fitted]
CACHE = Path.home() / ".cache" / "windowshop"
TEXT_ONLY = "text_only"
SLICES = ("kind", "text_quality", "cold+text_quality")
"""Columns to slice by, where the data has them."""
GROWING = ("st_text_only", "clip_style", "clip_style_frozen", "ours_text_only", "ours_tuned")
"""Systems that take the budget's steps, and more of them where dev still rises."""
REFERENCES = ("ours", "ours_tuned", "ours_text_only")
"""System that the others are set against."""
SHOWN = ("ndcg@10", "ndcg@1", "recall@10", "recall@100", "mrr@10")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One system with the settings that dev chose."""

    chosen: str
    dev: dict[str, float]
    """Mean of nDCG@10 and Recall@100 on dev, by setting."""
    fitted: Fitted
    total_seconds: dict[str, float]
    """Training, choosing weights and encoding the catalogue, by setting."""
    memory_mb: float | None
    """Peak while the chosen setting was fitted."""
    memory_before_mb: float | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, rank, print."""
    given = _parse(arguments)
    if "st_text_only" in given.systems:
        _text_peer()  # what it lacks is told before anything is trained
    config = load_config(given.config) if given.config else TrainConfig()
    config = replace(config, seed=given.seed)
    budget = Budget(steps=given.steps, batch=given.batch, image_side=given.image_side)
    reporter = TerminalReporter(Console(stderr=True))
    with tempfile.TemporaryDirectory() as work:
        shop = open_shop(given.data, config, budget, (given.cache, Path(work)), reporter)
        figures = _head(shop, given)
        scores: dict[str, pl.DataFrame] = {}
        print(_line("system", [*SHOWN, "train s", "+MB"]))
        for name in given.systems:
            most = given.most_steps if name in GROWING else 0
            outcome = choose(shop, systems()[name], most)
            scores[name] = _scores(shop, outcome.fitted)
            figures["systems"][name] = _figures(outcome, scores[name])
            print(_row(name, figures["systems"][name]), flush=True)
            write_json(given.out, figures, chosen="file")
    figures["against"] = against(scores, figures["systems"])
    tables = (table.select(pl.lit(n).alias("system"), pl.all()) for n, table in scores.items())
    shown = pl.concat(tables).filter(pl.col("measure").is_in(SHOWN))
    write_scores(shown, given.out.with_suffix(SUFFIX), chosen="file")
    write_json(given.out, figures, chosen="file")
    print("\nRatios of nDCG@10 and of training seconds to:")
    print(_line("system", list(figures["against"])))
    for name in given.systems:
        print(_line(name, [_pair(part[name]) for part in figures["against"].values()]))


def systems() -> dict[str, dict[str, Fit]]:
    """Every system: the settings that dev chooses from, each with what trains it."""
    tuned = {how: how for how in HOW}
    return {
        "bm25": {"default": fit_bm25},
        "ours": {"default": partial(fit_heads, name=FUSED)},
        "ours_text_only_frozen": {"default": partial(fit_heads, name=TEXT_ONLY)},
        "score_tuned": {"default": partial(fit_score_fusion, mix="tuned")},
        "score_raw": {"default": partial(fit_score_fusion, mix="raw")},
        "score_centred": {"default": partial(fit_score_fusion, mix="centred")},
        "clip_style_frozen": {f"{r:g}": partial(fit_clip_frozen, rate=r) for r in FROZEN_RATES},
        "st_text_only": {f"{r:g}": partial(_fit_text, rate=r) for r in (2e-5, 5e-5)},
        "ours_text_only": {n: partial(fit_tuned, name=TEXT_ONLY, how=h) for n, h in tuned.items()},
        "ours_tuned": {n: partial(fit_tuned, name=FUSED, how=h) for n, h in tuned.items()},
        "clip_style": {f"{r:g}": partial(fit_clip, rate=r) for r in ENCODER_RATES},
    }


def choose(shop: Shop, settings: Mapping[str, Fit], most_steps: int = 0) -> Outcome:
    """Fit every setting and keep the one that does best on dev; the first of equals.

    Its steps are then doubled, up to `most_steps`, as long as dev rises: each time a training of
    its own, whose learning rate falls over all of its steps.
    """
    fits = _Fits(shop)
    for name, fit in settings.items():
        fits.fit(name, fit, shop)
    fit, steps = settings[fits.best], shop.budget.steps
    while 2 * steps <= most_steps:
        steps *= 2
        longer = replace(shop, budget=replace(shop.budget, steps=steps))
        if not fits.fit(f"{fits.best.split(',')[0]}, {steps} steps", fit, longer):
            break
    return fits.outcome()


class _Fits:
    """Trainings of one system under several settings, of which dev keeps the best."""

    def __init__(self, shop: Shop) -> None:
        self._score = shop.dev.score
        self.best = ""
        self._kept: tuple[Fitted, float | None, float | None] | None = None
        self._dev: dict[str, float] = {}
        self._total: dict[str, float] = {}

    def fit(self, name: str, fit: Fit, shop: Shop) -> bool:
        """Train once; returns whether dev says that it is the best so far."""
        gc.collect()
        reset_peak()
        before, began = peak_memory_mb(), time.perf_counter()
        fitted = fit(shop)
        self._total[name] = time.perf_counter() - began
        self._dev[name] = self._score(fitted.dev)
        better = not self.best or self._dev[name] > self._dev[self.best]
        if better:
            self.best, self._kept = name, (fitted, peak_memory_mb(), before)
        return better

    def outcome(self) -> Outcome:
        """The best training, with what dev said of all."""
        assert self._kept is not None, "a system has at least one setting"
        fitted, memory, before = self._kept
        return Outcome(self.best, self._dev, fitted, self._total, memory, before)


def against(
    scores: Mapping[str, pl.DataFrame], figures: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Each system against each reference: ratios of means and of seconds, paired differences."""
    return {
        reference: {
            name: {
                "ratio": _ratios(figures[name][ALL], figures[reference][ALL]),
                "training_s_ratio": _ratio(
                    figures[name]["training_s"], figures[reference]["training_s"]
                ),
                "minus": _estimates(_difference(found, scores[reference])),
            }
            for name, found in scores.items()
        }
        for reference in REFERENCES
        if reference in scores
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    usual = Budget()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=usual.steps, help="of every encoder")
    parser.add_argument(
        "--most-steps", type=int, default=0, help="double them up to this, as long as dev rises"
    )
    parser.add_argument("--batch", type=int, default=usual.batch, help="pairs a step")
    parser.add_argument("--image-side", type=int, default=usual.image_side, help="in training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", type=Path, help="windowshop's settings, YAML")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, default=Path("peers.json"))
    parser.add_argument("--systems", nargs="+", choices=list(systems()), default=list(systems()))
    return parser.parse_args(arguments)


def _fit_text(shop: Shop, rate: float) -> Fitted:
    return _text_peer()(shop, rate)


def _text_peer() -> Callable[[Shop, float], Fitted]:
    """Return what trains st_text_only; raises ConfigError where its trainer lacks a package."""
    try:
        from peer_text import fit_sentence_transformer
    except ImportError as error:
        raise ConfigError(
            f"st_text_only: sentence-transformers' trainer lacks {error.name!r}. "
            "Install windowshop[peers], or leave it out of --systems."
        ) from None
    return fit_sentence_transformer


def _head(shop: Shop, given: argparse.Namespace) -> dict[str, Any]:
    """Environment that the figures were made with."""
    return {
        "data": given.data.name,
        "num_products": len(shop.product_ids),
        "num_queries": {part: len(getattr(shop, part).ids) for part in ("train", "dev", "test")},
        "relevant_from_grade": shop.test.threshold,
        "seed": shop.config.seed,
        "budget": asdict(shop.budget),
        "encoders": [shop.config.text_encoder, shop.config.image_encoder],
        "hashes": shop.prepared.hashes,
        "environment": environment(),
        "systems": {},
    }


def _scores(shop: Shop, fitted: Fitted) -> pl.DataFrame:
    dataset = shop.prepared.dataset
    columns = {*dataset.products.columns, *dataset.queries.columns}
    specs = tuple(spec for spec in SLICES if columns.issuperset(spec.split("+")))
    judged = dataset.qrels_of(dataset.split("test"))
    slices = judged_slices(dataset, judged, specs, min_values=2)
    return scores_table(score_slices(fitted.test, slices))


def _figures(outcome: Outcome, scores: pl.DataFrame) -> dict[str, Any]:
    tables = {name: _estimates(part) for (name,), part in scores.group_by("slice")}
    seconds = outcome.fitted.seconds
    return {
        "chosen": outcome.chosen,
        "dev": outcome.dev,
        "training_s": sum(seconds.values()),
        "training_s_by_part": dict(seconds),
        "total_s": outcome.total_seconds,
        "memory_mb": outcome.memory_mb,
        "memory_before_mb": outcome.memory_before_mb,
        ALL: tables.pop(ALL),
        "slices": {name: tables[name] for name in sorted(tables)},
    }


def _estimates(scores: pl.DataFrame) -> dict[str, Any]:
    """Mean and interval of each measure; (slice, query_id, measure, value) in, one slice."""
    found = {}
    for name in SHOWN:
        values = scores.filter(measure=name)
        if len(values):
            found[name] = asdict(bootstrap(values.sort("query_id")["value"].to_list()))
    return found


def _difference(scores: pl.DataFrame, reference: pl.DataFrame) -> pl.DataFrame:
    """Values less the reference's, by query, over all queries."""
    keys = ["query_id", "measure"]
    joined = scores.filter(slice=ALL).join(reference.filter(slice=ALL), on=keys)
    return joined.select(*keys, value=pl.col("value") - pl.col("value_right"))


def _ratios(found: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: _ratio(found[name]["mean"], reference[name]["mean"]) for name in found}


def _ratio(value: float, reference: float) -> float | None:
    return value / reference if reference else None


def _row(name: str, found: Mapping[str, Any]) -> str:
    cells = [f"{found[ALL][measure]['mean']:.3f}" for measure in SHOWN]
    cells += [
        f"{found['training_s']:.0f}",
        f"{(found['memory_mb'] or 0) - (found['memory_before_mb'] or 0):.0f}",
    ]
    return _line(name, cells) + f"  {found['chosen']}"


def _pair(part: Mapping[str, Any]) -> str:
    ratios = (part["ratio"]["ndcg@10"], part["training_s_ratio"])
    return "  ".join("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:22}" + "".join(f"{cell:>{1 + max(10, len(cell))}}" for cell in cells)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # other bars would break ours
    try:
        main()
    except WindowshopError as error:
        sys.exit(f"error: {error}")
