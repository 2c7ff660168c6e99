"""Room for requests: how many there are at once, and the memory of their bodies, by client.

One client has at most half of either, so that it cannot shut others out. Who has no room for a body
waits for it before the body is read.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from windowshop.service.http.errors import busy

CLIENT: ContextVar[str] = ContextVar("client", default="")
"""Name of the client whose request is answered."""


def half(most: int) -> int:
    """Return the share of one client."""
    return max(1, most // 2)


class Places:
    """Number of requests of a kind that are under way; for one event loop."""

    def __init__(self, what: str, most: int) -> None:
        self._what, self._most = what, most
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """Take a place inside `with`; raises ServiceError 503 where the client finds none."""
        mine = self._taken[client]
        if mine >= half(self._most):
            raise busy(f"{mine} {self._what} of {client or 'this client'}")
        if self._taken.total() >= self._most:
            raise busy(f"{self._most} {self._what}")
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


@dataclass(eq=False, frozen=True, slots=True)
class _Wait:
    """Client that waits for memory."""

    client: str
    num_bytes: int
    granted: asyncio.Future[None]


class BodyMemory:
    """Memory of the large bodies that are held at once; for one event loop."""

    def __init__(self, num_bytes: int, seconds: float) -> None:
        """`seconds` is how long a client waits for memory."""
        self._most, self._seconds = num_bytes, seconds
        self._taken: Counter[str] = Counter()
        self._waiting: list[_Wait] = []

    async def take(self, client: str, num_bytes: int) -> int:
        """Wait for memory, in the order they came; returns how much was taken, to give back.

        One that wants more than its share gets all of its share. Raises ServiceError 503 after
        some time.
        """
        need = min(num_bytes, half(self._most))
        wait = _Wait(client, need, asyncio.get_running_loop().create_future())
        self._waiting.append(wait)
        self._grant()
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.shield(wait.granted)
        except BaseException as error:
            if wait.granted.done():
                self.give(client, need)
            else:
                self._waiting.remove(wait)
                wait.granted.cancel()
                self._grant()
            if isinstance(error, TimeoutError):
                raise busy("Large bodies that fill the memory for them") from None
            raise
        return need

    def give(self, client: str, num_bytes: int) -> None:
        """Give memory back."""
        self._taken[client] -= num_bytes
        if not self._taken[client]:
            del self._taken[client]
        self._grant()

    def _grant(self) -> None:
        """Grant what waits; a client at its share keeps nobody else waiting."""
        for wait in list(self._waiting):
            if self._taken[wait.client] + wait.num_bytes > half(self._most):
                continue
            if self._taken.total() + wait.num_bytes > self._most:
                break
            self._waiting.remove(wait)
            self._taken[wait.client] += wait.num_bytes
            wait.granted.set_result(None)


class HeldBody:
    """Memory that the body of one request takes."""

    def __init__(self, memory: BodyMemory, client: str, small_bytes: int) -> None:
        """A body of up to `small_bytes` needs none."""
        self._memory, self._client, self._small = memory, client, small_bytes
        self._held, self._since = 0, 0.0

    @property
    def seconds(self) -> float:
        """How long the memory has been held; 0 without any."""
        return time.monotonic() - self._since if self._held else 0.0

    async def hold(self, num_bytes: int, most: int) -> None:
        """Hold memory for `most` bytes while there are, or will be, more than a small body has."""
        if num_bytes > self._small and not self._held:
            self._held = await self._memory.take(self._client, most)
            self._since = time.monotonic()
        elif num_bytes <= self._small:
            self.release()

    def release(self) -> bool:
        """Give the memory back; returns whether any was held."""
        held, self._held = self._held, 0
        if held:
            self._memory.give(self._client, held)
        return held > 0
