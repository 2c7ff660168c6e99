"""Queries with judged products in one file: judgement lists of OpenSearch and RRE, and tables.

Ratings of 100, 10, 1 and 0 are ESCI's exact, substitute, complement and irrelevant: grades 3, 2, 1
and 0, as `E`, `S`, `C` and `I` are.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from windowshop.imports.column_map import Target, guess_map
from windowshop.imports.formats.embedded import held_columns, with_files
from windowshop.imports.formats.format import Format, Found, Job, Names
from windowshop.imports.formats.table import record_of
from windowshop.imports.names import field_of
from windowshop.imports.record import JudgedQuery, Judgement, Record
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import objects_of
from windowshop.imports.values import hash_of, plain_name

LABELS = {
    "e": 3, "exact": 3, "s": 2, "substitute": 2, "c": 1, "complement": 1, "i": 0, "irrelevant": 0,
    "partial": 1, "perfect": 3, "excellent": 3, "good": 2, "fair": 1, "bad": 0, "relevant": 1,
    "not relevant": 0, "highly relevant": 3, "somewhat relevant": 1, "true": 1, "false": 0,
}  # fmt: skip
"""Grades of labels in words."""
_GAINS = {100.0: 3, 10.0: 2, 1.0: 1, 0.0: 0}
MAX_GRADE = 10
_ALIASES = {
    "query": "query|search_query|user_query|query_text|keyword|search_term|question",
    "query_id": "query_id|qid|query-id",
    "product_id": "product_id|product_uid|docid|doc_id|item_id|asin|sku|corpus-id|corpus_id"
    "|document_id",
    "label": "esci_label|label|grade|relevance|rating|judgment|judgement|median_relevance|score",
    "split": "split|set",
}


_QUERIES = frozenset(("query", "search query", "user query", "query text", "search term"))
_LABELS = frozenset(("relevance", "median relevance", "grade", "judgement", "judgment"))
"""Names that tell a judgement where no column names a product."""


class Grades:
    """Turns labels of one source into grades, by all that it has."""

    def __init__(self, labels: Iterable[object]) -> None:
        numbers = {number for label in labels if (number := _number(label)) is not None}
        self._gains = _GAINS if numbers and numbers <= _GAINS.keys() and 100.0 in numbers else {}
        whole = all(number == int(number) for number in numbers)
        top = max(numbers, default=0)
        self._scale = 1.0 if whole and top <= MAX_GRADE else 3 / top if top > 0 else 1.0

    def grade(self, label: object) -> int | None:
        """Return the grade of a label, None where it is not understood."""
        number = _number(label)
        if number is None:
            return LABELS.get(plain_name(str(label)))
        if self._gains:
            return self._gains.get(number)
        return max(0, round(number * self._scale))


def _number(label: object) -> float | None:
    try:
        return float(str(label))
    except ValueError:
        return None


def _has_ratings(source: Source) -> bool:
    return any(
        isinstance(row.get("ratings"), list) and "query" in row for row in source.sample[:20]
    )


def _is_rre(source: Source) -> bool:
    return source.kind in ("json", "jsonl") and any(map(_groups, source.sample[:20]))


def _groups(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the groups of queries of RRE that have judged documents, however deep they are."""
    return [
        found for found in objects_of(dict(row))
        if isinstance(found.get("relevant_documents"), dict)
        and isinstance(found.get("queries"), list)
    ]  # fmt: skip


