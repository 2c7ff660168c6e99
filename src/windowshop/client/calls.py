"""Calls of the service as data, which both clients send."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from windowshop.client.answers import WriteAnswer

Item = TypeVar("Item")
BATCH = 500
"""Products of one write."""
WRITE_SECONDS, IMAGE_SECONDS = 120.0, 60.0
"""Times that the service allows itself for writes and searches by image."""
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    photo: bytes | None = None
    """File that is sent as a form, with the content as its `request`."""
    seconds: float | None = None
    """Time for the answer; None is the client's."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, Any]:
        """Arguments of a request of httpx."""
        if self.photo is None:
            return {"params": self.params, "content": self.content, "headers": dict(self.headers)}
        form = {"request": (self.content or b"{}").decode()}
        return {"data": form, "files": {"photo": ("photo", self.photo)}}


def get(path: str, **params: object) -> Call:
    """Return a reading call; parameters of None are left out, lists repeat their name."""
    pairs = [
        (name, str(item))
        for name, value in params.items()
        for item in (value if isinstance(value, list | tuple) else [value])
        if item is not None
    ]
    return Call("GET", path, tuple(pairs))


def send(method: str, path: str, body: object, seconds: float | None = None) -> Call:
    """Return a call with a JSON body; dates, decimals and paths are sent as text."""
    content = json.dumps(body, default=str, ensure_ascii=False, allow_nan=False).encode()
    return Call(method, path, content=content, seconds=seconds, headers=JSON)


def search(text: str | None, options: Mapping[str, Any]) -> Call:
    """Return a search by text or product."""
    return send("POST", "/search", {"text": text, **options})


def search_image(image: bytes | str | Path, options: Mapping[str, Any]) -> Call:
    """Return a search by an image: a file's bytes, or its path."""
    photo = image if isinstance(image, bytes) else Path(image).read_bytes()
    content = json.dumps(dict(options), default=str).encode()
    return Call("POST", "/search/image", content=content, photo=photo, seconds=IMAGE_SECONDS)


def product_path(product_id: str) -> str:
    """Return the path of a product."""
    return f"/products/{quote(product_id, safe='')}"


def upserts(products: Iterable[Mapping[str, Any]]) -> Iterator[Call]:
    """Yield the writes of products, batch by batch."""
    for batch in _batches(products):
        yield send("PUT", "/products", {"products": [dict(row) for row in batch]}, WRITE_SECONDS)


def deletions(product_ids: Iterable[str]) -> Iterator[Call]:
    """Yield the deletions of products, batch by batch."""
    for batch in _batches(product_ids):
        yield send("DELETE", "/products", {"product_ids": batch}, WRITE_SECONDS)


def merged(answers: Iterable[Mapping[str, Any]]) -> WriteAnswer:
    """Return the outcome of several writes as one."""
    results = [result for answer in answers for result in answer["results"]]
    num_failed = sum(result["status"] == "failed" for result in results)
    num_done = sum(result["status"] in ("upserted", "deleted") for result in results)
    return {"results": results, "num_done": num_done, "num_failed": num_failed}


def feedback(search_id: str, product_id: str, position: int, event: str) -> Call:
    """Return the report of what a shopper did with a result."""
    body = {"search_id": search_id, "product_id": product_id, "position": position, "event": event}
    return send("POST", "/feedback", body)


def grade(query: str, product_id: str, given: int | None, judge: str) -> Call:
    """Return a judge's grade of a product for a query."""
    body = {"query": query, "product_id": product_id, "grade": given, "judge": judge}
    return send("POST", "/judgements", body)


def events(sent: Sequence[Mapping[str, Any]]) -> Call:
    """Return events in the form of UBI 1.3."""
    return send("POST", "/events", [dict(event) for event in sent])


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch
