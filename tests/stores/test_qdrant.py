"""Writers of a catalogue in Qdrant take turns, and what they leave half-done is never seen."""

import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from stores.conftest import cluster_store, spec_of
from support.services import problem, serving

from windowshop.data.filter_grammar import parse_filter
from windowshop.engines.base import EngineSpec, VectorSpec
from windowshop.errors import ConfigError, DataError, EngineError, FilterError, StorageError
from windowshop.index import index_folder, push_index
from windowshop.index.catalogue.restore import Derivation

qdrant_client = pytest.importorskip("qdrant_client", reason="the extra qdrant is not installed")


@pytest.fixture(params=["qdrant", "qdrant_engine"])
def cluster(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def local(cluster):
    """A client within this process, whose requests can be made to fail."""
    if not hasattr(cluster.client, "fails"):
        pytest.skip("the cluster of QDRANT_URL is not ours to break")
    yield cluster.client
    cluster.client.fails = None


@pytest.fixture
def address(cluster):
    return cluster.catalogue()


@pytest.fixture
def store(address):
    with closing(cluster_store(address, 4)) as made:
        yield made


@pytest.fixture
def lease():
    from windowshop.index.qdrant import lease

    return lease


def opened(address, spec=None):
    from windowshop.index.qdrant.catalogue import QdrantCatalogue

    return QdrantCatalogue(address).store("g1", Derivation(spec=spec or spec_of("qdrant", 4)))


def put(store, *names, **columns):
    table = pl.DataFrame({"product_id": names, **{k: [v] * len(names) for k, v in columns.items()}})
    x_NW = np.random.default_rng(len(names)).normal(size=(len(names), 4)).astype(np.float32)
    store.upsert(table, {"fused": x_NW})


def failing(times, *names):
    """Lets requests of some names fail after a number of them, and all others from then on."""
    from qdrant_client.http.exceptions import ResponseHandlingException

    left = [times]

    def fails(name):
        left[0] -= name in names
        if left[0] < 0:
            raise ResponseHandlingException(ConnectionError("Connection refused"))

    return fails


def test_a_view_keeps_its_state(store):
    put(store, "a", "b", "c", title="old")
    with store.read_view() as view:
        put(store, "b", "d", title="new")
        assert store.delete(["c"]) == 1
        assert view.columns.ids(view.columns.allowed(None).keys()) == ["a", "b", "c"]
        keys = view.columns.keys(["a", "b", "c"])
        assert view.columns.rows(keys)["title"].to_list() == ["old"] * 3
        found = view.search(np.ones((1, 4), dtype=np.float32), 10)[0]
        assert {hit.product_id for hit in found} == {"a", "b", "c"}
    assert store.ids() == ["a", "b", "d"]
    assert store.products(["b", "d"])["title"].to_list() == ["new", "new"]
    assert (store.seq, store.count()) == (6, 3)


@pytest.mark.parametrize("times", range(7))
def test_a_writer_that_dies_leaves_nothing(store, address, local, lease, monkeypatch, times):
    """Its requests fail from one on: at its mark, its points, those it replaces, its number."""
    put(store, "a", "b", title="old")
    local.fails = failing(times, "retrieve", "upsert", "set_payload")
    with pytest.raises(StorageError, match="Connection refused"):
        put(store, *"bcxy", title="new")
    local.fails = None
    monkeypatch.setattr(lease, "KEPT_SECONDS", 0.2)
    with closing(opened(address)) as other:
        is_written = times == 6  # the number was noted, and its answer lost
        held, seq = ([*"abcxy"], 6) if is_written else ([*"ab"], 2)
        assert (other.ids(), other.seq) == (held, seq)
        put(other, "d", title="new")
        assert (other.ids(), other.seq) == ([*held, "d"], seq + 1)
        assert other.delete(["a", "d"]) == 2
        put(other, "e", title="new")  # what was left would be seen by now
        assert (other.ids(), other.seq) == ([*held[1:], "e"], seq + 4)
        assert other.products(["b"])["title"].to_list() == ["new" if is_written else "old"]


def test_a_failed_request_is_taken_back_at_once(store, local):
    put(store, "a", "b", title="old")

    def fails(name):
        if name == "set_payload":
            local.fails = None
            failing(0, name)(name)

    local.fails = fails
    with pytest.raises(StorageError, match="Connection refused"):
        put(store, "b", "c", title="new")
    put(store, "d", "e", title="new")
    assert (store.ids(), store.seq, store.count()) == ([*"abde"], 4, 4)


def test_a_writer_that_slept_is_refused(store, address, lease, monkeypatch):
    monkeypatch.setattr(lease, "KEPT_SECONDS", 0.1)
    put(store, "a", title="old")
    server = store._server
    with lease.writing(server, "g1") as asleep:
        put(store, "b", title="new")  # waits, and takes over
        with pytest.raises(StorageError, match="another process took over"):
            asleep.commit(replace(asleep.generation, seq=7))
    assert (store.ids(), store.seq) == (["a", "b"], 2)


def test_writers_take_turns(store, address):
    stores = [store, opened(address), opened(address)]

    def write(number):
        for turn in range(4):
            put(stores[number], f"p{number}{turn}", "shared", turn=turn)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.seq == 3 * 4 * 2
    assert store.count() == len(set(store.ids())) == 3 * 4 + 1


def test_what_died_is_dropped_in_the_end(store, cluster, local, monkeypatch):
    from windowshop.index.qdrant import store as module

    put(store, "a", "b", title="old")
    put(store, "a", title="new")
    points = f"{store._server.name}_g1"
    assert cluster.client.count(points).count == 3
    monkeypatch.setattr(module, "KEPT_SECONDS", 0.0)
    local.fails = failing(0, "delete")
    put(store, "c", title="new")  # is acknowledged all the same
    local.fails = None
    put(store, "d", title="new")
    assert cluster.client.count(points).count == 4
    assert store.ids() == ["b", "a", "c", "d"]


def test_equal_scores_have_the_order_of_keys(store):
    names = [f"p{place}" for place in range(60)]
    table = pl.DataFrame({"product_id": names, "n": range(60)})
    store.upsert(table, {"fused": np.ones((60, 4), dtype=np.float32)})
    found = store.search(np.ones((1, 4), dtype=np.float32), 5, parse_filter("n >= 7"))[0]
    assert [hit.product_id for hit in found] == names[7:12]


@pytest.mark.parametrize(("kind", "storage"), [("exact", "fp16"), ("flat", "4bit")])
def test_a_graph_finds_what_the_scan_finds(qdrant_engine, kind, storage):
    """Graphs and codes are of the engine of a node; the client's local mode has none."""
    rng = np.random.default_rng(0)
    x_NW = rng.normal(size=(2_000, 8)).astype(np.float32)
    table = pl.DataFrame({"product_id": [f"p{i}" for i in range(2_000)], "n": range(2_000)})
    vectors = {"fused": VectorSpec(width=8, storage=storage)}
    scan = EngineSpec(kind=kind, vectors=vectors)
    address = qdrant_engine.catalogue()
    with closing(cluster_store(address, 8, scan)) as exact:
        exact.upsert(table, {"fused": x_NW})
        qdrant_engine.client.get_collection(f"{exact._server.name}_g1")  # builds its graphs
        assert qdrant_engine.client.num_indexed(f"{exact._server.name}_g1") == 2_000
        graph = opened(address, replace(scan, scan_rows=0))
        for text in (None, "n < 100"):
            where = parse_filter(text) if text else None
            asked_QW = x_NW[:20] + 0.1
            expected, found = (store.search(asked_QW, 20, where) for store in (exact, graph))
            shared = [
                len({h.product_id for h in one} & {h.product_id for h in two})
                for one, two in zip(expected, found, strict=True)
            ]
            assert sum(shared) >= 0.97 * 20 * 20
            near = {h.product_id: h.score for h in expected[0]}
            same = [abs(near[h.product_id] - h.score) for h in found[0] if h.product_id in near]
            assert max(same) < 1e-5  # scored by the vectors, not by codes


def test_what_qdrant_cannot_compare_is_named(store, monkeypatch):
    from windowshop.index.qdrant import columns

    with pytest.raises(DataError, match=r"Column 'n' has a number beyond 9007199254740991"):
        put(store, "a", n=2**53)
    assert store.count() == 0
    put(store, "a", n=2**53 - 1, title="a shoe")
    assert store.count(parse_filter("n = 9007199254740991")) == 1
    assert store.count(parse_filter("n = 9007199254740993")) == 0
    put(store, "b", "c", title="a boot")
    assert store.count(parse_filter('title > "a c"')) == 1
    monkeypatch.setattr(columns, "MOST_VALUES", 1)
    with pytest.raises(FilterError, match="'title' has more than 1 different texts"):
        store.count(parse_filter('title > "a c"'))
    seen = pl.DataFrame({"product_id": ["d"]}).with_columns(seen=pl.datetime(2024, 2, 1))
    store.upsert(seen, {})
    with pytest.raises(FilterError, match="'seen' holds dates with a time, which Qdrant"):
        store.count(parse_filter('seen contains "2024"'))
    with pytest.raises(EngineError, match="There are no 'other' vectors"):
        store.search(np.ones((1, 4), dtype=np.float32), 3, None, "other")


def test_a_cluster_that_is_down_is_told_and_loses_no_write(
    address, local, colours_index, tmp_path, monkeypatch
):
    monkeypatch.setenv("WINDOWSHOP_STORES", str(tmp_path / "stores"))
    push_index(colours_index, address)
    with serving(index_folder(address)) as client:
        for number in range(3):
            body = {"product_id": f"n{number}", "title": "shoe with wings"}
            assert client.put("/products", json={"products": [body]}).status_code == 200
        local.fails = failing(0, "count", "retrieve", "query_points", "scroll", "get_aliases")
        error = problem(client.post("/search", json={"text": "red shoe"}), 503, "not_available")
        assert "cannot be read or written now" in error["message"]
        refused = client.put("/products", json={"products": [{"product_id": "x", "title": "x"}]})
        assert refused.status_code == 503
        assert client.get("/ready").status_code == 503
        for name in ("query_points", "scroll", "retrieve", "count"):  # no part of an answer
            local.fails = failing(0, name)
            body = {"text": "red shoe", "where": "price < 9", "facets": ["brand"]}
            assert client.post("/search", json=body).status_code == 503, name
        local.fails = None
        answer = client.post("/search", json={"where": 'title contains "wings"'})
        assert answer.json()["total"] == 3
        assert client.get("/ready").status_code == 200


def test_addresses_and_versions_are_checked(address, colours_index, monkeypatch):
    from windowshop.index.qdrant import connect

    wrong_ones = [
        *("qdrant://", "qdrant://host", "http://host:x/a", "qdrant://user:secret@host/a"),
        *("qdrant://:secret@host/a", "http://host/a?api_key=secret", "https://host/a#secret"),
        *("qdrant://user:se?secret@host/a", "https://host/?api_key=se@secret"),
    ]
    for wrong in wrong_ones:
        with pytest.raises(ConfigError, match="The address of Qdrant cannot be read") as raised:
            index_folder(wrong)
        assert "secret" not in str(raised.value)
    monkeypatch.setattr(connect, "OLDEST", (99, 1))
    with pytest.raises(ConfigError, match=r"is Qdrant [\d.]+, need 99\.1\. Update it"):
        push_index(colours_index, address)


def test_answers_of_a_server_are_named_without_the_key(monkeypatch):
    from qdrant_client import QdrantClient

    from windowshop.index.qdrant import connect

    server = connect.Server("http://127.0.0.1:1/shop")
    with (
        pytest.raises(StorageError, match=r"http://127\.0\.0\.1:1/shop: .*refused"),
        server.named(),
    ):
        QdrantClient(url="http://127.0.0.1:1", check_compatibility=False).get_collections()
    for status, kind in ((404, "IndexFolderError"), (403, "ConfigError"), (500, "StorageError")):
        error = connect.UnexpectedResponse(status, "", b"why", None)
        assert type(server._error(error)).__name__ == kind
        assert f"{status} why" in str(server._error(error))
    monkeypatch.setenv(connect.KEY_VARIABLE, "secret")
    for status in (400, 401, 500):
        error = connect.UnexpectedResponse(status, "", b"the key secret is none", None)
        assert "the key ... is none" in str(server._error(error))


def test_a_key_that_no_header_can_hold_is_not_told(monkeypatch):
    from windowshop.index.qdrant.connect import KEY_VARIABLE, Server

    monkeypatch.setenv(KEY_VARIABLE, "secret\r\nX: y")
    with pytest.raises(ConfigError, match=KEY_VARIABLE) as raised:
        _ = Server("https://cluster.example/shop").client
    assert "secret" not in str(raised.value)
