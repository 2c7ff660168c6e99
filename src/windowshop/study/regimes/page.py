"""Report folder of a study of regimes: markdown, one HTML page, plots, and the data behind them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from windowshop.evaluation import measure_label
from windowshop.settings import to_dict
from windowshop.study.regimes.answers import Answer, answer_all, best_cells
from windowshop.study.regimes.cells import MEASURES
from windowshop.study.regimes.plots import all_plots
from windowshop.study.regimes.results import RegimeResults, save_regimes
from windowshop.study.regimes.tables import all_tables
from windowshop.study.report.plots import Plot
from windowshop.study.report.tables import Table
from windowshop.study.report.write import (
    HTML_FILE,
    MARKDOWN_FILE,
    PLOTS_FOLDER,
    markdown_table,
    plain,
    plot_addresses,
    template,
    write_text,
)


@dataclass(frozen=True, slots=True)
class ReportParts:
    """Content of a report, in reading order."""

    headline: str
    """The verdict in one sentence."""
    tables: list[Table]
    plots: list[Plot]


def write_page(results: RegimeResults, folder: Path) -> None:
    """Write report.html, report.md, plots/*.svg, results.json and per_query.parquet."""
    save_regimes(results, folder)
    parts = report_parts(results)
    for plot in parts.plots:
        write_text(folder / PLOTS_FOLDER / f"{plot.name}.svg", plot.svg)
    write_text(folder / MARKDOWN_FILE, render_regimes(results, parts))
    page = template("regimes.html").render(
        results=results,
        headline=parts.headline,
        notes=all_notes(results),
        tables=parts.tables,
        plots=plot_addresses(parts.plots),
        settings=_settings(results),
    )
    write_text(folder / HTML_FILE, page)


def report_parts(results: RegimeResults) -> ReportParts:
    """Return the verdict, tables and plots of a report."""
    answers, best = answer_all(results, MEASURES[0]), best_cells(results, MEASURES[0])
    return ReportParts(
        headline(results, answers),
        all_tables(results, answers, best),
        all_plots(results, answers),
    )


def headline(results: RegimeResults, answers: Sequence[Answer]) -> str:
    """Return the verdict in one sentence: in how many of its differences each ingredient pays."""
    if not answers:
        return "Nothing can be said yet: no question has a pair of finished trainings."
    parts = []
    for answer in answers:
        signs = [tested.sign for tested in answer.tested.values()]
        harms = f" (harms in {signs.count(-1)})" if -1 in signs else ""
        parts.append(f"{answer.question.name} in {signs.count(1)} of {len(signs)}{harms}")
    so_far = " that are finished" if results.num_missing else ""
    return (
        f"What pays by {measure_label(MEASURES[0])} on test, in how many differences{so_far}: "
        f"{', '.join(parts)}; every other difference is undecided."
    )


def render_regimes(results: RegimeResults, report: ReportParts) -> str:
    """Return the report as markdown, with the map first and the plots from their folder."""
    counts = ", ".join(f"{count:,} {plain(name)}" for name, count in results.counts.items())
    first, *others = report.tables
    title = f"# Regimes of {plain(results.data)}"
    parts = [title, f"**{plain(report.headline)}**", f"{counts}.", *_sections([first])]
    for plot in report.plots:
        image = f"![{plain(plot.summary)}]({PLOTS_FOLDER}/{plot.name}.svg)"
        parts += [f"## {plain(plot.title)}", image]
    parts += _sections(others)
    notes = "\n".join(f"- {plain(note)}" for note in all_notes(results))
    machine = "\n".join(f"- {plain(name)}: {plain(v)}" for name, v in results.environment.items())
    parts += ["## To be known", notes, "## Environment", machine]
    parts += ["## Settings", f"```json\n{_settings(results)}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def all_notes(results: RegimeResults) -> list[str]:
    """Return the study's notes, those of its blocks, and how much is not finished."""
    notes = [*results.config.notes]
    notes += [f"Block {block.name}: {block.note}" for block in results.config.blocks if block.note]
    if results.num_missing:
        notes.append(f"{results.num_missing:,} trainings of the study are not finished.")
    return notes


def _sections(tables: Sequence[Table]) -> list[str]:
    return [
        part
        for table in tables
        if table.rows
        for part in (f"## {plain(table.title)}", markdown_table(table), plain(table.note))
    ]


def _settings(results: RegimeResults) -> str:
    return json.dumps(to_dict(results.config), indent=2, ensure_ascii=False, default=str)
