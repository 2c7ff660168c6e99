"""SVG plots of a study; equal results give equal bytes.

Colours are Okabe and Ito's, then three of Paul Tol's, which colour-blind readers can tell apart. A
variant that any plot draws as a line has one colour in all of them, the others are grey; groups
differ in their markers, and so do lines. Text stays text.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from windowshop.evaluation import measure_label
from windowshop.study.report.comparison import MAIN_MEASURE, Summary
from windowshop.study.report.tables import gate_means
from windowshop.study.results import CurvePoint, StudyResults, VariantResult

INK, QUIET, PAPER = "#1d1c1a", "#77736b", "#faf9f6"
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8579"),
    *("#332288", "#882255", "#999933"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
TEXT, BOTH, IMAGE = "#0072b2", "#b9b4aa", "#e69f00"
MAX_LINES = 6
MAX_CATEGORIES = 16
CURVE_TITLES = {
    "missing_images": ("Quality as images go missing", "products without their image"),
    "sparse_text": ("Quality as texts get short", "products with their text cut short"),
}
WIDTH, NARROW_WIDTH = 8.4, 3.9
"""Inches; the second fits a phone at the size of its texts."""
NARROW_CHARS = 26
"""Longest line of an axis label there."""
LEGEND_LINE = 0.22
"""Inches of a line of a legend."""
BESIDE: dict[str, Any] = {"frameon": False, "loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
"""A legend right of the plot."""
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a name may hold a $
    "svg.hashsalt": "windowshop",
    "svg.fonttype": "none",
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": QUIET,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.7,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.12,
    "figure.facecolor": PAPER,  # ink needs light behind it, wherever a file is shown
    "axes.facecolor": "none",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """One plot as an SVG document."""

    name: str
    """Stem of its file."""
    title: str
    summary: str
    """Alternative text."""
    svg: str
    narrow: str = ""
    """Plot for a phone; "" where it would not be read there."""


def all_plots(results: StudyResults, summary: Summary) -> list[Plot]:
    """Return every plot that the results have figures for, in reading order."""
    drawn = [
        quality_plot(results, summary),
        *(curve_plot(results, name) for name in results.curves),
        gate_plot(results),
        learning_plot(results),
    ]
    return [plot for plot in drawn if plot is not None]


def quality_plot(results: StudyResults, summary: Summary) -> Plot | None:
    """Plot every variant's mean with its interval over queries and seeds, best at the top."""
    rows = [
        (variant, summary.means[variant.name][MAIN_MEASURE])
        for variant in results.variants
        if MAIN_MEASURE in summary.means[variant.name]
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: (row[1].mean, row[0].name))
    groups = list(dict.fromkeys(variant.group for variant in results.variants))
    colours = {name: _colour(place) for name, place in _places(results).items()}
    label = measure_label(MAIN_MEASURE)

    def draw(axes: Axes) -> None:
        for place, (variant, estimate) in enumerate(rows):
            marker = MARKERS[groups.index(variant.group) % len(MARKERS)]
            colour = colours.get(variant.name, QUIET)
            axes.plot([estimate.low, estimate.high], [place, place], color=colour, lw=1.6)
            axes.plot(estimate.mean, place, marker, color=colour, ms=6)
            if variant.name == results.reference:
                axes.axvline(estimate.mean, color=QUIET, lw=0.9, ls=(0, (4, 3)), zorder=0)
        for place, group in enumerate(groups):
            axes.plot([], [], MARKERS[place % len(MARKERS)], color=QUIET, label=group)
        axes.set_yticks(range(len(rows)), [variant.name for variant, _ in rows])
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.set_xlabel(f"{label}, mean and 95% interval over queries and seeds")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.legend(**BESIDE)

    best = ", ".join(f"{v.name} {e.mean:.3f}" for v, e in reversed(rows))
    return Plot(
        name="quality",
        title=f"{label} by variant",
        summary=f"{label} by variant, best first: {best}.",
        svg=draw_svg(draw, height=1.1 + 0.27 * len(rows)),
        narrow=draw_narrow(draw, height=1.1 + 0.27 * len(rows)),
    )


def curve_plot(results: StudyResults, name: str) -> Plot | None:
    """Plot quality against the share of damaged products, one line per variant."""
    by_variant: dict[str, list[CurvePoint]] = {}
    for point in results.curves[name]:
        by_variant.setdefault(point.variant, []).append(point)
    if not by_variant:
        return None
    places = _places(results)
    title, of_what = CURVE_TITLES.get(name, (name, name))
    label = measure_label(results.curve_measure)

    def draw(axes: Axes) -> None:
        for variant, points in by_variant.items():
            points.sort(key=lambda point: point.x)
            x, low, high = ([getattr(p, key) for p in points] for key in ("x", "low", "high"))
            place = places[variant]
            axes.fill_between(x, low, high, color=_colour(place), alpha=0.15, lw=0)
            draw_line(axes, place, x, [point.mean for point in points], variant)
        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
        axes.set_xlabel(f"share of {of_what} (first seed; 95% interval over queries alone)")
        axes.set_ylabel(label)
        axes.grid(axis="y")
        _name_lines(axes)

    ends = "; ".join(
        f"{variant} from {min(points, key=lambda p: p.x).mean:.3f} "
        f"to {max(points, key=lambda p: p.x).mean:.3f}"
        for variant, points in by_variant.items()
    )
    return Plot(
        name=name,
        title=title,
        summary=f"{title}, {label}: {ends}.",
        svg=draw_svg(draw),
        narrow=draw_narrow(draw),
    )


