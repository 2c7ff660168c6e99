"""Workbench of a service: sets of queries, runs, and what they are measured by."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from windowshop.evaluation import counts_by_query, kappa_estimate
from windowshop.service.bench.edits import Edits
from windowshop.service.bench.figures import figures_of
from windowshop.service.bench.judged_data import JudgedData
from windowshop.service.bench.latest import Latest
from windowshop.service.bench.query_sets import QuerySet, QuerySets
from windowshop.service.bench.runs import Progress, Runs
from windowshop.service.bench.sides import Sides, request_of
from windowshop.service.bench.snapshots import Snapshots, results_of
from windowshop.service.generation_pool import GenerationPool
from windowshop.service.http.bench_requests import BenchSearchBody, RunBody, SideBody
from windowshop.service.http.errors import ServiceError, to_json
from windowshop.service.http.executor import Executor
from windowshop.service.http.responses import search_json
from windowshop.service.logs.judgements import Judgements
from windowshop.service.logs.tables import LogDatabase

Grades: TypeAlias = Mapping[tuple[str, str], int]
"""Grade by query key and product."""
MAX_PAIRS = 20
"""Most pairs of judges that are told."""


class Bench:
    """Parts of the workbench, opened with the service."""

    def __init__(
        self,
        pool: GenerationPool,
        log: LogDatabase,
        searching: Executor,
        num_threads: int,
        data: JudgedData | None,
    ) -> None:
        self._pool = pool
        self.sides, self.edits = Sides(pool), Edits(pool)
        self.judgements = Judgements(log)
        self.sets = QuerySets(pool.folder, log, self.judgements, data)
        self.snapshots = Snapshots(pool.folder)
        self.runs = Runs(searching, num_threads, self.sides, self.snapshots.rankings)
        self._figures: Latest[dict[str, Any]] = Latest()
        self._agreements: Latest[list[dict[str, Any]]] = Latest()

    def check(self, side: SideBody) -> None:
        """Check a side's settings; raises what is wrong with them."""
        if side.snapshot is None:
            self.sides.settings(side)

    def queries(self, body: RunBody) -> QuerySet:
        """Return the queries to run, which each side can answer."""
        return self.snapshots.common(body, self.sets.get(body.set))

    def save_snapshot(self, name: str, side: int) -> None:
        """Keep a side of the latest run; raises ServiceError 409 where there is none."""
        run = self.runs.latest
        if run is None:
            raise ServiceError(409, "no_run", "Nothing was measured yet. Measure a set first.")
        self.snapshots.save(name, run, self.sets.regraded(run.queries), side)

    def prepare(self, body: BenchSearchBody) -> None:
        """Make what a side searches by, which may take longer than a search."""
        if body.side.snapshot is None:
            self.sides.prepare(body.side, body.drafts)

    def shown(self, body: BenchSearchBody) -> bytes:
        """Return the JSON of a search as a side does it."""
        name = body.side.snapshot
        saved = None if name is None else self.snapshots.rankings(name)
        with self.sides.lease(body.side, body.drafts) as searcher:
            if saved is None:
                asked = request_of(body.side, body.text, limit=body.limit, explain=body.explain)
                return search_json(searcher.answer(asked))
            ids = saved.get(body.text, [])
            results = results_of(searcher, ids[: body.limit])
            return to_json({"text": body.text, "total": len(ids), "results": results})

    def agreements(self) -> list[dict[str, Any]]:
        """Return the agreement of each two judges who graded the same pairs, most pairs first."""
        return self._agreements.of(self.judgements.state(), self._agreements_now)

    def _agreements_now(self) -> list[dict[str, Any]]:
        judges = sorted(self.judgements.by_judge().items())
        found = [
            {"judges": [one, other], **_agreement(first, second)}
            for (one, first), (other, second) in combinations(judges, 2)
            if not first.keys().isdisjoint(second)
        ]
        return sorted(found, key=lambda row: -row["num_pairs"])[:MAX_PAIRS]

    def told(self, run: Progress) -> dict[str, Any]:
        """Return the state of a run, and its figures once it is done."""
        about = {
            "id": run.id,
            "set": run.queries.id,
            "sides": [side.model_dump(mode="json") for side in run.body.sides],
            "state": run.state,
            "num_done": run.num_done,
            "num_total": run.num_total,
            "num_refused": run.num_refused,
            "seconds": run.seconds,
            "problem": run.problem,
            "rests_on": run.queries.rests_on,
            "figures": None,
        }
        if run.state == "done":
            state = (run.id, self.judgements.state())
            about["figures"] = self._figures.of(state, lambda: self._figures_of(run))
        return about

    def _figures_of(self, run: Progress) -> dict[str, Any]:
        queries = self.sets.regraded(run.queries)
        return {**figures_of(queries, run.rankings), "num_gone": self._num_gone(queries)}

    def _num_gone(self, queries: QuerySet) -> int:
        """Return how many relevant products the current generation lacks."""
        wanted = {
            product
            for judged in queries.qrels.values()
            for product, grade in judged.items()
            if grade >= queries.threshold
        }
        with self._pool.lease() as searcher, searcher.index.collection.read_view() as view:
            ids = view.columns.living().table["product_id"]
        return len(wanted) - int(ids.is_in(list(wanted)).sum())


def _agreement(first: Grades, second: Grades) -> dict[str, Any]:
    """Return kappa with its interval, None where undefined, of the pairs that both graded."""
    pairs = sorted(first.keys() & second.keys())
    mine, theirs = (np.array([own[pair] for pair in pairs]) for own in (first, second))
    count_QGG = counts_by_query([query for query, _ in pairs], mine, theirs)
    kappa = kappa_estimate(count_QGG)
    return {
        "kappa": kappa and kappa.mean,
        "low": kappa and kappa.low,
        "high": kappa and kappa.high,
        "exact": float((mine == theirs).mean()),
        "num_pairs": len(pairs),
        "num_queries": len(count_QGG),
    }
