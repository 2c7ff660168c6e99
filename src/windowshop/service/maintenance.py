"""Background maintenance of an index beside searches and writes, a small share of the time each."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from windowshop.search import Searcher

LOG = logging.getLogger(__name__)
SNAPSHOT_ROWS, SNAPSHOT_SECONDS = 1_000, 60.0
"""Rows after which a checkpoint is due, and the time after which it is after any write."""
WORDS_SECONDS = 60.0
"""Shortest time between two renewals of the words after any change."""
OPTIMISE_ROWS = 5_000
"""Written rows after which the engine is optimised."""
DEAD_ROWS, DEAD_SHARE = 2_000, 0.3
"""Number of dead rows, and their share of all, from which the engine is rebuilt."""
ASKED_SHARE = 0.01
"""Share of dead rows from which a request to optimise rebuilds."""
REST = 50.0
"""Pause after a task, as a multiple of its duration: it takes at most 2% of the time."""
SHORT_REST = 10.0
"""Multiple for snapshots, optimising and rebuilds, without which restarts and searches get slower
and memory grows."""


class Pace:
    """Time and duration of the last run of a task."""

    def __init__(self, rest: float = REST, clock: Callable[[], float] = time.monotonic) -> None:
        self._rest, self._clock = rest, clock
        self._done, self._took = clock(), 0.0

    @property
    def waited(self) -> float:
        """Seconds since the last run, or since the start."""
        return self._clock() - self._done

    @property
    def is_rested(self) -> bool:
        """Whether the pause after the last run is over."""
        return self.waited >= self._rest * self._took

    @contextmanager
    def doing(self) -> Iterator[None]:
        """Measure a run, whether it succeeds or not."""
        begun = self._clock()
        try:
            yield
        finally:
            self._done = self._clock()
            self._took = self._done - begun


class Maintenance:
    """Maintenance of one generation: `tick` starts the task that is due, in a thread of its own."""

    def __init__(self, lease: Callable[[], AbstractContextManager[Searcher]]) -> None:
        """`lease` returns the generation's searcher and keeps it open."""
        self._lease = lease
        self._reading, self._refilling = Pace(), Pace()
        self._saving, self._optimising, self._rebuilding = (Pace(SHORT_REST) for _ in range(3))
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def tick(self) -> None:
        """Start the task that is due, unless one runs."""
        if self._ended.is_set() or (self._thread is not None and self._thread.is_alive()):
            return
        with self._lease() as searcher:
            task = self._due(searcher)
        if task is not None:
            self._thread = threading.Thread(
                target=self._run, args=(task,), name="maintenance", daemon=True
            )
            self._thread.start()

    def optimise(self) -> None:
        """Run all tasks now, a rebuild only where more than 1% of the rows are dead."""
        with self._lease() as searcher:
            backlog = searcher.index.collection.backlog
            if backlog.num_dead > ASKED_SHARE * backlog.num_rows:
                self._rebuild(searcher)
            else:
                self._optimise(searcher)
                self._renew_words(searcher)
                searcher.index.collection.save_snapshot()

    def end(self) -> None:
        """Start nothing more, and give up a rebuild; another task ends by itself."""
        self._ended.set()

    def _due(self, searcher: Searcher) -> Callable[[Searcher], None] | None:
        backlog = searcher.index.collection.backlog
        saving = backlog.num_unsaved >= SNAPSHOT_ROWS or (
            backlog.num_unsaved > 0 and self._saving.waited >= SNAPSHOT_SECONDS
        )
        if saving and self._saving.is_rested:
            return self._save
        if backlog.lacks_vectors and self._refilling.is_rested:
            return self._refill
        is_worn = backlog.num_dead >= max(DEAD_ROWS, DEAD_SHARE * backlog.num_rows)
        if is_worn and self._rebuilding.is_rested:
            return self._rebuild
        if backlog.num_unoptimised >= OPTIMISE_ROWS and self._optimising.is_rested:
            return self._optimise
        if self._reading.is_rested and searcher.words_are_stale(
            by_any_change=self._reading.waited >= WORDS_SECONDS
        ):
            return self._renew_words
        return None

    def _run(self, task: Callable[[Searcher], None]) -> None:
        try:
            with self._lease() as searcher:
                task(searcher)
        except Exception:
            if not self._ended.is_set():  # else a rebuild was given up, or the generation left
                LOG.exception("maintenance failed")

    def _save(self, searcher: Searcher) -> None:
        with self._saving.doing():
            searcher.index.collection.save_snapshot()

    def _optimise(self, searcher: Searcher) -> None:
        with self._optimising.doing():
            searcher.index.collection.optimise()

    def _rebuild(self, searcher: Searcher) -> None:
        with self._rebuilding.doing():
            searcher.rebuild(lambda: not self._ended.is_set())

    def _refill(self, searcher: Searcher) -> None:
        with self._refilling.doing():
            searcher.index.collection.refill(lambda: not self._ended.is_set())

    def _renew_words(self, searcher: Searcher) -> None:
        with self._reading.doing():
            searcher.renew_words()
