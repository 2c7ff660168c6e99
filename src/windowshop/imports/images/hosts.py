"""Turns at the hosts that are asked: few connections, so many requests a second, pauses."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from windowshop.imports.images.config import FetchConfig, FetchFailure, PassingFailure


class Host:
    """One host: its connections, when it may be asked next, and whether it is given up."""

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        self._gap = 1 / config.rate
        self._connections = asyncio.Semaphore(config.connections)
        self._next_at = self._paused_until = 0.0
        self._failed_in_row = 0
        self._given_up: FetchFailure | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a free connection and for the host's next turn; raises if it is given up."""
        async with self._connections:
            now = time.monotonic()
            start = max(now, self._next_at)
            self._next_at = start + self._gap
            while self._given_up is None:
                wait = max(start, self._paused_until) - time.monotonic()
                if wait <= 0:
                    break
                await asyncio.sleep(wait)
            if self._given_up is not None:
                raise FetchFailure(self._given_up.kind, self._given_up.detail)
            yield

    def slow_to(self, seconds: float) -> None:
        """Leave so long at least between requests."""
        self._gap = max(self._gap, seconds)

    def answered(self) -> None:
        """Note that the host gave an HTTP answer."""
        self._failed_in_row = 0

    def failed(self, failure: FetchFailure) -> None:
        """Note that there was no connection; a host that is down is given up."""
        self._failed_in_row += 1
        if failure.kind == "no such host" and not isinstance(failure, PassingFailure):
            self._given_up = failure
        elif self._failed_in_row >= self._config.max_failures:
            self._given_up = FetchFailure("host is down", f"after {failure.kind}")

    def asked_to_wait(self, seconds: float) -> None:
        """Ask nothing of the host for so long; one that asks for too much is given up."""
        if seconds > self._config.max_wait:
            self._given_up = FetchFailure("asked to wait", f"{seconds:.0f} s")
        self._paused_until = max(
            self._paused_until, time.monotonic() + min(seconds, self._config.max_wait)
        )


class Hosts:
    """Hosts by name."""

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        self._hosts: dict[str, Host] = {}

    def __getitem__(self, name: str) -> Host:
        """Return the host of a name."""
        if name not in self._hosts:
            self._hosts[name] = Host(self._config)
        return self._hosts[name]
