"""Blocking calls in threads: few of a kind at once, a bounded queue, and a limit of time.

Clients are served by turns, each in the order of its own calls, so that many calls of one do not
keep a single call of another waiting. Where the queue is full, a client that waits with more calls
than another gives up its latest one.
"""

import asyncio
import threading
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
    job: Future[Any]


class Executor:
    """Runs calls of one kind in threads; for one event loop."""

    def __init__(self, name: str, num_threads: int, max_waiting: int, seconds: float) -> None:
        """`seconds` is how long a call may take, its wait included."""
        self._name, self._seconds = name, seconds
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix=name)
        self._most = num_threads + max_waiting
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[_Call]] = OrderedDict()
        self._num_running = self._num_asked = 0

    @property
    def num_pending(self) -> int:
        """Number of calls that wait or run."""
        with self._lock:
            return self._num_running + self._num_waiting()

    async def run(self, call: Callable[[], T]) -> T:
        """Return the call's result; raises its errors, and ServiceError 503 where there is no room.

        A call that takes too long keeps its thread and counts as pending until it ends.
        """
        item = _Call(CLIENT.get(), call, Future())
        self._wait_in_line(item)
        answer = asyncio.wrap_future(item.job)
        try:
            done, _ = await asyncio.wait((answer,), timeout=self._seconds)
            if done:
                result: T = answer.result()
                return result
        finally:
            with self._lock:
                self._forget(item)  # where it has not begun
            answer.cancel()
        raise ServiceError(
            503,
            "too_slow",
            f"This took more than {self._seconds:g} seconds. Ask for less, or try later.",
            headers={"Retry-After": "5"},
        )

    def _wait_in_line(self, item: _Call) -> None:
        """Put a call into the queue; raises ServiceError 503 where nobody makes room for it."""
        with self._lock:
            num_pending = self._num_running + self._num_waiting()
            if num_pending >= self._most:
                self._make_room(item.client, num_pending)
            self._waiting.setdefault(item.client, deque()).append(item)
            if self._num_asked < self._num_waiting():  # a thread for each call that waits
                self._num_asked += 1
                self._threads.submit(self._serve)

    def _make_room(self, client: str, num_pending: int) -> None:
        """Let the client that waits with most calls give up its latest one."""
        refusal = busy(f"{num_pending} requests of this kind ({self._name})")
        longest = max(self._waiting.values(), key=len, default=deque[_Call]())
        if len(longest) <= len(self._waiting.get(client, ())) + 1:
            raise refusal
        latest = longest[-1]
        self._forget(latest)
        if latest.job.set_running_or_notify_cancel():
            latest.job.set_exception(refusal)

    def _serve(self) -> None:
        """Make the next call, in a thread."""
        with self._lock:
            self._num_asked -= 1
            item = self._next()
            if item is None or not item.job.set_running_or_notify_cancel():
                return
            self._num_running += 1
        try:
            result, error = item.work(), None
        except BaseException as raised:  # noqa: BLE001 (passed on to who waits)
            result, error = None, raised
        with self._lock:
            self._num_running -= 1
        if error is not None:
            item.job.set_exception(error)
        else:
            item.job.set_result(result)

    def _next(self) -> _Call | None:
        """Take the oldest call of the client whose turn it is out of the queue."""
        if not self._waiting:
            return None
        client, calls = next(iter(self._waiting.items()))
        item = calls.popleft()
        self._waiting.move_to_end(client)
        if not calls:
            del self._waiting[client]
        return item

    def _forget(self, item: _Call) -> None:
        """Take a call out of the queue."""
        calls = self._waiting.get(item.client)
        if calls is None:
            return
        with suppress(ValueError):
            calls.remove(item)
        if not calls:
            del self._waiting[item.client]

    def _num_waiting(self) -> int:
        return sum(len(calls) for calls in self._waiting.values())
