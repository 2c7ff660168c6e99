"""Routes of the shop's page: its settings and its logo."""

from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import FileResponse

from windowshop.service.http.errors import ServiceError
from windowshop.service.http.responses import PageAnswer
from windowshop.service.page.settings import LOGO_TYPES
from windowshop.service.state import ServiceState


def page_routes(service: ServiceState) -> APIRouter:
    """Return the router."""
    router = APIRouter(tags=["page"])

    @router.get("/page")
    async def page() -> PageAnswer:
        """How the shop's page is called, looks, and names what products have (`page.yaml`)."""
        return PageAnswer(**await service.searching.run(lambda: _page(service)))

    @router.get("/page/logo", include_in_schema=False)
    async def logo() -> Response:
        path = service.page.logo()
        if path is None:
            raise ServiceError(404, "no_logo", "page.yaml names no logo.")
        kept = {"Cache-Control": "max-age=86400"}
        return FileResponse(path, media_type=LOGO_TYPES[path.suffix.lower()], headers=kept)

    return router


def _page(service: ServiceState) -> dict[str, Any]:
    pool = service.pool
    with pool.lease() as searcher:
        found = service.page.answer(searcher, pool.num_written)
        sees = searcher.index.manifest.image_width is not None
        count = searcher.index.collection.count()
    return {**found, "num_products": count, "takes_images": sees}
