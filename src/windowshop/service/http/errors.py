"""Errors as HTTP answers: `{"error": {"code", "message", "where"}}`."""

import logging
import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.responses import Response

from windowshop.errors import DataError, FilterError, SearchError, WindowshopError

LOG = logging.getLogger(__name__)
MAX_SHOWN = 300
"""Characters of a message: what a client sent may be quoted in it."""


class ServiceError(WindowshopError):
    """A request that cannot be answered, with its HTTP status."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        where: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.where = status, code, where
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        content = {"code": self.code, "message": shortened(str(self))}
        return {"error": content | ({"where": self.where} if self.where else {})}

    def response(self) -> Response:
        """The answer."""
        return json_response(self.body(), status=self.status, headers=self.headers)


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Plain values or dataclasses as a JSON answer."""
    return bytes_response(to_json(content), status=status, headers=headers)


def bytes_response(
    content: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON that is serialised already."""
    given = dict(headers) if headers else None
    return Response(content, status, given, media_type="application/json")


def to_json(content: object) -> bytes:
    """Plain values, dataclasses and numpy numbers as JSON; what else there is, as text."""
    return orjson.dumps(
        content, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    )


def shortened(message: str) -> str:
    """A message without its middle, where it is long, and without what JSON cannot hold."""
    clean = message.encode("utf-8", "replace").decode("utf-8")
    if len(clean) <= 2 * MAX_SHOWN:
        return clean
    return f"{clean[:MAX_SHOWN]} ... {clean[-MAX_SHOWN:]}"


def as_service_error(error: Exception) -> ServiceError:
    """Whose fault it is: the request's, or ours, which is logged under an id."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, FilterError):
        return ServiceError(400, "bad_filter", str(error), where="where")
    if isinstance(error, SearchError):
        return ServiceError(400, "bad_search", str(error))
    if isinstance(error, DataError):
        return ServiceError(400, "bad_product", str(error))
    number = uuid.uuid4().hex[:12]
    LOG.error("error %s", number, exc_info=error)
    return ServiceError(
        500, "internal", f"That is our fault: the server's log has it as error {number}. Try again."
    )


def from_validation(error: ValidationError) -> ServiceError:
    """What pydantic found, first problem first."""
    first, *others = error.errors(include_url=False, include_input=False, include_context=False)
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return ServiceError(400, "bad_json", f"The body is no JSON: {first['msg']}.")
    more = f" ({len(others)} more problems)" if others else ""
    message = f"{where or 'body'}: {first['msg']}{more}. See /openapi.json for what is allowed."
    return ServiceError(422, "bad_request", message, where=shortened(where) or None)


def unknown_product(product_id: str) -> ServiceError:
    """No such product."""
    return ServiceError(
        404, "unknown_product", f"There is no product {product_id!r}. Search for one that there is."
    )
