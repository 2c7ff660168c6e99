"""Workbench of a service: sets of queries, runs, and what they are measured by."""

from typing import Any

from windowshop.data import query_key
from windowshop.service.bench.edits import Edits
from windowshop.service.bench.figures import figures_of
from windowshop.service.bench.query_sets import JudgedData, QuerySets
from windowshop.service.bench.runs import Progress, Runs
from windowshop.service.bench.sides import Sides
from windowshop.service.generation_pool import GenerationPool
from windowshop.service.http.bench_requests import SideBody
from windowshop.service.http.executor import Executor
from windowshop.service.logs.judgements import Judgements
from windowshop.service.logs.tables import LogDatabase


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
        self.sides, self.edits = Sides(pool), Edits(pool)
        self.sets = QuerySets(pool.folder, log, Judgements(log), data)
        self.runs = Runs(searching, num_threads, self.sides, lambda name: {})

    def check(self, side: SideBody) -> None:
        """Check a side's settings; raises what is wrong with them."""
        if side.snapshot is None:
            self.sides.settings(side)

    def grades(self, set_id: str | None, text: str) -> dict[str, int]:
        """Return the grades of a query's products, in a set where one is named."""
        queries = self.sets.get(set_id or "judged")
        return dict(queries.qrels.get(query_key(text), {}))

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
            "figures": None,
        }
        if run.state == "done":
            about["figures"] = figures_of(self.sets.regraded(run.queries), run.rankings)
        return about
