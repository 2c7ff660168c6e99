"""Study results -> one HTML page that stands alone: plots, tables and examples inside it.

Every text is escaped, there is no script, and the page's policy forbids requests.
"""

import json
import re
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from windowshop.study.report.comparison import Summary
from windowshop.study.report.plots import INK, PAPER, Plot
from windowshop.study.report.tables import Table, verdict_sentence
from windowshop.study.results import StudyResults

IMAGE_ADDRESS = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+=*")


def render_study(
    results: StudyResults, summary: Summary, tables: Sequence[Table], plots: Sequence[Plot]
) -> str:
    """The page's HTML; a thumbnail that is no JPEG in a `data:` address is left out."""
    shown = [
        product
        for example in results.examples
        for products in example.columns.values()
        for product in products
    ]
    return _template().render(
        results=results,
        verdicts=[(verdict, verdict_sentence(verdict)) for verdict in summary.verdicts],
        tables=tables,
        plots=[(plot, inline_svg(plot)) for plot in plots],
        settings=json.dumps(results.settings, indent=2, ensure_ascii=False, default=str),
        top_grade=max((product.grade or 0 for product in shown), default=0),
        photos=any(product.image for product in shown),
    )


def inline_svg(plot: Plot) -> Markup:
    """The SVG element of a plot for use inside a page.

    Ids get the plot's name, since several plots share one page; ink, background
    and width are the page's.
    """
    svg = plot.svg[plot.svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style .*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{plot.name}-", svg)
    head, body = svg.split(">", 1)
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    label = Markup.escape(plot.summary)
    body = body.replace(INK, "currentColor").replace(PAPER, "none")
    return Markup(f'{head} role="img" aria-label="{label}">{body}')


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("windowshop.study.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["thumbnail"] = lambda image: bool(IMAGE_ADDRESS.fullmatch(image or ""))
    return environment.get_template("study.html")
