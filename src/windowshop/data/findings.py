"""Rules, findings and the report of `windowshop check`, and its form for a terminal."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

Severity = Literal["error", "warning", "info"]
Counts = dict[str, int | dict[str, int]]

MAX_ROWS = 5
SEVERITIES: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
"""Severities, worst first, with the style of each."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Severity of a kind of finding, and its remedy."""

    severity: Severity
    remedy: str


IMAGE_REMEDIES: dict[str, str] = {
    "missing": "Copy the file there, or correct the path; paths start at the data folder.",
    "bad path": "Copy the image into the data folder and write its path below that folder.",
    "web address": "Download the image into the folder, and write its path there.",
    "empty file": "Fetch the image again.",
    "truncated or corrupt": "Fetch the image again; the file ends early or is damaged.",
    "not an image": "Save the image as JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF; look what it is.",
    "too large": "Scale the image down; 1000 pixels a side are plenty.",
    "too small": "Replace the placeholder with an image, or leave the field empty.",
    "unreadable": "Check that the path names a file and that you may read it.",
}
"""Remedies by `kind` of `images.BrokenImage`."""


def image_code(kind: str) -> str:
    """Return the finding code of a broken product image."""
    return "image-" + kind.replace(" ", "-")


REMEDIES: dict[Severity, dict[str, str]] = {
    "error": {
        "no-products": "Put products.parquet, .csv or .jsonl into the folder.",
        "empty-products": "Write at least one product.",
        "unreadable-table": "Mend or export the file again, then repeat the check.",
        "bad-columns": "Correct columns.yaml, or move it away and use --write-columns.",
        "missing-column": "Add the column, or rename the one that holds it.",
        "missing-content": "Add one of the two columns, or rename the one that holds it.",
        "empty-product-id": "Give every product an id.",
        "duplicate-product-id": "Keep one row for each product id.",
        "bad-price": "Write plain numbers such as 12.5, or leave the field empty.",
        "unfindable-product": "Add a title or an image that can be read, or drop the row.",
        "empty-query-id": "Give every query an id.",
        "duplicate-query-id": "Keep one row for each query id.",
        "empty-query": "Add a text or an image, or drop the row.",
        "bad-split": "Write train, dev or test; an empty field counts as train.",
        "leaked-text": "Keep each query text in one split, or test scores are too good.",
        "leaked-photo": "Keep each image in one split, or test scores are too good.",
        "unknown-product": "Add these products or drop the judgements; both ids are text.",
        "unknown-query": "Add these queries or drop the judgements; both ids are text.",
        "bad-grade": "Write whole numbers from 0 (not relevant) to 10 (best).",
        "bad-kind": "Write relevance or desirability; empty means relevance.",
        "bad-weight": "Write a number from 0 on, or leave the field empty for 1.",
    },
    "warning": {
        "dev-text-in-test": "Keep each query text in one split: choices made on dev look too good.",
        "dev-photo-in-test": "Keep each image in one split: choices made on dev look too good.",
        "no-queries": "Add queries.parquet, .csv or .jsonl to train or to evaluate.",
        "no-qrels": "Add qrels.parquet, .csv or .jsonl to train or to evaluate.",
        "no-train-split": "Mark queries as train; training needs them.",
        "no-dev-split": "Mark some queries as dev; training picks its best step by them.",
        "unjudged-queries": "Judge a product for each, or drop them; they are left out.",
        "empty-grade": "Write a grade; an empty one counts as 0, not relevant.",
        "repeated-qrels": "Keep one row for each query, product and kind.",
        "conflicting-grades": "Keep the right grade; the first one read counts.",
        "empty-title": "Add titles; such a product is found by its other fields only.",
        "bad-attributes": 'Write a JSON object such as {"colour": "red"}.',
        "same-photo": "Give duplicates one group_id, so that none is a negative of another.",
        **{image_code(kind): remedy for kind, remedy in IMAGE_REMEDIES.items()},
        **{f"query-{image_code(kind)}": remedy for kind, remedy in IMAGE_REMEDIES.items()},
    },
    "info": {
        "groups": "Nothing to do: a variant of a right product is never a negative in training.",
    },
}
RULES = {
    code: Rule(severity, remedy)
    for severity, remedies in REMEDIES.items()
    for code, remedy in remedies.items()
}
ADVICE = {
    "to-import": Rule("warning", "Run windowshop import FILE --out SHOP."),
    "not-imported": Rule("warning", "Export it again, or move it away."),
    "another-name": Rule("warning", "Rename the columns, or import the table."),
    "image-not-fetched": Rule("warning", "Run windowshop fetch-images."),
    "useless-column": Rule(
        "warning", "Fill it, take it out, or give it the role hidden in columns.yaml."
    ),
    "file-not-taken": Rule(
        "info", "Nothing to do, if it is no product, query or judgement; else import it."
    ),
}
"""Rules of findings that `windowshop.imports` adds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One kind of problem in one file."""

    severity: Severity
    code: str
    file: str
    rows: tuple[int, ...]
    """Up to MAX_ROWS examples, the first row of data is 1; empty where it is about the file."""
    count: int
    """How many rows it concerns; 1 where it is about the file."""
    found: str
    remedy: str

    @property
    def where(self) -> str:
        """File and example rows as text."""
        if not self.rows:
            return self.file
        noun = "row" if self.count == 1 else "rows"
        more = f" and {self.count - len(self.rows):,} more" if self.count > len(self.rows) else ""
        return f"{self.file}, {noun} {', '.join(map(str, self.rows))}{more}"


