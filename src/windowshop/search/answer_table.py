"""Answers as tables for the terminal."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from windowshop.search.answer import Answer

DONE = {
    ("exclusion", "filter"): "left out",
    ("exclusion", "boost"): "last",
    ("identifier", "boost"): "first",
}
"""Words for the actions of some kinds of recognised items; others name themselves."""


def render_answer(answer: Answer, query_image: Path | None) -> RenderableType:
    """Return a table of the results, best first."""
    asked = " + ".join(
        part
        for part in (
            answer.text and f'"{answer.text}"',
            query_image and f"image {query_image.name}",
        )
        if part
    )
    title = f"{asked}{f' where {answer.where}' if answer.where else ''}"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("#", "score", "product_id", "title", "brand", "price", "image"):
        table.add_column(column, justify="right" if column in ("#", "score", "price") else "left")
    for result in answer.results:
        price = "" if result.price is None else f"{result.price:,.2f} {result.currency or ''}"
        cells = (result.product_id, result.title or "", result.brand or "", price.strip())
        image = Path(result.image).name if result.image else ""
        table.add_row(
            str(result.rank), f"{result.score:.3f}", *(Text(c) for c in cells), Text(image)
        )
    shown = f"{len(answer.results)} of {answer.total} results"
    footer = f"{shown} among {answer.matching} products, {answer.took_ms:.0f} ms"
    notes = [Text(note, style="yellow") for note in _notes(answer)]
    return Group(*notes, table, Text(footer, style="dim"))


def _notes(answer: Answer) -> list[str]:
    """Return the corrected query, what was recognised in it, and what was relaxed."""
    notes = [f"Read as: {answer.corrected}"] if answer.corrected else []
    notes += [
        f"{DONE.get((part.kind, part.action), part.action)}: {part.name} ({part.reason})"
        for part in answer.recognised
        if part.action != "off"
    ]
    return notes + list(answer.relaxed) + _uncertain(answer)


def _uncertain(answer: Answer) -> list[str]:
    """Return what was not found, and what is there instead."""
    certainty = answer.certainty
    if certainty is None or certainty.found == "certain":
        return []
    notes = [f"{certainty.text} The closest:" if answer.results else certainty.text]
    if certainty.unmet:
        there = [f"{other.text} ({other.total})" for other in certainty.unmet.alternatives]
        notes += [f"There is: {'; '.join(there)}"] if there else []
    return notes
