"""An answer as the JSON that leaves the service: photos by address, no path of a file."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import quote

from windowshop.search import Answer, Result
from windowshop.service.http.errors import to_json

PATHS = ("image", "images")
ANSWER_FIELDS = tuple(field.name for field in fields(Answer) if field.name != "results")
RESULT_FIELDS = tuple(
    field.name for field in fields(Result) if field.name not in ("image", "fields")
)


def answer_bytes(answer: Answer) -> bytes:
    """The JSON of an answer."""
    content: dict[str, Any] = {name: getattr(answer, name) for name in ANSWER_FIELDS}
    content["results"] = [_result(result) for result in answer.results]
    return to_json(content)


def photo_url(product_id: str) -> str:
    """Where the product's photo is."""
    return f"/products/{quote(product_id, safe='')}/photo"


def without_paths(row: Mapping[str, Any]) -> dict[str, Any]:
    """A product's columns but for our own and where its photos lie."""
    return {k: v for k, v in row.items() if not k.startswith("_") and k not in PATHS}


def _result(result: Result) -> dict[str, Any]:
    content = {name: getattr(result, name) for name in RESULT_FIELDS}
    content["photo_url"] = photo_url(result.product_id) if result.image else None
    content["fields"] = without_paths(result.fields)
    return content
