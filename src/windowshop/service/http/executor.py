"""Blocking calls in threads: few of a kind at once, a bounded queue, a limit of time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from windowshop.service.http.errors import ServiceError, busy

T = TypeVar("T")


class Executor:
    """Runs calls of one kind in threads, in the order they came."""

    def __init__(self, name: str, num_threads: int, max_waiting: int, seconds: float) -> None:
        """`seconds` is how long a call may take, its wait included."""
        self._name, self._seconds = name, seconds
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix=name)
        self._most = num_threads + max_waiting
        self._pending: set[Future[Any]] = set()

    @property
    def num_pending(self) -> int:
        """Number of calls that wait or run."""
        return len(self._pending)

    async def run(self, call: Callable[[], T]) -> T:
        """Return the call's result; raises its errors, and ServiceError 503 where there is no room.

        A call that takes too long keeps its thread and counts as pending until it ends.
        """
        if self.num_pending >= self._most:
            raise busy(f"{self.num_pending} requests of this kind ({self._name})")
        job = self._threads.submit(call)
        self._pending.add(job)
        job.add_done_callback(self._pending.discard)
        answer = asyncio.wrap_future(job)
        try:
            done, _ = await asyncio.wait((answer,), timeout=self._seconds)
            if done:
                return answer.result()
        finally:
            job.cancel()  # where it has not begun
            answer.cancel()
        raise ServiceError(
            503,
            "too_slow",
            f"This took more than {self._seconds:g} seconds. Ask for less, or try later.",
            headers={"Retry-After": "5"},
        )
