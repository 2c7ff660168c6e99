"""Connections to a service, blocking and asynchronous, with the same calls."""

import asyncio
import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack
from urllib.parse import urlsplit

from windowshop.client import calls
from windowshop.client.answers import (
    Event,
    EventsAnswer,
    FacetsAnswer,
    Hit,
    SearchAnswer,
    SearchOptions,
    Suggested,
    WriteAnswer,
)
from windowshop.client.calls import Answer, Call
from windowshop.client.problems import ServiceProblem, may_pass, no_answer, problem_of
from windowshop.errors import ConfigError, needs_extra, plain_address

with needs_extra("client"):
    import httpx2

FIRST_WAIT, LONGEST_WAIT = 0.2, 20.0
"""Seconds before a call is repeated, which double each time, and the most of them."""


class _Connection:
    """Address of a service, how long it may take, and how often it is asked again."""

    def __init__(self, address: str, key: str, timeout: float, retries: int) -> None:
        try:
            is_address = urlsplit(address).scheme in ("http", "https") and httpx2.URL(address).host
        except (ValueError, httpx2.InvalidURL):
            is_address = False
        if not is_address:
            raise ConfigError(
                f"{plain_address(address)}: is no address of a service, as http://127.0.0.1:8000."
            )
        self.address = address.rstrip("/")
        self._timeout, self._retries = timeout, retries
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def photo_url(self, product_id: str, size: int = 320) -> str:
        """Return the address of a product's photo, its longest side at most `size`."""
        return f"{self.address}{calls.product_path(product_id)}/photo?size={size}"

    def _arguments(self, call: Call[Any]) -> dict[str, Any]:
        return {**call.sent, "timeout": call.seconds or self._timeout}

    def _read(self, call: Call[Answer], response: httpx2.Response) -> Answer:
        """Return what an answer gives; raises ServiceProblem where it is no success."""
        try:
            body = json.loads(response.content)
        except ValueError:
            body = None
        if response.is_success and body is not None:
            return call.read(body)
        status, reason = response.status_code, response.reason_phrase
        raise problem_of(status, reason, body, response.headers)

    def _problem(self, call: Call[Any], error: httpx2.RequestError) -> ServiceProblem:
        is_late = isinstance(error, httpx2.TimeoutException)
        return no_answer(plain_address(self.address) + call.path, error, is_late=is_late)

    def _wait(self, problem: ServiceProblem, attempt: int) -> float:
        """Return the seconds before the next attempt; raises the problem where there is none."""
        if attempt >= self._retries or not may_pass(problem):
            raise problem from None
        wait = FIRST_WAIT * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
        return min(wait if problem.retry_after is None else problem.retry_after, LONGEST_WAIT)


