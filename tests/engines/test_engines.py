"""Engines against brute force and against the exact engine; P products, W width, as in engines."""

import threading
import time

import numpy as np
import polars as pl
import pytest

from windowshop.data.filter_grammar import parse_filter
from windowshop.data.filter_polars import to_polars
from windowshop.engines.base import Allowed, Batch, EngineSpec, VectorSpec, cut, open_engine
from windowshop.engines.choice import choose
from windowshop.engines.flat import FlatEngine
from windowshop.errors import ConfigError, EngineError
from windowshop.registry import ENGINES

P, W, CLUSTERS = 3_000, 32, 30
NOBODY = np.zeros(0, dtype=bool)


def spec_of(kind, width=W, storage=None, **settings):
    settings = {"build_candidates": 80, "float_numbers": 0} | settings
    if kind == "floats":
        kind, settings["float_numbers"] = "flat", 10**9
    vector = VectorSpec(width=width, storage=storage or ENGINES[kind].storages[0])
    return EngineSpec(kind=kind, vectors={"fused": vector, "photo": vector}, **settings)


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def batch_of(keys, fused, image=None, **columns):
    keys = np.asarray(keys, dtype=np.int64)
    products = pl.DataFrame({"product_id": [f"p{key}" for key in keys], **columns})
    vectors = {"fused": fused} if image is None else {"fused": fused, "photo": image}
    return Batch(keys, vectors, products)


class Shop:
    """Clustered products with prices and categories; the same ones in every engine."""

    def __init__(self):
        rng = np.random.default_rng(0)
        centres = rng.standard_normal((CLUSTERS, W))
        cluster = rng.integers(0, CLUSTERS, P)
        self.x = unit(centres[cluster] + 0.6 * rng.standard_normal((P, W)))
        self.image = self.x[::-1] * (rng.random(P) < 0.7)[:, None]
        self.category = [f"C{c % 10} > D{c}" for c in cluster]
        self.price = np.where(rng.random(P) < 0.1, np.nan, rng.permutation(P) / P)
        self.queries = unit(self.x[rng.integers(0, P, 12)] + 0.1 * rng.standard_normal((12, W)))
        self.alive = np.ones(P, dtype=bool)

    @property
    def table(self):
        return pl.DataFrame({"category": self.category, "price": self.price}, strict=False)

    def batch(self, start, stop):
        rows = slice(start, stop)
        columns = self.table[rows].to_dict()
        return batch_of(range(start, stop), self.x[rows], self.image[rows], **columns)

    def allowed(self, text):
        where = parse_filter(text)
        passes = self.table.select(to_polars(where, self.table.schema))
        return Allowed(passes.to_series().fill_null(False).to_numpy() & self.alive, where)

    def truth(self, query, k, mask, name="fused"):
        x = (self.x if name == "fused" else self.image).astype(np.float64)
        keys = np.flatnonzero(mask & x.any(axis=1))
        return keys[np.argsort(-(x[keys] @ query), kind="stable")[:k]]


def filled(kind, folder, shop, **settings):
    engine = open_engine(folder, spec_of(kind, **settings), NOBODY)
    for start in range(0, P, 500):
        engine.upsert(shop.batch(start, start + 500))
    engine.optimise()
    return engine


@pytest.fixture(scope="module", params=["exact", "flat", "floats", "zvec"])
def stocked(request, tmp_path_factory):
    """An engine with the shop in it; few rows are scanned, so that graphs and codes are used."""
    shop = Shop()
    engine = filled(request.param, tmp_path_factory.mktemp("engine"), shop, scan_rows=30)
    yield engine, shop
    engine.close()


def recall(engine, shop, allowed, k, name="fused"):
    mask = shop.alive if allowed is None else allowed.mask_N
    found = engine.search(shop.queries, k, allowed, name)
    shares = []
    for query, keys, scores in zip(shop.queries, found.rows, found.scores, strict=True):
        truth = shop.truth(query, k, mask, name)
        real = keys[keys >= 0]
        assert len(real) == len(truth) == len(set(real.tolist()))
        assert mask[real].all()
        x = shop.x if name == "fused" else shop.image
        np.testing.assert_allclose(scores[: len(real)], x[real] @ query, atol=2e-3)
        assert (np.diff(scores[: len(real)]) <= 0).all()
        shares.append(len(set(truth) & set(real)) / len(truth) if len(truth) else 1)
    return np.mean(shares)


WHERES = {
    "none": None,
    "1%": "price < 0.01",
    "10%": "price between 0.3 and 0.41",
    "50%": "price > 0.4 and price < 0.96",
    "one category": 'category under "c3"',
    "not said by zvec": 'category contains "d1"',
    "negated": 'not (category = "C3 > D3" or price >= 0.5)',
    "nobody": "price > 7",
}


