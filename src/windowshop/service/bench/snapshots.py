"""Snapshots: the rankings of a set by one side, under a name, to compare later runs with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from windowshop.search import Searcher
from windowshop.service.bench.figures import figures_of
from windowshop.service.bench.kept_files import KeptFiles
from windowshop.service.bench.query_sets import QuerySet
from windowshop.service.bench.runs import Progress
from windowshop.service.http.bench_requests import RunBody
from windowshop.service.http.errors import ServiceError
from windowshop.service.http.responses import photo_url, without_paths


class Snapshots:
    """Snapshots of an index; for many threads."""

    def __init__(self, index: Path) -> None:
        self._kept = KeptFiles(index, "snapshots", head=_head)

    def heads(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return name, set, time and means (as they were then), and what is wrong with others."""
        return self._kept.heads()

    def save(self, name: str, run: Progress, queries: QuerySet, side: int) -> None:
        """Keep a side of a run; raises ServiceError 409 where it is not done or has no such side.

        `queries` are those of the run, with all grades so far.
        """
        if run.state != "done" or side >= len(run.rankings):
            raise ServiceError(409, "no_run", "There is no such side of a run. Measure it first.")
        rankings = run.rankings[side]
        self._kept.write(
            name,
            {
                "set": run.queries.id,
                "saved": datetime.now(UTC).isoformat(timespec="seconds"),
                "side": run.body.sides[side].model_dump(mode="json"),
                "means": figures_of(queries, [rankings])["sides"][0],
                "rankings": rankings,
            },
        )

    def rankings(self, name: str) -> Mapping[str, list[str]]:
        """Return the products by query text; raises ServiceError 404 where there is none."""
        found: dict[str, list[str]] = self._kept.read(name)["rankings"]
        return found

    def delete(self, name: str) -> None:
        """Delete a snapshot; raises ServiceError 404 where there is none."""
        self._kept.delete(name)

    def common(self, body: RunBody, queries: QuerySet) -> QuerySet:
        """Return the queries that the snapshots among the sides have too.

        Raises ServiceError 409 where there are none.
        """
        for side in body.sides:
            if side.snapshot is not None:
                saved = self.rankings(side.snapshot)
                queries = replace(queries, texts=tuple(t for t in queries.texts if t in saved))
        if not queries.texts:
            raise ServiceError(
                409, "no_query", "The set has no query that is measured by each side.", where="set"
            )
        return queries


def _head(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in ("name", "set", "saved", "means")}


def results_of(searcher: Searcher, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return products in the shape of results; one that is gone has its id as its title."""
    found = []
    for rank, product_id in enumerate(ids, 1):
        row = searcher.product(product_id) or {"title": f"{product_id} (deleted since)"}
        names = ("title", "brand", "price", "currency", "category")
        found.append(
            {name: row.get(name) for name in names}
            | {
                "rank": rank,
                "product_id": product_id,
                "score": None,
                "group_size": 1,
                "explanation": None,
                "photo_url": photo_url(product_id) if row.get("image") else None,
                "fields": without_paths(row),
            }
        )
    return found