class Windowshop(_Connection):
    """Blocking client, for many threads; use it in `with`, or `close` it.

    A call that finds the service busy or the connection broken is repeated after a while, as often
    as `retries` says: no call does harm when it is repeated. Raises ServiceProblem, by its kinds,
    where a call does not succeed.
    """

    def __init__(
        self,
        address: str,
        *,
        key: str = "",
        timeout: float = 10.0,
        retries: int = 2,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Take an address as http://127.0.0.1:8000, and the seconds that a search may take."""
        super().__init__(address, key, timeout, retries)
        self._http = httpx2.Client(
            base_url=self.address, headers=self._headers, transport=transport
        )

    def search(self, text: str | None = None, **options: Unpack[SearchOptions]) -> SearchAnswer:
        """Search by a text; without one, show the catalogue."""
        return self._ask(calls.search(text, options))

    def search_image(
        self, image: bytes | str | Path, text: str | None = None, **options: Unpack[SearchOptions]
    ) -> SearchAnswer:
        """Search by an image file, or its bytes, and a text that changes what is wanted."""
        return self._ask(calls.search_image(image, text, options))

    def similar(self, product_id: str, **options: Unpack[SearchOptions]) -> SearchAnswer:
        """Search products similar to one, without its variants."""
        return self._ask(calls.search(None, {**options, "similar_to": product_id}))

    def product(self, product_id: str) -> dict[str, Any]:
        """Return a product's fields; raises UnknownError where there is none."""
        return self._ask(calls.product(product_id))

    def suggest(self, text: str, *, limit: int = 8) -> list[Suggested]:
        """Return texts that may be meant by the beginning of one."""
        return self._ask(calls.suggest(text, limit))

    def facets(
        self, columns: Sequence[str], *, where: str | None = None, limit: int = 10
    ) -> FacetsAnswer:
        """Count values of columns over the catalogue, or over what passes a filter."""
        return self._ask(calls.facets(columns, where, limit))

    def info(self) -> dict[str, Any]:
        """Return generations, columns, settings, and what the key may do."""
        return self._ask(calls.info())

    def upsert(self, products: Iterable[Mapping[str, Any]]) -> WriteAnswer:
        """Add products or replace them whole; one that fails does not fail the others."""
        return calls.merged(self._ask(call) for call in calls.upserts(products))

    def delete(self, product_ids: Iterable[str]) -> WriteAnswer:
        """Delete products; those that are not there have the status `absent`."""
        return calls.merged(self._ask(call) for call in calls.deletions(product_ids))

    def feedback(self, answer: SearchAnswer, hit: Hit, event: Event = "click") -> bool:
        """Report what a shopper did with a result; returns whether that was new."""
        return self._ask(calls.feedback(answer, hit, event))

    def events(self, sent: Sequence[Mapping[str, Any]]) -> EventsAnswer:
        """Report events in the form of User Behavior Insights 1.3."""
        return self._ask(calls.events(sent))

    def grade(self, query: str, product_id: str, grade: int | None, *, judge: str = "") -> None:
        """Grade a product for a query, 0 to 3; None takes the judge's grade back."""
        self._ask(calls.grade(query, product_id, grade, judge))

    def grades(self, query: str, *, judge: str | None = None) -> dict[str, int]:
        """Return the grades of a query by product, of all judges together or of one."""
        return self._ask(calls.grades(query, judge))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client, which leaving closes."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def _ask(self, call: Call[Answer]) -> Answer:
        attempt = 0
        while True:
            try:
                return self._once(call)
            except ServiceProblem as problem:
                time.sleep(self._wait(problem, attempt))
            attempt += 1

    def _once(self, call: Call[Answer]) -> Answer:
        try:
            response = self._http.request(call.method, call.path, **self._arguments(call))
        except httpx2.RequestError as error:
            raise self._problem(call, error) from error
        return self._read(call, response)


class AsyncWindowshop(_Connection):
    """Asynchronous client with the calls of Windowshop; use it in `async with`, or `close` it."""

    def __init__(
        self,
        address: str,
        *,
        key: str = "",
        timeout: float = 10.0,
        retries: int = 2,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Take an address as http://127.0.0.1:8000, and the seconds that a search may take."""
        super().__init__(address, key, timeout, retries)
        self._http = httpx2.AsyncClient(
            base_url=self.address, headers=self._headers, transport=transport
        )

    async def search(
        self, text: str | None = None, **options: Unpack[SearchOptions]
    ) -> SearchAnswer:
        """Search by a text; without one, show the catalogue."""
        return await self._ask(calls.search(text, options))

    async def search_image(
        self, image: bytes | str | Path, text: str | None = None, **options: Unpack[SearchOptions]
    ) -> SearchAnswer:
        """Search by an image file, or its bytes, and a text that changes what is wanted."""
        return await self._ask(calls.search_image(image, text, options))

    async def similar(self, product_id: str, **options: Unpack[SearchOptions]) -> SearchAnswer:
        """Search products similar to one, without its variants."""
        return await self._ask(calls.search(None, {**options, "similar_to": product_id}))

    async def product(self, product_id: str) -> dict[str, Any]:
        """Return a product's fields; raises UnknownError where there is none."""
        return await self._ask(calls.product(product_id))

    async def suggest(self, text: str, *, limit: int = 8) -> list[Suggested]:
        """Return texts that may be meant by the beginning of one."""
        return await self._ask(calls.suggest(text, limit))

    async def facets(
        self, columns: Sequence[str], *, where: str | None = None, limit: int = 10
    ) -> FacetsAnswer:
        """Count values of columns over the catalogue, or over what passes a filter."""
        return await self._ask(calls.facets(columns, where, limit))

    async def info(self) -> dict[str, Any]:
        """Return generations, columns, settings, and what the key may do."""
        return await self._ask(calls.info())

    async def upsert(self, products: Iterable[Mapping[str, Any]]) -> WriteAnswer:
        """Add products or replace them whole; one that fails does not fail the others."""
        return calls.merged([await self._ask(call) for call in calls.upserts(products)])

    async def delete(self, product_ids: Iterable[str]) -> WriteAnswer:
        """Delete products; those that are not there have the status `absent`."""
        return calls.merged([await self._ask(call) for call in calls.deletions(product_ids)])

    async def feedback(self, answer: SearchAnswer, hit: Hit, event: Event = "click") -> bool:
        """Report what a shopper did with a result; returns whether that was new."""
        return await self._ask(calls.feedback(answer, hit, event))

    async def events(self, sent: Sequence[Mapping[str, Any]]) -> EventsAnswer:
        """Report events in the form of User Behavior Insights 1.3."""
        return await self._ask(calls.events(sent))

    async def grade(
        self, query: str, product_id: str, grade: int | None, *, judge: str = ""
    ) -> None:
        """Grade a product for a query, 0 to 3; None takes the judge's grade back."""
        await self._ask(calls.grade(query, product_id, grade, judge))

    async def grades(self, query: str, *, judge: str | None = None) -> dict[str, int]:
        """Return the grades of a query by product, of all judges together or of one."""
        return await self._ask(calls.grades(query, judge))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client, which leaving closes."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def _ask(self, call: Call[Answer]) -> Answer:
        attempt = 0
        while True:
            try:
                return await self._once(call)
            except ServiceProblem as problem:
                await asyncio.sleep(self._wait(problem, attempt))
            attempt += 1

    async def _once(self, call: Call[Answer]) -> Answer:
        try:
            response = await self._http.request(call.method, call.path, **self._arguments(call))
        except httpx2.RequestError as error:
            raise self._problem(call, error) from error
        return self._read(call, response)
