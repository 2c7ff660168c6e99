"""Rows computed in batches for many callers at once, each row once; the last used are cached.

Shapes: B rows of one call, P their width.
"""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from windowshop.errors import ConfigError

Key = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchConfig:
    """Size of the batches that callers share, and of the cache."""

    max_batch: int = 16
    """Rows computed in one run, at most."""
    cache_size: int = 10_000
    """Rows kept, those used last; 0 keeps none."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.max_batch < 1:
            raise ConfigError(f"max_batch={self.max_batch} must be at least 1.")
        if self.cache_size < 0:
            raise ConfigError(f"cache_size={self.cache_size} must not be negative.")


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchCounts:
    """Counts of a MicroBatcher so far."""

    hits: int = 0
    """Rows that were kept from before."""
    shared: int = 0
    """Rows that another caller, or an earlier place of the same call, was waiting for already."""
    misses: int = 0
    """Rows that had to be computed; with `hits` and `shared`, all that were asked for."""
    runs: int = 0
    """Batches they were computed in."""
    kept: int = 0
    """Rows kept now."""


@dataclass(eq=False, slots=True)
class _Job:
    """Row that some callers wait for."""

    key: Key
    done: bool = False
    row_P: np.ndarray = field(default_factory=lambda: np.empty(0))
    error: Exception | None = None


class MicroBatcher:
    """Rows by key for any number of threads; one run at a time.

    It has no thread of its own: a caller that finds nobody running takes the rows that wait, its
    own or not, and runs them. Meanwhile others queue up and make the next batch. So one caller
    alone never waits, and batches grow with the load.
    """

    def __init__(
        self, run: Callable[[list[Key]], np.ndarray], config: BatchConfig | None = None
    ) -> None:
        """`run` turns keys into as many rows (keys, P)."""
        self._run = run
        self._config = config or BatchConfig()
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._queue: deque[_Job] = deque()
        self._unfinished: dict[Key, _Job] = {}
        self._kept: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._running = False
        self._tally: Counter[str] = Counter()

    def rows(self, keys: Sequence[Key]) -> np.ndarray:
        """Return (B, P), one row a key, in order; B is at least 1.

        An error of a run is raised by every caller that waits for a row of it.
        """
        with self._lock:
            found = [self._find(key) for key in keys]
        jobs = [part for part in found if isinstance(part, _Job)]
        if jobs:
            self._finish(jobs)
        return np.stack([part.row_P if isinstance(part, _Job) else part for part in found])

    def counts(self) -> BatchCounts:
        """Return the counts so far."""
        with self._lock:
            return BatchCounts(**self._tally, kept=len(self._kept))

    def _find(self, key: Key) -> np.ndarray | _Job:
        """Return the cached row, or the job that will make it."""
        row_P = self._kept.get(key)
        if row_P is not None:
            self._kept.move_to_end(key)
            self._tally["hits"] += 1
            return row_P
        job = self._unfinished.get(key)
        if job is not None:
            self._tally["shared"] += 1
            return job
        job = self._unfinished[key] = _Job(key)
        self._queue.append(job)
        self._tally["misses"] += 1
        return job

    def _finish(self, jobs: Sequence[_Job]) -> None:
        """Wait for the jobs, and run batches while nobody else does."""
        while True:
            with self._lock:
                while self._running and not all(job.done for job in jobs):
                    self._ended.wait()
                if all(job.done for job in jobs):
                    break
                self._running = True
            self._run_batch()
        for job in jobs:
            if job.error is not None:
                raise job.error

    def _run_batch(self) -> None:
        batch: list[_Job] = []
        rows: list[np.ndarray] = []
        error: Exception | None = None
        try:
            batch = self._take()
            rows = [row_P.copy() for row_P in self._run([job.key for job in batch])]
            assert len(rows) == len(batch)
        except Exception as caught:  # noqa: BLE001 (raised again by all who wait for the batch)
            error = caught
        finally:
            with self._lock:
                self._running = False
                if rows or error:
                    self._settle(batch, rows, error)
                else:  # interrupted, as by Ctrl-C: the rows are left for others to run
                    self._queue.extendleft(reversed(batch))
                self._ended.notify_all()

    def _take(self) -> list[_Job]:
        with self._lock:
            size = min(self._config.max_batch, len(self._queue))
            return [self._queue.popleft() for _ in range(size)]

    def _settle(self, batch: list[_Job], rows: list[np.ndarray], error: Exception | None) -> None:
        self._tally["runs"] += 1
        for place, job in enumerate(batch):
            del self._unfinished[job.key]
            job.done, job.error = True, error
            if error is None:
                job.row_P = self._kept[job.key] = rows[place]
        while len(self._kept) > self._config.cache_size:
            self._kept.popitem(last=False)
