"""Limits of a client: requests a time, size and time of a body, time to read an answer."""

import asyncio
import time
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Send

from windowshop.errors import ConfigError
from windowshop.service.http.errors import ServiceError
from windowshop.service.http.room import HeldBody


class RateLimits:
    """Rate limit of each client, in a fixed window; for one event loop."""

    def __init__(self, rate: str | None, image_factor: int) -> None:
        """`rate` is a count and a time, for example "50/second"; raises ConfigError."""
        self._item: RateLimitItem | None = None
        self._images: RateLimitItem | None = None
        if rate is None:
            return
        try:
            item = self._item = parse(rate)
        except ValueError:
            raise ConfigError(f"rate={rate!r}: write a rate, for example 50/second.") from None
        self._images = type(item)(item.amount * image_factor, item.multiples, "photos")
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, client: str, *, image: bool = False) -> None:
        """Count a request; raises ServiceError 429 above the rate."""
        item = self._images if image else self._item
        if item is None or self._limiter.hit(item, client):
            return
        again = self._limiter.get_window_stats(item, client).reset_time - time.time()
        seconds = max(1, round(again + 0.5))
        raise ServiceError(
            429,
            "too_many",
            f"{client}: more than {item} requests. Try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Limit of a request body in size and time."""

    most: int | None
    """Bytes; None for a stream, whose reader limits each line."""
    seconds: float
    """Time of the whole body; of a pause where `most` is None."""


def limited_receive(
    receive: Receive, limit: BodyLimit, length: bytes | None, body: HeldBody
) -> Receive:
    """Return a `receive` that raises ServiceError 413 or 408 for a body too large or too slow.

    A body that is not small waits for memory first, unless it is a stream, which holds its own.
    Raises at once where `length`, the Content-Length, says that it will be too large.
    """
    told = int(length) if length is not None and length.isdigit() else None
    if limit.most is not None and told is not None:
        _check_size(told, limit.most)
    deadline: float | None = None
    size, is_whole = 0, False

    async def wait_for_memory() -> None:
        nonlocal deadline
        if limit.most is not None:
            begun = time.monotonic()
            await body.hold(max(size, told or 0), limit.most if told is None else told)
            waited = time.monotonic() - begun
            deadline = (deadline or begun + limit.seconds) + waited

    async def limited() -> Message:
        nonlocal size, is_whole
        if is_whole:  # only a disconnect can follow
            return await receive()
        await wait_for_memory()
        seconds = limit.seconds if deadline is None else deadline - time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                message = await receive()
        except TimeoutError:
            raise ServiceError(
                408, "too_slow", f"The body took more than {limit.seconds:g} s. Send it faster."
            ) from None
        size += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if limit.most is not None:
            _check_size(size, limit.most)
        return message

    return limited


def limited_send(send: Send, seconds: float) -> Send:
    """Return a `send` that raises ClientDisconnect where the client does not read."""

    async def limited(message: Message) -> None:
        try:
            async with asyncio.timeout(seconds):
                await send(message)
        except TimeoutError:
            raise ClientDisconnect from None

    return limited


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ServiceError(
            413,
            "too_large",
            f"The body is larger than {most} bytes. Send less at once; products can be streamed.",
            headers={"Connection": "close"},
        )
