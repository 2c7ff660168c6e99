"""Web address -> the one address of its host that is connected to, once all were checked.

The host's name is resolved once for each connection, every address that it has is checked, and the
connection goes to a checked one. So a name that resolves to another address a moment later (DNS
rebinding) gains nothing; Host and the name in TLS stay those of the web address.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable

import httpcore2
import httpx2

from windowshop.imports.images.config import FetchFailure, PassingFailure

REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # settings of a machine in a cloud, at a public address
        "192.0.0.0/24",  # protocol assignments, such settings among them
        "192.88.99.0/24",  # relays of 6to4
        "64:ff9b:1::/48",  # NAT64 of a private network
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
    )
)
"""Networks that `ipaddress` calls global, in some version of Python."""
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that end in an IPv4 address (NAT64)."""
ONE_URL = re.compile(r"[\s,;|]+(?=(?:https?:)?//)", re.I)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def split_urls(text: str) -> list[str]:
    """Split a cell of one or several web addresses."""
    return [part for part in ONE_URL.split(text.strip()) if part]


def parse_url(text: str) -> httpx2.URL:
    """Parse an absolute web address without its fragment; raises FetchFailure for anything else."""
    text = text.strip()
    if text.startswith("//"):
        text = f"https:{text}"
    try:
        url = httpx2.URL(text)
        host = url.host
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise FetchFailure("bad address", f"{text[:200]!r}: {error}") from None
    if url.scheme not in ("http", "https"):
        raise FetchFailure("bad address", f"{text[:200]!r} is neither http nor https")
    if not host:
        raise FetchFailure("bad address", f"{text[:200]!r} names no host")
    return url.copy_with(fragment=None)


def is_public(text: str) -> bool:
    """Return whether an IP address is one of the open internet."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return all(
        inner.is_global
        and not inner.is_multicast
        and not inner.is_reserved
        and not any(inner in network for network in REFUSED)
        for inner in _meant(address)
    )


def _meant(address: Address) -> Iterable[Address]:
    """Return the address that counts: an IPv4 address inside an IPv6 one where there is one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return (address.ipv4_mapped,)
        if address in TRANSLATED:
            return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    return (address,)


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections to checked addresses alone."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve the host, check all its addresses, and connect to the first that answers."""
        addresses = await self._resolved(host, port, timeout)
        failed: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore2.ConnectError(f"{host} has no address")

    async def _resolved(self, host: str, port: int, timeout: float | None) -> list[str]:
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, port, type=socket.SOCK_STREAM
                )
        except TimeoutError:
            raise PassingFailure("no such host", f"{host}: the name server is silent") from None
        except (socket.gaierror, UnicodeError) as error:
            passes = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise (PassingFailure if passes else FetchFailure)(
                "no such host", f"{host}: {error}"
            ) from None
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        refused = [address for address in addresses if not is_public(address)]
        if refused and not self._allow_private:
            raise FetchFailure("private address", f"{host} is {refused[0]}")
        return addresses


class CheckedTransport(httpx2.AsyncHTTPTransport):
    """HTTP over connections of a CheckedBackend; proxies of the environment are not used."""

    def __init__(self, *, allow_private: bool, max_connections: int) -> None:
        context = httpx2.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=5.0,
            network_backend=CheckedBackend(allow_private=allow_private),
        )
