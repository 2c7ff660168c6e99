"""Streams of products to write or delete: a line in, a result out, in bounded memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from windowshop.errors import WindowshopError
from windowshop.service.http.errors import ServiceError, as_service_error, to_json
from windowshop.service.http.middleware import body_of
from windowshop.service.http.room import HeldBody
from windowshop.service.writes.products import Batch, Item, Refused

IDLE_SECONDS = 0.2
"""Pause after which lines are written: the client may wait for their results."""
HOLD_SECONDS = 5.0
"""Time after which lines are written that hold memory which others may wait for."""


@dataclass(frozen=True, slots=True)
class Line:
    """Line of a body; its content is None where it was too long to keep."""

    number: int
    content: bytes | None


async def lines(
    receive: Receive, most_bytes: int, hold: Callable[[int], Awaitable[None]]
) -> AsyncIterator[Line | None]:
    """Yield the lines of a request body that are not blank, and None wherever it pauses.

    `hold` is called with the size of what is kept of a line that has not ended.
    """
    number, buffer, skipping = 0, bytearray(), False
    pending: asyncio.Future[Any] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(receive())
            done, _ = await asyncio.wait({pending}, timeout=IDLE_SECONDS)
            if not done:
                yield None
                continue
            message, pending = pending.result(), None
            *whole, rest = message.get("body", b"").split(b"\n")
            for part in whole:
                number += 1
                too_long = skipping or len(buffer) + len(part) > most_bytes
                content = None if too_long else bytes(buffer) + part
                buffer.clear()
                skipping = False
                if content is None or content.strip():
                    yield Line(number, content)
            skipping = skipping or len(buffer) + len(rest) > most_bytes
            if skipping:
                buffer.clear()
            else:
                buffer += rest
            await hold(len(buffer))
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                break
        if message["type"] == "http.request" and (skipping or buffer.strip()):
            yield Line(number + 1, None if skipping else bytes(buffer))
    finally:
        if pending is not None:
            pending.cancel()


@dataclass(frozen=True, slots=True)
class ProductStream:
    """ASGI response that writes or deletes products while it reads their lines.

    It has one result line a product line.
    """

    read: Callable[[bytes], Item]
    write: Callable[[list[Item]], Awaitable[list[dict[str, Any]]]]
    stopping: Callable[[], bool]
    """Whether the service ends: the lines read so far are written, and the stream ends."""
    most_products: int
    most_bytes: int
    line_bytes: int
    line_seconds: float
    """Time that a line longer than `small_bytes` may take."""
    small_bytes: int
    """Size up to which what was read needs no room in the memory for large bodies."""
    done: tuple[str, ...]
    """Values of `status` of lines that did not fail."""
    only_failed: bool
    """Send failures, problems and final counts only: for a client that does not read before it has
    sent everything."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        headers = [(b"content-type", b"application/x-ndjson")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        counts = dict.fromkeys((*self.done, "failed"), 0)
        try:
            async for results in self._results(receive, body_of(scope)):
                for result in results:
                    counts[result["status"]] += 1
                await self._send(send, results)
        except (WindowshopError, OSError, MemoryError) as error:
            await self._send(send, [{"status": "stopped"} | as_service_error(error).body()])
        if self.only_failed:
            await self._send(send, [{f"num_{name}": count for name, count in counts.items()}])
        await send({"type": "http.response.body", "body": b""})

    async def _send(self, send: Send, results: list[dict[str, Any]]) -> None:
        chosen = [
            r
            for r in results
            if not (self.only_failed and r.get("status") in self.done and "problem" not in r)
        ]
        if chosen:
            body = b"".join(to_json(result) + b"\n" for result in chosen)
            await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _results(
        self, receive: Receive, body: HeldBody
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the results of the lines, a batch at a time."""
        batch, numbers = self._batch(), list[int]()
        unended, long_since = 0, 0.0

        async def hold(num_bytes: int) -> None:
            nonlocal unended, long_since
            now = time.monotonic()
            long_since = (long_since or now) if num_bytes > self.small_bytes else now
            if now - long_since > self.line_seconds:
                raise ServiceError(408, "too_slow", f"A line took over {self.line_seconds:g} s.")
            unended = num_bytes
            await body.hold(unended + batch.num_bytes, self.line_bytes + self.most_bytes)

        async for line in lines(receive, self.line_bytes, hold):
            if line is not None:
                item = self._item(line)
                if not batch.takes(item):
                    yield await self._write_batch(batch, numbers)
                    batch, numbers = self._batch(), []
                    await hold(unended)
                batch.add(item)
                numbers.append(line.number)
            is_due = batch.is_full or body.seconds > HOLD_SECONDS or self.stopping()
            if batch.items and (line is None or is_due):
                yield await self._write_batch(batch, numbers)
                batch, numbers = self._batch(), []
                await hold(unended)
            if self.stopping():
                raise ServiceError(503, "stopping", "The service ends. Send the rest again, later.")
        if batch.items:
            yield await self._write_batch(batch, numbers)

    def _batch(self) -> Batch:
        return Batch(self.most_products, self.most_bytes)

    async def _write_batch(self, batch: Batch, numbers: list[int]) -> list[dict[str, Any]]:
        results = await self.write(batch.items)
        return [{"line": n} | result for n, result in zip(numbers, results, strict=True)]

    def _item(self, line: Line) -> Item:
        if line.content is None:
            return Refused(None, f"The line is longer than {self.line_bytes} bytes. Shorten it.")
        return self.read(line.content)
