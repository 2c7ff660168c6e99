"""Rows below a header that are no products: names again for people, and what must be filled in."""

from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.report import ImportReport
from windowshop.imports.tree_rows import Row
from windowshop.imports.values import plain_name

MAX_ROWS = 8
"""Rows below the header that may be remarks."""
MIN_FIELDS = 4
MIN_NAMES = 0.4
"""Share of fields that say the name of their column, from which on a row is its names again."""
_WORDS = frozenset((
    "mandatory", "optional", "required", "conditional", "conditionally mandatory", "recommended",
    "conditionally required", "preferred", "obligatorio", "opcional", "obligatoire", "facultatif",
    "pflichtfeld", "pflicht", "erforderlich", "empfohlen", "string", "number", "text", "boolean",
))  # fmt: skip


def without_remarks(rows: Iterator[Row], report: ImportReport) -> Iterator[Row]:
    """Yield the rows of a table; remarks among the first, and headers anywhere, are reported."""
    for place, (number, row) in enumerate(rows):
        if _is_header(row) or (place < MAX_ROWS and is_remark(row)):
            report.add("remark-row", number, ", ".join(map(str, [*row.values()][:3])))
        else:
            yield number, row


def _is_header(row: Mapping[str, Any]) -> bool:
    """Return whether each value is the name of its column."""
    for name, value in row.items():
        if value != name:
            return False
    return len(row) > 1


def is_remark(row: Mapping[str, Any]) -> bool:
    """Return whether a row says the names of its columns again, or how they are to be filled."""
    said = {plain_name(name): plain_name(str(value)) for name, value in row.items()}
    if len(said) < MIN_FIELDS:
        return False
    names = sum(name == value for name, value in said.items())
    words = sum(value in _WORDS for value in said.values())
    return max(names, words) >= MIN_NAMES * len(said)
