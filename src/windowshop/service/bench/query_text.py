"""Queries and judgements as people have them in files: a table, TREC judgements, or bare lines.

A table has a header with `query`, and `product_id` and `grade` where it judges. TREC judgements
are lines of `query id, iteration, product, grade`; a line `query id, tab, text` names a query.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from windowshop.data import query_key
from windowshop.errors import DataError

QREL = re.compile(r"(\S+)\s+(?:Q?\d+)\s+(\S+)\s+(-?\d+)")
TOPIC = re.compile(r"([^\t]+)\t([^\t]+)")
DELIMITERS = ",;\t|"
QUERY = ("query", "text", "search")
PRODUCT = ("product_id", "product", "doc_id", "document", "id")
GRADE = ("grade", "relevance", "rating", "label", "judgement", "judgment")
MAX_GRADE = 100
MAX_LINE = 100_000
"""Characters of a line. The csv module has a limit too, which others of the process may set."""

Pair = tuple[str, str | None, int]
"""Query text, product and grade; without a product, the query alone."""


def read_pairs(content: str) -> list[Pair]:
    """Read queries and judgements; raises DataError where a line cannot be read."""
    try:
        return _read(content)
    except csv.Error as error:
        raise DataError(f"The table cannot be read ({error}). Look for a quote too many.") from None


def _read(content: str) -> list[Pair]:
    lines = [line for line in content.lstrip("\ufeff").splitlines() if line.strip()]
    if not lines:
        raise DataError("There is no query in it. Paste one a line, or a table with judgements.")
    if long := [number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE]:
        raise DataError(f"Line {long[0]} has more than {MAX_LINE} characters. Put one query on it.")
    if lines[0].strip().strip('"').lower() == "query":
        lines.pop(0)
    elif delimiter := _delimiter(lines[0]):
        return list(_of_table(lines, delimiter))
    if any(QREL.fullmatch(line.strip()) for line in lines):
        return list(_of_trec(lines))
    return [(line.strip(), None, 0) for line in lines]


def _delimiter(header: str) -> str | None:
    """Return the sign between the names of a header; None where the line is none."""
    for delimiter in DELIMITERS:
        names = _names(next(csv.reader([header], delimiter=delimiter)))
        if _column(names, QUERY) is not None and _column(names, PRODUCT) is not None:
            return delimiter
    return None


def _names(cells: Iterable[str]) -> list[str]:
    return [cell.strip().lower() for cell in cells]


def _column(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _of_table(lines: list[str], delimiter: str) -> Iterator[Pair]:
    rows = csv.reader(lines, delimiter=delimiter)
    names = _names(next(rows))
    query, product, grade = (_column(names, wanted) for wanted in (QUERY, PRODUCT, GRADE))
    assert query is not None, "the header has it"
    if product is not None and grade is None:
        raise DataError(f"The header {', '.join(names)} has no column grade. Add one, 0 to 3.")
    for number, row in enumerate(rows, 2):
        if len(row) < len(names):
            raise DataError(f"Line {number} has {len(row)} cells, and the header {len(names)}.")
        text = row[query].strip()
        if product is None or grade is None:
            yield text, None, 0
        else:
            yield text, row[product].strip(), _grade(row[grade], number)


def _of_trec(lines: list[str]) -> Iterator[Pair]:
    texts: dict[str, str] = {}
    found = []
    for number, line in enumerate(lines, 1):
        if judged := QREL.fullmatch(line.strip()):
            found.append((judged[1], judged[2], _grade(judged[3], number)))
        elif named := TOPIC.fullmatch(line):
            texts[named[1].strip()] = named[2].strip()
        else:
            raise DataError(
                f"Line {number} is neither a TREC judgement (query id, 0, product, grade) nor a "
                f"query id with its text behind a tab: {line[:80]!r}."
            )
    if unnamed := [name for name, _, _ in found if name not in texts]:
        raise DataError(
            f"The text of the query {unnamed[0]!r} is missing. Add a line with the id, a tab and "
            "the text."
        )
    yield from ((texts[name], product, grade) for name, product, grade in found)


def _grade(text: str, number: int) -> int:
    try:
        grade = float(text)
    except ValueError:
        grade = -1.0
    if not grade.is_integer() or not 0 <= grade <= MAX_GRADE:
        raise DataError(f"Line {number}: the grade {text[:80]!r} is no whole number from 0 on.")
    return int(grade)


@dataclass(frozen=True, slots=True)
class Grouped:
    """Query texts, each once, and what is known of their products."""

    texts: list[str]
    grades: dict[str, dict[str, int]]
    """By query key and product."""


def grouped(pairs: Iterable[Pair]) -> Grouped:
    """Group pairs by query; of two grades of a pair the last one counts."""
    texts: dict[str, str] = {}
    grades: dict[str, dict[str, int]] = {}
    for text, product_id, grade in pairs:
        key = query_key(text)
        if not key:
            continue
        texts.setdefault(key, " ".join(text.split()))
        if product_id:
            grades.setdefault(key, {})[product_id] = grade
    return Grouped(list(texts.values()), grades)
