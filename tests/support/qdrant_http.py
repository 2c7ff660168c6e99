"""A server with the routes of Qdrant that the store asks, over an engine within this process.

Bodies are read by the client's own models, which refuse what they do not know. Requests without the
consistency and ordering that the store promises are refused too.
"""

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, TypeAdapter
from qdrant_client import models

SELECTOR = TypeAdapter(models.FilterSelector | models.PointIdsList)
READ, WRITTEN = {"consistency": "majority"}, {"wait": "true", "ordering": "strong"}
INFO = models.CollectionInfo(
    status=models.CollectionStatus.GREEN,
    optimizer_status=models.OptimizersStatusOneOf.OK,
    segments_count=1,
    payload_schema={},
    config=models.CollectionConfig(
        params=models.CollectionParams(),
        hnsw_config=models.HnswConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
        optimizer_config=models.OptimizersConfig(
            deleted_threshold=0.2,
            vacuum_min_vector_number=1_000,
            default_segment_number=0,
            flush_interval_sec=5,
        ),
    ),
)


class Routes:
    """Answers to requests, by an engine with the calls of the client."""

    def __init__(self, engine):
        self._engine = engine

    def aliases(self, _):
        held = self._engine.get_aliases().aliases
        names = ("alias_name", "collection_name")
        return {"aliases": [{name: getattr(one, name) for name in names} for one in held]}

    def change_aliases(self, _, content):
        changes = models.ChangeAliasesOperation.model_validate_json(content)
        self._engine.update_collection_aliases(changes.actions)
        return True

    def exists(self, name):
        return {"exists": self._engine.collection_exists(name)}

    def collection(self, name):
        self._engine.get_collection(name)
        return INFO

    def create(self, name, content):
        body = models.CreateCollection.model_validate_json(content)
        assert body.write_consistency_factor == body.replication_factor // 2 + 1
        vectors = body.vectors or {}
        self._engine.create_collection(name, vectors_config=vectors, hnsw_config=body.hnsw_config)
        return True

    def change(self, name, content):
        body = models.UpdateCollection.model_validate_json(content)
        self._engine.update_collection(name, optimizers_config=body.optimizers_config)
        return True

    def drop(self, name):
        self._engine.delete_collection(name)
        return True

    def index(self, name, content):
        body = models.CreateFieldIndex.model_validate_json(content)
        self._engine.create_payload_index(name, body.field_name, body.field_schema)
        return DONE

    def upsert(self, name, content):
        body = models.PointsList.model_validate_json(content)
        self._engine.upsert(name, body.points, update_filter=body.update_filter)
        return DONE

    def set_payload(self, name, content):
        body = models.SetPayload.model_validate_json(content)
        self._engine.set_payload(name, body.payload, points=body.points)
        return DONE

    def delete_payload(self, name, content):
        body = models.DeletePayload.model_validate_json(content)
        selected = models.FilterSelector(filter=body.filter)
        self._engine.delete_payload(name, body.keys, points=selected)
        return DONE

    def delete(self, name, content):
        self._engine.delete(name, SELECTOR.validate_json(content))
        return DONE

    def retrieve(self, name, content):
        body = models.PointRequest.model_validate_json(content)
        found = self._engine.retrieve(
            name, body.ids, with_payload=body.with_payload, with_vectors=body.with_vector
        )
        return [_point(one) for one in found]

    def scroll(self, name, content):
        body = models.ScrollRequest.model_validate_json(content)
        points, following = self._engine.scroll(
            name,
            scroll_filter=body.filter,
            limit=body.limit,
            offset=body.offset,
            order_by=body.order_by,
            with_payload=body.with_payload,
        )
        return {"points": [_point(one) for one in points], "next_page_offset": following}

    def count(self, name, content):
        body = models.CountRequest.model_validate_json(content)
        return {"count": self._engine.count(name, body.filter, exact=body.exact).count}

    def facet(self, name, content):
        body = models.FacetRequest.model_validate_json(content)
        hits = self._engine.facet(name, body.key, limit=body.limit, exact=body.exact).hits
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in hits]}

    def query(self, name, content):
        body = models.QueryRequest.model_validate_json(content)
        found = self._engine.query_points(
            name,
            query=body.query.nearest,
            using=body.using,
            query_filter=body.filter,
            limit=body.limit,
            search_params=body.params,
            with_payload=body.with_payload,
        )
        return {
            "points": [{**_point(one), "version": 0, "score": one.score} for one in found.points]
        }


DONE = {"operation_id": 0, "status": "completed"}
TABLE = (
    ("GET", "/aliases", "aliases", {}),
    ("POST", "/collections/aliases", "change_aliases", {}),
    ("GET", "/collections/{}/exists", "exists", {}),
    ("GET", "/collections/{}", "collection", {}),
    ("PUT", "/collections/{}", "create", {}),
    ("PATCH", "/collections/{}", "change", {}),
    ("DELETE", "/collections/{}", "drop", {}),
    ("PUT", "/collections/{}/index", "index", {"wait": "true"}),
    ("PUT", "/collections/{}/points", "upsert", WRITTEN),
    ("POST", "/collections/{}/points/payload", "set_payload", WRITTEN),
    ("POST", "/collections/{}/points/payload/delete", "delete_payload", WRITTEN),
    ("POST", "/collections/{}/points/delete", "delete", WRITTEN),
    ("POST", "/collections/{}/points", "retrieve", READ),
    ("POST", "/collections/{}/points/scroll", "scroll", READ),
    ("POST", "/collections/{}/points/count", "count", {}),
    ("POST", "/collections/{}/facet", "facet", READ),
    ("POST", "/collections/{}/points/query", "query", READ),
)
"""Routes with the parameters that a request has to have."""


@contextmanager
def serving(engine):
    """Give the address of a server over an engine."""
    routes = Routes(engine)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self):
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = _answer(routes, self.command, self.path, content)
            data = json.dumps(body, default=_json).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _answer(routes, method, target, content):
    place = urlsplit(target)
    if place.path == "/":
        return 200, {"title": "qdrant", "version": "1.20.0", "commit": None}
    given = {name: values[0] for name, values in parse_qs(place.query).items()}
    for verb, path, name, needed in TABLE:
        found = re.fullmatch(path.replace("{}", r"([\w-]+)"), place.path)
        if verb == method and found:
            if needed.items() - given.items():
                return 400, {"status": {"error": f"{name}: got {given}, need {needed}"}}
            arguments = [*(found.groups() or ("",)), *([content] if content else [])]
            try:
                return 200, {
                    "time": 0.0,
                    "status": "ok",
                    "result": getattr(routes, name)(*arguments),
                }
            except Exception as error:  # noqa: BLE001
                return 500, {"time": 0.0, "status": {"error": str(error)}}
    return 404, {"status": {"error": f"{method} {target}"}}


def _point(one):
    return {"id": one.id, "payload": one.payload, "vector": one.vector}


def _json(value):
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)  # a UUID
