"""Report folder of a study: markdown, one HTML page, plots, and the data behind them."""

import base64
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from windowshop.files import write_atomic
from windowshop.study.report.comparison import Summary, summarise
from windowshop.study.report.plots import Plot, all_plots
from windowshop.study.report.sentences import headline, verdict_sentence
from windowshop.study.report.tables import Part, Table, all_tables
from windowshop.study.results import StudyResults, save_results

MARKDOWN_FILE = "report.md"
HTML_FILE = "report.html"
PLOTS_FOLDER = "plots"
CLAIMS_NOTE = (
    "p is that of the difference from the margin (0 unless given) over queries and seeds, Holm "
    "corrected over these claims. A claim is undecided where p is .05 or more, or where the "
    "difference is nearer to the margin than the detectable size, which such a test finds with 80% "
    "power at 5%. A claim chosen on test needs queries that it was not chosen by."
)
IMAGE_ADDRESS = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+=*")


def write_report(results: StudyResults, folder: Path) -> Summary:
    """Write the whole report and return its statistics.

    The folder gets report.html, report.md, plots/*.svg, results.json, per_query.parquet and
    unretrieved.parquet. Raises DataError where the reference is none of the variants, ConfigError
    where the folder cannot be written.
    """
    save_results(results, folder)  # before the statistics, which take longer than the writing
    summary = summarise(results)
    tables, plots = all_tables(summary.shown, summary), all_plots(summary.shown, summary)
    for plot in plots:
        write_text(folder / PLOTS_FOLDER / f"{plot.name}.svg", plot.svg)
    write_text(folder / MARKDOWN_FILE, render_markdown(summary, tables, plots))
    write_text(folder / HTML_FILE, render_study(summary, tables, plots))
    return summary


def render_markdown(summary: Summary, tables: Sequence[Table], plots: Sequence[Plot]) -> str:
    """Return the report as markdown, with the plots from their folder."""
    results = summary.shown
    counts = ", ".join(f"{count:,} {plain(name)}" for name, count in results.counts.items())
    parts = [
        f"# Study on {plain(results.data)}",
        f"**{plain(headline(summary))}**",
        f"Split {plain(results.split)}; {counts}. Reference: {plain(results.reference)}.",
    ]
    if summary.verdicts:
        lines = [
            f"- **{plain(verdict.falsifier.claim)}**: {verdict.answer}. "
            f"{plain(verdict_sentence(verdict))}"
            for verdict in summary.verdicts
        ]
        parts += ["## Claims", "\n".join(lines), CLAIMS_NOTE]
    for plot in plots:
        image = f"![{plain(plot.summary)}]({PLOTS_FOLDER}/{plot.name}.svg)"
        parts += [f"## {plain(plot.title)}", image]
    for table in tables:
        parts += [f"## {plain(table.title)}", markdown_table(table), plain(table.note)]
    if results.notes:
        parts += ["## To be known", "\n".join(f"- {plain(note)}" for note in results.notes)]
    notes = [
        f"- {plain(variant.name)}: {plain(variant.note)}"
        for variant in results.variants
        if variant.note
    ]
    if notes:
        parts += ["## What each variant is", "\n".join(notes)]
    machine = [f"- {plain(name)}: {plain(v)}" for name, v in results.environment.items()]
    settings = json.dumps(results.settings, indent=2, ensure_ascii=False, default=str)
    parts += ["## Environment", "\n".join(machine), "## Settings", f"```json\n{settings}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_study(summary: Summary, tables: Sequence[Table], plots: Sequence[Plot]) -> str:
    """Return the report as one HTML page that stands alone, without scripts or requests.

    Every text is escaped; a thumbnail that is no JPEG in a `data:` address is left out.
    """
    results = summary.shown
    shown = [
        product
        for example in results.examples
        for products in example.columns.values()
        for product in products
    ]
    return template("study.html").render(
        results=results,
        headline=headline(summary),
        verdicts=[(verdict, verdict_sentence(verdict)) for verdict in summary.verdicts],
        claims_note=CLAIMS_NOTE,
        tables=tables,
        plots=plot_addresses(plots),
        settings=json.dumps(results.settings, indent=2, ensure_ascii=False, default=str),
        top_grade=max((product.grade or 0 for product in shown), default=0),
        images=any(product.image for product in shown),
    )


def plot_addresses(plots: Sequence[Plot]) -> list[tuple[Plot, str, str]]:
    """Return plots with the addresses of the wide and the narrow image, "" for none."""
    return [
        (plot, image_address(plot.svg), image_address(plot.narrow) if plot.narrow else "")
        for plot in plots
    ]


def image_address(svg: str) -> str:
    """Return an SVG document as a `data:` address."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


@cache
def template(name: str) -> Template:
    """Return a template of the report's folder."""
    environment = Environment(
        loader=PackageLoader("windowshop.study.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["thumbnail"] = lambda image: bool(IMAGE_ADDRESS.fullmatch(image or ""))
    return environment.get_template(name)


def markdown_table(table: Table) -> str:
    """Return a table as markdown."""
    align = [":--" if i < table.num_words else "--:" for i in range(len(table.head))]
    rows = [_row(table.head), _row(tuple(align))]
    for place, row in enumerate(table.rows):
        cells = tuple(plain(cell) for cell in row)
        rows.append(_row((f"**{cells[0]}**", *cells[1:]) if place == table.marked else cells))
    return "\n".join(rows)


def _row(cells: Part) -> str:
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """Return text on one line, escaped for markdown."""
    return re.sub(r"[\\`*<>|]|\](?=[(\[:])", r"\\\g<0>", " ".join(text.split()))


def write_text(path: Path, text: str) -> None:
    """Write a file of the report."""
    data = text.encode("utf-8", errors="replace")
    write_atomic(path, lambda aside: aside.write_bytes(data))
