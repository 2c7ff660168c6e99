"""Columns: large and small tables as one, against polars."""

from datetime import date

import numpy as np
import polars as pl

from windowshop.data.filter_grammar import parse_filter
from windowshop.index.catalogue.columns import Columns


def test_columns_large_and_small_tables_are_one(monkeypatch):
    """Rows joined to the large table, new columns and types, all against one polars table."""
    monkeypatch.setattr("windowshop.index.catalogue.columns.TAIL_ROWS", 5)
    monkeypatch.setattr("windowshop.index.catalogue.columns.TAIL_CHUNKS", 2)
    monkeypatch.setattr("windowshop.index.catalogue.columns.KEPT_MASKS", 1)
    monkeypatch.setattr("windowshop.index.catalogue.columns.KEPT_BYTES", 0)
    columns = Columns(pl.DataFrame(schema={"product_id": pl.String}), np.zeros(0, dtype=bool))
    rng, latest = np.random.default_rng(0), {}
    for step in range(40):
        ids = [f"p{i}" for i in rng.permutation(15)[: rng.integers(1, 4)]]
        rows = {"product_id": ids, "price": [step if step % 4 else float(step)] * len(ids)}
        if step > 10:
            rows["brand"] = ["Nike"] * len(ids)
        if step < 5:
            rows["price"] = [None] * len(ids)
        replaced = columns.commit(columns.prepare(pl.DataFrame(rows)))
        assert len(replaced) == sum(product_id in latest for product_id in ids)
        latest |= {name: (rows["price"][0], rows.get("brand", [None])[0]) for name in ids}
        if step % 7 == 6:
            gone = ids[0]
            assert len(columns.remove((gone, "nobody"))) == 1
            del latest[gone]
        for text in ("price >= 10", "not price < 20") if step >= 5 else ():
            keys = np.flatnonzero(columns.allowed(parse_filter(text)).mask_N)
            least = 10 if ">=" in text else 20
            wanted = {name for name, (price, _) in latest.items() if price and price >= least}
            assert set(columns.ids(keys)) == wanted
            some = np.arange(0, columns.num_keys, 2)
            own = columns.numbers(some, ["price", "nothing"])
            prices = columns.rows(some)["price"].cast(pl.Float64).fill_null(np.nan)
            assert np.array_equal(own.pop("price"), prices.to_numpy(), equal_nan=True)
            assert not own
            for most in (0, 100):  # looked at one by one, or by the bitmap
                monkeypatch.setattr("windowshop.index.catalogue.columns.MASK_ROWS", most)
                (passes,) = columns.matching([parse_filter(text)], some)
                assert some[passes].tolist() == keys[keys % 2 == 0].tolist()
    table = columns.rows(columns.keys(sorted(latest)))
    assert table.rows() == [(name, float(p), b) for name, (p, b) in sorted(latest.items())]
    assert len(columns) == len(latest)
    assert columns.table().height == columns.num_keys


def test_moments_are_numbers_that_rise():
    added = pl.Series([None, date(2024, 1, 2), date(2024, 1, 3)])
    table = pl.DataFrame({"product_id": ["a", "b", "c"], "added": added})
    found = Columns(table, np.ones(3, dtype=bool)).numbers(np.array([2, 0, 1]), ["added"])["added"]
    assert found[0] - found[2] == 1
    assert np.isnan(found[1])
