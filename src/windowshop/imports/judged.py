"""Queries and judgements of a source -> `queries.parquet` and `qrels.parquet`."""

from pathlib import Path

import polars as pl

from windowshop.imports.record import JudgedQuery, Judgement
from windowshop.imports.report import ImportReport


class JudgedWriter:
    """Collects queries and judgements, which are few beside products."""

    def __init__(self, report: ImportReport) -> None:
        self._report = report
        self._queries: dict[str, JudgedQuery] = {}
        self._grades: dict[tuple[str, str], int] = {}

    @property
    def num_queries(self) -> int:
        """Number of queries."""
        return len(self._queries)

    @property
    def num_judgements(self) -> int:
        """Number of judgements."""
        return len(self._grades)

    def add_query(self, query: JudgedQuery) -> None:
        """Take a query, the first of each id."""
        if query.query.strip():
            self._queries.setdefault(query.query_id, query)

    def add_judgement(self, judgement: Judgement) -> None:
        """Take a judgement; the highest grade of a pair counts."""
        pair = judgement.query_id, judgement.product_id
        self._grades[pair] = max(judgement.grade, self._grades.get(pair, 0))

    def write(self, folder: Path) -> None:
        """Write both tables; judgements of unknown queries are reported and left out."""
        if not self._queries:
            return
        for place, (query_id, _) in enumerate(self._grades, start=1):
            if query_id not in self._queries:
                self._report.add("unknown-query", place, query_id)
        rows = [
            {"query_id": q.query_id, "query": q.query, "split": q.split or None, **q.columns}
            for q in self._queries.values()
        ]
        queries = pl.DataFrame(rows, infer_schema_length=None)
        if queries["split"].null_count() == len(queries):
            queries = queries.drop("split")
        queries.write_parquet(folder / "queries.parquet")
        known = [(q, p, g) for (q, p), g in self._grades.items() if q in self._queries]
        schema = {"query_id": pl.String, "product_id": pl.String, "grade": pl.Int64}
        pl.DataFrame(known, schema=schema, orient="row").write_parquet(folder / "qrels.parquet")
