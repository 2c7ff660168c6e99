"""Plots of a study of regimes: heat maps of what pays, and quality by number of queries."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from windowshop.evaluation import measure_label, three_decimals
from windowshop.study.regimes.answers import Answer, CellScores
from windowshop.study.regimes.cells import BASELINES, MEASURES, baseline_name
from windowshop.study.regimes.config import PLAIN, Cell
from windowshop.study.regimes.regime import Regime
from windowshop.study.regimes.results import CellFigures, RegimeResults
from windowshop.study.regimes.tables import ordered, short
from windowshop.study.report.plots import (
    BESIDE,
    QUIET,
    Plot,
    draw_line,
    draw_narrow,
    draw_svg,
)

MEASURE = MEASURES[0]
FULL_COLOUR = 0.1
"""Difference that has the strongest colour of a heat map."""
MOST_UPRIGHT = 56
"""Characters of the names below a heat map, each as wide as the widest, that fit side by side."""
ON_DEV = "schedule chosen on dev"
Lines = dict[str, dict[Regime, Cell]]


def all_plots(results: RegimeResults, answers: Sequence[Answer]) -> list[Plot]:
    """Return every plot in reading order."""
    drawn = [line_plot(results, judgements) for judgements in kinds_of(results)]
    drawn += [heat_map(answer, place) for place, answer in enumerate(answers)]
    drawn += [
        schedule_plot(results, judgements, fusion)
        for judgements in kinds_of(results)
        for fusion in dict.fromkeys(figures.cell.fusion for figures in results.cells)
    ]
    return [plot for plot in drawn if plot is not None]


def kinds_of(results: RegimeResults) -> list[str]:
    """Return the kinds of judgements that have plain cells."""
    return list(dict.fromkeys(figures.cell.regime.judgements for figures in plain_cells(results)))


def plain_cells(results: RegimeResults) -> list[CellFigures]:
    """Return the cells without option, missing images or category."""
    return [
        figures
        for figures in results.cells
        if figures.cell.option == PLAIN
        and figures.cell.regime
        == Regime(queries=figures.cell.regime.queries, judgements=figures.cell.regime.judgements)
    ]


def line_names(results: RegimeResults) -> list[str]:
    """Return fusions, then schedules, in the order of their colours."""
    cells = [figures.cell for figures in plain_cells(results)]
    names = [*(cell.fusion for cell in cells), *(cell.schedule for cell in cells)]
    return list(dict.fromkeys(names))


def heat_map(answer: Answer, place: int) -> Plot | None:
    """Plot the differences of one question: rows by training, columns by regime."""
    regimes, rows = ordered(answer.regimes), answer.rows
    value_RC = np.full((len(rows), len(regimes)), np.nan)
    for (row, regime), tested in answer.tested.items():
        value_RC[rows.index(row), regimes.index(regime)] = tested.comparison.difference.mean

    def draw(axes: Axes) -> None:
        axes.imshow(value_RC, cmap="RdBu", vmin=-FULL_COLOUR, vmax=FULL_COLOUR, aspect="auto")
        for (row, regime), tested in answer.tested.items():
            strong = abs(tested.comparison.difference.mean) > 0.6 * FULL_COLOUR
            axes.text(
                regimes.index(regime),
                rows.index(row),
                short(tested),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if strong else "black",
            )
        names = [regime.name.replace(", ", "\n") for regime in regimes]
        width = max(len(line) for name in names for line in name.split("\n")) * len(names)
        turned: dict[str, Any] = {"rotation": 45, "ha": "right"} if width > MOST_UPRIGHT else {}
        axes.set_xticks(range(len(regimes)), names, fontsize=8, **turned)
        axes.set_yticks(range(len(rows)), rows, fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    found = "; ".join(
        f"{row} with {regime.name} {short(tested)}"
        for (row, regime), tested in answer.tested.items()
    )
    return Plot(
        name=f"question_{place}",
        title=f"{answer.question.claim}: Δ {measure_label(MEASURE)}",
        summary=f"Differences by regime; ▲ pays, ▼ harms, · undecided: {found}.",
        svg=draw_svg(draw, height=1.6 + 0.36 * len(rows)),
    )


def line_plot(results: RegimeResults, judgements: str) -> Plot | None:
    """Plot quality by number of training queries, a line for each fusion, with baselines."""
    lines: Lines = {}
    best: dict[tuple[str, Regime], float] = {}
    for figures in plain_cells(results):
        cell, dev = figures.cell, [seed.dev.get("score", 0.0) for seed in figures.seeds]
        key, score = (cell.fusion, cell.regime), float(np.mean(dev))
        if cell.regime.judgements == judgements and score > best.get(key, -1.0):
            best[key] = score
            lines.setdefault(cell.fusion, {})[cell.regime] = cell
    title = f"{measure_label(MEASURE)} by training queries, judgements: {judgements}, {ON_DEV}"
    return _lines(results, f"queries_{judgements}", title, lines)


def schedule_plot(results: RegimeResults, judgements: str, fusion: str) -> Plot | None:
    """Plot quality of one fusion by number of training queries, a line for each schedule."""
    lines: Lines = {}
    for figures in plain_cells(results):
        cell = figures.cell
        if cell.fusion == fusion and cell.regime.judgements == judgements:
            lines.setdefault(cell.schedule, {})[cell.regime] = cell
    if len(lines) < 2:
        return None
    title = f"{measure_label(MEASURE)} of {fusion} by schedule, judgements: {judgements}"
    return _lines(results, f"schedules_{judgements}_{fusion}", title, lines)


def _lines(
    results: RegimeResults, name: str, title: str, lines: Mapping[str, Mapping[Regime, Cell]]
) -> Plot | None:
    scores = CellScores(results.scores)
    regimes = ordered(regime for line in lines.values() for regime in line)
    if len(regimes) < 2:
        return None

    places = line_names(results)

    def mean_of(variant: str) -> float:
        return float(scores.of(variant, MEASURE).value_SQ.mean())

    points = {
        label: [(regimes.index(r), mean_of(line[r].name)) for r in regimes if r in line]
        for label, line in lines.items()
    }

    def draw(axes: Axes) -> None:
        for label, line in points.items():
            draw_line(axes, places.index(label), [x for x, _ in line], [y for _, y in line], label)
        for baseline, dashes in zip(BASELINES, ((4, 3), (1, 2)), strict=True):
            level = mean_of(baseline_name(baseline, ""))
            axes.axhline(level, color=QUIET, lw=1.2, ls=(0, dashes), label=baseline)
        amounts = ["all" if regime.queries is None else str(regime.queries) for regime in regimes]
        axes.set_xticks(range(len(regimes)), amounts)
        axes.set_xlabel("training queries")
        axes.set_ylabel(measure_label(MEASURE))
        axes.grid(axis="y")
        axes.legend(**BESIDE)

    ends = "; ".join(
        f"{label} {', '.join(three_decimals(y) for _, y in line)}" for label, line in points.items()
    )
    return Plot(
        name=name,
        title=title,
        summary=f"{title}: {ends}.",
        svg=draw_svg(draw),
        narrow=draw_narrow(draw),
    )
