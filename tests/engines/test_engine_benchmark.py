"""The benchmark of engines: its parts by hand, and one short run on a tiny index."""

import json

import numpy as np
import polars as pl
import pytest
from benchmarks import engines

from windowshop.data.filter_grammar import Comparison


@pytest.fixture
def plane():
    """Six products at the axes of a plane: hats to the east, shoes to the north, one bag."""
    x_NW = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [-1, 0]], dtype=np.float32)
    products = pl.DataFrame(
        {
            "product_id": [f"p{i}" for i in range(6)],
            "category": ["hat", "hat", "shoe", "shoe", None, "bag"],
            "lot": [0.05, 0.3, 0.6, 0.7, 0.8, 0.9],
        }
    )
    return engines.Shop(products, x_NW, np.array([[1, 0], [0, 1]], dtype=np.float32))


def test_recall_by_hand():
    found, truth = [["a", "b"], ["c"], ["d"]], [["a", "x"], ["c"], []]
    assert engines.recall(found, truth) == 0.75
    assert engines.recall([["a"]], [[]]) == 1


def test_the_far_category_is_the_least_like_the_query_of_those_large_enough(plane):
    wheres = engines.filters(plane, k=2)["category far from the query"]
    assert wheres == [Comparison("category", "=", name) for name in ("shoe", "hat")]
    assert engines.filters(plane, k=1)["category far from the query"][0].value == "bag"
    assert set(engines.filters(plane, k=3)) == {"all", "random 1%", "random 10%", "random 50%"}


def test_changes_are_a_fifth_of_the_products(plane):
    tenfold = engines.Shop(pl.concat([plane.products] * 10), np.tile(plane.x_NW, (10, 1)), None)
    ids = [f"p{i}" for i in range(60)]
    tenfold = engines.replace(
        tenfold, products=tenfold.products.with_columns(pl.Series("product_id", ids))
    )
    gone, moved = engines.changes(tenfold, np.random.default_rng(0))
    written = moved.products["product_id"].to_list()
    assert len(gone) == len(written) == 6
    assert len({*gone, *written}) == 12
    before = tenfold.products["lot"][[ids.index(name) for name in written]]
    assert (moved.products["lot"] != before).all()


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_on_a_tiny_index(colours, colours_index, tmp_path, capsys):
    before, out = files_of(colours_index), tmp_path / "engines.json"
    places = [str(colours_index), str(colours / "data")]
    engines.main([*places, "--split", "train", "-k", "2", "--json", str(out)])
    assert files_of(colours_index) == before
    figures = json.loads(out.read_text())
    assert figures.pop("hashes").keys() == {"products", "queries", "qrels"}
    assert "threads" in figures.pop("environment")
    assert json.loads(capsys.readouterr().out) == figures
    assert (figures["products"], figures["queries"], figures["k"]) == (11, 2, 2)  # p5 has no vector
    assert set(figures["states"]) == {"fresh", "changed"}
    for state in figures["states"].values():
        for by_setting in state.values():
            assert len(by_setting) == 7
            # So few products are all scored, but for float16 against float32.
            assert all(found["recall"] >= 0.5 for found in by_setting.values())
            assert by_setting["exact, float32"]["recall"] == 1
            assert all(found["ms"] > 0 for found in by_setting.values())
