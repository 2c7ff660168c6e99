"""Routes of operators: generations, maintenance, state and metrics."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from windowshop._version import __version__
from windowshop.files import read_manifest
from windowshop.index import GENERATION, GenerationManifest
from windowshop.service.generation_pool import GenerationPool
from windowshop.service.http.bodies import json_body, read_json
from windowshop.service.http.middleware import client_of
from windowshop.service.http.requests import SwitchBody
from windowshop.service.http.responses import (
    CompactAnswer,
    GenerationAnswer,
    InfoAnswer,
    ReadyAnswer,
    StateAnswer,
)
from windowshop.service.page.columns import column_type
from windowshop.service.state import ServiceState


def admin_routes(service: ServiceState) -> APIRouter:
    """Return the router; maintenance runs in one thread, beside searches and writes."""
    router = APIRouter(tags=["operation"])
    _add_maintenance(router, service)
    _add_states(router, service)
    return router


def _add_maintenance(router: APIRouter, service: ServiceState) -> None:
    pool = service.pool

    @router.post("/admin/switch", openapi_extra=json_body(SwitchBody))
    async def switch(request: Request) -> GenerationAnswer:
        """Search another generation, with all writes; no request fails meanwhile."""
        body = await read_json(request, SwitchBody)
        name = await service.administering.run(lambda: pool.switch(body.generation))
        return GenerationAnswer(generation=name)

    @router.post("/admin/rollback")
    async def rollback() -> GenerationAnswer:
        """Go back to the generation before, with all writes since."""
        return GenerationAnswer(generation=await service.administering.run(pool.rollback))

    @router.post("/admin/optimise")
    async def optimise() -> StateAnswer:
        """Make searches fast again after many writes."""
        await service.administering.run(pool.optimise)
        return StateAnswer(status="done")

    @router.post("/admin/compact")
    async def compact() -> CompactAnswer:
        """Forget deleted products and old vectors, and remove images that no product names."""
        num_removed = await service.administering.run(pool.compact)
        return CompactAnswer(status="done", num_removed_photos=num_removed)


def _add_states(router: APIRouter, service: ServiceState) -> None:
    pool = service.pool

    @router.get("/info")
    async def info(request: Request) -> InfoAnswer:
        """Generations, columns and settings, and what this key may do."""
        scopes = client_of(request.scope).scopes
        found = await service.searching.run(lambda: _info(pool))
        return InfoAnswer(**found, scopes=list(scopes))

    @router.get("/health")
    async def health() -> StateAnswer:
        """Whether the process answers."""
        return StateAnswer(status="alive")

    @router.get("/ready")
    async def ready() -> ReadyAnswer:
        """Whether searches are answered, and what is refused nevertheless."""
        if pool.state != "ready":
            raise service.not_ready()
        return ReadyAnswer(status="ready", refused=await service.trying.run(service.refused))

    @router.get("/metrics", responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}})
    async def metrics() -> Response:
        """Counters for Prometheus."""
        await service.administering.run(lambda: _count(service))
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _info(pool: GenerationPool) -> dict[str, Any]:
    with pool.lease() as searcher:
        with searcher.index.collection.read_view() as view:
            schema = view.columns.schema
        roles = searcher.index.manifest.column_roles
        columns = [
            {"name": name, "type": column_type(dtype), "roles": roles.uses(name)}
            for name, dtype in schema.items()
            if not name.startswith("_")
        ]
        settings = asdict(searcher.settings)
        del settings["certainty"]["direction"]  # long, and nothing to read
        learned = searcher.learned
        sees = searcher.index.manifest.image_width is not None
    return {
        "name": pool.folder.resolve().name,
        "version": __version__,
        "current": pool.current,
        "generations": _generations(pool),
        "columns": columns,
        "settings": settings,
        "kinds_of_query": ["text", "photo"] if sees else ["text"],
        "learned": learned,
    }


def _generations(pool: GenerationPool) -> list[dict[str, Any]]:
    loaded, found = pool.loaded, []
    for name in pool.generations.names():
        path = pool.generations.path(name)
        if not (path / GENERATION.file).is_file():
            continue  # being built
        manifest = read_manifest(GenerationManifest, path, GENERATION)
        num_products = manifest.num_products
        if name in loaded:
            with pool.lease(name) as searcher:
                num_products = searcher.index.collection.count()
        found.append(
            {
                "name": name,
                "model_key": manifest.model_key,
                "num_products": num_products,
                "loaded": name in loaded,
                "current": name == pool.current,
            }
        )
    return found


def _count(service: ServiceState) -> None:
    if not service.pool.current:
        return
    service.metrics.lost.set(service.pool.num_lost)
    with service.pool.lease() as searcher:
        index = searcher.index
        counts = index.query_encoder.counts
        queries = {"kept": counts.hits, "shared": counts.shared, "encoded": counts.misses}
        name, key = index.generation, index.manifest.model_key
        service.metrics.catalogue(name, key, index.collection.count(), queries)
