"""Errors as HTTP answers: `{"error": {"code", "message", "where"}}`."""

import json
import logging
import re
import uuid
from collections.abc import Collection, Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from windowshop.errors import (
    SHORT,
    DamagedError,
    DataError,
    FilterError,
    SearchError,
    StorageError,
    WindowshopError,
    storage_error,
)
from windowshop.service.http.field_names import hint

LOG = logging.getLogger(__name__)
RETRY_SECONDS = "10"
"""When to come again where the disk is full or cannot be written."""
ALGOLIA = "/1/"
"""Beginning of the calls of InstantSearch front ends, which read a `message` beside `error`."""
MAX_SHOWN = 300
"""Characters kept at each end of a long message, which may quote the client."""
UNTIL_DATABASE = re.compile(r".*?(?=\w+\.db: )", re.DOTALL)
"""Folder of a database at the beginning of an error."""


class ServiceError(WindowshopError):
    """Error of a request, with its HTTP status."""

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
        """Return the JSON of the response as plain values."""
        content = {"code": self.code, "message": shortened(str(self))}
        return {"error": content | ({"where": self.where} if self.where else {})}

    def response(self, path: str = "") -> Response:
        """Return the response to a call of this path."""
        body = self.body()
        if path.startswith(ALGOLIA):
            body |= {"message": body["error"]["message"], "status": self.status}
        return json_response(body, status=self.status, headers=self.headers)


def busy(what: str) -> ServiceError:
    """Return the 503 of a service that has `what` to do already."""
    message = f"{what} are under way already. Try again in a second."
    return ServiceError(503, "busy", message, headers={"Retry-After": "1"})


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON response of plain values or dataclasses."""
    return bytes_response(to_json(content), status=status, headers=headers)


def bytes_response(
    content: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON response of serialised content."""
    given = dict(headers) if headers else None
    return Response(content, status, given, media_type="application/json")


def to_json(content: object) -> bytes:
    """Serialise plain values, dataclasses and numpy numbers; other values become text."""
    return orjson.dumps(
        content, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    )


def shortened(message: str) -> str:
    """Cut the middle of a long message, and replace lone surrogates, which JSON cannot hold."""
    clean = message.encode("utf-8", "replace").decode("utf-8")
    if len(clean) <= 2 * MAX_SHOWN:
        return clean
    return f"{clean[:MAX_SHOWN]} ... {clean[-MAX_SHOWN:]}"


def as_service_error(error: Exception) -> ServiceError:
    """Return an error as a 4xx of the request, or as a 5xx that is logged."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, FilterError):
        return ServiceError(400, "bad_filter", str(error), where="where")
    if isinstance(error, SearchError):
        return ServiceError(400, "bad_search", str(error))
    if isinstance(error, DataError):
        return ServiceError(400, "bad_product", str(error))
    if isinstance(error, OSError) and error.errno in SHORT:
        error = storage_error("a file of this request", error)
    if isinstance(error, StorageError):
        return _from_storage(error)
    if isinstance(error, MemoryError):
        LOG.error("no memory for a request", exc_info=error)
        message = "There is no memory for this now: nothing was changed. Send it again later."
        return ServiceError(503, "no_memory", message, headers={"Retry-After": RETRY_SECONDS})
    if isinstance(error, DamagedError):
        return _from_damage(error)
    number = uuid.uuid4().hex[:12]
    LOG.error("error %s", number, exc_info=error)
    return ServiceError(
        500, "internal", f"That is our fault: the server's log has it as error {number}. Try again."
    )


def _from_storage(error: StorageError) -> ServiceError:
    """Return a 507 or 503 without the path, which is logged."""
    LOG.error("%s", error)
    headers = {"Retry-After": RETRY_SECONDS}
    if error.is_full:
        message = "The disk is full: nothing was changed. Make room, then send it again."
        return ServiceError(507, "disk_full", message, headers=headers)
    message = "The index cannot be read or written now: nothing was changed. Send it again later."
    return ServiceError(503, "not_available", message, headers=headers)


def _from_damage(error: DamagedError) -> ServiceError:
    """Return a 503 with what is damaged and the remedy, without the path, which is logged.

    It does not say when to come again: nothing is read anew before the next start.
    """
    LOG.error("%s", error)
    folder = UNTIL_DATABASE.match(str(error))
    what = str(error)[folder.end() :] if folder else "The index is damaged; the log says where."
    return ServiceError(
        503, "damaged", f"{what} Stop the service before, and start it again afterwards."
    )


def from_validation(error: ValidationError, model: type[BaseModel] | None = None) -> ServiceError:
    """Return the first problem that pydantic found as a ServiceError 400 or 422.

    Of the fields of `model`, one is suggested for a name that is not there, and the example of one
    is shown for a value of another type.
    """
    first, *others = error.errors(include_url=False, include_input=False, include_context=False)
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        return unknown_field(str(first["loc"][0]), model.model_fields if model else ())
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return ServiceError(400, "bad_json", f"The body is no JSON: {first['msg']}.")
    more = f" ({len(others)} more problems)" if others else ""
    shown = _example(model, str(first["loc"][0])) if model and where else ""
    shown = shown if first["type"].endswith("_type") else ""
    message = (
        f"{where or 'body'}: {first['msg']}{more}.{shown} See /openapi.json for what is allowed."
    )
    return ServiceError(422, "bad_request", message, where=shortened(where) or None)


def _example(model: type[BaseModel], name: str) -> str:
    """Return a sentence with the example of a field, "" for one without."""
    field, extra = model.model_fields.get(name), model.model_config.get("json_schema_extra")
    found: list[Any] = [*(field.examples or ())] if field else []
    wholes: Any = extra.get("examples", ()) if isinstance(extra, dict) else ()
    found += [whole[name] for whole in wholes if name in whole]
    return f" For example: {json.dumps({name: found[0]})}." if found else ""


def unknown_field(name: str, known: Collection[str]) -> ServiceError:
    """Return the ServiceError 422 of a field that is not there, with one that may be meant."""
    told = shortened(name)
    message = f"There is no field {told!r}.{hint(name, known)} See /openapi.json for all of them."
    return ServiceError(422, "bad_request", message, where=told)


def unknown_product(product_id: str) -> ServiceError:
    """Return the ServiceError 404 of an unknown product."""
    return ServiceError(
        404, "unknown_product", f"There is no product {product_id!r}. Search for one that there is."
    )
