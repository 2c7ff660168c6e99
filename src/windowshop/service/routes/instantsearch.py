"""Routes of InstantSearch front ends, by the wire protocol of their standard client."""

from typing import Any

from fastapi import APIRouter, Request, Response

from windowshop.errors import FilterError
from windowshop.service.http.bodies import json_body, parse
from windowshop.service.http.errors import ServiceError, json_response
from windowshop.service.http.index_queries import FacetQueryBody, IndexQuery, QueriesBody
from windowshop.service.http.middleware import client_of
from windowshop.service.instantsearch.answers import Asked, facet_hits, read, result_of
from windowshop.service.instantsearch.names import ColumnNames
from windowshop.service.state import ServiceState


def instantsearch_routes(service: ServiceState) -> APIRouter:
    """Return the router; all queries of a call are answered by one generation."""
    router = APIRouter(tags=["InstantSearch"])

    async def answered(request: Request, queries: list[IndexQuery]) -> list[dict[str, Any]]:
        base_url, client = str(request.base_url), client_of(request.scope).name
        return await service.searching.run(lambda: _answers(service, queries, base_url, client))

    @router.post("/1/indexes/*/queries", openapi_extra=json_body(QueriesBody))
    async def queries(request: Request) -> Response:
        """Answer several queries: the hits of one, and the counts of facets of the others."""
        body = parse(await request.body(), QueriesBody)
        return json_response({"results": await answered(request, body.requests)})

    @router.post("/1/indexes/{index}/query", openapi_extra=json_body(IndexQuery))
    async def query(request: Request, index: str) -> Response:
        """Answer one query."""
        body = parse(await request.body() or b"{}", IndexQuery)
        named = body.model_copy(update={"index_name": index, "type": "default"})
        (found,) = await answered(request, [named])
        return json_response(found)

    @router.post("/1/indexes/{index}/facets/{facet}/query", openapi_extra=json_body(FacetQueryBody))
    async def facet_values(request: Request, index: str, facet: str) -> Response:
        """Search among the values of a facet."""
        body = parse(await request.body() or b"{}", FacetQueryBody)
        update = {"index_name": index, "facet": facet, "type": "facet"}
        (found,) = await answered(request, [body.model_copy(update=update)])
        return json_response(found)

    return router


def _answers(
    service: ServiceState, queries: list[IndexQuery], base_url: str, client: str
) -> list[dict[str, Any]]:
    found = []
    with service.pool.lease() as searcher:
        columns = ColumnNames.of(searcher)
        for asked in [_read(query, columns) for query in queries]:
            answer = searcher.answer(asked.request)
            if asked.query.type == "facet":
                found.append(facet_hits(asked, answer, searcher))
                continue
            found.append(result_of(asked, answer, searcher, base_url))
            if asked.is_logged and not asked.is_follow_up:
                shopper = asked.query.user_token or client
                service.typed.search(shopper, answer, asked.request)
            elif asked.is_shown:
                service.record_search(answer, asked.request, log=asked.is_logged, follow_up=True)
    return found


def _read(query: IndexQuery, columns: ColumnNames) -> Asked:
    """Return the search of a query; raises ServiceError 400 for filters that cannot be read."""
    try:
        return read(query, columns)
    except FilterError as error:
        raise ServiceError(400, "bad_filter", str(error)) from None