@pytest.mark.slow
@pytest.mark.parametrize("where", WHERES)
def test_recall_against_brute_force(stocked, where):
    engine, shop = stocked
    allowed = None if WHERES[where] is None else shop.allowed(WHERES[where])
    assert recall(engine, shop, allowed, 100) >= 0.99
    assert recall(engine, shop, allowed, 10) >= 0.99


def test_recall_in_a_category_far_from_the_query(stocked):
    engine, shop = stocked
    shares = []
    for query in shop.queries:
        nearest = shop.category[int(np.argmax(shop.x @ query))]
        far = shop.category[int(np.argmin(shop.x @ query))]
        assert far != nearest
        allowed = shop.allowed(f'category = "{far}"')
        keys = engine.search(query[None], 50, allowed).rows[0]
        shares.append(len(set(keys) & set(shop.truth(query, 50, allowed.mask_N))) / 50)
    assert np.mean(shares) >= 0.99


def test_image_vectors_have_their_own_order_and_some_products_none(stocked):
    engine, shop = stocked
    assert recall(engine, shop, None, 100, "photo") >= 0.99
    assert recall(engine, shop, shop.allowed("price < 0.2"), 100, "photo") >= 0.99


def test_unusual_questions(stocked):
    engine, shop = stocked
    assert engine.search(shop.queries[:0], 5).rows.shape == (0, 5)
    assert engine.search(shop.queries[:1], 5_000).rows.shape == (1, 5_000)
    with pytest.raises(EngineError, match="no 'sound' vectors; this index has: fused, photo"):
        engine.search(shop.queries, 5, name="sound")


