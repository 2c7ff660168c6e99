"""A host on loopback that answers well, badly, slowly, without end, or with lies."""

import socket
import socketserver
import threading
from contextlib import contextmanager

import polars as pl
from support.shops import image_bytes

from windowshop.imports import FetchConfig


def answer(status="200 OK", body=b"", *, length=None, **headers):
    """The bytes of an answer; `length` is what it says of its body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named |= {"Content-Length": len(body) if length is None else length, "Connection": "close"}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class ImageHost(socketserver.ThreadingTCPServer):
    """Serves `pages`: a path to bytes, to a list of them that is used up, or to a function.

    A function gets the request's headers and a `send`, and returns bytes or None.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.asked, self.open, self.most_open = {}, [], 0, 0
        self.stopped, self.lock = threading.Event(), threading.Lock()

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.server_address[1]}{path}"

    def count(self, path):
        return sum(asked == path for asked, _ in self.asked)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        host = self.server
        line = self.rfile.readline().decode()
        if not line:
            return
        path = line.split()[1]
        headers = {}
        while (row := self.rfile.readline().decode().strip()) != "":
            name, _, value = row.partition(":")
            headers[name.lower()] = value.strip()
        with host.lock:
            host.asked.append((path, headers))
            host.open += 1
            host.most_open = max(host.most_open, host.open)
            page = host.pages.get(path, answer("404 Not Found", b"gone"))
            if isinstance(page, list):
                page = page.pop(0) if len(page) > 1 else page[0]
        try:
            content = page(headers, self._send) if callable(page) else page
            if content:
                self._send(content)
        except OSError:  # the other side has had enough
            pass
        finally:
            with host.lock:
                host.open -= 1

    def _send(self, content):
        self.wfile.write(content)
        self.wfile.flush()


@contextmanager
def image_host():
    with ImageHost() as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            host.stopped.set()
            host.shutdown()
            thread.join()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


QUICK = {
    "allow_private": True,
    "robots": False,
    "rate": 1000.0,
    "first_wait": 0.01,
    "max_wait": 2.0,
    "silent_seconds": 1.0,
    "seconds": 2.0,
    "attempts": 3,
}


def config(**changes):
    return FetchConfig(**(QUICK | changes))


def shop_of(folder, urls, **columns):
    """A shop with a product for each address."""
    folder.mkdir(exist_ok=True)
    ids = [f"p{i}" for i in range(len(urls))]
    titles = [f"Thing {i}" for i in range(len(urls))]
    frame = pl.DataFrame({"product_id": ids, "title": titles, "image_url": urls, **columns})
    frame.write_parquet(folder / "products.parquet")
    return folder


def jpeg(seed=0, size=(64, 48)):
    return image_bytes(seed, size=size, format="JPEG")


def kinds(report):
    return {finding.kind: finding.count for finding in report.failures}
