"""Report of a tuning, as tables for the terminal and as plain values."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from windowshop.files import write_json
from windowshop.index import RANKER_FOLDER, open_generations
from windowshop.search.classifier.model import save_classifier
from windowshop.search.ranking.ranker import save_ranker
from windowshop.search.retrieval.config import CutoffConfig
from windowshop.search.searcher import Searcher
from windowshop.search.settings import SETTINGS_FILE, save_search_settings
from windowshop.search.tuning.certainty import CertaintyChoice
from windowshop.search.tuning.choose import KindTuning, Tuning
from windowshop.search.tuning.ranker_report import render_ranker
from windowshop.search.tuning.scoring import SliceRow, TrialScore
from windowshop.search.tuning.trials import Trial

SHOWN = 12


def render_tuning(tuning: Tuning) -> RenderableType:
    """Return for each kind of query the best settings of each sort, the choice and its slices."""
    parts: list[RenderableType] = []
    for kind in tuning.kinds:
        parts.append(_settings(kind))
        if kind.slices:
            parts.append(_slices(kind))
        parts += [Text(line) for line in _summary(kind)]
    if tuning.certainty:
        parts.append(Text(_certainty(tuning.certainty)))
    if tuning.inferring is not None:
        parts += [Text(line) for line in tuning.inferring.lines()]
    if tuning.ranker is not None:
        parts.append(render_ranker(tuning.ranker))
    parts += [Text(note, style="yellow") for note in tuning.notes]
    return Group(*parts)


def tuning_to_json(tuning: Tuning) -> dict[str, Any]:
    """Return all trials as plain values."""
    return {
        "kinds": {kind.kind: _kind_to_json(kind) for kind in tuning.kinds},
        "certainty": _certainty_to_json(tuning.certainty) if tuning.certainty else None,
        "classifier": tuning.inferring and tuning.inferring.to_json(),
        "notes": list(tuning.notes),
        "ranker": tuning.ranker.to_json() if tuning.ranker else None,
    }


def save_tuning(tuning: Tuning, searcher: Searcher, json_file: Path | None) -> Path:
    """Write the settings beside the generation that was searched, and all trials to `json_file`."""
    generation = open_generations(searcher.index.folder).path(searcher.index.generation)
    save_search_settings(tuning.settings, generation)
    if tuning.inferring is not None:
        save_classifier(tuning.inferring.classifier, generation)
    _save_ranker(tuning, generation)
    if json_file is not None:
        write_json(json_file, tuning_to_json(tuning), chosen="file")
    return generation / SETTINGS_FILE


def _save_ranker(tuning: Tuning, generation: Path) -> None:
    """Write the ranker, or remove one that an earlier tuning left: it was fitted to another mix."""
    ranker = tuning.ranker
    if ranker is None or not ranker.used:
        shutil.rmtree(generation / RANKER_FOLDER, ignore_errors=True)
        return
    save_ranker(
        generation,
        ranker.text,
        ranker.spec,
        ranker.engagement,
        tuning.settings,
        ranker.to_json(),
        ranker.num_queries,
        ranker.trial.share,
    )


def _settings(kind: KindTuning) -> Table:
    table = Table(
        title=f"{kind.kind}: {kind.num_queries} queries, {len(kind.tried)} settings tried",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("setting, the best of its sort")
    for name in ("nDCG@10", "R@100"):
        table.add_column(name, justify="right", no_wrap=True)
    for tried in _best_of_sorts(kind):
        chosen = tried == kind.chosen
        name = tried.trial.describe(kind.names) + (" (chosen)" if chosen else "")
        style = "bold" if chosen else ""
        table.add_row(Text(name), f"{tried.ndcg:.4f}", f"{tried.recall:.4f}", style=style)
    return table


def _slices(kind: KindTuning) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("nDCG@10 by slice")
    for name in ("queries", "chosen", *(f"{name} alone" for name in kind.names)):
        table.add_column(name, justify="right")
    for row in kind.slices:
        cells = [f"{row.alone[name]:.4f}" for name in kind.names]
        table.add_row(
            Text(row.name),
            str(row.num_queries),
            f"{row.ndcg:.4f}",
            *cells,
            style="yellow" if row.loss > 0 else "",
        )
    return table


def _summary(kind: KindTuning) -> list[str]:
    lines = [f"{kind.kind}: {kind.chosen.trial.describe(kind.names)}: {kind.why}."]
    if kind.bm25:
        lines.append(f"words: {kind.bm25}.")
    if kind.ignored:
        lines.append(f"Ignored where a query names them: {', '.join(kind.ignored)}.")
    losing = [_loss(row) for row in kind.slices if row.loss > 0]
    if losing:
        lines.append(f"Below the better channel: {', '.join(losing)}.")
    if kind.cut is None:
        lines.append("No cut-off: too few judgements to say how likely a product is relevant.")
    else:
        lines.append(
            f"Lists end at {_end(kind.cut.cutoff)}: "
            f"{kind.cut.length_before:.0f} -> {kind.cut.length_after:.0f} products (median), "
            f"{kind.cut.lost:.2%} of the relevant ones lost."
        )
    return lines


def _certainty(chosen: CertaintyChoice) -> str:
    return (
        f"Not found: said of {chosen.told:.1%} of {chosen.num_off_topic} queries of other trades "
        f"and nonsense, and of {chosen.told_wrongly:.1%} of {chosen.num_judged} judged ones "
        f"({chosen.misspelt_wrongly:.1%} with typos), by fits on other trades and queries."
    )


def _certainty_to_json(chosen: CertaintyChoice) -> dict[str, Any]:
    shares = {name: value for name, value in asdict(chosen).items() if name != "config"}
    return {**shares, "min_probability": chosen.config.min_probability}


def _end(cutoff: CutoffConfig) -> str:
    if cutoff.min_share:
        return f"{cutoff.min_share:.0%} of the best score"
    return f"a probability of {cutoff.min_probability:g}"


def _loss(row: SliceRow) -> str:
    return f"{row.name} by {row.loss:.4f} ({row.num_queries} queries)"


def _best_of_sorts(kind: KindTuning) -> list[TrialScore]:
    """Return the best trials by method and use of recognised items, and the chosen one."""
    best: dict[tuple[object, ...], TrialScore] = {}
    for tried in kind.tried:
        best.setdefault(_sort(tried.trial), tried)
    shown = list(best.values())
    singles = [tried for tried in shown if tried.trial.is_single]
    mixed = [tried for tried in shown if not tried.trial.is_single]
    kept = {id(tried): tried for tried in [*singles, *mixed[:SHOWN], kind.chosen]}
    return sorted(kept.values(), key=lambda tried: -tried.ndcg)


def _sort(trial: Trial) -> tuple[object, ...]:
    alone = trial.weights.index(max(trial.weights)) if trial.is_single else None
    return trial.method, trial.strongest, alone


def _kind_to_json(kind: KindTuning) -> dict[str, Any]:
    return {
        "queries": kind.num_queries,
        "chosen": _tried_to_json(kind.chosen, kind),
        "why": kind.why,
        "refused": kind.num_refused,
        "ignored": list(kind.ignored),
        "bm25": kind.bm25.to_json() if kind.bm25 else None,
        "cut": None
        if kind.cut is None
        else {
            "cutoff": asdict(kind.cut.cutoff),
            "lost": kind.cut.lost,
            "median_length_before": kind.cut.length_before,
            "median_length_after": kind.cut.length_after,
        },
        "slices": [
            {
                "name": row.name,
                "queries": row.num_queries,
                "chosen": row.ndcg,
                "alone": dict(row.alone),
                "loss": row.loss,
            }
            for row in kind.slices
        ],
        "tried": [_tried_to_json(tried, kind) for tried in kind.tried],
    }


def _tried_to_json(tried: TrialScore, kind: KindTuning) -> dict[str, Any]:
    trial = tried.trial
    return {
        "setting": trial.describe(kind.names),
        "method": trial.method,
        "weights": dict(zip(kind.names, trial.weights, strict=True)),
        "smoothing": trial.smoothing,
        "strongest": trial.strongest,
        "boost": {"factor": trial.boost.factor, "points": trial.boost.points},
        "ndcg@10": tried.ndcg,
        "recall@100": tried.recall if tried.recall == tried.recall else None,
    }
