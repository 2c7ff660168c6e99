"""Writes sent to a running service, batch by batch, as a nightly update sends them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import orjson
import polars as pl

from windowshop.data import parse_images
from windowshop.errors import ConfigError, DataError, StorageError, plain_address

TIMEOUT_SECONDS = 300.0
TRIES, WAIT_SECONDS = 5, 2.0
"""How often a service is asked that is busy, has no room or is not there, and the first wait."""
BUSY = {429, 503, 507}


@dataclass
class Service:
    """A running service that takes writes.

    Raises ConfigError for an address that is none of the web.
    """

    url: str
    key: str = ""
    problems: dict[str, str] = field(default_factory=dict)
    """Images that cannot be used, by product."""

    def __post_init__(self) -> None:
        """Check the address."""
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ConfigError(
                f"{self._plain}: is no address of a service, as http://127.0.0.1:8000."
            )

    @property
    def _plain(self) -> str:
        return plain_address(self.url)

    def write(self, rows: pl.DataFrame) -> None:
        """Add or replace products; raises DataError where the service refuses one."""
        sent = [_body(row) for row in rows.iter_rows(named=True)]
        self._take(self._ask("PUT", {"products": sent}))

    def delete(self, product_ids: Sequence[str]) -> None:
        """Delete products."""
        self._take(self._ask("DELETE", {"product_ids": list(product_ids)}))

    def _take(self, told: dict[str, Any]) -> None:
        for result in told["results"]:
            if result["status"] == "failed":
                raise DataError(f"{self._plain}: {result['product_id']}: {result['error']}")
            if result.get("problem"):
                self.problems[result["product_id"]] = result["problem"]

    def _ask(self, method: str, body: object) -> dict[str, Any]:
        """Send a batch, again where the service is busy; the same batch may be sent twice."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        content = orjson.dumps(body, default=str)
        address = f"{self.url.rstrip('/')}/products"
        for number in range(1, TRIES + 1):
            request = Request(address, content, headers, method=method)  # noqa: S310 (http alone)
            try:
                with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                    told: dict[str, Any] = orjson.loads(answer.read())
                    return told
            except HTTPError as error:
                if error.code not in BUSY or number == TRIES:
                    raise StorageError(f"{self._plain}: {error.code}: {_message(error)}") from None
            except (URLError, OSError, ValueError) as error:
                if number == TRIES:
                    reason = getattr(error, "reason", error)
                    raise StorageError(
                        f"{self._plain}: no answer ({reason}). Start the service, or give its "
                        "address."
                    ) from None
            time.sleep(WAIT_SECONDS * 2 ** (number - 1))
        raise AssertionError("unreachable")


def _body(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as the service takes it."""
    body = {name: value for name, value in row.items() if value is not None}
    if "images" in body:
        body["images"] = parse_images(body["images"])
    return body


def _message(error: HTTPError) -> str:
    try:
        return str(orjson.loads(error.read())["error"]["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return str(error.reason)
