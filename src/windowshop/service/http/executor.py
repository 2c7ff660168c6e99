"""Blocking calls in anyio's threads: few of a kind at once, a bounded queue, a limit of time."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, move_on_after, to_thread

from windowshop.service.http.errors import ServiceError

T = TypeVar("T")


class Executor:
    """Runs calls of one kind in threads; for one event loop at a time."""

    def __init__(self, name: str, num_threads: int, max_waiting: int, seconds: float) -> None:
        """`seconds` is how long a call may take, its wait included."""
        self._name, self._seconds = name, seconds
        self._limiter = CapacityLimiter(num_threads)
        self._most = num_threads + max_waiting
        self._pending: set[object] = set()

    @property
    def num_pending(self) -> int:
        """Number of calls that wait or run."""
        return len(self._pending)

    async def run(self, call: Callable[[], T]) -> T:
        """Return the call's result; raises its errors, and ServiceError 503 where there is no room.

        A call that takes too long goes on in its thread and counts as pending until it ends.
        """
        if self.num_pending >= self._most:
            raise ServiceError(
                503,
                "busy",
                f"{self.num_pending} requests of this kind ({self._name}) are under way already. "
                "Try again in a second.",
                headers={"Retry-After": "1"},
            )
        job, has_begun = object(), False
        self._pending.add(job)

        def counted() -> T:
            nonlocal has_begun
            has_begun = True
            try:
                return call()
            finally:  # here, not below: the call may outlive the wait for it
                self._pending.discard(job)

        try:
            with move_on_after(self._seconds):
                return await to_thread.run_sync(
                    counted, abandon_on_cancel=True, limiter=self._limiter
                )
        finally:
            if not has_begun:
                self._pending.discard(job)
        raise ServiceError(
            503,
            "too_slow",
            f"This took more than {self._seconds:g} seconds. Ask for less, or try later.",
            headers={"Retry-After": "5"},
        )
