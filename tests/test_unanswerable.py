"""The benchmark of what is not found asks what nothing was fitted on, and what no product meets."""

import numpy as np
import polars as pl
import unanswerable

from windowshop.search.tuning.certainty import nonsense, trades
from windowshop.settings import read_yaml


def texts(content):
    return {text.lower() for own in content.values() for text in own}


def test_no_query_and_no_trade_of_the_benchmark_is_one_of_the_fit():
    asked = read_yaml(unanswerable.QUERIES)
    assert not texts(asked) & texts(trades())
    assert not set(asked) & set(trades())
    assert not texts(asked) & set(nonsense(100))
    assert len(asked[unanswerable.NONSENSE]) >= unanswerable.NUM_NONSENSE
    assert len(texts(asked)) >= unanswerable.NUM_NONSENSE + unanswerable.NUM_TRADES


def test_no_product_meets_what_is_impossible():
    rows = [
        {"brand": brand, "category": f"Shop > {leaf}", "price": price + 3 * i}
        for brand, leaf, price in (("Acme", "Hats", 20), ("Bolt", "Mugs", 10), ("Acme", "Mugs", 9))
        for i in range(6)
    ]
    table = pl.DataFrame(rows)
    found = unanswerable.impossible(table, 6, np.random.default_rng(0))
    assert len(found) == len(set(found)) == 6
    assert "bolt hats" in found
    assert not {"acme hats", "bolt mugs", "acme mugs"} & set(found)
    for text in found:
        if " under " in text:
            what, _, bound = text.rpartition(" under ")
            named = table.filter(
                pl.col("category").str.to_lowercase().str.ends_with(what.split()[-1])
            )
            if len(what.split()) > 1:
                named = named.filter(pl.col("brand").str.to_lowercase() == what.split()[0])
            assert not (named["price"] < float(bound)).any()
