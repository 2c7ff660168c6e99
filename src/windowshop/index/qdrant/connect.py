"""Connections to a Qdrant cluster, with errors that name it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import (
    ApiException,
    ResponseHandlingException,
    UnexpectedResponse,
)

from windowshop.errors import (
    ConfigError,
    IndexFolderError,
    StorageError,
    WindowshopError,
    first_line,
    plain_address,
)
from windowshop.index.remote import PUSH
from windowshop.settings import environment_key

PORT, SECONDS = 6333, 30
"""Port of Qdrant, and the time that a request waits for an answer."""
OLDEST = (1, 20)
"""Version that first matches parts of a text."""
KEY_VARIABLE = "QDRANT_API_KEY"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
MAJORITY = models.ReadConsistencyType.MAJORITY
"""Reads ask most replicas, and writes wait for most: every read sees what was acknowledged."""
STRONG = models.WriteOrdering.STRONG
"""Writes of a point go through one replica, so that all apply them in the same order."""


class Server:
    """A catalogue of a cluster, as an address names it; for many threads."""

    def __init__(self, address: str) -> None:
        """Connect when it is used; raises ConfigError for an address that cannot be read."""
        try:
            parts = urlsplit(address)
            port = parts.port or PORT
        except ValueError:
            parts, port = urlsplit(""), 0
        self.name = parts.path.strip("/")
        too_much = parts.username or parts.password or parts.query or parts.fragment
        if not parts.hostname or too_much or not NAME.fullmatch(self.name):
            raise ConfigError(
                f"The address of Qdrant cannot be read: {plain_address(address)}. Write "
                f"qdrant://HOST:{PORT}/NAME, or https://, with a name of letters, digits, _ and -; "
                f"the key stands in the environment as {KEY_VARIABLE}."
            )
        scheme = "https" if parts.scheme == "https" else "http"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._url = f"{scheme}://{host}:{port}"
        self.place = f"{parts.scheme}://{host}:{port}/{self.name}"
        """The address, complete."""

    @property
    def client(self) -> QdrantClient:
        """Client of the cluster, which all of a process share."""
        return client_of(self._url, environment_key(KEY_VARIABLE))

    @contextmanager
    def named(self) -> Iterator[None]:
        """Turn errors of the cluster within the block into ours, which name it."""
        try:
            yield
        except (ApiException, QdrantException) as error:
            raise self._error(error) from None

    def require_version(self) -> None:
        """Raise ConfigError where the cluster is too old."""
        with self.named():
            version = self.client.info().version
        found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        if found < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise ConfigError(f"{self.place}: is Qdrant {version}, need {oldest}. Update it.")

    def _error(self, error: Exception) -> WindowshopError:
        if isinstance(error, ResponseHandlingException):
            reason = _without_key(first_line(error.source)) or type(error.source).__name__
        elif isinstance(error, UnexpectedResponse):
            said = _without_key(error.content.decode(errors="replace"))
            reason = f"{error.status_code} {said[:300]}"
            if error.status_code == 404:
                return IndexFolderError(f"{self.place}: holds no catalogue ({reason}). {PUSH}.")
            if error.status_code in (401, 403):
                return ConfigError(f"{self.place}: {reason}. Set {KEY_VARIABLE} to a key of it.")
            if error.status_code in (400, 422):
                return ConfigError(f"{self.place}: refuses a request: {reason}.")
        else:
            reason = _without_key(first_line(error))
        return StorageError(
            f"{self.place}: {reason}. See that it runs and can be reached, and try again."
        )


def _without_key(text: str) -> str:
    """Return a cluster's words without the key, which a proxy before it may repeat."""
    key = environment_key(KEY_VARIABLE)
    return text.replace(key, "...") if key else text


@cache
def client_of(url: str, api_key: str | None) -> QdrantClient:
    """Return the client of a cluster, made at first use."""
    return QdrantClient(url=url, api_key=api_key, timeout=SECONDS, check_compatibility=False)
