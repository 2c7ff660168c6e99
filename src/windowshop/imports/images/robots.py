"""robots.txt of the hosts that are asked: what it forbids is not fetched, and its delay is kept."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.robotparser import RobotFileParser

import httpx2

from windowshop.imports.images.config import FetchFailure

MAX_BYTES = 500 * 1024
"""Bytes that are read of a robots.txt (RFC 9309 asks for so many at least)."""
MAX_DELAY = 30.0
"""Longest Crawl-delay that is kept, in seconds."""


class Robots:
    """Rules by host, each read once; a host without a readable robots.txt allows all."""

    def __init__(self, user_agent: str, read: Callable[[httpx2.URL], Awaitable[bytes]]) -> None:
        self._user_agent, self._read = user_agent, read
        self._rules: dict[httpx2.URL, RobotFileParser] = {}
        self._locks: dict[httpx2.URL, asyncio.Lock] = {}

    async def rules(self, url: httpx2.URL) -> RobotFileParser:
        """Return the rules of an address's host, read where they are not known."""
        place = url.copy_with(raw_path=b"/robots.txt", fragment=None)
        async with self._locks.setdefault(place, asyncio.Lock()):
            if place not in self._rules:
                rules = RobotFileParser()
                try:
                    text = (await self._read(place))[:MAX_BYTES].decode(errors="replace")
                except FetchFailure:
                    text = ""
                rules.parse(text.lstrip("\ufeff").splitlines())
                self._rules[place] = rules
        return self._rules[place]

    async def allows(self, url: httpx2.URL) -> bool:
        """Return whether the host lets us fetch an address."""
        return (await self.rules(url)).can_fetch(self._user_agent, str(url))

    async def delay(self, url: httpx2.URL) -> float:
        """Return the seconds between requests that the host asks for."""
        asked = (await self.rules(url)).crawl_delay(self._user_agent)
        return min(float(asked or 0), MAX_DELAY)
