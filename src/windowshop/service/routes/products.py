"""Routes of products: fields, images, writing and deleting."""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive, Scope, Send

from windowshop.index import read_image
from windowshop.search import Searcher
from windowshop.service.http.access import sent_id
from windowshop.service.http.bodies import json_body, json_bytes, parse, read_json
from windowshop.service.http.errors import json_response, unknown_product
from windowshop.service.http.requests import PRODUCT_EXAMPLE, DeleteBody, ProductsBody
from windowshop.service.http.responses import (
    DeletedAnswer,
    ProductsAnswer,
    photo_url,
    without_paths,
)
from windowshop.service.state import ServiceState
from windowshop.service.thumbnails import MAX_SIZE, MIN_SIZE, no_image
from windowshop.service.writes.products import (
    Columns,
    Item,
    Removal,
    batches_of,
    failed,
    merge_refused,
    read_line,
    read_product,
    read_removal,
    settable_columns,
    write,
)
from windowshop.service.writes.stream import ProductStream

CACHE_CONTROL = "private, max-age=3600"
NDJSON = "application/x-ndjson"
PUT_BODY = json_body(ProductsBody)
PUT_BODY["requestBody"]["content"][NDJSON] = {
    "schema": {"type": "string", "description": "One product (ProductBody) a line."},
    "example": json.dumps(PRODUCT_EXAMPLE) + "\n",
}
DELETE_BODY = json_body(DeleteBody)
DELETE_BODY["requestBody"]["content"][NDJSON] = {
    "schema": {"type": "string", "description": "One id, or object (RemovalBody), a line."},
    "example": '"p1"\n{"product_id": "p2"}\n',
}


class _Streamed(Response):
    """Response that is sent while the request is still read."""

    def __init__(self, stream: ProductStream) -> None:
        super().__init__(media_type=NDJSON)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream(scope, receive, send)


def product_routes(service: ServiceState) -> APIRouter:
    """Return the router; writes run one after the other."""
    router = APIRouter(tags=["products"])
    _add_reading(router, service)
    _add_writing(router, service)
    return router


def _add_reading(router: APIRouter, service: ServiceState) -> None:
    @router.get("/products/{id}")
    async def product(id: str) -> Response:
        """Return a product's fields and the address of its image."""
        return json_response(await service.searching.run(lambda: _product(service, sent_id(id))))

    @router.get(
        "/products/{id}/photo",
        responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "Not changed."}},
    )
    async def image(
        request: Request,
        id: str,
        size: Annotated[int, Query(ge=MIN_SIZE, le=MAX_SIZE)] = 320,
    ) -> Response:
        """Return a JPEG whose longest side is at most `size`. The key may be in `key=`."""
        known = request.headers.get("if-none-match", "")
        return await service.showing.run(lambda: _image(service, sent_id(id), size, known))


def _add_writing(router: APIRouter, service: ServiceState) -> None:
    config = service.config

    @router.put("/products", responses={200: {"model": ProductsAnswer}}, openapi_extra=PUT_BODY)
    async def put(request: Request, only_failed: bool = False) -> Response:
        """Add products or replace them whole; a result of `upserted` survives a kill.

        As application/x-ndjson, one product a line, without end: one result a line comes back while
        lines are sent. With `only_failed`, only those that failed or have a problem, and counts.
        """
        if request.headers.get("content-type", "").startswith(NDJSON):
            columns = await service.searching.run(lambda: _columns(service))
            return _Streamed(
                _stream(
                    service,
                    read=lambda line: read_line(line, columns),
                    write=lambda items: _write(service, items),
                    done=("upserted",),
                    only_failed=only_failed,
                )
            )
        content = await json_bytes(request)
        items = await service.writing.run(lambda: _items(service, content))
        results: list[dict[str, Any]] = []
        for part in batches_of(items, config.batch_products, config.batch_bytes):
            try:
                results += await _write(service, part)
            except Exception as error:
                if not results:
                    raise
                results += failed(items[len(results) :], error)  # those before are written
                break
        num_upserted = sum(result["status"] == "upserted" for result in results)
        shown = [r for r in results if r["status"] == "failed" or "problem" in r or not only_failed]
        return json_response(
            {
                "results": shown,
                "num_upserted": num_upserted,
                "num_failed": len(results) - num_upserted,
            }
        )

    @router.delete(
        "/products", responses={200: {"model": DeletedAnswer}}, openapi_extra=DELETE_BODY
    )
    async def delete(request: Request, only_failed: bool = False) -> Response:
        """Delete products.

        As application/x-ndjson, one a line, without end: its id in quotes, or an object with its
        `product_id`. Results come as those of written products do; `only_failed` is for lines.
        """
        if request.headers.get("content-type", "").startswith(NDJSON):
            return _Streamed(
                _stream(
                    service,
                    read=read_removal,
                    write=lambda items: _remove(service, items),
                    done=("deleted", "absent"),
                    only_failed=only_failed,
                )
            )
        body = await read_json(request, DeleteBody)
        return json_response(await service.writing.run(lambda: _delete(service, body.product_ids)))


