"""One table of a data set folder as far as it can be read, with the findings about reading it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from windowshop.data.dataset import (
    MAX_GRADE,
    PRODUCT_SCHEMA,
    QRELS_SCHEMA,
    QUERY_SCHEMA,
    RELEVANCE,
    complete_columns,
    require_columns,
    require_either,
    with_splits,
)
from windowshop.data.findings import Finding, Severity, finding_of
from windowshop.data.folder import find_table
from windowshop.data.html_text import clean_texts
from windowshop.data.tables import read_table, to_numbers
from windowshop.errors import DataError

NUM_EXAMPLES = 3
MAX_SHOWN = 60
"""Characters of one example."""
SCHEMAS = {"products": PRODUCT_SCHEMA, "queries": QUERY_SCHEMA, "qrels": QRELS_SCHEMA}
REQUIRED = {
    "products": ("product_id",),
    "queries": ("query_id",),
    "qrels": ("query_id", "product_id"),
}
CONTENT = {"products": ("title", "image"), "queries": ("query", "image")}


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedTable:
    """One table as far as it could be read."""

    file: str
    frame: pl.DataFrame
    """Columns of the schema; no rows where the file is absent or cannot be read."""
    present: frozenset[str]
    """Columns of the file."""
    findings: tuple[Finding, ...]
    """Problems that reading found."""

    def rows(
        self, code: str, concerned: pl.Series, found: str, severity: Severity | None = None
    ) -> Iterator[Finding]:
        """Yield a finding about the rows where `concerned` is true, if there are any."""
        if concerned.any():
            found = f"{concerned.sum():,} of {len(concerned):,} rows: {found}"
            yield finding_of(code, self.file, found, concerned, severity)

    def examples(self, column: str, concerned: pl.Series) -> str:
        """Quote the first distinct values of a column among the rows concerned."""
        values = self.frame[column].filter(concerned).unique(maintain_order=True)
        more = " and others" if len(values) > NUM_EXAMPLES else ""
        return ", ".join(f"{value!r:.{MAX_SHOWN}}" for value in values.head(NUM_EXAMPLES)) + more


def read_checked(root: Path, name: str) -> CheckedTable:
    """Read the products, queries or qrels of a folder; problems become findings."""
    schema = SCHEMAS[name]
    texts = {column: dtype for column, dtype in schema.items() if dtype == pl.String}
    file = name
    try:
        path = find_table(root, name)
        if path is None:
            return _unread(name, finding_of(f"no-{name}", name, "There is no such table."))
        file = path.name
        frame = read_table(path, texts)
        frame = clean_texts(frame) if name == "products" else frame
    except DataError as error:
        return _unread(name, finding_of("unreadable-table", file, str(error)))
    present = frozenset(frame.columns)
    findings = [*_column_findings(frame, name, path)]
    if frame.is_empty():
        code = "empty-products" if name == "products" else f"no-{name}"
        findings.append(finding_of(code, file, "The table has no rows."))
    frame = complete_columns(frame, schema).select(*schema)
    if name == "queries":
        frame = with_splits(frame, given="split" in present)
    if name == "qrels":
        frame = frame.with_columns(pl.col("kind").fill_null(RELEVANCE))
    if name == "qrels" and "grade" not in present:
        frame = frame.with_columns(grade=pl.lit(1.0))
    table = CheckedTable(file=file, frame=frame, present=present, findings=tuple(findings))
    return _with_numbers(table, [column for column in schema if column not in texts])


def _unread(name: str, finding: Finding) -> CheckedTable:
    frame = pl.DataFrame(schema=SCHEMAS[name])
    return CheckedTable(file=finding.file, frame=frame, present=frozenset(), findings=(finding,))


def _column_findings(frame: pl.DataFrame, name: str, path: Path) -> Iterator[Finding]:
    for column in REQUIRED[name]:
        try:
            require_columns(frame, [column], path)
        except DataError as error:
            yield finding_of("missing-column", path.name, str(error))
    if name in CONTENT:
        try:
            require_either(frame, *CONTENT[name], path)
        except DataError as error:
            yield finding_of("missing-content", path.name, str(error))


def _with_numbers(table: CheckedTable, columns: list[str]) -> CheckedTable:
    """Convert columns to Float64; values that are no numbers become null and a finding."""
    for column in columns:
        numbers = to_numbers(table.frame[column])
        wrong = (numbers.is_null() & table.frame[column].is_not_null()) | numbers.is_infinite()
        if column == "weight":
            wrong |= numbers < 0
        if column == "grade":
            wrong |= (numbers < 0) | (numbers > MAX_GRADE) | (numbers != numbers.floor())
        wrong = wrong.fill_null(False)
        found = f"{column} is {table.examples(column, wrong)}."
        findings = (*table.findings, *table.rows(f"bad-{column}", wrong, found))
        if column == "grade":
            empty = numbers.fill_nan(None).is_null() & ~wrong
            findings += (*table.rows("empty-grade", empty, "grade is empty."),)
        usable = pl.select(pl.when(~wrong).then(numbers.fill_nan(None))).to_series()
        frame = table.frame.with_columns(usable.alias(column))
        table = replace(table, frame=frame, findings=findings)
    return table
