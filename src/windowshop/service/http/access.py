"""Route of a request, the scope that it needs, and the size of its body.

Ids stand in the path as they were sent, percent-encoded, so that one may have a slash in it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from windowshop.service.config import ServiceConfig
from windowshop.service.http.api_keys import Scope
from windowshop.service.http.limits import BodyLimit

OPEN = frozenset(
    [
        "/",
        "/workbench",
        "/docs",
        "/health",
        "/ready",
        "/openapi.json",
        "/.well-known/ucp",
        "/page/logo",
    ]
)
EXACT: dict[tuple[str, str], Scope] = {
    ("PUT", "/products"): "write",
    ("DELETE", "/products"): "write",
    ("POST", "/judgements"): "write",
    ("PUT", "/workbench/settings"): "admin",
    ("PUT", "/workbench/file"): "admin",
    ("POST", "/workbench/undo"): "admin",
}
KNOWN = OPEN | {
    "/search",
    "/search/image",
    "/products",
    "/feedback",
    "/suggest",
    "/facets",
    "/judgements",
    "/info",
    "/page",
    "/ucp/catalog/search",
    "/ucp/catalog/lookup",
    "/ucp/catalog/product",
    "/1/indexes/*/queries",
    "/1/events",
    "/events",
    "/metrics",
    "/admin/switch",
    "/admin/rollback",
    "/admin/optimise",
    "/admin/compact",
    "/workbench/sets",
    "/workbench/run",
    "/workbench/snapshots",
    "/workbench/agreement",
    "/workbench/settings",
    "/workbench/search",
    "/workbench/file",
    "/workbench/undo",
    "/admin/reread",
}
OF_PRODUCT = ("similar", "photo")
OF_INDEX = re.compile(r"/1/indexes/[^/]+(?:/facets/[^/]+)?/query")
NDJSON = b"application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Call:
    """Route and scope of a request."""

    route: str
    """Label of the metrics: ids are left out."""
    scope: Scope | None
    """Scope that a key needs; None where no key is needed."""


def call_of(method: str, path: str) -> Call:
    """Return the call of a request; an unknown path needs a key too."""
    if path.startswith("/static/"):
        return Call("/static", None)
    if path in OPEN:
        return Call(path, None)
    if path.startswith("/admin/"):
        return Call(path if path in KNOWN else "other", "admin")
    if path == "/metrics":
        return Call(path, "admin")
    if path.startswith("/workbench/"):
        return Call(path if path in KNOWN else "other", EXACT.get((method, path), "write"))
    if path in KNOWN:
        return Call(path, EXACT.get((method, path), "search"))
    if OF_INDEX.fullmatch(path):
        return Call(
            "/1/indexes/id/facets/id/query" if "/facets/" in path else "/1/indexes/id/query",
            "search",
        )
    parts = path.split("/")
    if parts[1] == "products" and len(parts) == 3:
        return Call("/products/id", "search")
    if parts[1] == "products" and len(parts) == 4 and parts[3] in OF_PRODUCT:
        return Call(f"/products/id/{parts[3]}", "search")
    return Call("other", "search")


def encoded_path(scope: Mapping[str, Any]) -> str:
    """Return the path that routes a request; ids of products stay percent-encoded."""
    path: str = scope["path"]
    raw = scope.get("raw_path")
    if raw is None or not path.startswith("/products/"):
        return path
    return str(raw.partition(b"?")[0], "latin-1")


def body_limit(call: Call, content_type: bytes, config: ServiceConfig) -> BodyLimit:
    """Return the limit of a request's body."""
    most: int | None = config.json_bytes
    if call.route in ("/search/image", "/workbench/sets"):
        most = config.image_bytes
    elif call.route == "/products" and call.scope == "write":
        most = None if content_type.startswith(NDJSON) else config.products_bytes
    return BodyLimit(most, config.body_seconds)


def sent_id(part: str) -> str:
    """Return the product id that a part of the path encodes."""
    return unquote(part)
