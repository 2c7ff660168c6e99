"""API keys and their scopes.

The YAML file has hashes of keys:

    keys:
      - name: shop front
        sha256: "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
        scopes: [search]
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl

from windowshop.errors import ConfigError
from windowshop.service.http.errors import ServiceError
from windowshop.settings import load_settings

Scope: TypeAlias = Literal["search", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("search", "write", "admin")
KEY_HEADERS = ("X-API-Key", "X-Algolia-API-Key", "X-Algolia-Application-Id", "X-Algolia-Agent")
"""Headers, besides the usual ones, that pages may send with a call."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """Key of one client."""

    name: str
    sha256: str
    """SHA-256 of the key, 64 hexadecimal digits."""
    scopes: tuple[Scope, ...]

    def __post_init__(self) -> None:
        """Check the hash, and that there are scopes."""
        if not re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256):
            raise ConfigError(
                f"Key {self.name!r}: sha256 is {self.sha256!r}. Give the 64 digits that "
                "`printf %s KEY | sha256sum` prints."
            )
        if not self.scopes:
            raise ConfigError(f"Key {self.name!r}: give it scopes, from {', '.join(SCOPES)}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """Keys of a service."""

    keys: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        """Check that there are keys, and that their names differ."""
        names = [key.name for key in self.keys]
        if not names:
            raise ConfigError("keys: the file has none. Add one, or start without --keys.")
        if len(set(names)) < len(names):
            raise ConfigError("keys: two have the same name; it counts their requests. Rename one.")

    def find(self, given: str) -> Key | None:
        """Return the key of a secret, in a time that tells nothing about a wrong one."""
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.sha256.lower(), digest):
                found = key
        return found


@dataclass(frozen=True, slots=True)
class Client:
    """Sender of a request and its scopes."""

    name: str
    """Name of the key; the address where no key was needed."""
    scopes: tuple[Scope, ...]


def load_keys(path: Path) -> Keys:
    """Read a key file; raises ConfigError where it is not valid."""
    return load_settings(path, Keys)


def given_key(headers: Mapping[bytes, bytes], query: bytes = b"", name: str = "key") -> str | None:
    """Return the secret in `Authorization: Bearer`, in `X-API-Key`, or under a name in the query.

    The header `X-Algolia-API-Key` has it too.
    """
    kind, _, token = headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"bearer" and token:
        return token.strip().decode("latin-1")
    for header in (b"x-api-key", b"x-algolia-api-key"):
        if header in headers:
            return headers[header].decode("latin-1")
    sent = {key.lower(): text for key, text in parse_qsl(query.decode("latin-1"))}
    return sent.get(name)


def admitted(keys: Keys, scope: Scope, given: str | None) -> Client:
    """Return the client of a request that needs a scope; raises ServiceError 401 or 403."""
    if given is None:
        raise _unauthorised("no_key", "This needs a key. Send it as `Authorization: Bearer KEY`.")
    key = keys.find(given)
    if key is None:
        raise _unauthorised("wrong_key", "There is no such key. Ask the operator for one.")
    if scope not in key.scopes:
        raise ServiceError(
            403,
            "wrong_scope",
            f"The key {key.name!r} is for {', '.join(key.scopes)}; this needs {scope}.",
        )
    return Client(key.name, key.scopes)


def check_host(host: bytes) -> None:
    """Refuse hosts that are not this machine's, against DNS rebinding; raises ServiceError 403."""
    name = re.sub(r":\d+$", "", host.decode("latin-1")).strip("[]").lower()
    if name not in LOOPBACK:
        raise ServiceError(
            403, "bad_host", "Without keys only this machine is served, as localhost. Use --keys."
        )


def check_origin(method: str, headers: Mapping[bytes, bytes], allowed: Sequence[str]) -> None:
    """Refuse writes from pages of other origins than `allowed`; raises ServiceError 403."""
    origin = headers.get(b"origin")
    if method in ("GET", "HEAD", "OPTIONS") or origin is None:
        return
    name = origin.decode("latin-1")
    if name not in allowed and name.partition("://")[2] != headers[b"host"].decode("latin-1"):
        raise ServiceError(
            403, "bad_origin", f"A page of {name!r} may not do this. Allow it with --cors."
        )


def _unauthorised(code: str, message: str) -> ServiceError:
    return ServiceError(401, code, message, headers={"WWW-Authenticate": "Bearer"})
