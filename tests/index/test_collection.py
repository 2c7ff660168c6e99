"""Collections: what is written, found and refused, and through rebuilds."""

import shutil
import threading

import numpy as np
import polars as pl
import pytest

from windowshop.data.filter_grammar import parse_filter
from windowshop.engines.base import EngineSpec, VectorSpec
from windowshop.errors import DataError, EngineError, FilterError, StorageError
from windowshop.index.catalogue.collection import Collection

W = 8


def spec_of(kind, width=W, **settings):
    settings = {"float_numbers": 0} | settings
    if kind == "floats":
        kind, settings["float_numbers"] = "flat", 10**9
    storage = {"exact": "float32", "flat": "4bit", "zvec": "int8"}[kind]
    vectors = {"fused": VectorSpec(width=width, storage=storage)}
    return EngineSpec(kind=kind, vectors=vectors, **{"scan_rows": 5, **settings})


def vector_of(product_id, version):
    """A unit vector that tells product and version."""
    x = np.random.default_rng([ord(char) for char in product_id] + [version]).standard_normal(W)
    return (x / np.linalg.norm(x)).astype(np.float32)


def put(collection, versions):
    """Upsert products at given versions, (id -> version); the price is the version."""
    products = pl.DataFrame(
        {
            "product_id": list(versions),
            "title": [f"Thing {product_id} v{v}" for product_id, v in versions.items()],
            "price": [float(v) for v in versions.values()],
        }
    )
    vectors = [vector_of(*item) for item in versions.items()]
    return collection.upsert(products, {"fused": np.array(vectors)})


def agrees(collection, state):
    """Check every way to look at a collection against id -> version."""
    assert collection.count() == len(state)
    assert sorted(collection.ids()) == sorted(state)
    rows = collection.products(list(state))
    assert not state or rows["price"].to_list() == [float(version) for version in state.values()]
    everything = collection.search(np.ones((1, W)), len(state) + 3)[0]
    assert sorted(hit.product_id for hit in everything) == sorted(state)
    for product_id, version in list(state.items())[:5]:
        vector = vector_of(product_id, version)
        (hit,) = collection.search(vector[None], 1)[0]
        assert (hit.product_id, round(hit.score, 2)) == (product_id, 1.0)
        where = parse_filter(f"price = {version}")
        found = {hit.product_id for hit in collection.search(vector[None], 1_000, where)[0]}
        assert found == {key for key, held in state.items() if held == version}
        assert collection.count(where) == len(found)


@pytest.fixture
def opened():
    """Opens collections and closes them after the test."""
    held = []

    def open_(*args, **kwargs):
        held.append(Collection(*args, **kwargs))
        return held[-1]

    yield open_
    for collection in held:
        collection.close()


@pytest.mark.parametrize("kind", ["exact", "flat", "floats", "zvec"])
def test_what_was_written_is_found_and_comes_back(tmp_path, opened, kind):
    collection = opened(tmp_path, spec_of(kind))
    put(collection, {"a": 1, "b": 1, "c": 2})
    put(collection, {"b": 3, "d": 1})
    assert collection.delete(["a", "nobody", "a"]) == 1
    assert collection.delete(["a"]) == 0
    state = {"b": 3, "c": 2, "d": 1}
    agrees(collection, state)
    assert "b" in collection
    assert "a" not in collection
    assert collection.products(["a"])["price"].to_list() == [1.0]  # found just before it went
    collection.close()
    collection.close()
    with pytest.raises(EngineError, match="is closed"):
        put(collection, {"e": 1})
    again = opened(tmp_path)
    assert again.spec == collection.spec
    agrees(again, state)


def test_several_questions_to_one_state(tmp_path, opened):
    collection = opened(tmp_path, spec_of("exact"))
    put(collection, {"x": 1, "y": 1, "z": 2})
    written = threading.Event()
    with collection.read_view() as view:
        writer = threading.Thread(target=lambda: (put(collection, {"x": 7}), written.set()))
        writer.start()
        assert not written.wait(0.2)  # the write waits
        allowed = view.columns.allowed(parse_filter("price = 1"))
        near = view.engine.search(vector_of("x", 1)[None], 3, allowed).rows[0]
        assert view.columns.ids(near[near >= 0]) == ["x", "y"]
        assert allowed.count == 2
    writer.join()
    assert collection.products(["x"])["price"].to_list() == [7.0]


def test_a_row_may_have_other_columns(tmp_path, opened):
    collection = opened(tmp_path, spec_of("exact"))
    put(collection, {"a": 3, "b": 1})
    collection.upsert(pl.DataFrame({"product_id": ["e"], "brand": ["X"]}), {})
    assert collection.products(["e", "b"]).select("brand", "price").rows() == [
        ("X", None),
        (None, 1.0),
    ]
    assert collection.count(parse_filter('brand = "x" or price = 3')) == 2
    with pytest.raises(FilterError, match="no column 'size'"):
        collection.count(parse_filter("size = 1"))


def with_lists(collection, product_id, **columns):
    """Upsert a product with columns of its own."""
    products = pl.DataFrame({"product_id": [product_id], "title": ["Thing"], **columns})
    collection.upsert(products, {"fused": vector_of(product_id, 1)[None]})


@pytest.mark.parametrize("kind", ["flat", "zvec"])
def test_columns_of_lists_are_filtered_and_come_back(tmp_path, opened, kind):
    collection = opened(tmp_path, spec_of(kind))
    with_lists(collection, "a", sizes=[["S", "M"]], widths=[[36, 44]])
    with_lists(collection, "b", sizes=["M"], widths=[38])  # single values
    with_lists(collection, "c", sizes=['["L", "XL"]'], widths=[[40.0]])
    with_lists(collection, "d", sizes=[None])
    with_lists(collection, "e", sizes=[[38, 40]], widths=["39"])

    def agree(collection):
        table = collection.products(list("abcde"))
        sizes = [["S", "M"], ["M"], ["L", "XL"], None, ["38", "40"]]
        assert table["sizes"].to_list() == sizes
        assert table["widths"].to_list() == [[36, 44], [38], [40], None, [39]]
        for text, found in (
            ('sizes = "m"', "ab"),
            ('sizes != "m"', "ce"),
            ("sizes is null", "d"),
            ("widths between 38 and 39", "be"),
            ("not widths > 38", "b"),
        ):
            (hits,) = collection.search(np.ones((1, W)), 9, parse_filter(text))
            assert "".join(sorted(hit.product_id for hit in hits)) == found

    agree(collection)
    for name, value, message in [
        ("widths", [[38.5]], r"'widths' is of type List\(Float64\).* has List\(Int64\)"),
        ("widths", ["wide"], r"'widths' is of type String"),
        ("brand", [["Nike"]], r"'brand' is of type List\(String\), and the engine filters by it"),
    ]:
        with pytest.raises((DataError, EngineError), match=message):
            with_lists(collection, "f", **{name: value})
    collection.save_snapshot()
    collection.compact()
    collection.rebuild()
    agree(collection)
    collection.close()
    agree(opened(tmp_path))


def test_lists_in_a_column_of_texts_are_json(tmp_path, opened):
    collection = opened(tmp_path, spec_of("exact"))
    with_lists(collection, "a", sizes=['["S"]'])
    with_lists(collection, "b", sizes=[["S", "M"]])
    assert collection.products(["b"])["sizes"].to_list() == ['["S", "M"]']
    with_lists(collection, "c", stock=[1])
    for code in ("012", "1E5", "XL"):  # a leading zero is never dropped
        with pytest.raises(DataError, match=r"'stock' is of type String.*columns\.yaml"):
            with_lists(collection, "d", stock=[code])
    with pytest.raises(DataError, match="'stock' is of type Float64, the catalogue has Int64"):
        with_lists(collection, "c", stock=[1.5])


def test_what_does_not_fit_is_refused_and_leaves_no_trace(tmp_path, opened):
    collection = opened(tmp_path, spec_of("zvec"))
    put(collection, {"a": 1})
    row = pl.DataFrame({"product_id": ["b"]})
    one = np.ones((1, W))
    for products, vectors, error, message in [
        (row, {"fused": np.ones((1, 3))}, EngineError, "at least 8 wide"),
        (row, {"fused": np.ones((2, W))}, EngineError, "need 1 rows"),
        (row, {"fused": np.full((1, W), 1e9)}, EngineError, "not finite"),
        (row.with_columns(price=pl.lit("dear")), {"fused": one}, DataError, "type String"),
        (pl.concat([row, row]), {}, DataError, "twice"),
        (pl.DataFrame({"title": ["b"]}), {}, DataError, "needs a product_id"),
        (pl.DataFrame({"product_id": ["b", None]}), {}, DataError, "needs a product_id"),
    ]:
        with pytest.raises(error, match=message):
            collection.upsert(products, vectors)
    with pytest.raises(DataError, match="no product 'b'"):
        collection.products(["b"])
    agrees(collection, {"a": 1})
    put(collection, {"b": 1})
    agrees(collection, {"a": 1, "b": 1})