def _gains(group: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield documents and their gains: each by its id (`{"7": {"gain": 3}}`), or lists by gains."""
    for name, told in group["relevant_documents"].items():
        if isinstance(told, list):
            yield from ((str(document), name) for document in told)
        else:
            yield str(name), told.get("gain") if isinstance(told, dict) else told


def _of_rre(source: Source, job: Job) -> Iterator[JudgedQuery | Judgement]:
    quiet = source.rows(job.report.quiet())
    grades = Grades(gain for _, row in quiet for group in _groups(row) for _, gain in _gains(group))
    for number, row in source.rows(job.report):
        for group in _groups(row):
            for text in _texts_of_rre(group["queries"]):
                query_id = query_id_of(text)
                yield JudgedQuery(query_id, text)
                for product_id, gain in _gains(group):
                    grade = grades.grade(gain)
                    if grade is None or not product_id:
                        job.report.add("bad-grade", number, gain)
                    else:
                        yield Judgement(query_id, product_id, grade, number)


def _texts_of_rre(queries: list[Any]) -> list[str]:
    """Return the texts of queries, which stand in for `$query` in their templates."""
    held = [query.get("placeholders") for query in queries if isinstance(query, dict)]
    texts = [str(item.get("$query") or "").strip() for item in held if isinstance(item, dict)]
    return list(dict.fromkeys(text for text in texts if text))


def _recognise(source: Source) -> Found | None:
    if source.kind in ("html", "xml"):
        return None
    if _is_rre(source):
        return Found(0.97, ("groups of queries with relevant_documents",))
    if source.kind in ("json", "jsonl") and _has_ratings(source):
        return Found(0.97, ("queries with ratings of documents",))
    names = {plain_name(name) for name in source.header}
    if {"score linear", "query"} <= names and {"product id", "position"} & names:
        return Found(0.95, ("columns query, product_id, position, score_linear",))
    columns = Names(source.header, _ALIASES).column.keys()
    is_asked = bool(names & _QUERIES) or "sku" not in names  # a shop has keywords of its own
    if {"query", "product_id", "label"} <= columns and is_asked:
        return Found(0.8, ("a query, a product and a label in each row",))
    has_title = any((told := field_of(name)) and told[0] == "title" for name in source.header)
    if has_title and names & _QUERIES and names & _LABELS:
        return Found(0.8, ("a query, a title and a label in each row",))
    return None


def _read(source: Source, job: Job) -> Iterator[Record | JudgedQuery | Judgement]:
    if source.kind in ("json", "jsonl") and _has_ratings(source):
        yield from _rated(source, job)
    elif _is_rre(source):
        yield from _of_rre(source, job)
    else:
        yield from _rows(source, job)


def _rated(source: Source, job: Job) -> Iterator[JudgedQuery | Judgement]:
    grades = Grades(
        rating.get("rating")
        for _, row in source.rows(job.report.quiet())
        for rating in _ratings(row)
    )
    for number, row in source.rows(job.report):
        text = str(row.get("query", "")).strip()
        query_id = str(row.get("queryId") or row.get("query_id") or query_id_of(text))
        yield JudgedQuery(query_id, text)
        for rating in _ratings(row):
            product_id = str(rating.get("docId") or rating.get("doc_id") or rating.get("id") or "")
            grade = grades.grade(rating.get("rating"))
            if grade is None or not product_id:
                job.report.add("bad-grade", number, rating)
            else:
                yield Judgement(query_id, product_id, grade, number)


def _ratings(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [rating for rating in row.get("ratings") or () if isinstance(rating, dict)]


def query_id_of(text: str) -> str:
    """Return the id of a query that has none: by its text."""
    return f"q-{hash_of(' '.join(text.lower().split())):016x}"


def product_id_of(title: str) -> str:
    """Return the id of a product that has none: by its title; "" for none."""
    return f"made-{hash_of(' '.join(title.lower().split())):016x}" if title.strip() else ""


def _rows(source: Source, job: Job) -> Iterator[Record | JudgedQuery | Judgement]:
    """Read rows of a query, a product with its columns, and a label or a score."""
    aliases = dict(_ALIASES)
    if "score_linear" in source.header:
        aliases["label"] = "score_linear"
    names = Names(source.header, aliases)
    grades = Grades(names.get(row, "label") for _, row in source.rows(job.report.quiet()))
    asked = {
        names.column[own] for own in ("query", "query_id", "label", "split") if own in names.column
    }
    asked |= {name for name in source.header if plain_name(name) in
              ("pair id", "score reciprocal", "no score", "position", "example id",
               "relevance variance", "id", "doc position", "team name", "case name",
               "case id")}  # fmt: skip
    header = [name for name in source.header if name not in asked]
    held = held_columns(source) if source.kind in ("parquet", "arrow") else []
    found, _ = guess_map(header, source.sample)
    found.columns.update(dict.fromkeys(held, "images"))
    has_products = found.first("title") is not None or found.first("images") is not None
    columns: dict[str, Target] = {n: t for n, t in found.columns.items() if t != "product_id"}
    if "product_id" in names.column:
        columns[names.column["product_id"]] = "product_id"
    found.columns.clear()
    found.columns.update(columns)
    job.report.columns |= {str(n): str(t) for n, t in columns.items()}
    seen: set[int] = set()
    for number, row in source.rows(job.report):
        text = str(names.get(row, "query")).strip()
        product_id = str(names.get(row, "product_id")).strip()
        if "product_id" not in names.column:
            product_id = product_id_of(str(row.get(found.first("title") or "", "")))
        query_id = str(names.get(row, "query_id") or query_id_of(text))
        grade = grades.grade(names.get(row, "label"))
        key = hash_of(product_id)
        if has_products and product_id and key not in seen:
            seen.add(key)
            own = {n: v for n, v in row.items() if n not in asked}
            record = record_of(number, with_files(own, held, number, job) if held else own, found)
            record.fields["product_id"] = product_id
            yield record
        if grade is None or not product_id or not text:
            job.report.add("bad-grade", number, names.get(row, "label"))
            continue
        split = str(names.get(row, "split")).strip().lower()
        yield JudgedQuery(query_id, text, split if split in ("train", "dev", "test") else "")
        yield Judgement(query_id, product_id, grade, number)


FORMAT = Format(title="judged queries", recognise=_recognise, read=_read)
