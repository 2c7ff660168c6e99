"""Study results -> one HTML page that stands alone: plots, tables and examples inside it.

Every text is escaped, there is no script, and the page's policy forbids requests.
"""

import base64
import json
import re
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from windowshop.study.report.comparison import Summary
from windowshop.study.report.plots import Plot
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
        plots=[(plot, _address(plot.svg)) for plot in plots],
        settings=json.dumps(results.settings, indent=2, ensure_ascii=False, default=str),
        top_grade=max((product.grade or 0 for product in shown), default=0),
        photos=any(product.image for product in shown),
    )


def _address(svg: str) -> str:
    """Return an SVG document as a `data:` address."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


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