def gate_plot(results: StudyResults) -> Plot | None:
    """Plot the reference's expert weights by category, most image at the top."""
    means = gate_means(results)
    if not means:
        return None
    shown = sorted(means, key=lambda row: -row[1])[:MAX_CATEGORIES]
    shown.sort(key=lambda row: (row[2][2], row[0]))

    def draw(axes: Axes) -> None:
        left = np.zeros(len(shown))
        for part, (label, colour) in enumerate(
            zip(("text", "both", "image"), (TEXT, BOTH, IMAGE), strict=True)
        ):
            widths = np.array([weights[part] for _, _, weights in shown])
            axes.barh(range(len(shown)), widths, left=left, color=colour, height=0.7, label=label)
            left = left + widths
        axes.set_yticks(range(len(shown)), [f"{name} ({count:,})" for name, count, _ in shown])
        axes.set_xlim(0, 1)
        axes.set_xlabel("mean weight of each expert")
        axes.tick_params(axis="y", length=0)
        axes.legend(**BESIDE)

    rows = "; ".join(f"{name} {weights[2]:.2f}" for name, _, weights in reversed(shown))
    return Plot(
        name="gate_weights",
        title=f"Gate weights of {results.reference} by category",
        summary=f"Mean weight of the image expert by category, highest first: {rows}.",
        svg=draw_svg(draw, height=1.1 + 0.3 * len(shown)),
        narrow=draw_narrow(draw, height=1.1 + 0.3 * len(shown)),
    )


def learning_plot(results: StudyResults) -> Plot | None:
    """Plot dev nDCG@10 over the steps of all stages, averaged over seeds."""
    lines = {variant.name: learning_curve(variant) for variant in _learning(results)}
    if not lines:
        return None
    places = _places(results)

    def draw(axes: Axes) -> None:
        for variant, points in lines.items():
            draw_line(
                axes, places[variant], [step for step, _ in points], [y for _, y in points], variant
            )
        axes.set_xlabel("training step, all stages")
        axes.set_ylabel("nDCG@10 on dev")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.grid(axis="y")
        _name_lines(axes)

    ends = ", ".join(f"{variant} {points[-1][1]:.3f}" for variant, points in lines.items())
    return Plot(
        name="learning_curves",
        title="Learning curves",
        summary=f"nDCG@10 on dev by training step; at the end: {ends}.",
        svg=draw_svg(draw),
        narrow=draw_narrow(draw),
    )


def learning_curve(variant: VariantResult) -> list[tuple[int, float]]:
    """Return (step, dev nDCG@10) over all stages one after another, averaged over seeds."""
    values: dict[int, list[float]] = {}
    for seed in variant.seeds:
        stage, before, last = None, 0, 0
        for check in seed.history:
            if not check.get("chosen", True):
                continue  # a mix of old and new encoder weights that dev did not prefer
            if check["stage"] != stage or "share" in check or before + check["step"] < last:
                stage, before = check["stage"], last
            last = before + int(check["step"])
            values.setdefault(last, []).append(float(check["ndcg@10"]))
    return [(step, sum(found) / len(found)) for step, found in sorted(values.items())]


def _places(results: StudyResults) -> dict[str, int]:
    """Return the place of each variant that a plot draws as a line; its colour follows from it."""
    names = [*_curve_names(results), *(variant.name for variant in _learning(results))]
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _curve_names(results: StudyResults) -> list[str]:
    """Return the reference, then the variants of curves."""
    drawn = [point.variant for points in results.curves.values() for point in points]
    return list(dict.fromkeys([results.reference, *drawn]))


def _learning(results: StudyResults) -> list[VariantResult]:
    """Return the first variants that were trained: those of curves, those of claims, the others."""
    by_name = {variant.name: variant for variant in results.variants}
    names = _curve_names(results)
    names += [name for item in results.falsifiers for name in (item.better, item.worse)]
    names += list(by_name)
    found = [by_name[name] for name in dict.fromkeys(names) if name in by_name]
    return [variant for variant in found if len(learning_curve(variant)) > 1][:MAX_LINES]


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def draw_line(axes: Axes, place: int, x: Sequence[float], y: Sequence[float], label: str) -> None:
    """Draw a line in the colour and with the marker of its place."""
    marker = MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]
    axes.plot(x, y, marker=marker, color=_colour(place), ms=5, lw=1.6, label=label)


def _name_lines(axes: Axes) -> None:
    """Write a legend in the order of the lines' ends."""
    lines = sorted(axes.get_lines(), key=lambda line: -float(np.asarray(line.get_ydata())[-1]))
    axes.legend(handles=lines, **BESIDE)


def draw_svg(draw: Callable[[Axes], None], height: float = 3.6) -> str:
    """Return a plot of 8.4 by `height` inches, without date or creator."""
    return _rendered(draw, (WIDTH, height), lambda axes: None)


def draw_narrow(draw: Callable[[Axes], None], height: float = 3.6) -> str:
    """Return the same plot for a phone: its legend is below, the labels of its axes are wrapped."""
    return _rendered(draw, (NARROW_WIDTH, height), _fit_narrow)


def _fit_narrow(axes: Axes) -> None:
    axes.set_xlabel(fill(axes.get_xlabel(), NARROW_CHARS))
    axes.set_ylabel(fill(axes.get_ylabel(), NARROW_CHARS))
    legend, figure = axes.get_legend(), axes.figure
    if legend is None or not isinstance(figure, Figure):
        return
    handles = [handle for handle in legend.legend_handles if handle is not None]
    names = [text.get_text() for text in legend.get_texts()]
    legend.remove()
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * len(names))
    figure.legend(handles, names, loc="outside lower left", frameon=False)


def _rendered(
    draw: Callable[[Axes], None], size: tuple[float, float], fit: Callable[[Axes], None]
) -> str:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A script that the measuring font lacks is still drawn by the reader's own fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size)
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        fit(axes)
        buffer = io.StringIO()
        metadata = {"Date": None, "Creator": None}
        figure.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()
