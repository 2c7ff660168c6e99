"""Middleware of every request: keys, rates, limits, metrics, headers, and errors."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from ipaddress import ip_address
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from windowshop.data import give_back
from windowshop.service.config import ServiceConfig
from windowshop.service.http.access import Call, body_limit, call_of, encoded_path
from windowshop.service.http.api_keys import (
    SCOPES,
    Client,
    Keys,
    admitted,
    check_host,
    check_origin,
    given_key,
)
from windowshop.service.http.errors import ALGOLIA, ServiceError, as_service_error
from windowshop.service.http.limits import RateLimits, limited_receive, limited_send
from windowshop.service.http.room import CLIENT, BodyMemory, HeldBody, Places
from windowshop.service.metrics import Metrics

LOG = logging.getLogger(__name__)
IMAGE_ROUTE = "/products/id/photo"
GONE = 499
"""Status in the metrics of a request whose client went away."""
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", CONTENT_POLICY.encode()),
]


class RequestMiddleware:
    """ASGI middleware that every request passes: it admits, limits, counts, and answers errors."""

    def __init__(
        self,
        app: ASGIApp,
        config: ServiceConfig,
        keys: Keys | None,
        rates: RateLimits,
        metrics: Metrics,
    ) -> None:
        self._app, self._config, self._keys = app, config, keys
        self._rates, self._metrics = rates, metrics
        self._places = Places("requests", config.max_requests)
        self._images = Places("requests of images", config.max_images)
        self._memory = BodyMemory(config.body_bytes, config.body_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a request, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        metrics = self._metrics
        scope["path"] = encoded_path(scope)
        call = call_of(scope["method"], scope["path"])
        status = GONE

        async def noted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        metrics.in_flight.inc()
        try:
            await self._answer(call, scope, receive, noted_send)
        except ClientDisconnect:
            LOG.info("%s: the client went away", call.route)
        except Exception as error:  # noqa: BLE001 (logged, where it is our fault)
            problem = as_service_error(error)
            if status != GONE:  # the answer has begun; uvicorn cuts the connection
                LOG.warning("%s: cut off: %s", call.route, problem)
                return
            await problem.response(scope["path"])(scope, receive, noted_send)
        finally:
            metrics.in_flight.dec()
            metrics.request(call.route, status, time.perf_counter() - begun)

    async def _answer(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        config = self._config
        state = scope.setdefault("state", {})
        client = state["client"] = self._client(call, scope, headers)
        CLIENT.set(client.name)
        body = state["body"] = HeldBody(self._memory, client.name, config.json_bytes)
        limit = body_limit(call, headers.get(b"content-type", b""), config)
        limited = limited_receive(receive, limit, headers.get(b"content-length"), body)
        try:
            with self._place(call, client):
                await self._app(scope, limited, limited_send(send, config.body_seconds))
        finally:
            if body.release():
                asyncio.get_running_loop().run_in_executor(None, give_back)

    def _place(self, call: Call, client: Client) -> AbstractContextManager[None]:
        """Return what takes the place of a request inside `with`."""
        if call.scope is None:
            return nullcontext()
        places = self._images if call.route == IMAGE_ROUTE else self._places
        return places.taken(client.name)

    def _client(self, call: Call, scope: Scope, headers: Mapping[bytes, bytes]) -> Client:
        """Return the client of a request; raises ServiceError 401, 403 or 429."""
        address = scope["client"][0] if scope.get("client") else ""
        is_image = call.route == IMAGE_ROUTE
        if call.scope is None or self._is_open(call, address, headers):
            return Client(address, ())
        if self._keys is None:
            check_host(headers.get(b"host", b""))
            check_origin(scope["method"], headers, self._config.origins)
            client = Client(address, SCOPES)
        else:
            given = _given_key(call, scope, headers)
            try:
                client = admitted(self._keys, call.scope, given)
            except ServiceError:
                self._rates.check(f"address {address}")  # guesses are counted too
                raise
        self._rates.check(client.name, image=is_image)
        return client

    def _is_open(self, call: Call, address: str, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether the configuration lets this call do without a key."""
        config = self._config
        if call.route == "/metrics" and config.open_metrics:
            return _is_local(address) and b"x-forwarded-for" not in headers
        return call.route == IMAGE_ROUTE and config.public_images


def _given_key(call: Call, scope: Scope, headers: Mapping[bytes, bytes]) -> str | None:
    """Return the key of a request; of an image and of InstantSearch the address may have it."""
    query = scope["query_string"]
    if call.route == IMAGE_ROUTE:
        return given_key(headers, query)
    if call.route.startswith(ALGOLIA):
        return given_key(headers, query, "x-algolia-api-key")
    return given_key(headers)


def _is_local(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def client_of(scope: Mapping[str, Any]) -> Client:
    """Return the client that RequestMiddleware admitted."""
    client: Client = scope["state"]["client"]
    return client


def body_of(scope: Mapping[str, Any]) -> HeldBody:
    """Return the memory of the body that RequestMiddleware limits."""
    body: HeldBody = scope["state"]["body"]
    return body