def test_a_product_without_a_vector_is_kept_and_not_found_by_vector(tmp_path, opened):
    collection = opened(tmp_path, spec_of("zvec"))
    collection.upsert(
        pl.DataFrame({"product_id": ["a", "b"], "title": ["Thing one", "Thing two"]}),
        {"fused": np.array([np.zeros(W), vector_of("b", 1)])},
    )
    assert [hit.product_id for hit in collection.search(np.ones((1, W)), 5)[0]] == ["b"]
    assert collection.ids() == ["a", "b"]
    collection.close()
    assert opened(tmp_path).count() == 2


@pytest.mark.parametrize("kind", ["flat", "floats", "zvec"])
def test_few_products_are_optimised_too(tmp_path, opened, kind):
    collection = opened(tmp_path, spec_of(kind))
    for state in ({}, {"a": 1}, {"a": 1, "b": 1}):
        if state:
            put(collection, state)
        collection.optimise()
        agrees(collection, state)


def test_a_folder_without_a_spec_or_with_a_rival_is_refused(tmp_path, opened):
    with pytest.raises(EngineError, match="Open it with a spec"):
        Collection(tmp_path)
    opened(tmp_path, spec_of("exact"))
    with pytest.raises(StorageError, match="another process"):
        Collection(tmp_path)


def test_a_write_that_fails_in_the_engine_is_not_lost(tmp_path, opened, monkeypatch):
    collection = opened(tmp_path, spec_of("zvec"))
    put(collection, {"a": 1})
    with monkeypatch.context() as patch:
        engine = collection._state.engine

        def full(batch):
            raise EngineError("the disk is full")

        patch.setattr(engine, "upsert", full)
        with pytest.raises(EngineError, match="disk is full"):
            put(collection, {"b": 2})
        agrees(collection, {"a": 1})  # searches go on
    put(collection, {"d": 1})  # there is room again
    state = {"a": 1, "b": 2, "d": 1}
    agrees(collection, state)
    collection.close()
    agrees(opened(tmp_path), state)


def test_another_spec_is_built_from_the_products_while_searches_go_on(tmp_path, opened):
    collection = opened(tmp_path, spec_of("flat"))
    for version in range(5):
        put(collection, {f"p{i}": version for i in range(10)})
    state = {f"p{i}": 4 for i in range(10)}
    collection.compact()
    assert len(collection._store.versions()) == 10
    agrees(collection, state)
    stop, misses = threading.Event(), []

    def look():
        while not stop.is_set():
            hits = collection.search(vector_of("p3", 4)[None], 3)[0]
            if len(hits) < 3 or hits[0].product_id != "p3":
                misses.append(hits)

    looking = threading.Thread(target=look)
    looking.start()
    collection.rebuild(spec_of("zvec"))
    put(collection, {"p1": 9})
    collection.optimise()
    stop.set()
    looking.join()
    assert not misses
    state["p1"] = 9
    agrees(collection, state)
    assert [path.name for path in tmp_path.glob("engine-*")] == ["engine-2"]
    assert len(list(tmp_path.glob("products-*"))) == 1
    collection.close()
    narrow = opened(tmp_path, spec_of("exact", width=4))
    assert narrow.count() == 10
    assert narrow.search(vector_of("p3", 4)[None], 1)[0][0].product_id == "p3"


@pytest.mark.parametrize("lost", ["engine", "graph"])
def test_an_engine_that_is_lost_is_made_again(tmp_path, opened, lost):
    collection = opened(tmp_path, spec_of("zvec"))
    put(collection, {f"p{i}": 1 for i in range(20)})
    collection.delete(["p3"])
    collection.close()
    if lost == "engine":
        shutil.rmtree(tmp_path / "engine-1")
    else:
        shutil.rmtree(tmp_path / "engine-1" / "fused.graph")
    agrees(opened(tmp_path), {f"p{i}": 1 for i in range(20) if i != 3})


def test_readers_never_miss_a_product_that_is_updated(tmp_path, opened):
    collection = opened(tmp_path, spec_of("zvec"))
    put(collection, {f"p{i}": 0 for i in range(30)})
    stop, problems = threading.Event(), []

    def look():
        while not stop.is_set():
            hits = [hit.product_id for hit in collection.search(np.ones((1, W)), 40)[0]]
            if len(hits) != 30 or len(set(hits)) != 30:
                problems.append(hits)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for version in range(1, 25):
        put(collection, {f"p{i}": version for i in range(0, 30, 3)})
    stop.set()
    for reader in readers:
        reader.join()
    assert not problems
