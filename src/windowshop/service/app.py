"""The service as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from windowshop._version import __version__
from windowshop.errors import WindowshopError
from windowshop.service.config import ServiceConfig
from windowshop.service.generation_pool import GenerationPool
from windowshop.service.http.api_keys import KEY_HEADERS, Keys
from windowshop.service.http.bodies import body_schemas
from windowshop.service.http.errors import ServiceError, as_service_error, shortened, unknown_field
from windowshop.service.http.limits import RateLimits
from windowshop.service.http.middleware import RequestMiddleware
from windowshop.service.http.requests import SearchQuery
from windowshop.service.http.responses import ErrorAnswer
from windowshop.service.routes.admin import admin_routes
from windowshop.service.routes.bench import bench_routes
from windowshop.service.routes.feedback import feedback_routes
from windowshop.service.routes.instantsearch import instantsearch_routes
from windowshop.service.routes.page import page_routes
from windowshop.service.routes.products import product_routes
from windowshop.service.routes.search import search_routes
from windowshop.service.routes.ucp import ucp_routes
from windowshop.service.state import ServiceState

STATIC = Path(__file__).parent / "static"
CLOSE_SECONDS = 3.5
CODES = {404: "not_found", 405: "wrong_method"}
ROUTES = (
    search_routes,
    product_routes,
    feedback_routes,
    page_routes,
    admin_routes,
    ucp_routes,
    instantsearch_routes,
    bench_routes,
)
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def create_app(
    pool: GenerationPool,
    config: ServiceConfig | None = None,
    keys: Keys | None = None,
    failed: Callable[[], None] = lambda: None,
    warmed: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Return the service of an index, which a thread opens when the server starts.

    Until then, and while it ends, /ready answers 503. Without keys, only clients that call it by a
    name of this machine are served. `failed` is called where the index cannot be opened;
    `app.state.service.failure` says why. `warmed` is called when a generation has all it needs.
    """
    service = ServiceState(pool, config or ServiceConfig(), warmed)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start_aside(failed)
        yield
        await service.bench.runs.cancel()
        pool.stop()
        await _close(service)

    app = FastAPI(
        title="windowshop",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        responses={"4XX": {"model": ErrorAnswer}, "5XX": {"model": ErrorAnswer}},
    )
    app.state.service = service
    for routes in ROUTES:
        app.include_router(routes(service))
    _add_page(app)
    _add_handling(app, service, keys)
    app.openapi = lambda: _description(app)  # type: ignore[method-assign]
    return app


class _PageFiles(StaticFiles):
    """Files that a browser keeps, and asks each time whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, or 304 where the client has it."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Compression:
    """Middleware that compresses answers by gzip where the client takes it.

    Photos are small as they are, and a stream of products is answered line by line.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=1_000, compresslevel=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by one of the two."""
        path = scope.get("path", "")
        is_left = path == "/products" or path.endswith("/photo")
        await (self._plain if is_left else self._compressed)(scope, receive, send)


def _add_page(app: FastAPI) -> None:
    files = _PageFiles(directory=STATIC, check_dir=False)

    @app.get("/", include_in_schema=False)
    @app.get("/workbench", include_in_schema=False)
    async def page(request: Request) -> Response:
        is_bench = request.url.path == "/workbench" and "do" in request.query_params
        return await files.get_response("bench.html" if is_bench else "index.html", request.scope)

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return await files.get_response("docs.html", request.scope)

    app.mount("/static", files)


def _add_handling(app: FastAPI, service: ServiceState, keys: Keys | None) -> None:
    """Add the middleware and the handlers of errors."""
    config = service.config
    app.add_exception_handler(WindowshopError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_middleware(_Compression)
    app.add_middleware(
        RequestMiddleware,
        config=config,
        keys=keys,
        rates=RateLimits(config.rate, config.image_rate_factor),
        metrics=service.metrics,
    )
    if config.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", *KEY_HEADERS],
        )


async def _close(service: ServiceState) -> None:
    """Close everything in a thread that cannot keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    service.close_aside(CLOSE_SECONDS, lambda: loop.call_soon_threadsafe(done.set_result, None))
    await asyncio.wait({done}, timeout=2 * CLOSE_SECONDS)


async def _answer_error(request: Request, error: Exception) -> Response:
    return as_service_error(error).response(request.url.path)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "bad_request")
    message = f"{error.detail}. See /openapi.json for the calls there are."
    headers = error.headers
    problem = ServiceError(error.status_code, code, shortened(message), headers=headers)
    return problem.response(request.url.path)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        return unknown_field(str(first["loc"][-1]), SearchQuery.model_fields).response()
    where = str(first["loc"][-1])
    message = f"{where}: {first['msg']}. See /openapi.json for what is allowed."
    return ServiceError(422, "bad_request", message, where=where).response()


def _description(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, routes=app.routes)
        components = found.setdefault("components", {})
        components["schemas"] = components.get("schemas", {}) | body_schemas()
        components["securitySchemes"] = SECURITY
        found["security"] = [{}, *({name: []} for name in SECURITY)]
        app.openapi_schema = found
    return app.openapi_schema
