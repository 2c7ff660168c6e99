"""Runs of a set of queries in the background: one at a time, and behind the searches of others.

A run asks one query after the other in the threads of searches, and waits while all of them are
taken. Rankings of unchanged sides are kept, so that a changed setting costs one side alone.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from uuid import uuid4

from windowshop.errors import SearchError, WindowshopError
from windowshop.evaluation import DEPTH
from windowshop.service.bench.query_sets import QuerySet
from windowshop.service.bench.sides import Sides, State, request_of
from windowshop.service.http.bench_requests import RunBody, SideBody
from windowshop.service.http.errors import ServiceError
from windowshop.service.http.executor import Executor
from windowshop.service.http.room import CLIENT

LOG = logging.getLogger(__name__)
CLIENT_NAME = "workbench"
PAUSE_SECONDS = 0.05
"""Pause while others wait for a search."""
MOST_SLOW = 3
"""Times that a query may take too long, before it counts as refused."""
MAX_REFUSALS = 100
"""Times that a search finds no thread, or none in time, before the run gives up."""
NUM_KEPT = 4
Rankings: TypeAlias = dict[str, list[str]]
"""Products found, best first, by query text."""
Saved: TypeAlias = Callable[[str], Mapping[str, list[str]]]


@dataclass(slots=True)
class Progress:
    """Run of a set on its sides; it ends as `done`, `cancelled` or `failed`."""

    body: RunBody
    queries: QuerySet
    id: str = field(default_factory=lambda: uuid4().hex)
    state: Literal["running", "done", "cancelled", "failed"] = "running"
    num_done: int = 0
    num_total: int = 0
    problem: str = ""
    num_refused: int = 0
    """Queries that cannot be searched; they find nothing."""
    rankings: tuple[Rankings, ...] = ()
    """By side, once it is done."""
    seconds: float = 0.0


class Runs:
    """The run of a service, and the one before; for one event loop."""

    def __init__(self, searching: Executor, num_threads: int, sides: Sides, saved: Saved) -> None:
        """`saved` returns the rankings of a snapshot."""
        self._searching, self._num_threads = searching, num_threads
        self._sides, self._saved = sides, saved
        self._task: asyncio.Task[None] | None = None
        self._kept: OrderedDict[tuple[State, tuple[str, ...]], Rankings] = OrderedDict()
        self.latest: Progress | None = None

    def start(self, body: RunBody, queries: QuerySet) -> Progress:
        """Start a run; raises ServiceError 409 while another one is under way."""
        if self._task is not None and not self._task.done():
            raise ServiceError(
                409, "run_under_way", "A run is under way. Wait for its end, or cancel it first."
            )
        run = self.latest = Progress(body, queries, num_total=len(queries.texts) * len(body.sides))
        self._task = asyncio.get_running_loop().create_task(self._run(run))
        return run

    async def cancel(self) -> None:
        """End the run that is under way, and wait until it has ended."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def _run(self, run: Progress) -> None:
        CLIENT.set(CLIENT_NAME)
        begun = time.monotonic()
        try:
            found = [await self._side(run, side) for side in run.body.sides]
            run.rankings, run.state = tuple(found), "done"
        except asyncio.CancelledError:
            run.state = "cancelled"
        except WindowshopError as error:
            run.state, run.problem = "failed", str(error)
        except Exception:
            run.state, run.problem = "failed", "A fault of the service; its log says more."
            LOG.exception("a run of the workbench failed")
        run.seconds = time.monotonic() - begun

    async def _side(self, run: Progress, side: SideBody) -> Rankings:
        texts = run.queries.texts
        if side.snapshot is not None:
            name = side.snapshot
            saved = await self._searching.run(lambda: self._saved(name))
            run.num_done += len(texts)
            return {text: list(saved.get(text, ())) for text in texts}
        key = (await self._prepared(run, side), texts)
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            run.num_done += len(texts)
            return known
        found: Rankings = {}
        for text in texts:
            found[text] = await self._ranking(run, side, text)
            run.num_done += 1
        self._kept[key] = found
        while len(self._kept) > NUM_KEPT:
            self._kept.popitem(last=False)
        return found

    async def _prepared(self, run: Progress, side: SideBody) -> State:
        """Make the side's searcher before its first query, which would be slow else."""

        def prepare() -> State:
            with self._sides.lease(side):
                return self._sides.state(side)

        # A catalogue's words may take longer to read than a search may last.
        return await asyncio.get_running_loop().run_in_executor(None, prepare)

    async def _ranking(self, run: Progress, side: SideBody, text: str) -> list[str]:
        def search() -> list[str]:
            with self._sides.lease(side) as searcher:
                answer = searcher.answer(request_of(side, text, limit=DEPTH))
            return [result.product_id for result in answer.results]

        refusals = num_slow = 0
        while True:
            while self._searching.num_pending >= self._num_threads:
                await asyncio.sleep(PAUSE_SECONDS)
            try:
                return await self._searching.run(search)
            except SearchError:
                run.num_refused += 1
                return []
            except ServiceError as error:
                refusals += 1
                num_slow += error.code == "too_slow"
                if num_slow == MOST_SLOW:  # it would hold a thread of searches again and again
                    run.num_refused += 1
                    return []
                if error.code not in ("busy", "too_slow") or refusals > MAX_REFUSALS:
                    raise
                await asyncio.sleep(10 * PAUSE_SECONDS)