def _product(service: ServiceState, product_id: str) -> dict[str, Any]:
    with service.pool.lease() as searcher:
        row = _row(searcher, product_id)
        path = searcher.index.image_path(row.get("image"))
        row = searcher.shown.of_row(row)
    url = photo_url(product_id) if path is not None else None
    return without_paths(row) | {"photo_url": url}


def _image(service: ServiceState, product_id: str, size: int, known: str) -> Response:
    with service.pool.lease() as searcher:
        image = _row(searcher, product_id).get("image") or ""
        path = searcher.index.image_path(image)
    if path is None:
        raise no_image("it names no file that is there")
    etag = service.thumbnails.etag(path, size)
    headers = {"ETag": etag, "Cache-Control": CACHE_CONTROL}
    if etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
        return Response(status_code=304, headers=headers)
    content = service.thumbnails.get(path, size, etag, partial(read_image, image))
    return Response(content, headers=headers, media_type="image/jpeg")


def _row(searcher: Searcher, product_id: str) -> Mapping[str, Any]:
    collection = searcher.index.collection
    if product_id not in collection:
        raise unknown_product(product_id)
    return collection.products([product_id]).row(0, named=True)


def _columns(service: ServiceState) -> Columns:
    """Return the columns of the catalogue that a request may set."""
    with service.pool.lease() as searcher, searcher.index.collection.read_view() as view:
        schema = view.columns.schema
        manifest = searcher.index.manifest
    filled = [column.name for column in manifest.attribute_columns]
    return settable_columns(schema, filled, manifest.column_rules.named("hidden"))


def _items(service: ServiceState, content: bytes) -> list[Item]:
    columns = _columns(service)
    return [read_product(product, columns) for product in parse(content, ProductsBody).products]


async def _write(service: ServiceState, items: list[Item]) -> list[dict[str, Any]]:
    def upsert() -> list[dict[str, Any]]:
        with service.pool.writing() as searcher:
            results = write(searcher.index, items)
        for result in results:
            service.metrics.upserts.labels(result["status"]).inc()
        return results

    return await service.writing.run(upsert)


async def _remove(service: ServiceState, items: list[Item]) -> list[dict[str, Any]]:
    names = [item.product_id for item in items if isinstance(item, Removal)]
    deleted = await service.writing.run(lambda: _delete(service, names))
    return merge_refused(items, deleted["results"])


def _stream(
    service: ServiceState,
    *,
    read: Callable[[bytes], Item],
    write: Callable[[list[Item]], Awaitable[list[dict[str, Any]]]],
    done: tuple[str, ...],
    only_failed: bool,
) -> ProductStream:
    config = service.config
    return ProductStream(
        read=read,
        write=write,
        stopping=lambda: service.pool.state == "stopping",
        most_products=config.batch_products,
        most_bytes=config.batch_bytes,
        line_bytes=config.line_bytes,
        line_seconds=config.body_seconds,
        small_bytes=config.json_bytes,
        done=done,
        only_failed=only_failed,
    )


def _delete(service: ServiceState, product_ids: list[str]) -> dict[str, Any]:
    names = list(dict.fromkeys(product_ids))
    with service.pool.writing() as searcher:
        collection = searcher.index.collection
        there = {name for name in names if name in collection}
        num_deleted = searcher.index.delete(names)
    service.metrics.deletes.inc(num_deleted)
    results = [
        {"product_id": name, "status": "deleted" if name in there else "absent"} for name in names
    ]
    return {"num_deleted": num_deleted, "results": results}
