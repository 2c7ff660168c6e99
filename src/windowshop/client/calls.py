"""Calls of the service as data, with how their answers are read; both clients send them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from windowshop.client.answers import (
    Event,
    EventsAnswer,
    FacetsAnswer,
    Hit,
    SearchAnswer,
    Suggested,
    WriteAnswer,
)

Item = TypeVar("Item")
Answer = TypeVar("Answer")
BATCH = 500
"""Products of one write."""
WRITE_SECONDS, IMAGE_SECONDS = 120.0, 60.0
"""Times that the service allows itself for writes and searches by image."""
JSON = {"Content-Type": "application/json"}


def whole(body: Any) -> Any:  # noqa: ANN401
    """Return the JSON of an answer as it is."""
    return body


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request, and what its answer gives."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    photo: bytes | None = None
    """File that is sent as a form, with the content as its `request`."""
    seconds: float | None = None
    """Time for the answer; None is the client's."""
    headers: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[Any], Answer] = whole
    """Takes what was asked for out of the JSON of the answer."""

    @property
    def sent(self) -> dict[str, Any]:
        """Arguments of a request of httpx."""
        if self.photo is None:
            return {"params": self.params, "content": self.content, "headers": dict(self.headers)}
        form = {"request": (self.content or b"{}").decode()}
        return {"data": form, "files": {"photo": ("photo", self.photo)}}


def search(text: str | None, options: Mapping[str, Any]) -> Call[SearchAnswer]:
    """Return a search by text or product."""
    return _send("POST", "/search", {"text": text, **options})


def search_image(
    image: bytes | str | Path, text: str | None, options: Mapping[str, Any]
) -> Call[SearchAnswer]:
    """Return a search by an image, a file's bytes or its path, and a text."""
    photo = image if isinstance(image, bytes) else Path(image).read_bytes()
    content = json.dumps({"text": text, **options}, default=str).encode()
    return Call("POST", "/search/image", content=content, photo=photo, seconds=IMAGE_SECONDS)


def product_path(product_id: str) -> str:
    """Return the path of a product."""
    return f"/products/{quote(product_id, safe='')}"


def product(product_id: str) -> Call[dict[str, Any]]:
    """Return the reading of a product's fields."""
    return _get(product_path(product_id))


def suggest(text: str, limit: int) -> Call[list[Suggested]]:
    """Return the question for texts that may be meant."""
    return _get("/suggest", itemgetter("suggestions"), q=text, limit=limit)


def facets(columns: Sequence[str], where: str | None, limit: int) -> Call[FacetsAnswer]:
    """Return the count of values of columns."""
    return _get("/facets", column=_several(columns), where=where, limit=limit)


def info() -> Call[dict[str, Any]]:
    """Return the question for what the service has."""
    return _get("/info")


def upserts(products: Iterable[Mapping[str, Any]]) -> Iterator[Call[WriteAnswer]]:
    """Yield the writes of products, batch by batch."""
    for batch in _batches([products] if isinstance(products, Mapping) else products):
        yield _send("PUT", "/products", {"products": [dict(row) for row in batch]}, WRITE_SECONDS)


def deletions(product_ids: Iterable[str]) -> Iterator[Call[WriteAnswer]]:
    """Yield the deletions of products, batch by batch."""
    for batch in _batches(_several(product_ids)):
        yield _send("DELETE", "/products", {"product_ids": batch}, WRITE_SECONDS)


def _several(texts: Iterable[str]) -> list[str]:
    """Return texts as a list; one text is no list of its letters."""
    return [texts] if isinstance(texts, str) else list(texts)


def merged(answers: Iterable[WriteAnswer]) -> WriteAnswer:
    """Return the outcome of several writes as one."""
    results = [result for answer in answers for result in answer["results"]]
    num_failed = sum(result["status"] == "failed" for result in results)
    num_done = sum(result["status"] in ("upserted", "deleted") for result in results)
    return {"results": results, "num_done": num_done, "num_failed": num_failed}


def feedback(answer: SearchAnswer, hit: Hit, event: Event) -> Call[bool]:
    """Return the report of what a shopper did with a result; it gives whether that was new."""
    body = {
        "search_id": answer["search_id"],
        "product_id": hit["product_id"],
        "position": hit["rank"],
        "event": event,
    }
    return _send("POST", "/feedback", body, read=lambda told: told["status"] == "noted")


def grade(query: str, product_id: str, given: int | None, judge: str) -> Call[None]:
    """Return a judge's grade of a product for a query."""
    body = {"query": query, "product_id": product_id, "grade": given, "judge": judge}
    return _send("POST", "/judgements", body, read=lambda told: None)


def grades(query: str, judge: str | None) -> Call[dict[str, int]]:
    """Return the reading of a query's grades by product."""

    def by_product(told: Mapping[str, Any]) -> dict[str, int]:
        return {one["product_id"]: one["grade"] for one in told["judgements"]}

    return _get("/judgements", by_product, query=query, judge=judge)


def events(sent: Sequence[Mapping[str, Any]]) -> Call[EventsAnswer]:
    """Return events in the form of UBI 1.3."""
    return _send("POST", "/events", [dict(event) for event in sent])


def _get(path: str, read: Callable[[Any], Answer] = whole, **params: object) -> Call[Answer]:
    """Return a reading call; parameters of None are left out, lists repeat their name."""
    pairs = [
        (name, str(item))
        for name, value in params.items()
        for item in (value if isinstance(value, list | tuple) else [value])
        if item is not None
    ]
    return Call("GET", path, tuple(pairs), read=read)


def _send(
    method: str,
    path: str,
    body: object,
    seconds: float | None = None,
    read: Callable[[Any], Answer] = whole,
) -> Call[Answer]:
    """Return a call with a JSON body; dates, decimals and paths are sent as text."""
    content = json.dumps(body, default=str, ensure_ascii=False, allow_nan=False).encode()
    return Call(method, path, content=content, seconds=seconds, headers=JSON, read=read)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch
