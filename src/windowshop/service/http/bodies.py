"""Bodies of requests, parsed by their models, and the models' schemas for OpenAPI."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from starlette.datastructures import UploadFile
from starlette.requests import Request

from windowshop.data import BrokenImage, ImageInput, decode
from windowshop.service.http.bench_requests import (
    BenchSearchBody,
    FileBody,
    RunBody,
    SetBody,
    SettingsBody,
    SnapshotBody,
    UndoBody,
)
from windowshop.service.http.catalog_requests import CatalogLookup, CatalogProduct, CatalogSearch
from windowshop.service.http.errors import ServiceError, from_validation
from windowshop.service.http.event_requests import InsightsBody, UbiBody
from windowshop.service.http.index_queries import FacetQueryBody, IndexQuery, QueriesBody
from windowshop.service.http.requests import (
    DeleteBody,
    FeedbackBody,
    JudgementBody,
    ProductBody,
    ProductsBody,
    RemovalBody,
    SearchBody,
    SwitchBody,
)

BODIES = (
    SearchBody,
    DeleteBody,
    RemovalBody,
    FeedbackBody,
    JudgementBody,
    SwitchBody,
    ProductBody,
    ProductsBody,
    CatalogSearch,
    CatalogLookup,
    CatalogProduct,
    QueriesBody,
    IndexQuery,
    FacetQueryBody,
    InsightsBody,
    UbiBody,
    SetBody,
    RunBody,
    BenchSearchBody,
    SnapshotBody,
    SettingsBody,
    FileBody,
    UndoBody,
)
REFERENCE = "#/components/schemas/{model}"
IMAGE_SIDE = 512
"""A larger JPEG is decoded at the smallest scale with as many pixels on its short side."""
Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: Request, model: type[Model]) -> Model:
    """Read a JSON body as its model; raises ServiceError 400, 415 or 422."""
    return parse(await json_bytes(request), model)


async def json_bytes(request: Request) -> bytes:
    """Read a JSON body as bytes; raises ServiceError 415 for another content type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ServiceError(
            415, "not_json", f"The body is {kind or 'of no type'!r}. Send application/json."
        )
    return await request.body()


def parse(content: bytes | str, model: type[Model]) -> Model:
    """Parse JSON as its model; raises ServiceError 400 or 422."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise from_validation(error, model) from None


async def read_image(request: Request) -> tuple[bytes, SearchBody]:
    """Read the image and the search of a form; raises ServiceError 400, 415 or 422."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise ServiceError(415, "no_form", "Send multipart/form-data with the file as `photo`.")
    try:
        async with request.form(max_files=1, max_fields=1) as form:
            unknown = sorted(set(form) - {"photo", "request"})
            if unknown:
                raise ServiceError(422, "bad_request", f"Unknown field {unknown[0]!r} in the form.")
            image, search = form.get("photo"), form.get("request", "{}")
            if not isinstance(image, UploadFile) or not isinstance(search, str):
                raise ServiceError(422, "no_photo", "Send a file as `photo`, a text as `request`.")
            return await image.read(), parse(search or "{}", SearchBody)
    except UnicodeError as error:
        message = f"The form is not in the charset that it names ({error}). Send UTF-8."
        raise ServiceError(400, "bad_form", message) from None


def decoded(content: bytes) -> ImageInput:
    """Decode an image file; raises ServiceError 400 where it cannot be used."""
    picture = decode(content, IMAGE_SIDE)
    if isinstance(picture, BrokenImage):
        raise ServiceError(
            400,
            "bad_photo",
            f"The image cannot be used: {picture.kind} ({picture.detail}). Send a JPEG, PNG, WebP, "
            "GIF, BMP or TIFF file.",
            where="photo",
        )
    return picture


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI part of a route with a JSON body."""
    content = {"application/json": {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}}
    return {"requestBody": {"required": True, "content": content}}


def body_schemas() -> dict[str, Any]:
    """Return the schemas that `json_body` refers to."""
    _, top = models_json_schema([(model, "validation") for model in BODIES], ref_template=REFERENCE)
    schemas: dict[str, Any] = top["$defs"]
    return schemas
