"""Web address -> the bytes of the answer, within limits, redirects followed by hand."""

import asyncio
import random
import time
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
import tenacity

from windowshop.data import MAX_FILE_BYTES
from windowshop.imports.images.addresses import CheckedTransport, parse_url
from windowshop.imports.images.config import FetchConfig, FetchFailure, PassingFailure
from windowshop.imports.images.hosts import Hosts
from windowshop.imports.images.robots import Robots

REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""Status codes of failures that may pass."""
SLOW_DOWN = frozenset({429, 503})
ANY_ZLIB = 32 + zlib.MAX_WBITS
"""Window bits that read both gzip and zlib."""


@dataclass(frozen=True, slots=True)
class Validators:
    """Headers that tell a host which state of an image is known."""

    etag: str = ""
    last_modified: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers of a conditional request; none where no state is known."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Download:
    """Answer of a host: the file's bytes, None where it is as known, and its validators."""

    data: bytes | None
    validators: Validators


class Downloader:
    """Downloads from all hosts of a run; to be used within `async with`."""

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        self._hosts = Hosts(config)
        self._robots = Robots(config.user_agent, self._robots_text) if config.robots else None
        self._all = asyncio.Semaphore(config.all_connections)
        self._client = httpx2.AsyncClient(
            transport=CheckedTransport(
                allow_private=config.allow_private, max_connections=config.all_connections
            ),
            headers={
                "User-Agent": config.user_agent,
                "Accept": "image/*,*/*;q=0.5",
                "Accept-Encoding": "identity",
            },
            timeout=httpx2.Timeout(config.silent_seconds, pool=None),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> "Downloader":
        """Open the client."""
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def get(self, url: str, known: Validators) -> Download:
        """Download an address, retried where a failure may pass; raises FetchFailure."""
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._config.attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(PassingFailure),
            reraise=True,
        )
        return await retrying(self._follow, parse_url(url), known, robots=self._robots)

    async def _robots_text(self, url: httpx2.URL) -> bytes:
        return (await self._follow(url, Validators())).data or b""

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds before the next attempt: what the host asked for, or doubled ones."""
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, PassingFailure) and failure.retry_after is not None:
            return failure.retry_after
        doubled = self._config.first_wait * 2.0 ** (state.attempt_number - 1)
        return min(self._config.max_wait, doubled * random.uniform(0.5, 1.5))

    async def _follow(
        self, url: httpx2.URL, known: Validators, robots: Robots | None = None
    ) -> Download:
        """Make one attempt: the address and up to `max_redirects` others, as `robots` allow."""
        left = self._config.seconds
        for _ in range(self._config.max_redirects + 1):
            if robots is not None:
                if not await robots.allows(url):
                    raise FetchFailure("forbidden by robots.txt", str(url))
                self._hosts[url.host].slow_to(await robots.delay(url))
            async with self._hosts[url.host].turn(), self._all:
                started = time.monotonic()
                found = await self._ask(url, known, left)
                left -= time.monotonic() - started
            if isinstance(found, Download):
                return found
            url = found
        raise FetchFailure("too many redirects", f"over {self._config.max_redirects}")

    async def _ask(self, url: httpx2.URL, known: Validators, left: float) -> Download | httpx2.URL:
        """Send one request; returns the answer, or the address that it leads to."""
        host = self._hosts[url.host]
        try:
            async with asyncio.timeout(max(left, 0)):
                request = self._client.build_request("GET", url, headers=known.headers())
                response = await self._client.send(request, stream=True)
                host.answered()
                try:
                    return await self._read(url, response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise PassingFailure("too slow", f"over {self._config.seconds:g} s") from None
        except httpx2.TimeoutException as error:
            failure = PassingFailure("too slow", f"{_name(error)} of {url.host}")
        except (httpx2.TransportError, httpx2.InvalidURL, OSError) as error:
            failure = PassingFailure("no connection", f"{url.host}: {error or _name(error)}")
        except FetchFailure as error:
            if error.kind == "no such host":
                host.failed(error)
            raise
        host.failed(failure)
        raise failure

    async def _read(self, url: httpx2.URL, response: httpx2.Response) -> Download | httpx2.URL:
        status, headers = response.status_code, response.headers
        if status in REDIRECTS and "location" in headers:
            try:
                return parse_url(str(url.join(headers["location"])))
            except (httpx2.InvalidURL, ValueError) as error:
                raise FetchFailure("bad address", f"redirected to no address: {error}") from None
        validators = Validators(headers.get("etag", ""), headers.get("last-modified", ""))
        if status == 304:
            return Download(None, validators)
        if status in PASSING:
            wait = retry_after(headers.get("retry-after", "")) if status in SLOW_DOWN else None
            if wait is not None:
                self._hosts[url.host].asked_to_wait(wait)
                if wait > self._config.max_wait:
                    raise FetchFailure("asked to wait", f"{wait:.0f} s")
            raise PassingFailure(f"status {status}", str(url), wait)
        if status != 200:
            raise FetchFailure(f"status {status}", str(url))
        return Download(await body(response), validators)


def _name(error: Exception) -> str:
    return type(error).__name__


async def body(response: httpx2.Response) -> bytes:
    """Read a body up to the limit of an image file, whatever length its header names."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise FetchFailure("unknown encoding", f"content-encoding {encoding[:50]!r}")
    decoder = None if encoding in ("", "identity") else zlib.decompressobj(ANY_ZLIB)
    parts, size = [], 0
    async for chunk in response.aiter_raw():
        if decoder is not None:
            try:
                chunk = decoder.decompress(chunk, MAX_FILE_BYTES + 1 - size)
            except zlib.error as error:
                raise FetchFailure("truncated or corrupt", str(error)) from None
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise FetchFailure("too large", f"over {MAX_FILE_BYTES} bytes")
        parts.append(chunk)
    return b"".join(parts)


def retry_after(value: str) -> float | None:
    """Read the seconds of a Retry-After header: a number, or a moment; None for anything else."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