@pytest.mark.slow
def test_recall_after_a_fifth_changed_or_left(stocked):
    """Runs last: it changes the shop. New keys for changed products, as a collection gives them."""
    engine, shop = stocked
    rng = np.random.default_rng(1)
    touched = rng.permutation(P)[: P // 5]
    changed = touched[::2]
    fresh = unit(shop.x[changed] + 0.5 * rng.standard_normal((len(changed), W)))
    columns = shop.table[changed].to_dict()
    new = np.arange(P, P + len(changed))
    engine.upsert(batch_of(new, fresh, fresh, **columns))
    engine.delete(touched)
    engine.delete(touched[:3])  # again
    shop.x, shop.image = np.vstack([shop.x, fresh]), np.vstack([shop.image, fresh])
    shop.category += [shop.category[key] for key in changed]
    shop.price = np.append(shop.price, shop.price[changed])
    shop.alive = np.append(shop.alive, np.ones(len(changed), dtype=bool))
    shop.alive[touched] = False
    assert shop.alive.sum() == P - P // 10
    assert engine.holds(shop.alive)
    for where in (None, "price < 0.01", "price between 0.3 and 0.41", 'category under "c3"'):
        allowed = None if where is None else shop.allowed(where)
        assert recall(engine, shop, allowed, 100) >= 0.99
    engine.optimise()
    assert engine.holds(shop.alive)
    assert recall(engine, shop, shop.allowed("price > 0.4"), 100) >= 0.99


CASES = [("exact", s) for s in ("float32", "fp16")] + [("flat", "4bit"), ("floats", "4bit")]
CASES += [("zvec", s) for s in ("float32", "fp16", "int8", "4bit")]


@pytest.mark.parametrize(("kind", "storage"), CASES)
@pytest.mark.parametrize("width", [W, 5])
def test_widths_and_storages(tmp_path, kind, storage, width):
    shop = Shop()
    spec = spec_of(kind, width, storage, scan_rows=20, oversample=4.0)
    engine = open_engine(tmp_path, spec, NOBODY)
    engine.upsert(batch_of(range(300), shop.x[:300].astype(np.float16)))
    engine.flush()
    found = engine.search(shop.queries, 10)
    wanted = cut(shop.x[:300], width) @ cut(shop.queries, width).T
    best_scores = -np.sort(-wanted, axis=0)[:10].T  # by score: at width 1 most are equal
    np.testing.assert_allclose(found.scores, best_scores, atol=3e-3)
    assert (found.rows[:, 1:] > found.rows[:, :-1])[np.diff(found.scores) == 0].all()
    engine.close()


@pytest.mark.parametrize("kind", ["exact", "flat", "floats", "zvec"])
def test_what_is_on_disk_comes_back_without_later_keys(tmp_path, kind):
    shop = Shop()
    spec = spec_of(kind, scan_rows=30)
    engine = open_engine(tmp_path, spec, NOBODY)
    engine.upsert(shop.batch(0, 1500))
    engine.delete(np.arange(0, 1500, 3))
    alive = np.arange(1500) % 3 > 0
    before = engine.search(shop.queries, 20)
    engine.flush()
    engine.upsert(shop.batch(1500, 1900))  # not in the snapshot that the next line stands for
    engine.close()
    again = open_engine(tmp_path, spec, alive)
    assert again.holds(alive)
    assert not again.holds(np.append(alive, True))
    after = again.search(shop.queries, 20)
    np.testing.assert_array_equal(after.rows, before.rows)
    np.testing.assert_array_equal(after.scores, before.scores)
    again.upsert(shop.batch(1500, 1600))
    assert again.holds(np.append(alive, np.ones(100, dtype=bool)))
    again.close()


def wait_until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_small_catalogue_that_grows_goes_from_floats_to_codes(tmp_path):
    shop = Shop()
    engine = open_engine(tmp_path, spec_of("flat", float_numbers=600 * W), NOBODY)
    exact = open_engine(tmp_path / "exact", spec_of("exact"), NOBODY)
    for start in range(0, 1500, 500):
        engine.upsert(shop.batch(start, start + 500))
        exact.upsert(shop.batch(start, start + 500))
        found, true = (e.search(shop.queries, 20).rows for e in (engine, exact))
        assert np.mean([len(set(f) & set(t)) / 20 for f, t in zip(found, true, strict=True)]) > 0.99
        engine.flush()
        assert (tmp_path / "fused.codes").exists() == (start > 0)
    engine.close()


@pytest.mark.slow
def test_many_threads_search_while_one_writes_and_none_waits_for_ever(tmp_path):
    """zvec's own pool of threads ran dry here: see `start_zvec`."""
    shop = Shop()
    engine = open_engine(tmp_path, spec_of("zvec", scan_rows=30), NOBODY)
    engine.upsert(shop.batch(0, 500))
    engine.optimise()
    engine.upsert(shop.batch(500, 600))  # a second segment, not in the graph yet
    full, stop = [], threading.Event()

    def search():
        while not stop.is_set():
            full.append((engine.search(shop.queries[:1], 40).rows >= 0).all())

    threads = [threading.Thread(target=search, daemon=True) for _ in range(40)]
    for thread in threads:
        thread.start()
    for start in range(600, 1000, 50):
        engine.upsert(shop.batch(start, start + 50))
        engine.delete(np.arange(start - 600, start - 580))
    wait_until(lambda: len(full) > 40)
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert all(full)
    alive = np.ones(1000, dtype=bool)
    for start in range(600, 1000, 50):
        alive[start - 600 : start - 580] = False
    assert engine.holds(alive)
    engine.close()


def test_codes_that_are_lost_or_damaged_are_made_again(tmp_path):
    shop = Shop()
    engine = filled("flat", tmp_path, shop)
    before = engine.search(shop.queries, 20).rows
    engine.flush()
    engine.close()
    (tmp_path / "fused.codes").write_bytes(b"no codes")
    (tmp_path / "photo.codes").unlink()
    again = open_engine(tmp_path, spec_of("flat"), shop.alive)
    assert isinstance(again, FlatEngine)
    assert np.mean(again.search(shop.queries, 20).rows == before) > 0.99
    again.close()


def test_files_of_too_few_rows_are_an_error(tmp_path):
    open_engine(tmp_path, spec_of("exact"), NOBODY).close()
    with pytest.raises(EngineError, match="holds 1024 vectors, needs 5000"):
        open_engine(tmp_path, spec_of("exact"), np.ones(5_000, dtype=bool))


def test_one_collection_cannot_be_opened_twice(tmp_path):
    engine = open_engine(tmp_path, spec_of("zvec"), NOBODY)
    with pytest.raises(EngineError, match="zvec could not open"):
        open_engine(tmp_path, spec_of("zvec"), NOBODY)
    engine.close()
    engine.close()


def test_vectors_that_do_not_fit_are_refused(tmp_path):
    engine = open_engine(tmp_path, spec_of("exact"), NOBODY)
    with pytest.raises(EngineError, match=f"are 3 wide, need {W}"):
        engine.upsert(batch_of([0], np.ones((1, 3))))
    with pytest.raises(EngineError, match="not finite"):
        engine.upsert(batch_of([0], np.full((1, W), np.nan)))


def test_a_spec_names_what_can_be_stored():
    with pytest.raises(ConfigError, match="cannot be stored as fp16. Choose one of: 4bit"):
        spec_of("flat", storage="fp16")
    with pytest.raises(ConfigError, match="width=0"):
        spec_of("exact", width=0)
    with pytest.raises(ConfigError, match="Name at least one"):
        EngineSpec(kind="exact", vectors={})


def test_the_size_chooses_the_engine():
    assert choose(5_000, {"fused": 768}).kind == "flat"
    assert choose(1_000_001, {"fused": 64}).kind == "zvec"
    assert choose(1_000_000, {"fused": 768, "photo": 768}).kind == "flat"
    assert choose(1_000_000, {"fused": 3072, "photo": 3072}).kind == "zvec"
    assert choose(5_000_000, {"fused": 64}).links > choose(10_000, {"fused": 64}).links