def finding_of(
    code: str,
    file: str,
    found: str,
    concerned: pl.Series | None = None,
    severity: Severity | None = None,
) -> Finding:
    """Make a finding about the rows where `concerned` is true, or about the whole file.

    `severity` replaces that of the rule.
    """
    rule = (RULES | ADVICE)[code]
    rows = () if concerned is None else tuple(concerned.arg_true().head(MAX_ROWS) + 1)
    return Finding(
        severity=severity or rule.severity,
        code=code,
        file=file,
        rows=rows,
        count=1 if concerned is None else int(concerned.sum()),
        found=found,
        remedy=rule.remedy,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Counts and findings of a check."""

    root: Path
    counts: Counts
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return {
            "root": str(self.root),
            "ok": self.ok,
            "counts": self.counts,
            "findings": [asdict(finding) for finding in self.findings],
        }


def render(report: Report) -> RenderableType:
    """Lay the report out for a terminal: counts, findings with the worst first, a closing line."""
    parts: list[RenderableType] = [_counts_panel(report)] if report.counts else []
    order = list(SEVERITIES)
    findings = sorted(report.findings, key=lambda finding: order.index(finding.severity))
    if findings:
        parts.append(_findings_table(findings))
    return Group(*parts, _closing_line(report))


def _counts_panel(report: Report) -> Panel:
    table = Table.grid(padding=(0, 2))
    for name, value in report.counts.items():
        if isinstance(value, dict):
            shown = ", ".join(f"{key}: {number:,}" for key, number in value.items()) or "none"
        else:
            shown = f"{value:,}"
        table.add_row(Text(name.replace("_", " "), style="dim"), Text(shown))
    return Panel(table, title=Text(str(report.root)), title_align="left", expand=False)


def _findings_table(findings: Iterable[Finding]) -> Table:
    table = Table(show_header=False, show_lines=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        style = SEVERITIES[finding.severity]
        body = Text.assemble(
            (finding.code, style), "  ", (finding.where, "bold"), "\n", finding.found
        )
        body.append(f"\n{finding.remedy}", style="dim")
        table.add_row(Text(finding.severity, style=style), body)
    return table


LOST = ("to-import", "another-name", "image-not-fetched", "useless-column", "image-web-address")
"""Codes of findings by which something in the folder is not used."""


def _closing_line(report: Report) -> Text:
    numbers = {
        severity: sum(finding.severity == severity for finding in report.findings)
        for severity in ("error", "warning")
    }
    parts = [
        f"{number} {severity}{'' if number == 1 else 's'}"
        for severity, number in numbers.items()
        if number
    ]
    lost = sum(finding.code in LOST for finding in report.findings)
    if report.ok and lost:
        return Text(f"Usable, but not all of it is used: {', '.join(parts)}", style="bold yellow")
    if report.ok:
        return Text("OK: " + (", ".join(parts) or "no errors, no warnings"), style="bold green")
    return Text(", ".join(parts), style="bold red")
