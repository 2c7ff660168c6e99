"""Damaged files of an index: the same products and hits, made again where need be, or an error."""

import shutil
from contextlib import closing

import polars as pl
import pytest
from support.faults import outcomes, some
from support.indexes import opened

from windowshop.errors import DamagedError
from windowshop.index.product_table import open_products

pytestmark = pytest.mark.slow


@pytest.fixture
def kinds(colours_index, tmp_path):
    """An index that was written to and closed, and one whose process died."""
    shutil.copytree(colours_index, tmp_path / "closed")
    with opened(tmp_path / "closed") as shop:
        shop.upsert(pl.DataFrame({"product_id": ["x"], "title": ["a lilac clog"]}))
        shop.delete(["p1"])
        query = shop.encode_queries(["a lilac clog"], [None])
    shutil.copytree(tmp_path / "closed", tmp_path / "open")
    with opened(tmp_path / "open") as shop:
        shop.upsert(pl.DataFrame({"product_id": ["y"], "title": ["a lilac hat"]}))
        shutil.copytree(tmp_path / "open", tmp_path / "killed")
    for kind in ("closed", "killed"):  # its model is a kind of its own (test_damaged_models.py)
        shutil.move(tmp_path / kind / "generations" / "g1" / "model", tmp_path / f"model-{kind}")
    return query


@pytest.mark.parametrize("kind", ["closed", "killed"])
def test_a_damaged_index_has_the_same_products_or_names_the_damage(kinds, tmp_path, kind):
    query, used = kinds, tmp_path / "used"

    def look(shop):
        rows = shop.collection.products(sorted(shop.collection.ids()))
        hits = {hit.product_id: hit.score for hit in shop.collection.search(query, 99)[0]}
        assert shop.collection.count() == len(rows)
        return rows, hits

    def answer(folder):
        shutil.copytree(folder, used)
        (used / "generations" / "g1" / "model").symlink_to(tmp_path / f"model-{kind}")
        try:
            with opened(used) as shop:
                found = [look(shop)]
                try:
                    with closing(open_products(used)) as products:
                        products.check()
                except DamagedError:
                    return found  # told by a service, which goes on with what it has
                shop.collection.rebuild()
                found.append(look(shop))
            with opened(used) as shop:
                found.append(look(shop))
            return found
        finally:
            shutil.rmtree(used)

    def same(found, expected):
        return all(
            rows.equals(expected[0][0]) and hits == pytest.approx(expected[0][1], abs=1e-3)
            for rows, hits in found
        )

    equal, named, wrong = outcomes("index", tmp_path / kind, tmp_path, answer, same, some(1, 30))
    assert wrong == []
    assert equal > 20
    assert named > 0
