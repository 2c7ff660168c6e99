"""Blocking work for a server: few threads, a bounded queue before them, a limit of time.

The threads are daemons, so that work that hangs never keeps a process from ending.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from windowshop.service.http.errors import ServiceError

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Job:
    call: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Workers:
    """Runs calls in threads of its own; its methods belong to one event loop at a time."""

    def __init__(self, name: str, num_threads: int, max_waiting: int, seconds: float) -> None:
        """`seconds` is how long a call may take, its wait included."""
        self._name, self._seconds = name, seconds
        self._most = num_threads + max_waiting
        self._lock = threading.Lock()
        self._num_pending = 0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def num_pending(self) -> int:
        """Calls that wait or run."""
        return self._num_pending

    async def run(self, call: Callable[[], T]) -> T:
        """The call's result; raises what it raises, and ServiceError 503 when there is no room.

        A call that takes too long goes on in its thread, and nobody waits for it any more.
        """
        with self._lock:
            if self._num_pending >= self._most:
                raise ServiceError(
                    503,
                    "busy",
                    f"{self._num_pending} requests of this kind ({self._name}) are under way "
                    "already. Try again in a second.",
                    headers={"Retry-After": "1"},
                )
            self._num_pending += 1
        loop = asyncio.get_running_loop()
        job = _Job(call, loop, loop.create_future())
        self._jobs.put(job)
        try:
            async with asyncio.timeout(self._seconds):
                result: T = await job.future
                return result
        except TimeoutError:
            raise ServiceError(
                503,
                "too_slow",
                f"This took more than {self._seconds:g} seconds. Ask for less, or try later.",
                headers={"Retry-After": "5"},
            ) from None

    def stop(self) -> None:
        """Let the threads end after what they are doing."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._do(job)
            finally:
                with self._lock:
                    self._num_pending -= 1

    def _do(self, job: _Job) -> None:
        if job.future.cancelled():
            return
        try:
            result = job.call()
        except BaseException as error:  # noqa: BLE001 (raised again where it is awaited)
            self._tell(job, job.future.set_exception, error)
        else:
            self._tell(job, job.future.set_result, result)

    def _tell(self, job: _Job, settle: Callable[[Any], None], outcome: object) -> None:
        def deliver() -> None:
            if not job.future.done():
                settle(outcome)

        if not job.loop.is_closed():
            job.loop.call_soon_threadsafe(deliver)
