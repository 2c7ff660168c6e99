"""Thinned judgements: what each regime keeps, and what it leaves alone."""

import numpy as np
import polars as pl
import pytest

from windowshop.data.dataset import Dataset
from windowshop.errors import ConfigError
from windowshop.study.regimes.clicks import ClickModel
from windowshop.study.regimes.regime import Regime, in_category, thinned

NUM_QUERIES, NUM_PRODUCTS = 30, 40


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """30 queries, 10 of each split, which judge every second product 3 or 1, and refuse one."""
    splits = [("train", "dev", "test")[i % 3] for i in range(NUM_QUERIES)]
    qrels = [
        (f"q{query}", f"p{product}", 3 if (query + product) % 4 == 0 else 1)
        for query in range(NUM_QUERIES)
        for product in range(query % 2, NUM_PRODUCTS, 2)
    ]
    kinds = {"query_id": pl.String, "product_id": pl.String}
    return Dataset(
        root=tmp_path_factory.getbasetemp(),
        products=pl.DataFrame(
            {
                "product_id": [f"p{i}" for i in range(NUM_PRODUCTS)],
                "category": [("A > B", "A", "AA > B", "C")[i % 4] for i in range(NUM_PRODUCTS)],
            }
        ),
        queries=pl.DataFrame(
            {
                "query_id": [f"q{i}" for i in range(NUM_QUERIES)],
                "query": [f"query {i}" for i in range(NUM_QUERIES)],
                "split": splits,
            }
        ),
        qrels=pl.DataFrame(qrels, [*kinds, "grade"], orient="row"),
        refused=pl.DataFrame(
            [(f"q{i}", f"p{(i + 1) % 2}", "relevance") for i in range(NUM_QUERIES)],
            [*kinds, "kind"],
            orient="row",
        ),
    )


def apply(shop, seed=0, **regime):
    ranking = {f"q{i}": {f"p{j}": -float(j) for j in range(20)} for i in range(NUM_QUERIES)}
    return thinned(shop, Regime(**regime), seed, ClickModel(), ranking)


def of_split(dataset, *names):
    asked = dataset.queries.filter(pl.col("split").is_in(names))["query_id"]
    rows = dataset.qrels.filter(pl.col("query_id").is_in(asked.implode()))
    return sorted(rows.select("query_id", "product_id", "grade", "kind").rows())


REGIMES = [
    {"queries": 4},
    {"queries": 0},
    {"queries": 4, "judgements": "two"},
    {"judgements": "fifth"},
    {"judgements": "clicks"},
]


@pytest.mark.parametrize("regime", REGIMES)
def test_dev_and_test_stay_and_the_seed_decides(shop, regime):
    found = apply(shop, 1, **regime)
    assert of_split(found, "dev", "test") == of_split(shop, "dev", "test")
    held_out = pl.col("query_id").is_in(shop.queries.filter(pl.col("split") != "train")["query_id"])
    assert found.refused.filter(held_out).equals(shop.refused.filter(held_out))
    assert found.products is shop.products
    assert found.queries is shop.queries
    assert of_split(apply(shop, 1, **regime), "train") == of_split(found, "train")
    if regime != {"queries": 0}:
        assert of_split(apply(shop, 2, **regime), "train") != of_split(found, "train")


def test_a_smaller_draw_of_queries_is_part_of_a_larger_one(shop):
    kept = [set(apply(shop, 3, queries=n).split("train")["query_id"]) for n in (0, 2, 5, None)]
    assert [len(queries) for queries in kept] == [0, 2, 5, 10]
    assert kept[0] < kept[1] < kept[2] < kept[3]
    whole = dict.fromkeys(kept[2])
    assert all(
        row in of_split(shop, "train") for row in of_split(apply(shop, 3, queries=5), "train")
    )
    assert {row[0] for row in of_split(apply(shop, 3, queries=5), "train")} == set(whole)


def by_the_tool(shop, count, seed):
    """Two products of grade 3 of `count` queries, by the lines of the tool that made the figures
    of the first low-data runs."""
    train = shop.queries.filter(split="train")["query_id"].to_numpy()
    kept = set(train[np.random.default_rng(seed).permutation(len(train))[:count]])
    rows = shop.qrels.filter(pl.col("query_id").is_in(list(kept)) & (pl.col("grade") == 3))
    few = rows.sample(fraction=1.0, shuffle=True, seed=seed)
    return few.group_by("query_id", maintain_order=True).head(2).select("query_id", "product_id")


@pytest.mark.parametrize("seed", [0, 7])
def test_two_positives_each_are_those_of_the_first_low_data_runs(shop, seed):
    found = apply(shop, seed, queries=6, judgements="two")
    rows = sorted(by_the_tool(shop, 6, seed).rows())
    assert [row[:2] for row in of_split(found, "train")] == rows
    assert len(rows) == 12
    assert set(found.refused["query_id"]) == set(
        shop.queries.filter(pl.col("split") != "train")["query_id"]
    )


def test_a_fifth_of_the_judgements_is_left(shop):
    rows = [len(of_split(apply(shop, seed, judgements="fifth"), "train")) for seed in range(20)]
    whole = len(of_split(shop, "train"))
    assert np.mean(rows) == pytest.approx(0.2 * whole, rel=0.1)


def test_clicks_take_the_place_of_grades(shop):
    found = apply(shop, judgements="clicks")
    rows = of_split(found, "train")
    assert {row[2:] for row in rows} == {(1, "desirability")}
    assert {row[1] for row in rows} <= {f"p{j}" for j in range(20)}
    assert found.kinds == ("relevance", "desirability")


def test_a_category_alone_is_judged_except_on_test(shop):
    assert in_category(shop, "A").to_list() == [f"p{i}" for i in range(40) if i % 4 < 2]
    found = apply(shop, category="A")
    assert of_split(found, "test") == of_split(shop, "test")
    for split in ("train", "dev"):
        inside = [row for row in of_split(shop, split) if int(row[1][1:]) % 4 < 2]
        assert of_split(found, split) == inside
    with pytest.raises(ConfigError, match="no product is in 'B'"):
        apply(shop, category="B")


def test_regimes_have_short_names_and_ranges():
    assert Regime(queries=30, judgements="two").name == "30 two"
    whole = Regime(missing_images=0.3, category="A > B")
    assert whole.name == "all all, no image 0.3, only A > B"
    for wrong in ({"queries": -1}, {"missing_images": 1.0}):
        with pytest.raises(ConfigError):
            Regime(**wrong)
