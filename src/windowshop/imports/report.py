"""Report of an import: all that was read, made, guessed, changed and dropped, with rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

What = Literal["dropped", "guessed", "changed", "found"]
MAX_EXAMPLES = 5
MAX_SHOWN = 80
"""Characters of an example."""
STYLES: dict[What, str] = {
    "dropped": "bold red", "guessed": "yellow", "changed": "cyan", "found": "cyan",
}  # fmt: skip

KINDS: dict[str, tuple[What, str]] = {
    "no-content": ("dropped", "rows with neither a title nor an image"),
    "no-id": ("guessed", "rows without an id; one was made of their content"),
    "title-of-text": ("guessed", "products without a title; it is how their description begins"),
    "repeated-row": ("dropped", "rows that repeat an earlier one"),
    "repeated-id": ("dropped", "rows whose id an earlier row has, with other content"),
    "renamed-variant": ("changed", "variants that share an id; theirs got their options added"),
    "shared-id": (
        "changed",
        "rows of another title or price with an id that an earlier one has; theirs got a number",
    ),
    "too-many-fields": ("dropped", "rows with more fields than the header"),
    "joined-fields": ("guessed", "rows with a field that a separator in it had divided, joined"),
    "mended-quotes": ("changed", "rows with quotes that are not doubled, read as text"),
    "totals-row": ("dropped", "rows of totals, which are no product"),
    "broken-row": ("dropped", "rows that cannot be read"),
    "mixed-encoding": ("changed", "rows with letters in another encoding than the file's"),
    "mended-text": ("changed", "texts decoded twice (\u201ccafÃ©\u201d), read as they were meant"),
    "html": ("changed", "texts with HTML, read as plain text"),
    "bad-price": ("dropped", "prices that are no amount"),
    "dated-offer": ("dropped", "lower prices with an end, which is or may be over"),
    "price-book": ("dropped", "price books in another currency than the one taken (--currency)"),
    "cents": ("guessed", "whole prices of a system that counts cents, divided by 100"),
    "price-range": ("guessed", "prices of two amounts; the first was taken"),
    "shared-sign": ("found", "prices whose sign is that of several currencies (--currency)"),
    "no-price": ("found", "products without a price"),
    "several-currencies": ("found", "products in another currency than most"),
    "bad-availability": ("dropped", "availabilities that are not understood"),
    "missing-image": ("found", "images that are not beside the source"),
    "image-outside": ("dropped", "paths of images that lead out of the source's folder"),
    "bad-image": ("dropped", "images in the table that are none"),
    "not-published": ("found", "products that the shop does not show (column published)"),
    "left-unpublished": ("dropped", "products that the shop does not show"),
    "orphan-variant": ("found", "variants whose parent is not in the source"),
    "lost-variant": ("dropped", "variants of products that are not among the tables"),
    "parent-passed-on": ("changed", "parents of variants, whose texts their variants got"),
    "image-row": ("changed", "rows of a further image, added to their product"),
    "store-view": ("dropped", "rows of further store views, that say a product again"),
    "other-kind": ("dropped", "records of another kind than products"),
    "remark-row": ("dropped", "rows below the header that name its columns again"),
    "grouped-by-title": ("guessed", "variants of the row above: of its title, in other options"),
    "option-row": ("dropped", "rows of options or of products to delete, which are no product"),
    "store-view-taken": ("changed", "rows of the chosen store view, over their product's own"),
    "sheet-not-read": ("dropped", "sheets of the workbook, which has a larger one"),
    "option-rule": ("dropped", "rows of option rules, which are no product"),
    "shortened-code": ("dropped", "GTINs that a spreadsheet shortened (4.00638E+12)"),
    "nested-value": ("dropped", "values nested too deep for a column"),
    "refused-product": ("dropped", "products that the source itself says it cannot give"),
    "bad-block": ("dropped", "blocks of JSON that cannot be read"),
    "unknown-query": ("dropped", "judgements of queries that are not in the source"),
    "unknown-product": ("found", "judgements of products that are not in the source"),
    "bad-grade": ("dropped", "judgements whose grade is not understood"),
}
"""Kinds of notes."""


@dataclass(kw_only=True, slots=True)
class Note:
    """One kind of thing that happened to rows."""

    kind: str
    what: What
    text: str
    count: int = 0
    rows: list[int] = field(default_factory=list)
    """Rows of the first examples; the first row of data is 1."""
    examples: list[str] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class ImportReport:
    """Account of an import: format, counts, columns and notes about rows."""

    source: str
    format: str = ""
    certainty: float = 0.0
    """Of the format, from 0 to 1."""
    reasons: list[str] = field(default_factory=list)
    read_as: dict[str, str] = field(default_factory=dict)
    """Encoding, separator and such of the source."""
    counts: dict[str, int] = field(default_factory=dict)
    joins: list[str] = field(default_factory=list)
    """Columns by which tables were joined, and those by which they were not, with how sure."""
    columns: dict[str, str] = field(default_factory=dict)
    """Field or column that each column of the source became."""
    types: dict[str, str] = field(default_factory=dict)
    """Type of each column that was not plain text in the source."""
    empty_columns: list[str] = field(default_factory=list)
    constant_columns: list[str] = field(default_factory=list)
    """Columns with one value in all rows; hidden by `columns.yaml`."""
    dropped_columns: list[str] = field(default_factory=list)
    """Columns of the source that say nothing to a search."""
    kept_columns: list[str] = field(default_factory=list)
    """Columns of the source that are to be columns of products, where they have a value."""
    passed_over: list[str] = field(default_factory=list)
    """Files of a folder that are not read."""
    notes: dict[str, Note] = field(default_factory=dict)

    def add(self, kind: str, row: int, example: object = "") -> None:
        """Count a thing of one kind, with its row."""
        note = self.notes.get(kind)
        if note is None:
            what, text = KINDS[kind]
            note = self.notes[kind] = Note(kind=kind, what=what, text=text)
        note.count += 1
        if len(note.rows) < MAX_EXAMPLES:
            note.rows.append(row)
            shown = f"{example}"[:MAX_SHOWN]
            note.examples.append(shown.encode(errors="replace").decode())

    def count(self, name: str, number: int = 1) -> None:
        """Add to a count."""
        self.counts[name] = self.counts.get(name, 0) + number

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Become the report that `to_json` told of."""
        for name, value in saved.items():
            setattr(self, name, value)
        self.notes = {note["kind"]: Note(**note) for note in saved["notes"]}

    def quiet(self) -> "ImportReport":
        """Return a report that nobody reads, for a source that is read twice."""
        return ImportReport(source=self.source)

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values, notes as a list."""
        return {**asdict(self), "notes": [asdict(note) for note in self.notes.values()]}


def render_import(report: ImportReport) -> RenderableType:
    """Lay the report out for a terminal."""
    facts = Table.grid(padding=(0, 2))
    reasons = f" ({', '.join(report.reasons)})" if report.reasons else ""
    _row(facts, "format", f"{report.format}, {report.certainty:.0%} sure{reasons}")
    _row(facts, "read as", ", ".join(f"{k} {v}" for k, v in report.read_as.items()))
    _row(facts, "counts", ", ".join(f"{n:,} {k}" for k, n in report.counts.items()))
    _row(facts, "joined", "\n".join(report.joins))
    _row(facts, "columns", _columns(report.columns))
    _row(facts, "types", ", ".join(f"{k}: {v}" for k, v in report.types.items()))
    _row(facts, "empty columns", ", ".join(report.empty_columns))
    _row(facts, "one value in all", ", ".join(report.constant_columns))
    _row(facts, "columns left out", ", ".join(report.dropped_columns))
    _row(facts, "files not read", ", ".join(report.passed_over))
    panel = Panel(facts, title=Text(report.source), title_align="left", expand=False)
    if not report.notes:
        return panel
    table = Table(show_header=False, show_lines=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for note in sorted(report.notes.values(), key=lambda note: list(STYLES).index(note.what)):
        table.add_row(Text(note.what, style=STYLES[note.what]), _body(note))
    return Group(panel, table)


def _row(table: Table, name: str, value: str) -> None:
    if value:
        table.add_row(Text(name, style="dim"), Text(value))


def _columns(columns: Mapping[str, str]) -> str:
    changed = [f"{name} -> {target}" for name, target in columns.items() if name != target]
    return ", ".join(changed)


def _body(note: Note) -> Text:
    rows = ", ".join(f"{row:,}" for row in note.rows)
    more = f" and {note.count - len(note.rows):,} more" if note.count > len(note.rows) else ""
    noun = "row" if note.count == 1 else "rows"
    body = Text.assemble((f"{note.count:,} {note.text}", ""), (f"  {noun} {rows}{more}", "bold"))
    shown = [example for example in dict.fromkeys(note.examples) if example]
    if shown:
        body.append("\n" + "; ".join(shown), style="dim")
    return body
