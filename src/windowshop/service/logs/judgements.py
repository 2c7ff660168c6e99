"""Judgements: the latest grade of each query, product and judge.

Where judges differ, the pair's grade is their mean, a half rounded up. A pair whose grades were all
taken away has none.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.data import RELEVANCE, query_id, query_key
from windowshop.service.http.requests import JudgementBody
from windowshop.service.logs.tables import GRADES, LogDatabase, insert_next, read_tables

ADD_GRADE = insert_next(
    GRADES,
    "ON CONFLICT (query_key, product_id, judge) DO UPDATE SET "
    "grade = excluded.grade, time = excluded.time",
)
QUERIES = {"query_id": pl.String(), "query": pl.String(), "weight": pl.Float64()}
QRELS = {
    "query_id": pl.String(),
    "product_id": pl.String(),
    "grade": pl.Int64(),
    "weight": pl.Float64(),
    "kind": pl.String(),
}


class Judgements:
    """Judgements of an index; for many threads."""

    def __init__(self, database: LogDatabase) -> None:
        self._database = database

    def add(self, body: JudgementBody) -> None:
        """Write a grade, or its removal; on return it survives a SIGKILL.

        Raises StorageError where it cannot be written.
        """
        query = body.query.strip()
        row = (query_key(query), body.product_id, body.judge, query, body.grade, time.time())
        with self._database().writing() as connection:
            connection.execute(ADD_GRADE, row)

    def of(self, query: str, judge: str | None = None) -> list[dict[str, Any]]:
        """Return the grades of a query by all judges, or by one, in the order of first grades."""
        rows = self._database().rows(
            GRADES,
            "WHERE query_key = ? AND (? IS NULL OR judge = ?) ORDER BY number",
            (query_key(query), judge, judge),
        )
        return [{"product_id": name, "grade": grade} for _, name, grade in _pairs(rows)]

    def state(self) -> tuple[int, int]:
        """Return what changes with any of the grades."""
        return self._database().total(GRADES)

    def pairs(self) -> list[tuple[str, str, int]]:
        """Return query text, product and joined grade of each pair that has a grade."""
        return _pairs(self._database().rows(GRADES))

    def by_judge(self) -> dict[str, dict[tuple[str, str], int]]:
        """Return each judge's grades by query key and product; "" are those without a name."""
        found: dict[str, dict[tuple[str, str], int]] = {}
        for _, key, product_id, judge, _, grade, _ in self._database().rows(GRADES):
            if grade is not None:
                found.setdefault(judge, {})[key, product_id] = grade
        return found


def judged_tables(index: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the judgements of an index as queries and qrels (QUERIES, QRELS).

    A service may have the index open. Raises DamagedError where rows are not as they were written.
    """
    (rows,) = read_tables(index, GRADES)
    pairs = _pairs(rows)
    texts = {query_id(text): text for text, _, _ in reversed(pairs)}
    queries = [(key, texts[key], 1.0) for key in reversed(texts)]
    qrels = [(query_id(text), name, grade, 1.0, RELEVANCE) for text, name, grade in pairs]
    return (
        pl.DataFrame(queries, schema=QUERIES, orient="row"),
        pl.DataFrame(qrels, schema=QRELS, orient="row"),
    )


def _pairs(rows: Iterable[tuple[Any, ...]]) -> list[tuple[str, str, int]]:
    """Return query text, product and joined grade of each pair that has a grade."""
    grades: dict[tuple[str, str], list[int]] = {}
    texts: dict[str, str] = {}
    for _, key, name, _, query, grade, _ in rows:
        if grade is not None:
            texts.setdefault(key, query)
            grades.setdefault((key, name), []).append(grade)
    return [
        (texts[key], name, int(sum(found) / len(found) + 0.5))
        for (key, name), found in grades.items()
    ]
