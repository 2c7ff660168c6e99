"""Routes of searches by text, image or product, of suggestions and facets."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from windowshop.data import ImageInput
from windowshop.search import MAX_RESULTS
from windowshop.service.http.access import sent_id
from windowshop.service.http.bodies import REFERENCE, decoded, json_body, read_image, read_json
from windowshop.service.http.errors import bytes_response, to_json, unknown_product
from windowshop.service.http.requests import MAX_LIMIT, SearchBody, SearchQuery
from windowshop.service.http.responses import FacetsAnswer, SearchAnswer, SuggestAnswer, search_json
from windowshop.service.state import ServiceState

FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "properties": {
                        "photo": {"type": "string", "format": "binary"},
                        "request": {
                            "type": "string",
                            "description": "The JSON of a body of POST /search "
                            f"({REFERENCE.format(model='SearchBody')}).",
                            "examples": ['{"text": "but blue", "limit": 20}'],
                        },
                    },
                }
            }
        },
    }
}
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Offset = Annotated[int, Query(ge=0, le=MAX_RESULTS)]
Name = Annotated[str | None, Query(max_length=256)]


def search_routes(service: ServiceState) -> APIRouter:
    """Return the router; searches run in a bounded number of threads."""
    router = APIRouter(tags=["search"])
    _add_searches(router, service)
    _add_similar(router, service)
    _add_facets_and_suggestions(router, service)
    return router


def _search(service: ServiceState, body: SearchBody, image: ImageInput | None = None) -> bytes:
    request = body.to_request(image)
    with service.pool.lease(body.generation) as searcher:
        if body.similar_to is not None and body.similar_to not in searcher.index.collection:
            raise unknown_product(body.similar_to)
        answer = searcher.answer(request)
    service.record_search(answer, request, log=body.log, follow_up=body.follow_up)
    return search_json(answer)


def _add_searches(router: APIRouter, service: ServiceState) -> None:
    @router.post(
        "/search", responses={200: {"model": SearchAnswer}}, openapi_extra=json_body(SearchBody)
    )
    async def search(request: Request) -> Response:
        """Search by text or by a product; with neither, show the catalogue."""
        body = await read_json(request, SearchBody)
        return bytes_response(await service.searching.run(lambda: _search(service, body)))

    @router.get("/search", responses={200: {"model": SearchAnswer}})
    async def search_by_address(query: Annotated[SearchQuery, Query()]) -> Response:
        """Search by text or by a product, as a link can say it."""
        body = query.to_body()
        return bytes_response(await service.searching.run(lambda: _search(service, body)))

    @router.post("/search/image", responses={200: {"model": SearchAnswer}}, openapi_extra=FORM)
    async def search_image(request: Request) -> Response:
        """Search by an image, or by an image and a text."""
        content, body = await read_image(request)
        return bytes_response(
            await service.seeing.run(lambda: _search(service, body, decoded(content)))
        )


def _add_similar(router: APIRouter, service: ServiceState) -> None:
    @router.get("/products/{id}/similar", responses={200: {"model": SearchAnswer}})
    async def similar(
        id: str,
        limit: Limit = 20,
        offset: Offset = 0,
        where: str | None = None,
        collapse: bool = False,
        explain: bool = False,
        generation: Name = None,
    ) -> Response:
        """Search products similar to one, without its variants."""
        body = SearchBody.model_construct(
            similar_to=sent_id(id),
            limit=limit,
            offset=offset,
            where=where,
            collapse=collapse,
            explain=explain,
            generation=generation,
        )
        return bytes_response(await service.searching.run(lambda: _search(service, body)))


def _add_facets_and_suggestions(router: APIRouter, service: ServiceState) -> None:
    @router.get("/facets", responses={200: {"model": FacetsAnswer}})
    async def facets(
        column: Annotated[list[str], Query(max_length=32)],
        where: str | None = None,
        limit: Annotated[int, Query(ge=0, le=MAX_LIMIT)] = 10,
        generation: Name = None,
    ) -> Response:
        """Count the values of columns over the catalogue, or over what passes a filter."""
        body = SearchBody.model_construct(facets=column, facet_limit=limit, where=where, limit=1)

        def counted() -> bytes:
            with service.pool.lease(generation) as searcher:
                answer = searcher.answer(body.to_request())
            return to_json({"facets": answer.facets, "matching": answer.matching})

        return bytes_response(await service.searching.run(counted))

    @router.get("/suggest")
    async def suggest(
        q: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=50)] = 8,
    ) -> SuggestAnswer:
        """Suggest query texts that have a word which begins with `q`; without it, popular ones."""
        found = {"suggestions": service.suggestions.suggest(q, limit)}
        return SuggestAnswer.model_validate(found, from_attributes=True)
