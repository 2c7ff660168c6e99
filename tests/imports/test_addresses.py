import asyncio
import socket
import ssl

import httpcore2
import httpx2
import pytest
from support.image_hosts import answer, config, jpeg, kinds, shop_of

from windowshop.imports.images.addresses import (
    CheckedBackend,
    CheckedTransport,
    is_public,
    parse_url,
    split_urls,
)
from windowshop.imports.images.config import FetchFailure, PassingFailure

PRIVATE = """
127.0.0.1 127.9.9.9 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200
0.0.0.0
192.0.0.192 192.0.2.1 198.18.0.1 203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1 2001:db8::1 ::ffff:127.0.0.1
::ffff:10.0.0.1
64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 2002:a00:1::
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_what_is_not_of_the_open_internet(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_what_is_of_the_open_internet(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (" https://a.com/b c.jpg#top ", "https://a.com/b%20c.jpg"),
        ("//cdn.a.com/x.png?v=1", "https://cdn.a.com/x.png?v=1"),
        ("HTTP://A.com/ü.jpg", "http://a.com/%C3%BC.jpg"),
    ],
)
def test_web_addresses_are_read_as_they_are_written(text, url):
    assert str(parse_url(text)) == url


@pytest.mark.parametrize(
    "text",
    ["file:///etc/passwd", "ftp://a/b", "http://", "a.jpg", "", "http://[::bad", "javascript://x"],
)
def test_other_addresses_are_refused(text):
    with pytest.raises(FetchFailure, match="bad address"):
        parse_url(text)


def test_a_cell_may_hold_several():
    cell = "https://a.com/1.jpg, https://a.com/2,3.jpg|//a.com/4.jpg\nhttp://b.com/x"
    assert split_urls(cell) == [
        "https://a.com/1.jpg",
        "https://a.com/2,3.jpg",
        "//a.com/4.jpg",
        "http://b.com/x",
    ]


def resolve_to(monkeypatch, answers):
    """Let names resolve to the given addresses; returns the names that were asked for."""
    asked = []

    async def resolved(self, host, port, **options):
        asked.append(host)
        found = answers[host].pop(0) if isinstance(answers[host][0], list) else answers[host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolved)
    return asked


class Connections(httpcore2.AsyncMockBackend):
    """Notes where connections go to."""

    def __init__(self):
        super().__init__([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"])
        self.places, self.names = [], []

    async def connect_tcp(self, host, port, *args, **options):
        self.places.append((host, port))
        stream = await super().connect_tcp(host, port)
        start = stream.start_tls

        async def named(ssl_context, server_hostname=None, timeout=None):
            self.names.append(server_hostname)
            return await start(ssl_context, server_hostname, timeout)

        stream.start_tls = named
        return stream


def get(url, network, *, allow_private=False):
    async def asked():
        transport = CheckedTransport(allow_private=allow_private, max_connections=2)
        backend = CheckedBackend(allow_private=allow_private)
        backend._network = network
        transport._pool._network_backend = backend
        async with httpx2.AsyncClient(transport=transport) as client:
            return (await client.get(url)).text

    return asyncio.run(asked())


def test_the_connection_goes_to_the_checked_address_and_the_name_stays(monkeypatch):
    asked = resolve_to(monkeypatch, {"shop.example": ["93.184.216.34"]})
    network = Connections()
    assert get("https://shop.example/a.jpg", network) == "ok"
    assert (asked, network.places) == (["shop.example"], [("93.184.216.34", 443)])
    assert network.names == ["shop.example"]


def test_a_name_that_changes_its_address_gains_nothing(monkeypatch):
    asked = resolve_to(monkeypatch, {"evil.example": [["93.184.216.34"], ["127.0.0.1"]]})
    network = Connections()
    get("http://evil.example/", network)
    assert (asked, network.places) == (["evil.example"], [("93.184.216.34", 80)])
    with pytest.raises(FetchFailure, match=r"evil.example is 127\.0\.0\.1"):
        get("http://evil.example/", network)


def test_one_private_address_among_others_is_enough_to_refuse(monkeypatch):
    resolve_to(monkeypatch, {"evil.example": ["93.184.216.34", "10.0.0.7"]})
    network = Connections()
    with pytest.raises(FetchFailure, match="private address"):
        get("http://evil.example/", network)
    assert network.places == []


def test_a_silent_name_server_may_answer_later(monkeypatch):
    async def never(self, *args, **options):
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", never)
    with pytest.raises(PassingFailure, match="no such host"):
        asyncio.run(CheckedBackend(allow_private=False).connect_tcp("a.example", 80, 0.01))


def test_certificates_are_checked():
    transport = CheckedTransport(allow_private=True, max_connections=1)
    context = transport._pool._ssl_context
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_the_environment_brings_no_proxy(host, tmp_path, monkeypatch):

    from windowshop.imports import fetch_images

    monkeypatch.setenv("HTTP_PROXY", host.url(""))
    host.pages = {"/a": answer(body=jpeg())}
    shop = shop_of(tmp_path / "shop", ["http://nosuchhost.invalid/a"])
    assert kinds(fetch_images(shop, config())) == {"no such host": 1}
    assert host.asked == []
