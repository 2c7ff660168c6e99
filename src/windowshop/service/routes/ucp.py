"""Routes of the Universal Commerce Protocol (ucp.dev): the profile, search and lookup."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from windowshop.service.agents.catalog import Catalog, profile
from windowshop.service.agents.shapes import Shaper
from windowshop.service.http.bodies import json_body, read_json
from windowshop.service.http.catalog_requests import CatalogLookup, CatalogProduct, CatalogSearch
from windowshop.service.http.errors import json_response
from windowshop.service.state import ServiceState

PREFIX = "/ucp"


def ucp_routes(service: ServiceState) -> APIRouter:
    """Return the router; searches are written down as those of the page are."""
    router = APIRouter(tags=["shopping agents"])

    async def answered(request: Request, ask: Callable[[Catalog], dict[str, Any]]) -> Response:
        shaper = Shaper(service.config.currency, str(request.base_url))

        def asked() -> dict[str, Any]:
            with service.pool.lease() as searcher:
                return ask(Catalog(searcher, shaper))

        return json_response(await service.searching.run(asked))

    @router.get("/.well-known/ucp")
    async def discover(request: Request) -> Response:
        """Say which calls of the protocol there are, and where."""
        return json_response(profile(str(request.base_url).rstrip("/") + PREFIX))

    @router.post(f"{PREFIX}/catalog/search", openapi_extra=json_body(CatalogSearch))
    async def search_catalog(request: Request) -> Response:
        """Search products by text and filters, a page at a time."""
        body = await read_json(request, CatalogSearch)

        def ask(catalog: Catalog) -> dict[str, Any]:
            found, search, answer = catalog.search(body)
            service.record_search(
                answer, search, log=True, follow_up=body.pagination.cursor is not None
            )
            return found

        return await answered(request, ask)

    @router.post(f"{PREFIX}/catalog/lookup", openapi_extra=json_body(CatalogLookup))
    async def lookup_catalog(request: Request) -> Response:
        """Return products by ids of products or variants."""
        body = await read_json(request, CatalogLookup)
        return await answered(request, lambda catalog: catalog.lookup(body))

    @router.post(f"{PREFIX}/catalog/product", openapi_extra=json_body(CatalogProduct))
    async def get_product(request: Request) -> Response:
        """Return one product with the variants that the chosen options leave."""
        body = await read_json(request, CatalogProduct)
        return await answered(request, lambda catalog: catalog.product(body))

    return router
