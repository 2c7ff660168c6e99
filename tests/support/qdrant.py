"""A Qdrant cluster for tests: that of QDRANT_URL, or the client's own local mode.

The local mode reads filters and payloads in Python, scores every vector, and has no payload
indexes, graphs, replicas or requests.
"""

import os
import threading
import uuid
import warnings
from contextlib import closing, contextmanager

import pytest


class Local:
    """A client within this process, for many threads, without its remarks on what it ignores."""

    def __init__(self, client):
        self._client, self._lock = client, threading.RLock()
        self.fails = None
        """Called with the name of each request before it is answered; may raise."""

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*args, **kwargs):
            if self.fails is not None:
                self.fails(name)
            with self._lock, warnings.catch_warnings():
                warnings.filterwarnings("ignore", "(?i).*local")
                return method(*args, **kwargs)

        return call


class Qdrant:
    """A cluster; each catalogue gets a name of its own."""

    def __init__(self, url, client):
        self.url, self.client, self._names = url, client, []

    def catalogue(self):
        """Address of an empty catalogue."""
        self._names.append(f"t{uuid.uuid4().hex[:12]}")
        return f"{self.url}/{self._names[-1]}"

    def drop(self):
        """Drop all catalogues that were asked for."""
        for held in self.client.get_collections().collections:
            if held.name.partition("_")[0] in self._names:
                self.client.delete_collection(held.name)


@contextmanager
def running():
    """A cluster, or a skipped test where the client is not installed."""
    qdrant_client = pytest.importorskip("qdrant_client", reason="the extra qdrant is not installed")
    from windowshop.index.qdrant import connect

    url = os.environ.get("QDRANT_URL")
    if url:
        key = os.environ.get(connect.KEY_VARIABLE)
        made = Qdrant(url.rstrip("/"), connect.client_of(url.rstrip("/"), key))
        yield made
        made.drop()
        return
    with _standing_in("local", qdrant_client.QdrantClient(":memory:")) as made:
        yield made


@contextmanager
def engine():
    """The engine of a node behind a small server, or a skipped test where it is not installed."""
    pytest.importorskip("qdrant_client", reason="the extra qdrant is not installed")
    pytest.importorskip("qdrant_edge", reason="the package qdrant-edge-py is not installed")
    from support.qdrant_edge import Edge
    from support.qdrant_http import serving

    with closing(Edge()) as edge:
        own = Local(edge)
        with serving(own) as url:
            yield Qdrant(url, own)


@contextmanager
def _standing_in(host, client):
    """Addresses of a host lead to a client within this process."""
    from windowshop.index.qdrant import connect

    own, url, others = Local(client), f"http://{host}:6333", connect.client_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "client_of", lambda at, key: own if at == url else others(at, key))
        yield Qdrant(url, own)
