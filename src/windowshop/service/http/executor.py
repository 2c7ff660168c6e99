"""Blocking calls in threads: few of a kind at once, a bounded queue, and a limit of time.

Clients are served by turns, each in the order of its own calls, so that many calls of one do not
keep a single call of another waiting. Where the queue is full, a client that waits with more calls
than another gives up its latest one.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from windowshop.service.http.errors import ServiceError, busy
from windowshop.service.http.room import CLIENT

T = TypeVar("T")


@dataclass(eq=False, frozen=True, slots=True)
class _Call:
    """Call that waits for a thread, and its answer to be."""

    client: str
    work: Callable[[], Any]
    answer: asyncio.Future[Any]


class Executor:
    """Runs calls of one kind in threads; for one event loop."""

    def __init__(self, name: str, num_threads: int, max_waiting: int, seconds: float) -> None:
        """`seconds` is how long a call may take, its wait included."""
        self._name, self._seconds = name, seconds
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix=name)
        self._num_threads, self._most = num_threads, num_threads + max_waiting
        self._waiting: OrderedDict[str, deque[_Call]] = OrderedDict()
        self._running: set[Future[Any]] = set()

    @property
    def num_pending(self) -> int:
        """Number of calls that wait or run."""
        return len(self._running) + sum(len(calls) for calls in list(self._waiting.values()))

    async def run(self, call: Callable[[], T]) -> T:
        """Return the call's result; raises its errors, and ServiceError 503 where there is no room.

        A call that takes too long keeps its thread and counts as pending until it ends.
        """
        client = CLIENT.get()
        self._make_room(client)
        item = _Call(client, call, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(client, deque()).append(item)
        self._begin()
        try:
            done, _ = await asyncio.wait((item.answer,), timeout=self._seconds)
            if done:
                result: T = item.answer.result()
                return result
        finally:
            self._forget(item)  # where it has not begun
            item.answer.cancel()
        raise ServiceError(
            503,
            "too_slow",
            f"This took more than {self._seconds:g} seconds. Ask for less, or try later.",
            headers={"Retry-After": "5"},
        )

    def _make_room(self, client: str) -> None:
        """Raise ServiceError 503 where the queue is full and nobody waits with more calls."""
        if self.num_pending < self._most:
            return
        refusal = busy(f"{self.num_pending} requests of this kind ({self._name})")
        longest = max(self._waiting.values(), key=len, default=deque[_Call]())
        if len(longest) <= len(self._waiting.get(client, ())) + 1:
            raise refusal
        latest = longest[-1]
        self._forget(latest)
        latest.answer.set_exception(refusal)

    def _forget(self, item: _Call) -> None:
        """Take a call out of the queue."""
        calls = self._waiting.get(item.client)
        if calls is None:
            return
        with suppress(ValueError):
            calls.remove(item)
        if not calls:
            del self._waiting[item.client]

    def _begin(self) -> None:
        """Start calls that wait, as many as there are free threads, by turns of the clients."""
        while self._waiting and len(self._running) < self._num_threads:
            client, calls = next(iter(self._waiting.items()))
            item = calls.popleft()
            self._waiting.move_to_end(client)
            if not calls:
                del self._waiting[client]
            self._start(item)

    def _start(self, item: _Call) -> None:
        loop = item.answer.get_loop()

        def ended(job: Future[Any]) -> None:  # in the thread
            self._running.discard(job)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._pass_on, item, job)

        job = self._threads.submit(item.work)
        self._running.add(job)
        job.add_done_callback(ended)

    def _pass_on(self, item: _Call, job: Future[Any]) -> None:
        if not item.answer.done():
            error = job.exception()
            if error is not None:
                item.answer.set_exception(error)
            else:
                item.answer.set_result(job.result())
        self._begin()
