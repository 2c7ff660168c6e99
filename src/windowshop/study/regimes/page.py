"""Report folder of a study of regimes: markdown, one HTML page, plots, and the data behind them."""

import json
from collections.abc import Sequence
from pathlib import Path

from windowshop.settings import to_dict
from windowshop.study.regimes.answers import answer_all, best_cells
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
    image_address,
    markdown_table,
    plain,
    template,
    write_text,
)


def write_page(results: RegimeResults, folder: Path) -> None:
    """Write report.html, report.md, plots/*.svg, results.json and per_query.parquet."""
    save_regimes(results, folder)
    tables, plots = report_parts(results)
    for plot in plots:
        write_text(folder / PLOTS_FOLDER / f"{plot.name}.svg", plot.svg)
    write_text(folder / MARKDOWN_FILE, render_regimes(results, tables, plots, PLOTS_FOLDER))
    page = template("regimes.html").render(
        results=results,
        notes=all_notes(results),
        tables=tables,
        plots=[(plot, image_address(plot.svg)) for plot in plots],
        settings=_settings(results),
    )
    write_text(folder / HTML_FILE, page)


def report_parts(results: RegimeResults) -> tuple[list[Table], list[Plot]]:
    """Return the tables and plots of a report."""
    answers, best = answer_all(results, MEASURES[0]), best_cells(results, MEASURES[0])
    return all_tables(results, answers, best), all_plots(results, answers)


def render_regimes(
    results: RegimeResults, tables: Sequence[Table], plots: Sequence[Plot], plots_folder: str
) -> str:
    """Return the report as markdown, with the map first and the plots from a folder."""
    counts = ", ".join(f"{count:,} {plain(name)}" for name, count in results.counts.items())
    first, *others = tables
    parts = [f"# Regimes of {plain(results.data)}", f"{counts}.", *_sections([first])]
    for plot in plots:
        image = f"![{plain(plot.summary)}]({plots_folder}/{plot.name}.svg)"
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
